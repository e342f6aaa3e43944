package faults_test

import (
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/test/controlplane"
)

// everyProcess does something to each process there is and will be, until it is called off.
func (w *world) everyProcess(do func(*process)) {
	for _, p := range w.processes {
		do(p)
	}
	w.preparing = do
}

// answering lets the API server answer by a rule.
func answering(rule func(w *world, c call) (*http.Response, error)) func(*world) func(*world) {
	return func(w *world) func(*world) {
		w.everyProcess(func(p *process) {
			p.gate.setRule(func(c call) (*http.Response, error) {
				response, err := rule(w, c)
				if response != nil || err != nil {
					w.struck()
				}
				return response, err
			})
		})
		return func(w *world) {
			w.everyProcess(func(p *process) { p.gate.setRule(nil) })
			w.preparing = nil
		}
	}
}

// away cuts the operator off the API server.
func away(w *world) func(*world) {
	w.apart.Add(1)
	heal := answering(func(*world, call) (*http.Response, error) { return nil, errRefused })(w)
	w.everyProcess(func(p *process) { p.gate.cut() })
	return func(w *world) {
		heal(w)
		w.apart.Add(-1)
		w.changed()
	}
}

// held freezes the caches of the operator: what is written does not come back.
func held(w *world) func(*world) {
	w.struck()
	w.apart.Add(1)
	w.everyProcess(func(p *process) { p.gate.hold() })
	return func(w *world) {
		w.everyProcess(func(p *process) { p.gate.release() })
		w.preparing = nil
		w.apart.Add(-1)
		w.changed()
	}
}

func kubernetesFaults() []fault {
	const while = 30 * time.Second
	every := func(n int32, code int, reason metav1.StatusReason, retryAfter int) func(*world) func(*world) {
		var count atomic.Int32
		return answering(func(_ *world, c call) (*http.Response, error) {
			if c.writes() && c.resource != "events" && count.Add(1)%n != 0 {
				return refusal(c.Request, code, reason, retryAfter), nil
			}
			return nil, nil
		})
	}
	return []fault{
		{number: "F1", title: "the cache is behind our own writes", lasts: 8 * time.Second, what: kubernetesAway, strike: behind},
		{number: "F2", title: "a list at the start is old", strike: oldLists(0)},
		{number: "F2", title: "a list at the start is old, and the caches stay old for 3 s", strike: oldLists(3 * time.Second)},
		{number: "F3", title: "an object is made and deleted unseen", lasts: 5 * time.Second, what: kubernetesAway, strike: func(w *world) func(*world) {
			heal := held(w)
			w.grant("unseen", "dave", "finance", time.Hour)
			w.deleteGrant("unseen")
			return heal
		}},
		{number: "F4", title: "every event comes five times", lasts: while, strike: repeated},
		{number: "F5", title: "409 to two of three writes", lasts: while, strike: every(3, http.StatusConflict, metav1.StatusReasonConflict, 0)},
		{number: "F6", title: "watches break and everything is listed again", lasts: while, strike: func(w *world) func(*world) {
			w.every(5*time.Second, func() {
				for _, p := range w.processes {
					p.gate.cut()
				}
				w.changed()
				w.struck()
			})
			return func(w *world) { w.habits = nil }
		}},
		{number: "F7", title: "429 from the API server", lasts: 5 * time.Second, strike: every(4, http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests, 1)},
		{number: "F8", title: "the API server is away for 60 s", lasts: time.Minute, what: kubernetesAway, strike: away},
		{number: "F9", title: "finalizers are removed by force", strike: done(forced)},
		{number: "F10", title: "inventory, spent grants and histories are pruned by an older schema", strike: done(pruned)},
	}
}

// behind freezes the caches of the operator just before it first writes the status of a grant: of all that it writes from
// then on nothing comes back.
func behind(w *world) func(*world) {
	var once sync.Once
	w.everyProcess(func(p *process) {
		p.gate.setRule(func(c call) (*http.Response, error) {
			if c.verb == "patch" && c.resource == "accessgrants/status" {
				once.Do(func() {
					w.apart.Add(1)
					p.gate.hold()
				})
				w.struck()
			}
			return nil, nil
		})
	})
	return func(w *world) {
		w.everyProcess(func(p *process) {
			p.gate.setRule(nil)
			p.gate.release()
		})
		w.preparing = nil
		once.Do(func() { w.apart.Add(1) })
		w.apart.Add(-1)
		w.changed()
	}
}

