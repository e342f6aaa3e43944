package request_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/decision/request"
)

func TestAnAdmittedRequestPinsItsTermsBeforeAnybodyVotes(t *testing.T) {
	f := world()
	f.Request.Spec.Dags = []string{"finance_daily", "finance_close"}
	v := pass(t, f)
	want := &v1alpha1.RequestTermsPinned{
		PolicyUID: "policy-uid", Subject: v1alpha1.Subject{Email: "alice@example.com"},
		Access: []v1alpha1.AccessLevel{v1alpha1.AccessView, v1alpha1.AccessTrigger}, Dags: []string{"finance_daily", "finance_close"},
		Duration: *span(2 * time.Hour), Approvals: 1,
		Approvers: v1alpha1.PinnedApprovers{Groups: []string{"leads", "finance-leads"}, Users: []string{"carol@example.com"}},
	}
	if diff := cmp.Diff(want, f.Request.Status.Terms); diff != "" {
		t.Errorf("terms: %s", diff)
	}
	expect(t, f.Request, v1alpha1.RequestPending, "True/AwaitingApproval", "True/Admitted", "Unknown/AwaitingApproval")
	if got := f.Request.Status.DecideBy; !got.Time.Equal(t0.Add(4*time.Hour)) || !v.NextAt.Equal(got.Time) {
		t.Errorf("it is decided by %s, and decided again at %s", got, v.NextAt)
	}
	if v.Make != nil {
		t.Error("a grant is made")
	}
}

func TestAVoteOfAnApproverApprovesAndTheGrantIsMadeOnceThatIsStored(t *testing.T) {
	f := waiting(t)
	vote(later(f, time.Minute), "bob@example.com", v1alpha1.VoteApprove, "leads")
	if v := pass(t, f); v.Make != nil {
		t.Error("a grant is made before the decision is stored")
	}
	expect(t, f.Request, v1alpha1.RequestApproved, "False/Agreed", "True/Admitted", "True/Agreed")
	want := &v1alpha1.RequestDecision{
		Outcome: v1alpha1.RequestApproved, Reason: v1alpha1.ReasonAgreed, By: []string{"bob@example.com"}, At: at(time.Minute),
	}
	if diff := cmp.Diff(want, f.Request.Status.Decision); diff != "" {
		t.Errorf("decision: %s", diff)
	}
	if diff := cmp.Diff(&v1alpha1.RequestGrant{Name: "late-file-0f5c7a31"}, f.Request.Status.Grant); diff != "" {
		t.Errorf("grant: %s", diff)
	}
	v := pass(t, later(f, time.Minute+time.Second))
	if v.Make == nil {
		t.Fatal("no grant is made")
	}
	yes := true
	grant := &v1alpha1.AccessGrant{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "finance", Name: "late-file-0f5c7a31", OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "access.airflow-oam.dev/v1alpha1", Kind: "AccessRequest", Name: "late-file", UID: f.Request.UID, Controller: &yes,
			}},
		},
		Spec: v1alpha1.AccessGrantSpec{
			PolicyRef: v1alpha1.PolicyReference{Name: "operators"}, Subject: v1alpha1.Subject{Email: "alice@example.com"},
			Access: []v1alpha1.AccessLevel{v1alpha1.AccessView, v1alpha1.AccessTrigger}, Duration: span(2 * time.Hour), Reason: "INC-4711 late file",
			RequestRef: &v1alpha1.RequestReference{Name: "late-file", UID: string(f.Request.UID)},
		},
	}
	if diff := cmp.Diff(grant, v.Make); diff != "" {
		t.Errorf("the grant: %s", diff)
	}
	if diff := cmp.Diff(v.Make, pass(t, f).Make); diff != "" {
		t.Errorf("after a crash another grant is made: %s", diff)
	}
	made(f, v)
	if v := pass(t, f); v.Make != nil {
		t.Error("a second grant is made")
	}
	expect(t, f.Request, v1alpha1.RequestApproved, "True/Agreed", "True/Admitted", "True/Agreed")
	if diff := cmp.Diff([]string{"AwaitingApproval by airflow-oam", "Approve by bob@example.com", "Agreed by airflow-oam"}, told(f.Request)); diff != "" {
		t.Errorf("history: %s", diff)
	}
}

func TestTheGrantIsCopiedForReadersAndMadeNeverAgain(t *testing.T) {
	f := waiting(t)
	vote(f, "carol@example.com", v1alpha1.VoteApprove)
	pass(t, f)
	g := made(f, pass(t, f))
	pass(t, f)
	if got := f.Request.Status.Grant.Phase; got != v1alpha1.GrantPending {
		t.Errorf("a grant that was not decided yet is %s", got)
	}
	g.Status.Phase, g.Status.Activation = v1alpha1.GrantActive, &v1alpha1.Activation{ExpiresAt: at(2 * time.Hour)}
	pass(t, f)
	want := &v1alpha1.RequestGrant{Name: g.Name, Phase: v1alpha1.GrantActive, ExpiresAt: new(at(2 * time.Hour))}
	if diff := cmp.Diff(want, f.Request.Status.Grant); diff != "" {
		t.Error(diff)
	}
	f.Grant = nil
	if v := pass(t, f); v.Make != nil {
		t.Error("a grant that was deleted is made again")
	}
	if got := f.Request.Status.Grant.Phase; got != v1alpha1.GrantRevoked {
		t.Errorf("a grant that is gone is %s", got)
	}
}

