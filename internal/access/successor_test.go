package access_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/airflow-oam/airflow-oam/internal/access"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

var (
	addOnly = v1alpha1.Capabilities{RoleUpdate: v1alpha1.RoleUpdateAdd}
	addStay = v1alpha1.Capabilities{RoleUpdate: v1alpha1.RoleUpdateAdd, RoleDelete: v1alpha1.RoleDeleteFails}
)

// settledOn is a settled world with another server.
func settledOn(t *testing.T, server v1alpha1.Capabilities) *world {
	t.Helper()
	w := settled(t)
	w.Capabilities = server
	return w
}

// changePolicy changes the policy of a settled world, and says that a pass has seen it.
func (w *world) changePolicy(change func(spec *v1alpha1.DagAccessPolicySpec)) {
	p := w.Policies[0].DeepCopy()
	change(&p.Spec)
	p.Generation++
	p.Status.ObservedGeneration = p.Generation
	w.Policies[0] = p
}

func (w *world) viewOnly() {
	w.changePolicy(func(spec *v1alpha1.DagAccessPolicySpec) { spec.Access = levels(v1alpha1.AccessView) })
}

// settle makes a pass, and stores what the pass found in the end.
func (w *world) settle(t *testing.T) (access.Desired, access.Plan) {
	t.Helper()
	_, plan := w.pass(t)
	d := Desire(w.Input)
	if again := NewPlan(w.Input, d); len(again.Phases) > 0 {
		t.Fatalf("a second pass is not empty: %v", Render(again))
	}
	_, _, gone := Assess(w.Input, d)
	w.Instance.Status.ManagedRoles = slices.DeleteFunc(slices.Clone(d.Inventory), func(e v1alpha1.ManagedRole) bool {
		return slices.Contains(gone, e.Name)
	})
	return d, plan
}

// inUse are the managed roles that are stored and not retired.
func (w *world) inUse() []string {
	var out []string
	for _, entry := range w.Instance.Status.ManagedRoles {
		if _, exists := w.Observed.Roles[entry.Name]; exists && !entry.Retired {
			out = append(out, entry.Name)
		}
	}
	slices.Sort(out)
	return out
}

func (w *world) retired() []string {
	var out []string
	for _, entry := range w.Instance.Status.ManagedRoles {
		if entry.Retired {
			out = append(out, entry.Name)
		}
	}
	return out
}

func kindsIn(plan access.Plan) []access.StepKind {
	var out []access.StepKind
	for _, steps := range plan.Phases {
		for _, step := range steps {
			if !slices.Contains(out, step.Kind) {
				out = append(out, step.Kind)
			}
		}
	}
	return out
}

// TestARoleThatLosesPermissionsGetsASuccessorWhereTheServerCannotTakeThemAway: what comes out is the same as where it can.
func TestARoleThatLosesPermissionsGetsASuccessorWhereTheServerCannotTakeThemAway(t *testing.T) {
	w := settled(t)
	w.viewOnly()
	w.settle(t)
	want := map[string][]permission.Pair{}
	maps.Copy(want, w.Observed.Roles)
	for sentence, server := range map[string]v1alpha1.Capabilities{"adds": addOnly, "adds and never deletes": addStay} {
		t.Run(sentence, func(t *testing.T) {
			w := settledOn(t, server)
			w.viewOnly()
			d, _ := w.settle(t)
			for _, base := range []string{financeRole, w.Grants[1].Status.Activation.Instances[0].Role} {
				if got := w.Observed.Roles[base+"~g1"]; !slices.Equal(got, want[base]) {
					t.Errorf("the successor of %s holds %v", base, got)
				}
				_, left := w.Observed.Roles[base]
				if kept := slices.Contains(w.retired(), base); left != (server.RoleDelete != "") || kept != left {
					t.Errorf("%s is left: %v, retired: %v", base, left, kept)
				}
			}
			if got := w.rolesOf("alice"); !slices.Equal(got, []string{"Viewer", financeRole + "~g1"}) {
				t.Errorf("alice has %v", got)
			}
			if got := d.Policies[types.NamespacedName{Namespace: "data", Name: "finance"}].Role; got != financeRole+"~g1" {
				t.Errorf("the policy's role is %q", got)
			}
			proofs, policies, _ := Assess(w.Input, Desire(w.Input))
			for uid, proof := range proofs {
				if !proof.Present || proof.Absent {
					t.Errorf("%s: %+v", uid, proof)
				}
			}
			for name, proof := range policies {
				if !proof.InSync {
					t.Errorf("%s: %v", name, proof.Differences)
				}
			}
			w.Now = w.Now.Add(time.Hour)
			d, _ = w.settle(t)
			proofs, _, _ = Assess(w.Input, d)
			for uid, proof := range proofs {
				if proof.Present || !proof.Absent {
					t.Errorf("%s ended: %+v", uid, proof)
				}
			}
		})
	}
}

