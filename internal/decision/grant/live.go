package grant

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/decision"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// live decides about a grant that was activated and has no end: it ends, follows an end that was changed, and reports
// what was observed of it.
func live(f *Facts, v *Verdict) {
	v.Hold = true
	if reason := endLive(f); reason != "" {
		finish(f, v, reason)
		return
	}
	follows := follow(f, v)
	due := f.removal(v.Activation.ExpiresAt.Time)
	if f.reached(due) {
		finish(f, v, v1alpha1.EndExpired)
		return
	}
	v.NextAt = due
	report(f, v, follows)
}

// endLive returns the reason that ends an activated grant; empty where none does. Time comes first, so that an outage across
// the end is reported as an expiry; a deletion before that moment is reported as a deletion.
func endLive(f *Facts) v1alpha1.EndReason {
	due := f.removal(f.Grant.Status.Activation.ExpiresAt.Time)
	deleted := f.Grant.DeletionTimestamp
	if f.reached(due) {
		if deleted == nil || !deleted.Time.Before(due) {
			return v1alpha1.EndExpired
		}
		return v1alpha1.EndDeleted
	}
	switch {
	case deleted != nil:
		return v1alpha1.EndDeleted
	case f.Grant.Spec.Revoke != nil:
		return v1alpha1.EndRevoked
	case f.withdrawn():
		return v1alpha1.EndWithdrawn
	case f.lost(), f.Instance.DeletionTimestamp != nil:
		return v1alpha1.EndInstanceDeleted
	case f.policyGone():
		return v1alpha1.EndPolicyDeleted
	case f.Policy.Spec.Grants == nil:
		return v1alpha1.EndPolicyChanged
	case subjectChanged(f):
		return v1alpha1.EndSubjectChanged
	}
	return ""
}

// subjectChanged reports whether a pass found another user under the pinned user name. Names and ids are used again in
// Airflow, so that the same name alone does not prove the same user.
func subjectChanged(f *Facts) bool {
	proof := f.liveProof()
	return proof != nil && slices.ContainsFunc(problems(proof), func(p access.Problem) bool { return p.Reason == v1alpha1.ReasonSubjectChanged })
}

// tooLong and notAllowed are the notes of a grant whose spec asks for a later end than it gets.
var tooLong = access.Problem{
	Reason:  v1alpha1.ReasonExtensionTooLong,
	Message: "the requested end is later than the policy's maxDuration after activation allows: the grant ends earlier",
}

func notAllowed(why string) access.Problem {
	return access.Problem{Reason: v1alpha1.ReasonExtensionNotAllowed, Message: "a later end was requested, and is not applied while " + why}
}

// follow moves the pinned end to what spec and policy say today, and returns the condition that reports what of the spec
// could not be followed. The end is at most maxDuration after the activation and never in the past; an earlier end is
// always followed, a later one only while something may be granted.
func follow(f *Facts, v *Verdict) metav1.Condition {
	at, pinned, note := v.Activation.At.Time, v.Activation.ExpiresAt.Time, allowed
	want := f.Grant.AskedEnd(at)
	if bound := at.Add(f.Policy.Spec.Grants.MaxDuration.Duration); bound.Before(want) {
		want, note = bound, tooLong
	}
	want = decision.Latest(want.Truncate(time.Second), f.now())
	if why := extensionsStopped(f); why != "" && pinned.Before(want) {
		want, note = pinned, notAllowed(why)
	}
	switch {
	case want.Before(pinned):
		v.Record(changed(v1alpha1.ReasonShortened, "the grant's end was moved to an earlier time"))
	case pinned.Before(want):
		v.Record(changed(v1alpha1.ReasonExtended, "the grant's end was moved to a later time"))
	}
	v.Activation.ExpiresAt = metav1.NewTime(want)
	return admitted(note)
}

// extensionsStopped says why a live grant gets no more time than it has, as a clause; empty where it may. What stops the
// activation of a new grant stops the extension of a live one.
func extensionsStopped(f *Facts) string {
	if !f.NamespaceAllowed {
		return "the policy allows no grants in this namespace"
	}
	if paused := decision.PausedBy(f.Policy, f.Instance); paused != nil {
		return paused.What
	}
	return ""
}

// report writes the phase, the conditions and the entries of a live grant: its state, then what a pass found beside it. The
// phase becomes Active with the first confirmation and stays Active until the end, whatever is observed after.
func report(f *Facts, v *Verdict, follows metav1.Condition) {
	stored, proof := f.Grant.Status.Conditions, f.liveProof()
	if follows.Reason != allowed.Reason && !decision.HasReason(stored, follows.Type, follows.Reason) {
		v.Record(warned(follows.Reason, follows.Message))
	}
	if v.Phase != v1alpha1.GrantActive {
		v.Phase = v1alpha1.GrantPending
	}
	observed := decision.Latest(f.Grant.Status.Activation.At.Time, f.Since)
	if proof != nil {
		observed = decision.Latest(observed, proof.ObservedAt)
	}
	c := unobserved
	if blind := observed.Add(2 * f.Instance.Interval()); !f.reached(blind) {
		v.Before(blind)
		c = observe(f, v.Phase, proof)
	}
	if c.State == decision.StateActive {
		v.Phase = v1alpha1.GrantActive
	}
	v.Record(c.News(stored)...)
	v.conclude(c, follows)
	if proof == nil {
		v.Add(retained(stored)...)
		return
	}
	least := decision.LeastPrivilege(proof.Proof.LeastPrivilege)
	v.Record(decision.Excess(stored, least, c)...)
	v.Add(slices.Concat(least, limits(proof))...)
}

