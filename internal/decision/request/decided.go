package request

import (
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/decision"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// decided reports a request whose decision is final. Of one that was approved, the grant is made, its phase is copied, and
// an emergency is reviewed.
func decided(f *Facts, v *Verdict) {
	d := v.Status.Decision
	v.Status.Phase = d.Outcome
	c := decision.Conclusion{State: decision.StateSettled, Reason: d.Reason, Message: sentence(d), Warning: loud.Has(d.Reason)}
	approved := decision.Condition(v1alpha1.ConditionApproved, metav1.ConditionFalse, access.Problem{Reason: c.Reason, Message: c.Message})
	if d.Outcome != v1alpha1.RequestApproved {
		v.report(f, c, actor(f, c.Reason, d))
		v.conclude(c, lastAdmission(f, v, access.Problem{Reason: c.Reason, Message: c.Message}), approved)
		return
	}
	approved.Status = metav1.ConditionTrue
	c = grant(f, v, c)
	v.report(f, c, actor(f, c.Reason, d))
	v.conclude(c, admitted(), approved)
	review(f, v)
}

// sentences say how a request was decided. Those whose votes decided, and the message of the decision, come after it.
var sentences = map[string]string{
	v1alpha1.ReasonAgreed:           "approved",
	v1alpha1.ReasonRule:             "approved: the policy asks for no vote",
	v1alpha1.ReasonEmergency:        "approved without a vote, as an emergency",
	v1alpha1.ReasonDenied:           "denied",
	v1alpha1.ReasonDeniedByRule:     "denied by a rule of the policy",
	v1alpha1.ReasonTimedOut:         "not approved in time",
	v1alpha1.ReasonPolicyGone:       "not approved",
	v1alpha1.ReasonAccessNotCovered: "not approved",
	v1alpha1.ReasonWithdrawn:        "withdrawn",
}

// sentence is a decision in words.
func sentence(d *v1alpha1.RequestDecision) string {
	out := sentences[d.Reason]
	if len(d.By) > 0 {
		out += " by " + text.List(d.By, decision.Shown)
	}
	if d.Message != "" {
		out += ": " + d.Message
	}
	return out
}

// loud are the decisions whose Event is a warning.
var loud = sets.New(v1alpha1.ReasonEmergency, v1alpha1.ReasonDenied, v1alpha1.ReasonDeniedByRule, v1alpha1.ReasonPolicyGone)

// actor is who caused a conclusion: the author of the vote, or the requester. Whoever changed a policy is not known, and
// everything else is the operator's.
func actor(f *Facts, reason string, d *v1alpha1.RequestDecision) string {
	switch reason {
	case v1alpha1.ReasonEmergency, v1alpha1.ReasonWithdrawn:
		return f.Request.Spec.Requester
	case v1alpha1.ReasonDenied:
		return strings.Join(d.By, ", ")
	case v1alpha1.ReasonPolicyGone, v1alpha1.ReasonAccessNotCovered:
		return ""
	}
	return v1alpha1.ActorOperator
}

// grant goes on with the grant of an approved request, and returns the state of the request.
func grant(f *Facts, v *Verdict, c decision.Conclusion) decision.Conclusion {
	if v.Status.Grant == nil { // the decision was stored with it
		v.Status.Grant = &v1alpha1.RequestGrant{Name: GrantName(f.Request)}
	}
	follow(f, v.Status.Grant)
	if f.Request.Spec.Withdrawn {
		return decision.Conclusion{State: decision.StateSettled, Reason: v1alpha1.ReasonWithdrawn, Message: "withdrawn by its requester after it was approved: its access ends"}
	}
	name := v.Status.Grant.Name
	if v.Status.Grant.Phase != "" { // it was made
		c.Message += "; its access is that of AccessGrant " + name
		return c
	}
	if f.Grant != nil {
		return decision.Conclusion{
			State: decision.StateStalled, Reason: v1alpha1.ReasonGrantNameTaken, Warning: true,
			Message: "approved, but an AccessGrant " + name + " exists that was not made for this request: delete it",
		}
	}
	return begin(f, v, c)
}

// follow copies what readers of the request want to know of the grant. A grant that is gone gives nothing, and nothing more
// is claimed of it. The phase is never empty once the grant was seen: this is how it is known to have been made.
func follow(f *Facts, copied *v1alpha1.RequestGrant) {
	made := f.made()
	if made == nil {
		if copied.Phase != "" && !copied.Phase.Terminal() {
			copied.Phase = v1alpha1.GrantRevoked
		}
		return
	}
	copied.Phase = made.Status.Phase
	if copied.Phase == "" {
		copied.Phase = v1alpha1.GrantPending
	}
	copied.ExpiresAt, copied.RevokedAt = nil, made.Status.RevokedAt.DeepCopy()
	if a := made.Status.Activation; a != nil {
		copied.ExpiresAt = a.ExpiresAt.DeepCopy()
	}
}

// begin makes the grant of a request whose decision is stored, unless the time for that is over or the policy of today
// has nothing to give.
func begin(f *Facts, v *Verdict, c decision.Conclusion) decision.Conclusion {
	last := lastCall(f, v.Status.Decision)
	switch {
	case f.reached(last):
		return decision.Conclusion{
			State: decision.StateSettled, Reason: string(v1alpha1.EndNeverActivated), Warning: true,
			Message: "approved, but its grant could not be made in time: create another request if the access is still needed",
		}
	case f.Request.DeletionTimestamp != nil:
		return decision.Conclusion{State: decision.StateWorking, Reason: v1alpha1.ReasonDeleting, Message: "the request is being deleted, and no grant is made"}
	}
	v.Before(last)
	if why := replaced(f, v.Status.Terms); why != "" {
		return decision.Conclusion{State: decision.StateStalled, Reason: v1alpha1.ReasonPolicyGone, Warning: true, Message: "approved, but no grant is made: " + why}
	}
	levels := covered(f, v.Status.Terms)
	if len(levels) == 0 {
		return decision.Conclusion{
			State: decision.StateStalled, Reason: v1alpha1.ReasonAccessNotCovered, Warning: true,
			Message: "approved, but no grant is made: the policy no longer grants any of the levels in status.terms.access",
		}
	}
	c.State, c.Message = decision.StateWorking, c.Message+"; its AccessGrant "+v.Status.Grant.Name+" is being made"
	if f.Request.Decided() {
		v.Make = newGrant(f, v.Status.Terms, levels)
	} else {
		v.Before(f.Now) // to make it once the decision is stored
	}
	return c
}

// lastCall is when it is too late to make the grant: spec.grants.activateWithin of the policy after the decision, or after
// the start where that is later.
func lastCall(f *Facts, d *v1alpha1.RequestDecision) time.Time {
	return decision.Latest(d.At.Time, f.Request.Begin()).Add(f.Policy.ActivationTime())
}

// newGrant is the grant of an approved request. A start that has passed is left out, so that the time of access counts from
// its activation.
func newGrant(f *Facts, terms *v1alpha1.RequestTermsPinned, levels []v1alpha1.AccessLevel) *v1alpha1.AccessGrant {
	r, yes := f.Request, true
	g := &v1alpha1.AccessGrant{}
	g.Namespace, g.Name = r.Namespace, GrantName(r)
	g.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: "AccessRequest", Name: r.Name, UID: r.UID, Controller: &yes,
	}}
	g.Spec = v1alpha1.AccessGrantSpec{
		PolicyRef: r.Spec.PolicyRef, Subject: terms.Subject, Dags: append([]string(nil), terms.Dags...), Access: levels,
		Duration: &metav1.Duration{Duration: terms.Duration.Duration}, Reason: r.Spec.Reason,
		RequestRef: &v1alpha1.RequestReference{Name: r.Name, UID: string(r.UID)},
	}
	if start := r.Spec.StartsAt; start != nil && !f.reached(start.Time) {
		g.Spec.StartsAt = start.DeepCopy()
	}
	return g
}

