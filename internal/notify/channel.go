package notify

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/airflow-oam/airflow-oam/internal/metrics"
)

const (
	// maxQueue is how many events wait for one notifier.
	maxQueue = 256
	// maxAge is how long an event is tried to be sent.
	maxAge = time.Hour
	// firstWait and longestWait bound the time between two tries where the server does not say it.
	firstWait   = time.Second
	longestWait = time.Minute
)

// Outcomes of events, for the metric.
const (
	outcomeSent    = "sent"
	outcomeFailed  = "failed"
	outcomeDropped = "dropped"
	outcomeExpired = "expired"
)

// Report is called where an event does not arrive. It is never called with a secret.
type Report func(notifier string, e Event, err error)

// channel sends events to one notifier, one at a time and in their order.
type channel struct {
	name   string
	filter filter
	target *target
	clock  clock.Clock
	report Report
	// closing is closed when nothing new comes: what waits is sent, without waits between tries.
	closing chan struct{}

	mu    sync.Mutex
	queue []queued
	wake  chan struct{}
}

// queued is an event and when it came.
type queued struct {
	event Event
	since time.Time
}

// offer takes an event that passes the filter. It never waits.
func (c *channel) offer(e Event) {
	switch passes, err := c.filter.matches(e); {
	case err != nil:
		c.lost(outcomeFailed, e, err)
	case passes:
		if oldest, full := c.push(e); full {
			c.lost(outcomeDropped, oldest, &failure{words: "too many events wait for this notifier"})
		}
	}
}

// push adds an event to the queue. It gives the oldest one where that had to go.
func (c *channel) push(e Event) (oldest Event, full bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if full = len(c.queue) == maxQueue; full {
		oldest, c.queue = c.queue[0].event, c.queue[1:]
	}
	c.queue = append(c.queue, queued{e, c.clock.Now()})
	metrics.SetNotificationsWaiting(c.name, len(c.queue))
	select {
	case c.wake <- struct{}{}:
	default: // it is awake
	}
	return oldest, full
}

// pop takes the oldest event.
func (c *channel) pop() (queued, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		return queued{}, false
	}
	next := c.queue[0]
	c.queue = c.queue[1:]
	metrics.SetNotificationsWaiting(c.name, len(c.queue))
	return next, true
}

// run sends until nothing new comes and the queue is empty, or the context is over.
func (c *channel) run(ctx context.Context) {
	defer c.target.close()
	for ctx.Err() == nil {
		next, some := c.pop()
		if some {
			c.deliver(ctx, next)
			continue
		}
		select {
		case <-c.wake:
		case <-c.closing:
			if c.empty() {
				return
			}
		case <-ctx.Done():
		}
	}
}

func (c *channel) empty() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue) == 0
}

// deliver sends an event, and tries again until it is too old.
func (c *channel) deliver(ctx context.Context, next queued) {
	for tries := 0; ; tries++ {
		now := c.clock.Now()
		if until := next.event.Until; !until.IsZero() && !now.Before(until) {
			c.lost(outcomeExpired, next.event, &failure{words: "its time was over before it could be sent"})
			return
		}
		bad := c.target.send(ctx, next.event, now)
		if bad == nil {
			metrics.CountNotification(c.name, outcomeSent)
			return
		}
		pause := pauseAfter(tries, bad)
		if bad.final || c.clock.Now().Add(pause).Sub(next.since) > maxAge || !c.pause(ctx, pause) {
			c.lost(outcomeFailed, next.event, bad)
			return
		}
		metrics.CountNotificationRetry(c.name)
	}
}

// pauseAfter is how long to wait after a failure: as long as the server asks, else longer each time, and never the same for
// all.
func pauseAfter(tries int, bad *failure) time.Duration {
	if bad.after > 0 {
		return bad.after
	}
	pause := longestWait
	if tries < 6 {
		pause = min(longestWait, firstWait<<tries)
	}
	return pause/2 + rand.N(pause/2+1) //nolint:gosec // no secret is made of it
}

// pause waits. It is false where the process ends meanwhile.
func (c *channel) pause(ctx context.Context, length time.Duration) bool {
	timer := c.clock.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C():
		return true
	case <-c.closing:
	case <-ctx.Done():
	}
	return false
}

func (c *channel) lost(outcome string, e Event, err error) {
	metrics.CountNotification(c.name, outcome)
	c.report(c.name, e, err)
}