func TestWideningNeedsNoSuccessor(t *testing.T) {
	w := settledOn(t, addOnly)
	w.Grants = nil
	w.settle(t)
	w.changePolicy(func(spec *v1alpha1.DagAccessPolicySpec) { spec.Access = levels("View", "Trigger", "ViewLogs") })
	w.settle(t)
	if got := w.inUse(); !slices.Equal(got, []string{financeRole}) || !slices.Contains(w.rolesOf("alice"), financeRole) {
		t.Errorf("in use are %v, alice has %v", got, w.rolesOf("alice"))
	}
}

func TestNumbersGoOnAndRetiredRolesServeAgainOnlyWhenTheyFitExactly(t *testing.T) {
	w := settledOn(t, addStay)
	w.Grants = nil
	w.settle(t)
	give := func(access ...v1alpha1.AccessLevel) string {
		w.changePolicy(func(spec *v1alpha1.DagAccessPolicySpec) { spec.Access = access })
		d, _ := w.settle(t)
		return d.Policies[types.NamespacedName{Namespace: "data", Name: "finance"}].Role
	}
	for i, step := range []struct {
		access []v1alpha1.AccessLevel
		role   string
	}{
		{levels("View"), "~g1"}, {levels("View", "ViewLogs"), "~g1"}, {levels("View"), "~g2"},
		{levels("View", "ViewLogs"), "~g2"}, {levels("View", "ViewCode"), "~g3"}, {levels("View", "Trigger"), ""}, {levels("View", "ViewCode"), "~g3"},
	} {
		if got := give(step.access...); got != financeRole+step.role {
			t.Fatalf("step %d: the role is %s, retired are %v", i, got, w.retired())
		}
	}
	// Somebody is in a retired role: it cannot be used, and they leave it.
	w.setRoles("carol", "handmade", financeRole)
	if _, plan := w.settle(t); slices.Contains(w.rolesOf("carol"), financeRole) || driftCauses(plan)[access.MemberKey("carol", financeRole)] != v1alpha1.DriftCauseManual {
		t.Errorf("carol has %v, drift %v", w.rolesOf("carol"), plan.Drift)
	}
	w.setRoles("carol", "handmade", financeRole)
	if got := give("View", "Trigger"); got != financeRole+"~g4" {
		t.Errorf("the role is %s", got)
	}
	w.Capabilities.RoleDelete = v1alpha1.RoleDeleteWorks
	w.settle(t)
	if got := w.inUse(); !slices.Equal(got, []string{financeRole + "~g4"}) || len(w.retired()) != 0 || len(w.Instance.Status.ManagedRoles) != 1 {
		t.Errorf("in use are %v, retired %v", got, w.retired())
	}
	// A server that can replace changes the role that is in use.
	w.Capabilities.RoleUpdate = v1alpha1.RoleUpdateReplace
	if got := give("View"); got != financeRole+"~g4" {
		t.Errorf("the role is %s", got)
	}
}

