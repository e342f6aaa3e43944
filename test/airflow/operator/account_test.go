package operator_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/airflow-oam/airflow-oam/hack/stage"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

// least looks at the account that the operator is given: all other steps show that it needs no more than docs/airflow.md
// asks for.
func (w *world) least(t *testing.T) {
	g := NewWithT(t)
	g.Expect(w.field(t, "secret/airflow", ".data.username")()).To(Equal(base64.StdEncoding.EncodeToString([]byte(w.Account.Username))))
	g.Expect(w.Account.Username).NotTo(Equal(w.Airflow.AdminUsername))
	g.Expect(w.rolesOf(t, w.Account.Username)).To(Equal([]string{stage.AccountRole}))
	g.Expect(w.permissions(t, stage.AccountRole)).To(Equal(airflow.AccountPermissions()))
}

// permissions are what a role holds, but for what servers add to every role; sorted.
func (w *world) permissions(t *testing.T, role string) []airflow.Permission {
	t.Helper()
	var stored storedRole
	NewWithT(t).Expect(w.Airflow.AsAdmin(t.Context(), http.MethodGet, rolesAPI+"/"+url.PathEscape(role), nil, &stored)).To(Succeed())
	var held []airflow.Permission
	for _, p := range stored.Actions {
		held = append(held, airflow.Permission{Action: p.Action["name"], Resource: p.Resource["name"]})
	}
	held = slices.DeleteFunc(held, func(p airflow.Permission) bool { return p.Resource == "Website" })
	return airflow.SortPermissions(held)
}
