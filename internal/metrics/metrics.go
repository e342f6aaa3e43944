// Package metrics holds the figures that the operator shows to Prometheus. Instances are named by namespace/name; no
// label ever holds a user, a DAG or a role.
package metrics

import (
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
)

const (
	prefix        = "airflow_oam"
	instanceLabel = "instance"
)

// Metrics are all collectors. A nil *Metrics takes every call and does nothing.
type Metrics struct {
	grants          *ledger
	activationDelay prometheus.Histogram
	endingDelay     prometheus.Histogram
	driftDetected   *prometheus.CounterVec
	driftRepaired   *prometheus.CounterVec
	requests        *prometheus.CounterVec
	requestDuration *prometheus.HistogramVec
	instanceUp      *prometheus.GaugeVec
	passDuration    *prometheus.HistogramVec
	passLastSuccess *prometheus.GaugeVec
	clockSkew       *prometheus.GaugeVec
	perInstance     []deleter
}

type deleter interface {
	DeletePartialMatch(prometheus.Labels) int
}

// Register makes the collectors and shows them where controller-runtime shows its own. It panics when called twice in
// one process.
func Register(c clock.PassiveClock) *Metrics {
	m, err := New(ctrlmetrics.Registry, c)
	if err != nil {
		panic(err)
	}
	return m
}

// New makes the collectors and registers them. The clock says which endings are overdue.
func New(registry prometheus.Registerer, c clock.PassiveClock) (*Metrics, error) {
	delays := []float64{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400}
	m := &Metrics{
		grants: newLedger(c),
		activationDelay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: prefix, Name: "grant_activation_delay_seconds", Buckets: delays,
			Help: "Seconds from the moment a grant could begin (its start or creation) until it was seen in Airflow.",
		}),
		endingDelay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: prefix, Name: "grant_ending_delay_seconds", Buckets: delays,
			Help: "Seconds from the planned removal of a grant until it was proved that Airflow does not store it.",
		}),
		driftDetected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: prefix, Name: "drift_detected_total", Help: "Changes by others to what is managed, by the best explanation.",
		}, []string{instanceLabel, "cause"}),
		driftRepaired: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: prefix, Name: "drift_repaired_total", Help: "Changes by others that were undone.",
		}, []string{instanceLabel, "cause"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: prefix, Name: "airflow_requests_total", Help: "Calls to Airflow; code is 0 where no answer came.",
		}, []string{instanceLabel, "endpoint", "method", "code"}),
		requestDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: prefix, Name: "airflow_request_duration_seconds", Help: "Seconds that calls to Airflow took.",
			Buckets: []float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60},
		}, []string{instanceLabel, "endpoint", "method"}),
		instanceUp: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: prefix, Name: "instance_up", Help: "1 when the last pass could look at Airflow, else 0.",
		}, []string{instanceLabel}),
		passDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: prefix, Name: "pass_duration_seconds", Help: "Seconds that passes over an instance took.",
			Buckets: []float64{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300},
		}, []string{instanceLabel}),
		passLastSuccess: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: prefix, Name: "pass_last_success_timestamp_seconds", Help: "When the last pass without failure was over, in Unix time.",
		}, []string{instanceLabel}),
		clockSkew: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: prefix, Name: "clock_skew_seconds", Help: "Airflow's clock less ours.",
		}, []string{instanceLabel}),
	}
	m.perInstance = []deleter{m.driftDetected, m.driftRepaired, m.requests, m.requestDuration, m.instanceUp, m.passDuration, m.passLastSuccess, m.clockSkew}
	for _, c := range []prometheus.Collector{
		m.grants, m.activationDelay, m.endingDelay, m.driftDetected, m.driftRepaired, m.requests, m.requestDuration,
		m.instanceUp, m.passDuration, m.passLastSuccess, m.clockSkew,
	} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

// Grant says in which phase a grant is. Until it is ended, due is its planned removal; an ending is overdue when that
// moment is past and no proof came. The zero time is no plan.
func (m *Metrics) Grant(uid types.UID, instance types.NamespacedName, phase string, due time.Time) {
	if m != nil {
		m.grants.set(uid, entry{instance.String(), phase, due})
	}
}

// ForgetGrant drops a grant that is gone.
func (m *Metrics) ForgetGrant(uid types.UID) {
	if m != nil {
		m.grants.forget(uid)
	}
}

// GrantActivated counts a grant that was first seen in Airflow this long after it could begin.
func (m *Metrics) GrantActivated(delay time.Duration) {
	if m != nil {
		m.activationDelay.Observe(max(0, delay.Seconds()))
	}
}

// GrantRemoved counts a grant that was proved gone this long after its planned removal.
func (m *Metrics) GrantRemoved(delay time.Duration) {
	if m != nil {
		m.endingDelay.Observe(max(0, delay.Seconds()))
	}
}

// Drift counts one change by others, by its best explanation.
func (m *Metrics) Drift(instance types.NamespacedName, cause string, repaired bool) {
	if m == nil {
		return
	}
	m.driftDetected.WithLabelValues(instance.String(), cause).Inc()
	if repaired {
		m.driftRepaired.WithLabelValues(instance.String(), cause).Inc()
	}
}

// Request counts one call. The endpoint is a template without names; status is 0 where no answer came.
func (m *Metrics) Request(instance types.NamespacedName, endpoint, method string, status int, took time.Duration) {
	if m == nil {
		return
	}
	m.requests.WithLabelValues(instance.String(), endpoint, method, strconv.Itoa(status)).Inc()
	m.requestDuration.WithLabelValues(instance.String(), endpoint, method).Observe(took.Seconds())
}

// Pass tells of a pass: how long it took, when it was over, whether Airflow could be looked at, and whether everything
// was done.
func (m *Metrics) Pass(instance types.NamespacedName, took time.Duration, finished time.Time, up, success bool) {
	if m == nil {
		return
	}
	name := instance.String()
	m.passDuration.WithLabelValues(name).Observe(took.Seconds())
	value := 0.0
	if up {
		value = 1
	}
	m.instanceUp.WithLabelValues(name).Set(value)
	if success {
		m.passLastSuccess.WithLabelValues(name).Set(float64(finished.UnixMilli()) / 1000)
	}
}

// ClockSkew says how far Airflow's clock is ahead of ours.
func (m *Metrics) ClockSkew(instance types.NamespacedName, skew time.Duration) {
	if m != nil {
		m.clockSkew.WithLabelValues(instance.String()).Set(skew.Seconds())
	}
}

// ForgetInstance drops every series of an instance that is gone.
func (m *Metrics) ForgetInstance(instance types.NamespacedName) {
	if m == nil {
		return
	}
	for _, vector := range m.perInstance {
		vector.DeletePartialMatch(prometheus.Labels{instanceLabel: instance.String()})
	}
}
