package request_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/decision/request"
)

// byName makes the instance know users by the name behind "oidc:", or by the whole name.
func byName(f *request.Facts) {
	f.Instance.Spec.Identity = &v1alpha1.Identity{Username: "requester.startsWith('oidc:') ? requester.substring(5) : requester"}
}

func TestAVoteDoesNotCount(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*request.Facts) // before the admission
		by     string
		groups []string
		after  func(*request.Facts) // after it
		why    string
	}{
		"of the requester":                       {by: "alice@example.com", groups: []string{"leads"}, why: v1alpha1.ReasonOwnRequest},
		"of the requester in another case":       {by: "ALICE@Example.com", groups: []string{"leads"}, why: v1alpha1.ReasonOwnRequest},
		"of the subject, by the name in Airflow": {by: "alice", groups: []string{"leads"}, why: v1alpha1.ReasonOwnRequest},
		"of the subject, by another e-mail of the same user": {
			change: func(f *request.Facts) {
				f.Request.Spec.Requester = "oidc:dora-ops"
				byName(f)
			}, by: "dora@example.com", groups: []string{"leads"}, why: v1alpha1.ReasonOwnRequest},
		"of the subject, by another account that is mapped to it": {
			change: func(f *request.Facts) {
				f.Request.Spec.Requester = "oidc:bob"
				byName(f)
			}, by: "BOB", groups: []string{"leads"}, why: v1alpha1.ReasonOwnRequest},
		"of the subject, whom Airflow knows by another name since": {
			by: "alice.new", groups: []string{"leads"}, why: v1alpha1.ReasonOwnRequest,
			after: func(f *request.Facts) {
				f.Observed.Users = access.NewDirectory([]access.User{{Username: "alice.new", Email: "alice@example.com"}}, "operator")
			}},
		"of a stranger":                  {by: "eve@example.com", groups: []string{"others"}, why: v1alpha1.ReasonNotAnApprover},
		"of a member who says no group":  {by: "bob@example.com", why: v1alpha1.ReasonNotAnApprover},
		"of an approver in another case": {by: "Carol@example.com", why: v1alpha1.ReasonNotAnApprover},
		"of who is no approver any more": {
			by: "carol@example.com", why: v1alpha1.ReasonNotAnApprover,
			after: func(f *request.Facts) { requests(f).Approvers.Users = nil }},
		"of a group that decides no more": {
			by: "bob@example.com", groups: []string{"leads"}, why: v1alpha1.ReasonNotAnApprover,
			after: func(f *request.Facts) { requests(f).Approvers.Groups = []string{"others"} }},
		"of who became an approver later": {
			by: "eve@example.com", why: v1alpha1.ReasonNotAnApprover,
			after: func(f *request.Facts) {
				requests(f).Approvers.Users = append(requests(f).Approvers.Users, "eve@example.com")
			}},
		"of who owns the DAG no more": {
			change: func(f *request.Facts) { f.Request.Spec.Dags = []string{"finance_daily"} },
			by:     "frank@example.com", why: v1alpha1.ReasonNotAnApprover,
			after: func(f *request.Facts) { f.Instance.Spec.Owners = f.Instance.Spec.Owners[1:] }},
	} {
		for _, kind := range []v1alpha1.VoteKind{v1alpha1.VoteApprove, v1alpha1.VoteDeny} {
			t.Run(name+", "+string(kind), func(t *testing.T) {
				f := world()
				if c.change != nil {
					c.change(f)
				}
				pass(t, f)
				if c.after != nil {
					c.after(f)
				}
				vote(f, c.by, kind, c.groups...)
				pass(t, f)
				expect(t, f.Request, v1alpha1.RequestPending, "True/AwaitingApproval", "True/Admitted", "Unknown/AwaitingApproval")
				st := f.Request.Status
				if diff := cmp.Diff([]v1alpha1.IgnoredVote{{By: c.by, Why: c.why}}, st.Ignored); diff != "" || st.Given != 0 {
					t.Errorf("given %d, ignored: %s", st.Given, diff)
				}
				if got := request.Counts(f.Request, f.Policy, f.Instance, f.Observed, f.Request.Spec.Votes[0]); got != c.why {
					t.Errorf("Counts says %q", got)
				}
			})
		}
	}
}

