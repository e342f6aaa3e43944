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

// loggedIn looks at how often the operator logged in, which nobody else did with its account: a password costs Airflow
// 150 to 250 ms, and in Airflow 2 could be sent with every call. F54 started the operator a second time.
func (w *world) loggedIn(t *testing.T) {
	g := NewWithT(t)
	f := w.figures(t)
	g.Expect(f.of("pass_duration_seconds_count")).To(BeNumerically(">=", 10), "passes since then")
	g.Expect(f.of("airflow_requests_total")).To(BeNumerically(">=", 50), "calls since then")
	var account struct {
		Logins int `json:"login_count"`
	}
	g.Expect(w.Airflow.AsAdmin(t.Context(), http.MethodGet, "/auth/fab/v1/users/"+w.Account.Username, nil, &account)).To(Succeed())
	t.Logf("%d logins; since the second start %g passes and %g calls", account.Logins, f.of("pass_duration_seconds_count"), f.of("airflow_requests_total"))
	g.Expect(account.Logins).To(Equal(2), "once for each time it was started")
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
