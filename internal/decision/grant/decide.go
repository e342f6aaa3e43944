// Package grant decides what becomes of an AccessGrant: from the facts that were read to the status that should be stored.
//
// A grant is in one of four parts of its life, each of which has a file: it waits to be activated (wait.go), it is live
// until it ends (live.go), it ends until its removal from Airflow is confirmed (end.go), or it is final. Expired and Revoked
// never change; an end is final; nothing is activated that is not admitted; what was activated stays until its end.
package grant

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/decision"
)

// Verdict is what becomes of a grant.
type Verdict struct {
	decision.Verdict

	// Phase, Activation, End, RemovedAt and RevokedAt as they should be stored.
	Phase                v1alpha1.GrantPhase
	Activation           *v1alpha1.Activation
	End                  *v1alpha1.End
	RemovedAt, RevokedAt *metav1.Time
	// Awaiting is true while the verdict depends on the users and DAGs of the instance.
	Awaiting bool
}

// Decide decides what becomes of one grant.
func Decide(facts Facts) Verdict {
	f, s := &facts, facts.Grant.Status
	v := &Verdict{
		Phase: s.Phase, Activation: s.Activation.DeepCopy(), End: s.End.DeepCopy(),
		RemovedAt: s.RemovedAt.DeepCopy(), RevokedAt: s.RevokedAt.DeepCopy(),
	}
	if v.End == nil && f.Latched != nil {
		v.End = f.Latched.DeepCopy()
		v.Record(ended(f, v.End.Reason, ""))
	}
	switch {
	case f.Grant.Terminal():
		final(f, v)
	case v.End != nil:
		end(f, v)
	case s.Activation != nil:
		live(f, v)
	default:
		wait(f, v)
	}
	release(f, v)
	refer(f, v)
	return *v
}

// conclude writes the conditions of a conclusion, in the order in which users read them.
func (v *Verdict) conclude(c decision.Conclusion, admitted metav1.Condition) {
	v.Conditions = slices.Concat(c.Conditions(), []metav1.Condition{admitted}, c.AccessConditions())
}

// admitted is the condition of a grant that may have what it asks for, with a note where something of it is not followed.
func admitted(note access.Problem) metav1.Condition {
	return decision.Condition(v1alpha1.ConditionAdmitted, metav1.ConditionTrue, note)
}

// notAdmitted is the condition of a grant that may not have what it asks for.
func notAdmitted(p access.Problem) metav1.Condition {
	return decision.Condition(v1alpha1.ConditionAdmitted, metav1.ConditionFalse, p)
}

// allowed is the note of a grant whose spec is followed whole.
var allowed = access.Problem{Reason: v1alpha1.ReasonAdmitted, Message: "the policy allows this grant"}

// acted is the entry of what the operator did or observed.
func acted(event, message string) decision.Entry {
	return decision.Entry{Event: event, Message: message, Actor: v1alpha1.ActorOperator}
}

// warned is the entry of what the operator found, and a user should act on.
func warned(event, message string) decision.Entry {
	return decision.Entry{Event: event, Message: message, Actor: v1alpha1.ActorOperator, Warning: true}
}

// changed is the entry of a change of an object that a user or a program made. The object does not say which.
func changed(event, message string) decision.Entry {
	return decision.Entry{Event: event, Message: message}
}

// refer adds to every entry the policy, the instance and the role that the grant is about.
func refer(f *Facts, v *Verdict) {
	key := f.Grant.PolicyKey()
	about := []decision.Reference{{Kind: decision.KindPolicy, Namespace: key.Namespace, Name: key.Name}}
	if f.Policy != nil {
		about[0] = decision.ToPolicy(f.Policy)
	}
	if f.Instance != nil {
		about = append(about, decision.ToInstance(f.Instance))
	}
	if a := v.Activation; a != nil {
		for _, pinned := range a.Instances {
			about = append(about, decision.ToRole(pinned.Role))
		}
	}
	for i := range v.Entries {
		v.Entries[i].References = about
	}
}
