package decision

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// State is a named state of an object. It alone determines the statuses of Ready, Reconciling, Stalled, Active and
// InSync, by the table below, which follows the rules of kstatus; the reason and the message come from the Conclusion.
type State string

// States of any object.
const (
	// StateSettled: what the object asks for is so, or nothing can be done but wait for a user.
	StateSettled State = "Settled"
	// StateWorking: the operator works towards what the object asks for, or retries.
	StateWorking State = "Working"
	// StateStalled: a user has to change something first.
	StateStalled State = "Stalled"
)

// States of an object that grants access for a time. Before its activation, Airflow stores nothing of it.
const (
	// StateWaiting: not activated, as intended: a start in the future, a user or a DAG that is not there yet, a mode.
	StateWaiting State = "Waiting"
	// StatePreparing: not activated, and the operator works towards it: something that it depends on is not ready.
	StatePreparing State = "Preparing"
	// StateRefused: not activated, and not admitted until a user changes something.
	StateRefused State = "Refused"
	// StateApplying: activated, and not confirmed in Airflow: the write or its confirmation is pending or failed.
	StateApplying State = "Applying"
	// StateActive: activated and confirmed in Airflow.
	StateActive State = "Active"
	// StateEmpty: activated, and its membership is confirmed in Airflow, but it covers no DAG at present.
	StateEmpty State = "Empty"
	// StatePaused: activated, and not stored in Airflow, as intended: a mode, or a user or a DAG that is not there.
	StatePaused State = "Paused"
	// StateUnobserved: activated, and Airflow was not observed for too long to say anything.
	StateUnobserved State = "Unobserved"
	// StateEnding: its end is recorded, and its removal from Airflow is not confirmed.
	StateEnding State = "Ending"
	// StateEnded: it ended, and Airflow was confirmed not to store it.
	StateEnded State = "Ended"
	// StateEndedUnproved: it ended, and nothing can be claimed about what Airflow stores.
	StateEndedUnproved State = "EndedUnproved"
	// StateEndedUnused: it ended without having been activated.
	StateEndedUnused State = "EndedUnused"
)

// row is the conditions of a state. An empty status leaves the condition out.
type row struct {
	// ready is the status of Ready.
	ready metav1.ConditionStatus
	// marker is the condition that stands beside a Ready that is not True: Reconciling or Stalled.
	marker string
	// active and inSync are the statuses of Active and InSync of an object that grants access.
	active, inSync metav1.ConditionStatus
}

const (
	yes     = metav1.ConditionTrue
	no      = metav1.ConditionFalse
	unknown = metav1.ConditionUnknown

	reconciling = v1alpha1.ConditionReconciling
	stalled     = v1alpha1.ConditionStalled
)

// table is the only place that turns states into statuses of conditions.
var table = map[State]row{
	//                   Ready, beside it, Active, InSync
	StateSettled:       {yes, "", "", ""},
	StateWorking:       {no, reconciling, "", ""},
	StateStalled:       {no, stalled, "", ""},
	StateWaiting:       {yes, "", no, ""},
	StatePreparing:     {no, reconciling, no, ""},
	StateRefused:       {no, stalled, no, ""},
	StateApplying:      {no, reconciling, no, no},
	StateActive:        {yes, "", yes, yes},
	StateEmpty:         {yes, "", no, yes},
	StatePaused:        {yes, "", no, no},
	StateUnobserved:    {no, reconciling, unknown, unknown},
	StateEnding:        {no, reconciling, unknown, no},
	StateEnded:         {yes, "", no, yes},
	StateEndedUnproved: {yes, "", no, unknown},
	StateEndedUnused:   {yes, "", no, ""},
}

// Conclusion is the state of an object with its reason in a word and in a sentence. Conditions and the entry of the
// history are derived from it.
type Conclusion struct {
	State State
	// Reason is a constant of the API package: the same word in condition, Event, history and metric.
	Reason string
	// Message is one line for users: what is, for which object, and what to do about it. It has no times and no secrets.
	Message string
	// Warning makes the Event a warning: a user should act, or another writer acted.
	Warning bool
}

// Ready reports whether the state is one of those in which the condition Ready is True.
func (c Conclusion) Ready() bool { return table[c.State].ready == yes }

// Conditions returns Ready and, beside a Ready that is not True, Reconciling or Stalled. They are the first conditions of
// every kind.
func (c Conclusion) Conditions() []metav1.Condition {
	is := table[c.State]
	out := []metav1.Condition{c.condition(v1alpha1.ConditionReady, is.ready)}
	if is.marker != "" {
		out = append(out, c.condition(is.marker, yes))
	}
	return out
}

// AccessConditions returns Active and InSync as far as the state determines them. Policies and instances, whose
// InSync comes from a comparison, do not use it.
func (c Conclusion) AccessConditions() []metav1.Condition {
	is := table[c.State]
	var out []metav1.Condition
	if is.active != "" {
		out = append(out, c.condition(v1alpha1.ConditionActive, is.active))
	}
	if is.inSync != "" {
		out = append(out, c.condition(v1alpha1.ConditionInSync, is.inSync))
	}
	return out
}

func (c Conclusion) condition(conditionType string, status metav1.ConditionStatus) metav1.Condition {
	return metav1.Condition{Type: conditionType, Status: status, Reason: c.Reason, Message: c.Message}
}

// News returns the entry that reports the state where the stored conditions do not report it yet: at most one, when Ready
// gets another reason.
func (c Conclusion) News(stored []metav1.Condition) []Entry {
	if HasReason(stored, v1alpha1.ConditionReady, c.Reason) {
		return nil
	}
	return []Entry{{Event: c.Reason, Message: c.Message, Warning: c.Warning, Actor: v1alpha1.ActorOperator}}
}

// HasReason reports whether a condition is stored with a reason, whatever its status.
func HasReason(stored []metav1.Condition, conditionType, reason string) bool {
	c := meta.FindStatusCondition(stored, conditionType)
	return c != nil && c.Reason == reason
}

// Restore returns the conclusion that is stored in conditions: the state, of some that are possible, whose statuses stand
// there. It reports false where the conditions are of none of them.
func Restore(stored []metav1.Condition, possible ...State) (Conclusion, bool) {
	status := func(conditionType string) metav1.ConditionStatus {
		if c := meta.FindStatusCondition(stored, conditionType); c != nil {
			return c.Status
		}
		return ""
	}
	ready := meta.FindStatusCondition(stored, v1alpha1.ConditionReady)
	if ready == nil {
		return Conclusion{}, false
	}
	is := row{ready: ready.Status, active: status(v1alpha1.ConditionActive), inSync: status(v1alpha1.ConditionInSync)}
	for _, state := range possible {
		is.marker = table[state].marker
		if table[state] == is {
			return Conclusion{State: state, Reason: ready.Reason, Message: ready.Message}, true
		}
	}
	return Conclusion{}, false
}
