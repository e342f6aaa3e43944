// Package controllers starts the controllers of all kinds. The instance controller alone talks to Airflow, one pass at a time
// per instance, and publishes reports in memory; the controllers of all other kinds read them, decide, and write the status
// of their own objects. What all kinds share is in package kind.
package controllers

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/controllers/grant"
	"github.com/airflow-oam/airflow-oam/controllers/instance"
	"github.com/airflow-oam/airflow-oam/controllers/kind"
	"github.com/airflow-oam/airflow-oam/controllers/policy"
	"github.com/airflow-oam/airflow-oam/controllers/request"
	"github.com/airflow-oam/airflow-oam/internal/identity"
	"github.com/airflow-oam/airflow-oam/internal/metrics"
)

// Settings are what all controllers need.
type Settings struct {
	Clock clock.PassiveClock
	// KubernetesClock measures the API server's clock; nil counts as ours.
	KubernetesClock *Skew
	// Teller makes transitions known to people; nil tells nobody.
	Teller kind.Teller
	// Retention is how long an object stays after its end, unless a Git tool tracks it; 0 is for ever.
	Retention time.Duration
	// Concurrency is how many requests to one Airflow are under way at once; 0 means the default.
	Concurrency int
	// Namespaces whose AirflowInstances are served; empty means all.
	Namespaces       []string
	AllowHTTPHosts   []string
	AllowedAddresses []netip.Prefix
	AllowPrivileged  bool
	// ServiceAccount is the operator's own account; empty where it is not known.
	ServiceAccount types.NamespacedName
	// IdentityPolicy names the ValidatingAdmissionPolicy that checks names on AccessRequests, and its binding; empty means
	// identity.DefaultPolicy.
	IdentityPolicy string
	// Prover proves that it does; nil asks the API server.
	Prover request.Prover
	// TokenAudiences are the addresses that tokens of it may be sent to, by audience.
	TokenAudiences map[string][]string
}

// Skew is how far another clock is ahead of ours, as the Date headers of its answers say.
type Skew = instance.Skew

// UncachedObjects are read from the API server each time, because the operator may only get them by name.
func UncachedObjects() []client.Object {
	return []client.Object{
		&corev1.Secret{}, &admissionv1.ValidatingAdmissionPolicy{}, &admissionv1.ValidatingAdmissionPolicyBinding{},
	}
}

// Setup registers all controllers and the indexes of the cache.
func Setup(mgr ctrl.Manager, s Settings) error {
	metrics.Register()
	if err := kind.SetupIndexes(context.Background(), mgr.GetFieldIndexer()); err != nil {
		return err
	}
	tokens, err := corev1client.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return fmt.Errorf("set up the client of ServiceAccounts: %w", err)
	}
	env := kind.Env{
		Client: mgr.GetClient(), APIReader: mgr.GetAPIReader(), Clock: s.Clock, Recorder: mgr.GetEventRecorder("airflow-oam"),
		Reports: kind.NewReports(), Teller: s.Teller, Retention: s.Retention,
	}
	for _, controller := range []interface{ SetupWithManager(ctrl.Manager) error }{
		instance.New(env, instance.Settings{
			KubernetesClock: s.KubernetesClock, Namespaces: s.Namespaces, AllowHTTPHosts: s.AllowHTTPHosts, AllowedAddresses: s.AllowedAddresses,
			ServiceAccount: s.ServiceAccount, Tokens: tokens, TokenAudiences: s.TokenAudiences,
			AllowPrivileged: s.AllowPrivileged, Concurrency: s.Concurrency,
		}),
		policy.New(env),
		grant.New(env),
		request.New(env, s.prover(mgr)),
	} {
		if err := controller.SetupWithManager(mgr); err != nil {
			return fmt.Errorf("set up the controllers: %w", err)
		}
	}
	return nil
}

// prover is what proves that the API server checks names on AccessRequests.
func (s *Settings) prover(mgr ctrl.Manager) request.Prover {
	if s.Prover != nil {
		return s.Prover
	}
	return identity.New(mgr.GetClient(), s.Clock, cmp.Or(s.IdentityPolicy, identity.DefaultPolicy))
}