// unobserved, active and missing are states of a live grant.
var (
	unobserved = decision.Conclusion{
		State: decision.StateUnobserved, Reason: v1alpha1.ReasonNotObserved, Warning: true,
		Message: "Airflow was not observed for twice the spec.interval of the AirflowInstance: see the conditions of the AirflowInstance",
	}
	active  = decision.Conclusion{State: decision.StateActive, Reason: v1alpha1.ReasonActive, Message: "confirmed in Airflow"}
	missing = decision.Conclusion{
		State: decision.StateApplying, Reason: v1alpha1.ReasonMissing, Warning: true,
		Message: "Airflow no longer stores this access, and the grant has not ended: it is restored unless another clock says that it has",
	}
)

// observe returns the state of a live grant whose Airflow was observed lately. The proof is nil where no pass reports the
// grant as live.
func observe(f *Facts, phase v1alpha1.GrantPhase, proof *access.GrantReport) decision.Conclusion {
	if proof == nil {
		return unreported(f, phase)
	}
	if proof.Proof.Present {
		if proof.Proof.Empty {
			return empty(proof.Desire.Pending)
		}
		return active
	}
	if found := problems(proof); len(found) > 0 {
		return hindered(found[0])
	}
	if phase == v1alpha1.GrantActive {
		return missing
	}
	return activating()
}

// hindered is the state of a live grant that is not stored in Airflow because of a problem.
func hindered(p access.Problem) decision.Conclusion {
	if intended.Has(p.Reason) {
		return decision.Conclusion{State: decision.StatePaused, Reason: p.Reason, Message: p.Message, Warning: p.Reason == v1alpha1.ReasonSubjectGone}
	}
	return decision.Conclusion{State: decision.StateApplying, Reason: p.Reason, Message: p.Message, Warning: true}
}

// unreported returns the state of a live grant of which no pass reports anything now: that which is stored, once the grant
// was confirmed.
func unreported(f *Facts, phase v1alpha1.GrantPhase) decision.Conclusion {
	stored := f.Grant.Status.Conditions
	if phase != v1alpha1.GrantActive {
		if decision.HasReason(stored, v1alpha1.ConditionInSync, v1alpha1.ReasonDagPending) {
			return restored(stored)
		}
		return activating()
	}
	if f.revokedElsewhere() {
		return missing
	}
	return restored(stored)
}

// restored is the state that is stored of a live grant, so that a start of the operator changes no status before its first
// pass; where none is stored, it is the one in which the grant was confirmed.
func restored(stored []metav1.Condition) decision.Conclusion {
	c, ok := decision.Restore(stored, decision.StateActive, decision.StateEmpty, decision.StatePaused, decision.StateApplying, decision.StateUnobserved)
	if !ok {
		return active
	}
	return c
}

// empty is the state of a live grant that covers no DAG at present.
func empty(pending []string) decision.Conclusion {
	return decision.Conclusion{
		State: decision.StateEmpty, Reason: v1alpha1.ReasonDagPending,
		Message: "no access at present, and the grant's time is running: " + uncovered(pending),
	}
}

// uncovered says which DAGs of a live grant it does not cover at present.
func uncovered(pending []string) string {
	dags := "any DAG"
	if len(pending) > 0 {
		dags = "DAG " + text.List(pending, decision.Shown)
	}
	return "the policy does not cover " + dags + ", or Airflow does not know yet what it covers"
}

// limits are the conditions of a live grant that is applied in part: DAGs that its policy does not cover at present, and
// levels that its Airflow does not support. They do not change its state.
func limits(proof *access.GrantReport) []metav1.Condition {
	var out []metav1.Condition
	if p := withoutDags(proof); p != nil {
		out = append(out, decision.Condition(v1alpha1.ConditionDagsPending, metav1.ConditionTrue, *p))
	}
	for _, note := range proof.Desire.Notes {
		if note.Reason == v1alpha1.ReasonLevelNotSupported {
			out = append(out, decision.Condition(v1alpha1.ConditionLevelsSupported, metav1.ConditionFalse, note))
		}
	}
	return out
}

// withoutDags says which DAGs of a live grant it does not give at present; nil where it gives all of them.
func withoutDags(proof *access.GrantReport) *access.Problem {
	pending, contested := proof.Desire.Pending, proof.Proof.Contested
	switch {
	case len(pending)+len(contested) == 0:
		return nil
	case len(contested) == 0:
		return &access.Problem{Reason: v1alpha1.ReasonDagPending, Message: uncovered(pending)}
	case len(pending) == 0:
		return &access.Problem{Reason: v1alpha1.ReasonContested, Message: access.SetsAccessControl(contested)}
	}
	return &access.Problem{Reason: v1alpha1.ReasonContested, Message: access.SetsAccessControl(contested) + "; " + uncovered(pending)}
}

// retained are the stored conditions that stay until a pass reports something.
func retained(stored []metav1.Condition) []metav1.Condition {
	var out []metav1.Condition
	for _, conditionType := range []string{v1alpha1.ConditionLeastPrivilege, v1alpha1.ConditionLevelsSupported, v1alpha1.ConditionDagsPending} {
		for _, c := range stored {
			if c.Type == conditionType {
				out = append(out, metav1.Condition{Type: c.Type, Status: c.Status, Reason: c.Reason, Message: c.Message})
			}
		}
	}
	return out
}
