package access_test

import (
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
)

var update = flag.Bool("update", false, "write the golden files anew")

// settled is a world after its first pass: alice stands in finance, bob holds all of it for a while, carol one DAG of it.
func settled(t *testing.T) *world {
	t.Helper()
	w := newWorld()
	w.dags("finance_daily", "finance_weekly", "sales_daily")
	w.user("alice", "Viewer")
	w.user("bob")
	w.user("carol", "handmade")
	p := w.policy("finance", levels(v1alpha1.AccessView, v1alpha1.AccessTrigger), []string{"finance_*"}, "alice")
	w.grant("bob-finance", p, "bob")
	w.grant("carol-daily", p, "carol", "finance_daily")
	w.pass(t)
	return w
}

// leaveBridges leaves two roles that an older release made for a moment: one that the inventory holds, which alice is in,
// and one of which only its name tells.
func (w *world) leaveBridges() {
	inventoried, other := "oam.bridge~0123456789abcdef", "oam.bridge~fedcba9876543210"
	w.Instance = w.Instance.DeepCopy()
	w.Instance.Status.ManagedRoles = append(w.Instance.Status.ManagedRoles, v1alpha1.ManagedRole{Name: inventoried, Kind: v1alpha1.ManagedRoleGrant})
	w.setRole(inventoried, w.Observed.Roles[financeRole])
	w.setRole(other, w.Observed.Roles[financeRole])
	w.setRoles("alice", append([]string{inventoried}, w.rolesOf("alice")...)...)
	w.setRoles("carol", append([]string{other}, w.rolesOf("carol")...)...)
}

func TestBridgesOfAnOlderReleaseAreLeftAndDeleted(t *testing.T) {
	w := settled(t)
	g := w.Grants[1]
	w.leaveBridges()
	g.Status.End = &v1alpha1.End{Reason: v1alpha1.EndExpired, At: metav1.NewTime(testNow)}
	w.setRoles("carol", "handmade", "oam.bridge~fedcba9876543210")
	if proofs, _, _ := Assess(w.Input, Desire(w.Input)); proofs[g.UID].Absent {
		t.Error("claimed absent, while a role of ours that may hold what the grant gave is stored")
	}
	d, _ := w.pass(t)
	for name := range w.Observed.Roles {
		if strings.HasPrefix(name, "oam.bridge~") {
			t.Errorf("role %s is left", name)
		}
	}
	if !slices.Equal(w.rolesOf("alice"), []string{"Viewer", financeRole}) || !slices.Equal(w.rolesOf("carol"), []string{"handmade"}) {
		t.Errorf("alice has %v, carol %v", w.rolesOf("alice"), w.rolesOf("carol"))
	}
	if proofs, _, _ := Assess(w.Input, d); !proofs[g.UID].Absent {
		t.Error("not claimed absent")
	}
	if again := NewPlan(w.Input, Desire(w.Input)); len(again.Phases)+len(w.Instance.Status.ManagedRoles) != 1 {
		t.Errorf("left are %v, %v", Render(again), w.Instance.Status.ManagedRoles)
	}
}

