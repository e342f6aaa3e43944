package access_test

import (
	"fmt"
	"maps"
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
	"github.com/airflow-oam/airflow-oam/internal/privilege"
)

func named(policy string) types.NamespacedName {
	return types.NamespacedName{Namespace: "data", Name: policy}
}

// found is what a settled world says of least privilege.
func found(w *world) (map[types.UID]access.GrantProof, map[types.NamespacedName]access.PolicyProof, access.Desired) {
	d := Desire(w.Input)
	grants, policies, _ := Assess(w.Input, d)
	return grants, policies, d
}

// mixed has EditTasks on a by one policy and Trigger on b by another, both for bob.
func mixed() *world {
	w := newWorld()
	w.dags("a", "b", "c")
	w.user("alice")
	w.user("bob")
	w.policy("tasks", levels("View", "EditTasks"), []string{"a"}, "alice", "bob")
	w.policy("trigger", levels("View", "Trigger"), []string{"b"}, "bob")
	return w
}

func TestEditTasksOnOneDagAndTriggerOnAnotherMeet(t *testing.T) {
	w := mixed()
	w.pass(t)
	_, policies, _ := found(w)
	for policy, other := range map[string]string{"tasks": "oam.data.trigger", "trigger": "oam.data.tasks"} {
		got := policies[named(policy)].LeastPrivilege
		if got.Reason != v1alpha1.ReasonExcessAccess {
			t.Fatalf("%s: %+v", policy, got)
		}
		for _, part := range []string{"1 user", "EditRuns, EditTasks on b,", "the managed role " + other, "the role oam.data." + policy} {
			if !strings.Contains(got.Message, part) {
				t.Errorf("%s does not say %q: %s", policy, part, got.Message)
			}
		}
		if strings.Contains(got.Message, "bob") || strings.Contains(got.Message, "alice") {
			t.Errorf("%s names people: %s", policy, got.Message)
		}
	}
	if text := policies[named("trigger")].LeastPrivilege.Message; !strings.Contains(text, "Pause with Trigger") || !strings.Contains(text, "any conf") || !strings.Contains(text, "backfills") {
		t.Errorf("what comes along is not told: %s", text)
	}
}

func TestOnAirflow2EditTasksStaysWithDagsWhoseRunsMayBeEdited(t *testing.T) {
	w := mixed()
	w.Capabilities.PermissionModel = v1alpha1.PermissionModelAirflow2
	w.pass(t)
	if _, policies, _ := found(w); policies[named("tasks")].LeastPrivilege.Reason != v1alpha1.ReasonAsGranted {
		t.Errorf("Trigger and EditTasks combine: %+v", policies[named("tasks")])
	}
	w.policy("runs", levels("View", "EditRuns"), []string{"c"}, "bob")
	w.pass(t)
	_, policies, _ := found(w)
	if got := policies[named("runs")].LeastPrivilege; got.Reason != v1alpha1.ReasonExcessAccess || !strings.Contains(got.Message, "has EditTasks on c,") {
		t.Errorf("EditRuns and EditTasks do not combine: %+v", got)
	}
	if text := policies[named("runs")].LeastPrivilege.Message; strings.Contains(text, "backfills") {
		t.Errorf("it tells of what Airflow 2 does not have: %s", text)
	}
}

