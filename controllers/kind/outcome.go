package kind

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Outcome is how a pass ended, as far as the reaction is concerned.
type Outcome string

const (
	// OutcomeDone: everything is as it should be, or nothing can be done but wait for a user.
	OutcomeDone Outcome = "Done"
	// OutcomeWaiting: the outside is not as far yet; something will wake the object, or time will.
	OutcomeWaiting Outcome = "Waiting"
	// OutcomeThrottled: a server asked for fewer requests for a while.
	OutcomeThrottled Outcome = "Throttled"
	// OutcomeTransient: another try may help.
	OutcomeTransient Outcome = "Transient"
	// OutcomeDenied: a server refused for lack of a right. It is retried until an administrator grants the right.
	OutcomeDenied Outcome = "Denied"
	// OutcomeCredentials: a server refused the credentials. They are read again before the next try.
	OutcomeCredentials Outcome = "Credentials"
	// OutcomeStalled: a user has to change something first.
	OutcomeStalled Outcome = "Stalled"
)

// LaterError is an error that is no failure: the pass goes on after a while, without a line in the log.
type LaterError struct {
	// After is how long to wait.
	After time.Duration
	// Why in a few words.
	Why string
}

// Error gives the reason.
func (l *LaterError) Error() string { return l.Why }

// table says which outcome an error of the Kubernetes API has. The first row that matches decides.
var table = []struct {
	is      func(error) bool
	outcome Outcome
}{
	{isLater, OutcomeWaiting},
	{apierrors.IsConflict, OutcomeWaiting},
	{apierrors.IsAlreadyExists, OutcomeWaiting},
	{apierrors.IsNotFound, OutcomeWaiting},
	{apierrors.IsTooManyRequests, OutcomeThrottled},
	{apierrors.IsForbidden, OutcomeDenied},
	{apierrors.IsUnauthorized, OutcomeDenied},
	{apierrors.IsInvalid, OutcomeStalled},
	{apierrors.IsBadRequest, OutcomeStalled},
}

func isLater(err error) bool {
	_, later := errors.AsType[*LaterError](err)
	return later
}

// OutcomeOf classes an error. What no row of the table matches is transient.
func OutcomeOf(err error) Outcome {
	if err == nil {
		return OutcomeDone
	}
	for _, row := range table {
		if row.is(err) {
			return row.outcome
		}
	}
	return OutcomeTransient
}

const (
	// MaxWait caps a wait, so that a stepped clock cannot hide an ending.
	MaxWait = 60 * time.Second
	// conflictWait lets the cache catch up with what another writer, or we ourselves, just wrote, and gives the objects of
	// one kubectl apply the time to arrive, so that one pass serves them.
	conflictWait = 20 * time.Millisecond
	// throttledWait is for a server that asks for fewer requests and does not say for how long.
	throttledWait = 5 * time.Second
	// shortestBackOff and longestBackOff bound the time between two tries after errors.
	shortestBackOff = 50 * time.Millisecond
	longestBackOff  = 10 * time.Second
)

// BackOff is how often a pass that failed is tried again: soon, because an ending may wait for it.
func BackOff() workqueue.TypedRateLimiter[reconcile.Request] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](shortestBackOff, longestBackOff)
}

// Settle turns the error of a pass into what the queue does. Conflicts and throttling are no failures: they are tried
// again soon without a line in the log. Other errors have the queue's back-off, which is short (see BackOff), because a
// wait is discarded when an error is returned.
func Settle(err error) (ctrl.Result, error) {
	switch OutcomeOf(err) {
	case OutcomeDone:
		return ctrl.Result{}, nil
	case OutcomeWaiting:
		return ctrl.Result{RequeueAfter: waitAfter(err)}, nil
	case OutcomeThrottled:
		return ctrl.Result{RequeueAfter: throttledFor(err)}, nil
	case OutcomeTransient, OutcomeDenied, OutcomeCredentials, OutcomeStalled:
	}
	if errors.Is(err, context.Canceled) {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{}, err
}

func waitAfter(err error) time.Duration {
	if later, ok := errors.AsType[*LaterError](err); ok {
		return later.After
	}
	return conflictWait
}

func throttledFor(err error) time.Duration {
	if seconds, said := apierrors.SuggestsClientDelay(err); said && seconds > 0 {
		return min(time.Duration(seconds)*time.Second, MaxWait)
	}
	return throttledWait
}

// WaitUntil is the wait until a deadline: never longer, at most MaxWait, and never nothing, which would be no wait at all
// for the queue.
func WaitUntil(now, deadline time.Time) time.Duration {
	return max(time.Millisecond, min(deadline.Sub(now), MaxWait))
}
