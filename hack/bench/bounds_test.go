package main

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
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
// for each trouble. Nothing is timed. It lasts as long as the slowest of them, some two minutes, most of which is waiting.
func TestTroubleCostsFewRequests(t *testing.T) {
	s := whole().quick().ofTrouble()
	s.users = 250            // half the time
	s.underWay = time.Second // the machine is busy with other tests
	p, err := startPlane(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var group errgroup.Group
	outcomes, violations := map[string]sample{}, map[string]int{}
	var mu sync.Mutex
	for _, generation := range generations() {
		s := s
		s.generation = generation
		for i, trouble := range troubles(s) {
			group.Go(func() error {
				out, early, err := p.operate(t.Context(), s, trouble, 10*i)
				mu.Lock()
				defer mu.Unlock()
				outcomes[generation.Version+trouble.name], violations[generation.Version+trouble.name] = out, early
				return err
			})
		}
	}
	if err := errors.Join(group.Wait(), p.stop()); err != nil {
		t.Fatal(err)
	}
	for _, generation := range generations() {
		for _, trouble := range troubles(s) {
			key := generation.Version + trouble.name
			out := outcomes[key]
			ratio := float64(out.requests) / float64(outcomes[generation.Version+undisturbed].requests)
			t.Logf("%s, %s: %d requests, %.2f, %.0f s", generation.Version, trouble.name, out.requests, ratio, out.seconds)
			for _, one := range missedInTrouble(generation.Version, trouble, ratio, violations[key]) {
				t.Error(one)
			}
		}
	}
}
