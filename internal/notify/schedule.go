package notify

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
)

const (
	// grace is how late an event that comes by time is still told, for example after a restart. One that was told just before
	// a restart is told again within it, with the same id.
	grace = 5 * time.Minute
	// maxWait caps a wait, so that a stepped clock hides no event for long.
	maxWait = time.Minute
)

// schedule tells events when their time comes.
type schedule struct {
	clock clock.Clock
	tell  func(Event)

	mu     sync.Mutex
	events map[types.UID][]Event
	// next is when something is due; zero where nothing is.
	next time.Time
	wake chan struct{}
}

// set replaces what is scheduled for an object. What was due too long ago is left out.
func (s *schedule) set(uid types.UID, events []Event) {
	now := s.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.events, uid)
	for _, e := range events {
		if now.Sub(e.Time) > grace {
			continue
		}
		s.events[uid] = append(s.events[uid], e)
		if s.next.IsZero() || e.Time.Before(s.next) {
			s.next = e.Time
			select {
			case s.wake <- struct{}{}:
			default: // it is awake
			}
		}
	}
}

// due takes the events whose time has come, and says how long it is until the next one.
func (s *schedule) due() ([]Event, time.Duration) {
	now := s.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	var due []Event
	s.next = time.Time{}
	for uid, events := range s.events {
		var left []Event
		for _, e := range events {
			if !e.Time.After(now) {
				due = append(due, e)
				continue
			}
			left = append(left, e)
			if s.next.IsZero() || e.Time.Before(s.next) {
				s.next = e.Time
			}
		}
		if s.events[uid] = left; len(left) == 0 {
			delete(s.events, uid)
		}
	}
	if s.next.IsZero() {
		return due, maxWait
	}
	return due, max(time.Millisecond, min(s.next.Sub(now), maxWait))
}

// run tells events until the channel is closed.
func (s *schedule) run(closing <-chan struct{}) {
	for {
		events, wait := s.due()
		for _, e := range events {
			s.tell(e)
		}
		timer := s.clock.NewTimer(wait)
		select {
		case <-timer.C():
		case <-s.wake:
		case <-closing:
			timer.Stop()
			return
		}
		timer.Stop()
	}
}
