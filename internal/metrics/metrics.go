// Package metrics has the figures that the operator exposes to Prometheus. Instances are named by namespace/name; no
// label ever holds a user, a DAG or a role.
package metrics

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
)

const (
	prefix        = "airflow_oam"
	instanceLabel = "instance"
	notifierLabel = "notifier"
)

// delays are the buckets for delays of grants, in seconds.
var delays = []float64{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400}

var (
	grants          = newLedger()
	activationDelay = prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: prefix, Name: "grant_activation_delay_seconds", Buckets: delays,
		Help: "Seconds from the moment a grant could begin (its start or creation) until it was confirmed in Airflow.",
	})
	endingDelay = prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: prefix, Name: "grant_ending_delay_seconds", Buckets: delays,
		Help: "Seconds from the planned removal of a grant until it was proved that Airflow no longer stores it.",
	})
	endingsOverdue = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: prefix, Name: "endings_overdue", Help: "Grants that should have been revoked and were not proved to be.",
	}, []string{instanceLabel})
	driftDetected = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: prefix, Name: "drift_detected_total", Help: "Changes by other writers to what is managed, by the best explanation.",
	}, []string{instanceLabel, "cause"})
	driftRepaired = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: prefix, Name: "drift_repaired_total", Help: "Changes by other writers that were reverted.",
	}, []string{instanceLabel, "cause"})
	requests = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: prefix, Name: "airflow_requests_total", Help: "Calls to Airflow; code is the status, or the cause where no answer came.",
	}, []string{instanceLabel, "endpoint", "method", "code"})
	requestDuration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: prefix, Name: "airflow_request_duration_seconds", Help: "Seconds that calls to Airflow took.",
		Buckets: []float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60},
	}, []string{instanceLabel, "endpoint", "method"})
	instanceUp = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: prefix, Name: "instance_up", Help: "1 when the last pass observed Airflow, else 0.",
	}, []string{instanceLabel})
	passDuration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: prefix, Name: "pass_duration_seconds", Help: "Seconds that passes over an instance took.",
		Buckets: []float64{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300},
	}, []string{instanceLabel})
	passLastSuccess = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: prefix, Name: "pass_last_success_timestamp_seconds", Help: "When the last pass that observed Airflow was over, in Unix time.",
	}, []string{instanceLabel})
	clockSkew = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: prefix, Name: "clock_skew_seconds", Help: "Airflow's clock less the operator's.",
	}, []string{instanceLabel})
	notifications = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: prefix, Name: "notifications_total", Help: "Events for a notifier by what became of them: sent, failed, dropped (too many waited) or expired.",
	}, []string{notifierLabel, "outcome"})
	notificationRetries = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: prefix, Name: "notification_retries_total", Help: "Events that were sent again after a failure.",
	}, []string{notifierLabel})
	notificationsWaiting = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: prefix, Name: "notifications_waiting", Help: "Events that wait for a notifier, besides the one that is being sent.",
	}, []string{notifierLabel})
)

// vectors have series of an instance that go with it.
var vectors = []interface {
	prometheus.Collector
	DeletePartialMatch(labels prometheus.Labels) int
}{endingsOverdue, driftDetected, driftRepaired, requests, requestDuration, instanceUp, passDuration, passLastSuccess, clockSkew}

var register = sync.OnceFunc(func() { RegisterWith(ctrlmetrics.Registry) })

// Register exposes the figures where controller-runtime exposes its own. It may be called more than once.
func Register() { register() }

// RegisterWith exposes the figures in another registry. It panics where they are registered already.
func RegisterWith(registry prometheus.Registerer) {
	registry.MustRegister(grants, activationDelay, endingDelay, notifications, notificationRetries, notificationsWaiting)
	for _, vector := range vectors {
		registry.MustRegister(vector)
	}
}

// SetGrant sets the phase of a grant.
func SetGrant(uid types.UID, instance, phase string) { grants.set(uid, phaseOf{instance, phase}) }

// ForgetGrant drops a grant that is gone.
func ForgetGrant(uid types.UID) { grants.forget(uid) }

// ObserveActivation counts a grant that was confirmed in Airflow this long after it could begin.
func ObserveActivation(delay time.Duration) { activationDelay.Observe(max(0, delay.Seconds())) }

// ObserveEnding counts a grant that was proved gone this long after its planned removal.
func ObserveEnding(delay time.Duration) { endingDelay.Observe(max(0, delay.Seconds())) }

// SetEndingsOverdue sets how many grants should have been revoked and were not proved to be.
func SetEndingsOverdue(instance string, count int) {
	endingsOverdue.WithLabelValues(instance).Set(float64(count))
}

// CountDrift counts one change by another writer, by its best explanation.
func CountDrift(instance, cause string, repaired bool) {
	driftDetected.WithLabelValues(instance, cause).Inc()
	if repaired {
		driftRepaired.WithLabelValues(instance, cause).Inc()
	}
}

// ObserveRequest counts one call. The endpoint is a template without names; status is 0 where no answer came, and the
// cause stands for it then.
func ObserveRequest(instance, endpoint, method string, status int, cause string, took time.Duration) {
	code := strconv.Itoa(status)
	if status == 0 && cause != "" {
		code = cause
	}
	requests.WithLabelValues(instance, endpoint, method, code).Inc()
	requestDuration.WithLabelValues(instance, endpoint, method).Observe(took.Seconds())
}

// ObservePass counts a pass that observed Airflow: how long it took and when it was over.
func ObservePass(instance string, took time.Duration, finished time.Time) {
	passDuration.WithLabelValues(instance).Observe(took.Seconds())
	passLastSuccess.WithLabelValues(instance).Set(float64(finished.UnixMilli()) / 1000)
}

// SetInstanceUp sets whether the last pass observed an Airflow.
func SetInstanceUp(instance string, up bool) {
	value := 0.0
	if up {
		value = 1
	}
	instanceUp.WithLabelValues(instance).Set(value)
}

// SetClockSkew sets how far Airflow's clock is ahead of ours.
func SetClockSkew(instance string, skew time.Duration) {
	clockSkew.WithLabelValues(instance).Set(skew.Seconds())
}

// CountNotification counts an event by what became of it at a notifier.
func CountNotification(notifier, outcome string) {
	notifications.WithLabelValues(notifier, outcome).Inc()
}

// CountNotificationRetry counts another try to send an event.
func CountNotificationRetry(notifier string) { notificationRetries.WithLabelValues(notifier).Inc() }

// SetNotificationsWaiting sets how many events wait for a notifier.
func SetNotificationsWaiting(notifier string, count int) {
	notificationsWaiting.WithLabelValues(notifier).Set(float64(count))
}

// ForgetInstance drops every series of an instance that is gone.
func ForgetInstance(instance string) {
	for _, vector := range vectors {
		vector.DeletePartialMatch(prometheus.Labels{instanceLabel: instance})
	}
}