func TestForeignRolesCombineToo(t *testing.T) {
	for name, test := range map[string]struct {
		foreign []permission.Pair
		access  []v1alpha1.AccessLevel
		want    string // empty: as granted
	}{
		"a right on all DAGs meets the global half of a level": {[]permission.Pair{{Action: permission.CanEdit, Resource: "DAGs"}}, levels("EditTasks"), "EditRuns, EditTasks on all DAGs; View on b"},
		"a global half meets the DAGs of a policy":             {[]permission.Pair{{Action: permission.CanRead, Resource: "Task Logs"}}, levels("View"), "ViewLogs on a"},
		"a global half without a level has its own name":       {[]permission.Pair{{Action: permission.CanDelete, Resource: "Task Instances"}, {Action: permission.CanDelete, Resource: "DAG Runs"}}, levels("Pause"), "DeleteRuns, can_delete on Task Instances on a"},
		"what foreign roles give by themselves is theirs":      {[]permission.Pair{{Action: permission.CanEdit, Resource: "DAGs"}, {Action: permission.CanEdit, Resource: "DAG Runs"}, {Action: permission.CanEdit, Resource: "Task Instances"}, {Action: permission.CanRead, Resource: "DAGs"}, {Action: permission.CanRead, Resource: "Task Logs"}, {Action: permission.CanRead, Resource: "DAG Runs"}, {Action: permission.CanRead, Resource: "Task Instances"}, {Action: permission.CanRead, Resource: "HITL Detail"}, {Action: permission.CanRead, Resource: "DAG Dependencies"}, {Action: permission.CanRead, Resource: "DAG Versions"}, {Action: permission.CanRead, Resource: "DAG Warnings"}}, levels("EditTasks", "ViewLogs"), ""},
		"unrelated rights do not matter":                       {[]permission.Pair{{Action: permission.CanEdit, Resource: "Variables"}, {Action: permission.CanRead, Resource: "Website"}}, levels("EditTasks", "ViewLogs"), ""},
		"what no call asks for does not matter":                {[]permission.Pair{{Action: permission.CanEdit, Resource: "Task Logs"}, {Action: permission.CanCreate, Resource: "DAG Warnings"}}, levels("Pause"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.dags("a", "b")
			w.Observed.Roles["theirs"] = append(slices.Clone(test.foreign), permission.Pair{Action: permission.MenuAccess, Resource: "DAGs"})
			w.Observed.Roles["of b"] = []permission.Pair{{Action: permission.CanRead, Resource: "DAG:b"}}
			w.user("bob", "theirs")
			if strings.Contains(test.want, " on b") {
				w.setRoles("bob", "of b", "theirs")
			}
			w.policy("p", test.access, []string{"a"}, "bob")
			w.pass(t)
			_, policies, _ := found(w)
			got := policies[named("p")].LeastPrivilege
			switch {
			case test.want == "" && got.Reason != v1alpha1.ReasonAsGranted:
				t.Errorf("%+v", got)
			case test.want != "" && (got.Reason != v1alpha1.ReasonExcessAccess || !strings.Contains(got.Message, test.want) || !strings.Contains(got.Message, "the foreign role")):
				t.Errorf("want %q: %+v", test.want, got)
			}
		})
	}
}

func TestOneRoleAloneIsNeverTooMuch(t *testing.T) {
	for _, level := range allLevels {
		w := newWorld()
		w.dags("a", "b")
		w.user("bob", "Public")
		w.policy("p", levels(level), []string{"a", "b"}, "bob")
		w.grant("g", w.Policies[0], "bob", "a")
		w.pass(t)
		grants, policies, _ := found(w)
		if got := policies[named("p")].LeastPrivilege; got.Reason != v1alpha1.ReasonAsGranted {
			t.Errorf("%s: %+v", level, got)
		}
		if got := grants["uid-g"].LeastPrivilege; got.Reason != v1alpha1.ReasonAsGranted {
			t.Errorf("%s: grant %+v", level, got)
		}
	}
}

func TestAGrantSaysWhatItsSubjectGets(t *testing.T) {
	w := newWorld()
	w.dags("a", "b")
	w.user("bob")
	w.policy("tasks", levels("EditTasks"), []string{"a"}, "bob")
	g := w.grant("g", w.policy("trigger", levels("Trigger"), []string{"b"}), "bob")
	other := w.grant("other", w.policy("view", levels("View"), []string{"c"}), "bob")
	w.dag("c")
	w.pass(t)
	grants, policies, _ := found(w)
	if got := grants[g.UID].LeastPrivilege; got.Reason != v1alpha1.ReasonExcessAccess || !strings.HasPrefix(got.Message, "its subject also has EditRuns, EditTasks on b") {
		t.Errorf("%+v", got)
	}
	if got := policies[named("trigger")].LeastPrivilege; got.Reason != v1alpha1.ReasonExcessAccess || !strings.HasPrefix(got.Message, "1 user") {
		t.Errorf("the policy of the grant: %+v", got)
	}
	if got := grants[other.UID].LeastPrivilege; got.Reason != v1alpha1.ReasonAsGranted {
		t.Errorf("a grant that has no part: %+v", got)
	}
}