func TestTranscripts(t *testing.T) {
	for name, build := range map[string]func(t *testing.T) *world{
		"first-pass": func(t *testing.T) *world {
			t.Helper()
			w := settled(t)
			w.Observed.Roles = map[string][]permission.Pair{"Admin": nil, "Viewer": nil, "handmade": {{Action: permission.CanRead, Resource: "DAG:a"}}, rolename.Claim("instance-1"): nil}
			w.setRoles("alice", "Viewer")
			w.setRoles("bob")
			w.setRoles("carol", "handmade")
			w.Instance.Status.ManagedRoles, w.Previous = nil, nil
			return w
		},
		"nothing-changed": settled,
		"grants-end": func(t *testing.T) *world {
			t.Helper()
			w := settled(t)
			w.Now = w.Now.Add(time.Hour)
			return w
		},
		"policy-becomes-wider": func(t *testing.T) *world {
			t.Helper()
			w := settled(t)
			w.Policies[0].Spec.Access = levels(v1alpha1.AccessView, v1alpha1.AccessTrigger, v1alpha1.AccessViewLogs)
			return w
		},
		"policy-becomes-narrower": func(t *testing.T) *world {
			t.Helper()
			w := settled(t)
			w.Policies[0].Spec.Access = levels(v1alpha1.AccessView)
			return w
		},
		"dag-moves-between-policies-of-one-person": func(t *testing.T) *world {
			t.Helper()
			w := settled(t)
			p := w.policy("sales", levels(v1alpha1.AccessView), []string{"sales_*"}, "alice")
			w.pass(t)
			p.Spec.Dags[0].IDs = append(p.Spec.Dags[0].IDs, "finance_weekly")
			w.Policies[0].Spec.Dags[0].IDs = []string{"finance_daily"}
			return w
		},
		"rights-meet-for-a-moment-and-none-is-lost": func(t *testing.T) *world {
			t.Helper()
			w := newWorld()
			w.dags("a", "b")
			w.user("alice")
			tasks := w.policy("tasks", levels(v1alpha1.AccessView, v1alpha1.AccessEditTasks), []string{"a"}, "alice")
			other := w.policy("other", levels(v1alpha1.AccessView), []string{"a", "b"}, "alice")
			w.pass(t)
			tasks.Spec.Access = levels(v1alpha1.AccessView, v1alpha1.AccessTrigger)
			other.Spec.Access = levels(v1alpha1.AccessView, v1alpha1.AccessEditXComs)
			return w
		},
		"policy-becomes-narrower-where-roles-only-grow": func(t *testing.T) *world {
			t.Helper()
			w := settledOn(t, addOnly)
			w.viewOnly()
			return w
		},
		"bridges-of-an-older-release-go": func(t *testing.T) *world {
			t.Helper()
			w := settled(t)
			w.leaveBridges()
			return w
		},
		"others-added-permissions-where-roles-only-grow": func(t *testing.T) *world {
			t.Helper()
			w := settledOn(t, addOnly)
			w.setRole(financeRole, permission.SetOf(append(slices.Clone(w.Observed.Roles[financeRole]), permission.Pair{Action: permission.CanEdit, Resource: "Variables"})))
			return w
		},
		"grant-loses-a-dag-where-roles-only-grow": func(t *testing.T) *world {
			t.Helper()
			w := settledOn(t, addOnly)
			w.user("dave")
			w.grant("dave-both", w.Policies[0], "dave", "finance_daily", "finance_weekly")
			w.pass(t)
			w.changePolicy(func(spec *v1alpha1.DagAccessPolicySpec) { spec.Dags[0].IDs = []string{"finance_daily"} })
			return w
		},
		"roles-that-cannot-be-deleted-are-retired": func(t *testing.T) *world {
			t.Helper()
			w := settledOn(t, addStay)
			w.viewOnly()
			w.pass(t)
			w.setRoles("carol", append([]string{financeRole}, w.rolesOf("carol")...)...)
			return w
		},
		"retired-roles-go-when-they-can": func(t *testing.T) *world {
			t.Helper()
			w := settledOn(t, addStay)
			w.viewOnly()
			w.settle(t)
			w.Capabilities.RoleDelete = v1alpha1.RoleDeleteWorks
			return w
		},
		"policy-is-deleted": func(t *testing.T) *world {
			t.Helper()
			w := settled(t)
			w.Policies[0].DeletionTimestamp = &metav1.Time{Time: testNow}
			return w
		},
		"policy-is-let-go": func(t *testing.T) *world {
			t.Helper()
			w := settled(t)
			w.Policies[0].DeletionTimestamp = &metav1.Time{Time: testNow}
			w.Policies[0].Spec.Deletion = v1alpha1.PolicyDeletionOrphan
			return w
		},
		"instance-is-deleted": func(t *testing.T) *world {
			t.Helper()
			w := settled(t)
			w.Instance.DeletionTimestamp = &metav1.Time{Time: testNow}
			return w
		},
		"suspended-while-things-change": func(t *testing.T) *world {
			t.Helper()
			w := settled(t)
			w.Instance.Spec.Mode = v1alpha1.ModeSuspended
			w.Policies[0].Spec.Access = levels(v1alpha1.AccessView, v1alpha1.AccessTrigger, v1alpha1.AccessViewLogs)
			w.Policies[0].Spec.Members = append(w.Policies[0].Spec.Members, v1alpha1.Subject{Username: "carol"})
			w.Grants[1].Spec.Revoke = &v1alpha1.Revocation{Reason: "laptop lost"}
			w.user("dave", "oam.data.finance")
			return w
		},
		"others-wrote": func(t *testing.T) *world {
			t.Helper()
			w := settled(t)
			w.setRole("oam.data.finance", permission.Minus(w.Observed.Roles["oam.data.finance"], permission.ForLevels("", w.Policies[0].Spec.Access, []string{"finance_daily"}, nil)[:2]))
			w.setRoles("alice", "Viewer")
			w.setRoles("carol", append([]string{"oam.data.finance"}, w.rolesOf("carol")...)...)
			return w
		},
		"adoption-first-pass": func(t *testing.T) *world {
			t.Helper()
			w := settled(t)
			p := w.policy("handmade", levels(v1alpha1.AccessView), []string{"sales_*"}, "alice")
			p.Spec.Role = &v1alpha1.PolicyRole{Name: "handmade", Adoption: v1alpha1.AdoptionIfExists}
			w.Instance.Spec.AdoptableRoles = []string{"handmade"}
			return w
		},
		"adoption-second-pass": func(t *testing.T) *world {
			t.Helper()
			w := settled(t)
			p := w.policy("handmade", levels(v1alpha1.AccessView), []string{"sales_*"}, "alice")
			p.Spec.Role = &v1alpha1.PolicyRole{Name: "handmade", Adoption: v1alpha1.AdoptionIfExists}
			w.Instance.Spec.AdoptableRoles = []string{"handmade"}
			w.pass(t)
			return w
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := build(t)
			d := Desire(w.Input)
			got := transcript(d, NewPlan(w.Input, d))
			file := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("run the test with -update when this is right:\n%s", diff)
			}
			for seed := range uint64(5) {
				mixed := shuffled(w.Input, rand.New(rand.NewPCG(seed, 3)))
				d := Desire(mixed)
				if diff := cmp.Diff(got, transcript(d, NewPlan(mixed, d))); diff != "" {
					t.Errorf("another order gives another transcript:\n%s", diff)
				}
			}
		})
	}
}

