package actuator

import (
	"context"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

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

// witness is the name of a role that every Airflow has. That it is not there would be an answer, too.
const witness = "Public"

// answers reports whether Airflow answers a request about something small: an error of something else is not the server's
// then.
func (s *server) answers(ctx context.Context) bool {
	err := s.inSlot(ctx, func() error {
		_, err := s.Role(ctx, witness)
		return err
	})
	return err == nil || airflow.IsNotFound(err)
}
