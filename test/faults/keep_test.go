package faults_test

import (
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
)

// quiet is a moment at which nothing was to be done.
type quiet struct {
	seq    int       // the last change of Airflow
	at     time.Time // when
	stored *stored
}

// stored are the objects as they were at some moment.
type stored struct {
	objects []client.Object
	// claims are the generations of which objects say that it is in place, by origin of a cause.
	claims map[string]int64
}

// calm notes a quiet moment.
func (w *world) calm() {
	q := quiet{seq: w.sim.LastSeq(), at: w.now(), stored: w.look()}
	if n := len(w.quiets); n > 0 && w.quiets[n-1].seq == q.seq && w.quiets[n-1].stored == q.stored {
		return
	}
	w.quiets = append(w.quiets, q)
}

// look gives what is stored. It asks only where that may have changed.
func (w *world) look() *stored {
	written := w.kubernetesWrites()
	if w.looked == nil || w.moved || w.lookedWrites != written {
		w.looked, w.lookedWrites, w.moved = newStored(w.stored()), written, false
	}
	return w.looked
}

// changed notes that somebody else than the operator changes objects.
func (w *world) changed() { w.dirty, w.moved = true, true }

// newStored finds what objects claim.
func newStored(objects []client.Object) *stored {
	out := &stored{objects: objects, claims: map[string]int64{}}
	for _, o := range objects {
		switch x := o.(type) {
		case *v1alpha1.AccessGrant:
			if x.Status.Phase == v1alpha1.GrantActive && isTrue(x.Status.Conditions, v1alpha1.ConditionActive) {
				out.claims["grant "+x.Name+" "+string(x.UID)] = x.Generation
			}
		case *v1alpha1.DagAccessPolicy:
			if isTrue(x.Status.Conditions, v1alpha1.ConditionReady) {
				out.claims["policy "+x.Name] = x.Status.ObservedGeneration
			}
		}
	}
	return out
}

// claimed says whether the objects say at a quiet moment that a cause is in place.
func (c cause) claimed(at quiet) bool {
	generation, claims := at.stored.claims[c.origin]
	if !claims || c.from.After(at.at) || !c.due.IsZero() && c.due.Before(at.at) {
		return false
	}
	if c.policy == "" {
		return generation >= c.generation
	}
	return c.first || at.stored.claims[c.policy] >= c.generation
}

// covered says whether causes of one origin follow each other without a gap, from a moment to another.
func covered(causes []cause, origin string, from, to time.Time) bool {
	for {
		next := slices.IndexFunc(causes, func(c cause) bool {
			return c.origin == origin && !c.from.After(from) && (c.kept().IsZero() || c.kept().After(from))
		})
		switch {
		case next < 0:
			return false
		case causes[next].kept().IsZero() || causes[next].kept().After(to):
			return true
		}
		from = causes[next].kept()
	}
}

// kept is I9: no change of ours ends access that its cause keeps. The causes are those that give it.
func (w *world) kept(person string, q airflowtest.Check, span airflowtest.Span, causes []cause) {
	w.t.Helper()
	if span.ToSeq == 0 {
		return
	}
	change := w.past.changes[span.ToSeq-1]
	if change.By != airflowtest.AdminUsername || !w.showed(q.Dag, change) {
		return // a DAG that two lists lacked is nobody's to keep, nor one that came back since a reading
	}
	for _, c := range causes {
		since, ok := w.established(c, span.ToSeq)
		if ok && covered(causes, c.origin, since.at, change.At.Add(w.ahead)) && !w.robbed(person, c, q, since, span.ToSeq) {
			w.wrong("I9: %s lost %s at %s by %s of %s%s, although %s keeps it", person, describe(q), w.offset(change.At), change.Kind, change.Role, change.User, c.origin)
			return
		}
	}
}

// established gives the last quiet moment before a change at which a cause was said to be in place.
func (w *world) established(c cause, before int) (quiet, bool) {
	for _, k := range slices.Backward(w.quiets) {
		if k.seq < before && c.claimed(k) {
			return k, true
		}
	}
	return quiet{}, false
}

// truthful checks that what the objects said to be in place was there. The causes are those that give it.
func (w *world) truthful(person string, q airflowtest.Check, spans []airflowtest.Span, causes []cause) {
	w.t.Helper()
	for _, k := range w.quiets {
		has := slices.ContainsFunc(spans, func(s airflowtest.Span) bool { return s.FromSeq <= k.seq && (s.ToSeq == 0 || s.ToSeq > k.seq) })
		if has || !w.past.at(person, k.seq).exists {
			continue
		}
		for _, c := range causes {
			if c.claimed(k) && covered(causes, c.origin, k.at, k.at.Add(w.ahead)) && w.steady(q.Dag, k) && !w.robbed(person, c, q, k, k.seq+1) {
				if about := c.origin + " " + person; !w.lied[about] { // one question is enough
					w.lied[about] = true
					w.wrong("status: %s says at %s that its access is in place, but %s cannot %s", c.origin, w.offset(k.at), person, describe(q))
				}
				return
			}
		}
	}
}

// proved checks that nobody whose removal an object says to be proved holds the role that the grant was given, or a
// successor of it, without another cause.
func (w *world) proved(causes []cause) {
	w.t.Helper()
	for _, k := range w.quiets {
		for _, o := range k.stored.objects {
			g, ok := o.(*v1alpha1.AccessGrant)
			if !ok || g.Status.RemovedAt == nil || g.Status.Activation == nil {
				continue
			}
			for _, given := range g.Status.Activation.Instances {
				if role := w.holds(given.Username, given.Role, k); role != "" && !w.entitled(g, given.Username, k, causes) {
					w.wrong("status: grant %s says at %s that its removal is proved, but %s holds %s", g.Name, w.offset(k.at), given.Username, role)
				}
			}
		}
	}
}

// holds gives the role of a line of successors that a person holds at a quiet moment by the operator's work.
func (w *world) holds(person, first string, k quiet) string {
	held, line := w.past.at(person, k.seq), strings.TrimSuffix(rolename.Successor(first, 1), "~g1")
	for _, role := range held.roles {
		if held.ours && (role == line || strings.HasPrefix(role, line+"~g")) {
			return role
		}
	}
	return ""
}

// entitled says whether a person has another cause than a grant by the same policy.
func (w *world) entitled(g *v1alpha1.AccessGrant, person string, k quiet, causes []cause) bool {
	policy := "policy " + g.Spec.PolicyRef.Name
	return slices.ContainsFunc(causes, func(c cause) bool {
		return sameName(c.person, person) && (c.origin == policy || c.policy == policy) && c.origin != "grant "+g.Name+" "+string(g.UID) &&
			!c.from.After(k.at) && (c.due.IsZero() || !c.bound.Before(k.at))
	})
}
