package request

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/decision"
	"github.com/airflow-oam/airflow-oam/internal/decision/admission"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// pending decides about a request that was not decided: it ends, is admitted, waits, or is approved.
func pending(f *Facts, v *Verdict) {
	v.Status.Phase = v1alpha1.RequestPending
	if f.Request.Spec.Withdrawn {
		finish(f, v, v1alpha1.RequestDecision{
			Outcome: v1alpha1.RequestWithdrawn, Reason: v1alpha1.ReasonWithdrawn, By: []string{f.Request.Spec.Requester},
		})
		return
	}
	if why := withoutTerms(f); why != "" {
		finish(f, v, v1alpha1.RequestDecision{Outcome: v1alpha1.RequestNotApproved, Reason: v1alpha1.ReasonPolicyGone, Message: why})
		return
	}
	if v.Status.Terms == nil {
		v.Status.DecideBy = f.decideBy()
	}
	if by := v.Status.DecideBy; by == nil || f.reached(by.Time) {
		tooLate(f, v)
		return
	}
	v.Before(v.Status.DecideBy.Time)
	if v.Status.Terms == nil && !admit(f, v) {
		return
	}
	weigh(f, v)
}

// withoutTerms says why the terms that were pinned are those of no policy any more; empty where they are, or none were.
func withoutTerms(f *Facts) string {
	terms := f.Request.Status.Terms
	if terms == nil {
		return ""
	}
	return replaced(f, terms)
}

// replaced says what became of the policy whose terms were pinned; empty where it still has terms for requests.
func replaced(f *Facts, terms *v1alpha1.RequestTermsPinned) string {
	switch {
	case f.policyGone():
		return "the policy was deleted"
	case string(f.Policy.UID) != terms.PolicyUID:
		return "the policy was deleted, and another one of the same name created"
	case f.terms() == nil:
		return "the policy no longer allows requests"
	}
	return ""
}

// panelOf is those who decide now.
func panelOf(f *Facts, terms *v1alpha1.RequestTermsPinned) panel {
	return newPanel(f.Request, terms, f.Policy, f.Instance, f.Observed)
}

// tooLate ends a request whose time is over. A vote to approve comes too late, whenever it was made: it does not say when. A
// vote to deny changes nothing but the word, where it is proved.
func tooLate(f *Facts, v *Verdict) {
	if terms := v.Status.Terms; terms != nil && f.Proved.holds(f.Now) {
		if votes := panelOf(f, terms).tally(f.Request.Spec.Votes, false); votes.denied != nil {
			deny(f, v, &votes)
			return
		}
	}
	d := v1alpha1.RequestDecision{Outcome: v1alpha1.RequestNotApproved, Reason: v1alpha1.ReasonTimedOut}
	if ready := f.Request.Condition(v1alpha1.ConditionReady); ready != nil {
		d.Message = "the last state was: " + ready.Message
	}
	finish(f, v, d)
}

// weigh counts the votes of an admitted request and decides it if they suffice.
func weigh(f *Facts, v *Verdict) {
	terms := v.Status.Terms
	votes := panelOf(f, terms).tally(f.Request.Spec.Votes, false)
	if votes.denied != nil {
		if proved(f, v) {
			deny(f, v, &votes)
		}
		return
	}
	levels := covered(f, terms)
	for _, find := range []func() *access.Problem{
		func() *access.Problem { return hindrance(f) },
		func() *access.Problem { return admission.Refusal(asked(f, terms, levels)) },
	} {
		if p := find(); p != nil {
			wait(f, v, *p)
			return
		}
	}
	needed, reason := needs(f, terms)
	if len(votes.approved) < needed {
		await(f, v, votes, needed)
		return
	}
	if p := passProblem(f); p != nil {
		wait(f, v, *p)
		return
	}
	if !proved(f, v) {
		return
	}
	votes.store(&v.Status)
	if len(levels) == 0 {
		finish(f, v, v1alpha1.RequestDecision{
			Outcome: v1alpha1.RequestNotApproved, Reason: v1alpha1.ReasonAccessNotCovered, Message: "the policy no longer grants any of the levels in status.terms.access",
		})
		return
	}
	approve(f, v, votes, reason)
}

// covered are the pinned levels that the policy has today. View comes with every level.
func covered(f *Facts, terms *v1alpha1.RequestTermsPinned) []v1alpha1.AccessLevel {
	today := sets.New(f.Policy.Spec.Access...).Insert(v1alpha1.AccessView)
	var levels []v1alpha1.AccessLevel
	for _, level := range terms.Access {
		if today.Has(level) {
			levels = append(levels, level)
		}
	}
	return levels
}

// needs is how many votes to approve are needed now, and the reason of the decision once they are there. A request that
// needs none needs one after all once its requester had as many of that kind as the policy allows in a day.
func needs(f *Facts, terms *v1alpha1.RequestTermsPinned) (votes int, reason string) {
	switch {
	case f.Request.Spec.Emergency:
		return 0, v1alpha1.ReasonEmergency
	case terms.Approvals > 0:
		return int(terms.Approvals), v1alpha1.ReasonAgreed
	case f.Automatic >= automatic(f.terms()):
		return 1, v1alpha1.ReasonAgreed
	}
	return 0, v1alpha1.ReasonRule
}

