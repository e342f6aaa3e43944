package faults_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
)

// down is how long no process runs after one died.
const down = 15 * time.Second

// died notes a death and has another process started after a while.
func (w *world) died(p *process) {
	if p.gate.isDead() {
		return
	}
	w.struck()
	w.note("the process is killed")
	w.blindFor(processAway, down)
	p.die()
	w.once(w.now().Add(down), func() { w.start() })
}

// crashAfterWrite kills the process when the first write to Kubernetes that fits was stored: to a resource, of a name that
// begins so, with a word in what was sent.
func crashAfterWrite(resource, name, word string) func(*world) func(*world) {
	return func(w *world) func(*world) {
		p := w.processes[0]
		var count atomic.Int32
		p.gate.setAfter(func(c call) {
			if c.verb == "patch" && c.resource == resource && strings.HasPrefix(c.name, name) && c.says(word) && count.Add(1) == 1 {
				w.died(p)
			}
		})
		return nil
	}
}

// says whether what was sent has a word in it.
func (c call) says(word string) bool {
	if word == "" {
		return true
	}
	if c.GetBody == nil {
		return false
	}
	body, err := c.GetBody()
	if err != nil {
		return false
	}
	text, err := io.ReadAll(body)
	return err == nil && strings.Contains(string(text), word)
}

// crashAtRequest kills the process when it sends a request to Airflow that fits: before it is served, or after.
func crashAtRequest(f airflowtest.Fault, served bool) func(*world) func(*world) {
	return func(w *world) func(*world) {
		p := w.processes[0]
		f := f
		f.Name, f.Times, f.Wire = "the process is killed", 1, airflowtest.Dropped
		if !served {
			f.Apply = airflowtest.Nothing
			f.Answer = &airflowtest.Answer{Status: 500}
		}
		f.Before = func() { w.died(p) }
		w.sim.Inject(w.local(f))
		return nil
	}
}

// crashAtRemoval kills the process when it takes the access of the grant that is revoked.
func crashAtRemoval(served bool) func(*world) func(*world) {
	return func(w *world) func(*world) {
		const person = "heidi"
		line := rolename.ForPolicy(w.namespace, "marketing", "")
		f := airflowtest.Fault{}.On("PATCH", userEndpoint)
		f.Path = "/auth/fab/v1/users/" + person
		f.If = func(r airflowtest.Request) bool {
			roles, _ := w.sim.UserRoles(person)
			holds := slices.ContainsFunc(roles, func(role string) bool { return strings.HasPrefix(role, line) })
			return holds && !strings.Contains(r.Body, line)
		}
		return crashAtRequest(f, served)(w)
	}
}

// crashAtAny kills the process at some write to Airflow, of which the seed says the number.
func crashAtAny(w *world) func(*world) {
	f := airflowtest.Fault{Writes: true, Skip: w.random.IntN(4)}
	return crashAtRequest(f, w.random.IntN(2) == 0)(w)
}

// crashInSuccession takes a level out of a policy, and kills the process at one of the writes that this takes where roles
// only grow: a role is made, its members come to it one by one, and the old role goes.
func crashInSuccession(w *world) func(*world) {
	w.editPolicy("finance", "gives less", func(p *v1alpha1.DagAccessPolicySpec) { p.Access = []v1alpha1.AccessLevel{view} })
	f := airflowtest.Fault{Writes: true, Skip: w.random.IntN(8)}
	return crashAtRequest(f, w.random.IntN(2) == 0)(w)
}

