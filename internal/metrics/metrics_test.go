package metrics_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/airflow-oam/airflow-oam/internal/metrics"
)

var prod = types.NamespacedName{Namespace: "data", Name: "prod"}

func TestGrantsAreCountedByPhaseAndOverdueEndingsByInstance(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	clock := clocktesting.NewFakePassiveClock(now)
	registry := prometheus.NewPedanticRegistry()
	m, err := metrics.New(registry, clock)
	if err != nil {
		t.Fatal(err)
	}
	m.Grant("a", prod, "Active", now.Add(time.Minute))
	m.Grant("b", prod, "Ending", now.Add(-time.Second))
	m.Grant("c", prod, "Active", time.Time{})
	m.Grant("d", prod, "Active", time.Time{})
	m.ForgetGrant("d")
	expect := func(overdue string) {
		t.Helper()
		want := `
# HELP airflow_oam_endings_overdue Grants whose planned removal is past and not proved yet.
# TYPE airflow_oam_endings_overdue gauge
airflow_oam_endings_overdue{instance="data/prod"} ` + overdue + `
# HELP airflow_oam_grants Grants by phase.
# TYPE airflow_oam_grants gauge
airflow_oam_grants{instance="data/prod",phase="Active"} 2
airflow_oam_grants{instance="data/prod",phase="Ending"} 1
`
		if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "airflow_oam_grants", "airflow_oam_endings_overdue"); err != nil {
			t.Error(err)
		}
	}
	expect("1")
	clock.SetTime(now.Add(2 * time.Minute))
	expect("2")
}

func TestAnInstanceThatIsGoneLeavesNoSeries(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	m, err := metrics.New(registry, clocktesting.NewFakePassiveClock(time.Unix(1700000000, 0)))
	if err != nil {
		t.Fatal(err)
	}
	m.Pass(prod, time.Second, time.Unix(1700000000, 0), true, true)
	m.Request(prod, "/users/{username}", "GET", 200, time.Millisecond)
	m.Drift(prod, "Manual", true)
	m.ClockSkew(prod, time.Second)
	before, err := testutil.GatherAndCount(registry)
	if err != nil {
		t.Fatal(err)
	}
	m.ForgetInstance(prod)
	after, err := testutil.GatherAndCount(registry)
	if err != nil {
		t.Fatal(err)
	}
	// The two histograms without labels are always there.
	if before != 10 || after != 2 {
		t.Errorf("series before %d, after %d; want 10 and 2", before, after)
	}
}

func TestNoMetricsTakeEveryCall(t *testing.T) {
	var m *metrics.Metrics
	m.Grant("a", prod, "Active", time.Time{})
	m.ForgetGrant("a")
	m.GrantActivated(time.Second)
	m.GrantRemoved(time.Second)
	m.Drift(prod, "Manual", true)
	m.Request(prod, "/x", "GET", 0, 0)
	m.Pass(prod, 0, time.Time{}, false, false)
	m.ClockSkew(prod, 0)
	m.ForgetInstance(prod)
}
