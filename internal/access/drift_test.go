package access_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/airflow-oam/airflow-oam/internal/access"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
)

const financeRole = "oam.data.finance"

// driftCauses are the drifts of a plan as key -> cause.
func driftCauses(plan access.Plan) map[string]string {
	out := map[string]string{}
	for _, drift := range plan.Drift {
		out[drift.Key] = drift.Cause
	}
	return out
}

func TestDriftIsExplainedAndRepaired(t *testing.T) {
	loginSync := func(w *world, user string, roles ...string) {
		w.setRoles(user, roles...)
		for i := range w.Observed.Users {
			if w.Observed.Users[i].Username == user {
				w.Observed.Users[i].LastLogin = "2026-11-23T11:59:00"
			}
		}
	}
	for sentence, c := range map[string]struct {
		change     func(w *world)
		key, cause string
		repaired   bool
	}{
		"DAG code took its rights away": {func(w *world) {
			w.setRole(financeRole, slices.DeleteFunc(slices.Clone(w.Observed.Roles[financeRole]), func(p permission.Pair) bool {
				return strings.HasSuffix(p.Resource, ":finance_daily")
			}))
		}, access.DagKey(financeRole, "finance_daily"), v1alpha1.DriftCauseDagAccessControl, true},
		"somebody took a global right": {func(w *world) {
			w.setRole(financeRole, permission.Minus(w.Observed.Roles[financeRole], []permission.Pair{{Action: permission.CanRead, Resource: "Task Instances"}}))
		}, access.RoleKey(financeRole), v1alpha1.DriftCauseRoleEdited, true},
		"somebody added a right": {func(w *world) {
			w.setRole(financeRole, append(slices.Clone(w.Observed.Roles[financeRole]), permission.Pair{Action: permission.CanEdit, Resource: "Variables"}))
		}, access.RoleKey(financeRole), v1alpha1.DriftCauseRoleEdited, true},
		"somebody deleted the role": {func(w *world) { w.dropRole(financeRole) }, access.RoleKey(financeRole), v1alpha1.DriftCauseRoleDeleted, true},
		"it vanished while nobody looked": {func(w *world) {
			w.dropRole(financeRole)
			w.Previous = nil
		}, access.RoleKey(financeRole), v1alpha1.DriftCauseUnknown, true},
		"a login overwrote the roles": {func(w *world) { loginSync(w, "bob", "Viewer") }, access.MemberKey("bob", financeRole), v1alpha1.DriftCauseLoginRoleSync, true},
		"somebody took the role":      {func(w *world) { w.setRoles("bob") }, access.MemberKey("bob", financeRole), v1alpha1.DriftCauseManual, true},
		"somebody gave the role":      {func(w *world) { w.setRoles("carol", append([]string{financeRole}, w.rolesOf("carol")...)...) }, access.MemberKey("carol", financeRole), v1alpha1.DriftCauseManual, true},
		"somebody deleted the user": {func(w *world) {
			w.Observed.Users = slices.DeleteFunc(slices.Clone(w.Observed.Users), func(u access.User) bool { return u.Username == "bob" })
		}, access.MemberKey("bob", ""), v1alpha1.DriftCauseUserDeleted, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := settled(t)
			stored := w.Observed.Roles[financeRole]
			c.change(w)
			plan := NewPlan(w.Input, Desire(w.Input))
			if got := driftCauses(plan)[c.key]; got != c.cause {
				t.Fatalf("got %v", plan.Drift)
			}
			found := slices.IndexFunc(plan.Drift, func(d access.Drift) bool { return d.Key == c.key })
			if plan.Drift[found].Repaired != c.repaired {
				t.Errorf("repaired is %v: %v", plan.Drift[found].Repaired, Render(plan))
			}
			carried := false
			for _, steps := range plan.Phases {
				for _, step := range steps {
					carried = carried || step.Repair == c.key
				}
			}
			if carried != c.repaired {
				t.Errorf("no step carries %s: %v", c.key, Render(plan))
			}
			w.pass(t)
			if again := NewPlan(w.Input, Desire(w.Input)); len(again.Phases)+len(again.Drift) != 0 {
				t.Errorf("it is not over: %v, %v", Render(again), again.Drift)
			}
			if !slices.Equal(w.Observed.Roles[financeRole], stored) {
				t.Errorf("the role holds %v", w.Observed.Roles[financeRole])
			}
		})
	}
}

