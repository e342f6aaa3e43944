package contract_test

import (
	"testing"

	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest/contract"
)

func TestSimulator(t *testing.T) {
	for _, g := range []airflowtest.Generation{airflowtest.Airflow33, airflowtest.Airflow32, airflowtest.Airflow211} {
		t.Run(g.Version, func(t *testing.T) { contract.Run(t, simulated(t, g)) })
	}
	g := airflowtest.Airflow31
	t.Run(g.Version, func(t *testing.T) { contract.RunUngoverned(t, simulated(t, g)) })
}

func simulated(t *testing.T, g airflowtest.Generation) contract.Target {
	t.Helper()
	s := airflowtest.Start(t, airflowtest.Options{Generation: &g})
	s.SetDag(airflowtest.Dag{ID: "xone", Bundle: "dags-folder", Path: "xone.py"})
	s.SetDag(airflowtest.Dag{ID: "ytwo", Bundle: "dags-folder", Path: "ytwo.py"})
	return contract.Target{
		URL: s.URL, Username: airflowtest.AdminUsername, Password: airflowtest.AdminPassword,
		Version: g.Version, FABProvider: g.FABProvider, AddsWebsite: g.AddsWebsite, DagX: "xone", DagY: "ytwo",
	}
}
