package access

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

func refusedReason(d Desired, policy string) string {
	if refused := d.Policies[types.NamespacedName{Namespace: "data", Name: policy}].Refused; refused != nil {
		return refused.Reason
	}
	return ""
}

func notes(d Desired) []string {
	var out []string
	for _, note := range d.Policies[types.NamespacedName{Namespace: "data", Name: "p"}].Notes {
		out = append(out, note.Reason)
	}
	return out
}

func TestPoliciesAreRefused(t *testing.T) {
	for sentence, c := range map[string]struct {
		change func(w *world, p *v1alpha1.DagAccessPolicy)
		reason string
	}{
		"a pair that the instance does not allow": {func(_ *world, p *v1alpha1.DagAccessPolicy) {
			p.Spec.AirflowPermissions = somePairs[:1]
		}, ReasonPermissionNotAllowed},
		"a security resource, even when the instance allows it": {func(w *world, p *v1alpha1.DagAccessPolicy) {
			p.Spec.AirflowPermissions = []v1alpha1.AirflowPermission{{Action: canRead, Resource: "Users"}}
			w.Instance.Spec.AllowedPermissions = p.Spec.AirflowPermissions
			w.AllowPrivileged = true
		}, ReasonPermissionNotAllowed},
		"a write action without the operator's flag": {func(w *world, p *v1alpha1.DagAccessPolicy) {
			p.Spec.AirflowPermissions, w.Instance.Spec.AllowedPermissions = somePairs[2:], somePairs
		}, ReasonPermissionNotAllowed},
		"a write action with the flag is fine": {func(w *world, p *v1alpha1.DagAccessPolicy) {
			p.Spec.AirflowPermissions, w.Instance.Spec.AllowedPermissions, w.AllowPrivileged = somePairs[2:], somePairs, true
		}, ""},
		"a bad selector": {func(_ *world, p *v1alpha1.DagAccessPolicy) { p.Spec.Dags[0].Paths = []string{"/x"} }, ReasonInvalidSelector},
		"one of Airflow's own roles": {func(_ *world, p *v1alpha1.DagAccessPolicy) {
			p.Spec.Role = &v1alpha1.PolicyRole{Name: "viewer"}
		}, ReasonInvalidRoleName},
		"a name that looks like ours": {func(_ *world, p *v1alpha1.DagAccessPolicy) {
			p.Spec.Role = &v1alpha1.PolicyRole{Name: "OAM.data.other"}
		}, ReasonInvalidRoleName},
		"a role that was there before us": {func(_ *world, p *v1alpha1.DagAccessPolicy) {
			p.Spec.Role = &v1alpha1.PolicyRole{Name: "handmade"}
		}, ReasonRoleExists},
		"adoption of a role that the instance does not list": {func(_ *world, p *v1alpha1.DagAccessPolicy) {
			p.Spec.Role = &v1alpha1.PolicyRole{Name: "handmade", Adoption: v1alpha1.AdoptionIfExists}
		}, ReasonRoleExists},
		"adoption of a role that the operator's account holds": {func(w *world, p *v1alpha1.DagAccessPolicy) {
			p.Spec.Role = &v1alpha1.PolicyRole{Name: "handmade", Adoption: v1alpha1.AdoptionIfExists}
			w.Instance.Spec.AdoptableRoles = []string{"handmade"}
			w.setRoles(account, "Admin", "handmade")
		}, ReasonRoleExists},
		"a new explicit name is fine": {func(_ *world, p *v1alpha1.DagAccessPolicy) {
			p.Spec.Role = &v1alpha1.PolicyRole{Name: "finance people"}
		}, ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld()
			w.dags("a")
			w.user("alice")
			c.change(w, w.policy("p", levels("View"), []string{"*"}, "alice"))
			d := Desire(w.Input)
			if got := refusedReason(d, "p"); got != c.reason {
				t.Fatalf("got %q: %v", got, d.Policies)
			}
			if plan := NewPlan(w.Input, d); (len(plan.Phases) == 0) != (c.reason != "") {
				t.Errorf("plan %v", Render(plan))
			}
			_, proofs, _ := Assess(w.Input, d)
			if proofs[types.NamespacedName{Namespace: "data", Name: "p"}].InSync {
				t.Error("in sync before anything was done")
			}
		})
	}
}

