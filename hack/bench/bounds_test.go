package main

import (
	"context"
	"testing"
	"time"

	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

// TestBoundsOfRequestsAreKept runs small versions of the scenarios without latency: requests are counted, nothing is
// timed. The scenarios also compare the end state of every contestant with what was declared.
func TestBoundsOfRequestsAreKept(t *testing.T) {
	s := settings{
		roles: 50, users: 200, trials: 1, endings: []int{1, 100}, concurrency: 8, generation: airflowtest.Airflow33,
		latencies: []time.Duration{0},
	}
	for name, run := range map[string]func(context.Context, settings) ([]string, error){
		"P1 cold convergence": cold, "P2 nothing changed": unchanged, "P3 drift": drifted, "P4 endings": endings,
	} {
		t.Run(name, func(t *testing.T) {
			missed, err := run(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range missed {
				t.Error(one)
			}
		})
	}
}
