package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
)

// ledger counts grants by instance and phase when it is asked, so that no change is ever counted twice.
type ledger struct {
	clock           clock.PassiveClock
	phases, overdue *prometheus.Desc

	mu      sync.Mutex
	entries map[types.UID]entry
}

type entry struct {
	instance, phase string
	due             time.Time
}

type phaseOf struct{ instance, phase string }

func newLedger(c clock.PassiveClock) *ledger {
	return &ledger{
		clock:   c,
		phases:  prometheus.NewDesc(prefix+"_grants", "Grants by phase.", []string{instanceLabel, "phase"}, nil),
		overdue: prometheus.NewDesc(prefix+"_endings_overdue", "Grants whose planned removal is past and not proved yet.", []string{instanceLabel}, nil),
		entries: map[types.UID]entry{},
	}
}

func (l *ledger) set(uid types.UID, e entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries[uid] = e
}

func (l *ledger) forget(uid types.UID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.entries, uid)
}

// Describe implements prometheus.Collector.
func (l *ledger) Describe(out chan<- *prometheus.Desc) {
	out <- l.phases
	out <- l.overdue
}

// Collect implements prometheus.Collector.
func (l *ledger) Collect(out chan<- prometheus.Metric) {
	now := l.clock.Now()
	phases, overdue := map[phaseOf]int{}, map[string]int{}
	l.mu.Lock()
	for _, e := range l.entries {
		phases[phaseOf{e.instance, e.phase}]++
		late := 0
		if !e.due.IsZero() && now.After(e.due) {
			late = 1
		}
		overdue[e.instance] += late
	}
	l.mu.Unlock()
	for at, count := range phases {
		out <- prometheus.MustNewConstMetric(l.phases, prometheus.GaugeValue, float64(count), at.instance, at.phase)
	}
	for instance, count := range overdue {
		out <- prometheus.MustNewConstMetric(l.overdue, prometheus.GaugeValue, float64(count), instance)
	}
}