func TestEveryApproverMayDecide(t *testing.T) {
	for name, c := range map[string]struct {
		by     string
		groups []string
	}{
		"by name":              {"carol@example.com", nil},
		"by group":             {"bob@example.com", []string{"others", "leads"}},
		"as an owner":          {"frank@example.com", nil},
		"by a group of owners": {"bob@example.com", []string{"finance-leads"}},
	} {
		for kind, want := range map[v1alpha1.VoteKind]v1alpha1.RequestPhase{
			v1alpha1.VoteApprove: v1alpha1.RequestApproved, v1alpha1.VoteDeny: v1alpha1.RequestDenied,
		} {
			t.Run(name+", "+string(kind), func(t *testing.T) {
				f := waiting(t, func(f *request.Facts) { f.Request.Spec.Dags = []string{"finance_daily"} })
				vote(f, c.by, kind, c.groups...)
				pass(t, f)
				if got := f.Request.Status.Phase; got != want {
					t.Errorf("it is %s: %+v", got, f.Request.Status.Ignored)
				}
			})
		}
	}
}

func TestAProgramVotesAsAServiceAccount(t *testing.T) {
	const bot = "system:serviceaccount:bots:voter"
	f := waiting(t, func(f *request.Facts) { requests(f).Approvers.Users = []string{bot} })
	vote(f, bot, v1alpha1.VoteApprove)
	if pass(t, f); f.Request.Status.Phase != v1alpha1.RequestApproved {
		t.Errorf("it is %s: %+v", f.Request.Status.Phase, f.Request.Status.Ignored)
	}
}

func TestTwoApprovalsAreThoseOfTwoPeople(t *testing.T) {
	f := waiting(t, func(f *request.Facts) {
		requests(f).Approvals = new(int32(2))
		f.Request.Spec.Requester = "oidc:alice"
		byName(f)
	})
	vote(f, "oidc:bob", v1alpha1.VoteApprove, "leads")
	vote(f, "Bob", v1alpha1.VoteApprove, "leads")
	pass(t, f)
	st := f.Request.Status
	if diff := cmp.Diff([]v1alpha1.IgnoredVote{{By: "Bob", Why: v1alpha1.ReasonSamePerson}}, st.Ignored); diff != "" || st.Given != 1 {
		t.Fatalf("given %d, ignored: %s", st.Given, diff)
	}
	vote(f, "dora", v1alpha1.VoteApprove, "leads")
	pass(t, f)
	if diff := cmp.Diff([]string{"oidc:bob", "dora"}, f.Request.Status.Decision.By); diff != "" {
		t.Error(diff)
	}
	want := []string{"AwaitingApproval by airflow-oam", "Approve by oidc:bob", "Approve by dora", "Agreed by airflow-oam"}
	if diff := cmp.Diff(want, told(f.Request)); diff != "" {
		t.Errorf("history: %s", diff)
	}
}