func TestOneRoleNameBelongsToOnePolicy(t *testing.T) {
	w := newWorld()
	w.dags("a")
	young, old := w.policy("a-young", levels("View"), []string{"*"}), w.policy("b-old", levels("View"), []string{"*"})
	for _, p := range w.Policies {
		p.Spec.Role = &v1alpha1.PolicyRole{Name: "shared"}
	}
	old.CreationTimestamp = metav1.NewTime(testNow.Add(-48 * time.Hour))
	d := Desire(w.Input)
	if refusedReason(d, "a-young") != ReasonRoleNameTaken || refusedReason(d, "b-old") != "" {
		t.Errorf("the oldest does not keep it: %v", d.Policies)
	}
	w.Instance.Status.ManagedRoles = []v1alpha1.ManagedRole{{Name: "shared", Policy: "data/a-young", PolicyUID: string(young.UID), Kind: v1alpha1.ManagedRolePolicy}}
	d = Desire(w.Input)
	if refusedReason(d, "a-young") != "" || refusedReason(d, "b-old") != ReasonRoleNameTaken {
		t.Errorf("the one in the inventory does not keep it: %v", d.Policies)
	}
}

func TestRolesWithoutAPolicyGo(t *testing.T) {
	w := settled(t)
	w.Policies = nil // its finalizer was removed by force
	d, _ := w.pass(t)
	if len(d.Doomed) != 2 || len(w.Instance.Status.ManagedRoles) != 0 {
		t.Errorf("doomed %v, inventory %v", d.Doomed, w.Instance.Status.ManagedRoles)
	}
	for name := range w.Observed.Roles {
		if strings.HasPrefix(name, "oam.") {
			t.Errorf("%s is left", name)
		}
	}
}

func TestALostInventoryIsFoundAgainByNames(t *testing.T) {
	w := settled(t)
	before := w.Instance.Status.ManagedRoles
	w.Instance.Status.ManagedRoles, w.Previous = nil, nil
	w.setRole("oam.data.gone", nil)
	w.setRole("oam.data.finance~ffffffffffffffff", nil)
	d, plan := w.pass(t)
	if got := w.Instance.Status.ManagedRoles; !slices.Equal(before, got) || len(d.Doomed) != 2 {
		t.Errorf("inventory %v, doomed %v, plan %v", got, d.Doomed, Render(plan))
	}
}

func TestAGrantThatEndedLeavesTheRoleItPinnedAlsoWhenTheInventoryLostIt(t *testing.T) {
	w := newWorld()
	w.dags("a")
	w.user("bob")
	p := w.policy("p", levels("View"), []string{"*"})
	p.Spec.Role = &v1alpha1.PolicyRole{Name: "people"}
	g := w.grant("g", p, "bob")
	w.pass(t)
	w.Instance.Status.ManagedRoles, w.Previous = nil, nil
	d := Desire(w.Input)
	if refusedReason(d, "p") != ReasonRoleExists || len(NewPlan(w.Input, d).Phases) != 0 {
		t.Fatalf("a role that nobody knows is taken for ours: %v", Render(NewPlan(w.Input, d)))
	}
	g.Spec.Revoke = &v1alpha1.Revocation{}
	if proofs, _, _ := Assess(w.Input, Desire(w.Input)); proofs[g.UID].Absent {
		t.Error("claimed absent while it is stored")
	}
	d, plan := w.pass(t)
	if proofs, _, _ := Assess(w.Input, d); !proofs[g.UID].Absent || len(w.rolesOf("bob")) != 0 || !plan.Phases[0][0].Ending {
		t.Errorf("bob has %v after %v", w.rolesOf("bob"), Render(plan))
	}
	if _, exists := w.Observed.Roles["people"]; !exists {
		t.Error("the role itself was touched")
	}
}

