package actuator

import (
	"context"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// tally judges what requests of one kind came to, and decides whether others are begun. None is begun after an error that
// concerns the whole server, nor after as many failures in a row as a server has that fails every request.
type tally struct {
	most int // failures in a row after which no more requests are begun

	mu    sync.Mutex // guards what follows
	lost  int        // failures in a row that may befall every request
	err   error
	ended bool
}

// newTally makes a tally for requests to a server, each of which is about one role or user.
func newTally(s *server) *tally { return &tally{most: 2 * s.atOnce()} }

// count takes in the outcome of a request.
func (t *tally) count(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case err == nil:
		t.lost = 0
		return
	case fatal(err):
		t.stop(err)
		return
	case mayBefallAll(err):
		t.lost++
	}
	if t.lost >= t.most {
		t.stop(err)
	}
}

// end begins no more requests; err, if any, ends the pass.
func (t *tally) end(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stop(err)
}

// stop is end for callers that hold the lock. The first error counts.
func (t *tally) stop(err error) {
	t.ended = true
	if t.err == nil {
		t.err = err
	}
}

// over reports whether no more requests are to be begun.
func (t *tally) over() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ended
}

// outcome is the error that ends the pass, if any.
func (t *tally) outcome() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// crew makes the writes of one phase, a bounded number at once. It begins none when its tally says so, and none when
// something else became more urgent.
type crew struct {
	*tally
	server  *server
	clock   clock.PassiveClock
	changed func(context.Context) (bool, error) // whether something else is declared than when the plan was made
	checked time.Time                           // when that was asked last
	running sync.WaitGroup
}

// begin starts a write as soon as a slot is free; false means that no more are begun. Every sliceTime it asks what is
// declared: when that changed, the rest of the plan is out of date, and an ending may be due.
func (c *crew) begin(ctx context.Context, write func() error) bool {
	c.checkPlan(ctx)
	if c.over() || !c.server.acquire(ctx) {
		return false
	}
	if c.over() {
		c.server.release()
		return false
	}
	c.running.Go(func() {
		defer c.server.release()
		c.count(write())
	})
	return true
}

// checkPlan ends the phase when something else is declared now than what its plan was made of.
func (c *crew) checkPlan(ctx context.Context) {
	now := c.clock.Now()
	if c.over() || now.Sub(c.checked) <= sliceTime {
		return
	}
	c.checked = now
	if changed, err := c.changed(ctx); changed || err != nil {
		c.end(err)
	}
}

// wait returns when no write is under way, with the error that ends the pass.
func (c *crew) wait() error {
	c.running.Wait()
	return c.outcome()
}
