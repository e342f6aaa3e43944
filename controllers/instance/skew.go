package instance

import (
	"net/http"
	"sync/atomic"
	"time"

	"k8s.io/utils/clock"

	"github.com/airflow-oam/airflow-oam/internal/text"
)

const (
	// skewNoise is how far clocks seem apart when they are not: Date headers have whole seconds.
	skewNoise = 2 * time.Second
	// maxSkew is the difference of clocks beyond which nothing is granted.
	maxSkew = time.Minute
)

// clocks are the three clocks that matter for an instance, as they differ now.
type clocks struct {
	// now by our clock.
	now time.Time
	// airflow and kubernetes are how far the other clocks are ahead of ours.
	airflow, kubernetes time.Duration
}

// ahead is how far the clock that is ahead of all is ahead of ours: access ends by it.
func (c clocks) ahead() time.Duration { return max(0, c.airflow, c.kubernetes) }

// behind is how far the slowest clock is behind ours: access begins by it.
func (c clocks) behind() time.Duration { return max(0, -c.airflow, -c.kubernetes) }

// latest is the time by the clock that is ahead.
func (c clocks) latest() time.Time { return c.now.Add(c.ahead()) }

// differing says which clock is ahead, and how far, where one differs so much that nothing is granted; else it is empty. It
// rounds to whole minutes, since Date headers have whole seconds: a text changes between passes only near half a minute.
func (c clocks) differing() string {
	for _, other := range []struct {
		name  string
		ahead time.Duration
	}{{"Airflow", c.airflow}, {"the Kubernetes API server", c.kubernetes}} {
		if other.ahead.Abs() <= maxSkew {
			continue
		}
		ahead, behind := other.name, "the operator"
		if other.ahead < 0 {
			ahead, behind = behind, ahead
		}
		minutes := max(1, int(other.ahead.Abs().Round(time.Minute)/time.Minute))
		return "the clock of " + ahead + " is ahead of that of " + behind + " by about " + text.Count(minutes, "minute")
	}
	return ""
}

// Skew is how far another clock is ahead of ours (negative: behind), as its Date headers say. It is safe for concurrent
// use. The zero value knows nothing and counts as no difference.
type Skew struct {
	seen atomic.Pointer[seen]
}

// seen is a Date header and when it was received, by our clock.
type seen struct{ date, received time.Time }

// Observe takes in a Date header and when it was received, by our clock.
func (s *Skew) Observe(date, received time.Time) {
	if !date.IsZero() && !received.IsZero() {
		s.seen.Store(&seen{date, received})
	}
}

// Ahead gives the difference; 0 within the precision of Date headers. When our clock was set since the header came, the
// difference moved with it: else everything would end, or nothing, until the next answer. A clock that was set forward is
// not thought to be ahead of others because of that: so does one look whose machine was suspended.
func (s *Skew) Ahead(ours clock.PassiveClock) time.Duration {
	if s == nil {
		return 0
	}
	last := s.seen.Load()
	if last == nil {
		return 0
	}
	passed := ours.Since(last.received) // by the monotonic clock, which nobody sets
	set := ours.Now().Round(0).Sub(last.received.Round(0)) - passed
	ahead := last.date.Sub(last.received)
	if set > 0 {
		ahead = max(ahead-set, min(ahead, 0))
	} else {
		ahead -= set
	}
	if ahead.Abs() <= skewNoise {
		return 0
	}
	return ahead
}

// Transport wraps a round tripper so that the Date headers of its answers are observed.
func (s *Skew) Transport(next http.RoundTripper, ours clock.PassiveClock) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(request)
		if err == nil {
			if date, parseErr := http.ParseTime(response.Header.Get("Date")); parseErr == nil {
				s.Observe(date, ours.Now())
			}
		}
		return response, err
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip makes a function a round tripper.
func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }
