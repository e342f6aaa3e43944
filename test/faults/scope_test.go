package faults_test

import (
	"net/http"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
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
		{number: "F85", title: "a DAG file that cannot be parsed for minutes", lasts: 2 * time.Minute, strike: brokenFile},
	}
}

// brokenFile makes a DAG stale for longer than two lists need: no role of the policy loses it.
func brokenFile(w *world) func(*world) {
	const id = "finance_daily"
	before := w.sim.LastSeq()
	w.sim.BreakDag(id, true)
	w.struck()
	at := len(w.unparsed[id]) // what it had stays, and no level is added to it meanwhile
	w.unparsed[id] = append(w.unparsed[id], stretch{w.now(), w.now().Add(time.Hour)})
	return func(w *world) {
		w.says(&v1alpha1.DagAccessPolicy{ObjectMeta: w.meta("finance")}, v1alpha1.ReasonDagsStaleOrMissing)
		for _, c := range w.sim.Changes(func(c airflowtest.Change) bool {
			return c.Seq > before && c.By == airflowtest.AdminUsername && c.Kind == airflowtest.RolePermissions
		}) {
			if has(c.PermissionsBefore, id) && !has(c.PermissionsAfter, id) {
				w.wrong("K4: role %s lost %s while its file was broken", c.Role, id)
			}
		}
		w.sim.BreakDag(id, false)
		w.unparsed[id][at].to = w.now()
	}
}

// has reports whether permissions let anybody see a DAG.
func has(permissions []airflow.Permission, id string) bool {
	return slices.Contains(permissions, airflow.Permission{Action: "can_read", Resource: "DAG:" + id})
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