func processFaults() []fault {
	const while = 40 * time.Second
	patch := func(endpoint string) airflowtest.Fault { return airflowtest.Fault{}.On("PATCH", endpoint) }
	crash := func(number, title string, strike func(*world) func(*world)) fault {
		return fault{number: number, title: title, lasts: while, strike: strike, excuse: "all endings, until a process runs"}
	}
	return []fault{
		crash("F11", "killed after the finalizer of a grant was stored", crashAfterWrite("accessgrants", "begins", "")),
		crash("F12", "killed after the activation was stored", crashAfterWrite("accessgrants/status", "begins", `"activation"`)),
		crash("F12", "killed after the inventory was stored", crashAfterWrite("airflowinstances/status", "", `"managedRoles"`)),
		crash("F13", "killed before a role is made", crashAtRequest(airflowtest.Fault{}.On("POST", "/auth/fab/v1/roles"), false)),
		crash("F13", "killed after a role was made", crashAtRequest(airflowtest.Fault{}.On("POST", "/auth/fab/v1/roles"), true)),
		crash("F14", "killed before a person's roles are written", crashAtRequest(patch(userEndpoint), false)),
		crash("F14", "killed after a person's roles were written", crashAtRequest(patch(userEndpoint), true)),
		crash("F14", "killed after Active was stored", crashAfterWrite("accessgrants/status", "begins", `"reason":"Active"`)),
		crash("F14", "killed at some write to Airflow", crashAtAny),
		crash("F15", "killed before access is taken away", crashAtRemoval(false)),
		crash("F15", "killed after access was taken away", crashAtRemoval(true)),
		crash("F15", "killed after the end was stored", crashAfterWrite("accessgrants/status", "taken-back", `"end"`)),
		{number: "F16", title: "leadership lost in the middle of a pass", lasts: while, strike: func(w *world) func(*world) {
			old := w.processes[0]
			f := airflowtest.Meanwhile(func() {
				w.struck()
				old.cancel()
				w.blindFor(processAway, 0)
				w.soon(func() { w.start(); old.stop() })
			})
			f.Writes = true
			f.Skip = w.random.IntN(3)
			w.sim.Inject(f.For(1))
			return nil
		}},
		{number: "F17", title: "two leaders for half a minute", lasts: 30 * time.Second, strike: twoLeaders},
		crash("F18", "killed during a full comparison", func(w *world) func(*world) {
			list := airflowtest.Fault{Skip: w.random.IntN(3)}
			list.If = func(r airflowtest.Request) bool {
				return r.Method == http.MethodGet && strings.Contains(r.Query, "limit=")
			}
			w.poke()
			return crashAtRequest(list, true)(w)
		}),
		{number: "F54", title: "down across an expiry", lasts: time.Minute, what: processAway, strike: func(w *world) func(*world) {
			w.struck()
			w.crash(w.processes[0])
			return func(w *world) { w.start() }
		}},
		{number: "F67", title: "uninstalled, the kinds kept, and installed again", lasts: time.Minute, what: processAway, strike: func(w *world) func(*world) {
			w.struck()
			w.processes[0].stop()
			w.deleteGrant("lasts")
			return func(w *world) { w.start() }
		}},
		{number: "F67", title: "uninstalled with the kinds, and installed again", lasts: time.Minute, what: processAway, strike: reinstalled},
	}
}

// twoLeaders starts a second process, and later stops the first.
func twoLeaders(w *world) func(*world) {
	w.struck()
	old := w.processes[0]
	w.start()
	return func(*world) { old.stop() }
}

// reinstalled removes the operator with all its objects, as deleting the kinds by force does, and later installs it
// again from what Git holds: the instance and the policies, but no grant. The instance has another UID, so that it names
// the one whose Airflow it takes over.
func reinstalled(w *world) func(*world) {
	w.struck()
	w.processes[0].stop()
	var (
		policies []*v1alpha1.DagAccessPolicy
		claimant string
	)
	for _, o := range w.stored() {
		switch x := o.(type) {
		case *v1alpha1.AirflowInstance:
			claimant = string(x.UID)
		case *v1alpha1.DagAccessPolicy:
			policies = append(policies, x.DeepCopy())
		case *v1alpha1.AccessGrant:
			w.facts.grant(x.Name).end(w.now())
		}
		o.SetFinalizers(nil)
		if err := admin.Update(w.t.Context(), o); err != nil {
			w.fatal("remove a finalizer: %v", err)
		}
		w.delete(o)
	}
	w.delete(&corev1.Secret{ObjectMeta: w.meta("airflow")})
	return func(w *world) {
		w.secret(airflowtest.AdminPassword)
		w.instance(func(spec *v1alpha1.AirflowInstanceSpec) { spec.TakeOver = claimant })
		for _, p := range policies {
			w.create(&v1alpha1.DagAccessPolicy{ObjectMeta: metav1.ObjectMeta{Name: p.Name, Namespace: p.Namespace}, Spec: p.Spec})
		}
		w.start()
	}
}