func TestDeletionDoesNotWaitForRolesThatCannotBeDeleted(t *testing.T) {
	w := settledOn(t, addStay)
	w.Policies[0].DeletionTimestamp = &metav1.Time{Time: testNow}
	w.settle(t)
	d, _ := w.settle(t)
	_, proofs, _ := Assess(w.Input, d)
	if len(w.retired()) != 2 || len(w.Instance.Status.ManagedRoles) != 2 {
		t.Errorf("the inventory is %v", w.Instance.Status.ManagedRoles)
	}
	for name, proof := range proofs {
		if !proof.InSync {
			t.Errorf("%s: %v", name, proof.Differences)
		}
	}
	again := *w
	w.Policies, w.Grants = nil, nil
	w.Instance = w.Instance.DeepCopy()
	w.Instance.DeletionTimestamp = &metav1.Time{Time: testNow}
	w.setRoles("carol", financeRole)
	if _, _, gone := Assess(w.Input, Desire(w.Input)); slices.Contains(gone, financeRole) {
		t.Error("a role is let go of while somebody is in it")
	}
	w.settle(t)
	if len(w.Instance.Status.ManagedRoles) != 0 || len(w.rolesOf("carol")) != 0 {
		t.Errorf("the instance cannot go: %v, carol has %v", w.Instance.Status.ManagedRoles, w.rolesOf("carol"))
	}
	w = &again
	w.Capabilities.RoleDelete = ""
	w.settle(t)
	if len(w.Instance.Status.ManagedRoles) != 0 {
		t.Errorf("left are %v", w.Instance.Status.ManagedRoles)
	}
}

func TestAnAdoptedRoleIsEmptiedAndStaysBesideItsSuccessor(t *testing.T) {
	w := newWorld()
	w.Capabilities = addOnly
	w.dags("a")
	w.user("alice", "handmade")
	w.user("bob", "handmade")
	p := w.policy("p", levels("View"), []string{"*"}, "alice")
	p.Spec.Role = &v1alpha1.PolicyRole{Name: "handmade", Adoption: v1alpha1.AdoptionIfExists}
	w.Instance.Spec.AdoptableRoles = []string{"handmade"}
	w.setRole("handmade", permission.SetOf([]permission.Pair{{Action: permission.CanEdit, Resource: "Pools"}, {Action: permission.CanRead, Resource: "DAG:a"}}))
	stored := w.Observed.Roles["handmade"]
	if d, plan := w.pass(t); len(plan.Phases) != 0 || !slices.Contains(notes(d), v1alpha1.ReasonAdoptionReported) {
		t.Fatalf("the first pass does more than report: %v", Render(plan))
	}
	w.settle(t)
	if !slices.Equal(w.rolesOf("alice"), []string{"handmade~g1"}) || len(w.rolesOf("bob")) != 0 || !slices.Equal(w.Observed.Roles["handmade"], stored) {
		t.Fatalf("alice has %v, bob %v, the role %v", w.rolesOf("alice"), w.rolesOf("bob"), w.Observed.Roles["handmade"])
	}
	w.setRoles("bob", "handmade")
	d, _ := w.settle(t)
	if _, proofs, _ := Assess(w.Input, d); len(w.rolesOf("bob")) != 0 || !slices.Equal(w.retired(), []string{"handmade"}) || !proofs[types.NamespacedName{Namespace: "data", Name: "p"}].InSync {
		t.Errorf("bob has %v, retired are %v", w.rolesOf("bob"), w.retired())
	}
	p.DeletionTimestamp = &metav1.Time{Time: testNow}
	w.settle(t)
	if _, exists := w.Observed.Roles["handmade"]; !exists || len(w.Instance.Status.ManagedRoles) != 0 {
		t.Errorf("the inventory is %v", w.Instance.Status.ManagedRoles)
	}
}

