package decision_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/dag"
	"github.com/airflow-oam/airflow-oam/internal/decision"
	"github.com/airflow-oam/airflow-oam/internal/status"
	"github.com/airflow-oam/airflow-oam/internal/status/statustest"
)

// policyWorld gives facts in which a policy is in sync.
func policyWorld() *decision.PolicyFacts {
	w := world()
	return &decision.PolicyFacts{
		Now: t0, Since: t0.Add(-time.Hour), Policy: w.Policy, Instance: w.Instance, Active: 2,
		View: &decision.PolicyView{
			Reachable: true, ObservedAt: t0.Add(-time.Second), Generation: 3,
			Desire:    access.PolicyDesire{Role: "oam.finance.operators", Dags: []string{"a", "b"}, Permissions: 9, Members: []string{"alice"}},
			Proof:     access.PolicyProof{InSync: true},
			Inventory: []v1alpha1.ManagedRole{{Name: "oam.finance.operators", PolicyUID: "policy-uid"}, {Name: "other", PolicyUID: "x"}},
		},
	}
}

// settlePolicy stores a verdict as the controller does and checks that the status keeps the rules and stays as it is.
func settlePolicy(t *testing.T, f *decision.PolicyFacts) decision.PolicyVerdict {
	t.Helper()
	v := decision.Policy(*f)
	for i := range 2 {
		next := v
		if i > 0 {
			next = decision.Policy(*f)
		}
		before := f.Policy
		f.Policy = f.Policy.DeepCopy()
		st := &f.Policy.Status
		st.ObservedGeneration, st.Instances = f.Policy.Generation, next.Instances
		st.Conditions = status.Conditions(st.Conditions, f.Policy.Generation, f.Now, next.Conditions...)
		for _, entry := range next.Entries {
			st.History = status.History(st.History, f.Now, v1alpha1.HistoryEntry{Event: entry.Event, Message: entry.Message})
		}
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
		change func(*decision.PolicyFacts)
		// want maps conditions to Status/Reason; conditions that are not named must not be there.
		want map[string]string
	}{
		"everything is as declared": {
			func(*decision.PolicyFacts) {},
			map[string]string{"Ready": "True/Ready", "Admitted": "True/Admitted", "InSync": "True/InSync", "LevelsSupported": "True/LevelsSupported"}},
		"its instance does not exist": {
			func(f *decision.PolicyFacts) { f.Instance, f.View = nil, nil },
			map[string]string{"Ready": "False/InstanceNotFound", "Reconciling": "True/InstanceNotFound"}},
		"its pattern for reasons is none": {
			func(f *decision.PolicyFacts) { f.Policy.Spec.Grants.Reason.Pattern = "(" },
			map[string]string{"Ready": "False/InvalidPattern", "Stalled": "True/InvalidPattern", "Admitted": "False/InvalidPattern"}},
		"its selector of namespaces is none": {
			func(f *decision.PolicyFacts) {
				f.Policy.Spec.Grants.NamespaceSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Near"}}}
			},
			map[string]string{"Ready": "False/InvalidSelector", "Stalled": "True/InvalidSelector", "Admitted": "False/InvalidSelector"}},
		"its selector of DAGs is none": {
			func(f *decision.PolicyFacts) { f.Policy.Spec.Dags = []v1alpha1.DagSelector{{}} },
			map[string]string{"Ready": "False/InvalidSelector", "Stalled": "True/InvalidSelector", "Admitted": "False/InvalidSelector"}},
		"its first pass is under way": {
			func(f *decision.PolicyFacts) { f.View = nil },
			map[string]string{"Ready": "False/Progressing", "Reconciling": "True/Progressing"}},
		"the last pass read an older generation": {
			func(f *decision.PolicyFacts) { f.View.Generation = 2 },
			map[string]string{"Ready": "False/Progressing", "Reconciling": "True/Progressing"}},
		"its instance was never reached": {
			func(f *decision.PolicyFacts) { f.View = &decision.PolicyView{} },
			map[string]string{"Ready": "False/InstanceNotReady", "Reconciling": "True/InstanceNotReady"}},
		"its instance says what is wrong": {
			func(f *decision.PolicyFacts) {
				f.View = nil
				f.Instance.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonUnreachable}}
			},
			map[string]string{"Ready": "False/InstanceNotReady", "Reconciling": "True/InstanceNotReady"}},
		"its instance was not looked at for twice the interval": {
			func(f *decision.PolicyFacts) { f.Now = t0.Add(20 * time.Minute) },
			map[string]string{"Ready": "False/InstanceNotReady", "Reconciling": "True/InstanceNotReady"}},
		"F70: its role name is taken": {
			func(f *decision.PolicyFacts) {
				f.View.Desire.Refused = &access.Problem{Reason: v1alpha1.ReasonRoleNameTaken, Message: "held by another policy"}
			},
			map[string]string{"Ready": "False/RoleNameTaken", "Stalled": "True/RoleNameTaken", "Admitted": "False/RoleNameTaken"}},
		"it is not applied yet": {
			func(f *decision.PolicyFacts) {
				f.View.Proof = access.PolicyProof{Differences: []string{"the role is missing"}}
			},
			map[string]string{"Ready": "False/NotInSync", "Reconciling": "True/NotInSync", "Admitted": "True/Admitted", "InSync": "False/NotInSync", "LevelsSupported": "True/LevelsSupported"}},
		"a loss of access is held": {
			func(f *decision.PolicyFacts) {
				f.View.Desire.Notes = []access.Problem{{Reason: v1alpha1.ReasonMassRevocationHeld, Message: "held"}}
			},
			map[string]string{"Ready": "False/MassRevocationHeld", "Reconciling": "True/MassRevocationHeld", "Admitted": "True/Admitted", "InSync": "False/MassRevocationHeld", "LevelsSupported": "True/LevelsSupported"}},
		"a level is not supported": {
			func(f *decision.PolicyFacts) {
				f.View.Desire.Notes = []access.Problem{{Reason: v1alpha1.ReasonLevelNotSupported, Message: "no HITL"}}
			},
			map[string]string{"Ready": "True/Ready", "Admitted": "True/Admitted", "InSync": "True/InSync", "LevelsSupported": "False/LevelNotSupported"}},
		"F42: DAGs are unknown and a member is missing": {
			func(f *decision.PolicyFacts) {
				f.View.Desire.Pending = []string{"new"}
				f.View.Desire.Unresolved = []access.Problem{{Reason: v1alpha1.ReasonUserNotFound, Message: "no zoe"}, {Reason: v1alpha1.ReasonSubjectAmbiguous}}
			},
			map[string]string{"Ready": "True/Ready", "Admitted": "True/Admitted", "InSync": "True/InSync", "LevelsSupported": "True/LevelsSupported", "DagsPending": "True/DagsUnknown", "MembersResolved": "False/UserNotFound"}},
		"its instance only observes": {
			func(f *decision.PolicyFacts) {
				f.Instance.Spec.Mode, f.View.Proof = v1alpha1.ModeObserve, access.PolicyProof{Differences: []string{"x"}}
			},
			map[string]string{"Ready": "True/InstanceObserving", "Admitted": "True/Admitted", "InSync": "False/NotInSync", "LevelsSupported": "True/LevelsSupported"}},
		"it is suspended": {
			func(f *decision.PolicyFacts) { f.Policy.Spec.State = v1alpha1.PolicySuspended },
			map[string]string{"Ready": "True/PolicySuspended", "Admitted": "True/Admitted", "InSync": "True/InSync", "LevelsSupported": "True/LevelsSupported"}},
		"F68: it is deleted while grants are live": {
			func(f *decision.PolicyFacts) { f.Policy.DeletionTimestamp, f.Unended = new(at(0)), 1 },
			map[string]string{"Ready": "False/GrantsRemain", "Reconciling": "True/GrantsRemain"}},
		"it is deleted and its role is there": {
			func(f *decision.PolicyFacts) { f.Policy.DeletionTimestamp = new(at(0)) },
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
	f.View.Generation = f.Policy.Generation
	f.Policy.Spec.Dags = []v1alpha1.DagSelector{{IDs: []string{"another"}}}
	f.View.Proof = access.PolicyProof{Differences: []string{"role x has 2 permissions too many"}}
	settlePolicy(t, f)
	if got := f.Policy.Status.Instances[0].SyncedDags; got != before {
		t.Errorf("%q before Airflow had it", got)
	}
	f.View.Proof = access.PolicyProof{InSync: true}
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
		change func(*decision.PolicyFacts)
		want   bool
	}{
		"proved gone":                     {func(f *decision.PolicyFacts) { f.View.Inventory = gone }, true},
		"let go of":                       {func(f *decision.PolicyFacts) { f.View.Inventory[0].Orphaned = true }, true},
		"no pass knew that it is deleted": {func(f *decision.PolicyFacts) { f.View.Inventory, f.View.Generation = gone, 2 }, false},
		"no pass was made":                {func(f *decision.PolicyFacts) { f.View = nil }, false},
		"its instance never worked": {func(f *decision.PolicyFacts) {
			f.View = nil
			f.Instance.Status.Conditions = notReady
		}, true},
		"a pass is made although some steps failed, and did not know it": {func(f *decision.PolicyFacts) {
			f.View = &decision.PolicyView{Reachable: true, Inventory: gone}
			f.Instance.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonStepsFailed}}
		}, false},
		"its instance stopped working before the policy came": {func(f *decision.PolicyFacts) {
			f.View = &decision.PolicyView{Inventory: gone}
		}, true},
		"its instance stopped working after its role was made": {func(f *decision.PolicyFacts) { f.View.Reachable, f.View.Generation = false, 0 }, false},
		"its instance does not work since the operator's start, and its role is stored": {func(f *decision.PolicyFacts) {
			f.View = nil
			f.Instance.Status.Conditions = notReady
			f.Instance.Status.ManagedRoles = []v1alpha1.ManagedRole{{Name: "oam.finance.operators", PolicyUID: "policy-uid"}}
		}, false},
		"the stored inventory still has it": {func(f *decision.PolicyFacts) {
			f.View.Inventory = gone
			f.Instance.Status.ManagedRoles = []v1alpha1.ManagedRole{{Name: "oam.finance.operators~0", PolicyUID: "policy-uid"}}
		}, false},
		"a grant is not proved gone": {func(f *decision.PolicyFacts) { f.View.Inventory, f.Unended = gone, 1 }, false},
		"its instance is gone":       {func(f *decision.PolicyFacts) { f.Instance, f.View, f.Unended = nil, nil, 1 }, true},
		"its instance is given up": {func(f *decision.PolicyFacts) {
			f.Instance.DeletionTimestamp, f.Instance.Spec.Deletion = new(at(0)), v1alpha1.InstanceDeletionAbandon
		}, true},
		"its instance is deleted, too":    {func(f *decision.PolicyFacts) { f.Instance.DeletionTimestamp = new(at(0)) }, false},
		"what it says is no longer valid": {func(f *decision.PolicyFacts) { f.View.Inventory, f.Policy.Spec.Dags = gone, nil }, true},
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
