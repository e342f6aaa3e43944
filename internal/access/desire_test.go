package access_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/access/desire"
	"github.com/airflow-oam/airflow-oam/internal/rolename"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
)

func refusedReason(d access.Desired, policy string) string {
	if refused := d.Policies[types.NamespacedName{Namespace: "data", Name: policy}].Refused; refused != nil {
		return refused.Reason
	}
	return ""
}

func notes(d access.Desired) []string {
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
		}, v1alpha1.ReasonPermissionNotAllowed},
		"a security resource, even when the instance allows it": {func(w *world, p *v1alpha1.DagAccessPolicy) {
			p.Spec.AirflowPermissions = []v1alpha1.AirflowPermission{{Action: permission.CanRead, Resource: "Users"}}
			w.Instance.Spec.AllowedPermissions = p.Spec.AirflowPermissions
			w.AllowPrivileged = true
		}, v1alpha1.ReasonPermissionNotAllowed},
		"a write action without the operator's flag": {func(w *world, p *v1alpha1.DagAccessPolicy) {
			p.Spec.AirflowPermissions, w.Instance.Spec.AllowedPermissions = somePairs[2:], somePairs
		}, v1alpha1.ReasonPermissionNotAllowed},
		"a write action with the flag is fine": {func(w *world, p *v1alpha1.DagAccessPolicy) {
			p.Spec.AirflowPermissions, w.Instance.Spec.AllowedPermissions, w.AllowPrivileged = somePairs[2:], somePairs, true
		}, ""},
		"a bad selector": {func(_ *world, p *v1alpha1.DagAccessPolicy) { p.Spec.Dags[0].Paths = []string{"/x"} }, v1alpha1.ReasonInvalidSelector},
		"one of Airflow's own roles": {func(_ *world, p *v1alpha1.DagAccessPolicy) {
			p.Spec.Role = &v1alpha1.PolicyRole{Name: "viewer"}
		}, v1alpha1.ReasonInvalidRoleName},
		"a name that looks like ours": {func(_ *world, p *v1alpha1.DagAccessPolicy) {
			p.Spec.Role = &v1alpha1.PolicyRole{Name: "OAM.data.other"}
		}, v1alpha1.ReasonInvalidRoleName},
		"a role that was there before us": {func(_ *world, p *v1alpha1.DagAccessPolicy) {
			p.Spec.Role = &v1alpha1.PolicyRole{Name: "handmade"}
		}, v1alpha1.ReasonRoleExists},
		"adoption of a role that the instance does not list": {func(_ *world, p *v1alpha1.DagAccessPolicy) {
			p.Spec.Role = &v1alpha1.PolicyRole{Name: "handmade", Adoption: v1alpha1.AdoptionIfExists}
		}, v1alpha1.ReasonRoleExists},
		"adoption of a role that the operator's account holds": {func(w *world, p *v1alpha1.DagAccessPolicy) {
			p.Spec.Role = &v1alpha1.PolicyRole{Name: "handmade", Adoption: v1alpha1.AdoptionIfExists}
			w.Instance.Spec.AdoptableRoles = []string{"handmade"}
			w.setRoles(account, "Admin", "handmade")
		}, v1alpha1.ReasonRoleExists},
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
	if refusedReason(d, "a-young") != v1alpha1.ReasonRoleNameTaken || refusedReason(d, "b-old") != "" {
		t.Errorf("the oldest does not keep it: %v", d.Policies)
	}
	w.Instance.Status.ManagedRoles = []v1alpha1.ManagedRole{{Name: "shared", Policy: "data/a-young", PolicyUID: string(young.UID), Kind: v1alpha1.ManagedRolePolicy}}
	d = Desire(w.Input)
	if refusedReason(d, "a-young") != "" || refusedReason(d, "b-old") != v1alpha1.ReasonRoleNameTaken {
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
		if strings.HasPrefix(name, "oam.") && !rolename.IsClaim(name) {
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
	if refusedReason(d, "p") != v1alpha1.ReasonRoleExists || len(NewPlan(w.Input, d).Phases) != 0 {
		t.Fatalf("a role that nobody knows is taken for ours: %v", Render(NewPlan(w.Input, d)))
	}
	g.Spec.Revoke = &v1alpha1.Revocation{}
	if proofs, _, _ := Assess(w.Input, Desire(w.Input)); proofs[g.UID].Absent {
		t.Error("claimed absent while it is stored")
	}
	d, plan := w.pass(t)
	if proofs, _, _ := Assess(w.Input, d); !proofs[g.UID].Absent || len(w.rolesOf("bob")) != 0 || !plan.Phases[0][0].Ending() {
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
		slices.SortFunc(w.Observed.Users, func(a, b access.User) int { return strings.Compare(a.Username, b.Username) })
		g.Spec.Revoke = &v1alpha1.Revocation{}
		d := Desire(w.Input)
		if proofs, _, _ := Assess(w.Input, d); proofs[g.UID].Absent {
			t.Errorf("%s: claimed absent while it is stored", name)
		}
		plan := NewPlan(w.Input, d)
		if len(plan.Phases) == 0 || !plan.Phases[0][0].Ending() {
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
	if d, plan := w.pass(t); len(plan.Phases) != 0 || !slices.Contains(notes(d), v1alpha1.ReasonAdoptionReported) {
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
	if desire := d.Grants["uid-bob-finance"]; desire.Problem == nil || desire.Problem.Reason != v1alpha1.ReasonSubjectChanged || !desire.Live {
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
	if slices.ContainsFunc(d.Roles["oam.data.p"].Permissions, func(p permission.Pair) bool { return p.Resource == "DAG:b" }) {
		t.Error("an unknown DAG is in the role")
	}
}

func TestALevelThatAirflowDoesNotKnowIsLeftOut(t *testing.T) {
	w := newWorld()
	w.dags("a")
	w.Version = "3.0.6"
	w.policy("p", levels("View", "Trigger", "RespondHITL"), []string{"a"})
	d := Desire(w.Input)
	if !slices.Contains(notes(d), v1alpha1.ReasonLevelNotSupported) {
		t.Error("it is not said")
	}
	for _, p := range d.Roles["oam.data.p"].Permissions {
		if p.Resource == "HITL Detail" {
			t.Errorf("%s would be refused", p)
		}
	}
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
		pair, trigger := permission.Pair{Action: somePairs[0].Action, Resource: somePairs[0].Resource}, permission.Pair{Action: permission.CanCreate, Resource: "DAG Run:a"}
		holds := func(user string, p permission.Pair) bool {
			return slices.ContainsFunc(w.rolesOf(user), func(role string) bool { return slices.Contains(w.Observed.Roles[role], p) })
		}
		if !holds("alice", pair) || !holds("bob", pair) {
			t.Fatal("the pair was never given")
		}
		w.Instance.Spec.AllowedPermissions = nil
		p.Spec.Members = append(p.Spec.Members, v1alpha1.Subject{Username: "carol"})
		if d, _ := w.pass(t); refusedReason(d, "p") != v1alpha1.ReasonPermissionNotAllowed || d.Grants[g.UID].Problem != nil {
			t.Fatalf("%s: refused %q, grant %v", update, refusedReason(d, "p"), d.Grants[g.UID].Problem)
		}
		waits := update == v1alpha1.RoleUpdateAdd // for a policy that is not refused, which gets a successor
		for _, who := range []string{"alice", "bob"} {
			if holds(who, pair) != waits || !holds(who, trigger) {
				t.Errorf("%s: %s has %v", update, who, w.rolesOf(who))
			}
		}
		if _, proofs, _ := Assess(w.Input, Desire(w.Input)); slices.ContainsFunc(proofs[named("p")].Differences, func(line string) bool {
			return strings.Contains(line, "only adds permissions")
		}) != waits {
			t.Errorf("%s: it is said to be %v", update, proofs[named("p")].Differences)
		}
		if len(w.rolesOf("carol")) != 0 {
			t.Errorf("%s: carol was given %v", update, w.rolesOf("carol"))
		}
		p.Spec.Access = levels("View")
		if w.pass(t); holds("alice", trigger) != waits || !holds("alice", permission.Pair{Action: permission.CanRead, Resource: "DAG:a"}) {
			t.Errorf("%s: a refused policy does not become narrower: alice has %v", update, w.rolesOf("alice"))
		}
		if d, plan := w.pass(t); len(plan.Phases) != 0 {
			t.Errorf("%s: it does not come to rest: %v %v", update, Render(plan), d.Roles)
		}
		p.Spec.AirflowPermissions = nil
		if w.pass(t); holds("alice", pair) || holds("bob", trigger) || !holds("bob", permission.Pair{Action: permission.CanRead, Resource: "DAG:a"}) {
			t.Errorf("%s: when it is not refused any more, alice has %v, bob %v", update, w.rolesOf("alice"), w.rolesOf("bob"))
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
	for i := range desire.MaxRoles - len(instance.Status.ManagedRoles) {
		name := fmt.Sprintf("oam.data.p~%016x", i)
		instance.Status.ManagedRoles = append(instance.Status.ManagedRoles, v1alpha1.ManagedRole{Name: name, Policy: "data/p", PolicyUID: "uid-p", Kind: v1alpha1.ManagedRoleGrant})
	}
	w.Instance = instance
	one, whole := w.grant("one", p, "bob", "b"), w.grant("whole", p, "bob")
	w.policy("q", levels("View"), []string{"a"}, "bob")
	d := Desire(w.Input)
	if problem := d.Grants[one.UID].Problem; problem == nil || problem.Reason != v1alpha1.ReasonTooManyRoles {
		t.Errorf("a grant with a role of its own: %v", problem)
	}
	if d.Grants[before.UID].Problem != nil || d.Grants[whole.UID].Problem != nil {
		t.Errorf("one that has its role: %v, one by the policy's role: %v", d.Grants[before.UID].Problem, d.Grants[whole.UID].Problem)
	}
	if refusedReason(d, "q") != v1alpha1.ReasonTooManyRoles || refusedReason(d, "p") != "" {
		t.Errorf("policies are refused: q %q, p %q", refusedReason(d, "q"), refusedReason(d, "p"))
	}
	if len(d.Inventory) > desire.MaxRoles {
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
	w.Giving = revokeOnly
	p.Spec.Access = levels("View", "EditRuns") // loses Trigger, would gain EditRuns
	p.Spec.Dags[0].IDs = []string{"a", "b"}
	p.Spec.Members = append(p.Spec.Members, v1alpha1.Subject{Username: "bob"})
	w.pass(t)
	got := w.Observed.Roles["oam.data.finance"]
	if slices.Contains(got, permission.Pair{Action: permission.CanCreate, Resource: "DAG Run:a"}) || !slices.Contains(got, permission.Pair{Action: permission.CanRead, Resource: "DAG:a"}) {
		t.Errorf("narrowed: %v", got)
	}
	if slices.ContainsFunc(got, func(p permission.Pair) bool {
		return p.Action == permission.CanEdit && p.Resource == "DAG Run:a" || strings.HasSuffix(p.Resource, ":b")
	}) {
		t.Errorf("widened: %v", got)
	}
	if len(w.rolesOf("bob")) > 0 || len(w.rolesOf("alice")) != 1 {
		t.Errorf("bob has %v, alice %v", w.rolesOf("bob"), w.rolesOf("alice"))
	}
	w.Giving = access.Giving{}
	w.pass(t)
	if got := w.Observed.Roles["oam.data.finance"]; !slices.Contains(got, permission.Pair{Action: permission.CanEdit, Resource: "DAG Run:b"}) || len(w.rolesOf("bob")) != 1 {
		t.Errorf("%v, bob has %v", got, w.rolesOf("bob"))
	}
}

func TestK11ARefusedPolicySaysWhatToDo(t *testing.T) {
	pools := v1alpha1.AirflowPermission{Action: permission.CanEdit, Resource: "Pools"}
	for name, c := range map[string]struct {
		change    func(w *world, p *v1alpha1.DagAccessPolicy)
		says, not string
	}{
		"a permission that none may grant": {func(_ *world, p *v1alpha1.DagAccessPolicy) {
			p.Spec.AirflowPermissions = []v1alpha1.AirflowPermission{{Action: permission.CanRead, Resource: "Users"}}
		}, "can_read on Users, which no policy may grant: remove", ""},
		"a permission that the instance does not list": {func(_ *world, p *v1alpha1.DagAccessPolicy) {
			p.Spec.AirflowPermissions = []v1alpha1.AirflowPermission{pools}
		}, "can_edit on Pools, which the AirflowInstance does not allow: remove them there, or have the platform team add them", ""},
		"a permission that changes more than DAGs": {func(w *world, p *v1alpha1.DagAccessPolicy) {
			p.Spec.AirflowPermissions, w.Instance.Spec.AllowedPermissions = []v1alpha1.AirflowPermission{pools}, []v1alpha1.AirflowPermission{pools}
		}, "--allow-privileged-permissions", ""},
		"another role of that name": {func(_ *world, p *v1alpha1.DagAccessPolicy) {
			p.Spec.Role = &v1alpha1.PolicyRole{Name: "handmade"}
		}, "set role.adoption to IfExists", ""},
		"the role of the operator's own account": {func(w *world, p *v1alpha1.DagAccessPolicy) {
			p.Spec.Role = &v1alpha1.PolicyRole{Name: "handmade"}
			w.setRoles(account, "Admin", "handmade")
		}, "choose another role.name", "adoptableRoles"},
	} {
		t.Run(name, func(t *testing.T) {
			w := settled(t)
			p := w.policy("p", levels(v1alpha1.AccessView), []string{"finance_*"})
			c.change(w, p)
			refused := Desire(w.Input).Policies[types.NamespacedName{Namespace: "data", Name: "p"}].Refused
			if refused == nil || !strings.Contains(refused.Message, c.says) {
				t.Fatalf("it says %+v, want %q", refused, c.says)
			}
			if c.not != "" && strings.Contains(refused.Message, c.not) {
				t.Errorf("it proposes %s: %s", c.not, refused.Message)
			}
		})
	}
}