func TestVotesCountOnceNamesAreProved(t *testing.T) {
	unproved := errors.New("the policy is not bound")
	for _, kind := range []v1alpha1.VoteKind{v1alpha1.VoteApprove, v1alpha1.VoteDeny} {
		f := waiting(t, func(f *request.Facts) { requests(f).Approvals = new(int32(2)) })
		later(f, time.Hour)
		if v := request.Decide(*f); v.NeedsProof {
			t.Errorf("%s: a proof is asked for without a vote", kind)
		}
		vote(f, "carol@example.com", kind)
		if v := request.Decide(*f); !v.NeedsProof || v.Status.Given != 0 || v.Status.Decision != nil {
			t.Errorf("%s: counted without a proof: %+v", kind, v.Status)
		}
		f.Proved = request.Proof{At: f.Now, Err: unproved}
		pass(t, f)
		expect(t, f.Request, v1alpha1.RequestPending, "False/AdmissionNotProved", "False/AdmissionNotProved", "Unknown/AdmissionNotProved")
		f.Proved.Err = nil
		pass(t, f)
		if st := f.Request.Status; (st.Given == 1) != (kind == v1alpha1.VoteApprove) || (st.Phase == v1alpha1.RequestDenied) != (kind == v1alpha1.VoteDeny) {
			t.Errorf("%s: given %d, phase %s", kind, st.Given, st.Phase)
		}
		if v := request.Decide(*later(f, 2*time.Hour)); v.NeedsProof {
			t.Errorf("%s: a proof is asked for again without a new vote", kind)
		}
	}
}

func TestADenialAtTheEndIsOneWhereItIsProved(t *testing.T) {
	f := waiting(t)
	vote(f, "carol@example.com", v1alpha1.VoteDeny)
	later(f, 4*time.Hour)
	f.Proved = request.Proof{At: f.Now}
	if pass(t, f); f.Request.Status.Phase != v1alpha1.RequestDenied {
		t.Errorf("proved, it is %s", f.Request.Status.Phase)
	}
	f = waiting(t)
	vote(f, "carol@example.com", v1alpha1.VoteDeny)
	if pass(t, later(f, 5*time.Hour)); f.Request.Status.Phase != v1alpha1.RequestNotApproved {
		t.Errorf("not proved, it is %s", f.Request.Status.Phase)
	}
}

// TestNothingIsApprovedWhileSomethingStandsAgainstIt: what is said of the terms before the admission holds at the final count.
func TestNothingIsApprovedWhileSomethingStandsAgainstIt(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*request.Facts)
		reason string
	}{
		"the policy is suspended":   {func(f *request.Facts) { f.Policy.Spec.State = v1alpha1.PolicySuspended }, v1alpha1.ReasonPolicySuspended},
		"the instance observes":     {func(f *request.Facts) { f.Instance.Spec.Mode = v1alpha1.ModeObserve }, v1alpha1.ReasonInstanceObserving},
		"the instance is suspended": {func(f *request.Facts) { f.Instance.Spec.Mode = v1alpha1.ModeSuspended }, v1alpha1.ReasonInstanceSuspended},
		"the instance is gone":      {func(f *request.Facts) { f.Instance = nil }, v1alpha1.ReasonInstanceNotFound},
		"nobody is mapped":          {func(f *request.Facts) { f.Instance.Spec.Identity = nil }, v1alpha1.ReasonSubjectUnmapped},
		"Airflow is unreachable":    {func(f *request.Facts) { f.Observed.Reachable = false }, v1alpha1.ReasonInstanceNotReady},
		"Airflow was not observed":  {func(f *request.Facts) { f.Observed = nil }, v1alpha1.ReasonInstanceNotReady},
		"the policy was changed":    {func(f *request.Facts) { f.Policy.Generation = 4 }, v1alpha1.ReasonInstanceNotReady},
		"the requester may not ask": {func(f *request.Facts) { requests(f).Requesters = &v1alpha1.People{Users: []string{"bob"}} }, v1alpha1.ReasonRequesterNotAllowed},
		"it is too long now":        {func(f *request.Facts) { f.Policy.Spec.Grants.MaxDuration = *span(time.Hour) }, v1alpha1.ReasonTooLong},
		"the policy is refused":     {func(f *request.Facts) { f.Observed.Policy.Desire.Refused = &access.Problem{Reason: "RoleNameTaken"} }, v1alpha1.ReasonPolicyRefused},
	} {
		t.Run(name, func(t *testing.T) {
			f := waiting(t)
			c.change(f)
			vote(f, "carol@example.com", v1alpha1.VoteApprove)
			pass(t, f)
			if got := f.Request.Status; got.Phase != v1alpha1.RequestPending || said(f.Request, v1alpha1.ConditionReady)[len("True/"):] != c.reason && said(f.Request, v1alpha1.ConditionReady)[len("False/"):] != c.reason {
				t.Fatalf("it is %s: %+v", got.Phase, got.Conditions)
			}
			well := world()
			well.Request = f.Request
			if pass(t, well); well.Request.Status.Phase != v1alpha1.RequestApproved {
				t.Errorf("when all is well, it is %s: %+v", well.Request.Status.Phase, well.Request.Status.Conditions)
			}
			f = waiting(t)
			c.change(f)
			vote(f, "carol@example.com", v1alpha1.VoteDeny)
			if pass(t, f); f.Request.Status.Phase != v1alpha1.RequestDenied {
				t.Errorf("a denial waits: it is %s", f.Request.Status.Phase)
			}
		})
	}
}

