package request_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/decision"
	"github.com/airflow-oam/airflow-oam/internal/decision/request"
)

// agreed gives facts in which carol approved alice's request, and this is stored; no grant was made.
func agreed(t *testing.T) *request.Facts {
	t.Helper()
	f := waiting(t)
	vote(f, "carol@example.com", v1alpha1.VoteApprove)
	pass(t, f)
	if f.Request.Status.Phase != v1alpha1.RequestApproved {
		t.Fatalf("it is not approved: %+v", f.Request.Status.Conditions)
	}
	return f
}

func TestNoGrantIsMade(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*request.Facts)
		ready  string
		well   bool // it is made when all is well again
	}{
		"while the policy is gone":        {func(f *request.Facts) { f.Policy = nil }, "False/PolicyGone", true},
		"of another policy of the name":   {func(f *request.Facts) { f.Policy.UID = "other-uid" }, "False/PolicyGone", true},
		"without requests in the policy":  {func(f *request.Facts) { f.Policy.Spec.Grants.Requests = nil }, "False/PolicyGone", true},
		"without a level that is left":    {func(f *request.Facts) { f.Request.Status.Terms.Access = []v1alpha1.AccessLevel{"DeleteDag"} }, "False/AccessNotCovered", false},
		"after its time":                  {func(f *request.Facts) { later(f, 24*time.Hour) }, "True/NeverActivated", true},
		"of a request that was withdrawn": {func(f *request.Facts) { f.Request.Spec.Withdrawn = true }, "True/Withdrawn", false},
		"of a request that is deleted":    {func(f *request.Facts) { f.Request.DeletionTimestamp = new(at(0)) }, "False/Deleting", false},
		"where the name is taken":         {func(f *request.Facts) { f.Grant = &v1alpha1.AccessGrant{} }, "False/GrantNameTaken", true},
		"where another request has the name": {func(f *request.Facts) {
			f.Grant = &v1alpha1.AccessGrant{Spec: v1alpha1.AccessGrantSpec{RequestRef: &v1alpha1.RequestReference{Name: "late-file", UID: "other"}}}
		}, "False/GrantNameTaken", true},
	} {
		t.Run(name, func(t *testing.T) {
			f := agreed(t)
			decided := f.Request.Status.Decision
			f.Request = f.Request.DeepCopy()
			c.change(f)
			v := pass(t, f)
			if v.Make != nil {
				t.Errorf("a grant is made: %+v", v.Make)
			}
			expect(t, f.Request, v1alpha1.RequestApproved, c.ready, "True/Admitted", "True/Agreed")
			if diff := cmp.Diff(decided, f.Request.Status.Decision); diff != "" {
				t.Errorf("decision: %s", diff)
			}
			well := world()
			well.Request = f.Request
			if v := pass(t, well); (v.Make != nil) != c.well {
				t.Errorf("when all is well, makes %v", v.Make)
			}
		})
	}
}

func TestARequestThatIsBeingDeletedIsNotDecided(t *testing.T) {
	f := waiting(t)
	vote(f, "carol@example.com", v1alpha1.VoteApprove)
	f.Request.DeletionTimestamp = new(at(0))
	v := pass(t, f)
	expect(t, f.Request, v1alpha1.RequestPending, "False/Deleting", "True/Admitted", "Unknown/Deleting")
	if !v.Release {
		t.Error("it may not go")
	}
}

func TestAnEmergencyIsApprovedWithoutAVoteAndLoud(t *testing.T) {
	f := world()
	emergency(f)
	f.Automatic = 40
	v := pass(t, f)
	expect(t, f.Request, v1alpha1.RequestApproved, "False/Emergency", "True/Admitted", "True/Emergency")
	want := &v1alpha1.RequestReview{Due: at(24 * time.Hour)}
	if diff := cmp.Diff(want, f.Request.Status.Review); diff != "" {
		t.Errorf("review: %s", diff)
	}
	if got := said(f.Request, v1alpha1.ConditionReviewed); got != "False/AwaitingReview" {
		t.Errorf("Reviewed is %s", got)
	}
	if len(v.Entries) != 1 || !v.Entries[0].Warning || v.Entries[0].Actor != "alice@example.com" {
		t.Errorf("entries: %+v", v.Entries)
	}
	v = pass(t, f)
	if v.Make == nil || v.Make.Spec.Duration.Duration != time.Hour {
		t.Fatalf("makes %+v", v.Make)
	}
	made(f, v)
	if v := pass(t, f); !v.NextAt.Equal(t0.Add(24 * time.Hour)) {
		t.Errorf("decided again at %s", v.NextAt)
	}
}

func TestADenyRuleAndItsFailureHoldForEmergenciesToo(t *testing.T) {
	for when, want := range map[string]string{"emergency": "False/DeniedByRule", "!emergency": "True/Emergency", "dags[0].id == ''": "Unknown/RuleFailed"} {
		f := world()
		emergency(f)
		rules(f, v1alpha1.RequestRule{Name: "freeze", When: when, Deny: "frozen"})
		if pass(t, f); said(f.Request, v1alpha1.ConditionApproved) != want {
			t.Errorf("%s: Approved is %s", when, said(f.Request, v1alpha1.ConditionApproved))
		}
	}
}

// urgent gives facts in which alice's emergency was approved, and its grant was made.
func urgent(t *testing.T) *request.Facts {
	t.Helper()
	f := waiting(t, emergency)
	made(f, pass(t, f))
	pass(t, f)
	return f
}