// shortUID is how much of a request's UID the name of its grant has.
const shortUID = 8

// GrantName is the name of the grant of a request: that of the request, and the beginning of its UID, so that a request that
// is created again under the same name has another grant.
func GrantName(r *v1alpha1.AccessRequest) string {
	uid := string(r.UID)
	return r.Name + "-" + strings.TrimRight(uid[:min(len(uid), shortUID)], "-")
}

// review reports whether an emergency was reviewed, by the rules by which votes count. Where the policy is gone, the approvers
// are those who were pinned.
func review(f *Facts, v *Verdict) {
	r := v.Status.Review
	if r == nil {
		return
	}
	if r.At == nil {
		look(f, v)
	}
	v.Add(reviewed(f, v))
}

// look counts reviews.
func look(f *Facts, v *Verdict) {
	if f.Instance != nil && !f.Observed.Listed() {
		return // spellings of names are not known yet
	}
	policy := f.Policy
	if replaced(f, v.Status.Terms) != "" {
		policy = nil
	}
	var reviews []v1alpha1.Vote
	earlier := sets.New[string]()
	for _, vote := range f.Request.Spec.Votes {
		if vote.Vote == v1alpha1.VoteReviewed {
			reviews = append(reviews, vote)
		} else {
			earlier.Insert(vote.By)
		}
	}
	votes := newPanel(f.Request, v.Status.Terms, policy, f.Instance, f.Observed).tally(reviews, true)
	var ignored []v1alpha1.IgnoredVote
	for _, stored := range v.Status.Ignored {
		if earlier.Has(stored.By) {
			ignored = append(ignored, stored)
		}
	}
	v.Status.Ignored = slices.Concat(ignored, votes.ignored)
	if votes.reviewed == nil {
		return
	}
	switch {
	case !f.Proved.fresh(f.Now):
		v.NeedsProof = true
		return
	case f.Proved.Err != nil:
		v.Before(f.Proved.At.Add(proofLasts))
		return
	}
	at := f.now()
	v.Status.Review.By, v.Status.Review.At = votes.reviewed.By, &at
	v.Record(voted(votes.reviewed, "the emergency was reviewed"))
}

// reviewed is the condition of an emergency's review. It is news once it is overdue.
func reviewed(f *Facts, v *Verdict) metav1.Condition {
	r := v.Status.Review
	if r.At != nil {
		return decision.Condition(v1alpha1.ConditionReviewed, metav1.ConditionTrue, access.Problem{Reason: v1alpha1.ReasonReviewed, Message: "reviewed by " + r.By})
	}
	who := somebody(v.Status.Terms.Approvers)
	if !f.reached(r.Due.Time) {
		v.Before(r.Due.Time)
		return decision.Condition(v1alpha1.ConditionReviewed, metav1.ConditionFalse,
			access.Problem{Reason: v1alpha1.ReasonAwaitingReview, Message: "the emergency has to be reviewed: waiting for the vote Reviewed of " + who})
	}
	p := access.Problem{
		Reason:  v1alpha1.ReasonReviewOverdue,
		Message: "the review of the emergency is overdue, and further emergencies of its requester under this policy wait: waiting for the vote Reviewed of " + who,
	}
	if !decision.HasReason(f.Request.Status.Conditions, v1alpha1.ConditionReviewed, p.Reason) {
		v.Record(decision.Entry{Event: p.Reason, Message: p.Message, Warning: true, Actor: v1alpha1.ActorOperator})
	}
	return decision.Condition(v1alpha1.ConditionReviewed, metav1.ConditionFalse, p)
}
