package notify

import (
	"slices"
	"time"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// decided are the types by outcome.
var decided = map[v1alpha1.RequestPhase]Type{
	v1alpha1.RequestApproved:    RequestApproved,
	v1alpha1.RequestDenied:      RequestDenied,
	v1alpha1.RequestNotApproved: RequestNotApproved,
	v1alpha1.RequestWithdrawn:   RequestWithdrawn,
}

// OfRequest gives the events between two statuses of a request.
func OfRequest(before, after *v1alpha1.AccessRequest, now time.Time) []Event {
	var out []Event
	if waits(after) && !waits(before) {
		out = append(out, waiting(after, now))
	}
	if after.Decided() && !before.Decided() {
		out = append(out, decision(after))
	}
	if reviewed(after) && !reviewed(before) {
		e := ofRequest(after, ReviewDone, after.Status.Review.At.Time)
		e.Data.By = []string{after.Status.Review.By}
		out = append(out, e)
	}
	return out
}

// DueOfRequest gives the events of a request that come by time: that its review is due, and overdue.
func DueOfRequest(r *v1alpha1.AccessRequest) []Event {
	review := r.Status.Review
	if review == nil || review.At != nil || !r.Decided() {
		return nil
	}
	due := review.Due.Time
	soon := ofRequest(r, ReviewDue, due.Add(-reminder(due.Sub(r.Status.Decision.At.Time))))
	soon.Until = due
	overdue := ofRequest(r, ReviewOverdue, due)
	for _, e := range []*Event{&soon, &overdue} {
		e.Data.ReviewBy = moment(&review.Due)
		e.Data.Command = command("reviewed", e.Data)
	}
	return []Event{soon, overdue}
}

// reminder is how long before its end a time for a review is said to be nearly over.
func reminder(window time.Duration) time.Duration { return min(time.Hour, window/2) }

// waits reports whether those who decide are asked: the terms are pinned, and nothing was decided.
func waits(r *v1alpha1.AccessRequest) bool {
	if r.Status.Terms == nil || r.Decided() || r.Spec.Emergency {
		return false
	}
	return r.Status.Terms.Approvals > 0
}

// reviewed reports whether an emergency was reviewed.
func reviewed(r *v1alpha1.AccessRequest) bool {
	return r.Status.Review != nil && r.Status.Review.At != nil
}

// waiting asks those who decide.
func waiting(r *v1alpha1.AccessRequest, now time.Time) Event {
	e := ofRequest(r, RequestWaiting, now)
	terms := r.Status.Terms
	e.Data.Approvals = terms.Approvals
	e.Data.Approvers = &Approvers{Groups: slices.Clone(terms.Approvers.Groups), Users: slices.Clone(terms.Approvers.Users)}
	if e.Data.DecideBy = moment(r.Status.DecideBy); e.Data.DecideBy != nil {
		e.Until = *e.Data.DecideBy
	}
	e.Data.Command = command("approve", e.Data)
	return e
}

// decision tells what was decided.
func decision(r *v1alpha1.AccessRequest) Event {
	d := r.Status.Decision
	t := decided[d.Outcome]
	if d.Outcome == v1alpha1.RequestApproved && d.Reason == v1alpha1.ReasonEmergency {
		t = RequestEmergency
	}
	e := ofRequest(r, t, d.At.Time)
	e.Data.Why, e.Data.By, e.Data.Message = d.Reason, slices.Clone(d.By), free(d.Message)
	if r.Status.Grant != nil {
		e.Data.Grant = r.Status.Grant.Name
	}
	if t == RequestEmergency {
		e.Data.Command = command("reviewed", e.Data)
		if r.Status.Review != nil {
			e.Data.ReviewBy = moment(&r.Status.Review.Due)
		}
	}
	return e
}

// ofRequest is what every event of a request says.
func ofRequest(r *v1alpha1.AccessRequest, t Type, at time.Time) Event {
	policy := r.PolicyKey()
	e := Event{ID: id(r.UID, t), Type: t, Time: at, UID: r.UID, Data: Data{
		Kind: kindRequest, Namespace: r.Namespace, Name: r.Name, Request: r.Name, Policy: policy.Name, PolicyNamespace: policy.Namespace,
		Requester: r.Spec.Requester, Access: v1alpha1.LevelNames(r.Spec.Access), Dags: slices.Clone(r.Spec.Dags), Reason: free(r.Spec.Reason), Emergency: r.Spec.Emergency,
	}}
	if r.Spec.Duration != nil {
		e.Data.Duration = text.Short(r.Spec.Duration.Duration)
	}
	if terms := r.Status.Terms; terms != nil {
		e.Data.Subject, e.Data.Access, e.Data.Dags = terms.Subject.Name(), v1alpha1.LevelNames(terms.Access), slices.Clone(terms.Dags)
		e.Data.Duration = text.Short(terms.Duration.Duration)
	}
	return e
}
