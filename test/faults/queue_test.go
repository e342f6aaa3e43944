package faults_test

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

type (
	request = reconcile.Request
	limiter = workqueue.TypedRateLimiter[request]
)

// queue is the queue of a controller whose delays are of simulated time: what is added for later waits until the harness
// has moved the clock. What is due is in a real priority queue.
type queue struct {
	priorityqueue.PriorityQueue[request]
	name    string
	limiter limiter
	clock   clock.PassiveClock

	mu      sync.Mutex
	later   map[request]timer
	ready   map[request]bool
	working map[request]bool
	handed  int
}

type timer struct {
	at       time.Time
	priority int
}

func newQueue(name string, l limiter, c clock.PassiveClock) *queue {
	return &queue{
		PriorityQueue: priorityqueue.New(name, func(o *priorityqueue.Opts[request]) { o.RateLimiter = l }),
		name:          name, limiter: l, clock: c,
		later: map[request]timer{}, ready: map[request]bool{}, working: map[request]bool{},
	}
}

// AddWithOpts keeps what is for later, the earliest time of an item and its highest priority, as the real queue does.
func (q *queue) AddWithOpts(o priorityqueue.AddOpts, items ...request) {
	priority := 0
	if o.Priority != nil {
		priority = *o.Priority
	}
	for _, item := range items {
		after := o.After
		if o.RateLimited {
			if limited := q.limiter.When(item); after == 0 || limited < after {
				after = limited
			}
		}
		q.put(item, after, priority)
	}
}

func (q *queue) put(item request, after time.Duration, priority int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	waiting, waits := q.later[item]
	if waits {
		priority = max(priority, waiting.priority)
	}
	if after > 0 && !q.ready[item] {
		at := q.clock.Now().Add(after)
		if waits && waiting.at.Before(at) {
			at = waiting.at
		}
		q.later[item] = timer{at, priority}
		return
	}
	q.hand(item, priority)
}

// hand gives an item to the real queue. The lock is held.
func (q *queue) hand(item request, priority int) {
	delete(q.later, item)
	q.ready[item] = true
	q.PriorityQueue.AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, item)
}

func (q *queue) Add(item request) { q.AddWithOpts(priorityqueue.AddOpts{}, item) }

func (q *queue) AddAfter(item request, after time.Duration) {
	q.AddWithOpts(priorityqueue.AddOpts{After: after}, item)
}

func (q *queue) AddRateLimited(item request) {
	q.AddWithOpts(priorityqueue.AddOpts{RateLimited: true}, item)
}

func (q *queue) GetWithPriority() (request, int, bool) {
	item, priority, shutdown := q.PriorityQueue.GetWithPriority()
	q.mu.Lock()
	defer q.mu.Unlock()
	if !shutdown {
		delete(q.ready, item)
		q.working[item] = true
		q.handed++
	}
	return item, priority, shutdown
}

func (q *queue) Get() (request, bool) {
	item, _, shutdown := q.GetWithPriority()
	return item, shutdown
}

func (q *queue) Done(item request) {
	q.PriorityQueue.Done(item)
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.working, item)
}

// idle says whether nothing is worked on and nothing is due.
func (q *queue) idle() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.working) == 0 && len(q.ready) == 0 && q.Len() == 0
}

// served is how many items were worked on.
func (q *queue) served() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.handed
}

// next is when the first waiting item is due; zero where none waits.
func (q *queue) next() time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	var first time.Time
	for _, t := range q.later {
		if first.IsZero() || t.at.Before(first) {
			first = t.at
		}
	}
	return first
}

// fire hands over what is due, in the order of the times.
func (q *queue) fire(now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var due []request
	for item, t := range q.later {
		if !t.at.After(now) {
			due = append(due, item)
		}
	}
	slices.SortFunc(due, func(a, b request) int {
		return cmp.Or(q.later[a].at.Compare(q.later[b].at), cmp.Compare(a.String(), b.String()))
	})
	for _, item := range due {
		q.hand(item, q.later[item].priority)
	}
}

// postpone moves all that waits: a suspended machine's timers stand still.
func (q *queue) postpone(d time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for item, t := range q.later {
		t.at = t.at.Add(d)
		q.later[item] = t
	}
}
