package actuator

import (
	"time"

	"github.com/airflow-oam/airflow-oam/internal/access"
)

// contestedAfter is how many times in a row what other writers revoked is restored before it is left alone for an interval.
const contestedAfter = 3

// contests are the items (Drift.Key) that other writers revoke and the operator restores.
type contests map[string]contest

// contest is how often in a row one item was restored, and until when it is left alone now.
type contest struct {
	times int
	until time.Time
	// expected is until when the item is expected to be revoked again: the file of a DAG is parsed again and again.
	expected time.Time
}

// count takes in the drift of a pass. What other writers only add is revoked as often as they do. The time is that of the next
// full comparison by the interval.
func (c contests) count(drift []access.Drift, until time.Time) {
	for _, d := range drift {
		if !d.Repaired || !d.Taken {
			continue
		}
		item := c[d.Key]
		if d.ComesBack() {
			item.expected = until
		}
		if item.times++; item.times >= contestedAfter {
			item = contest{until: until}
		}
		c[d.Key] = item
	}
}

// forget drops items that are in no drift of a full comparison, are not left alone now, and are not expected to come back.
func (c contests) forget(drift []access.Drift, now time.Time) {
	resting := c.resting(now)
	for _, d := range drift {
		resting[d.Key] = true
	}
	for key, item := range c {
		if !resting[key] && !item.expected.After(now) {
			delete(c, key)
		}
	}
}

// resting are the items that are left alone now.
func (c contests) resting(now time.Time) map[string]bool {
	out := map[string]bool{}
	for key, item := range c {
		if item.until.After(now) {
			out[key] = true
		}
	}
	return out
}
