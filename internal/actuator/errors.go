package actuator

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

// ErrListShifted says that a list changed while it was read, three times over.
var ErrListShifted = errors.New("a list of Airflow kept changing while it was read")

// What befalls steps and users beside the errors of the client.
var (
	// errNotEffective says that Airflow accepted a write and stored something else.
	errNotEffective = errors.New("Airflow accepted the write, and a reading afterwards shows that it took no effect")
	// errRepeated says that a step took effect and was needed again, as often as a pass may carry it out.
	errRepeated = errors.New("the role was made and deleted again and again")
	// errTwins says that a name does not identify one user.
	errTwins = errors.New("Airflow has several users whose names differ only in case: remove or rename all but one")
)

// causesOfAll are the causes of errors that the server, the account or the network has, not one step or user.
var causesOfAll = sets.New(airflow.CauseThrottled, airflow.CauseUnauthorized, airflow.CauseForbidden, airflow.CauseNotAirflow,
	airflow.CauseTLS, airflow.CauseBlockedAddress, airflow.CauseCanceled)

// causesOfPath are those among them that a proxy may give for one path alone.
var causesOfPath = sets.New(airflow.CauseForbidden, airflow.CauseNotAirflow)

// fatal reports whether an error ends the pass, because every other request would meet it, too.
func fatal(err error) bool {
	return askedToWait(err) || causesOfAll.Has(airflow.CauseOf(err)) || errors.Is(err, context.Canceled)
}

// askedToWait reports whether the server asked for no more requests for a while.
func askedToWait(err error) bool {
	_, wait := airflow.RetryAfter(err)
	return wait || airflow.IsThrottled(err)
}

// mayConcernOneUser reports whether an error may be about the user of the request alone although it looks like one of the
// server: a proxy may refuse one path.
func mayConcernOneUser(err error) bool {
	return causesOfPath.Has(airflow.CauseOf(err)) && !askedToWait(err)
}

// ofName reports whether an error is about a name alone, which no server can be asked for.
func ofName(err error) bool { return airflow.IsInvalid(err) || errors.Is(err, errTwins) }
