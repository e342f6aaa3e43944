package policy_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/dag"
	"github.com/airflow-oam/airflow-oam/internal/decision"
	"github.com/airflow-oam/airflow-oam/internal/decision/policy"
	"github.com/airflow-oam/airflow-oam/internal/status"
	"github.com/airflow-oam/airflow-oam/internal/status/statustest"
)

// t0 is the present of these tests.
var t0 = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func at(d time.Duration) metav1.Time { return metav1.NewTime(t0.Add(d)) }

// policyWorld gives facts in which a policy is in sync.
func policyWorld() *policy.Facts {
	p := &v1alpha1.DagAccessPolicy{}
	p.Namespace, p.Name, p.UID, p.Generation = "finance", "operators", "policy-uid", 3
	p.Spec = v1alpha1.DagAccessPolicySpec{
		InstanceRef: v1alpha1.InstanceReference{Name: "prod"}, State: v1alpha1.PolicyActive,
		Dags:   []v1alpha1.DagSelector{{IDs: []string{"finance_*"}, Exclude: []string{"*_payroll"}}, {Tags: []string{"closing"}}},
		Access: []v1alpha1.AccessLevel{v1alpha1.AccessView, v1alpha1.AccessTrigger},
		Grants: &v1alpha1.GrantTerms{
			From: v1alpha1.GrantsFromSame, MaxDuration: metav1.Duration{Duration: 8 * time.Hour},
			Reason: &v1alpha1.ReasonTerms{Pattern: "^(INC|CHG)-[0-9]+", Hint: "an incident or change number"},
		},
	}
	instance := &v1alpha1.AirflowInstance{}
	instance.Namespace, instance.Name, instance.UID = "finance", "prod", "instance-uid"
	instance.Spec.Mode, instance.Spec.Interval = v1alpha1.ModeEnforce, metav1.Duration{Duration: 10 * time.Minute}
	return &policy.Facts{
		Now: t0, Since: t0.Add(-time.Hour), Policy: p, Instance: instance, Active: 2,
		View: &policy.View{
			Reachable: true, ObservedAt: t0.Add(-time.Second),
			Report: access.PolicyReport{
				Generation: 3,
				Desire:     access.PolicyDesire{Role: "oam.finance.operators", Dags: []string{"a", "b"}, Permissions: 9, Members: []string{"alice"}},
				Proof:      access.PolicyProof{InSync: true},
			},
			Inventory: []v1alpha1.ManagedRole{{Name: "oam.finance.operators", PolicyUID: "policy-uid"}, {Name: "other", PolicyUID: "x"}},
		},
	}
}

// settlePolicy stores a verdict as the controller does and checks that the status keeps the rules and stays as it is.
func settlePolicy(t *testing.T, f *policy.Facts) policy.Verdict {
	t.Helper()
	v := policy.Decide(*f)
	for i := range 2 {
		next := v
		if i > 0 {
			next = policy.Decide(*f)
		}
		before := f.Policy
		f.Policy = f.Policy.DeepCopy()
		st := &f.Policy.Status
		st.ObservedGeneration, st.Instances = f.Policy.Generation, next.Instances
		st.Conditions = status.Conditions(st.Conditions, f.Policy.Generation, f.Now, next.Conditions...)
		st.History = status.History(st.History, f.Now, decision.History(next.Entries)...)
		if i > 0 {
			if diff := cmp.Diff(before.Status, f.Policy.Status); diff != "" {
				t.Errorf("deciding again changes the status: %s", diff)
			}
		}
	}
	if err := statustest.Check(f.Policy); err != nil {
		t.Errorf("status: %v", err)
	}
	return v
}

