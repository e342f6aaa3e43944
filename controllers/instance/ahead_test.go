package instance

import (
	"testing"
	"time"
)

func TestClockSkewSaysHowMuchAndWhoIsAhead(t *testing.T) {
	for want, c := range map[string]clocks{
		"": {airflow: time.Minute, kubernetes: -time.Minute},
		"the clock of Airflow is ahead of that of the operator by about 1 minute":                     {airflow: 61 * time.Second},
		"the clock of the operator is ahead of that of Airflow by about 60 minutes":                   {airflow: -time.Hour},
		"the clock of the Kubernetes API server is ahead of that of the operator by about 50 minutes": {kubernetes: 50 * time.Minute},
		"the clock of the operator is ahead of that of the Kubernetes API server by about 2 minutes":  {kubernetes: -2 * time.Minute},
	} {
		for _, noise := range []time.Duration{0, 700 * time.Millisecond} {
			again := c
			if want != "" && c.airflow != 0 {
				again.airflow += noise
			}
			if want != "" && c.kubernetes != 0 {
				again.kubernetes += noise
			}
			if got := again.differing(); got != want {
				t.Errorf("%+v: %q, want %q", again, got, want)
			}
		}
	}
}
