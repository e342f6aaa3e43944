package grant

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/decision"
)

// endTexts say in a sentence why a grant ended.
var endTexts = map[v1alpha1.EndReason]string{
	v1alpha1.EndExpired:         "the grant's time is over",
	v1alpha1.EndRevoked:         "the grant was revoked",
	v1alpha1.EndWithdrawn:       "the request for which the grant was made was withdrawn or deleted",
	v1alpha1.EndDeleted:         "the grant was deleted",
	v1alpha1.EndPolicyDeleted:   "the grant's policy was deleted",
	v1alpha1.EndPolicyChanged:   "the grant's policy no longer allows grants",
	v1alpha1.EndSubjectChanged:  "the subject's user name belongs to another Airflow user now: create a new grant if that user should have access",
	v1alpha1.EndInstanceDeleted: "the grant's AirflowInstance was deleted or abandoned",
	v1alpha1.EndNeverActivated:  "the grant was not activated in time: create a new grant if the access is still needed",
	v1alpha1.EndAlreadySpent:    "a grant of this name with the same terms was ended early and deleted: change the name or the terms",
}

// endText says in a sentence why a grant ended, as far as its object shows more than the reason.
func endText(f *Facts, reason v1alpha1.EndReason) string {
	g := f.Grant
	switch {
	case reason != v1alpha1.EndNeverActivated, g.AskedEnd(g.Begin()).After(g.CreationTimestamp.Time):
		return endTexts[reason]
	case g.Spec.ExpiresAt != nil:
		return "spec.expiresAt was in the past when the grant was created: create a new grant with a later end"
	}
	return "the time from spec.startsAt was over when the grant was created: create a new grant with a later start"
}

// byOperator are the ends that the operator decides: by time, by its record of spent terms, or by what it read from
// Airflow. Every other end is the act of whoever changed or deleted an object, which does not always say by which user.
var byOperator = sets.New(v1alpha1.EndExpired, v1alpha1.EndNeverActivated, v1alpha1.EndAlreadySpent, v1alpha1.EndSubjectChanged)

// inTime are the ends that time brings; the phase after them is Expired, after all others Revoked.
var inTime = sets.New(v1alpha1.EndExpired, v1alpha1.EndNeverActivated)

// removalConfirmed is the proof of a removal in words.
const removalConfirmed = "removal confirmed: Airflow no longer stores this access"

// ended is the entry of an end, with what a user gave as the reason of a revocation and with the user where an object says
// by whom it ended: the API server has refused any other name.
func ended(f *Facts, reason v1alpha1.EndReason) decision.Entry {
	if byOperator.Has(reason) {
		return acted(string(reason), endText(f, reason))
	}
	entry := changed(string(reason), endText(f, reason))
	revoke := f.Grant.Spec.Revoke
	switch {
	case reason == v1alpha1.EndRevoked && revoke != nil:
		entry.Actor = revoke.By
		if revoke.Reason != "" {
			entry.Message += ": " + revoke.Reason
		}
	case reason == v1alpha1.EndWithdrawn && f.Request != nil && f.Request.Spec.Withdrawn:
		entry.Actor = f.Request.Spec.Requester
	}
	return entry
}

// finish records the end, which is final, and goes on with it.
func finish(f *Facts, v *Verdict, reason v1alpha1.EndReason) {
	v.End = &v1alpha1.End{Reason: reason, At: metav1.NewTime(f.now())}
	v.Record(ended(f, reason))
	end(f, v)
}

// end goes on with a grant whose end is recorded: it waits until the removal from Airflow is confirmed. Where nothing was
// activated there is nothing to confirm, and where the instance is lost nothing can be: both close the grant at once, the
// latter without a claim (removedAt and revokedAt stay empty).
func end(f *Facts, v *Verdict) {
	_, early := SpentEntry(ending(f, v))
	v.Hold = early || v.Activation != nil
	if v.Activation == nil || f.lost() {
		closed(v)
		final(f, v)
		return
	}
	if r := f.Report; r != nil && removed(f, v, r) {
		v.RemovedAt, v.RevokedAt = upwards(r.ObservedAt), upwards(r.ObservedAt.Add(f.CacheTTL))
		closed(v)
		v.Record(acted(v1alpha1.ReasonRemoved, removalConfirmed))
		final(f, v)
		return
	}
	v.Phase, v.Urgent = v1alpha1.GrantEnding, true
	v.conclude(decision.Conclusion{
		State: decision.StateEnding, Reason: v1alpha1.ReasonEnding, Message: endText(f, v.End.Reason) + "; its access is being revoked in Airflow",
	}, lastAdmission(f, v))
}

// removed reports whether a pass that knew of the end proved that Airflow does not store the grant. The end is stored in
// whole seconds; an observation in the same second counts, because a pass that does not grant the grant never grants it
// again.
func removed(f *Facts, v *Verdict, r *access.GrantReport) bool {
	ends := v.End.At.Time
	if v.End.Reason == v1alpha1.EndExpired {
		ends = f.removal(v.Activation.ExpiresAt.Time) // from this planned moment on no pass grants it
	}
	return absent(r) && !r.ObservedAt.Before(ends)
}