func TestAGrantThatEndedIsFoundAtItsPersonUnderAnotherName(t *testing.T) {
	for _, name := range []string{"BOB", "robert"} {
		w := newWorld()
		w.dags("a")
		w.user("bob")
		g := w.grant("g", w.policy("p", levels("View"), []string{"*"}), "bob")
		w.pass(t)
		for i := range w.Observed.Users {
			if w.Observed.Users[i].Username == "bob" {
				w.Observed.Users[i].Username, w.Observed.Users[i].CreatedOn = name, "2026-02-02T00:00:00"
			}
		}
		g.Status.Activation.Instances[0].UserCreatedOn = "2026-02-02T00:00:00"
		slices.SortFunc(w.Observed.Users, func(a, b User) int { return strings.Compare(a.Username, b.Username) })
		g.Spec.Revoke = &v1alpha1.Revocation{}
		d := Desire(w.Input)
		if proofs, _, _ := Assess(w.Input, d); proofs[g.UID].Absent {
			t.Errorf("%s: claimed absent while it is stored", name)
		}
		plan := NewPlan(w.Input, d)
		if len(plan.Phases) == 0 || !plan.Phases[0][0].Ending {
			t.Fatalf("%s: it is not told that a grant ends: %v", name, Render(plan))
		}
		w.finish(t, d, plan)
		if proofs, _, _ := Assess(w.Input, Desire(w.Input)); !proofs[g.UID].Absent || len(w.rolesOf(name)) != 0 {
			t.Errorf("%s has %v", name, w.rolesOf(name))
		}
	}
}

func TestAdoptedRolesOutliveTheirPolicyWithoutMembers(t *testing.T) {
	w := newWorld()
	w.dags("a")
	w.user("alice")
	p := w.policy("p", levels("View"), []string{"*"}, "alice")
	p.Spec.Role = &v1alpha1.PolicyRole{Name: "handmade", Adoption: v1alpha1.AdoptionIfExists}
	w.Instance.Spec.AdoptableRoles = []string{"handmade"}
	if d, plan := w.pass(t); len(plan.Phases) != 0 || !slices.Contains(notes(d), ReasonAdoptionReported) {
		t.Fatalf("the first pass does more than report: %v", Render(plan))
	}
	if d, plan := w.pass(t); len(plan.Phases) == 0 || len(notes(d)) != 0 {
		t.Fatal("the second pass does nothing")
	}
	p.DeletionTimestamp = &metav1.Time{Time: testNow}
	stored := w.Observed.Roles["handmade"]
	w.pass(t)
	if got, exists := w.Observed.Roles["handmade"]; !exists || !slices.Equal(got, stored) || len(w.rolesOf("alice")) != 0 || len(w.Instance.Status.ManagedRoles) != 0 {
		t.Errorf("role %v, alice %v, inventory %v", got, w.rolesOf("alice"), w.Instance.Status.ManagedRoles)
	}
}

func TestOrphanedRolesStayUntilTheirNameIsClaimedAgain(t *testing.T) {
	w := settled(t)
	w.Policies[0].DeletionTimestamp = &metav1.Time{Time: testNow}
	w.Policies[0].Spec.Deletion = v1alpha1.PolicyDeletionOrphan
	w.pass(t)
	w.Policies = nil
	for range 2 {
		w.pass(t)
		if got := w.rolesOf("alice"); !slices.Contains(got, "oam.data.finance") || len(w.rolesOf("bob")) != 0 {
			t.Fatalf("alice has %v, bob %v", got, w.rolesOf("bob"))
		}
	}
	again := w.policy("finance", levels("View"), []string{"finance_*"})
	again.UID = "another"
	w.Grants = nil
	w.pass(t)
	entry := w.Instance.Status.ManagedRoles[0]
	if entry.Orphaned || entry.PolicyUID != "another" || slices.Contains(w.rolesOf("alice"), "oam.data.finance") {
		t.Errorf("entry %+v, alice %v", entry, w.rolesOf("alice"))
	}
	w.Instance.DeletionTimestamp = &metav1.Time{Time: testNow}
	w.pass(t)
	if len(w.Instance.Status.ManagedRoles) != 0 {
		t.Errorf("the instance cannot go: %v", w.Instance.Status.ManagedRoles)
	}
}

func TestAnotherPersonUnderTheSameNameGetsNothing(t *testing.T) {
	w := settled(t)
	for i := range w.Observed.Users {
		if w.Observed.Users[i].Username == "bob" {
			w.Observed.Users[i].CreatedOn = "2026-11-22T00:00:00"
		}
	}
	d, _ := w.pass(t)
	if desire := d.Grants["uid-bob-finance"]; desire.Problem == nil || desire.Problem.Reason != ReasonSubjectChanged || !desire.Live {
		t.Errorf("got %+v", desire)
	}
	if len(w.rolesOf("bob")) != 0 {
		t.Errorf("bob has %v", w.rolesOf("bob"))
	}
}

