package airflow

import (
	"errors"
	"net/http"
	"net/url"
	"sync/atomic"
)

// request is one call of Airflow's API.
type request struct {
	method   string
	endpoint string // template, for observers and errors
	path     string // escaped, below the prefix
	query    url.Values
	body     any  // sent as JSON where not nil
	pairs    int  // how many permission pairs the call touches
	public   bool // needs no authentication
	version  bool // asks for the version, which Airflow gives to everybody
	auth     *token
	cookies  *[]*http.Cookie // where to put those of the answer; optional
	received *atomic.Int64   // where to add the bytes of the answer; optional
	once     bool            // is not repeated where the server fails
	page     *page           // where to put an answer that is a page for people, of any status; optional
	// check judges the decoded answer.
	check func() error
}

// writes says whether the request changes what Airflow stores for others.
func (r request) writes() bool {
	return r.method != http.MethodGet && r.endpoint != endpointToken
}

// rejects says whether a refusal may be about how the account made itself known.
func (r request) rejects(cause Cause) bool {
	switch {
	case r.auth == nil:
		return false
	case r.auth.session && cause == CauseForbidden:
		return true
	}
	return cause == CauseUnauthorized
}

// another returns the error of a reading whose answer is about another name, which
// the server's database regards as the same: the one that was asked for does not exist.
func (r request) another(err error) error {
	if errors.Is(err, errAlike) {
		return &Error{Cause: CauseNotFound, Method: r.method, Endpoint: r.endpoint, Detail: "there is one that differs in case or accents"}
	}
	return err
}

// undecided says whether an answer of this status leaves open if a write was made:
// there was no answer (0), the server failed, or it accepted and its answer could not be read.
func undecided(status int) bool {
	switch {
	case status == 0, status == http.StatusRequestTimeout, status >= 500:
		return true
	}
	return succeeded(status)
}

// succeeded says whether a status is 2xx.
func succeeded(status int) bool { return status/100 == 2 }
