package actuator

import (
	"context"

	"k8s.io/utils/clock"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
)

// writer carries out the steps of one pass and has them read back. Each call carries out the steps of one phase. The
// goroutine of the pass may begin another phase while it waits in course.beside: each has a crew of its own, they share the
// ledger, and no user is written by two at a time.
type writer struct {
	server    *server
	clock     clock.PassiveClock
	reader    *reader
	inventory *inventory
	ledger    *ledger
	course    course
}

// course is the pass to which a writer belongs.
type course interface {
	// beside waits for requests, and revokes meanwhile what comes due. It fails with what wait does.
	beside(ctx context.Context, wait func() error) error
	// watch gives a check whether something else is declared than the last plan knew: the rest of the plan is out of date then.
	watch() func(context.Context) (changed bool, err error)
	// disown removes a role from the inventory that is another writer's.
	disown(ctx context.Context, role string) error
}

// apply carries out steps of one phase until all are done or something else is more urgent, and reads back what was written.
// It fails with what ends the pass; what befell a step is in the ledger.
func (w *writer) apply(ctx context.Context, steps []access.Step, server v1alpha1.Capabilities) error {
	if steps[0].Kind.OnUser() {
		phase := &memberPhase{writer: w, crew: w.newCrew(), rest: steps}
		return phase.run(ctx)
	}
	phase := &rolePhase{writer: w, crew: w.newCrew(), capabilities: server}
	return phase.run(ctx, steps)
}

// newCrew makes the crew of a phase.
func (w *writer) newCrew() *crew {
	return &crew{
		tally: newTally(w.server), server: w.server, clock: w.clock, changed: w.course.watch(), checked: w.clock.Now(),
	}
}
