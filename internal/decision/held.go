package decision

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// held decides about a grant that was activated and has no end: it ends, follows a changed end, and says what was seen.
func (d *draft) held() {
	d.Hold = true
	if reason := d.endHeld(); reason != "" {
		d.finish(reason)
		return
	}
	follows := d.follow()
	due := d.removal(d.Activation.ExpiresAt.Time)
	if !d.Now.Before(due) {
		d.finish(v1alpha1.EndExpired)
		return
	}
	d.NextAt = due
	d.observe(follows)
}

// endHeld gives the reason that ends an activated grant. Time comes first, so that an outage across the end is told as
// what it was; a deletion before that moment is told as a deletion.
func (d *draft) endHeld() v1alpha1.EndReason {
	due := d.removal(d.Activation.ExpiresAt.Time)
	deleted := d.Grant.DeletionTimestamp
	switch {
	case deleted != nil && deleted.Time.Before(due):
		return v1alpha1.EndDeleted
	case !d.Now.Before(due):
		return v1alpha1.EndExpired
	case deleted != nil:
		return v1alpha1.EndDeleted
	case d.Grant.Spec.Revoke != nil:
		return v1alpha1.EndRevoked
	case d.instanceLost() || d.Instance.DeletionTimestamp != nil:
		return v1alpha1.EndInstanceDeleted
	case d.Policy == nil || d.Policy.DeletionTimestamp != nil:
		return v1alpha1.EndPolicyDeleted
	case d.Policy.Spec.Grants == nil:
		return v1alpha1.EndPolicyChanged
	case d.subjectChanged():
		return v1alpha1.EndSubjectChanged
	}
	return ""
}

// subjectChanged is true when a pass found another person under the pinned user name.
func (d *draft) subjectChanged() bool {
	seen := d.current()
	if seen == nil {
		return false
	}
	for _, p := range []*access.Problem{seen.Desire.Problem, seen.Proof.Problem} {
		if p != nil && p.Reason == v1alpha1.ReasonSubjectChanged {
			return true
		}
	}
	return false
}

// follow moves the pinned end to what spec and policy say today, and says what of the spec it could not follow.
func (d *draft) follow() admission {
	at, says := d.Activation.At.Time, admitted
	want := d.Grant.AskedEnd(at)
	if bound := at.Add(d.Policy.Spec.Grants.MaxDuration.Duration); bound.Before(want) {
		want = bound
		says = admission{metav1.ConditionTrue, v1alpha1.ReasonExtensionTooLong,
			"the policy's maxDuration counted from activation does not allow the end that is asked for: it ends earlier"}
	}
	want = want.Truncate(time.Second)
	if !want.After(d.Now) {
		want = d.Now.Truncate(time.Second)
	}
	pinned := d.Activation.ExpiresAt.Time
	if why := d.givesNothingNew(); why != "" && pinned.Before(want) {
		want = pinned
		says = admission{metav1.ConditionTrue, v1alpha1.ReasonExtensionNotAllowed, "a later end is asked for, and not given while " + why}
	}
	switch {
	case want.Before(pinned):
		d.tell(v1alpha1.ReasonShortened, "its end was moved to an earlier moment", false)
	case pinned.Before(want):
		d.tell(v1alpha1.ReasonExtended, "its end was moved to a later moment", false)
	}
	d.Activation.ExpiresAt = metav1.NewTime(want)
	return says
}

// givesNothingNew says why a live grant is given no more than it has; empty where it may be.
func (d *draft) givesNothingNew() string {
	switch {
	case !d.NamespaceAllowed:
		return "the policy takes no grants from this namespace any more"
	case d.Policy.Spec.State == v1alpha1.PolicySuspended:
		return "the policy is suspended"
	case d.Instance.Spec.Mode == v1alpha1.ModeObserve:
		return "the AirflowInstance is in mode Observe"
	case d.Instance.Spec.Mode == v1alpha1.ModeSuspended:
		return "the AirflowInstance is in mode Suspended"
	}
	return ""
}

// current is what a pass that knew the grant as live saw after its activation; nil where there was none.
func (d *draft) current() *access.GrantReport {
	if d.Sight == nil || d.Sight.Grant == nil || !d.Sight.Grant.Desire.Live {
		return nil
	}
	if d.Sight.Grant.ObservedAt.Before(d.Activation.At.Time) {
		return nil
	}
	return d.Sight.Grant
}

// takenAway is true when a pass that knew the activation does not give the grant, and saw that it is gone: by another
// clock its time is over, or the pass saw a change before us.
func (d *draft) takenAway() bool {
	return d.Sight != nil && d.Sight.Grant != nil && !d.Sight.Grant.Desire.Live && d.Sight.Grant.Proof.Absent &&
		!d.Sight.Grant.ObservedAt.Before(d.Activation.At.Time)
}

