package access_test

import (
	"slices"
	"testing"
	"time"

	"github.com/airflow-oam/airflow-oam/internal/access"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

func TestWhyAUserHasARoleIsOneCall(t *testing.T) {
	w := settled(t)
	p := w.Policies[0]
	g := w.grant("alice-too", p, "alice")
	g.Generation = 4
	data := func(name string) types.NamespacedName { return types.NamespacedName{Namespace: "data", Name: name} }
	d := Desire(w.Input)
	want := []access.Cause{
		{Kind: access.CauseStanding, Object: data("finance"), UID: p.UID, Generation: 1, Since: testNow.Add(-24 * time.Hour), Policy: data("finance")},
		{Kind: access.CauseGrant, Object: data("alice-too"), UID: g.UID, Generation: 4, Since: testNow.Add(-time.Hour), Policy: data("finance")},
	}
	if diff := cmp.Diff(want, d.Members.Causes("alice", financeRole)); diff != "" {
		t.Error(diff)
	}
	if d.Members.Has("carol", financeRole) || d.Members.Causes("dave", financeRole) != nil {
		t.Errorf("carol and dave have %v", d.Members)
	}
}

func TestStepsCarryTheCausesThatTheyServeAndThoseThatEnded(t *testing.T) {
	w := settled(t)
	w.user("dave", financeRole)
	w.Grants[0].Status.End = &v1alpha1.End{Reason: v1alpha1.EndExpired, At: metav1.NewTime(testNow)}
	w.Policies[0].Spec.Members = append(w.Policies[0].Spec.Members, v1alpha1.Subject{Username: "carol"})
	plan := NewPlan(w.Input, Desire(w.Input))
	got := map[string][2][]string{}
	text := func(causes []access.Cause) (out []string) {
		for _, cause := range causes {
			out = append(out, cause.String())
		}
		return out
	}
	for _, step := range slices.Concat(plan.Phases...) {
		got[string(step.Kind)+" "+step.Username] = [2][]string{text(step.For), text(step.Ended)}
	}
	want := map[string][2][]string{
		"RemoveMember bob":  {nil, {"grant data/bob-finance"}},
		"RemoveMember dave": {nil, nil},
		"AddMember carol":   {{"policy data/finance"}, nil},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestNoMembershipIsWithoutACause: causes are never empty, name objects of the input, and every step on a user says which it
// serves.
func TestNoMembershipIsWithoutACause(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWorld(rt)
		w.Instance.Spec.LeastPrivilege = rapid.SampledFrom([]v1alpha1.LeastPrivilege{v1alpha1.LeastPrivilegeWarn, v1alpha1.LeastPrivilegeEnforce}).Draw(rt, "mode")
		w.pass(t)
		disturb(rt, w)
		d, plan := Decide(w.Input)
		known := map[types.UID]bool{}
		for _, p := range w.Policies {
			known[p.UID] = true
		}
		for _, g := range w.Grants {
			known[g.UID] = d.Grants[g.UID].Live
		}
		for user, roles := range d.Members {
			for role, causes := range roles {
				if len(causes) == 0 || !slices.IsSortedFunc(causes, access.CompareCauses) {
					rt.Fatalf("the causes for which %s has %s are %v", user, role, causes)
				}
				for _, cause := range causes {
					if !known[cause.UID] || cause.Policy != d.Roles[role].Policy {
						rt.Fatalf("%s has %s for %v", user, role, cause)
					}
				}
			}
		}
		for _, step := range slices.Concat(plan.Phases...) {
			serves := step.Kind == access.StepAddMember || step.Kind == access.StepSwapMember || step.Kind == access.StepRemoveReplaced
			if serves != (len(step.For) > 0) {
				rt.Fatalf("%q serves %v", Describe(step), step.For)
			}
		}
	})
}
