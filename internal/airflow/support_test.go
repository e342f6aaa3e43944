package airflow_test

import (
	"testing"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

func TestSupported(t *testing.T) {
	for server, want := range map[airflow.Server]bool{
		{Version: "3.3.2", FABProvider: "3.10.2"}:      true,
		{Version: "3.0.0", FABProvider: "2.4.2"}:       true,
		{Version: "3.0.0", FABProvider: "2.4.1"}:       false,
		{Version: "2.11.2", FABProvider: "1.5.4"}:      true,
		{Version: "2.10.0", FABProvider: "1.3.0"}:      true,
		{Version: "2.10.0", FABProvider: "1.2.9"}:      false,
		{Version: "2.9.3", FABProvider: "1.5.4"}:       false,
		{Version: "2.9.3", FABProvider: ""}:            false,
		{Version: "4.0.0", FABProvider: "from source"}: true,
	} {
		if got := server.Supported(); got != want {
			t.Errorf("Airflow %s with fab %q: %t", server.Version, server.FABProvider, got)
		}
	}
}