func TestTheWebsitePairIsNoDrift(t *testing.T) {
	w := settled(t)
	for _, role := range []string{financeRole} {
		w.setRole(role, append(slices.Clone(w.Observed.Roles[role]), permission.Pair{Action: permission.CanRead, Resource: "Website"}))
	}
	d := Desire(w.Input)
	plan := NewPlan(w.Input, d)
	_, proofs, _ := Assess(w.Input, d)
	for name, proof := range proofs {
		if len(plan.Phases)+len(plan.Drift) != 0 || !proof.InSync {
			t.Errorf("%s: plan %v, drift %v, %v", name, Render(plan), plan.Drift, proof)
		}
	}
}

func TestAGrantThatIsLeftAloneBecauseOthersKeepTakingItSaysSo(t *testing.T) {
	w := settled(t)
	held := slices.Clone(w.rolesOf("bob"))
	w.setRoles("bob")
	g := w.Grants[0]
	for _, key := range []string{access.MemberKey("bob", g.Status.Activation.Instances[0].Role), access.RoleKey(g.Status.Activation.Instances[0].Role)} {
		w.Contested = map[string]bool{key: true}
		proofs, _, _ := Assess(w.Input, Desire(w.Input))
		if p := proofs[g.UID].Problem; p == nil || p.Reason != v1alpha1.ReasonContested {
			t.Errorf("%s: it says %v", key, p)
		}
	}
	w.setRoles("bob", held...)
	if proofs, _, _ := Assess(w.Input, Desire(w.Input)); proofs[g.UID].Problem != nil || !proofs[g.UID].Present {
		t.Errorf("it is there again, and says %v", proofs[g.UID].Problem)
	}
}

// strip takes all rights on a DAG from the role, as its file does.
func (w *world) strip(id string) {
	w.setRole(financeRole, slices.DeleteFunc(slices.Clone(w.Observed.Roles[financeRole]), func(p permission.Pair) bool {
		of, perDag := permission.DagOf(p.Resource)
		return perDag && of == id
	}))
}

func TestK11ADagWhoseFileSetsAccessControlIsContestedAloneAndNamed(t *testing.T) {
	w := settled(t)
	g := w.grant("bob-again", w.Policies[0], "bob")
	w.pass(t)
	weekly := permission.Intersect(w.Observed.Roles[financeRole], permission.SetOf([]permission.Pair{
		{Action: permission.CanRead, Resource: "DAG:finance_weekly"}, {Action: permission.CanEdit, Resource: "DAG:finance_weekly"},
	}))
	if len(weekly) == 0 {
		t.Fatalf("the role has nothing on finance_weekly: %v", w.Observed.Roles[financeRole])
	}
	w.Contested = map[string]bool{access.DagKey(financeRole, "finance_daily"): true}
	w.strip("finance_daily")
	w.setRole(financeRole, permission.Minus(w.Observed.Roles[financeRole], weekly))
	for range 3 {
		w.pass(t)
	}
	if !permission.Contains(w.Observed.Roles[financeRole], weekly) {
		t.Error("another DAG of the role is not restored")
	}
	if permission.DagsIn(w.Observed.Roles[financeRole])["finance_daily"] {
		t.Error("the contested DAG is restored")
	}
	grants, policies, _ := Assess(w.Input, Desire(w.Input))
	if proof := grants[g.UID]; !proof.Present || proof.Problem != nil || !slices.Equal(proof.Contested, []string{"finance_daily"}) {
		t.Errorf("the grant: %+v", proof)
	}
	const says = "finance_daily: its file sets access_control"
	policy := policies[types.NamespacedName{Namespace: "data", Name: w.Policies[0].Name}]
	if policy.InSync || len(policy.Differences) != 1 || !strings.Contains(policy.Differences[0], says) {
		t.Errorf("the policy: %+v", policy)
	}

	w.Contested[access.DagKey(financeRole, "finance_weekly")] = true
	w.strip("finance_weekly")
	grants, _, _ = Assess(w.Input, Desire(w.Input))
	if proof := grants[g.UID]; proof.Present || proof.Problem == nil || proof.Problem.Reason != v1alpha1.ReasonContested {
		t.Errorf("the grant has no DAG left: %+v", proof)
	}
}