func TestAPolicySaysWhatBecameOfIt(t *testing.T) {
	cases := map[string]struct {
		change func(*policy.Facts)
		// want maps conditions to Status/Reason; conditions that are not named must not be there.
		want map[string]string
	}{
		"everything is as declared": {
			func(*policy.Facts) {},
			map[string]string{"Ready": "True/Ready", "Admitted": "True/Admitted", "InSync": "True/InSync", "LevelsSupported": "True/LevelsSupported"}},
		"its instance does not exist": {
			func(f *policy.Facts) { f.Instance, f.View = nil, nil },
			map[string]string{"Ready": "False/InstanceNotFound", "Reconciling": "True/InstanceNotFound"}},
		"its pattern for reasons is none": {
			func(f *policy.Facts) { f.Policy.Spec.Grants.Reason.Pattern = "(" },
			map[string]string{"Ready": "False/InvalidPattern", "Stalled": "True/InvalidPattern", "Admitted": "False/InvalidPattern"}},
		"its selector of namespaces is none": {
			func(f *policy.Facts) {
				f.Policy.Spec.Grants.NamespaceSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Near"}}}
			},
			map[string]string{"Ready": "False/InvalidSelector", "Stalled": "True/InvalidSelector", "Admitted": "False/InvalidSelector"}},
		"its selector of DAGs is none": {
			func(f *policy.Facts) { f.Policy.Spec.Dags = []v1alpha1.DagSelector{{}} },
			map[string]string{"Ready": "False/InvalidSelector", "Stalled": "True/InvalidSelector", "Admitted": "False/InvalidSelector"}},
		"its first pass is under way": {
			func(f *policy.Facts) { f.View = nil },
			map[string]string{"Ready": "False/Progressing", "Reconciling": "True/Progressing"}},
		"the last pass read an older generation": {
			func(f *policy.Facts) { f.View.Report.Generation = 2 },
			map[string]string{"Ready": "False/Progressing", "Reconciling": "True/Progressing"}},
		"its instance was never reached": {
			func(f *policy.Facts) { f.View = &policy.View{} },
			map[string]string{"Ready": "False/InstanceNotReady", "Reconciling": "True/InstanceNotReady"}},
		"its instance says what is wrong": {
			func(f *policy.Facts) {
				f.View = nil
				f.Instance.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonUnreachable}}
			},
			map[string]string{"Ready": "False/InstanceNotReady", "Reconciling": "True/InstanceNotReady"}},
		"its instance was not looked at for twice the interval": {
			func(f *policy.Facts) { f.Now = t0.Add(20 * time.Minute) },
			map[string]string{"Ready": "False/InstanceNotReady", "Reconciling": "True/InstanceNotReady"}},
		"F70: its role name is taken": {
			func(f *policy.Facts) {
				f.View.Report.Desire.Refused = &access.Problem{Reason: v1alpha1.ReasonRoleNameTaken, Message: "held by another policy"}
			},
			map[string]string{"Ready": "False/RoleNameTaken", "Stalled": "True/RoleNameTaken", "Admitted": "False/RoleNameTaken"}},
		"it is not applied yet": {
			func(f *policy.Facts) {
				f.View.Report.Proof = access.PolicyProof{Differences: []string{"the role is missing"}}
			},
			map[string]string{"Ready": "False/NotInSync", "Reconciling": "True/NotInSync", "Admitted": "True/Admitted", "InSync": "False/NotInSync", "LevelsSupported": "True/LevelsSupported"}},
		"a loss of access is held": {
			func(f *policy.Facts) {
				f.View.Report.Desire.Notes = []access.Problem{{Reason: v1alpha1.ReasonMassRevocationHeld, Message: "held"}}
			},
			map[string]string{"Ready": "False/MassRevocationHeld", "Reconciling": "True/MassRevocationHeld", "Admitted": "True/Admitted", "InSync": "False/MassRevocationHeld", "LevelsSupported": "True/LevelsSupported"}},
		"a level is not supported": {
			func(f *policy.Facts) {
				f.View.Report.Desire.Notes = []access.Problem{{Reason: v1alpha1.ReasonLevelNotSupported, Message: "no HITL"}}
			},
			map[string]string{"Ready": "True/Ready", "Admitted": "True/Admitted", "InSync": "True/InSync", "LevelsSupported": "False/LevelNotSupported"}},
		"F42: DAGs are unknown and a member is missing": {
			func(f *policy.Facts) {
				f.View.Report.Desire.Pending = []string{"new"}
				f.View.Report.Desire.Unresolved = []access.Problem{{Reason: v1alpha1.ReasonUserNotFound, Message: "no zoe"}, {Reason: v1alpha1.ReasonSubjectAmbiguous}}
			},
			map[string]string{"Ready": "True/Ready", "Admitted": "True/Admitted", "InSync": "True/InSync", "LevelsSupported": "True/LevelsSupported", "DagsPending": "True/DagsUnknown", "MembersResolved": "False/UserNotFound"}},
		"its instance only observes": {
			func(f *policy.Facts) {
				f.Instance.Spec.Mode, f.View.Report.Proof = v1alpha1.ModeObserve, access.PolicyProof{Differences: []string{"x"}}
			},
			map[string]string{"Ready": "True/InstanceObserving", "Admitted": "True/Admitted", "InSync": "False/NotInSync", "LevelsSupported": "True/LevelsSupported"}},
		"it is suspended": {
			func(f *policy.Facts) { f.Policy.Spec.State = v1alpha1.PolicySuspended },
			map[string]string{"Ready": "True/PolicySuspended", "Admitted": "True/Admitted", "InSync": "True/InSync", "LevelsSupported": "True/LevelsSupported"}},
		"F68: it is deleted while grants are live": {
			func(f *policy.Facts) { f.Policy.DeletionTimestamp, f.Unended = new(at(0)), 1 },
			map[string]string{"Ready": "False/GrantsRemain", "Reconciling": "True/GrantsRemain"}},
		"it is deleted and its role is there": {
			func(f *policy.Facts) { f.Policy.DeletionTimestamp = new(at(0)) },
			map[string]string{"Ready": "False/RoleRemains", "Reconciling": "True/RoleRemains"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f := policyWorld()
			c.change(f)
			v := settlePolicy(t, f)
			got := map[string]string{}
			for _, condition := range v.Conditions {
				got[condition.Type] = string(condition.Status) + "/" + condition.Reason
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("conditions: %s", diff)
			}
			if v.Release {
				t.Error("it may go")
			}
			if ready := status.Find(v.Conditions, v1alpha1.ConditionReady); len(v.Entries) != 1 || v.Entries[0].Event != ready.Reason {
				t.Errorf("it tells %+v", v.Entries)
			}
		})
	}
}