func TestAVoteToDenyEndsTheRequestAlsoBesideAVoteToApprove(t *testing.T) {
	f := waiting(t)
	vote(f, "bob@example.com", v1alpha1.VoteApprove, "leads")
	vote(f, "carol@example.com", v1alpha1.VoteDeny)
	f.Request.Spec.Votes[1].Comment = "use the report instead"
	pass(t, f)
	expect(t, f.Request, v1alpha1.RequestDenied, "True/Denied", "True/Admitted", "False/Denied")
	want := &v1alpha1.RequestDecision{
		Outcome: v1alpha1.RequestDenied, Reason: v1alpha1.ReasonDenied, By: []string{"carol@example.com"}, At: at(0), Message: "use the report instead",
	}
	if diff := cmp.Diff(want, f.Request.Status.Decision); diff != "" {
		t.Errorf("decision: %s", diff)
	}
	if diff := cmp.Diff([]string{"AwaitingApproval by airflow-oam", "Denied by carol@example.com"}, told(f.Request)); diff != "" {
		t.Errorf("history: %s", diff)
	}
}

func TestARequestEndsAtItsTimeAdmittedOrNot(t *testing.T) {
	for name, f := range map[string]*request.Facts{
		"admitted":     waiting(t),
		"not admitted": func() *request.Facts { f := world(); f.Request.Spec.Reason = "please"; pass(t, f); return f }(),
		"without a policy": func() *request.Facts {
			f := world()
			f.Policy, f.Instance, f.Observed = nil, nil, nil
			pass(t, f)
			return f
		}(),
		"never seen before": world(),
	} {
		t.Run(name, func(t *testing.T) {
			vote(f, "carol@example.com", v1alpha1.VoteReviewed)
			pass(t, later(f, 4*time.Hour-time.Second))
			if got := f.Request.Status.Phase; got != v1alpha1.RequestPending {
				t.Fatalf("before its time it is %s", got)
			}
			vote(f, "carol2@example.com", v1alpha1.VoteApprove, "leads")
			pass(t, later(f, 4*time.Hour))
			if got := said(f.Request, v1alpha1.ConditionApproved); f.Request.Status.Phase != v1alpha1.RequestNotApproved || got != "False/TimedOut" {
				t.Errorf("it is %s, Approved %s", f.Request.Status.Phase, got)
			}
		})
	}
}

func TestARequestWithALaterStartMayBeDecidedUntilItStarts(t *testing.T) {
	f := world()
	f.Request.Spec.StartsAt = new(at(24 * time.Hour))
	pass(t, f)
	if got := f.Request.Status.DecideBy; !got.Time.Equal(t0.Add(24 * time.Hour)) {
		t.Errorf("it is decided by %s", got)
	}
	vote(later(f, 23*time.Hour), "carol@example.com", v1alpha1.VoteApprove)
	pass(t, f)
	v := pass(t, f)
	if diff := cmp.Diff(new(at(24*time.Hour)), v.Make.Spec.StartsAt); diff != "" {
		t.Errorf("start: %s", diff)
	}
	if v := pass(t, later(f, 25*time.Hour)); v.Make == nil || v.Make.Spec.StartsAt != nil {
		t.Errorf("a start that has passed is in the grant: %+v", v.Make)
	}
	f = world()
	f.Request.Spec.StartsAt = new(at(500 * time.Hour))
	pass(t, f)
	if got := f.Request.Status.DecideBy; !got.Time.Equal(t0.Add(4 * time.Hour)) {
		t.Errorf("with a start that is never admitted it is decided by %s", got)
	}
}

func TestARequesterWithdraws(t *testing.T) {
	withdraw := func(f *request.Facts) {
		f.Request = f.Request.DeepCopy()
		f.Request.Spec.Withdrawn = true
		f.Request.Generation++
	}
	f := world()
	withdraw(f)
	pass(t, f)
	expect(t, f.Request, v1alpha1.RequestWithdrawn, "True/Withdrawn", "False/Withdrawn", "False/Withdrawn")

	f = waiting(t)
	vote(f, "carol@example.com", v1alpha1.VoteApprove)
	withdraw(f)
	pass(t, f)
	expect(t, f.Request, v1alpha1.RequestWithdrawn, "True/Withdrawn", "True/Admitted", "False/Withdrawn")
	if diff := cmp.Diff([]string{"AwaitingApproval by airflow-oam", "Withdrawn by alice@example.com"}, told(f.Request)); diff != "" {
		t.Errorf("history: %s", diff)
	}

	f = waiting(t)
	vote(f, "carol@example.com", v1alpha1.VoteApprove)
	pass(t, f)
	withdraw(f)
	if v := pass(t, f); v.Make != nil {
		t.Error("a grant is made after the request was withdrawn")
	}
	expect(t, f.Request, v1alpha1.RequestApproved, "True/Withdrawn", "True/Admitted", "True/Agreed")
	if got := told(f.Request); got[len(got)-1] != "Withdrawn by alice@example.com" {
		t.Errorf("history: %v", got)
	}
}
