package instance

import (
	"strings"
	"testing"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

func TestUntestedNamesTheVersionAndTheNewestThatWasTried(t *testing.T) {
	for _, c := range []struct {
		version, fab, reason string
		names                []string
	}{
		{"3.3.2", "3.10.2", v1alpha1.ReasonCompatible, nil},
		{"3.2.2", "3.6.4", v1alpha1.ReasonLimited, []string{"only add"}},
		{"3.4.0", "3.10.2", v1alpha1.ReasonUntested, []string{"3.4.0", "3.3.2"}},
		{"3.4.0", "3.6.4", v1alpha1.ReasonUntested, []string{"3.4.0", "3.3.2", "only add"}},
	} {
		server := airflow.Server{Version: c.version, AuthManager: airflow.AuthManagerFAB, FABProvider: c.fab}
		server.Capabilities = airflow.CapabilitiesOf(server)
		reason, message := compatible(server)
		if reason != c.reason {
			t.Errorf("%s: reason %s, want %s", c.version, reason, c.reason)
		}
		for _, name := range c.names {
			if !strings.Contains(message, name) {
				t.Errorf("%s: %q does not name %q", c.version, message, name)
			}
		}
	}
}