func TestThePolicysNumbersKeepTheTimeOfTheirLastChange(t *testing.T) {
	f := policyWorld()
	settlePolicy(t, f)
	want := v1alpha1.PolicyInstance{
		Name: "prod", Namespace: "finance", Role: "oam.finance.operators", Dags: 2, Permissions: 9, Members: 1, ActiveGrants: 2, ObservedAt: new(at(-time.Second)),
		SyncedDags: dag.Digest(f.Policy.Spec.Dags),
	}
	if diff := cmp.Diff([]v1alpha1.PolicyInstance{want}, f.Policy.Status.Instances); diff != "" {
		t.Errorf("instances: %s", diff)
	}
	f.View.ObservedAt = t0.Add(time.Minute)
	settlePolicy(t, f)
	if diff := cmp.Diff([]v1alpha1.PolicyInstance{want}, f.Policy.Status.Instances); diff != "" {
		t.Errorf("a look that saw the same changes them: %s", diff)
	}
	f.Active, want.ActiveGrants, want.ObservedAt = 1, 1, new(at(time.Minute))
	settlePolicy(t, f)
	if diff := cmp.Diff([]v1alpha1.PolicyInstance{want}, f.Policy.Status.Instances); diff != "" {
		t.Errorf("instances: %s", diff)
	}
}

func TestAPolicyRemembersTheSelectorsThatWereInSync(t *testing.T) {
	f := policyWorld()
	settlePolicy(t, f)
	before := f.Policy.Status.Instances[0].SyncedDags
	f.Policy.Generation++
	f.View.Report.Generation = f.Policy.Generation
	f.Policy.Spec.Dags = []v1alpha1.DagSelector{{IDs: []string{"another"}}}
	f.View.Report.Proof = access.PolicyProof{Differences: []string{"role x has 2 permissions too many"}}
	settlePolicy(t, f)
	if got := f.Policy.Status.Instances[0].SyncedDags; got != before {
		t.Errorf("%q before Airflow had it", got)
	}
	f.View.Report.Proof = access.PolicyProof{InSync: true}
	settlePolicy(t, f)
	if got := f.Policy.Status.Instances[0].SyncedDags; got == before || got != dag.Digest(f.Policy.Spec.Dags) {
		t.Errorf("%q when Airflow had it, %q before", got, before)
	}
}

