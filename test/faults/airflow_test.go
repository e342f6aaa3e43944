package faults_test

import (
	"slices"
	"strings"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

const (
	roleEndpoint  = "/auth/fab/v1/roles/{name}"
	usersEndpoint = "/auth/fab/v1/users"
	userEndpoint  = "/auth/fab/v1/users/{username}"
)

// done is a strike that is over at once.
func done(strike func(w *world)) func(*world) func(*world) {
	return func(w *world) func(*world) {
		w.struck()
		strike(w)
		return nil
	}
}

func airflowFaults() []fault {
	const while = 30 * time.Second
	writes := func(f airflowtest.Fault) airflowtest.Fault {
		f.Writes = true
		return f
	}
	return []fault{
		{number: "F34", title: "half applied, then 500", lasts: while, what: airflowAway, strike: always(writes(airflowtest.HalfThen(500)))},
		{number: "F35", title: "200, and nothing is stored", lasts: while, what: airflowAway, strike: always(writes(airflowtest.Unstored()))},
		{number: "F36", title: "a role is deleted", strike: done(func(w *world) { w.sim.DeleteRole(w.role("finance")) })},
		{number: "F37", title: "a role is edited", strike: done(func(w *world) {
			role, _ := w.sim.Role(w.role("finance"))
			w.sim.SetRole(role.Name, role.Permissions[:len(role.Permissions)/2]...)
			w.widen("finance", airflow.Permission{Action: "can_edit", Resource: "Task Instances"}, airflow.Permission{Action: "can_edit", Resource: "DAG Runs"})
		})},
		{number: "F38", title: "a role is renamed", strike: done(renamed)},
		{number: "F39", title: "a user is deleted", strike: done(func(w *world) {
			w.sim.RemoveUser("alice")
			w.sim.RemoveUser("bob")
			w.gone("alice", "bob")
		})},
		{number: "F40", title: "a user is made again under the same name", strike: done(func(w *world) {
			w.sim.RemoveUser("alice")
			w.sim.RemoveUser("bob")
			w.gone("alice", "bob")
			w.sim.AddUser(airflowtest.User{Username: "alice", Email: "alice@example.com", Roles: []string{"Public"}})
			w.sim.AddUser(airflowtest.User{Username: "bob", Email: "bob@example.com", Roles: []string{"Public"}})
		})},
		{number: "F41", title: "roles are overwritten at a login", strike: done(func(w *world) {
			w.sim.LogIn("alice", "Public")
			w.sim.LogIn("bob", "Public", "analysts")
		})},
		{number: "F42", title: "a DAG that is no resource yet", lasts: while, strike: unparsed},
		{number: "F43", title: "409 to some writes", lasts: while, what: airflowAway, strike: func(w *world) func(*world) {
			f := writes(airflowtest.Status(409, "Role exists"))
			f.If = some(w.random.Uint64(), 2)
			return inject(w, f)
		}},
		{number: "F43", title: "another writer changes a user just before our reading", lasts: while, strike: racing},
		{number: "F44", title: "short pages", lasts: while, strike: always(airflowtest.ShortPages(2))},
		{number: "F44", title: "lists that shift while they are read", lasts: 80 * time.Second, strike: shifting},
		{number: "F45", title: "deleting a role fails", lasts: while, strike: always(airflowtest.Status(500, "Internal Server Error").On("DELETE", roleEndpoint))},
		{number: "F46", title: "a burst of 5xx", lasts: while, what: airflowAway, strike: func(w *world) func(*world) {
			f := airflowtest.BadGateway(503)
			f.If = some(w.random.Uint64(), 5)
			return inject(w, f)
		}},
		{number: "F46", title: "a minute without an answer but 503", lasts: time.Minute, what: airflowAway, strike: always(airflowtest.BadGateway(503))},
		{number: "F77", title: "DAG code takes our permissions away at each parse", lasts: 50 * time.Second, settles: 2 * interval, strike: fighting},
	}
}

// gone ends the grants of people who are no longer the same.
func (w *world) gone(names ...string) {
	for _, g := range w.facts.grants {
		if slices.Contains(names, g.person) {
			g.end(w.now())
		}
	}
}

// renamed gives a role of ours another name: it is nobody's then, with all who hold it, until people take it away.
func renamed(w *world) {
	role, _ := w.sim.Role(w.role("finance"))
	for _, holder := range w.sim.Holders(role.Name) {
		w.foreign(holder, role.Permissions...)
	}
	w.sim.RenameRole(role.Name, "renamed by hand")
}

// unparsed adds a DAG that is in the list and no resource yet. It took effect where the policy says that it waits for it.
func unparsed(w *world) func(*world) {
	const id = "finance_new"
	w.dags = append(w.dags, id)
	w.unparsed[id] = []stretch{{w.now(), w.now().Add(time.Hour)}}
	w.sim.SetDag(airflowtest.Dag{ID: id, Unparsed: true})
	return func(w *world) {
		policy := &v1alpha1.DagAccessPolicy{ObjectMeta: w.meta("finance")}
		if err := admin.Get(w.t.Context(), client.ObjectKeyFromObject(policy), policy); err != nil {
			w.fatal("read policy finance: %v", err)
		}
		if slices.ContainsFunc(policy.Status.Conditions, func(c metav1.Condition) bool {
			return c.Type == v1alpha1.ConditionDagsPending && c.Status == metav1.ConditionTrue && strings.Contains(c.Message, id)
		}) {
			w.struck()
		}
		w.sim.SetDag(airflowtest.Dag{ID: id})
		w.unparsed[id][0].to = w.now()
	}
}

// racing gives people another role just before the operator reads them to write their roles: it must survive. Airflow has
// no preconditions, so that of two writes after the reading the last one wins; that is not tried.
func racing(w *world) func(*world) {
	var heals []func(*world)
	for _, name := range people {
		f := airflowtest.Meanwhile(func() {
			roles, ok := w.sim.UserRoles(name)
			if ok && !slices.Contains(roles, "analysts") {
				w.sim.SetUserRoles(name, append(roles, "analysts")...)
			}
		}).On("GET", userEndpoint)
		f.If = func(r airflowtest.Request) bool { return strings.HasSuffix(r.Path, "/"+name) }
		heals = append(heals, inject(w, f))
	}
	return func(w *world) {
		for _, heal := range heals {
			heal(w)
		}
	}
}

// shifting adds and removes people while the list of users is read.
func shifting(w *world) func(*world) {
	var there atomic.Bool
	short := airflowtest.ShortPages(3)
	short.Before = func() {
		if there.Swap(!there.Load()) {
			w.sim.RemoveUser("aaron")
		} else {
			w.sim.AddUser(airflowtest.User{Username: "aaron", Email: "aaron@example.com", Roles: []string{"Public"}})
		}
	}
	half := some(w.random.Uint64(), 2)
	var began atomic.Bool
	short.If = func(r airflowtest.Request) bool { return !began.Swap(true) || half(r) }
	return inject(w, short.On("GET", usersEndpoint).For(12))
}

// fighting makes the code of a DAG take its permissions away from every role, again and again.
func fighting(w *world) func(*world) {
	w.struck()
	w.sim.SetDag(airflowtest.Dag{ID: "finance_daily", AccessControl: map[string][]string{}})
	w.every(10*time.Second, func() { w.sim.Parse() })
	return func(w *world) {
		w.habits = nil
		w.sim.SetDag(airflowtest.Dag{ID: "finance_daily"})
	}
}
