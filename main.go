// Command airflow-oam is the operator: it governs access to Apache Airflow from Kubernetes objects.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/controllers"
	"github.com/airflow-oam/airflow-oam/internal/config"
	"github.com/airflow-oam/airflow-oam/internal/notify"
	"github.com/airflow-oam/airflow-oam/internal/options"
)

// release is the version of a release build; set by the linker.
var release string

func main() {
	o, err := options.Parse(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "airflow-oam:", err)
		os.Exit(2)
	case o.Version:
		fmt.Println(version())
		return
	}
	logger := newLogger(o)
	ctrl.SetLogger(logger)
	if err := run(ctrl.SetupSignalHandler(), o); err != nil {
		logger.Error(err, "the operator stops")
		os.Exit(1)
	}
}

func run(ctx context.Context, o options.Options) error {
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("no Kubernetes cluster to talk to: %w", err)
	}
	realClock := clock.RealClock{}
	skew := &controllers.Skew{}
	teller, err := newTeller(o.Config, realClock)
	if err != nil {
		return fmt.Errorf("--config: %w", err)
	}
	config.QPS = -1 // the API server's own fairness bounds us; a limit here would delay endings
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return skew.Transport(next, realClock) })

	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                        scheme,
		Metrics:                       metricsserver.Options{BindAddress: o.MetricsAddress},
		HealthProbeBindAddress:        o.ProbeAddress,
		LeaderElection:                o.LeaderElect,
		LeaderElectionID:              "airflow-oam.access.airflow-oam.dev",
		LeaderElectionNamespace:       o.LeaderElectionNamespace,
		LeaderElectionReleaseOnCancel: true,
		Cache:                         cache.Options{DefaultTransform: cache.TransformStripManagedFields()},
		Client:                        client.Options{Cache: &client.CacheOptions{DisableFor: controllers.UncachedObjects()}},
	})
	if err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	if err := controllers.Setup(mgr, controllers.Settings{
		Clock: realClock, KubernetesClock: skew, Retention: o.Retention, Concurrency: o.Concurrency, Namespaces: o.InstanceNamespaces,
		AllowHTTPHosts: o.AllowHTTPHosts, AllowedAddresses: o.AllowAddresses, AllowPrivileged: o.AllowPrivileged,
		ServiceAccount: o.ServiceAccount, TokenAudiences: o.TokenAudiences, IdentityPolicy: o.IdentityPolicy, Teller: teller,
	}); err != nil {
		return fmt.Errorf("set up the controllers: %w", err)
	}
	if err := errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("ping", healthz.Ping)); err != nil {
		return fmt.Errorf("set up the probes: %w", err)
	}
	teller.Start()
	defer teller.Close(farewell) // after the Lease is released: what waits to be sent delays no other replica
	return mgr.Start(ctx)
}

// farewell is how long notifications are still sent when the operator ends.
const farewell = 5 * time.Second

// newTeller makes what tells notifiers, as the configuration file says.
func newTeller(path string, now clock.Clock) (*notify.Teller, error) {
	configuration := &config.Configuration{}
	if path != "" {
		var err error
		if configuration, err = config.Read(path); err != nil {
			return nil, err
		}
	}
	logger := ctrl.Log.WithName("notify")
	return notify.New(configuration, now, func(notifier string, e notify.Event, err error) {
		logger.Error(err, "an event did not arrive at a notifier", "notifier", notifier, "event", e.ID, "type", e.Type)
	})
}

func newLogger(o options.Options) logr.Logger {
	settings := &slog.HandlerOptions{Level: o.LogLevel}
	if o.LogFormat == "text" {
		return logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, settings))
	}
	return logr.FromSlogHandler(slog.NewJSONHandler(os.Stderr, settings))
}

func version() string {
	if release != "" {
		return "airflow-oam " + release
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		return "airflow-oam " + info.Main.Version + " " + info.GoVersion
	}
	return "airflow-oam"
}
