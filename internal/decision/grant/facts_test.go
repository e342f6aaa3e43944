package grant_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/dag"
	"github.com/airflow-oam/airflow-oam/internal/decision"
	"github.com/airflow-oam/airflow-oam/internal/decision/grant"
	"github.com/airflow-oam/airflow-oam/internal/status"
	"github.com/airflow-oam/airflow-oam/internal/status/statustest"
)

// t0 is when the grants of these tests were created.
var t0 = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const ttl = 30 * time.Second

// lead is how long before its end a grant is taken away.
var lead = access.Lead(ttl)

func at(d time.Duration) metav1.Time { return metav1.NewTime(t0.Add(d)) }

func span(d time.Duration) *metav1.Duration { return &metav1.Duration{Duration: d} }

// world gives facts in which bob's grant of one hour can be activated at once.
func world() *grant.Facts {
	policy := &v1alpha1.DagAccessPolicy{}
	policy.Namespace, policy.Name, policy.UID, policy.Generation = "finance", "operators", "policy-uid", 3
	policy.Spec = v1alpha1.DagAccessPolicySpec{
		InstanceRef: v1alpha1.InstanceReference{Name: "prod"}, State: v1alpha1.PolicyActive,
		Dags:               []v1alpha1.DagSelector{{IDs: []string{"finance_*"}, Exclude: []string{"*_payroll"}}, {Tags: []string{"closing"}}},
		Access:             []v1alpha1.AccessLevel{v1alpha1.AccessView, v1alpha1.AccessTrigger},
		AirflowPermissions: []v1alpha1.AirflowPermission{{Action: "can_read", Resource: "Pools"}},
		Grants: &v1alpha1.GrantTerms{
			From: v1alpha1.GrantsFromSame, MaxDuration: *span(8 * time.Hour), MaxAhead: span(168 * time.Hour), ActivateWithin: *span(24 * time.Hour),
			Reason: &v1alpha1.ReasonTerms{Pattern: "^(INC|CHG)-[0-9]+", Hint: "an incident or change number"},
		},
	}
	instance := &v1alpha1.AirflowInstance{}
	instance.Namespace, instance.Name, instance.UID = "finance", "prod", "instance-uid"
	instance.Spec.Mode, instance.Spec.Interval = v1alpha1.ModeEnforce, *span(10 * time.Minute)
	g := &v1alpha1.AccessGrant{}
	g.Namespace, g.Name, g.UID, g.Generation = "finance", "bob-4711", "grant-uid", 1
	g.CreationTimestamp = at(0)
	g.Spec = v1alpha1.AccessGrantSpec{
		PolicyRef: v1alpha1.PolicyReference{Name: "operators"}, Subject: v1alpha1.Subject{Username: "bob"},
		Duration: span(time.Hour), Reason: "INC-4711",
	}
	g.Status.ObservedGeneration = -1
	users := []access.User{
		{Username: "Bob", Email: "bob@example.com", CreatedOn: "2026-01-01T00:00:00+00:00"},
		{Username: "carol", Email: "team@example.com"}, {Username: "dave", Email: "TEAM@example.com"}, {Username: "operator"},
	}
	return &grant.Facts{
		Now: t0, Since: t0.Add(-time.Hour), Grant: g, Policy: policy, NamespaceAllowed: true, Instance: instance, CacheTTL: ttl,
		Observed: &decision.Observation{
			Reachable: true, Endpoint: "https://airflow.example.com", Users: access.NewDirectory(users, "operator"),
			Dags: []dag.Dag{
				{ID: "finance_daily"}, {ID: "finance_payroll"}, {ID: "marketing_close", Tags: []string{"closing"}}, {ID: "marketing_report"},
			},
			Policy: &access.PolicyReport{Generation: 3},
		},
	}
}

// settle stores a verdict as the controller does, checks that the status keeps the rules, and that deciding again from
// the stored status changes nothing.
func settle(t *testing.T, f *grant.Facts) grant.Verdict {
	t.Helper()
	before := f.Grant.DeepCopy()
	v := grant.Decide(*f)
	if diff := cmp.Diff(before, f.Grant); diff != "" {
		t.Fatalf("deciding changed the grant: %s", diff)
	}
	store(f, v)
	if v.Release && v.Activation == nil {
		return v
	}
	if err := statustest.Check(f.Grant); err != nil {
		t.Errorf("status: %v", err)
	}
	again := f.Grant.DeepCopy()
	second := grant.Decide(*f)
	store(f, second)
	if diff := cmp.Diff(again.Status, f.Grant.Status); diff != "" {
		t.Errorf("deciding again changes the status: %s", diff)
	}
	return v
}

func store(f *grant.Facts, v grant.Verdict) {
	st := f.Grant.Status
	f.Grant = f.Grant.DeepCopy()
	f.Grant.Status = v1alpha1.AccessGrantStatus{
		ObservedGeneration: f.Grant.Generation, Phase: v.Phase, Activation: v.Activation, End: v.End, RemovedAt: v.RemovedAt, RevokedAt: v.RevokedAt,
		Conditions: status.Conditions(st.Conditions, f.Grant.Generation, f.Now, v.Conditions...),
		History:    status.History(st.History, f.Now, decision.History(v.Entries)...),
	}
}

// live gives facts in which bob's grant was activated at t0 and seen in Airflow a second later; now is t0+2s.
func live(t *testing.T, change ...func(*grant.Facts)) *grant.Facts {
	t.Helper()
	f := world()
	for _, c := range change {
		c(f)
	}
	if v := settle(t, f); v.Activation == nil {
		t.Fatalf("the grant is not activated: %+v", v.Conditions)
	}
	seen(f, time.Second, true)
	f.Now = t0.Add(2 * time.Second)
	if v := settle(t, f); v.Phase != v1alpha1.GrantActive {
		t.Fatalf("the grant is %s, not active: %+v", v.Phase, v.Conditions)
	}
	return f
}

// seen puts an observation of the grant into the facts: given, or proved gone.
func seen(f *grant.Facts, after time.Duration, given bool) {
	f.Report = &access.GrantReport{
		Desire: access.GrantDesire{Live: given}, Proof: access.GrantProof{Present: given, Absent: !given}, ObservedAt: t0.Add(after),
	}
}

// said gives a condition as "Status/Reason"; "-" where there is none.
func said(g *v1alpha1.AccessGrant, conditionType string) string {
	c := status.Find(g.Status.Conditions, conditionType)
	if c == nil {
		return "-"
	}
	return fmt.Sprintf("%s/%s", c.Status, c.Reason)
}

func expect(t *testing.T, g *v1alpha1.AccessGrant, phase v1alpha1.GrantPhase, ready, admitted, active string) {
	t.Helper()
	got := []string{string(g.Status.Phase), said(g, v1alpha1.ConditionReady), said(g, v1alpha1.ConditionAdmitted), said(g, v1alpha1.ConditionActive)}
	if diff := cmp.Diff([]string{string(phase), ready, admitted, active}, got); diff != "" {
		t.Errorf("phase, Ready, Admitted, Active: %s", diff)
	}
}