// await is the state of an admitted request that waits for votes. Votes that are new are counted once names are proved.
func await(f *Facts, v *Verdict, votes tally, needed int) {
	if f.Observed.Listed() && !votes.same(&v.Status) {
		if !proved(f, v) {
			return
		}
		votes.store(&v.Status)
	}
	c := decision.Conclusion{State: decision.StateSettled, Reason: v1alpha1.ReasonAwaitingApproval}
	who := v.Status.Terms.Approvers
	switch v.Status.Terms.Approvals {
	case 0:
		c.Reason = v1alpha1.ReasonTooManyAutomatic
		c.Message = fmt.Sprintf("the policy approves at most %d requests of one requester within 24 hours without a vote: wait, or ask for the vote of %s",
			automatic(f.terms()), somebody(who))
		v.Before(f.Now.Add(recheck))
	default:
		c.Message = fmt.Sprintf("%d of %d approvals: waiting for a vote of %s", v.Status.Given, needed, somebody(who))
	}
	v.report(f, c, v1alpha1.ActorOperator)
	v.conclude(c, admitted(), undecided(access.Problem{Reason: c.Reason, Message: c.Message}))
}

// somebody names approvers in a message.
func somebody(who v1alpha1.PinnedApprovers) string {
	if names := listed(who.Groups, who.Users); names != "" {
		return names
	}
	return "an approver, and there is none: neither the policy nor the owners of the DAGs name one"
}

// recheck is how often a request is decided again that waits for something of which no object tells the end.
const recheck = time.Minute

// timed are the reasons that pass with time.
var timed = sets.New(v1alpha1.ReasonTooManyOpen, v1alpha1.ReasonReviewOverdue, v1alpha1.ReasonRuleFailed)

// intended are the reasons for which a request waits while everything is as it should be.
var intended = sets.New(
	v1alpha1.ReasonDagPending, v1alpha1.ReasonPolicySuspended, v1alpha1.ReasonInstanceObserving, v1alpha1.ReasonInstanceSuspended,
)

// unready are the reasons for which a request waits for something that may come by itself.
var unready = sets.New(v1alpha1.ReasonPolicyNotFound, v1alpha1.ReasonInstanceNotFound, v1alpha1.ReasonInstanceNotReady)

// wait retains a request that is not admitted, or cannot be decided now, until something changes.
func wait(f *Facts, v *Verdict, p access.Problem) {
	c := decision.Conclusion{State: decision.StateStalled, Reason: p.Reason, Message: p.Message}
	switch {
	case intended.Has(p.Reason):
		c.State = decision.StateSettled
	case unready.Has(p.Reason):
		c.State = decision.StateWorking
	default:
		c.Warning = true
	}
	if timed.Has(p.Reason) {
		v.Before(f.Now.Add(recheck))
	}
	v.report(f, c, v1alpha1.ActorOperator)
	v.conclude(c, notAdmitted(p), undecided(p))
}

// proved reports whether the API server is proved to check names, without which nobody is admitted and no vote counts.
// Otherwise it writes what the request waits for.
func proved(f *Facts, v *Verdict) bool {
	p := access.Problem{Reason: v1alpha1.ReasonAdmissionNotProved, Message: "nothing proves yet that the API server checks the names on requests"}
	switch {
	case !f.Proved.fresh(f.Now):
		v.NeedsProof = true
		c := decision.Conclusion{State: decision.StateWorking, Reason: p.Reason, Message: p.Message}
		v.conclude(c, notAdmitted(p), undecided(p))
		return false
	case f.Proved.Err != nil:
		p.Message = "nothing proves that the API server checks the names on requests, so that no request is admitted and no vote counts: " + cause(f.Proved.Err)
		v.Before(f.Proved.At.Add(proofLasts))
		wait(f, v, p)
		return false
	}
	return true
}

// deny ends a request that somebody who may vote refused.
func deny(f *Facts, v *Verdict, votes *tally) {
	votes.store(&v.Status)
	finish(f, v, v1alpha1.RequestDecision{
		Outcome: v1alpha1.RequestDenied, Reason: v1alpha1.ReasonDenied, By: []string{votes.denied.By}, Message: votes.denied.Comment,
	})
}

// voted is the entry of a vote that counts, with what its author says.
func voted(vote *v1alpha1.Vote, what string) decision.Entry {
	if vote.Comment != "" {
		what += ": " + vote.Comment
	}
	return decision.Entry{Event: string(vote.Vote), Message: what, Actor: vote.By}
}

// approve decides that access is granted, and names the grant. The grant is made once this is stored.
func approve(f *Facts, v *Verdict, votes tally, reason string) {
	v.Status.Grant = &v1alpha1.RequestGrant{Name: GrantName(f.Request)}
	if f.Request.Spec.Emergency {
		due := f.Now.Add(f.terms().Emergency.ReviewTime())
		v.Status.Review = &v1alpha1.RequestReview{Due: metav1.NewTime(due.Truncate(time.Second))}
	}
	for i := range f.Request.Spec.Votes {
		if vote := &f.Request.Spec.Votes[i]; slices.Contains(votes.approved, vote.By) {
			v.Record(voted(vote, "an approver agreed"))
		}
	}
	d := v1alpha1.RequestDecision{Outcome: v1alpha1.RequestApproved, Reason: reason, By: votes.approved}
	if v.Status.Terms.Rule != "" {
		d.Message = "rule " + v.Status.Terms.Rule
	}
	finish(f, v, d)
}

// maxDecision is how many characters the message of a decision has at most.
const maxDecision = 512

// finish records a decision, which is final, and goes on with it.
func finish(f *Facts, v *Verdict, d v1alpha1.RequestDecision) {
	d.At, d.Message = f.now(), text.Cut(text.Plain(d.Message), maxDecision)
	v.Status.Decision, v.NextAt = &d, time.Time{}
	decided(f, v)
}