func TestUnknownDagsWaitAndTheRestIsApplied(t *testing.T) {
	w := newWorld()
	w.dags("a", "b")
	w.UnknownDags = map[string]bool{"b": true}
	w.policy("p", levels("View"), []string{"a", "b", "c"})
	d := Desire(w.Input)
	p := d.Policies[types.NamespacedName{Namespace: "data", Name: "p"}]
	if !slices.Equal(p.Dags, []string{"a"}) || !slices.Equal(p.Pending, []string{"b", "c"}) {
		t.Errorf("dags %v, pending %v", p.Dags, p.Pending)
	}
	if slices.ContainsFunc(d.Roles["oam.data.p"].Permissions, func(p Permission) bool { return p.Resource == "DAG:b" }) {
		t.Error("an unknown DAG is in the role")
	}
}

func TestALevelThatAirflowDoesNotKnowIsLeftOut(t *testing.T) {
	w := newWorld()
	w.dags("a")
	w.Version = "3.0.6"
	w.policy("p", levels("View", "Trigger", "RespondHITL"), []string{"a"})
	d := Desire(w.Input)
	if !slices.Contains(notes(d), ReasonLevelNotSupported) {
		t.Error("it is not said")
	}
	for _, p := range d.Roles["oam.data.p"].Permissions {
		if p.Resource == "HITL Detail" {
			t.Errorf("%s would be refused", p)
		}
	}
}

// manyDags is a settled world with one policy over n DAGs.
func manyDags(t *testing.T, n int) *world {
	t.Helper()
	w := newWorld()
	w.user("alice")
	for i := range n {
		w.dag(fmt.Sprintf("d%03d", i), "x")
	}
	p := w.policy("p", levels("View", "Trigger"), []string{"*"}, "alice")
	p.Spec.Dags = []v1alpha1.DagSelector{{Tags: []string{"x"}}}
	w.pass(t)
	return w
}

func heldDags(w *world) int { return len(dagsIn(w.Observed.Roles["oam.data.p"])) }