// TestWhoHasNotMovedStaysWhileNothingMayBeGiven: a pass is interrupted between the members, and the instance is suspended.
func TestWhoHasNotMovedStaysWhileNothingMayBeGiven(t *testing.T) {
	w := settledOn(t, addOnly)
	w.viewOnly()
	d := Desire(w.Input)
	plan := NewPlan(w.Input, d)
	if kinds := kindsIn(plan); !slices.Equal(kinds, []access.StepKind{access.StepCreateRole, access.StepSwapMember, access.StepDeleteRole}) {
		t.Fatalf("the plan is %v", Render(plan))
	}
	w.Instance = w.Instance.DeepCopy()
	w.Instance.Status.ManagedRoles = d.Inventory
	w.Observed = applied(t, w.Capabilities, w.Observed, access.Plan{Phases: [][]access.Step{plan.Phases[0], plan.Phases[1][:1]}})
	moved := plan.Phases[1][0].Username
	w.Instance.Spec.Mode = v1alpha1.ModeSuspended
	before := cloneObserved(w.Observed)
	d, _ = w.settle(t)
	for _, user := range []string{"alice", "bob", "carol"} {
		at := slices.IndexFunc(before.Users, func(u access.User) bool { return u.Username == user })
		if got := w.rolesOf(user); !slices.Equal(got, before.Users[at].Roles) {
			t.Errorf("%s had %v and has %v; %s had moved", user, before.Users[at].Roles, got, moved)
		}
	}
	for uid, desire := range d.Grants {
		if desire.Problem != nil {
			t.Errorf("%s: %v", uid, desire.Problem)
		}
	}
	w.Instance = w.Instance.DeepCopy()
	w.Instance.Spec.Mode = v1alpha1.ModeEnforce
	w.settle(t)
	if got := w.inUse(); len(got) != 2 || !strings.HasSuffix(got[0], "~g1") || !strings.HasSuffix(got[1], "~g1") {
		t.Errorf("in use are %v", got)
	}
}

// TestDriftThatIsNotRestoredStaysSoOverASuccessor: moving to a successor gives nothing back that is only reported or
// contested.
func TestDriftThatIsNotRestoredStaysSoOverASuccessor(t *testing.T) {
	taken := []permission.Pair{{Action: permission.CanRead, Resource: "DAG:finance_daily"}}
	for _, server := range []v1alpha1.Capabilities{addOnly} {
		for name, leave := range map[string]func(w *world){
			"report": func(w *world) { w.Instance.Spec.Drift = v1alpha1.DriftReport },
			"contested": func(w *world) {
				w.Contested = map[string]bool{access.RoleKey(financeRole): true, access.MemberKey("alice", financeRole): true}
			},
		} {
			t.Run(name+" "+string(server.RoleUpdate), func(t *testing.T) {
				w := settledOn(t, server)
				w.Grants = w.Grants[:1]
				w.settle(t)
				leave(w)
				w.setRole(financeRole, permission.Minus(w.Observed.Roles[financeRole], taken))
				w.setRoles("alice", "Viewer")
				if _, plan := w.settle(t); len(plan.Phases) != 0 {
					t.Fatalf("it is restored: %v", Render(plan))
				}
				w.viewOnly()
				for range 3 {
					_, plan := w.settle(t)
					causes := driftCauses(plan)
					if causes[access.RoleKey(financeRole)]+causes[access.DagKey(financeRole, "finance_daily")] == "" || causes[access.MemberKey("alice", financeRole)] != v1alpha1.DriftCauseManual {
						t.Fatalf("it is no longer drift: %v", plan.Drift)
					}
				}
				carrier := w.rolesOf("bob")[0]
				if carrier != financeRole+"~g1" || permission.Contains(w.Observed.Roles[carrier], taken) || !slices.Equal(w.rolesOf("alice"), []string{"Viewer"}) {
					t.Errorf("alice has %v, bob %v", w.rolesOf("alice"), w.rolesOf("bob"))
				}
				w.Instance.Spec.Drift, w.Contested = v1alpha1.DriftRepair, nil
				w.settle(t)
				carrier = w.rolesOf("bob")[0]
				if !permission.Contains(w.Observed.Roles[carrier], taken) || !slices.Contains(w.rolesOf("alice"), carrier) {
					t.Errorf("it is not restored when that is allowed again: alice has %v, bob %v", w.rolesOf("alice"), w.rolesOf("bob"))
				}
			})
		}
	}
}

