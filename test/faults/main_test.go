// Package faults_test lets faults befall the operator while people work with it, and checks at every moment of the
// history what must hold at every moment. It runs the real controllers on a real API server, against a simulated
// Airflow, in simulated time: the clock stands still while anything is done, and then jumps to what is due next.
//
// FAULTS_SEEDS says how many seeds each fault is run with, FAULTS_REPORT where the table of results goes,
// FAULTS_SEED the only seed to run, and FAULTS_LOG=1 shows the operator's log of what failed.
package faults_test

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/test/controlplane"
)

var (
	plane  *rest.Config
	scheme = runtime.NewScheme()
	admin  client.WithWatch
	raw    rest.Interface // as people, without types
	board  = &results{}
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	// Most of a run is waiting for the API server: more of them than processors go on at once.
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
	ctrl.SetLogger(logr.Discard()) // each process has a logger of its own
	config, end, err := controlplane.Launch(controlplane.WithAdmission())
	if err != nil {
		fmt.Fprintln(os.Stderr, "control plane:", err)
		return 1
	}
	defer func() {
		if err := end(); err != nil {
			fmt.Fprintln(os.Stderr, "stop the control plane:", err)
		}
	}()
	plane = config
	people := rest.CopyConfig(config)
	people.QPS = -1
	if admin, err = client.NewWithWatch(people, client.Options{Scheme: scheme}); err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		return 1
	}
	clients, err := kubernetes.NewForConfig(people)
	if err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		return 1
	}
	raw = clients.RESTClient()
	code := m.Run()
	if path := os.Getenv("FAULTS_REPORT"); path != "" {
		if err := board.write(path); err != nil {
			fmt.Fprintln(os.Stderr, "report:", err)
			return 1
		}
	}
	return code
}

// seeds are those to run with.
func seeds(t *testing.T) []uint64 {
	t.Helper()
	number := func(name string, otherwise uint64) uint64 {
		text := os.Getenv(name)
		if text == "" {
			return otherwise
		}
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return n
	}
	if only := number("FAULTS_SEED", 0); only > 0 {
		return []uint64{only}
	}
	var out []uint64
	for seed := uint64(1); seed <= number("FAULTS_SEEDS", 1); seed++ {
		out = append(out, seed)
	}
	return out
}
