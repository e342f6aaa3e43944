package permission

import (
	"strings"
	"testing"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

func TestViewAuditIsNotSupportedBeforeAirflow322(t *testing.T) {
	for version, lacks := range map[string]string{
		"3.0.0": "CVE-2026-46764", "3.1.8": "CVE-2026-46764", "3.2.1": "CVE-2026-46764", "2.11.2": "shows all DAGs",
		"3.2.2": "", "3.2.10": "", "3.3.2": "", "3.10.0": "", "4.0.0": "", "": "",
	} {
		got := Server{Version: version}.Lacks(v1alpha1.AccessViewAudit)
		if (got == "") != (lacks == "") || !strings.Contains(got, lacks) {
			t.Errorf("%q: %q, want %q", version, got, lacks)
		}
	}
}
