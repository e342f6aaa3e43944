package faults_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

// fault is something that goes wrong while a scenario is played.
type fault struct {
	// number and title are those of the list of faults.
	number, title string
	// lasts is how long it goes on; 0 is a moment.
	lasts time.Duration
	// settles is how much longer than usual the operator takes afterwards.
	settles time.Duration
	// what it takes from the operator meanwhile; empty: nothing, and nothing may be late.
	what blind
	// excuse says in the table what may be late, where that is more than what says.
	excuse string
	// strike begins it, and gives what ends it; nil where nothing is to be ended.
	strike func(w *world) (heal func(w *world))
	// options change the simulated Airflow.
	options func(*airflowtest.Options)
	// requests is how many the operator may make in a minute; 0: maxRequests.
	requests int
	// secure is set for faults that need an Airflow with TLS.
	secure bool
	// also is checked at the end, beside the invariants.
	also func(w *world)
	// only names the scenarios that it is tried with; all by default.
	only []string

	heal *func(*world)
}

func (f fault) begin(w *world) {
	w.note("%s begins: %s", f.number, f.title)
	if f.what != "" {
		w.blindFor(f.what, f.lasts)
	}
	*f.heal = f.strike(w)
}

func (f fault) end(w *world) {
	w.note("%s is over", f.number)
	if heal := *f.heal; heal != nil {
		heal(w)
	}
}

// TestFaults is the matrix: each fault with each seed, and the scenario and the server whose turn it is.
func TestFaults(t *testing.T) {
	board.expect(len(seeds(t)) * len(faults()))
	for _, seed := range seeds(t) {
		for i, f := range faults() {
			n := int(seed) + i
			s := f.turn(n)
			t.Run(fmt.Sprintf("%s %s/%s/seed %d", f.number, f.title, s.name, seed), func(t *testing.T) {
				t.Parallel()
				try(t, f, s, server(n), seed)
			})
		}
	}
}

// turn is the scenario of a run.
func (f fault) turn(n int) scenario {
	var mine []scenario
	for _, s := range scenarios {
		if len(f.only) == 0 || slices.Contains(f.only, s.name) {
			mine = append(mine, s)
		}
	}
	return mine[n%len(mine)]
}

// faults are all faults of the matrix.
func faults() []fault {
	return slices.Concat(kubernetesFaults(), processFaults(), httpFaults(), airflowFaults(), scopeFaults(), authFaults(), timeFaults(), gitFaults(), abuseFaults(), generationFaults())
}

// try is one run: a world, a scenario, a fault, and all checks.
func try(t *testing.T, f fault, s scenario, server *airflowtest.Generation, seed uint64) {
	t.Helper()
	options := airflowtest.Options{Generation: server}
	if f.options != nil {
		f.options(&options)
	}
	outcome := result{fault: f, scenario: s.name, seed: seed, server: options.Generation.Version}
	f.heal = new(func(*world))
	w := newWorld(t, seed, options, f.secure)
	defer w.remove()
	defer func() {
		outcome.failures, outcome.struck = w.failures, w.strikes
		if t.Failed() {
			w.tell()
			outcome.failed = true
		}
		board.add(outcome)
	}()
	w.play(s, f)
	if w.strikes == 0 {
		w.wrong("the fault did not take effect")
	}
	w.effective()
	w.stable()
	w.atRest()
	w.leftovers()
	w.history()
	w.bounded(cmp.Or(f.requests, maxRequests))
	if f.also != nil {
		f.also(w)
	}
}
