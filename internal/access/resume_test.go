package access_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/airflow-oam/airflow-oam/internal/access"

	"pgregory.net/rapid"

	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// TestAPlanMayBeMadeAnewAfterEveryStep: whoever applies plans in small portions and decides again in between, or is
// stopped and started, keeps the promises to everybody, and comes to the same end.
func TestAPlanMayBeMadeAnewAfterEveryStep(t *testing.T) {
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
		after, may := everybody(w.Capabilities.PermissionModel, &end), mayHold(&w.Observed, &end)
		kept, removing := after, true
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
			if step.Kind != access.StepRemoveMember && removing {
				removing, kept = false, everybody(w.Capabilities.PermissionModel, &w.Observed)
			}
			w.Instance = w.Instance.DeepCopy()
			w.Instance.Status.ManagedRoles = d.Inventory
			w.Observed = cloneObserved(w.Observed)
			if err := applyStep(w.Capabilities, &w.Observed, step); err != nil {
				rt.Fatalf("%s: %v", Describe(step), err)
			}
			if problem := broken(w, may, after, kept, removing); problem != "" {
				rt.Fatalf("after %q %s\n%s", Describe(step), problem, transcript(d, plan))
			}
		}
		for name, ps := range end.Roles {
			if !slices.Equal(w.Canonical(ps), w.Canonical(w.Observed.Roles[name])) {
				rt.Fatalf("role %s came to another end", name)
			}
		}
		for i, u := range end.Users {
			if !slices.Equal(text.SortedSet(slices.Clone(u.Roles)), text.SortedSet(slices.Clone(w.Observed.Users[i].Roles))) {
				rt.Fatalf("user %s has %v, not %v", u.Username, w.Observed.Users[i].Roles, u.Roles)
			}
		}
	})
}

// broken says which promise does not hold now.
func broken(w *world, may map[string]map[permission.Pair]bool, after, kept map[string]map[power]bool, removing bool) string {
	if problem := over(&w.Observed, may); problem != "" {
		return problem
	}
	for username, have := range everybody(w.Capabilities.PermissionModel, &w.Observed) {
		for p := range kept[username] {
			if !removing && after[username][p] && !have[p] {
				return fmt.Sprintf("user %s has lost %v for a moment", username, p)
			}
		}
	}
	return ""
}