func TestMessagesStayShort(t *testing.T) {
	w := newWorld()
	long := strings.Repeat("ü", 245)
	w.dags(long, "b")
	for i := range 60 {
		w.dag(fmt.Sprintf("%s-%02d", long[:200], i), "t")
	}
	actions := []string{permission.CanRead, permission.CanCreate, permission.CanEdit, permission.CanDelete}
	resources := []string{
		"DAG Runs", "Task Instances", "Task Logs", "XComs", "DAG Code", "DAG Versions", "DAG Dependencies", "DAG Warnings", "Audit Logs", "HITL Detail",
	}
	var foreign []string
	for i := range 12 {
		role := fmt.Sprintf("%s%02d", strings.Repeat("ä", 60), i)
		action, resource := actions[i%len(actions)], resources[i%len(resources)]
		for _, on := range []string{resource, "Task Instances", "XComs", "HITL Detail"} {
			w.Observed.Roles[role] = append(w.Observed.Roles[role], permission.Pair{Action: action, Resource: on})
		}
		foreign = append(foreign, role)
	}
	w.user("bob", foreign...)
	for i := range 8 {
		w.policy(fmt.Sprintf("p%d%s", i, strings.Repeat("x", 50)), allLevels, []string{"*"}, "bob").Spec.Dags[0].Tags = []string{"t"}
	}
	w.policy("last", levels("Trigger"), []string{"*"}, "bob")
	w.pass(t)
	_, policies, _ := found(w)
	for name, proof := range policies {
		if got := proof.LeastPrivilege; len(got.Message) > 1024 || got.Message == "" {
			t.Errorf("%s: %d bytes: %s", name, len(got.Message), got.Message)
		}
	}
	if policies[named("last")].LeastPrivilege.Reason != v1alpha1.ReasonExcessAccess {
		t.Error("nothing combines")
	}
}

func TestEnforceWithholdsTheNewestCause(t *testing.T) {
	w := mixed()
	w.Instance.Spec.LeastPrivilege = v1alpha1.LeastPrivilegeEnforce
	w.Policies[0].CreationTimestamp = metav1.NewTime(testNow.Add(-time.Hour))
	w.pass(t)
	if got := w.rolesOf("bob"); !slices.Equal(got, []string{"oam.data.trigger"}) {
		t.Errorf("bob has %v", got)
	}
	if got := w.rolesOf("alice"); !slices.Equal(got, []string{"oam.data.tasks"}) {
		t.Errorf("alice, who has one role only, has %v", got)
	}
	_, policies, d := found(w)
	if got := policies[named("tasks")].LeastPrivilege; got.Reason != v1alpha1.ReasonWithheld || !strings.HasPrefix(got.Message, "1 standing member gets nothing") || strings.Contains(got.Message, "bob") {
		t.Errorf("%+v", got)
	}
	if got := policies[named("trigger")].LeastPrivilege; got.Reason != v1alpha1.ReasonAsGranted {
		t.Errorf("the older policy: %+v", got)
	}
	if desire := d.Policies[named("tasks")]; !slices.Equal(desire.Members, []string{"alice"}) || !slices.Equal(desire.Withheld, []string{"bob"}) {
		t.Errorf("%+v", desire)
	}
	w.Instance.Spec.LeastPrivilege = v1alpha1.LeastPrivilegeWarn
	w.pass(t)
	if got := w.rolesOf("bob"); len(got) != 2 {
		t.Errorf("with Warn bob has %v", got)
	}
	w.Instance.Spec.LeastPrivilege = v1alpha1.LeastPrivilegeEnforce
	w.pass(t)
	if got := w.rolesOf("bob"); !slices.Equal(got, []string{"oam.data.trigger"}) {
		t.Errorf("what was given before is not taken: %v", got)
	}
}