func TestMassRevocation(t *testing.T) {
	lose := func(w *world, from, to int) {
		var ids []string
		for i := from; i < to; i++ {
			ids = append(ids, fmt.Sprintf("d%03d", i))
		}
		w.dropDags(ids...)
	}
	t.Run("a loss above the limit is held, with a hash that releases it", func(t *testing.T) {
		w := manyDags(t, 40)
		lose(w, 0, 11)
		d, plan := w.pass(t)
		if len(plan.Phases) != 0 || len(d.Held) != 1 || d.Held[0].Total != 11 || !slices.Contains(notes(d), ReasonMassRevocationHeld) {
			t.Fatalf("held %v, plan %v", d.Held, Render(plan))
		}
		w.Instance.Spec.Release = d.Held[0].Hash
		if d, _ := w.pass(t); heldDags(w) != 29 || len(d.Held) != 0 {
			t.Errorf("%d DAGs after the release, held %v", heldDags(w), d.Held)
		}
	})
	t.Run("the wait counts from the first time and ends after a day", func(t *testing.T) {
		w := manyDags(t, 40)
		lose(w, 0, 11)
		w.pass(t)
		w.Now = w.Now.Add(23 * time.Hour)
		if d, _ := w.pass(t); heldDags(w) != 40 || !d.Held[0].Since.Time.Equal(testNow) {
			t.Fatalf("%d DAGs, held %v", heldDags(w), d.Held)
		}
		w.Now = w.Now.Add(time.Hour)
		if d, _ := w.pass(t); heldDags(w) != 29 || len(notes(d)) != 0 {
			t.Errorf("%d DAGs after a day", heldDags(w))
		}
	})
	t.Run("another loss is another wait", func(t *testing.T) {
		w := manyDags(t, 40)
		lose(w, 0, 11)
		w.pass(t)
		lose(w, 0, 17)
		w.Now = w.Now.Add(24 * time.Hour)
		if d, _ := w.pass(t); heldDags(w) != 40 || !d.Held[0].Since.Time.Equal(w.Now) {
			t.Errorf("%d DAGs, held %v", heldDags(w), d.Held)
		}
	})
	t.Run("a few DAGs more or less a day do not begin the wait again", func(t *testing.T) {
		for lost, all := range map[int]int{11: 40, 36: 60} { // all of their names are stored, and not all
			w := manyDags(t, all)
			lose(w, 0, lost)
			w.pass(t)
			lose(w, 0, lost+3)
			w.dag("d000", "x")
			w.Now = w.Now.Add(12 * time.Hour)
			if d, _ := w.pass(t); heldDags(w) != all || !d.Held[0].Since.Time.Equal(testNow) {
				t.Fatalf("%d DAGs, held %v", heldDags(w), d.Held)
			}
			w.Now = w.Now.Add(12 * time.Hour)
			if w.pass(t); heldDags(w) != all-lost-2 {
				t.Errorf("%d DAGs after a day", heldDags(w))
			}
		}
	})
	t.Run("a quarter is not above the limit", func(t *testing.T) {
		w := manyDags(t, 40)
		lose(w, 0, 10)
		if w.pass(t); heldDags(w) != 30 {
			t.Errorf("%d DAGs", heldDags(w))
		}
	})
	t.Run("five DAGs are never held, six are", func(t *testing.T) {
		for lost, left := range map[int]int{5: 1, 6: 6} {
			w := manyDags(t, 6)
			lose(w, 0, lost)
			if w.pass(t); heldDags(w) != left {
				t.Errorf("%d DAGs after a loss of %d", heldDags(w), lost)
			}
		}
	})
	t.Run("tags that vanish count as well", func(t *testing.T) {
		w := manyDags(t, 40)
		w.Observed.Dags = slices.Clone(w.Observed.Dags)
		for i := range 20 {
			w.Observed.Dags[i].Tags = nil
		}
		if w.pass(t); heldDags(w) != 40 {
			t.Errorf("%d DAGs", heldDags(w))
		}
	})
	t.Run("an edited policy is meant", func(t *testing.T) {
		w := manyDags(t, 40)
		w.Policies[0].Generation++
		w.Policies[0].Spec.Dags = []v1alpha1.DagSelector{{IDs: []string{"d00*"}}}
		if w.pass(t); heldDags(w) != 10 {
			t.Errorf("%d DAGs", heldDags(w))
		}
	})
	t.Run("an edited policy is meant, also when its status says already that it was read", func(t *testing.T) {
		w := manyDags(t, 40)
		for i := range 20 {
			w.Observed.Dags[i].Tags = []string{"x", "y"}
		}
		w.Policies[0].Generation++
		w.Policies[0].Status.ObservedGeneration = w.Policies[0].Generation
		w.Policies[0].Spec.Dags = []v1alpha1.DagSelector{{Tags: []string{"y"}}}
		if d, _ := w.pass(t); heldDags(w) != 20 || len(d.Held) != 0 {
			t.Errorf("%d DAGs, held %v", heldDags(w), d.Held)
		}
	})
	t.Run("an edit of something else does not let go what is held", func(t *testing.T) {
		w := manyDags(t, 40)
		w.Observed.Dags = slices.Clone(w.Observed.Dags)
		for i := range 20 {
			w.Observed.Dags[i].Tags = nil
		}
		w.pass(t)
		w.Policies[0].Generation++
		w.Policies[0].Spec.Members = nil
		if d, _ := w.pass(t); heldDags(w) != 40 || len(d.Held) != 1 {
			t.Errorf("%d DAGs, held %v", heldDags(w), d.Held)
		}
	})
	t.Run("a role that was taken over is guarded once it was in sync, whatever its conditions say", func(t *testing.T) {
		w := newWorld()
		w.user("alice")
		role := []Permission{{canRead, "DAG:theirs"}}
		for i := range 40 {
			w.dag(fmt.Sprintf("d%03d", i), "x")
		}
		w.setRole("handmade", role)
		p := w.policy("p", levels("View"), []string{"d*"}, "alice")
		p.Spec.Role = &v1alpha1.PolicyRole{Name: "handmade", Adoption: v1alpha1.AdoptionIfExists}
		w.Instance.Spec.AdoptableRoles = []string{"handmade"}
		w.pass(t)
		w.pass(t)
		have := func() int { return len(dagsIn(w.Observed.Roles["handmade"])) }
		if have() != 40 {
			t.Fatalf("%d DAGs after the take-over", have())
		}
		p.Status.Conditions = nil
		lose(w, 0, 30)
		if d, _ := w.pass(t); have() != 40 || len(d.Held) != 1 {
			t.Errorf("%d DAGs, held %v", have(), d.Held)
		}
	})
	t.Run("an edited policy does not hide a broken list", func(t *testing.T) {
		w := manyDags(t, 40)
		w.Policies[0].Generation++
		w.Policies[0].Spec.Access = levels("View")
		w.Observed.Dags = nil
		if w.pass(t); heldDags(w) != 40 {
			t.Errorf("%d DAGs", heldDags(w))
		}
		if slices.ContainsFunc(w.Observed.Roles["oam.data.p"], func(p Permission) bool { return p.Action == canEdit }) {
			t.Error("the level that was taken away is kept")
		}
	})
	t.Run("what others added is not held", func(t *testing.T) {
		w := manyDags(t, 10)
		role := slices.Clone(w.Observed.Roles["oam.data.p"])
		for i := range 20 {
			w.dag(fmt.Sprintf("foreign%02d", i))
			role = append(role, Permission{canRead, fmt.Sprintf("DAG:foreign%02d", i)})
		}
		w.setRole("oam.data.p", sorted(role))
		if d, _ := w.pass(t); heldDags(w) != 10 || len(d.Held) != 0 {
			t.Errorf("%d DAGs, held %v", heldDags(w), d.Held)
		}
	})
	t.Run("a single list is not believed when a DAG is missing", func(t *testing.T) {
		w := manyDags(t, 40)
		lose(w, 0, 1)
		w.FirstList = true
		if d, _ := w.pass(t); heldDags(w) != 40 || len(d.Held) != 0 {
			t.Fatalf("%d DAGs", heldDags(w))
		}
		w.FirstList = false
		if w.pass(t); heldDags(w) != 39 {
			t.Errorf("%d DAGs after two lists", heldDags(w))
		}
	})
	t.Run("ends do not wait for the guard", func(t *testing.T) {
		w := manyDags(t, 40)
		g := w.grant("g", w.Policies[0], "alice")
		w.Policies[0].Spec.Members = nil
		w.pass(t)
		w.Observed.Dags = nil
		g.Spec.Revoke = &v1alpha1.Revocation{}
		if w.pass(t); len(w.rolesOf("alice")) != 0 || heldDags(w) != 40 {
			t.Errorf("alice has %v of %d DAGs", w.rolesOf("alice"), heldDags(w))
		}
	})
}