// TestARightThatMovesToAnotherPolicyIsNotLostByAHolderWhoHasToLeaveFirst: bob's grant leaves the role of one before that is
// widened, and a DAG that it loses comes to him by the role of two, which another grant has to leave before.
func TestARightThatMovesToAnotherPolicyIsNotLostByAHolderWhoHasToLeaveFirst(t *testing.T) {
	w := newWorld()
	w.dags("a", "b", "c")
	w.user("bob")
	w.user("carol")
	one := w.policy("one", levels("View", "Trigger"), []string{"a", "b"})
	two := w.policy("two", levels("View", "Trigger"), []string{"c"}, "bob")
	w.grant("bob-one", one, "bob")
	w.grant("carol-two", two, "carol")
	w.pass(t)
	one.Spec.Access, two.Spec.Access = levels("View", "Trigger", "ViewLogs"), levels("View", "Trigger", "ViewLogs")
	one.Spec.Dags[0].IDs, two.Spec.Dags[0].IDs = []string{"a"}, []string{"b", "c"}
	d, plan := Decide(w.Input)
	rapid.Check(t, func(rt *rapid.T) {
		walk(rt, w.Capabilities, w.Observed, plan, rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1)))
	})
	w.finish(t, d, plan)
	if again := NewPlan(w.Input, Desire(w.Input)); len(again.Phases) > 0 {
		t.Errorf("a second pass is not empty: %v", Render(again))
	}
}
