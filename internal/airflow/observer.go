package airflow

import "time"

// Exchange is one HTTP request and what came of it.
type Exchange struct {
	// Method is the HTTP method.
	Method string
	// Endpoint is the path as a template without the configured prefix, for
	// example /auth/fab/v1/roles/{name}: few values, fit for a metric's label.
	Endpoint string
	// Status is the HTTP status code, or 0 when no answer came.
	Status int
	// Cause is the class of the failure, or empty where the call succeeded.
	Cause Cause
	// Start is when the request was sent, by the client's clock.
	Start time.Time
	// Duration lasts until the answer was read or the request failed.
	Duration time.Duration
	// Received is when the answer's header was read, by the client's clock; zero
	// when no answer came.
	Received time.Time
	// ServerDate is the answer's Date header, of whole seconds; zero where there
	// was none.
	ServerDate time.Time
}

// Observer is called after every HTTP request, requests for tokens
// included. It is called from many goroutines and must return at once.
type Observer func(Exchange)
