// Package contract_test runs the contract suite against a real Airflow.
package contract_test

import (
	"os"
	"testing"

	"github.com/airflow-oam/airflow-oam/hack/airflow/server"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest/contract"
)

func TestAirflow33(t *testing.T) {
	s, err := server.Start(t.Context(), server.Options{
		Home: t.TempDir(), NoScheduler: true, Log: os.Stderr,
	})
	if err != nil {
		t.Fatalf("no Airflow to test against: %v\n\"go run ./hack/airflow start --home DIR\" shows what is missing; it needs Python 3.11 to 3.13 and a package index", err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	const x, y = "finance_daily", "marketing_report"
	if err := s.WaitForDAGs(t.Context(), x, y); err != nil {
		t.Fatal(err)
	}
	contract.Run(t, contract.Target{
		URL: s.URL, Username: s.AdminUsername, Password: s.AdminPassword,
		Version: "3.3.2", FABProvider: "3.10.2", DagX: x, DagY: y,
	})
}
