package kind

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestEveryErrorHasOneReaction(t *testing.T) {
	resource := schema.GroupResource{Group: "access.airflow-oam.dev", Resource: "accessgrants"}
	broken := errors.New("broken")
	cases := map[string]struct {
		err     error
		outcome Outcome
		wait    time.Duration
		failed  bool
	}{
		"no error":             {nil, OutcomeDone, 0, false},
		"F5: a conflict":       {apierrors.NewConflict(resource, "x", broken), OutcomeWaiting, conflictWait, false},
		"a wrapped conflict":   {fmt.Errorf("write: %w", apierrors.NewConflict(resource, "x", broken)), OutcomeWaiting, conflictWait, false},
		"an object that went":  {apierrors.NewNotFound(resource, "x"), OutcomeWaiting, conflictWait, false},
		"F7: a time to wait":   {apierrors.NewTooManyRequests("busy", 9), OutcomeThrottled, 9 * time.Second, false},
		"F7: no time to wait":  {apierrors.NewTooManyRequests("busy", 0), OutcomeThrottled, throttledWait, false},
		"F7: a very long time": {apierrors.NewTooManyRequests("busy", 86400), OutcomeThrottled, MaxWait, false},
		"a missing right":      {apierrors.NewForbidden(resource, "x", broken), OutcomeDenied, 0, true},
		"a refused object":     {apierrors.NewBadRequest("x"), OutcomeStalled, 0, true},
		"F8: no API server":    {apierrors.NewServiceUnavailable("x"), OutcomeTransient, 0, true},
		"anything else":        {broken, OutcomeTransient, 0, true},
		"F16: a lost lease":    {fmt.Errorf("write: %w", context.Canceled), OutcomeTransient, 0, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := OutcomeOf(c.err); got != c.outcome {
				t.Errorf("outcome %s, want %s", got, c.outcome)
			}
			result, err := Settle(c.err)
			if result.RequeueAfter != c.wait || (err != nil) != c.failed {
				t.Errorf("waits %s, error %v", result.RequeueAfter, err)
			}
			if c.failed && !errors.Is(err, c.err) {
				t.Errorf("another error: %v", err)
			}
		})
	}
}

func TestAWaitIsNeverLongerThanItsDeadlineAndNeverNothing(t *testing.T) {
	for left, want := range map[time.Duration]time.Duration{
		-time.Hour: time.Millisecond, 0: time.Millisecond, time.Second: time.Second, MaxWait: MaxWait, time.Hour: MaxWait, 1<<63 - 1: MaxWait,
	} {
		if got := WaitUntil(noon, noon.Add(left)); got != want {
			t.Errorf("%s before a deadline it waits %s, want %s", left, got, want)
		}
	}
}