func TestEnforceWithholdsAGrantUntilTheOtherIsGone(t *testing.T) {
	w := newWorld()
	w.Instance.Spec.LeastPrivilege = v1alpha1.LeastPrivilegeEnforce
	w.dags("a", "b")
	w.Observed.Roles["theirs"] = []permission.Pair{{Action: permission.CanEdit, Resource: "DAG:c"}}
	w.user("bob", "theirs")
	older := w.grant("older", w.policy("tasks", levels("Trigger"), []string{"a"}), "bob")
	newer := w.grant("newer", w.policy("trigger", levels("EditTasks"), []string{"b"}), "bob")
	newer.Status.Activation.At = metav1.NewTime(testNow.Add(-time.Minute))
	w.pass(t)
	grants, _, d := found(w)
	if problem := d.Grants[newer.UID].Problem; problem == nil || problem.Reason != v1alpha1.ReasonWithheld {
		t.Errorf("problem %+v", problem)
	}
	if proof := grants[newer.UID]; proof.Present || !proof.Absent || proof.LeastPrivilege.Reason != v1alpha1.ReasonWithheld || !strings.Contains(proof.LeastPrivilege.Message, "its subject would also have EditRuns, EditTasks on a, c") {
		t.Errorf("%+v", proof)
	}
	if got := w.rolesOf("bob"); !slices.Equal(got, []string{"oam.data.tasks", "theirs"}) {
		t.Errorf("bob has %v", got)
	}
	if again := NewPlan(w.Input, d); len(again.Phases) > 0 {
		t.Errorf("it does not settle:\n%s", transcript(d, again))
	}
	older.Spec.Revoke = &v1alpha1.Revocation{}
	w.setRoles("bob", "oam.data.tasks")
	w.pass(t)
	if got := w.rolesOf("bob"); !slices.Equal(got, []string{"oam.data.trigger"}) {
		t.Errorf("bob has %v", got)
	}
}

func TestACauseThatAnotherMakesGoodIsNotWithheld(t *testing.T) {
	w := newWorld()
	w.Instance.Spec.LeastPrivilege = v1alpha1.LeastPrivilegeEnforce
	w.dags("a", "b")
	w.user("bob")
	w.policy("p1", levels("ViewLogs"), []string{"a"}, "bob")
	w.policy("p2", levels("View"), []string{"b"}, "bob")
	w.policy("p3", levels("ViewLogs"), []string{"b"}, "bob")
	w.pass(t)
	if got := w.rolesOf("bob"); len(got) != 3 {
		t.Errorf("bob has %v, although p3 gives what p1 and p2 combine to", got)
	}
}

func TestNothingIsWithheldWhereNothingIsEnforced(t *testing.T) {
	for name, change := range map[string]func(*world){
		"Warn":      func(w *world) { w.Instance.Spec.LeastPrivilege = v1alpha1.LeastPrivilegeWarn },
		"unset":     func(w *world) { w.Instance.Spec.LeastPrivilege = "" },
		"Observe":   func(w *world) { w.Instance.Spec.Mode = v1alpha1.ModeObserve },
		"Suspended": func(w *world) { w.Instance.Spec.Mode = v1alpha1.ModeSuspended },
	} {
		t.Run(name, func(t *testing.T) {
			w := mixed()
			w.pass(t)
			w.Instance.Spec.LeastPrivilege = v1alpha1.LeastPrivilegeEnforce
			change(w)
			w.pass(t)
			if got := w.rolesOf("bob"); len(got) != 2 {
				t.Errorf("bob has %v", got)
			}
			if _, policies, _ := found(w); policies[named("tasks")].LeastPrivilege.Reason != v1alpha1.ReasonExcessAccess {
				t.Errorf("%+v", policies[named("tasks")].LeastPrivilege)
			}
		})
	}
}