func TestReportedAndContestedDriftIsNotRestored(t *testing.T) {
	for name, leave := range map[string]func(w *world){
		"report": func(w *world) { w.Instance.Spec.Drift = v1alpha1.DriftReport },
		"contested": func(w *world) {
			w.Contested = map[string]bool{access.RoleKey(financeRole): true, access.MemberKey("alice", financeRole): true}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := settled(t)
			leave(w)
			taken := []permission.Pair{{Action: permission.CanRead, Resource: "DAG:finance_daily"}}
			w.setRole(financeRole, permission.Minus(w.Observed.Roles[financeRole], taken))
			w.setRoles("alice", "Viewer")
			w.setRoles("carol", append([]string{financeRole}, w.rolesOf("carol")...)...)
			for range 3 {
				_, plan := w.pass(t)
				if causes := driftCauses(plan); causes[access.RoleKey(financeRole)] != v1alpha1.DriftCauseRoleEdited || causes[access.MemberKey("alice", financeRole)] != v1alpha1.DriftCauseManual {
					t.Fatalf("it is no longer drift: %v", plan.Drift)
				}
				if slices.Contains(w.rolesOf("alice"), financeRole) || permission.Contains(w.Observed.Roles[financeRole], taken) {
					t.Fatalf("it was restored: %v", Render(plan))
				}
				if slices.Contains(w.rolesOf("carol"), financeRole) {
					t.Fatal("a member without a cause was left")
				}
			}
			w.Instance.Spec.Drift, w.Contested = v1alpha1.DriftRepair, nil
			w.pass(t)
			if !slices.Contains(w.rolesOf("alice"), financeRole) || !permission.Contains(w.Observed.Roles[financeRole], taken) {
				t.Error("it was not restored when that was allowed again")
			}
		})
	}
	for name, leave := range map[string]func(w *world){
		"report":    func(w *world) { w.Instance.Spec.Drift = v1alpha1.DriftReport },
		"contested": func(w *world) { w.Contested = map[string]bool{access.RoleKey(financeRole): true} },
	} {
		t.Run("a role that somebody deleted is not there to be changed: "+name, func(t *testing.T) {
			w := settled(t)
			leave(w)
			w.dropRole(financeRole)
			for range 2 {
				_, plan := w.pass(t)
				if steps := Render(plan); len(steps) > 0 {
					t.Fatalf("steps are planned: %v", steps)
				}
			}
		})
	}
	t.Run("what is declared anew is given all the same", func(t *testing.T) {
		w := settled(t)
		w.Instance.Spec.Drift = v1alpha1.DriftReport
		w.setRoles("alice", "Viewer")
		w.dag("finance_new")
		w.user("erin")
		w.Policies[0].Spec.Members = append(w.Policies[0].Spec.Members, v1alpha1.Subject{Username: "erin"})
		w.pass(t)
		if !slices.Contains(w.rolesOf("erin"), financeRole) || !permission.Contains(w.Observed.Roles[financeRole], []permission.Pair{{Action: permission.CanRead, Resource: "DAG:finance_new"}}) {
			t.Errorf("erin has %v", w.rolesOf("erin"))
		}
	})
}

// TestFrozenRolesOnlyLoseMembers: what gives nothing gives nothing, whatever the world looks like.
func TestFrozenRolesOnlyLoseMembers(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWorld(rt)
		w.pass(t)
		disturb(rt, w)
		how := rapid.IntRange(0, 2).Draw(rt, "how")
		switch how {
		case 0:
			w.Instance.Spec.Mode = v1alpha1.ModeObserve
		case 1:
			w.Instance.Spec.Mode = v1alpha1.ModeSuspended
		case 2:
			for _, p := range w.Policies {
				p.Spec.State = v1alpha1.PolicySuspended
			}
		}
		d := Desire(w.Input)
		plan := NewPlan(w.Input, d)
		for _, steps := range plan.Phases {
			for _, step := range steps {
				if step.Kind != access.StepRemoveMember && step.Kind != access.StepDeleteRole {
					rt.Fatalf("a frozen instance has the step %q", Describe(step))
				}
			}
		}
		w.finish(t, d, plan)
		checkReached(rt, &world{Input: withoutProblems(w.Input)}, d)
		for _, g := range w.Grants {
			desire := d.Grants[g.UID]
			if desire.Live && desire.Problem == nil && !slices.Contains(w.rolesOf(desire.Username), desire.Role) {
				rt.Fatalf("grant %s gives nothing and nobody says why", g.Name)
			}
		}
		if how == 0 {
			w.Instance.Spec.Mode = v1alpha1.ModeEnforce
			if want, got := Render(NewPlan(w.Input, Desire(w.Input))), Render(ObservePlan(observing(w.Input))); !slices.Equal(want, got) {
				rt.Fatalf("observed %v, enforced %v", got, want)
			}
		}
	})
}

