package decision_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/decision"
)

// states maps every state to the conditions that it stands for.
var states = map[decision.State]string{
	decision.StateSettled:       "Ready=True",
	decision.StateWorking:       "Ready=False Reconciling=True",
	decision.StateStalled:       "Ready=False Stalled=True",
	decision.StateWaiting:       "Ready=True Active=False",
	decision.StatePreparing:     "Ready=False Reconciling=True Active=False",
	decision.StateRefused:       "Ready=False Stalled=True Active=False",
	decision.StateApplying:      "Ready=False Reconciling=True Active=False InSync=False",
	decision.StateActive:        "Ready=True Active=True InSync=True",
	decision.StateEmpty:         "Ready=True Active=False InSync=True",
	decision.StatePaused:        "Ready=True Active=False InSync=False",
	decision.StateUnobserved:    "Ready=False Reconciling=True Active=Unknown InSync=Unknown",
	decision.StateEnding:        "Ready=False Reconciling=True Active=Unknown InSync=False",
	decision.StateEnded:         "Ready=True Active=False InSync=True",
	decision.StateEndedUnproved: "Ready=True Active=False InSync=Unknown",
	decision.StateEndedUnused:   "Ready=True Active=False",
}

func conclusion(state decision.State) decision.Conclusion {
	return decision.Conclusion{State: state, Reason: "Because", Message: "it is so"}
}

func conditions(c decision.Conclusion) []metav1.Condition {
	return slices.Concat(c.Conditions(), c.AccessConditions())
}

func TestEveryStateStandsForItsConditions(t *testing.T) {
	for state, want := range states {
		var got []string
		for _, c := range conditions(conclusion(state)) {
			got = append(got, fmt.Sprintf("%s=%s", c.Type, c.Status))
			if c.Reason != "Because" || c.Message != "it is so" {
				t.Errorf("%s: %s says %s, %s", state, c.Type, c.Reason, c.Message)
			}
		}
		if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s: %s", state, diff)
		}
		if ready := strings.HasPrefix(want, "Ready=True"); conclusion(state).Ready() != ready {
			t.Errorf("%s: ready %t", state, !ready)
		}
	}
}

func TestAStoredStateIsRestored(t *testing.T) {
	live := []decision.State{decision.StateActive, decision.StateEmpty, decision.StatePaused, decision.StateApplying, decision.StateUnobserved}
	for _, state := range live {
		got, ok := decision.Restore(conditions(conclusion(state)), live...)
		if diff := cmp.Diff(conclusion(state), got); diff != "" || !ok {
			t.Errorf("%s: %t %s", state, ok, diff)
		}
	}
	for name, stored := range map[string][]metav1.Condition{
		"nothing is stored":      nil,
		"another state is there": conditions(conclusion(decision.StateEnding)),
		"one is missing":         conditions(conclusion(decision.StateActive))[:2],
	} {
		if got, ok := decision.Restore(stored, live...); ok {
			t.Errorf("%s: it is %s", name, got.State)
		}
	}
}

func TestAStateIsNewsUntilItIsStored(t *testing.T) {
	c := conclusion(decision.StateWorking)
	c.Warning = true
	want := []decision.Entry{{Event: "Because", Message: "it is so", Warning: true, Actor: v1alpha1.ActorOperator}}
	if diff := cmp.Diff(want, c.News(nil)); diff != "" {
		t.Error(diff)
	}
	stored := c.Conditions()
	c.Message = "it is still so"
	if got := c.News(stored); len(got) != 0 {
		t.Errorf("the same reason is news: %+v", got)
	}
	c.Reason = "Another"
	if got := c.News(stored); len(got) != 1 {
		t.Errorf("another reason is no news: %+v", got)
	}
}
