package faults_test

import (
	"net/http"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

const (
	dagsEndpoint  = "/api/v2/dags"
	rolesEndpoint = "/auth/fab/v1/roles"
)

// scopeFaults are those of one thing, which hold back only what depends on it: no ending and no edit of another policy is
// late.
func scopeFaults() []fault {
	const while = 70 * time.Second
	return []fault{
		{number: "F80", title: "500 to the DAG list, because of one DAG", lasts: while, strike: func(w *world) func(*world) {
			heal := inject(w, airflowtest.BrokenItem(w.random.IntN(len(dags))).On("GET", dagsEndpoint))
			return func(w *world) {
				w.noticed(v1alpha1.ReasonDagListUnreadable)
				heal(w)
			}
		}},
		{number: "F80", title: "500 to the list of roles or users", lasts: while, what: airflowAway, strike: func(w *world) func(*world) {
			w.poke()
			endpoint := []string{rolesEndpoint, usersEndpoint}[w.random.IntN(2)]
			return inject(w, airflowtest.BrokenItem(w.random.IntN(3)).On("GET", endpoint))
		}},
		{number: "F81", title: "403 with HTML to the writes of one role", lasts: while, strike: refusedInFront(http.StatusForbidden)},
		{number: "F81", title: "413 to the writes of one role", lasts: while, strike: refusedInFront(http.StatusRequestEntityTooLarge)},
		{number: "F82", title: "a user that cannot be addressed", lasts: while, strike: unaddressable},
	}
}

// refusedInFront has something in front of Airflow refuse the role of a new policy, and nothing else.
func refusedInFront(status int) func(*world) func(*world) {
	return func(w *world) func(*world) {
		w.policy("large", "*", []v1alpha1.AccessLevel{view, trigger, editRuns}, "bob")
		name := w.role("large")
		f := airflowtest.FrontDoor(status, 0)
		f.If = func(r airflowtest.Request) bool {
			return strings.Contains(r.Body, name) && !strings.Contains(r.Path, "/users")
		}
		heal := inject(w, f)
		return func(w *world) {
			w.says(&v1alpha1.DagAccessPolicy{ObjectMeta: w.meta("large")}, v1alpha1.ReasonRefusedInFront)
			heal(w)
		}
	}
}

// unaddressable has a grant and a policy name, by the address, a user of Airflow whose name has a slash: the schema refuses
// such names.
func unaddressable(w *world) func(*world) {
	const name, email = "assumed-role/dana", "dana@example.com"
	w.struck()
	w.sim.AddUser(airflowtest.User{Username: name, Email: email, Roles: []string{"Public"}})
	grant := &v1alpha1.AccessGrant{ObjectMeta: w.meta("unaddressable"), Spec: v1alpha1.AccessGrantSpec{
		PolicyRef: v1alpha1.PolicyReference{Name: "finance"}, Subject: v1alpha1.Subject{Email: email}, Duration: &metav1.Duration{Duration: time.Hour},
	}}
	w.create(grant)
	policy := &v1alpha1.DagAccessPolicy{ObjectMeta: w.meta("unaddressable"), Spec: v1alpha1.DagAccessPolicySpec{
		InstanceRef: v1alpha1.InstanceReference{Name: "prod"}, Dags: []v1alpha1.DagSelector{{IDs: []string{"payroll"}}},
		Access: []v1alpha1.AccessLevel{view}, Members: []v1alpha1.Subject{{Email: email}},
	}}
	w.create(policy)
	return func(w *world) {
		w.says(grant, v1alpha1.ReasonSubjectNotAddressable)
		w.says(policy, v1alpha1.ReasonSubjectNotAddressable)
		w.delete(grant)
		w.delete(policy)
	}
}
