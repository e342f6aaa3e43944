package notify_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/notify"
)

const endsAtTwo = "33333333-4444.grant.ending.1795442400"

// after is what came when the clock was moved on and everything due was told: a last event shows that nothing else comes.
func after(t *testing.T, r *receiver, w *world, step time.Duration) []string {
	t.Helper()
	r.clock.Step(step)
	// The schedule waits for at most a minute of the clock. It waits again when it told what was due.
	for range 2 {
		until(t, r.clock, 0, func() bool { return r.clock.Waiters() > 0 })
		r.clock.Step(time.Minute)
	}
	until(t, r.clock, 0, func() bool { return r.clock.Waiters() > 0 })
	marker := "marker-" + r.clock.Now().Format(time.DateTime)
	w.tell(marker)
	until(t, r.clock, 0, func() bool { ids, _ := r.received(); return slices.Contains(ids, active(marker)) })
	ids, _ := r.received()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ids = nil
	return ids[:len(ids)-1]
}

func TestAccessEndsSoon(t *testing.T) {
	clock := clocktesting.NewFakeClock(noon)
	server := receive(t, clock, nil)
	w := start(t, clock, notifier(t, server))
	w.Grant(nil, given(pending), given())
	if diff := cmp.Diff([]string{active("33333333-4444")}, after(t, server, w, 0)); diff != "" {
		t.Fatal(diff)
	}
	w.Grant(nil, given(), given())
	if got := after(t, server, w, time.Hour); len(got) > 0 {
		t.Errorf("an hour before its end came %v", got)
	}
	if diff := cmp.Diff([]string{endsAtTwo}, after(t, server, w, 45*time.Minute)); diff != "" {
		t.Error(diff)
	}
	w.Grant(nil, given(), given())
	if got := after(t, server, w, time.Minute); len(got) > 0 {
		t.Errorf("once more came %v", got)
	}
}

func TestAnEndThatMovesIsToldAnew(t *testing.T) {
	clock := clocktesting.NewFakeClock(noon)
	server := receive(t, clock, nil)
	w := start(t, clock, notifier(t, server))
	w.Grant(nil, given(), given())
	w.Grant(nil, given(), given(func(g *v1alpha1.AccessGrant) { g.Status.Activation.ExpiresAt = at(3 * time.Hour) }))
	if got := after(t, server, w, 110*time.Minute); len(got) > 0 {
		t.Errorf("15 minutes before its former end came %v", got)
	}
	if diff := cmp.Diff([]string{"33333333-4444.grant.ending.1795446000"}, after(t, server, w, time.Hour)); diff != "" {
		t.Error(diff)
	}
}

func TestAccessThatEndedEarlyDoesNotEndSoon(t *testing.T) {
	for name, ends := range map[string]func(*world){
		"revoked": func(w *world) { w.Grant(nil, given(), given(over(v1alpha1.GrantEnding, v1alpha1.EndRevoked))) },
		"gone":    func(w *world) { w.Forget("33333333-4444") },
	} {
		t.Run(name, func(t *testing.T) {
			clock := clocktesting.NewFakeClock(noon)
			server := receive(t, clock, nil)
			w := start(t, clock, notifier(t, server))
			w.Grant(nil, given(), given())
			ends(w)
			if got := after(t, server, w, 110*time.Minute); len(got) > 0 {
				t.Errorf("came %v", got)
			}
		})
	}
}

// After a restart the operator is told of every object, without a change.
func TestARestartTellsOnlyWhatComesByTime(t *testing.T) {
	for name, c := range map[string]struct {
		at   time.Duration
		want []string
	}{
		"before it":                {time.Hour, nil},
		"when it was due just now": {106 * time.Minute, []string{endsAtTwo}},
		"when it was due long ago": {112 * time.Minute, nil},
	} {
		t.Run(name, func(t *testing.T) {
			clock := clocktesting.NewFakeClock(noon.Add(c.at))
			server := receive(t, clock, nil)
			w := start(t, clock, notifier(t, server))
			w.Grant(nil, given(), given())
			w.Request(asked(admitted), asked(admitted))
			w.Request(asked(urgent(24*time.Hour)), asked(urgent(24*time.Hour)))
			if diff := cmp.Diff(c.want, after(t, server, w, 0), cmpEmpty); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// An empty list is none.
var cmpEmpty = cmp.Transformer("list", func(ids []string) []string { return append([]string{}, ids...) })

func TestReviewsThatNobodyMakesAreCalledFor(t *testing.T) {
	clock := clocktesting.NewFakeClock(noon.Add(time.Minute))
	server := receive(t, clock, nil)
	w := start(t, clock, notifier(t, server))
	day := urgent(24 * time.Hour)
	w.Request(asked(), asked(day))
	id := func(t notify.Type) []string { return []string{"11111111-2222." + string(t)} }
	if diff := cmp.Diff(id(notify.RequestEmergency), after(t, server, w, 0)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(id(notify.ReviewDue), after(t, server, w, 23*time.Hour)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(id(notify.ReviewOverdue), after(t, server, w, time.Hour)); diff != "" {
		t.Error(diff)
	}
	w.Request(asked(day), asked(day, func(r *v1alpha1.AccessRequest) {
		r.Status.Review.At, r.Status.Review.By = pointer(25*time.Hour), "carol"
	}))
	if diff := cmp.Diff(id(notify.ReviewDone), after(t, server, w, 0)); diff != "" {
		t.Error(diff)
	}
}