func TestAFrozenRoleThatNobodyGetsIsNoCause(t *testing.T) {
	w := mixed()
	w.Instance.Spec.LeastPrivilege = v1alpha1.LeastPrivilegeEnforce
	w.Policies[0].Spec.State = v1alpha1.PolicySuspended
	w.Policies[1].CreationTimestamp = metav1.NewTime(testNow)
	w.pass(t)
	if got := w.rolesOf("bob"); !slices.Equal(got, []string{"oam.data.trigger"}) {
		t.Errorf("bob has %v", got)
	}
}

// The excess of random worlds is compared with the oracle of the planner's tests.
func TestExcessIsWhatTheOracleSees(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWorld(rt)
		w.Instance.Spec.LeastPrivilege = rapid.SampledFrom([]v1alpha1.LeastPrivilege{v1alpha1.LeastPrivilegeWarn, v1alpha1.LeastPrivilegeEnforce}).Draw(rt, "mode")
		w.pass(t)
		grants, policies, d := found(w)
		tooMuch := map[string]bool{}
		for _, user := range w.Observed.Users {
			if user.Username == account {
				continue
			}
			for role, over := range oracleExcess(w, d, user) {
				tooMuch[role] = tooMuch[role] || over
			}
		}
		enforced := w.Instance.Spec.LeastPrivilege == v1alpha1.LeastPrivilegeEnforce
		for name, proof := range policies {
			excess := false
			for role, over := range tooMuch {
				excess = excess || over && d.Roles[role].Policy == name
			}
			got := proof.LeastPrivilege.Reason
			if d.Policies[name].Refused != nil {
				continue
			}
			if enforced && excess {
				rt.Fatalf("%s: excess is left: %s", name, transcript(d, access.Plan{}))
			}
			if !enforced && excess != (got == v1alpha1.ReasonExcessAccess) || enforced && (got == v1alpha1.ReasonExcessAccess || (got == v1alpha1.ReasonWithheld) != (len(d.Policies[name].Withheld) > 0)) {
				rt.Fatalf("%s says %q, excess is %v\n%s", name, got, excess, transcript(d, access.Plan{}))
			}
			if len(proof.LeastPrivilege.Message) > 1024 {
				rt.Fatalf("%d bytes", len(proof.LeastPrivilege.Message))
			}
		}
		for uid, proof := range grants {
			if problem := d.Grants[uid].Problem; enforced && problem != nil && problem.Reason == v1alpha1.ReasonWithheld && proof.LeastPrivilege.Reason != v1alpha1.ReasonWithheld {
				rt.Fatalf("%s: %+v", uid, proof)
			}
		}
		if again := NewPlan(w.Input, Desire(w.Input)); len(again.Phases) > 0 && !adopting(w) {
			rt.Fatalf("a second pass is not empty:\n%s", transcript(Desire(w.Input), again))
		}
	})
}

func adopting(w *world) bool {
	return slices.ContainsFunc(w.Policies, func(p *v1alpha1.DagAccessPolicy) bool { return p.Spec.Role != nil })
}

// oracleExcess says by brute force which managed roles of a user have a part in more than was given: without the role
// there would be less of it.
func oracleExcess(w *world, d access.Desired, user access.User) map[string]bool {
	model := w.Capabilities.PermissionModel
	var foreign, managed []string
	for _, role := range user.Roles {
		if _, ours := d.Roles[role]; ours {
			managed = append(managed, role)
		} else {
			foreign = append(foreign, role)
		}
	}
	can := func(roles []string) map[power]bool {
		o := access.Observed{Roles: w.Observed.Roles, Users: []access.User{{Username: "x", Roles: roles}}}
		out := powers(model, &o, "x", append(slices.Clone(someDags), "other"))
		maps.DeleteFunc(out, func(p power, _ bool) bool {
			writes := p.method != permission.CanRead && !slices.Contains([]string{"", "RUN", "TASK_INSTANCE", "XCOM", "HITL_DETAIL"}, p.entity)
			return p.entity == "global" || p.dag == "" || writes
		})
		return out
	}
	given := can(foreign)
	for _, role := range managed {
		maps.Copy(given, can([]string{role}))
	}
	over := can(user.Roles)
	maps.DeleteFunc(over, func(p power, _ bool) bool { return given[p] })
	out := map[string]bool{}
	for p := range over {
		for _, role := range managed {
			for _, pair := range w.Observed.Roles[role] {
				if oracleNeeds(model, p)[pair] {
					out[role] = true
				}
			}
		}
	}
	return out
}