func TestARestartChangesNoRequestThatWaits(t *testing.T) {
	f := waiting(t, func(f *request.Facts) { requests(f).Approvals = new(int32(2)) })
	vote(f, "carol@example.com", v1alpha1.VoteApprove)
	vote(f, "alice", v1alpha1.VoteApprove, "leads")
	pass(t, f)
	before := f.Request.DeepCopy()
	f.Observed = nil
	later(f, time.Hour)
	v := request.Decide(*f)
	if v.NeedsProof {
		t.Error("a proof is asked for")
	}
	pass(t, f)
	if diff := cmp.Diff(before.Status, f.Request.Status); diff != "" {
		t.Error(diff)
	}
}

func TestAPolicyThatIsNotTheOneOfTheTermsEndsTheRequestAtOnce(t *testing.T) {
	for name, change := range map[string]func(*request.Facts){
		"deleted":          func(f *request.Facts) { f.Policy = nil },
		"being deleted":    func(f *request.Facts) { f.Policy.DeletionTimestamp = new(at(0)) },
		"created again":    func(f *request.Facts) { f.Policy.UID = "other-uid" },
		"without requests": func(f *request.Facts) { f.Policy.Spec.Grants.Requests = nil },
		"without grants":   func(f *request.Facts) { f.Policy.Spec.Grants = nil },
	} {
		t.Run(name, func(t *testing.T) {
			f := waiting(t)
			vote(f, "carol@example.com", v1alpha1.VoteApprove)
			change(f)
			pass(t, f)
			expect(t, f.Request, v1alpha1.RequestNotApproved, "True/PolicyGone", "True/Admitted", "False/PolicyGone")
			if got := told(f.Request); got[1] != "PolicyGone by " {
				t.Errorf("history: %v", got)
			}
		})
	}
}

func TestLevelsAreThoseThatWerePinnedAndThatThePolicyStillHas(t *testing.T) {
	f := waiting(t)
	f.Policy.Spec.Access = []v1alpha1.AccessLevel{v1alpha1.AccessTrigger, v1alpha1.AccessDeleteDag, v1alpha1.AccessView}
	vote(f, "carol@example.com", v1alpha1.VoteApprove)
	pass(t, f)
	v := pass(t, f)
	if diff := cmp.Diff([]v1alpha1.AccessLevel{v1alpha1.AccessView, v1alpha1.AccessTrigger}, v.Make.Spec.Access); diff != "" {
		t.Errorf("a wider policy: %s", diff)
	}
	f.Policy.Spec.Access = []v1alpha1.AccessLevel{v1alpha1.AccessPause}
	v = pass(t, f)
	if diff := cmp.Diff([]v1alpha1.AccessLevel{v1alpha1.AccessView}, v.Make.Spec.Access); diff != "" {
		t.Errorf("a narrower policy, which implies View: %s", diff)
	}
	f = waiting(t, func(f *request.Facts) { f.Request.Spec.Access = []v1alpha1.AccessLevel{v1alpha1.AccessTrigger} })
	f.Policy.Spec.Access = []v1alpha1.AccessLevel{v1alpha1.AccessPause}
	vote(f, "carol@example.com", v1alpha1.VoteApprove)
	pass(t, f)
	expect(t, f.Request, v1alpha1.RequestNotApproved, "True/AccessNotCovered", "True/Admitted", "False/AccessNotCovered")
}

