package request_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/dag"
	"github.com/airflow-oam/airflow-oam/internal/decision"
	"github.com/airflow-oam/airflow-oam/internal/decision/request"
	"github.com/airflow-oam/airflow-oam/internal/status"
	"github.com/airflow-oam/airflow-oam/internal/status/statustest"
)

// t0 is when the requests of these tests were created.
var t0 = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func at(d time.Duration) metav1.Time { return metav1.NewTime(t0.Add(d)) }

func span(d time.Duration) *metav1.Duration { return &metav1.Duration{Duration: d} }

// world gives facts in which alice's request is admitted at once and waits for one vote of the group leads, of carol, or of
// whoever owns the DAGs that it names.
func world() *request.Facts {
	policy := &v1alpha1.DagAccessPolicy{}
	policy.Namespace, policy.Name, policy.UID, policy.Generation = "finance", "operators", "policy-uid", 3
	policy.Spec = v1alpha1.DagAccessPolicySpec{
		InstanceRef: v1alpha1.InstanceReference{Name: "prod"}, State: v1alpha1.PolicyActive,
		Dags:   []v1alpha1.DagSelector{{IDs: []string{"finance_*"}, Exclude: []string{"*_payroll"}}},
		Access: []v1alpha1.AccessLevel{v1alpha1.AccessView, v1alpha1.AccessTrigger},
		Grants: &v1alpha1.GrantTerms{
			From: v1alpha1.GrantsFromSame, MaxDuration: *span(8 * time.Hour), MaxAhead: span(168 * time.Hour), ActivateWithin: *span(24 * time.Hour),
			Reason: &v1alpha1.ReasonTerms{Pattern: "^INC-[0-9]+", Hint: "an incident number"},
			Requests: &v1alpha1.RequestTerms{
				Approvers: &v1alpha1.Approvers{Groups: []string{"leads"}, Users: []string{"carol@example.com"}, Owners: true},
				Approvals: 1, Timeout: *span(4 * time.Hour), MaxAutomaticPerDay: 4,
				Emergency: &v1alpha1.EmergencyTerms{Groups: []string{"oncall"}, MaxDuration: *span(time.Hour), ReviewWithin: *span(24 * time.Hour)},
			},
		},
	}
	instance := &v1alpha1.AirflowInstance{}
	instance.Namespace, instance.Name, instance.UID = "finance", "prod", "instance-uid"
	instance.Spec.Mode, instance.Spec.Interval = v1alpha1.ModeEnforce, *span(10 * time.Minute)
	instance.Spec.Identity = &v1alpha1.Identity{Email: "requester"}
	instance.Spec.Owners = []v1alpha1.DagOwner{
		{Owner: "team-finance", Groups: []string{"finance-leads"}, Users: []string{"frank@example.com"}},
		{Owner: "team-close", Groups: []string{"finance-leads"}, Users: []string{"grace@example.com"}},
	}
	r := &v1alpha1.AccessRequest{}
	r.Namespace, r.Name, r.UID, r.Generation = "finance", "late-file", "0f5c7a31-9d6e-4a51-8f21-3a1f6d1c2b3a", 1
	r.CreationTimestamp = at(0)
	r.Spec = v1alpha1.AccessRequestSpec{
		PolicyRef: v1alpha1.PolicyReference{Name: "operators"}, Duration: span(2 * time.Hour), Reason: "INC-4711 late file", Requester: "alice@example.com",
	}
	r.Status.ObservedGeneration = -1
	users := []access.User{
		{Username: "alice", Email: "Alice@example.com"}, {Username: "bob", Email: "bob@example.com"}, {Username: "carol", Email: "carol@example.com"},
		{Username: "dora-ops", Email: "dora@example.com"}, {Username: "operator", Email: "operator@example.com"},
	}
	return &request.Facts{
		Now: t0, Since: t0.Add(-time.Hour), Request: r, Policy: policy, NamespaceAllowed: true, Instance: instance, CacheTTL: 30 * time.Second,
		Proved: request.Proof{At: t0},
		Observed: &decision.Observation{
			Reachable: true, Endpoint: "https://airflow.example.com", Users: access.NewDirectory(users, "operator"),
			Dags: []dag.Dag{
				{ID: "finance_close", Owners: []string{"team-close"}}, {ID: "finance_daily", Owners: []string{"team-finance"}},
				{ID: "finance_orphan", Owners: []string{"airflow"}}, {ID: "finance_payroll", Owners: []string{"team-finance"}},
			},
			Policy: &access.PolicyReport{Generation: 3},
		},
	}
}