// oracleNeeds are the pairs that can have a part in a power.
func oracleNeeds(model v1alpha1.PermissionModel, p power) map[permission.Pair]bool {
	gate := permission.CanEdit
	if p.method == permission.CanRead {
		gate = permission.CanRead
	}
	out := map[permission.Pair]bool{{Action: gate, Resource: "DAGs"}: true, {Action: gate, Resource: "DAG:" + p.dag}: true}
	for _, resource := range oracleResources[p.entity] {
		out[permission.Pair{Action: p.method, Resource: resource}] = true
		if resource == "DAG Runs" && (p.entity == "RUN" || model == v1alpha1.PermissionModelAirflow2) {
			out[permission.Pair{Action: p.method, Resource: "DAG Run:" + p.dag}] = true
		}
	}
	return out
}

func TestManyUsersWithOneRoleCostNothing(t *testing.T) {
	w := newWorld()
	for i := range 2000 {
		w.Observed.Users = append(w.Observed.Users, access.User{Username: fmt.Sprintf("user%04d", i)})
	}
	for i := range 500 {
		w.policy(fmt.Sprintf("p%03d", i), levels("EditTasks"), []string{"a"})
	}
	w.dags("a")
	d := Desire(w.Input)
	for i := range 2000 {
		d.Members.Add(fmt.Sprintf("user%04d", i), fmt.Sprintf("oam.data.p%03d", i%500), access.Standing(w.Policies[i%500]))
	}
	h := access.NewHoldings(&w.Input, &d)
	evaluated := 0
	j := privilege.NewJudge("", func(role string) *privilege.Rights {
		evaluated++
		return h.Rights(role)
	})
	for at := range w.Observed.Users {
		u := &w.Observed.Users[at]
		j.Excess(h.Foreign(u), d.Members.Roles(u.Username))
	}
	// The operator's account alone has a foreign role, and no managed one.
	if evaluated != 0 {
		t.Errorf("%d roles were evaluated", evaluated)
	}
}

func BenchmarkFindExcess(b *testing.B) {
	w := largeWorld()
	d := Desire(w.Input)
	for b.Loop() {
		if _, policies, _ := Assess(w.Input, d); len(policies) != 500 {
			b.Fatal("no findings")
		}
	}
}

func BenchmarkEnforce(b *testing.B) {
	w := largeWorld()
	w.Instance.Spec.LeastPrivilege = v1alpha1.LeastPrivilegeEnforce
	w.pass(b)
	for b.Loop() {
		if d := Desire(w.Input); len(d.Roles) == 0 {
			b.Fatal("nothing")
		}
	}
}

func TestStandingAccessIsOlderThanAGrantOfTheSameSecond(t *testing.T) {
	standing := access.Cause{Kind: access.CauseStanding, Since: testNow, Object: types.NamespacedName{Namespace: "data", Name: "zebra"}}
	grant := access.Cause{Kind: access.CauseGrant, Since: testNow, Object: types.NamespacedName{Namespace: "data", Name: "ant"}, UID: "uid"}
	if access.CompareCauses(standing, grant) >= 0 || access.CompareCauses(grant, standing) <= 0 {
		t.Error("the name decides")
	}
	grant.Since = testNow.Add(-time.Second)
	if access.CompareCauses(grant, standing) >= 0 {
		t.Error("age does not decide")
	}
}