func TestPermissionsThatOthersAddedGoByASuccessor(t *testing.T) {
	for name, set := range map[string]func(w *world){
		"repair":    func(*world) {},
		"report":    func(w *world) { w.Instance.Spec.Drift = v1alpha1.DriftReport },
		"contested": func(w *world) { w.Contested = map[string]bool{access.RoleKey(financeRole): true} },
	} {
		t.Run(name, func(t *testing.T) {
			w := settledOn(t, addOnly)
			set(w)
			stored := w.Observed.Roles[financeRole]
			w.setRole(financeRole, permission.SetOf(append(slices.Clone(stored), permission.Pair{Action: permission.CanEdit, Resource: "Variables"}, permission.Pair{Action: permission.CanRead, Resource: "Website"})))
			_, plan := w.settle(t)
			if i := slices.IndexFunc(plan.Drift, func(d access.Drift) bool { return d.Key == access.RoleKey(financeRole) }); i < 0 || !plan.Drift[i].Repaired || plan.Drift[i].Successor == "" {
				t.Errorf("drift %v", plan.Drift)
			}
			if got := w.Observed.Roles[financeRole+"~g1"]; !slices.Equal(got, stored) || slices.Contains(w.rolesOf("alice"), financeRole) {
				t.Errorf("the successor holds %v", got)
			}
			if again := NewPlan(w.Input, Desire(w.Input)); len(again.Phases)+len(again.Drift) != 0 {
				t.Errorf("it is not over: %v, %v", Render(again), again.Drift)
			}
		})
	}
}

func TestAGrantEndsInASuccessorThatTheInventoryLost(t *testing.T) {
	w := newWorld()
	w.Capabilities = addOnly
	w.dags("a")
	w.user("bob", "handmade")
	p := w.policy("p", levels("View", "Trigger"), []string{"*"})
	p.Spec.Role = &v1alpha1.PolicyRole{Name: "people"}
	g := w.grant("g", p, "bob")
	w.settle(t)
	p.Spec.Access = levels("View")
	w.settle(t)
	if !slices.Equal(w.rolesOf("bob"), []string{"handmade", "people~g1"}) {
		t.Fatalf("bob has %v", w.rolesOf("bob"))
	}
	w.Instance.Status.ManagedRoles, w.Previous, w.Policies = nil, nil, nil
	g.Spec.Revoke = &v1alpha1.Revocation{}
	if proofs, _, _ := Assess(w.Input, Desire(w.Input)); proofs[g.UID].Absent {
		t.Error("claimed absent while it is stored")
	}
	d, _ := w.settle(t)
	if proofs, _, _ := Assess(w.Input, d); !proofs[g.UID].Absent || !slices.Equal(w.rolesOf("bob"), []string{"handmade"}) {
		t.Errorf("bob has %v", w.rolesOf("bob"))
	}
}

func TestARoleOfTheSameNameIsNeverTakenOver(t *testing.T) {
	w := newWorld()
	w.Capabilities = addOnly
	w.dags("a")
	w.user("alice")
	p := w.policy("p", levels("View", "Trigger"), []string{"*"}, "alice")
	p.Spec.Role = &v1alpha1.PolicyRole{Name: "people"}
	w.settle(t)
	p.Spec.Access = levels("View")
	w.setRole("people~g3", []permission.Pair{{Action: permission.CanEdit, Resource: "Pools"}})
	w.setRole("person~g8", []permission.Pair{{Action: permission.CanEdit, Resource: "Pools"}})
	w.user("erin", "person~g8")
	w.settle(t)
	if !slices.Equal(w.rolesOf("alice"), []string{"people~g4"}) {
		t.Errorf("alice has %v", w.rolesOf("alice"))
	}
	// A later role of the first name is somebody else's, and the policy does not need it.
	w.setRole("people", []permission.Pair{{Action: permission.CanEdit, Resource: "Pools"}})
	w.user("dave", "people")
	d, plan := w.settle(t)
	if refusedReason(d, "p") != "" || len(plan.Phases) != 0 || !slices.Equal(w.rolesOf("dave"), []string{"people"}) || !slices.Equal(w.rolesOf("erin"), []string{"person~g8"}) {
		t.Errorf("refused %q, plan %v", refusedReason(d, "p"), Render(plan))
	}
}