// oldLists starts a new process whose caches have an old state until its first pass is over, and for a time after it: a
// grant that has ended since looks as if it lived.
func oldLists(d time.Duration) func(*world) func(*world) {
	return func(w *world) func(*world) {
		startOld(w, d)
		return nil
	}
}

func startOld(w *world, d time.Duration) {
	old := map[string][]byte{}
	for _, resource := range []string{"airflowinstances", "dagaccesspolicies", "accessgrants"} {
		body, err := raw.Get().AbsPath("apis/access.airflow-oam.dev/v1alpha1/namespaces/" + w.namespace + "/" + resource).DoRaw(w.t.Context())
		if err != nil {
			w.fatal("list %s: %v", resource, err)
		}
		old[resource] = body
	}
	w.revoke("lasts")
	w.grant("after-the-list", "dave", "finance", time.Hour)
	w.run(2 * time.Second) // it is taken away, and the process that did it dies
	w.crash(w.processes[0])
	w.blindFor(processAway, 0)
	w.preparing = func(p *process) {
		p.gate.stale = old
		p.gate.hold()
	}
	w.apart.Add(1)
	w.start()
	w.preparing = nil
	p := w.processes[0]
	w.await("the first pass", func() bool { return p.started() && p.idle() })
	for range 3 - p.gate.staleLeft() {
		w.struck()
	}
	if d > 0 {
		w.blindFor(kubernetesAway, d)
		w.run(d)
	}
	p.gate.release()
	w.apart.Add(-1)
	w.changed()
}

// repeated puts every object into every queue again and again.
func repeated(w *world) func(*world) {
	w.every(time.Second, func() {
		for range 5 {
			for _, o := range w.stored() {
				for _, p := range w.processes {
					p.queues[controllerOf(o)].Add(requestFor(o))
				}
			}
		}
		w.struck()
	})
	return func(w *world) { w.habits = nil }
}

// forced deletes a grant and a policy past the operator, which is not shown them in between.
func forced(w *world) {
	w.everyProcess(func(p *process) { p.gate.hold() })
	w.deleteGrant("lasts")
	edit(w, &v1alpha1.AccessGrant{ObjectMeta: w.meta("lasts")}, func(g *v1alpha1.AccessGrant) { g.Finalizers = nil })
	w.deletePolicy("marketing")
	edit(w, &v1alpha1.DagAccessPolicy{ObjectMeta: w.meta("marketing")}, func(p *v1alpha1.DagAccessPolicy) { p.Finalizers = nil })
	w.everyProcess(func(p *process) { p.gate.release() })
	w.preparing = nil
}

// pruned takes fields out of statuses that an older schema would not know.
func pruned(w *world) {
	operator, err := client.New(controlplane.AsOperator(plane), client.Options{Scheme: scheme})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, o := range w.stored() {
		before := o.DeepCopyObject().(client.Object)
		switch x := o.(type) {
		case *v1alpha1.AirflowInstance:
			x.Status.ManagedRoles, x.Status.Spent, x.Status.Held = nil, nil, nil
		case *v1alpha1.DagAccessPolicy:
			x.Status.History = nil
		case *v1alpha1.AccessGrant:
			x.Status.History = nil
		}
		if err := operator.Status().Patch(w.t.Context(), o, client.MergeFrom(before)); err != nil {
			w.fatal("prune %s: %v", o.GetName(), err)
		}
	}
	w.changed()
}

// requestFor is the key of an object.
func requestFor(o client.Object) request {
	return request{NamespacedName: client.ObjectKeyFromObject(o)}
}

// controllerOf is the name of the controller of an object.
func controllerOf(o client.Object) string {
	switch o.(type) {
	case *v1alpha1.AirflowInstance:
		return "airflowinstance"
	case *v1alpha1.DagAccessPolicy:
		return "dagaccesspolicy"
	}
	return "accessgrant"
}

// objects says whether there is anything that a controller would look at.
func (w *world) objects(controller string) bool {
	return slices.ContainsFunc(w.stored(), func(o client.Object) bool { return controllerOf(o) == controller })
}
