package metrics_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/airflow-oam/airflow-oam/internal/metrics"
)

func TestGrantsAreCountedByPhase(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	metrics.RegisterWith(registry)
	metrics.SetGrant("a", "data/prod", "Pending")
	metrics.SetGrant("a", "data/prod", "Active")
	metrics.SetGrant("b", "data/prod", "Ending")
	metrics.SetGrant("c", "data/prod", "Active")
	metrics.SetGrant("d", "data/prod", "Active")
	metrics.ForgetGrant("d")
	want := `
# HELP airflow_oam_grants Grants by phase.
# TYPE airflow_oam_grants gauge
airflow_oam_grants{instance="data/prod",phase="Active"} 2
airflow_oam_grants{instance="data/prod",phase="Ending"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "airflow_oam_grants"); err != nil {
		t.Error(err)
	}
}

func TestAnInstanceThatIsGoneLeavesNoSeries(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	metrics.RegisterWith(registry)
	empty, err := testutil.GatherAndCount(registry)
	if err != nil {
		t.Fatal(err)
	}
	metrics.ObservePass("data/gone", time.Second, time.Unix(1700000000, 0))
	metrics.ObserveRequest("data/gone", "/users/{username}", "GET", 0, "Unavailable", time.Millisecond)
	metrics.CountDrift("data/gone", "Manual", true)
	metrics.SetClockSkew("data/gone", time.Second)
	metrics.SetInstanceUp("data/gone", true)
	metrics.SetEndingsOverdue("data/gone", 1)
	full, err := testutil.GatherAndCount(registry)
	if err != nil {
		t.Fatal(err)
	}
	if want := empty + 9; full != want {
		t.Errorf("%d series before the instance went, want %d", full, want)
	}
	metrics.ForgetInstance("data/gone")
	after, err := testutil.GatherAndCount(registry)
	if err != nil {
		t.Fatal(err)
	}
	if after != empty {
		t.Errorf("%d series after the instance went, want %d", after, empty)
	}
}

func TestAFailureWithoutAnAnswerIsCountedByItsCause(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	metrics.RegisterWith(registry)
	metrics.ObserveRequest("data/codes", "/roles", "GET", 0, "TLS", time.Millisecond)
	metrics.ObserveRequest("data/codes", "/roles", "GET", 200, "", time.Millisecond)
	t.Cleanup(func() { metrics.ForgetInstance("data/codes") })
	want := `
# HELP airflow_oam_airflow_requests_total Calls to Airflow; code is the status, or the cause where no answer came.
# TYPE airflow_oam_airflow_requests_total counter
airflow_oam_airflow_requests_total{code="200",endpoint="/roles",instance="data/codes",method="GET"} 1
airflow_oam_airflow_requests_total{code="TLS",endpoint="/roles",instance="data/codes",method="GET"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "airflow_oam_airflow_requests_total"); err != nil {
		t.Error(err)
	}
}