func TestAPolicyThatIsRefusedForItsPairsLosesThemAndGivesNothingNew(t *testing.T) {
	for _, update := range []v1alpha1.RoleUpdate{v1alpha1.RoleUpdateReplace, v1alpha1.RoleUpdateAdd} {
		w := newWorld()
		w.Capabilities.RoleUpdate = update
		w.dags("a", "b")
		w.user("alice")
		w.user("bob")
		w.user("carol")
		w.Instance.Spec.AllowedPermissions = somePairs[:1]
		p := w.policy("p", levels("View", "Trigger"), []string{"*"}, "alice")
		p.Spec.AirflowPermissions = somePairs[:1]
		g := w.grant("g", p, "bob")
		w.pass(t)
		pair, trigger := Permission{somePairs[0].Action, somePairs[0].Resource}, Permission{canCreate, "DAG Run:a"}
		holds := func(user string, p Permission) bool {
			return slices.ContainsFunc(w.rolesOf(user), func(role string) bool { return slices.Contains(w.Observed.Roles[role], p) })
		}
		if !holds("alice", pair) || !holds("bob", pair) {
			t.Fatal("the pair was never given")
		}
		w.Instance.Spec.AllowedPermissions = nil
		p.Spec.Members = append(p.Spec.Members, v1alpha1.Subject{Username: "carol"})
		if d, _ := w.pass(t); refusedReason(d, "p") != ReasonPermissionNotAllowed || d.Grants[g.UID].Problem != nil {
			t.Fatalf("%s: refused %q, grant %v", update, refusedReason(d, "p"), d.Grants[g.UID].Problem)
		}
		for _, who := range []string{"alice", "bob"} {
			if holds(who, pair) || !holds(who, trigger) {
				t.Errorf("%s: %s has %v", update, who, w.rolesOf(who))
			}
		}
		if len(w.rolesOf("carol")) != 0 {
			t.Errorf("%s: carol was given %v", update, w.rolesOf("carol"))
		}
		p.Spec.Access = levels("View")
		if w.pass(t); holds("alice", trigger) || !holds("alice", Permission{canRead, "DAG:a"}) {
			t.Errorf("%s: a refused policy does not become narrower: alice has %v", update, w.rolesOf("alice"))
		}
		if d, plan := w.pass(t); len(plan.Phases) != 0 {
			t.Errorf("%s: it does not come to rest: %v %v", update, Render(plan), d.Roles)
		}
	}
}