// withoutProblems leaves live grants out: a frozen role need not hold what they should give.
func withoutProblems(in access.Input) access.Input {
	in.Grants = slices.DeleteFunc(slices.Clone(in.Grants), func(g *v1alpha1.AccessGrant) bool { return access.Live(g, in.Now, in.CacheTTL) })
	return in
}

func observing(in access.Input) access.Input {
	in.Instance = in.Instance.DeepCopy()
	in.Instance.Spec.Mode = v1alpha1.ModeObserve
	return in
}

func TestAGrantStaysWhereItIsWhileNothingMayBeGiven(t *testing.T) {
	w := settled(t)
	w.Instance.Spec.Mode = v1alpha1.ModeObserve
	w.Policies[0].Spec.Access = levels("View", "Trigger", "ViewLogs")
	d, _ := w.pass(t)
	if !slices.Equal(w.rolesOf("bob"), []string{financeRole}) || d.Grants["uid-bob-finance"].Problem != nil {
		t.Fatalf("bob has %v, grant %+v", w.rolesOf("bob"), d.Grants["uid-bob-finance"])
	}
	// Somebody makes the role wider than the grant: there is nothing that bob could keep.
	w.setRole(financeRole, permission.SetOf(append(slices.Clone(w.Observed.Roles[financeRole]), permission.Pair{Action: permission.CanRead, Resource: "Task Logs"})))
	d, _ = w.pass(t)
	if len(w.rolesOf("bob")) != 0 || d.Grants["uid-bob-finance"].Problem == nil {
		t.Errorf("bob has %v, grant %+v", w.rolesOf("bob"), d.Grants["uid-bob-finance"])
	}
}

// TestAGrantStaysWhereItIsThoughADagIsGone: a suspended instance changes no role, so that the role of an edited policy still
// holds what its holders had on a DAG that is gone.
func TestAGrantStaysWhereItIsThoughADagIsGone(t *testing.T) {
	for _, mode := range []v1alpha1.Mode{v1alpha1.ModeObserve, v1alpha1.ModeSuspended} {
		w := newWorld()
		w.dags("a", "b")
		w.user("alice")
		w.user("bob")
		p := w.policy("finance", levels("View", "Trigger"), []string{"a", "b"}, "alice")
		g := w.grant("g", p, "bob")
		w.pass(t)
		before := slices.Clone(w.rolesOf("bob"))
		w.Instance.Spec.Mode = mode
		p.Spec.Access = levels("View", "Trigger", "ViewLogs")
		p.Generation++
		w.pass(t)
		w.dropDags("b")
		for range 2 {
			d, _ := w.pass(t)
			if !slices.Equal(w.rolesOf("bob"), before) || d.Grants[g.UID].Problem != nil {
				t.Fatalf("%s: bob has %v, grant %+v", mode, w.rolesOf("bob"), d.Grants[g.UID])
			}
		}
		w.setRole(before[0], permission.SetOf(append(slices.Clone(w.Observed.Roles[before[0]]), permission.Pair{Action: permission.CanDelete, Resource: "DAG:b"})))
		if w.pass(t); len(w.rolesOf("bob")) != 0 {
			t.Errorf("%s: bob has %v, which others made wider", mode, w.rolesOf("bob"))
		}
	}
}

