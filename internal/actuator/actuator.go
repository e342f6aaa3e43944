package actuator

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/clock"

	"github.com/airflow-oam/airflow-oam/internal/access"
)

const (
	// sliceTime is how long steps are begun before what is declared is read again, and how old the reading of a user may be
	// when that user is written.
	sliceTime = 2 * time.Second
	// defaultConcurrency is how many requests to one Airflow are under way at once.
	defaultConcurrency = 8
)

// Actuator brings one Airflow to what is declared. It keeps the last snapshot between passes.
type Actuator struct {
	clock clock.PassiveClock

	mu     sync.Mutex // held during a pass: there is one at a time, and what follows belongs to it
	server *server
	reader *reader
	memory memory
}

// memory is what outlives a pass, beside the snapshot.
type memory struct {
	inventory *inventory
	endings   endings
	contests  contests
	awaited   *awaited
	previous  *access.Observed // at the end of the last pass that observed; nil after a start
}

// Options of an Actuator. Zero values mean the defaults.
type Options struct {
	// Concurrency is how many requests are under way at once: 8 by default.
	Concurrency int
}

// New makes an actuator for one Airflow.
func New(airflow Airflow, passive clock.PassiveClock, options Options) *Actuator {
	if options.Concurrency <= 0 {
		options.Concurrency = defaultConcurrency
	}
	s := &server{Airflow: airflow, slots: make(chan struct{}, options.Concurrency)}
	r := newReader(s, passive)
	return &Actuator{
		clock: passive, server: s, reader: r,
		memory: memory{inventory: newInventory(), endings: endings{}, contests: contests{}, awaited: newAwaited(r)},
	}
}

// Use replaces the connection, after credentials or certificates changed. The snapshot stays.
func (a *Actuator) Use(airflow Airflow) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.server.Airflow = airflow
}

// Pass observes, plans, carries out and verifies until no step is left, and reports. It returns early where Airflow cannot
// be used; the report then says why, and what is known all the same. Only what was read after a write counts. Passes of one
// Actuator run one after another.
func (a *Actuator) Pass(ctx context.Context, source Source, look Look) *Report {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.newPass(source)
	err := p.run(ctx, look)
	if err == nil {
		err = p.failure(ctx)
	}
	return p.report(err)
}

// RevokeDue revokes what has ended, and nothing else. It needs no list and no knowledge of what the server can do; the next
// pass reports what came of it.
func (a *Actuator) RevokeDue(ctx context.Context, source Source) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.newPass(source)
	if err := p.declare(ctx); err != nil {
		return err
	}
	return p.revokeDue(ctx)
}

// recall ends what was remembered only until roles and users were read again.
func (m *memory) recall(r *reader, inVain sets.Set[list], started time.Time) {
	if !inVain.Has(listUsers) {
		r.forgetGone(started)
	}
	if !inVain.Has(listRoles) {
		m.inventory.attempted.Clear() // what is not there now was not made
	}
}
