// Package statustest checks that a status keeps the rules by which tools such as kstatus, Argo CD and Flux read it.
// Every test of a controller ends with it.
package statustest

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/status"
)

var reason = regexp.MustCompile(`^[A-Z][A-Za-z0-9]{0,63}$`)

// Check gives every rule that the status of an AirflowInstance, DagAccessPolicy or AccessGrant breaks, joined; nil
// where it keeps them all. The object must have come to rest: its status belongs to its generation.
func Check(object client.Object) error {
	switch o := object.(type) {
	case *v1alpha1.AirflowInstance:
		return rules(o, o.Status.ObservedGeneration, o.Status.Conditions, nil)
	case *v1alpha1.DagAccessPolicy:
		return rules(o, o.Status.ObservedGeneration, o.Status.Conditions, o.Status.History)
	case *v1alpha1.AccessGrant:
		return errors.Join(rules(o, o.Status.ObservedGeneration, o.Status.Conditions, o.Status.History), grant(o))
	}
	return fmt.Errorf("statustest knows no %T", object)
}

func rules(o client.Object, observed int64, conditions []metav1.Condition, history []v1alpha1.HistoryEntry) error {
	var broken []error
	rule := func(holds bool, format string, args ...any) {
		if !holds {
			broken = append(broken, fmt.Errorf("%s: "+format, append([]any{client.ObjectKeyFromObject(o)}, args...)...))
		}
	}
	rule(observed == o.GetGeneration(), "status.observedGeneration is %d, the object's generation %d", observed, o.GetGeneration())
	seen := map[string]bool{}
	for _, c := range conditions {
		rule(!seen[c.Type], "condition %s is there twice", c.Type)
		seen[c.Type] = true
		rule(c.ObservedGeneration == observed, "condition %s is of generation %d, the status of %d", c.Type, c.ObservedGeneration, observed)
		rule(reason.MatchString(c.Reason), "condition %s has the reason %q, which is no single word", c.Type, c.Reason)
		rule(len(c.Message) <= status.MaxMessage && !strings.ContainsAny(c.Message, "\r\n"), "condition %s has a message that is no bounded line", c.Type)
		rule(!c.LastTransitionTime.IsZero(), "condition %s has no transition time", c.Type)
	}
	ready := status.Find(conditions, v1alpha1.ConditionReady)
	rule(ready != nil, "condition Ready is missing")
	for _, name := range []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled} {
		c := status.Find(conditions, name)
		rule(c == nil || c.Status == metav1.ConditionTrue, "condition %s is there although it is not True", name)
	}
	reconciling := status.IsTrue(conditions, v1alpha1.ConditionReconciling)
	stalled := status.IsTrue(conditions, v1alpha1.ConditionStalled)
	rule(!reconciling || !stalled, "Reconciling and Stalled are both True")
	if ready != nil {
		rule(ready.Status != metav1.ConditionUnknown, "Ready is Unknown: the operator always knows what it works on")
		rule(ready.Status != metav1.ConditionTrue || !reconciling && !stalled, "Ready is True beside Reconciling or Stalled")
		rule(ready.Status != metav1.ConditionFalse || reconciling || stalled, "Ready is False without Reconciling or Stalled")
	}
	rule(len(history) <= status.MaxHistory, "history has %d entries", len(history))
	for i, entry := range history {
		rule(len(entry.Message) <= status.MaxEntry, "history entry %d is too long", entry.Sequence)
		rule(i == 0 || entry.Sequence == history[i-1].Sequence+1, "history goes from %d to %d", history[max(0, i-1)].Sequence, entry.Sequence)
	}
	return errors.Join(broken...)
}

// grant checks what a phase means.
func grant(g *v1alpha1.AccessGrant) error {
	var broken []error
	rule := func(holds bool, format string, args ...any) {
		if !holds {
			broken = append(broken, fmt.Errorf("%s: phase %s: "+format, append([]any{client.ObjectKeyFromObject(g), g.Status.Phase}, args...)...))
		}
	}
	s := g.Status
	ready := status.IsTrue(s.Conditions, v1alpha1.ConditionReady)
	stalled := status.IsTrue(s.Conditions, v1alpha1.ConditionStalled)
	active := status.Find(s.Conditions, v1alpha1.ConditionActive)
	if active == nil {
		return fmt.Errorf("%s: condition Active is missing", client.ObjectKeyFromObject(g))
	}
	admitted := status.Find(s.Conditions, v1alpha1.ConditionAdmitted)
	refused := admitted != nil && admitted.Status == metav1.ConditionFalse
	switch s.Phase {
	case v1alpha1.GrantPending:
		rule(active.Status == metav1.ConditionFalse || active.Status == metav1.ConditionUnknown && s.Activation != nil, "Active is %s", active.Status)
		rule(s.End == nil, "an end is written")
		rule(!stalled || refused, "Stalled although it was admitted")
		rule(!refused || !ready, "Ready although it was not admitted")
	case v1alpha1.GrantScheduled:
		rule(ready && active.Status == metav1.ConditionFalse, "Ready is %t, Active %s", ready, active.Status)
		rule(s.Activation == nil && g.Spec.StartsAt != nil, "it is activated or has no start")
	case v1alpha1.GrantActive:
		rule(s.Activation != nil && s.End == nil, "activation or end do not fit")
		rule(ready || active.Status != metav1.ConditionTrue || s.Activation == nil, "Active without being Ready")
		rule(active.Status != metav1.ConditionUnknown || !ready, "Ready although Active is Unknown")
	case v1alpha1.GrantEnding:
		rule(!ready && !stalled, "Ready or Stalled while ending")
		rule(s.End != nil && s.Activation != nil && s.RemovedAt == nil, "end, activation or removal do not fit")
		rule(active.Status == metav1.ConditionUnknown, "Active is %s before the removal is proved", active.Status)
	case v1alpha1.GrantExpired, v1alpha1.GrantRevoked:
		rule(ready && active.Status == metav1.ConditionFalse, "Ready is %t, Active %s", ready, active.Status)
		rule(s.End != nil, "no end is written")
		rule((s.RemovedAt == nil) == (s.RevokedAt == nil), "removedAt and revokedAt belong together")
		if s.End != nil {
			timely := s.End.Reason == v1alpha1.EndExpired || s.End.Reason == v1alpha1.EndNeverActivated
			rule(timely == (s.Phase == v1alpha1.GrantExpired), "end reason %s", s.End.Reason)
		}
	default:
		rule(false, "no such phase")
	}
	return errors.Join(broken...)
}
