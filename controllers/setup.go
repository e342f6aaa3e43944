// Package controllers holds the reconcilers. The instance controller alone talks to Airflow, one pass at a time per
// instance, and publishes reports in memory; the grant and policy controllers read them, decide, and write the status
// of their own objects.
package controllers

import (
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/internal/metrics"
)

// Settings are what all controllers need.
type Settings struct {
	Clock clock.PassiveClock
	// KubernetesClock measures the API server's clock; nil counts as ours.
	KubernetesClock *Skew
	Retention       time.Duration
	Concurrency     int
	// Namespaces whose AirflowInstances are served; empty means all.
	Namespaces       []string
	AllowHTTPHosts   []string
	AllowedAddresses []netip.Prefix
	AllowPrivileged  bool
}

// UncachedObjects are read from the API server each time, because the operator may only get them by name.
func UncachedObjects() []client.Object { return []client.Object{&corev1.Secret{}} }

// Setup registers all controllers.
func Setup(mgr ctrl.Manager, s Settings) error {
	metrics.Register()
	reports := NewReports()
	instance := &InstanceReconciler{
		Client: mgr.GetClient(), APIReader: mgr.GetAPIReader(), Clock: s.Clock, Reports: reports,
		Recorder: mgr.GetEventRecorder("airflow-oam"), KubernetesClock: s.KubernetesClock,
		AllowHTTPHosts: s.AllowHTTPHosts, AllowedAddresses: s.AllowedAddresses, AllowPrivileged: s.AllowPrivileged,
		Concurrency: s.Concurrency, Namespaces: s.Namespaces,
	}
	grant := &GrantReconciler{
		Client: mgr.GetClient(), APIReader: mgr.GetAPIReader(), Clock: s.Clock, Reports: reports,
		Recorder: mgr.GetEventRecorder("airflow-oam"), Retention: s.Retention,
	}
	policy := &PolicyReconciler{
		Client: mgr.GetClient(), APIReader: mgr.GetAPIReader(), Clock: s.Clock, Reports: reports, Recorder: mgr.GetEventRecorder("airflow-oam"),
	}
	for _, reconciler := range []interface{ SetupWithManager(ctrl.Manager) error }{instance, grant, policy} {
		if err := reconciler.SetupWithManager(mgr); err != nil {
			return err
		}
	}
	return nil
}
