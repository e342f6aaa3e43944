package access

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
)

// TestAPlanMayBeMadeAnewAfterEveryStep: whoever applies plans in small portions and decides again in between, or is
// stopped and started, keeps the promises to everybody, and comes to the same end.
func TestAPlanMayBeMadeAnewAfterEveryStep(t *testing.T) {
	bridges := 0
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWorld(rt)
		w.pass(t)
		disturb(rt, w)
		w.NoGain = map[string]bool{}
		for _, name := range some(rt, slices.Sorted(maps.Keys(w.Observed.Roles)), "no gain") {
			w.NoGain[name] = rapid.Bool().Draw(rt, "really")
		}
		order := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 4))
		first := NewPlan(w.Input, Desire(w.Input))
		end := applied(t, w.Capabilities, w.Observed, first)
		before, after := everybody(w.Capabilities.PermissionModel, &w.Observed), everybody(w.Capabilities.PermissionModel, &end)
		kept, removing, crossed := before, true, false
		for taken := 0; ; taken++ {
			d := Desire(w.Input)
			plan := NewPlan(w.Input, d)
			if len(plan.Phases) == 0 {
				break
			}
			if taken > 500 {
				rt.Fatalf("it does not come to an end:\n%s", transcript(d, plan))
			}
			step := plan.Phases[0][order.IntN(len(plan.Phases[0]))]
			if step.Kind != StepRemoveMember && removing {
				removing, kept = false, everybody(w.Capabilities.PermissionModel, &w.Observed)
			}
			w.Instance = w.Instance.DeepCopy()
			w.Instance.Status.ManagedRoles = d.Inventory
			w.Observed = cloneObserved(w.Observed)
			if err := applyStep(w.Capabilities, &w.Observed, step); err != nil {
				rt.Fatalf("%s: %v", Describe(step), err)
			}
			crossed = crossed || slices.ContainsFunc(step.Replaced, isBridge)
			if problem := broken(w, before, after, kept, removing); problem != "" {
				rt.Fatalf("after %q %s\n%s", Describe(step), problem, transcript(d, plan))
			}
		}
		if crossed {
			bridges++
		}
		for name, ps := range end.Roles {
			if !slices.Equal(w.canonical(ps), w.canonical(w.Observed.Roles[name])) {
				rt.Fatalf("role %s came to another end", name)
			}
		}
		for i, u := range end.Users {
			if !slices.Equal(sortedSet(slices.Clone(u.Roles)), sortedSet(slices.Clone(w.Observed.Users[i].Roles))) {
				rt.Fatalf("user %s has %v, not %v", u.Username, w.Observed.Users[i].Roles, u.Roles)
			}
		}
	})
	if bridges == 0 {
		t.Error("no bridge was crossed: the test proves less than it says")
	}
}

func TestABridgeIsLeftAtOnceWhenSomethingEnds(t *testing.T) {
	w := newWorld()
	w.dags("a", "b", "c")
	w.user("alice")
	tasks := w.policy("tasks", levels("View", "EditTasks"), []string{"a"}, "alice")
	other := w.policy("other", levels("View"), []string{"a", "b"}, "alice")
	g := w.grant("g", w.policy("third", levels("View"), []string{"c"}), "alice")
	w.pass(t)
	tasks.Spec.Access, other.Spec.Access = levels("View", "Trigger"), levels("View", "EditXComs")
	d := Desire(w.Input)
	plan := NewPlan(w.Input, d)
	w.Instance.Status.ManagedRoles = d.Inventory
	w.Observed = applied(t, w.Capabilities, w.Observed, Plan{Phases: plan.Phases[:2]})
	if roles := w.rolesOf("alice"); !slices.ContainsFunc(roles, isBridge) {
		t.Fatalf("alice is on no bridge: %v", roles)
	}
	if again := NewPlan(w.Input, Desire(w.Input)); again.Phases[0][0].Kind == StepRemoveMember {
		t.Errorf("alice is taken off although nothing ended: %v", Render(again))
	}
	g.DeletionTimestamp = &metav1.Time{Time: testNow}
	again := NewPlan(w.Input, Desire(w.Input))
	if first := again.Phases[0][0]; first.Kind != StepRemoveMember || !slices.ContainsFunc(first.Roles, isBridge) {
		t.Errorf("alice keeps what ended: %v", Render(again))
	}
	if proofs, _, _ := Assess(w.Input, Desire(w.Input)); proofs[g.UID].Absent {
		t.Error("the bridge still holds what the grant gave")
	}
}

// broken says which promise does not hold now.
func broken(w *world, before, after, kept map[string]map[power]bool, removing bool) string {
	for username, have := range everybody(w.Capabilities.PermissionModel, &w.Observed) {
		for p := range have {
			if !before[username][p] && !after[username][p] {
				return fmt.Sprintf("user %s can %v, which is so neither before nor after", username, p)
			}
		}
		for p := range kept[username] {
			if !removing && after[username][p] && !have[p] {
				return fmt.Sprintf("user %s has lost %v for a moment", username, p)
			}
		}
	}
	return ""
}
