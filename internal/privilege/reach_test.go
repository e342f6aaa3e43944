package privilege_test

import (
	"testing"

	"github.com/airflow-oam/airflow-oam/internal/privilege"
)

// reach evaluates permissions on the DAGs x and y.
func reach(list string) privilege.Reach {
	return privilege.ReachOf(airflow3, privilege.RightsOf(pairs(list)), map[string]bool{"x": true, "y": true})
}

func TestReachesCompareByWhatTheyAllow(t *testing.T) {
	for sentence, c := range map[string]struct {
		reach, a, b    string
		within, covers bool
	}{
		"a reach is that of its parts": {"can_read on DAG:x", "can_read on DAG:x", "can_read on DAG:x", true, true},
		"it may be less":               {"", "can_read on DAG:x", "can_read on DAG:x", true, false},
		"or more":                      {"can_read on DAG:x, can_read on DAG:y", "can_read on DAG:x", "can_read on DAG:x", false, true},
		"one right each is within two, and covers what both allow":                    {"can_read on DAG:x", "can_read on DAG:x", "can_edit on DAG:y", true, true},
		"two halves allow more than each of them":                                     {"can_read on DAG:x, can_read on Task Logs", "can_read on DAG:x", "can_read on Task Logs", false, true},
		"a right on all DAGs covers one on a DAG, and is not within":                  {"can_read on DAGs", "can_read on DAG:x", "can_read on DAG:x", false, true},
		"a right on a DAG does not cover one on all, of which it is a part":           {"can_read on DAG:x", "can_read on DAGs", "can_read on DAGs", true, false},
		"a pair that guards nothing counts where it is, and need not be where it was": {"can_edit on Pools", "can_read on DAG:x", "can_edit on Pools", true, true},
	} {
		t.Run(sentence, func(t *testing.T) {
			e, a, b := reach(c.reach), reach(c.a), reach(c.b)
			if got := e.Within(a, b); got != c.within {
				t.Errorf("within: %v", got)
			}
			if got := e.Covers(a, b); got != c.covers {
				t.Errorf("covers: %v", got)
			}
		})
	}
}