func TestAssessClaimsOnlyWhatIsStored(t *testing.T) {
	w := settled(t)
	d := Desire(w.Input)
	proofs, _, _ := Assess(w.Input, d)
	if p := proofs["uid-bob-finance"]; !p.Present || p.Absent {
		t.Errorf("bob holds it: %+v", p)
	}
	t.Run("a role without its permissions gives nothing", func(t *testing.T) {
		in := w.Input
		in.Observed = cloneObserved(in.Observed)
		in.Observed.Roles[financeRole] = in.Observed.Roles[financeRole][1:]
		proofs, policies, _ := Assess(in, d)
		if p := proofs["uid-bob-finance"]; p.Present || p.Absent {
			t.Errorf("got %+v", p)
		}
		for _, p := range policies {
			if p.InSync || len(p.Differences) != 1 {
				t.Errorf("got %+v", p)
			}
		}
	})
	t.Run("a standing member holds it without the grant", func(t *testing.T) {
		w := settled(t)
		w.Policies[0].Spec.Members = append(w.Policies[0].Spec.Members, v1alpha1.Subject{Username: "bob"})
		w.Grants[0].Spec.Revoke = &v1alpha1.Revocation{}
		d, _ := w.pass(t)
		proofs, _, _ := Assess(w.Input, d)
		if p := proofs["uid-bob-finance"]; p.Present || !p.Absent || !slices.Contains(w.rolesOf("bob"), financeRole) {
			t.Errorf("got %+v, bob has %v", p, w.rolesOf("bob"))
		}
	})
	t.Run("what is still stored is not absent", func(t *testing.T) {
		w := settled(t)
		w.Now = w.Now.Add(2 * time.Hour)
		d := Desire(w.Input)
		proofs, policies, gone := Assess(w.Input, d)
		if proofs["uid-bob-finance"].Absent || proofs["uid-carol-daily"].Absent || len(gone) != 0 {
			t.Errorf("got %v, gone %v", proofs, gone)
		}
		for _, p := range policies {
			if p.InSync {
				t.Errorf("got %+v", p)
			}
		}
	})
	t.Run("a user who is gone holds nothing", func(t *testing.T) {
		w := settled(t)
		w.Observed.Users = slices.DeleteFunc(slices.Clone(w.Observed.Users), func(u access.User) bool { return u.Username == "bob" })
		proofs, _, _ := Assess(w.Input, Desire(w.Input))
		if p := proofs["uid-bob-finance"]; p.Present || !p.Absent || p.Problem == nil || p.Problem.Reason != v1alpha1.ReasonSubjectGone {
			t.Errorf("got %+v", p)
		}
	})
	t.Run("a grant that was never activated left nothing", func(t *testing.T) {
		w := settled(t)
		g := w.grant("new", w.Policies[0], "carol")
		g.Status.Activation = nil
		proofs, _, _ := Assess(w.Input, Desire(w.Input))
		if p := proofs[g.UID]; p.Present || !p.Absent {
			t.Errorf("got %+v", p)
		}
	})
}

func TestDifferencesAreBounded(t *testing.T) {
	w := newWorld()
	w.dags("a")
	p := w.policy("p", levels("View"), []string{"a"})
	for i := range 20 {
		w.user(fmt.Sprintf("user%02d", i))
		g := w.grant(fmt.Sprintf("g%02d", i), p, fmt.Sprintf("user%02d", i), "a", fmt.Sprintf("other%02d", i))
		g.Status.Activation.At = metav1.NewTime(testNow)
	}
	_, policies, _ := Assess(w.Input, Desire(w.Input))
	for _, proof := range policies {
		if len(proof.Differences) != 8 || proof.Differences[7] != "and 14 more differences" {
			t.Errorf("got %q", proof.Differences)
		}
	}
}

func TestRenderIsBounded(t *testing.T) {
	var steps []access.Step
	for i := range 70 {
		steps = append(steps, access.Step{Kind: access.StepAddMember, Username: strings.Repeat("ü", 300), Roles: []string{fmt.Sprintf("r%d\n", i)}, For: []access.Cause{{Kind: access.CauseGrant, Object: types.NamespacedName{Namespace: "data", Name: "g"}}}})
	}
	lines := Render(access.Plan{Phases: [][]access.Step{steps[:30], steps[30:]}})
	if len(lines) != 64 || lines[63] != "and 7 more steps" {
		t.Errorf("%d lines, the last is %q", len(lines), lines[len(lines)-1])
	}
	for _, line := range lines {
		if utf8.RuneCountInString(line) > 256 || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' }) {
			t.Errorf("bad line %q", line)
		}
	}
	if lines := Render(access.Plan{Phases: [][]access.Step{steps[:64]}}); len(lines) != 64 || strings.HasPrefix(lines[63], "and") {
		t.Errorf("64 steps fit: %q", lines[63])
	}
}
