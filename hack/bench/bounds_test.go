package main

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

// TestBoundsOfRequestsAreKept runs small versions of the scenarios without latency: requests are counted, nothing is
// timed. The scenarios also compare the end state of every contestant with what was declared.
func TestBoundsOfRequestsAreKept(t *testing.T) {
	s := whole().quick()
	s.latencies = []time.Duration{0}
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

// TestTroubleCostsFewRequests has the whole operator converge many simulated servers at once on a real API server, one
// for each trouble, and three where chance decides. Nothing is timed. It lasts as long as the slowest of them, two to
// five minutes, most of which is waiting.
func TestTroubleCostsFewRequests(t *testing.T) {
	s := whole().quick().ofTrouble()
	s.users, s.late = 250, s.concurrency // half the time, on a machine that is busy with other tests
	p, err := startPlane(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	group, ctx := errgroup.WithContext(t.Context())
	requests, violations := map[string][]float64{}, map[string]int{}
	var mu sync.Mutex
	key := func(g airflowtest.Generation, t trouble) string { return g.Version + ", " + t.name }
	for _, generation := range generations() {
		s := s
		s.generation = generation
		for i, trouble := range troubles() {
			draws := 1
			if trouble.draws {
				draws = 3
			}
			for draw := range draws {
				group.Go(func() error {
					out, early, err := p.operate(ctx, s, trouble, 10*i+draw)
					mu.Lock()
					defer mu.Unlock()
					which := key(generation, trouble)
					requests[which], violations[which] = append(requests[which], float64(out.requests)), violations[which]+early
					return err
				})
			}
		}
	}
	if err := errors.Join(group.Wait(), p.stop()); err != nil {
		t.Fatal(err)
	}
	for _, generation := range generations() {
		usual := requests[key(generation, troubles()[0])][0]
		for _, trouble := range troubles() {
			which := key(generation, trouble)
			ratio := median(requests[which]) / usual
			t.Logf("%s: %.0f requests, %.2f", which, requests[which], ratio)
			for _, one := range missedInTrouble(generation.Version, trouble, ratio, violations[which]) {
				t.Error(one)
			}
		}
	}
}