// upwards rounds up to whole seconds, in which times are stored: what is claimed is never earlier than what was observed.
func upwards(t time.Time) *metav1.Time {
	whole := t.Truncate(time.Second)
	if whole.Before(t) {
		whole = whole.Add(time.Second)
	}
	return &metav1.Time{Time: whole}
}

// closed sets the final phase by the reason of the end.
func closed(v *Verdict) {
	v.Phase = v1alpha1.GrantRevoked
	if inTime.Has(v.End.Reason) {
		v.Phase = v1alpha1.GrantExpired
	}
}

// final reports a grant in a final phase. Only its conditions are computed again.
func final(f *Facts, v *Verdict) {
	c := decision.Conclusion{State: decision.StateEndedUnused, Reason: string(v1alpha1.EndExpired)}
	if v.End != nil {
		c.Reason, c.Message = string(v.End.Reason), endText(f, v.End.Reason)
	}
	switch {
	case v.RemovedAt != nil:
		c.State = decision.StateEnded
		c.Message += "; " + removalConfirmed
	case v.Activation != nil:
		c.State = decision.StateEndedUnproved
		c.Message += "; removal not confirmed: nothing is known about the access that Airflow still stores"
	}
	v.conclude(c, lastAdmission(f, v))
}

// tooLate is the note of a grant whose end was changed after it had ended.
var tooLate = access.Problem{
	Reason: v1alpha1.ReasonExtensionTooLate, Message: "the later end was requested after the grant had ended: create a new grant",
}

// lastAdmission repeats what was reported about the admission before the end, or reports that a later change of the end
// is ignored.
func lastAdmission(f *Facts, v *Verdict) metav1.Condition {
	last := storedAdmission(f, v)
	if !extendedTooLate(f, v, last) {
		return last
	}
	if last.Reason != tooLate.Reason {
		v.Record(warned(tooLate.Reason, tooLate.Message))
	}
	return admitted(tooLate)
}

// storedAdmission is the stored condition; where there is none, a grant that was never activated was not admitted.
func storedAdmission(f *Facts, v *Verdict) metav1.Condition {
	if stored := f.Grant.Condition(v1alpha1.ConditionAdmitted); stored != nil {
		return decision.Condition(stored.Type, stored.Status, access.Problem{Reason: stored.Reason, Message: stored.Message})
	}
	if v.Activation != nil || v.End == nil {
		return admitted(allowed)
	}
	return notAdmitted(access.Problem{Reason: string(v.End.Reason), Message: endText(f, v.End.Reason)})
}

// bounded are the notes of a grant that asks for a later end than it gets, as was reported before its end.
var bounded = sets.New(v1alpha1.ReasonExtensionTooLong, v1alpha1.ReasonExtensionNotAllowed)

// extendedTooLate reports whether the spec asks for a later end since the end was recorded.
func extendedTooLate(f *Facts, v *Verdict, last metav1.Condition) bool {
	if v.Activation == nil {
		return false
	}
	if f.Grant.Generation == f.Grant.Status.ObservedGeneration { // the spec is the one that was judged last
		if f.Grant.Status.End != nil || bounded.Has(last.Reason) {
			return false
		}
	}
	return f.Grant.AskedEnd(v.Activation.At.Time).After(v.Activation.ExpiresAt.Time)
}

// ending is a copy of the grant with the activation and the end of the verdict.
func ending(f *Facts, v *Verdict) *v1alpha1.AccessGrant {
	g := &v1alpha1.AccessGrant{ObjectMeta: f.Grant.ObjectMeta, Spec: f.Grant.Spec}
	g.Status.Activation, g.Status.End = v.Activation, v.End
	return g
}

// release decides whether a grant that is being deleted may go: it was never activated, or its removal is confirmed and
// its terms are retained, or nothing can be proved any more.
func release(f *Facts, v *Verdict) {
	switch {
	case f.Grant.DeletionTimestamp == nil:
	case f.lost():
		v.Release = true
	case v.End == nil:
		v.Release = v.Activation == nil
	case v.Phase.Terminal():
		releaseEnded(f, v)
	}
}

// releaseEnded releases a grant once its instance retains its terms, or its time would be over. Before that, a tool that
// creates the same object again would get the access again.
func releaseEnded(f *Facts, v *Verdict) {
	spent, early := SpentEntry(ending(f, v))
	if !early || f.reached(spent.Until.Time) {
		v.Release = true
		return
	}
	v.Before(spent.Until.Time)
	retained := f.Instance.Status.Spent
	v.Release = slices.ContainsFunc(retained, func(entry v1alpha1.SpentGrant) bool { return entry.UID == spent.UID })
	if !v.Release && len(retained) >= MaxSpent {
		// Conditions are never empty here: the first is Ready.
		v.Conditions[0].Message += "; the grant stays until its time would be over, or until status.spent of the AirflowInstance has room for its terms:" +
			" without them the same object, created again, would be activated"
	}
}
