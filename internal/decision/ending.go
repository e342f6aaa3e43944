package decision

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// endTexts say in words why a grant ended.
var endTexts = map[v1alpha1.EndReason]string{
	v1alpha1.EndExpired:         "its time is over",
	v1alpha1.EndRevoked:         "it was revoked",
	v1alpha1.EndDeleted:         "it was deleted",
	v1alpha1.EndPolicyDeleted:   "its policy was deleted",
	v1alpha1.EndPolicyChanged:   "its policy no longer takes grants",
	v1alpha1.EndSubjectChanged:  "the Airflow user is no longer the one that was given access: make another grant if the new one should have it",
	v1alpha1.EndInstanceDeleted: "its AirflowInstance was deleted or abandoned",
	v1alpha1.EndNeverActivated:  "it was never given, and the time for that is over",
	v1alpha1.EndAlreadySpent:    "a grant of this name with the same terms was ended early and deleted: change the name or the terms",
}

// finish writes the end and goes on with it.
func (d *draft) finish(reason v1alpha1.EndReason) {
	d.End = &v1alpha1.End{Reason: reason, At: metav1.NewTime(d.Now.Truncate(time.Second))}
	message := endTexts[reason]
	if reason == v1alpha1.EndRevoked && d.Grant.Spec.Revoke != nil && d.Grant.Spec.Revoke.Reason != "" {
		message += ": " + d.Grant.Spec.Revoke.Reason
	}
	d.tell(string(reason), message, false)
	d.ending()
}

// ending goes on with a grant whose end is written: it waits for the proof, where there can be one.
func (d *draft) ending() {
	_, early := SpentEntry(d.withVerdict())
	d.Hold = d.Activation != nil || early
	switch {
	case d.Activation == nil, d.instanceLost():
		d.close()
		d.finished()
		return
	case d.removed():
		observed := d.Sight.Grant.ObservedAt
		removedAt, revokedAt := ceil(observed), ceil(observed.Add(d.CacheTTL))
		d.RemovedAt, d.RevokedAt = &removedAt, &revokedAt
		d.close()
		d.tell(v1alpha1.ReasonRemoved, "Airflow was seen not to store it any more", false)
		d.finished()
		return
	}
	d.Phase, d.Urgent = v1alpha1.GrantEnding, true
	d.conclude(state{
		word: v1alpha1.ReasonEnding, message: endTexts[d.End.Reason] + ": it is being taken away",
		ready: metav1.ConditionFalse, active: metav1.ConditionUnknown, inSync: metav1.ConditionFalse,
	}, d.lastAdmission())
}

// removed is true when a pass that knew of the end proved that Airflow does not store the grant. The end is stored in
// whole seconds; a look in the same second counts, because a pass that does not give the grant never gives it again.
func (d *draft) removed() bool {
	if d.Sight == nil || d.Sight.Grant == nil {
		return false
	}
	seen := d.Sight.Grant
	return seen.Proof.Absent && !seen.Desire.Live && !seen.ObservedAt.Before(d.endedAt())
}

// endedAt is the moment from which on no pass gives the grant: the planned one where time ended it, else that of the
// decision.
func (d *draft) endedAt() time.Time {
	if d.End.Reason == v1alpha1.EndExpired {
		return d.removal(d.Activation.ExpiresAt.Time)
	}
	return d.End.At.Time
}

// close gives the final phase.
func (d *draft) close() {
	d.Phase = v1alpha1.GrantRevoked
	if d.End.Reason == v1alpha1.EndExpired || d.End.Reason == v1alpha1.EndNeverActivated {
		d.Phase = v1alpha1.GrantExpired
	}
}

// finished states the end of a grant in a final phase. Only its conditions are made again.
func (d *draft) finished() {
	s := state{word: string(v1alpha1.EndExpired), ready: metav1.ConditionTrue, active: metav1.ConditionFalse}
	if d.End != nil {
		s.word, s.message = string(d.End.Reason), endTexts[d.End.Reason]
	}
	switch {
	case d.RemovedAt != nil:
		s.inSync = metav1.ConditionTrue
		s.message += "; Airflow was seen not to store it any more"
	case d.Activation != nil:
		s.inSync = metav1.ConditionUnknown
		s.message += "; nothing is claimed about what that Airflow still stores"
	}
	d.conclude(s, d.lastAdmission())
}

// lastAdmission repeats what was said about the admission before the end, and says when a later change of the end was
// ignored.
func (d *draft) lastAdmission() admission {
	last := admitted
	if stored := d.stored(v1alpha1.ConditionAdmitted); stored != nil {
		last = admission{stored.Status, stored.Reason, stored.Message}
	} else if d.Activation == nil {
		last = admission{metav1.ConditionFalse, string(d.End.Reason), endTexts[d.End.Reason]}
	}
	if d.Activation == nil || d.Grant.Generation == d.Grant.Status.ObservedGeneration && d.Grant.Status.End != nil {
		return last
	}
	known := []string{v1alpha1.ReasonExtensionTooLong, v1alpha1.ReasonExtensionNotAllowed}
	bounded := slices.Contains(known, last.reason) && d.Grant.Generation == d.Grant.Status.ObservedGeneration
	if bounded || !d.Grant.AskedEnd(d.Activation.At.Time).After(d.Activation.ExpiresAt.Time) {
		return last
	}
	late := admission{metav1.ConditionTrue, v1alpha1.ReasonExtensionTooLate, "the later end was asked for after the grant had ended: make another grant"}
	if last.reason != late.reason {
		d.tell(late.reason, late.message, true)
	}
	return late
}

// withVerdict gives a copy of the grant with the activation and end of the verdict.
func (d *draft) withVerdict() *v1alpha1.AccessGrant {
	g := &v1alpha1.AccessGrant{ObjectMeta: d.Grant.ObjectMeta, Spec: d.Grant.Spec}
	g.Status.Activation, g.Status.End = d.Activation, d.End
	return g
}

// release decides whether a grant that is being deleted may go: nothing was given, or it was proved gone and its terms
// are kept, or nothing can be proved any more.
func (d *draft) release() {
	if d.Grant.DeletionTimestamp == nil {
		return
	}
	if d.End == nil || d.instanceLost() {
		d.Release = d.Activation == nil || d.instanceLost()
		return
	}
	if !d.Phase.Terminal() {
		return
	}
	spent, early := SpentEntry(d.withVerdict())
	if !early || !d.Now.Before(spent.Until.Time) {
		d.Release = true
		return
	}
	d.NextAt = earliest(d.NextAt, spent.Until.Time)
	for _, entry := range d.Instance.Status.Spent {
		d.Release = d.Release || entry.UID == spent.UID
	}
	if !d.Release && len(d.Instance.Status.Spent) >= MaxSpent {
		// Conditions are never empty here: the first is Ready.
		d.Conditions[0].Message += "; it stays until its time would have been over or there is room for its terms in status.spent of the AirflowInstance: without them the same object made again would begin"
	}
}
