package airflow_test

import (
	"testing"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

func TestReleasesNewerThanAllThatWereTriedAreUntested(t *testing.T) {
	for version, want := range map[string]string{
		"2.11.2": "", "3.2.2": "", "3.3.2": "", "3.3.9": "", "": "", "main": "",
		"3.4.0": "3.3.2", "3.4.0rc1": "3.3.2", "3.10.0": "3.3.2", "4.0.0": "3.3.2",
	} {
		if got := (airflow.Server{Version: version}).Untested(); got != want {
			t.Errorf("%q: newest tried %q, want %q", version, got, want)
		}
	}
}

func TestAnUntestedReleaseIsGovernedAsTheNewestKnown(t *testing.T) {
	known := airflow.Server{Version: "3.3.2", AuthManager: airflow.AuthManagerFAB, FABProvider: "3.10.2"}
	newer := known
	newer.Version = "3.4.0"
	if !newer.Supported() || airflow.CapabilitiesOf(newer) != airflow.CapabilitiesOf(known) {
		t.Errorf("supported %v with %+v, want %+v", newer.Supported(), airflow.CapabilitiesOf(newer), airflow.CapabilitiesOf(known))
	}
}
