package metrics

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
)

// ledger counts grants by instance and phase when it is asked, so that no change is ever counted twice.
type ledger struct {
	phases *prometheus.Desc

	mu      sync.Mutex
	entries map[types.UID]phaseOf
}

type phaseOf struct{ instance, phase string }

func newLedger() *ledger {
	return &ledger{
		phases:  prometheus.NewDesc(prefix+"_grants", "Grants by phase.", []string{instanceLabel, "phase"}, nil),
		entries: map[types.UID]phaseOf{},
	}
}

func (l *ledger) set(uid types.UID, at phaseOf) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries[uid] = at
}

func (l *ledger) forget(uid types.UID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.entries, uid)
}

// Describe implements prometheus.Collector.
func (l *ledger) Describe(out chan<- *prometheus.Desc) { out <- l.phases }

// Collect implements prometheus.Collector.
func (l *ledger) Collect(out chan<- prometheus.Metric) {
	counts := map[phaseOf]int{}
	l.mu.Lock()
	for _, at := range l.entries {
		counts[at]++
	}
	l.mu.Unlock()
	for at, count := range counts {
		out <- prometheus.MustNewConstMetric(l.phases, prometheus.GaugeValue, float64(count), at.instance, at.phase)
	}
}