func TestNoMoreRolesAreMadeThanAStatusCanHold(t *testing.T) {
	w := newWorld()
	w.dags("a", "b")
	w.user("bob")
	p := w.policy("p", levels("View"), []string{"*"})
	before := w.grant("before", p, "bob", "a")
	w.pass(t)
	instance := w.Instance.DeepCopy()
	for i := range MaxRoles - len(instance.Status.ManagedRoles) {
		name := fmt.Sprintf("oam.data.p~%016x", i)
		instance.Status.ManagedRoles = append(instance.Status.ManagedRoles, v1alpha1.ManagedRole{Name: name, Policy: "data/p", PolicyUID: "uid-p", Kind: v1alpha1.ManagedRoleGrant})
	}
	w.Instance = instance
	one, whole := w.grant("one", p, "bob", "b"), w.grant("whole", p, "bob")
	w.policy("q", levels("View"), []string{"a"}, "bob")
	d := Desire(w.Input)
	if problem := d.Grants[one.UID].Problem; problem == nil || problem.Reason != ReasonTooManyRoles {
		t.Errorf("a grant with a role of its own: %v", problem)
	}
	if d.Grants[before.UID].Problem != nil || d.Grants[whole.UID].Problem != nil {
		t.Errorf("one that has its role: %v, one by the policy's role: %v", d.Grants[before.UID].Problem, d.Grants[whole.UID].Problem)
	}
	if refusedReason(d, "q") != ReasonTooManyRoles || refusedReason(d, "p") != "" {
		t.Errorf("policies are refused: q %q, p %q", refusedReason(d, "q"), refusedReason(d, "p"))
	}
	if len(d.Inventory) > MaxRoles {
		t.Errorf("%d roles", len(d.Inventory))
	}
	w.pass(t) // those that nothing wants go
	if d, _ := w.pass(t); d.Grants[one.UID].Problem != nil || refusedReason(d, "q") != "" {
		t.Errorf("there is room, and still: %v, %q", d.Grants[one.UID].Problem, refusedReason(d, "q"))
	}
}

func TestWhatShouldGoGoesWhileNothingMayBeGiven(t *testing.T) {
	w := newWorld()
	w.dags("a", "b")
	w.user("alice")
	w.user("bob")
	p := w.policy("finance", levels("View", "Trigger"), []string{"a"}, "alice")
	w.pass(t)
	w.TakeOnly = true
	p.Spec.Access = levels("View", "EditRuns") // loses Trigger, would gain EditRuns
	p.Spec.Dags[0].IDs = []string{"a", "b"}
	p.Spec.Members = append(p.Spec.Members, v1alpha1.Subject{Username: "bob"})
	w.pass(t)
	got := w.Observed.Roles["oam.data.finance"]
	if slices.Contains(got, Permission{canCreate, "DAG Run:a"}) || !slices.Contains(got, Permission{canRead, "DAG:a"}) {
		t.Errorf("narrowed: %v", got)
	}
	if slices.ContainsFunc(got, func(p Permission) bool {
		return p.Action == canEdit && p.Resource == "DAG Run:a" || strings.HasSuffix(p.Resource, ":b")
	}) {
		t.Errorf("widened: %v", got)
	}
	if len(w.rolesOf("bob")) > 0 || len(w.rolesOf("alice")) != 1 {
		t.Errorf("bob has %v, alice %v", w.rolesOf("bob"), w.rolesOf("alice"))
	}
	w.TakeOnly = false
	w.pass(t)
	if got := w.Observed.Roles["oam.data.finance"]; !slices.Contains(got, Permission{canEdit, "DAG Run:b"}) || len(w.rolesOf("bob")) != 1 {
		t.Errorf("%v, bob has %v", got, w.rolesOf("bob"))
	}
}
