package actuator

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

// Scope is what an error of Airflow is about, and so what it stands in the way of. One thing that fails holds back only what
// depends on it; revoking never waits for what it does not need.
//
//	error                                            of a list  of one role or user
//	asked to wait (429, Retry-After), 401, TLS,
//	an address that is not called, canceled          Server     the same
//	403 of Airflow, an API that is not there         Server     Object (2)
//	5xx, no answer, not Airflow's, a proxy's         List (1)   Object (2)
//	anything else                                    List       Object
//
// (1) of the server where Airflow answers nothing else, either; see reader.answers.
// (2) of the server where as many fail in a row as a server has that fails every request, or where Airflow answers nothing
// else at the end of a pass. A 403 for one object makes the controller check the account again: what that check finds is
// of the server.
type Scope int

const (
	// ScopeObject: one role or one user. Steps on it fail, and what must come after them for the same user waits.
	ScopeObject Scope = iota
	// ScopeList: the roles, users or DAGs. What needs something new from the list waits.
	ScopeList
	// ScopeServer: every request would meet the same. The pass ends.
	ScopeServer
)

var (
	// causesOfServer are the causes of errors that every request would meet.
	causesOfServer = sets.New(airflow.CauseThrottled, airflow.CauseUnauthorized, airflow.CauseTLS, airflow.CauseBlockedAddress, airflow.CauseCanceled)
	// causesOfAccess are the causes for which a list cannot be read although Airflow could give it.
	causesOfAccess = sets.New(airflow.CauseForbidden, airflow.CauseUnsupported)
	// causesOfMany are the causes that one object may have alone, and a server for every object.
	causesOfMany = causesOfAccess.Union(sets.New(airflow.CauseUnavailable, airflow.CauseNotAirflow, airflow.CauseProxy))
)

// scopeOf is the scope of an error that was met when a list or an object was asked for or written.
func scopeOf(err error, asked Scope) Scope {
	cause := airflow.CauseOf(err)
	switch {
	case askedToWait(err), causesOfServer.Has(cause), errors.Is(err, context.Canceled):
		return ScopeServer
	case asked == ScopeList && causesOfAccess.Has(cause):
		return ScopeServer
	}
	return asked
}

// fatal reports whether an error that one object met ends the pass, because every other request would meet it, too.
func fatal(err error) bool { return scopeOf(err, ScopeObject) == ScopeServer }

// mayBefallAll reports whether a server may have an error for every object that one of them met.
func mayBefallAll(err error) bool { return causesOfMany.Has(airflow.CauseOf(err)) }

// askedToWait reports whether the server asked for no more requests for a while.
func askedToWait(err error) bool {
	_, wait := airflow.RetryAfter(err)
	return wait || airflow.IsThrottled(err)
}

// ofName reports whether an error is about a name alone, which no server can be asked for.
func ofName(err error) bool { return airflow.IsInvalid(err) || errors.Is(err, errTwins) }
