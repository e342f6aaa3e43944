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
}

// count takes in the drift of a pass. What other writers only add is revoked as often as they do.
func (c contests) count(drift []access.Drift, until time.Time) {
	for _, d := range drift {
		if !d.Repaired || !d.Taken {
			continue
		}
		item := c[d.Key]
		if item.times++; item.times >= contestedAfter {
			item = contest{until: until}
		}
		c[d.Key] = item
	}
}

// forget drops items that are in no drift of a full comparison, and are not left alone now.
func (c contests) forget(drift []access.Drift, now time.Time) {
	resting := c.resting(now)
	for _, d := range drift {
		resting[d.Key] = true
	}
	for key := range c {
		if !resting[key] {
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
