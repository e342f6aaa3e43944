package access

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// TestWhileNothingMayBeGivenNobodyGainsAndWhoKeepsAccessHasIt edits a policy while nothing may be given: what it gives
// before and after the edit stays, pair by pair, whatever roles that takes.
func TestWhileNothingMayBeGivenNobodyGainsAndWhoKeepsAccessHasIt(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWorld(rt)
		w.Policies = w.Policies[:1]
		caused := map[string]bool{} // a user has one cause: what another one newly gives would count as lost
		for _, member := range w.Policies[0].Spec.Members {
			caused[member.Username] = true
		}
		w.Grants = slices.DeleteFunc(w.Grants, func(g *v1alpha1.AccessGrant) bool {
			skip := g.Spec.PolicyRef.Name != w.Policies[0].Name || caused[g.Spec.Subject.Username]
			caused[g.Spec.Subject.Username] = true
			return skip
		})
		w.pass(t)
		w.Observed = cloneObserved(w.Observed)
		before := flat(&w.Observed)
		p := w.Policies[0].DeepCopy()
		drawTerms(rt, p)
		p.Spec.Members = w.Policies[0].Spec.Members
		p.Generation++
		w.Policies[0] = p
		unhindered := cloneObserved(w.Observed)
		for _, steps := range NewPlan(w.Input, Desire(w.Input)).Phases {
			for _, step := range steps {
				if err := applyStep(w.Capabilities, &unhindered, step); err != nil {
					rt.Fatal(err)
				}
			}
		}
		after := flat(&unhindered)
		w.TakeOnly = true
		d := Desire(w.Input)
		plan := NewPlan(w.Input, d)
		walk(rt, w.Capabilities, w.Observed, plan, rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1)))
		w.finish(t, d, plan)
		for user, now := range flat(&w.Observed) {
			for pair := range now {
				if !before[user][pair] {
					rt.Fatalf("%s gained %v\n%s", user, pair, transcript(d, plan))
				}
				if !after[user][pair] {
					rt.Fatalf("%s still has %v\n%s", user, pair, transcript(d, plan))
				}
			}
			for pair := range before[user] {
				if after[user][pair] && !now[pair] {
					rt.Fatalf("%s lost %v\n%s", user, pair, transcript(d, plan))
				}
			}
		}
		if again := NewPlan(w.Input, Desire(w.Input)); len(again.Phases) > 0 {
			rt.Fatalf("a second pass is not empty:\n%s", transcript(Desire(w.Input), again))
		}
		w.TakeOnly = false
		d = Desire(w.Input)
		plan = NewPlan(w.Input, d)
		w.finish(t, d, plan)
		checkReached(rt, w, d)
	})
}

// flat is every pair that each user has by any role.
func flat(o *Observed) map[string]map[Permission]bool {
	out := map[string]map[Permission]bool{}
	for _, u := range o.Users {
		out[u.Username] = map[Permission]bool{}
		for _, role := range u.Roles {
			for _, pair := range o.Roles[role] {
				out[u.Username][pair] = true
			}
		}
	}
	return out
}

// TestAGrantThatKeepsLessWhileNothingMayBeGiven is about a live grant under a policy that gives something else now: what
// both give stays, by a role of its own, unless no role can be made.
func TestAGrantThatKeepsLessWhileNothingMayBeGiven(t *testing.T) {
	for name, noNewRoles := range map[string]bool{"roles can be made": false, "they cannot": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.dags("a")
			w.user("bob")
			p := w.policy("finance", levels("View", "Trigger"), []string{"a"})
			w.grant("g", p, "bob")
			w.pass(t)
			p.Spec.Access = levels("View", "EditRuns")
			p.Generation++
			w.TakeOnly, w.NoNewRoles = true, noNewRoles
			d, plan := Decide(w.Input)
			for _, steps := range plan.Phases {
				for _, step := range steps {
					if step.Kind == StepCreateRole && noNewRoles {
						t.Errorf("role %s is made", step.Role)
					}
				}
			}
			w.finish(t, d, plan)
			held := flat(&w.Observed)["bob"]
			if held[Permission{canCreate, "DAG Run:a"}] || held[Permission{canEdit, "DAG Run:a"}] {
				t.Errorf("bob has %v", held)
			}
			if held[Permission{canRead, "DAG:a"}] == noNewRoles {
				t.Errorf("bob has %v", held)
			}
		})
	}
}