// TestTheGuardLooksAtTheRoleThatCarriesThePolicy: what is held stays held over a successor that is made for another
// reason, also when the pass that makes it is cut off.
func TestTheGuardLooksAtTheRoleThatCarriesThePolicy(t *testing.T) {
	w := manyDags(t, 20)
	w.Capabilities = addOnly
	lost := []string{}
	for _, dag := range w.Observed.Dags[:10] {
		lost = append(lost, dag.ID)
	}
	w.dropDags(lost...)
	role := w.Instance.Status.ManagedRoles[0].Name
	w.setRole(role, permission.SetOf(append(slices.Clone(w.Observed.Roles[role]), permission.Pair{Action: permission.CanEdit, Resource: "Variables"})))
	d := Desire(w.Input)
	if !slices.Contains(notes(d), v1alpha1.ReasonMassRevocationHeld) {
		t.Fatalf("nothing is held: %v", d.Policies)
	}
	w.Instance = w.Instance.DeepCopy()
	w.Instance.Status.ManagedRoles = d.Inventory
	w.Observed = cloneObserved(w.Observed)
	if err := applyStep(w.Capabilities, &w.Observed, portion(&w.Observed, NewPlan(w.Input, d).Phases[0][0])); err != nil {
		t.Fatal(err)
	}
	w.Previous = nil
	for range 2 {
		d, _ = w.settle(t)
		if !slices.Contains(notes(d), v1alpha1.ReasonMassRevocationHeld) {
			t.Fatalf("nothing is held any more: %v", d.Policies)
		}
	}
	if got := w.Observed.Roles[role+"~g1"]; len(permission.DagsIn(got)) != 20 || permission.Contains(got, []permission.Pair{{Action: permission.CanEdit, Resource: "Variables"}}) {
		t.Errorf("the successor holds %v", got)
	}
	w.Instance = w.Instance.DeepCopy()
	w.Instance.Spec.Release = d.Held[0].Hash
	w.settle(t)
	if got := w.Observed.Roles[role+"~g2"]; len(permission.DagsIn(got)) != 10 {
		t.Errorf("in use are %v", w.inUse())
	}
}

// portion is a step that writes half of what is new.
func portion(o *access.Observed, step access.Step) access.Step {
	if step.Kind != access.StepCreateRole && step.Kind != access.StepWidenRole {
		return step
	}
	stored := permission.SetOf(slices.Clone(o.Roles[step.Role]))
	missing := permission.Minus(step.Permissions, stored)
	step.Permissions = permission.SetOf(slices.Concat(stored, missing[:(len(missing)+1)/2]))
	return step
}

