package access_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/airflow-oam/airflow-oam/internal/access"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
)

// revokeOnly is a pass that may only revoke.
var revokeOnly = access.OnlyRevoking(v1alpha1.ReasonInstanceNotReady, "nothing is granted in this Airflow now")

// TestWhileNothingMayBeGivenNobodyGainsAndWhoKeepsAccessHasIt edits a policy while nothing may be given: what it gives
// before and after the edit stays, pair by pair, in the roles that users are in. Users are not moved, so that a grant whose
// role would be another one now keeps what the policy's role gives before and after. Where roles only grow, more may stay.
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
		w.Giving = revokeOnly
		d := Desire(w.Input)
		plan := NewPlan(w.Input, d)
		walk(rt, w.Capabilities, w.Observed, plan, rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1)))
		w.finish(t, d, plan)
		for user, now := range flat(&w.Observed) {
			for pair := range now {
				if !before[user][pair] {
					rt.Fatalf("%s gained %v\n%s", user, pair, transcript(d, plan))
				}
				if !after[user][pair] && !slices.Contains(d.Roles[d.Policies[named("p0")].Role].Permissions, pair) && !w.OnlyAdds() {
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
		w.Giving = access.Giving{}
		d = Desire(w.Input)
		plan = NewPlan(w.Input, d)
		w.finish(t, d, plan)
		checkReached(rt, w, d)
	})
}

// TestClaimsAreTrueWhileNothingMayBeGiven: a pass that was to follow an edit is cut off, and from then on nothing may be
// given. What is said to be in place is all there, whatever role somebody stays in.
func TestClaimsAreTrueWhileNothingMayBeGiven(t *testing.T) {
	kept := 0
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWorld(rt)
		w.pass(t)
		for i, p := range w.Policies {
			p = p.DeepCopy()
			drawTerms(rt, p)
			p.Generation++
			w.Policies[i] = p
		}
		full := Desire(w.Input)
		w.Observed, w.Instance = cloneObserved(w.Observed), w.Instance.DeepCopy()
		w.Instance.Status.ManagedRoles = full.Inventory
		left := rapid.IntRange(0, 30).Draw(rt, "steps before it is cut off")
		for _, steps := range NewPlan(w.Input, full).Phases {
			for _, step := range steps {
				if left--; left < 0 {
					break
				}
				if err := applyStep(w.Capabilities, &w.Observed, step); err != nil {
					rt.Fatal(err)
				}
			}
		}
		w.Giving = revokeOnly
		d, plan := w.pass(t)
		have := flat(&w.Observed)
		lacks := func(user string, ps []permission.Pair) bool {
			return slices.ContainsFunc(ps, func(p permission.Pair) bool { return p != permission.Website && !have[user][p] })
		}
		grants, policies, _ := Assess(w.Input, d)
		for name, proof := range policies {
			for _, user := range d.Policies[name].Members {
				if !d.Members.Has(user, d.Policies[name].Role) {
					kept++
				}
				if proof.InSync && lacks(user, full.Roles[full.Policies[name].Role].Permissions) {
					rt.Fatalf("policy %s is said to be in sync, and %s lacks some of it\n%s", name, user, transcript(d, plan))
				}
			}
		}
		for _, g := range w.Grants {
			if user := d.Grants[g.UID].Username; grants[g.UID].Present && lacks(user, full.Roles[full.Grants[g.UID].Role].Permissions) {
				rt.Fatalf("grant %s is said to be in place, and %s lacks some of it\n%s", g.Name, user, transcript(d, plan))
			}
		}
	})
	if kept == 0 {
		t.Error("nobody stayed in another role: the test proves less than it says")
	}
}

// flat is every pair that each user has by any role.
func flat(o *access.Observed) map[string]map[permission.Pair]bool {
	out := map[string]map[permission.Pair]bool{}
	for _, u := range o.Users {
		out[u.Username] = map[permission.Pair]bool{}
		for _, role := range u.Roles {
			for _, pair := range o.Roles[role] {
				out[u.Username][pair] = true
			}
		}
	}
	return out
}

// TestAGrantThatKeepsLessWhileNothingMayBeGiven is about a live grant under a policy that gives something else now: what
// both give stays, by the role that its subject is in, which loses what it can.
func TestAGrantThatKeepsLessWhileNothingMayBeGiven(t *testing.T) {
	for _, c := range []struct {
		name     string
		update   v1alpha1.RoleUpdate
		triggers bool
	}{
		{"roles are replaced", v1alpha1.RoleUpdateReplace, false},
		{"roles only grow", v1alpha1.RoleUpdateAdd, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			w.Capabilities.RoleUpdate = c.update
			w.dags("a")
			w.user("bob")
			w.user("carol")
			p := w.policy("finance", levels("View", "Trigger"), []string{"a"})
			w.grant("g", p, "bob")
			over := w.grant("over", p, "carol")
			w.pass(t)
			p.Spec.Access = levels("View", "EditRuns")
			p.Generation++
			over.Status.End = &v1alpha1.End{Reason: v1alpha1.EndExpired, At: metav1.NewTime(testNow)}
			w.Giving = revokeOnly
			d, plan := Decide(w.Input)
			for _, steps := range plan.Phases {
				for _, step := range steps {
					if step.Kind == access.StepCreateRole {
						t.Errorf("role %s is made", step.Role)
					}
				}
			}
			w.finish(t, d, plan)
			held := flat(&w.Observed)
			if bob := held["bob"]; !bob[permission.Pair{Action: permission.CanRead, Resource: "DAG:a"}] || bob[permission.Pair{Action: permission.CanCreate, Resource: "DAG Run:a"}] != c.triggers || bob[permission.Pair{Action: permission.CanEdit, Resource: "DAG Run:a"}] {
				t.Errorf("bob has %v", bob)
			}
			if len(held["carol"]) > 0 {
				t.Errorf("carol has %v", held["carol"])
			}
		})
	}
}

func TestALiveGrantThatMayNotBeGivenNowIsNoChoiceOfAnybody(t *testing.T) {
	for name, c := range map[string]struct {
		mode   v1alpha1.Mode
		giving access.Giving
		want   string
	}{
		"clocks differ, or the account lacks rights": {v1alpha1.ModeEnforce, revokeOnly, v1alpha1.ReasonInstanceNotReady},
		"somebody suspended the instance":            {v1alpha1.ModeSuspended, revokeOnly, v1alpha1.ReasonInstanceSuspended},
		"somebody only looks":                        {v1alpha1.ModeObserve, revokeOnly, v1alpha1.ReasonInstanceObserving},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.dags("a")
			w.user("bob")
			g := w.grant("g", w.policy("finance", levels("View"), []string{"a"}), "bob")
			w.Instance.Spec.Mode, w.Giving = c.mode, c.giving
			d := Desire(w.Input)
			if problem := d.Grants[g.UID].Problem; problem == nil || problem.Reason != c.want {
				t.Errorf("it says %v, want %s", problem, c.want)
			}
		})
	}
}
