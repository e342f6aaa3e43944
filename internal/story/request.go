package story

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// tellRequest adds the moments of a request.
func tellRequest(t *teller, r *v1alpha1.AccessRequest) {
	t.at(r.CreationTimestamp.Time, rankMade, Moment{
		By: r.Spec.Requester, What: asked(r), Note: r.Spec.Reason, Source: SourceRequest,
	})
	covered := map[string]bool{}
	if d := r.Status.Decision; d != nil {
		covered[d.Reason], covered[string(v1alpha1.VoteApprove)] = true, true // an approval is recorded when it is counted
		t.at(d.At.Time, rankDecided, Moment{By: v1alpha1.ActorOperator, What: decided(r, d), Source: SourceRequest})
	}
	if review := r.Status.Review; review != nil && review.By != "" {
		covered[v1alpha1.ReasonReviewed] = true
	}
	t.history(SourceRequest, r.Status.History, rankBefore, covered)
	for i := range r.Spec.Votes {
		tellVote(t, r, &r.Spec.Votes[i])
	}
	if r.Spec.Withdrawn {
		t.around(decisionAt(r), rankBefore, Moment{By: r.Spec.Requester, What: "withdrew the request", Source: SourceRequest})
	}
}

// asked says what the request asks for.
func asked(r *v1alpha1.AccessRequest) string {
	what := "asked for " + Terms(r)
	if len(r.Spec.Groups) > 0 {
		what += ", as a member of " + strings.Join(r.Spec.Groups, ", ")
	}
	if r.Spec.Emergency {
		what += ", as an emergency"
	}
	return what
}

// Terms are the terms of a request in words: levels, DAGs, policy, duration and start.
func Terms(r *v1alpha1.AccessRequest) string {
	levels, duration := r.Spec.Access, r.Spec.Duration
	if pinned := r.Status.Terms; pinned != nil {
		levels, duration = pinned.Access, &pinned.Duration
	}
	words := []string{access(levels, r.Spec.Dags, r.Spec.PolicyRef)}
	if duration != nil {
		words = append(words, "for "+Duration(*duration))
	}
	if r.Spec.StartsAt != nil {
		words = append(words, "from "+Stamp(r.Spec.StartsAt.Time))
	}
	return strings.Join(words, " ")
}

// access names levels and DAGs of a policy; none of either means all of them.
func access(levels []v1alpha1.AccessLevel, dags []string, under v1alpha1.PolicyReference) string {
	what := "all levels"
	if len(levels) > 0 {
		what = strings.Join(v1alpha1.LevelNames(levels), ", ")
	}
	if len(dags) == 0 {
		return what + " on all DAGs of policy " + policy(under)
	}
	return what + " on " + strings.Join(dags, ", ") + " under policy " + policy(under)
}

func policy(ref v1alpha1.PolicyReference) string {
	if ref.Namespace == "" {
		return ref.Name
	}
	return ref.Namespace + "/" + ref.Name
}

// decided says how a request was decided.
func decided(r *v1alpha1.AccessRequest, d *v1alpha1.RequestDecision) string {
	by := strings.Join(d.By, " and ")
	rule := ""
	if r.Status.Terms != nil && r.Status.Terms.Rule != "" {
		rule = " by rule " + r.Status.Terms.Rule
	}
	switch d.Reason {
	case v1alpha1.ReasonAgreed:
		return fmt.Sprintf("approved: %s agreed%s", by, rule)
	case v1alpha1.ReasonRule:
		return "approved" + rule + ": no approval was needed"
	case v1alpha1.ReasonEmergency:
		return "approved at once: an emergency, to be reviewed afterwards"
	case v1alpha1.ReasonDenied:
		return "denied: " + by + " refused"
	case v1alpha1.ReasonDeniedByRule:
		return "denied" + rule + ": " + d.Message
	case v1alpha1.ReasonTimedOut:
		return fmt.Sprintf("not approved in time: %d of %d approvals", r.Status.Given, needed(r))
	case v1alpha1.ReasonWithdrawn:
		return "ended: withdrawn by its requester"
	}
	said := "ended without access: " + d.Reason
	if d.Message != "" {
		said += ": " + d.Message
	}
	return said
}

// needed is how many approvals a request needs; 0 before its terms are pinned.
func needed(r *v1alpha1.AccessRequest) int32 {
	if r.Status.Terms == nil {
		return 0
	}
	return r.Status.Terms.Approvals
}

// verbs are the votes in words.
var verbs = map[v1alpha1.VoteKind]string{
	v1alpha1.VoteApprove: "approved", v1alpha1.VoteDeny: "denied", v1alpha1.VoteReviewed: "reviewed the emergency",
}

// tellVote adds one vote. A vote has no time of its own: it is before the decision, or before the review that it made.
func tellVote(t *teller, r *v1alpha1.AccessRequest, v *v1alpha1.Vote) {
	m := Moment{By: v.By, What: verbs[v.Vote], Note: v.Comment, Source: SourceRequest}
	if len(v.Groups) > 0 {
		m.What += ", as a member of " + strings.Join(v.Groups, ", ")
	}
	for _, ignored := range r.Status.Ignored {
		if ignored.By == v.By {
			m.What += " (does not count: " + ignored.Why + ")"
		}
	}
	review := r.Status.Review
	if v.Vote != v1alpha1.VoteReviewed {
		t.around(decisionAt(r), rankBefore, m)
		return
	}
	if review != nil && review.By == v.By && review.At != nil {
		t.at(review.At.Time, rankLive, m)
		return
	}
	t.around(nil, rankBefore, m)
}

// decisionAt is when a request was decided; nil before.
func decisionAt(r *v1alpha1.AccessRequest) *metav1.Time {
	if r.Status.Decision == nil {
		return nil
	}
	return &r.Status.Decision.At
}
