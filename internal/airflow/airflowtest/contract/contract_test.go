package contract_test

import (
	"testing"

	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest/contract"
)

func TestSimulator(t *testing.T) {
	s := airflowtest.Start(t, airflowtest.Options{})
	s.SetDag(airflowtest.Dag{ID: "xone", Bundle: "dags-folder", Path: "xone.py"})
	s.SetDag(airflowtest.Dag{ID: "ytwo", Bundle: "dags-folder", Path: "ytwo.py"})
	contract.Run(t, contract.Target{
		URL: s.URL, Username: airflowtest.AdminUsername, Password: airflowtest.AdminPassword,
		Version: "3.3.2", FABProvider: "3.10.2", DagX: "xone", DagY: "ytwo",
	})
}