func TestARequestThatNeedsNoVoteIsApprovedAtOnce(t *testing.T) {
	for name, change := range map[string]func(*request.Facts){
		"by the policy": func(f *request.Facts) { requests(f).Approvals, requests(f).Approvers = new(int32(0)), nil },
		"by a rule":     func(f *request.Facts) { rules(f, v1alpha1.RequestRule{Name: "trusted", Approvals: new(int32(0))}) },
	} {
		f := world()
		change(f)
		pass(t, f)
		expect(t, f.Request, v1alpha1.RequestApproved, "False/Rule", "True/Admitted", "True/Rule")
		if by := f.Request.Status.Decision.By; len(by) > 0 {
			t.Errorf("%s: it is approved by %v", name, by)
		}
		if diff := cmp.Diff([]string{"Rule by airflow-oam"}, told(f.Request)); diff != "" {
			t.Errorf("%s: history: %s", name, diff)
		}
	}
}

func TestAfterTheLimitOfADayAnApproverHasToAgree(t *testing.T) {
	limited := func(f *request.Facts) {
		rules(f, v1alpha1.RequestRule{Name: "trusted", Approvals: new(int32(0))})
		f.Automatic = 4
	}
	f := waiting(t, limited)
	expect(t, f.Request, v1alpha1.RequestPending, "True/TooManyAutomatic", "True/Admitted", "Unknown/TooManyAutomatic")
	if v := request.Decide(*f); !v.NextAt.Equal(t0.Add(time.Minute)) {
		t.Errorf("decided again at %s", v.NextAt)
	}
	vote(f, "carol@example.com", v1alpha1.VoteApprove)
	pass(t, f)
	expect(t, f.Request, v1alpha1.RequestApproved, "False/Agreed", "True/Admitted", "True/Agreed")
	f = waiting(t, limited)
	f.Automatic = 3
	pass(t, f)
	expect(t, f.Request, v1alpha1.RequestApproved, "False/Rule", "True/Admitted", "True/Rule")
}

func TestAReviewBeforeItsTimeDoesNotCount(t *testing.T) {
	f := waiting(t)
	vote(f, "carol@example.com", v1alpha1.VoteReviewed)
	pass(t, f)
	if diff := cmp.Diff([]v1alpha1.IgnoredVote{{By: "carol@example.com", Why: v1alpha1.ReasonNotYet}}, f.Request.Status.Ignored); diff != "" {
		t.Error(diff)
	}
	if got := request.Counts(world().Request, f.Policy, f.Instance, f.Observed, v1alpha1.Vote{By: "carol@example.com", Vote: v1alpha1.VoteApprove}); got != v1alpha1.ReasonNotYet {
		t.Errorf("before the admission Counts says %q", got)
	}
}

// TestCountsWithLittleKnowledge: the plugin may know the request alone.
func TestCountsWithLittleKnowledge(t *testing.T) {
	f := waiting(t, func(f *request.Facts) { f.Request.Spec.Dags = []string{"finance_daily"} })
	for by, want := range map[string]string{"frank@example.com": "", "carol@example.com": "", "ALICE@example.com": v1alpha1.ReasonOwnRequest, "eve@example.com": v1alpha1.ReasonNotAnApprover} {
		for _, p := range []*v1alpha1.DagAccessPolicy{nil, f.Policy} {
			if got := request.Counts(f.Request, p, nil, nil, v1alpha1.Vote{By: by, Vote: v1alpha1.VoteApprove}); got != want {
				t.Errorf("%s: %q, want %q", by, got, want)
			}
		}
	}
}