// TestCrashesOnTheWayToASuccessorLoseNobody: a pass is cut off after any step, and before it once the inventory is
// stored; the operator is started anew, or loses the inventory. The promises hold over all of it, and the end is the same.
func TestCrashesOnTheWayToASuccessorLoseNobody(t *testing.T) {
	moved, retiredOnes := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWorld(rt)
		w.pass(t)
		disturb(rt, w)
		order := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 5))
		// Without the inventory nobody knows that a role is to be left to its members (deletion: Orphan).
		forgets := rapid.Bool().Draw(rt, "forgets") && !slices.ContainsFunc(w.Policies, func(p *v1alpha1.DagAccessPolicy) bool { return p.DeletionTimestamp != nil })
		model := w.Capabilities.PermissionModel
		first := NewPlan(w.Input, Desire(w.Input))
		end := applied(t, w.Capabilities, w.Observed, first)
		after, may := everybody(model, &end), mayHold(&w.Observed, &end)
		kept, removing := after, true
		for taken := 0; ; taken++ {
			d := Desire(w.Input)
			plan := NewPlan(w.Input, d)
			if len(plan.Phases) == 0 {
				break
			}
			if taken > 1000 {
				rt.Fatalf("it does not come to an end:\n%s", transcript(d, plan))
			}
			w.Instance = w.Instance.DeepCopy()
			w.Instance.Status.ManagedRoles = d.Inventory
			if order.IntN(3) == 0 {
				w.Previous = nil // a restart before the step
				continue
			}
			step := plan.Phases[0][order.IntN(len(plan.Phases[0]))]
			if step.Kind != access.StepRemoveMember && removing {
				removing, kept = false, everybody(model, &w.Observed)
			}
			w.Observed = cloneObserved(w.Observed)
			if order.IntN(2) == 0 {
				step = portion(&w.Observed, step)
			}
			if err := applyStep(w.Capabilities, &w.Observed, step); err != nil {
				rt.Fatalf("%s: %v", Describe(step), err)
			}
			if problem := broken(w, may, after, kept, removing); problem != "" {
				rt.Fatalf("after %q %s\n%s", Describe(step), problem, transcript(d, plan))
			}
			if step.Kind == access.StepSwapMember {
				if _, _, succeeds := rolename.Succession(step.Roles[0]); succeeds {
					moved++
				}
			}
			if forgets && order.IntN(4) == 0 {
				w.Instance.Status.ManagedRoles, w.Previous = nil, nil
			}
		}
		d, _ := w.pass(t)
		checkReached(rt, w, d)
		retiredOnes += len(w.retired())
		lines := map[rolename.Line]string{}
		for name := range d.Roles {
			if other, double := lines[rolename.LineOf(name)]; double && d.Roles[name].Giving.All() {
				rt.Fatalf("%s and %s carry the same", name, other)
			}
			lines[rolename.LineOf(name)] = name
		}
		if !forgets {
			for i, u := range end.Users {
				if !slices.Equal(text.SortedSet(slices.Clone(u.Roles)), text.SortedSet(slices.Clone(w.Observed.Users[i].Roles))) {
					rt.Fatalf("user %s has %v, not %v", u.Username, w.Observed.Users[i].Roles, u.Roles)
				}
			}
		}
		for username, can := range everybody(model, &w.Observed) {
			for p := range can {
				if !after[username][p] {
					rt.Fatalf("user %s can %v in the end", username, p)
				}
			}
			for p := range after[username] {
				if !can[p] {
					rt.Fatalf("user %s cannot %v in the end", username, p)
				}
			}
		}
	})
	if moved == 0 || retiredOnes == 0 {
		t.Errorf("%d moves and %d retired roles: the test proves less than it says", moved, retiredOnes)
	}
}

// TestServersMayChangeWhatTheyCan: after upgrades and downgrades between passes everything is still reached, roles are
// no more than needed, and what could not be deleted goes when it can.
func TestServersMayChangeWhatTheyCan(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWorld(rt)
		w.pass(t)
		for range 4 {
			w.Capabilities.RoleUpdate = rapid.SampledFrom([]v1alpha1.RoleUpdate{"", v1alpha1.RoleUpdateAdd}).Draw(rt, "update now")
			w.Capabilities.RoleDelete = rapid.SampledFrom([]v1alpha1.RoleDelete{"", v1alpha1.RoleDeleteFails}).Draw(rt, "delete now")
			disturb(rt, w)
			d := Desire(w.Input)
			plan := NewPlan(w.Input, d)
			walk(rt, w.Capabilities, w.Observed, plan, rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 6)))
			start := cloneObserved(w.Observed)
			w.finish(t, d, plan)
			checkReached(rt, w, d)
			checkUntouched(rt, start, w.Observed, d)
			w.Policies = slices.DeleteFunc(w.Policies, func(p *v1alpha1.DagAccessPolicy) bool { return p.DeletionTimestamp != nil })
			if len(w.Policies) == 0 {
				return
			}
			again := Desire(w.Input)
			if plan := NewPlan(w.Input, again); len(plan.Phases) > 0 {
				rt.Fatalf("a second pass is not empty:\n%s", transcript(again, plan))
			}
			w.finish(t, again, access.Plan{})
			if third := Desire(w.Input); !slices.Equal(third.Inventory, w.Instance.Status.ManagedRoles) {
				rt.Fatalf("the inventory is %v, then %v", w.Instance.Status.ManagedRoles, third.Inventory)
			}
		}
		w.Capabilities.RoleDelete = v1alpha1.RoleDeleteWorks
		d, _ := w.pass(t)
		for _, entry := range w.Instance.Status.ManagedRoles {
			if _, desired := d.Roles[entry.Name]; !desired && !entry.Orphaned {
				rt.Fatalf("%s is left: %+v", entry.Name, entry)
			}
		}
	})
}
