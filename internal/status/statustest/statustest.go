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

// fact is one thing that a phase means.
type fact struct {
	holds bool
	what  string
}

// grant checks what a phase means.
func grant(g *v1alpha1.AccessGrant) error {
	active := status.Find(g.Status.Conditions, v1alpha1.ConditionActive)
	if active == nil {
		return fmt.Errorf("%s: condition Active is missing", client.ObjectKeyFromObject(g))
	}
	var facts []fact
	switch g.Status.Phase {
	case v1alpha1.GrantPending:
		facts = pending(g, active.Status)
	case v1alpha1.GrantScheduled:
		facts = []fact{
			{isReady(g), "it is not Ready"},
			{active.Status == metav1.ConditionFalse, "Active is not False"},
			{g.Status.Activation == nil && g.Spec.StartsAt != nil, "it is activated or has no start"},
		}
	case v1alpha1.GrantActive:
		facts = []fact{
			{g.Status.Activation != nil && g.Status.End == nil, "activation or end do not fit"},
			{active.Status != metav1.ConditionTrue || isReady(g), "it is Active without being Ready"},
			{active.Status != metav1.ConditionUnknown || !isReady(g), "it is Ready although Active is Unknown"},
		}
	case v1alpha1.GrantEnding:
		facts = []fact{
			{status.IsTrue(g.Status.Conditions, v1alpha1.ConditionReconciling), "it is Ready or Stalled while ending"},
			{g.Status.End != nil && g.Status.Activation != nil && g.Status.RemovedAt == nil, "end, activation or removal do not fit"},
			{active.Status == metav1.ConditionUnknown, "Active is not Unknown before the removal is proved"},
		}
	case v1alpha1.GrantExpired, v1alpha1.GrantRevoked:
		facts = final(g, active.Status)
	default:
		facts = []fact{{false, "there is no such phase"}}
	}
	var broken []error
	for _, f := range facts {
		if !f.holds {
			broken = append(broken, fmt.Errorf("%s: phase %s: %s", client.ObjectKeyFromObject(g), g.Status.Phase, f.what))
		}
	}
	return errors.Join(broken...)
}

func isReady(g *v1alpha1.AccessGrant) bool {
	return status.IsTrue(g.Status.Conditions, v1alpha1.ConditionReady)
}

func pending(g *v1alpha1.AccessGrant, active metav1.ConditionStatus) []fact {
	admitted := status.Find(g.Status.Conditions, v1alpha1.ConditionAdmitted)
	refused := admitted != nil && admitted.Status == metav1.ConditionFalse
	return []fact{
		{active == metav1.ConditionFalse || active == metav1.ConditionUnknown && g.Status.Activation != nil, "Active does not fit"},
		{g.Status.End == nil, "an end is written"},
		{refused || !status.IsTrue(g.Status.Conditions, v1alpha1.ConditionStalled), "it is Stalled although it was admitted"},
		{!refused || !isReady(g), "it is Ready although it was not admitted"},
	}
}

func final(g *v1alpha1.AccessGrant, active metav1.ConditionStatus) []fact {
	facts := []fact{
		{isReady(g), "it is not Ready"},
		{active == metav1.ConditionFalse, "Active is not False"},
		{(g.Status.RemovedAt == nil) == (g.Status.RevokedAt == nil), "removedAt and revokedAt belong together"},
		{g.Status.End != nil, "no end is written"},
	}
	if g.Status.End != nil {
		timely := g.Status.End.Reason == v1alpha1.EndExpired || g.Status.End.Reason == v1alpha1.EndNeverActivated
		facts = append(facts, fact{timely == (g.Status.Phase == v1alpha1.GrantExpired), "the end reason does not fit"})
	}
	return facts
}
