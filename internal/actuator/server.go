package actuator

import "context"

// server is the connection to one Airflow, with a bounded number of requests at once.
type server struct {
	Airflow
	slots chan struct{} // holds an element for each request under way
}

// atOnce is how many requests may be under way at once.
func (s *server) atOnce() int { return cap(s.slots) }

// acquire waits for a slot; false when the context ended before one was free.
func (s *server) acquire(ctx context.Context) bool {
	select {
	case s.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// release frees a slot.
func (s *server) release() { <-s.slots }

// inSlot makes one request in a slot of its own.
func (s *server) inSlot(ctx context.Context, request func() error) error {
	if !s.acquire(ctx) {
		return ctx.Err()
	}
	defer s.release()
	return request()
}