func TestAnApproverReviewsAnEmergency(t *testing.T) {
	f := urgent(t)
	vote(f, "eve@example.com", v1alpha1.VoteReviewed, "others")
	vote(f, "alice", v1alpha1.VoteReviewed, "leads")
	pass(t, later(f, time.Hour))
	want := []v1alpha1.IgnoredVote{{By: "eve@example.com", Why: v1alpha1.ReasonNotAnApprover}, {By: "alice", Why: v1alpha1.ReasonOwnRequest}}
	if diff := cmp.Diff(want, f.Request.Status.Ignored); diff != "" {
		t.Errorf("ignored: %s", diff)
	}
	vote(f, "bob@example.com", v1alpha1.VoteReviewed, "leads")
	f.Proved = request.Proof{At: f.Now, Err: errors.New("the policy is not bound")}
	if pass(t, f); f.Request.Status.Review.At != nil {
		t.Error("it is reviewed without a proof")
	}
	f.Proved.Err = nil
	pass(t, f)
	if diff := cmp.Diff(&v1alpha1.RequestReview{Due: at(24 * time.Hour), By: "bob@example.com", At: new(at(time.Hour))}, f.Request.Status.Review); diff != "" {
		t.Errorf("review: %s", diff)
	}
	if got := said(f.Request, v1alpha1.ConditionReviewed); got != "True/Reviewed" {
		t.Errorf("Reviewed is %s", got)
	}
	if got := told(f.Request); got[len(got)-1] != "Reviewed by bob@example.com" {
		t.Errorf("history: %v", got)
	}
	if v := pass(t, later(f, 48*time.Hour)); !v.NextAt.IsZero() || said(f.Request, v1alpha1.ConditionReviewed) != "True/Reviewed" {
		t.Errorf("it changes again at %s, Reviewed is %s", v.NextAt, said(f.Request, v1alpha1.ConditionReviewed))
	}
}

func TestAReviewIsOverdueOnceAndMayStillCome(t *testing.T) {
	f := urgent(t)
	pass(t, later(f, 24*time.Hour-time.Second))
	v := pass(t, later(f, 24*time.Hour))
	if len(v.Entries) != 1 || v.Entries[0].Event != v1alpha1.ReasonReviewOverdue || !v.Entries[0].Warning {
		t.Errorf("entries: %+v", v.Entries)
	}
	if v := pass(t, later(f, 25*time.Hour)); len(v.Entries) > 0 {
		t.Errorf("it is overdue again: %+v", v.Entries)
	}
	expect(t, f.Request, v1alpha1.RequestApproved, "True/Emergency", "True/Admitted", "True/Emergency")
	if got := said(f.Request, v1alpha1.ConditionReviewed); got != "False/ReviewOverdue" {
		t.Errorf("Reviewed is %s", got)
	}
	vote(f, "carol@example.com", v1alpha1.VoteReviewed)
	if pass(t, f); said(f.Request, v1alpha1.ConditionReviewed) != "True/Reviewed" {
		t.Errorf("Reviewed is %s", said(f.Request, v1alpha1.ConditionReviewed))
	}
}

func TestAnEmergencyOfAPolicyThatIsGoneIsReviewedByThoseWhoWerePinned(t *testing.T) {
	f := urgent(t)
	f.Policy = nil
	vote(f, "carol@example.com", v1alpha1.VoteReviewed)
	if pass(t, f); said(f.Request, v1alpha1.ConditionReviewed) != "True/Reviewed" {
		t.Errorf("Reviewed is %s", said(f.Request, v1alpha1.ConditionReviewed))
	}
	f = urgent(t)
	requests(f).Approvers.Users = nil
	vote(f, "carol@example.com", v1alpha1.VoteReviewed)
	if pass(t, f); said(f.Request, v1alpha1.ConditionReviewed) != "False/AwaitingReview" {
		t.Errorf("where the policy has others, Reviewed is %s", said(f.Request, v1alpha1.ConditionReviewed))
	}
}

func TestAnOverdueReviewDoesNotStopOrdinaryRequests(t *testing.T) {
	f := waiting(t, func(f *request.Facts) { f.Overdue = []string{"page-1"} })
	expect(t, f.Request, v1alpha1.RequestPending, "True/AwaitingApproval", "True/Admitted", "Unknown/AwaitingApproval")
}

func TestAnEntryRefersToPolicyInstanceAndGrant(t *testing.T) {
	f := waiting(t)
	vote(f, "carol@example.com", v1alpha1.VoteApprove)
	want := []decision.Reference{
		{Kind: decision.KindPolicy, Namespace: "finance", Name: "operators", UID: "policy-uid"},
		{Kind: decision.KindInstance, Namespace: "finance", Name: "prod", UID: "instance-uid"},
		{Kind: decision.KindGrant, Namespace: "finance", Name: "late-file-0f5c7a31"},
	}
	for _, entry := range pass(t, f).Entries {
		if diff := cmp.Diff(want, entry.References); diff != "" {
			t.Errorf("%s: %s", entry.Event, diff)
		}
	}
}

func TestARequestThatIsCreatedAgainHasAnotherGrant(t *testing.T) {
	f := world()
	first := request.GrantName(f.Request)
	f.Request.UID = "7a1b2c3d-9d6e-4a51-8f21-3a1f6d1c2b3a"
	if second := request.GrantName(f.Request); first != "late-file-0f5c7a31" || second != "late-file-7a1b2c3d" {
		t.Errorf("%s and %s", first, second)
	}
}