// observation is what a pass over an instance reported.
type observation = decision.Observation

// reporter is what a check needs of a test or of a property.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// pass makes a pass as the controller does: it decides, asks for a proof where one is needed, and stores the status. It checks
// that the status keeps the rules, that equal facts give equal verdicts, and that deciding again from what was stored changes
// nothing.
func pass(t reporter, f *request.Facts) request.Verdict {
	t.Helper()
	before := f.Request.DeepCopy()
	v := request.Decide(*f)
	if v.NeedsProof {
		f.Proved = request.Proof{At: f.Now, Err: f.Proved.Err}
		v = request.Decide(*f)
	}
	if v.NeedsProof {
		t.Fatalf("a fresh proof is asked for again: %+v", f.Proved)
	}
	if diff := cmp.Diff(v, request.Decide(*f)); diff != "" {
		t.Errorf("equal facts give another verdict: %s", diff)
	}
	if diff := cmp.Diff(before, f.Request); diff != "" {
		t.Fatalf("deciding changed the request: %s", diff)
	}
	store(f, v)
	if err := statustest.Check(f.Request); err != nil {
		t.Errorf("status: %v", err)
	}
	again := f.Request.DeepCopy()
	second := request.Decide(*f)
	store(f, second)
	if diff := cmp.Diff(again.Status, f.Request.Status); diff != "" {
		t.Errorf("deciding again changes the status: %s", diff)
	}
	return v
}

// store stores a verdict as the controller does.
func store(f *request.Facts, v request.Verdict) {
	st := f.Request.Status
	f.Request = f.Request.DeepCopy()
	f.Request.Status = *v.Status.DeepCopy()
	f.Request.Status.ObservedGeneration = f.Request.Generation
	f.Request.Status.Conditions = status.Conditions(st.Conditions, f.Request.Generation, f.Now, v.Conditions...)
	f.Request.Status.History = status.History(st.History, f.Now, decision.History(v.Entries)...)
}

// later moves the facts to a moment after the creation.
func later(f *request.Facts, after time.Duration) *request.Facts {
	f.Now = t0.Add(after)
	return f
}

// vote adds a vote to the request.
func vote(f *request.Facts, by string, kind v1alpha1.VoteKind, groups ...string) {
	f.Request = f.Request.DeepCopy()
	f.Request.Spec.Votes = append(f.Request.Spec.Votes, v1alpha1.Vote{By: by, Groups: groups, Vote: kind})
	f.Request.Generation++
}

// waiting gives facts in which alice's request was admitted and waits for votes.
func waiting(t *testing.T, change ...func(*request.Facts)) *request.Facts {
	t.Helper()
	f := world()
	for _, c := range change {
		c(f)
	}
	pass(t, f)
	if f.Request.Status.Terms == nil {
		t.Fatalf("the request is not admitted: %+v", f.Request.Status.Conditions)
	}
	return f
}

// made creates the grant of a verdict in the facts.
func made(f *request.Facts, v request.Verdict) *v1alpha1.AccessGrant {
	g := v.Make.DeepCopy()
	g.UID, g.CreationTimestamp = types.UID("grant-uid"), metav1.NewTime(f.Now)
	f.Grant = g
	return g
}

// said gives a condition as "Status/Reason"; "-" where there is none.
func said(r *v1alpha1.AccessRequest, conditionType string) string {
	c := status.Find(r.Status.Conditions, conditionType)
	if c == nil {
		return "-"
	}
	return fmt.Sprintf("%s/%s", c.Status, c.Reason)
}

func expect(t *testing.T, r *v1alpha1.AccessRequest, phase v1alpha1.RequestPhase, ready, admitted, approved string) {
	t.Helper()
	got := []string{
		string(r.Status.Phase), said(r, v1alpha1.ConditionReady), said(r, v1alpha1.ConditionAdmitted), said(r, v1alpha1.ConditionApproved),
	}
	if diff := cmp.Diff([]string{string(phase), ready, admitted, approved}, got); diff != "" {
		t.Errorf("phase, Ready, Admitted, Approved: %s", diff)
	}
}

// told gives the history as "Event by Actor".
func told(r *v1alpha1.AccessRequest) []string {
	var out []string
	for _, entry := range r.Status.History {
		out = append(out, entry.Event+" by "+entry.Actor)
	}
	return out
}