// observe says what was seen of a live grant.
func (d *draft) observe(a admission) {
	if stored := d.stored(v1alpha1.ConditionAdmitted); a != admitted && (stored == nil || stored.Reason != a.reason) {
		d.tell(a.reason, a.message, true)
	}
	seen := d.current()
	if d.Phase != v1alpha1.GrantActive {
		d.Phase = v1alpha1.GrantPending
	}
	lastLook := latest(d.Activation.At.Time, d.Since)
	if seen != nil {
		lastLook = latest(lastLook, seen.ObservedAt)
	}
	blind := lastLook.Add(2 * d.Instance.Interval())
	if d.Now.Before(blind) {
		d.NextAt = earliest(d.NextAt, blind)
	}
	s := d.sightState(seen, !d.Now.Before(blind))
	if s.word == v1alpha1.ReasonActive {
		d.Phase = v1alpha1.GrantActive
	}
	d.announce(s)
	d.conclude(s, a)
	d.addSeen(s, seen)
}

// addSeen adds what a pass says of a live grant besides; what is stored stays until a pass says something.
func (d *draft) addSeen(s state, seen *access.GrantReport) {
	if seen == nil {
		for _, kept := range []string{v1alpha1.ConditionLeastPrivilege, v1alpha1.ConditionLevelsSupported, v1alpha1.ConditionDagsPending} {
			if c := d.stored(kept); c != nil {
				d.add(c.Type, c.Status, c.Reason, c.Message)
			}
		}
		return
	}
	if least, told := leastPrivilege(seen.Proof.LeastPrivilege); told {
		before := d.stored(v1alpha1.ConditionLeastPrivilege)
		if least.Status != metav1.ConditionTrue && least.Reason != s.word && (before == nil || before.Reason != least.Reason) {
			d.tell(least.Reason, least.Message, true)
		}
		d.Conditions = append(d.Conditions, least)
	}
	if pending := seen.Desire.Pending; len(pending) > 0 {
		d.add(v1alpha1.ConditionDagsPending, metav1.ConditionTrue, v1alpha1.ReasonDagPending, uncovered(pending))
	}
	for _, note := range seen.Desire.Notes {
		if note.Reason == v1alpha1.ReasonLevelNotSupported {
			d.add(v1alpha1.ConditionLevelsSupported, metav1.ConditionFalse, note.Reason, note.Message)
		}
	}
}

// sightState gives the state of a live grant.
func (d *draft) sightState(seen *access.GrantReport, blind bool) state {
	switch {
	case blind:
		return state{
			word: v1alpha1.ReasonNotObserved, message: "Airflow was not looked at for twice the interval: see the conditions of the AirflowInstance",
			ready: metav1.ConditionFalse, active: metav1.ConditionUnknown, inSync: metav1.ConditionUnknown, warning: true,
		}
	case seen == nil:
		return d.unseenState()
	case seen.Proof.Present && seen.Proof.Empty:
		return state{
			word: v1alpha1.ReasonDagPending, message: "nothing is given now, and its time runs: " + uncovered(seen.Desire.Pending),
			ready: metav1.ConditionTrue, active: metav1.ConditionFalse, inSync: metav1.ConditionTrue,
		}
	case seen.Proof.Present:
		return state{
			word: v1alpha1.ReasonActive, message: "Airflow was seen to store it",
			ready: metav1.ConditionTrue, active: metav1.ConditionTrue, inSync: metav1.ConditionTrue,
		}
	}
	for _, p := range []*access.Problem{seen.Desire.Problem, seen.Proof.Problem} {
		if p == nil {
			continue
		}
		s := state{word: p.Reason, message: p.Message, ready: metav1.ConditionFalse, active: metav1.ConditionFalse, inSync: metav1.ConditionFalse, warning: true}
		if quiet[p.Reason] {
			s.ready, s.warning = metav1.ConditionTrue, false
		}
		return s
	}
	if d.Phase == v1alpha1.GrantActive {
		return missing
	}
	return activating
}

// gaveNothing says whether the stored status is that of a live grant that gave nothing when it was seen last.
func (d *draft) gaveNothing() bool {
	c := d.stored(v1alpha1.ConditionInSync)
	return c != nil && c.Reason == v1alpha1.ReasonDagPending
}

// unseenState gives the state of a live grant of which no pass says anything now.
func (d *draft) unseenState() state {
	switch {
	case d.Phase == v1alpha1.GrantActive && d.takenAway():
		return missing
	case d.Phase == v1alpha1.GrantActive || d.gaveNothing():
		return d.asStored()
	}
	return activating
}

// uncovered says which DAGs of a live grant cannot be given.
func uncovered(pending []string) string {
	dags := "any DAG"
	if len(pending) > 0 {
		dags = text.List(pending, shown)
	}
	return "its policy does not cover " + dags + " now, or Airflow does not know what it covers yet"
}

var missing = state{
	word: v1alpha1.ReasonMissing, message: "Airflow does not store it any more although it has not ended by our clock",
	ready: metav1.ConditionFalse, active: metav1.ConditionFalse, inSync: metav1.ConditionFalse, warning: true,
}

// asStored keeps what the status says until a pass reports.
func (d *draft) asStored() state {
	s := state{word: v1alpha1.ReasonActive, message: "Airflow was seen to store it", ready: metav1.ConditionTrue, active: metav1.ConditionTrue, inSync: metav1.ConditionTrue}
	ready, active, inSync := d.stored(v1alpha1.ConditionReady), d.stored(v1alpha1.ConditionActive), d.stored(v1alpha1.ConditionInSync)
	if ready == nil || active == nil || inSync == nil {
		return s
	}
	return state{word: ready.Reason, message: ready.Message, ready: ready.Status, active: active.Status, inSync: inSync.Status}
}
