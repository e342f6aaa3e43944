package statustest_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/status/statustest"
)

var at = metav1.NewTime(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))

func condition(conditionType string, s metav1.ConditionStatus) metav1.Condition {
	return metav1.Condition{Type: conditionType, Status: s, Reason: "Because", ObservedGeneration: 2, LastTransitionTime: at}
}

// active is a grant whose status keeps every rule.
func active() *v1alpha1.AccessGrant {
	g := &v1alpha1.AccessGrant{}
	g.Namespace, g.Name, g.Generation = "finance", "bob", 2
	g.Status = v1alpha1.AccessGrantStatus{
		ObservedGeneration: 2, Phase: v1alpha1.GrantActive, Activation: &v1alpha1.Activation{},
		Conditions: []metav1.Condition{condition("Ready", metav1.ConditionTrue), condition("Active", metav1.ConditionTrue)},
		History:    []v1alpha1.HistoryEntry{{Sequence: 4}, {Sequence: 5}},
	}
	return g
}

func TestAStatusThatKeepsTheRulesPasses(t *testing.T) {
	instance := &v1alpha1.AirflowInstance{}
	instance.Generation, instance.Status.ObservedGeneration = 2, 2
	instance.Status.Conditions = []metav1.Condition{condition("Ready", metav1.ConditionFalse), condition("Stalled", metav1.ConditionTrue)}
	for _, object := range []client.Object{active(), instance} {
		if err := statustest.Check(object); err != nil {
			t.Errorf("%T: %v", object, err)
		}
	}
}

func TestEveryBrokenRuleIsFound(t *testing.T) {
	set := func(g *v1alpha1.AccessGrant, conditions ...metav1.Condition) { g.Status.Conditions = conditions }
	ready, isActive := condition("Ready", metav1.ConditionTrue), condition("Active", metav1.ConditionTrue)
	cases := map[string]func(*v1alpha1.AccessGrant){
		"the object's generation": func(g *v1alpha1.AccessGrant) { g.Generation = 3 },
		"is there twice":          func(g *v1alpha1.AccessGrant) { set(g, ready, ready, isActive) },
		"of generation 1":         func(g *v1alpha1.AccessGrant) { g.Status.Conditions[0].ObservedGeneration = 1 },
		"no single word":          func(g *v1alpha1.AccessGrant) { g.Status.Conditions[0].Reason = "two words" },
		"no bounded line":         func(g *v1alpha1.AccessGrant) { g.Status.Conditions[0].Message = "a\nb" },
		"no transition time":      func(g *v1alpha1.AccessGrant) { g.Status.Conditions[0].LastTransitionTime = metav1.Time{} },
		"Ready is missing":        func(g *v1alpha1.AccessGrant) { set(g, isActive) },
		"Active is missing":       func(g *v1alpha1.AccessGrant) { set(g, ready) },
		"although it is not True": func(g *v1alpha1.AccessGrant) { set(g, ready, isActive, condition("Stalled", metav1.ConditionFalse)) },
		"are both True": func(g *v1alpha1.AccessGrant) {
			set(g, ready, isActive, condition("Stalled", metav1.ConditionTrue), condition("Reconciling", metav1.ConditionTrue))
		},
		"beside Reconciling":           func(g *v1alpha1.AccessGrant) { set(g, ready, isActive, condition("Reconciling", metav1.ConditionTrue)) },
		"Ready is Unknown":             func(g *v1alpha1.AccessGrant) { set(g, condition("Ready", metav1.ConditionUnknown), isActive) },
		"without Reconciling":          func(g *v1alpha1.AccessGrant) { set(g, condition("Ready", metav1.ConditionFalse), isActive) },
		"history has":                  func(g *v1alpha1.AccessGrant) { g.Status.History = make([]v1alpha1.HistoryEntry, 17) },
		"history goes from 4 to 6":     func(g *v1alpha1.AccessGrant) { g.Status.History[1].Sequence = 6 },
		"is too long":                  func(g *v1alpha1.AccessGrant) { g.Status.History[1].Message = strings.Repeat("x", 257) },
		"although Active is Unknown":   func(g *v1alpha1.AccessGrant) { set(g, ready, condition("Active", metav1.ConditionUnknown)) },
		"activation or end do not fit": func(g *v1alpha1.AccessGrant) { g.Status.End = &v1alpha1.End{} },
		"phase Expired: no end":        func(g *v1alpha1.AccessGrant) { g.Status.Phase = v1alpha1.GrantExpired },
		"removedAt and revokedAt":      func(g *v1alpha1.AccessGrant) { g.Status.Phase, g.Status.RemovedAt = v1alpha1.GrantRevoked, &at },
		"the end reason does not fit": func(g *v1alpha1.AccessGrant) {
			g.Status.Phase, g.Status.End = v1alpha1.GrantExpired, &v1alpha1.End{Reason: v1alpha1.EndRevoked}
		},
		"Ready or Stalled while ending": func(g *v1alpha1.AccessGrant) { g.Status.Phase = v1alpha1.GrantEnding },
		"phase Scheduled: it is":        func(g *v1alpha1.AccessGrant) { g.Status.Phase = v1alpha1.GrantScheduled },
		"Active does not fit":           func(g *v1alpha1.AccessGrant) { g.Status.Phase = v1alpha1.GrantPending },
		"no such phase":                 func(g *v1alpha1.AccessGrant) { g.Status.Phase = "Odd" },
	}
	for want, change := range cases {
		t.Run(want, func(t *testing.T) {
			g := active()
			change(g)
			if err := statustest.Check(g); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("it says %v", err)
			}
		})
	}
}
