package controllers

import (
	"net/http"
	"sync/atomic"
	"time"

	"k8s.io/utils/clock"
)

const (
	// skewNoise is how far clocks seem apart when they are not: Date headers have whole seconds.
	skewNoise = 2 * time.Second
	// maxSkew is the difference of clocks beyond which nothing is given.
	maxSkew = time.Minute
)

// Skew is how far another clock is ahead of ours (negative: behind), as its Date headers say. It is safe for concurrent
// use. The zero value knows nothing and counts as no difference.
type Skew struct {
	ahead atomic.Int64
}

// Observe takes in a Date header and when it was received, by our clock.
func (s *Skew) Observe(date, received time.Time) {
	if date.IsZero() || received.IsZero() {
		return
	}
	ahead := date.Sub(received)
	if ahead.Abs() <= skewNoise {
		ahead = 0
	}
	s.ahead.Store(int64(ahead))
}

// Ahead gives the difference; 0 within the precision of Date headers.
func (s *Skew) Ahead() time.Duration {
	if s == nil {
		return 0
	}
	return time.Duration(s.ahead.Load())
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
