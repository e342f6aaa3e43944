package controllers

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
	// OutcomeDone: everything is as it should be, or nothing can be done but wait for people.
	OutcomeDone Outcome = "Done"
	// OutcomeWaiting: the outside is not as far yet; something will wake us, or time will.
	OutcomeWaiting Outcome = "Waiting"
	// OutcomeThrottled: a server asked to be left alone for a while.
	OutcomeThrottled Outcome = "Throttled"
	// OutcomeTransient: trying again may help.
	OutcomeTransient Outcome = "Transient"
	// OutcomeDenied: a server refused for lack of a right. Somebody has to give it; it is tried again meanwhile.
	OutcomeDenied Outcome = "Denied"
	// OutcomeStalled: a person has to change something first.
	OutcomeStalled Outcome = "Stalled"
)

// OutcomeOf classes an error of the Kubernetes API. Anything else is transient.
func OutcomeOf(err error) Outcome {
	switch {
	case err == nil:
		return OutcomeDone
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err), apierrors.IsNotFound(err):
		return OutcomeWaiting
	case apierrors.IsTooManyRequests(err):
		return OutcomeThrottled
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return OutcomeDenied
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return OutcomeStalled
	}
	return OutcomeTransient
}

const (
	// conflictWait lets the cache catch up with what somebody else, or we ourselves, just wrote.
	conflictWait = 50 * time.Millisecond
	// throttledWait is for a server that asks to be left alone and does not say for how long.
	throttledWait = 5 * time.Second
	// shortestBackOff and longestBackOff bound the time between two tries after errors.
	shortestBackOff = 50 * time.Millisecond
	longestBackOff  = 10 * time.Second
)

// backOff is how often a pass that failed is tried again: soon, because an ending may wait for it.
func backOff() workqueue.TypedRateLimiter[reconcile.Request] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](shortestBackOff, longestBackOff)
}

// settleOn turns the error of a pass into what the queue does. Conflicts and throttling are no failures: they are tried
// again soon without a log line. Other errors take the queue's back-off, which is short (see backOff), because
// a wait is discarded when an error is returned.
func settleOn(err error) (ctrl.Result, error) {
	switch OutcomeOf(err) {
	case OutcomeDone:
		return ctrl.Result{}, nil
	case OutcomeWaiting:
		return ctrl.Result{RequeueAfter: conflictWait}, nil
	case OutcomeThrottled:
		wait := throttledWait
		if seconds, ok := apierrors.SuggestsClientDelay(err); ok && seconds > 0 {
			wait = min(time.Duration(seconds)*time.Second, maxWait)
		}
		return ctrl.Result{RequeueAfter: wait}, nil
	case OutcomeTransient, OutcomeDenied, OutcomeStalled:
	}
	if errors.Is(err, context.Canceled) {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{}, err
}

// waitUntil gives the wait until a deadline: never longer, at most maxWait, and never nothing, which would be no
// wait at all for the queue.
func waitUntil(now, deadline time.Time) time.Duration {
	return max(time.Millisecond, min(deadline.Sub(now), maxWait))
}
