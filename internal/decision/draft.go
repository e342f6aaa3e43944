package decision

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// Grant decides what becomes of one grant. Expired and Revoked never change; an end is final; nothing is activated
// that is not admitted; what was activated stays until its end.
func Grant(f Facts) Verdict {
	s := f.Grant.Status
	d := &draft{Facts: f, Verdict: Verdict{
		Phase: s.Phase, Activation: s.Activation.DeepCopy(), End: s.End.DeepCopy(),
		RemovedAt: s.RemovedAt.DeepCopy(), RevokedAt: s.RevokedAt.DeepCopy(),
	}}
	if d.End == nil && f.Latched != nil {
		d.End = f.Latched.DeepCopy()
		d.tell(string(d.End.Reason), endTexts[d.End.Reason], false)
	}
	switch {
	case s.Phase.Terminal():
		d.finished()
	case d.End != nil:
		d.ending()
	case s.Activation != nil:
		d.held()
	default:
		d.awaited()
	}
	d.release()
	return d.Verdict
}

// draft is a verdict in the making.
type draft struct {
	Facts
	Verdict
}

// state is one row of the table of states: what Ready says and why, and what Active says.
type state struct {
	word, message string
	ready         metav1.ConditionStatus
	// stalled waits for a person; other states that are not ready are reconciling.
	stalled bool
	active  metav1.ConditionStatus
	// inSync is left out where it is empty.
	inSync metav1.ConditionStatus
	// warning makes the event a warning.
	warning bool
}

// admission is what is said about whether the grant may have what it asks for.
type admission struct {
	status          metav1.ConditionStatus
	reason, message string
}

var admitted = admission{metav1.ConditionTrue, v1alpha1.ReasonAdmitted, "the policy allows this grant"}

// conclude writes the conditions of a state, and tells of it when it is new.
func (d *draft) conclude(s state, a admission) {
	active := s.word
	d.Conditions = []metav1.Condition{
		{Type: v1alpha1.ConditionReady, Status: s.ready, Reason: s.word, Message: s.message},
	}
	if s.ready != metav1.ConditionTrue {
		marker := v1alpha1.ConditionReconciling
		if s.stalled {
			marker = v1alpha1.ConditionStalled
		}
		d.add(marker, metav1.ConditionTrue, s.word, s.message)
	}
	d.add(v1alpha1.ConditionAdmitted, a.status, a.reason, a.message)
	d.add(v1alpha1.ConditionActive, s.active, active, s.message)
	if s.inSync != "" {
		d.add(v1alpha1.ConditionInSync, s.inSync, active, s.message)
	}
}

func (d *draft) add(conditionType string, status metav1.ConditionStatus, reason, message string) {
	d.Conditions = append(d.Conditions, metav1.Condition{Type: conditionType, Status: status, Reason: reason, Message: message})
}

// announce tells of a state unless the stored status already says so.
func (d *draft) announce(s state) {
	if stored := d.stored(v1alpha1.ConditionReady); stored == nil || stored.Reason != s.word {
		d.tell(s.word, s.message, s.warning)
	}
}

func (d *draft) tell(event, message string, warning bool) {
	d.Entries = append(d.Entries, Entry{Event: event, Message: message, Warning: warning})
}

// stored gives a condition of the stored status; nil where there is none.
func (d *draft) stored(conditionType string) *metav1.Condition {
	for i := range d.Grant.Status.Conditions {
		if c := &d.Grant.Status.Conditions[i]; c.Type == conditionType {
			return c
		}
	}
	return nil
}
