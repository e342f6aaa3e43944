package actuator

import (
	"context"
	"sync"
	"time"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/permission"
)

// crew makes the writes of one phase, a bounded number at once. It begins none after an error that concerns the whole
// server, and none when something else became more urgent.
type crew struct {
	p       *pass
	running sync.WaitGroup
	seen    uint64    // fingerprint of what was declared when the plan was made
	looked  time.Time // when the Kubernetes side was looked at last
	people  bool      // each of its requests is about one person

	mu    sync.Mutex
	lost  int // requests in a row that a server failed which may fail all of them
	err   error
	ended bool
}

func (p *pass) newCrew() *crew { return &crew{p: p, seen: p.seen, looked: p.clock.Now()} }

// begin starts a write as soon as a place is free; false means that no more are begun. What is declared is looked at
// again every sliceTime: when that changed, the rest of the plan is out of date, and an ending may be due.
func (c *crew) begin(ctx context.Context, write func() error) bool {
	if now := c.p.clock.Now(); !c.over() && now.Sub(c.looked) > sliceTime {
		c.looked = now
		if changed, err := c.p.changed(ctx, c.seen); changed || err != nil {
			c.end(err)
		}
	}
	if c.over() || !c.p.acquire(ctx) {
		return false
	}
	if c.over() {
		c.p.release()
		return false
	}
	c.running.Go(func() {
		defer c.p.release()
		c.count(write())
	})
	return true
}

// count decides by the outcome of a write whether others are begun.
func (c *crew) count(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.people && ofOne(err)
	switch {
	case err == nil:
		c.lost = 0
	case airflow.IsUnavailable(err) || one:
		c.lost++
	}
	if fatal(err) && !one || c.lost >= 2*c.p.concurrency {
		c.ended = true
		if c.err == nil {
			c.err = err
		}
	}
	if resource, unknown := airflow.UnknownResource(err); unknown {
		if dag, ok := permission.DagOf(resource); ok && !c.p.unknown[dag] {
			c.ended = true // the rest of the phase would meet it, too: the next plan leaves it out
		}
	}
}

// end begins no more writes; err, if any, ends the pass.
func (c *crew) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if c.err == nil {
		c.err = err
	}
}

func (c *crew) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// throttled says whether the server asked to be left alone.
func (c *crew) throttled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return asked(c.err)
}

// wait returns when no write is under way, with the error that ends the pass.
func (c *crew) wait() error {
	c.running.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// acquire takes one of the places for requests; false when the pass was cancelled.
func (a *Actuator) acquire(ctx context.Context) bool {
	select {
	case a.places <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (a *Actuator) release() { <-a.places }

// inPlace makes one request in one of the places.
func (a *Actuator) inPlace(ctx context.Context, request func() error) error {
	if !a.acquire(ctx) {
		return ctx.Err()
	}
	defer a.release()
	return request()
}