func TestAfterARestartAPolicyStaysAsItWasUntilAPassReports(t *testing.T) {
	f := policyWorld()
	settlePolicy(t, f)
	before := f.Policy.DeepCopy()
	f.View, f.Since, f.Now = nil, t0.Add(time.Hour), t0.Add(time.Hour+19*time.Minute)
	v := settlePolicy(t, f)
	if diff := cmp.Diff(before.Status, f.Policy.Status); diff != "" {
		t.Errorf("it changed: %s", diff)
	}
	if want := t0.Add(80 * time.Minute); !v.NextAt.Equal(want) {
		t.Errorf("looks again at %s, want %s", v.NextAt, want)
	}
	f.Now = t0.Add(80 * time.Minute)
	settlePolicy(t, f)
	if c := status.Find(f.Policy.Status.Conditions, v1alpha1.ConditionReady); c.Reason != v1alpha1.ReasonInstanceNotReady {
		t.Errorf("it is still %s", c.Reason)
	}
}

func TestADeletedPolicyGoesWhenItsRolesAreProvedGoneOrLetGoOf(t *testing.T) {
	gone := []v1alpha1.ManagedRole{{Name: "other", PolicyUID: "x"}}
	notReady := []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonSecretNotFound}}
	cases := map[string]struct {
		change func(*policy.Facts)
		want   bool
	}{
		"proved gone":                     {func(f *policy.Facts) { f.View.Inventory = gone }, true},
		"let go of":                       {func(f *policy.Facts) { f.View.Inventory[0].Orphaned = true }, true},
		"no pass knew that it is deleted": {func(f *policy.Facts) { f.View.Inventory, f.View.Report.Generation = gone, 2 }, false},
		"no pass was made":                {func(f *policy.Facts) { f.View = nil }, false},
		"its instance never worked": {func(f *policy.Facts) {
			f.View = nil
			f.Instance.Status.Conditions = notReady
		}, true},
		"a pass is made although some steps failed, and did not know it": {func(f *policy.Facts) {
			f.View = &policy.View{Reachable: true, Inventory: gone}
			f.Instance.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonStepsFailed}}
		}, false},
		"its instance stopped working before the policy came": {func(f *policy.Facts) {
			f.View = &policy.View{Inventory: gone}
		}, true},
		"its instance stopped working after its role was made": {func(f *policy.Facts) { f.View.Reachable, f.View.Report.Generation = false, 0 }, false},
		"its instance does not work since the operator's start, and its role is stored": {func(f *policy.Facts) {
			f.View = nil
			f.Instance.Status.Conditions = notReady
			f.Instance.Status.ManagedRoles = []v1alpha1.ManagedRole{{Name: "oam.finance.operators", PolicyUID: "policy-uid"}}
		}, false},
		"the stored inventory still has it": {func(f *policy.Facts) {
			f.View.Inventory = gone
			f.Instance.Status.ManagedRoles = []v1alpha1.ManagedRole{{Name: "oam.finance.operators~0", PolicyUID: "policy-uid"}}
		}, false},
		"a grant is not proved gone": {func(f *policy.Facts) { f.View.Inventory, f.Unended = gone, 1 }, false},
		"its instance is gone":       {func(f *policy.Facts) { f.Instance, f.View, f.Unended = nil, nil, 1 }, true},
		"its instance is given up": {func(f *policy.Facts) {
			f.Instance.DeletionTimestamp, f.Instance.Spec.Deletion = new(at(0)), v1alpha1.InstanceDeletionAbandon
		}, true},
		"its instance is deleted, too":    {func(f *policy.Facts) { f.Instance.DeletionTimestamp = new(at(0)) }, false},
		"what it says is no longer valid": {func(f *policy.Facts) { f.View.Inventory, f.Policy.Spec.Dags = gone, nil }, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f := policyWorld()
			f.Policy.DeletionTimestamp = new(at(0))
			c.change(f)
			if got := settlePolicy(t, f).Release; got != c.want {
				t.Errorf("it may go: %t, want %t", got, c.want)
			}
		})
	}
}
