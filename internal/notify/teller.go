package notify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/config"
)

// Teller tells notifiers. Its methods never wait for one, and may be called from several goroutines. Without notifiers it does
// nothing.
type Teller struct {
	clock    clock.Clock
	console  string
	channels []*channel
	schedule *schedule
	told     told

	closing chan struct{}
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// New makes a Teller for the notifiers of a configuration. It fails for a filter that does not compile.
func New(c *config.Configuration, clk clock.Clock, report Report) (*Teller, error) {
	t := &Teller{clock: clk, console: c.ConsoleURL, closing: make(chan struct{}), told: told{ids: map[string]bool{}}}
	t.schedule = &schedule{clock: clk, tell: t.tell, events: map[types.UID][]Event{}, wake: make(chan struct{}, 1)}
	var problems []error
	for i, settings := range c.Notifiers {
		compiled, err := compile(settings.Filter)
		if err != nil {
			problems = append(problems, c.Problem(fmt.Sprintf("notifiers[%d].filter", i), "%w", err))
			continue
		}
		t.channels = append(t.channels, &channel{
			name: settings.Name, filter: compiled, target: newTarget(settings), clock: clk, report: report,
			closing: t.closing, wake: make(chan struct{}, 1),
		})
	}
	return t, errors.Join(problems...)
}

// Start begins to send. Events that come before wait.
func (t *Teller) Start() {
	if t.silent() {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.cancel = cancel
	t.running.Go(func() { t.schedule.run(t.closing) })
	for _, c := range t.channels {
		t.running.Go(func() { c.run(ctx) })
	}
}

// Close sends what waits, once and for at most as long as given, and ends: at once where no time is given. It is called once, after Start and when nothing is
// told any more.
func (t *Teller) Close(patience time.Duration) {
	if t.silent() {
		return
	}
	close(t.closing)
	defer t.running.Wait()
	defer t.cancel()
	if patience <= 0 {
		return
	}
	done := make(chan struct{})
	go func() { t.running.Wait(); close(done) }()
	timer := t.clock.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C():
	}
}

// Request is told of a request after its status was stored: as it was before and as it is now.
func (t *Teller) Request(before, after *v1alpha1.AccessRequest) {
	if t.silent() {
		return
	}
	for _, e := range OfRequest(before, after, t.clock.Now()) {
		t.tell(e)
	}
	t.schedule.set(after.UID, DueOfRequest(after))
}

// Grant is told of a grant after its status was stored: as it was before and as it is now. request is the one that it was made
// for; nil where there is none.
func (t *Teller) Grant(request *v1alpha1.AccessRequest, before, after *v1alpha1.AccessGrant) {
	if t.silent() {
		return
	}
	for _, e := range OfGrant(request, before, after, t.clock.Now()) {
		t.tell(e)
	}
	t.schedule.set(after.UID, DueOfGrant(request, after))
}

// Forget drops what is scheduled for an object that is gone.
func (t *Teller) Forget(uid types.UID) {
	if !t.silent() {
		t.schedule.set(uid, nil)
	}
}

func (t *Teller) silent() bool { return t == nil || len(t.channels) == 0 }

// tell offers an event to every notifier, unless it was before.
func (t *Teller) tell(e Event) {
	if !t.told.first(e.ID) {
		return
	}
	e = e.linked(t.console)
	for _, c := range t.channels {
		c.offer(e)
	}
}

// maxTold is how many ids are remembered.
const maxTold = 4096

// told remembers the ids of the last events.
type told struct {
	mu    sync.Mutex
	ids   map[string]bool
	order []string
}

// first remembers an id, and reports whether it is new.
func (t *told) first(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ids[id] {
		return false
	}
	t.ids[id] = true
	t.order = append(t.order, id)
	if len(t.order) > maxTold {
		delete(t.ids, t.order[0])
		t.order = t.order[1:]
	}
	return true
}
