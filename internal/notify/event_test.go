package notify_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/notify"
)

func typesOf(events []notify.Event) []notify.Type {
	var out []notify.Type
	for _, e := range events {
		out = append(out, e.Type)
	}
	return out
}

func TestEventsOfARequest(t *testing.T) {
	reviewed := func(r *v1alpha1.AccessRequest) {
		r.Status.Review.At, r.Status.Review.By = pointer(2*time.Hour), "carol"
	}
	byRule := func(r *v1alpha1.AccessRequest) { r.Status.Terms.Approvals = 0 }
	for name, c := range map[string]struct {
		before, after *v1alpha1.AccessRequest
		want          []notify.Type
	}{
		"nothing happened":           {asked(admitted), asked(admitted), nil},
		"not admitted":               {asked(), asked(func(r *v1alpha1.AccessRequest) { r.Status.Phase = v1alpha1.RequestPending }), nil},
		"admitted":                   {asked(), asked(admitted), []notify.Type{notify.RequestWaiting}},
		"admitted, nobody has to":    {asked(), asked(admitted, byRule), nil},
		"admitted and decided":       {asked(), asked(admitted, decided(v1alpha1.RequestApproved, v1alpha1.ReasonRule, "")), []notify.Type{notify.RequestApproved}},
		"agreed":                     {asked(admitted), asked(admitted, decided(v1alpha1.RequestApproved, v1alpha1.ReasonAgreed, "", "bob")), []notify.Type{notify.RequestApproved}},
		"denied":                     {asked(admitted), asked(admitted, decided(v1alpha1.RequestDenied, v1alpha1.ReasonDenied, "", "bob")), []notify.Type{notify.RequestDenied}},
		"too late":                   {asked(admitted), asked(admitted, decided(v1alpha1.RequestNotApproved, v1alpha1.ReasonTimedOut, "")), []notify.Type{notify.RequestNotApproved}},
		"withdrawn":                  {asked(admitted), asked(admitted, decided(v1alpha1.RequestWithdrawn, v1alpha1.ReasonWithdrawn, "")), []notify.Type{notify.RequestWithdrawn}},
		"an emergency":               {asked(), asked(urgent(24 * time.Hour)), []notify.Type{notify.RequestEmergency}},
		"an emergency that waits":    {asked(), asked(admitted, func(r *v1alpha1.AccessRequest) { r.Spec.Emergency = true }), nil},
		"an emergency, reviewed":     {asked(urgent(24 * time.Hour)), asked(urgent(24*time.Hour), reviewed), []notify.Type{notify.ReviewDone}},
		"an old decision, no change": {asked(urgent(24 * time.Hour)), asked(urgent(24 * time.Hour)), nil},
	} {
		t.Run(name, func(t *testing.T) {
			events := notify.OfRequest(c.before, c.after, noon)
			if diff := cmp.Diff(c.want, typesOf(events)); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			if again := notify.OfRequest(c.after, c.after, noon); len(again) > 0 {
				t.Errorf("without a transition there is %v", typesOf(again))
			}
			for _, e := range events {
				if want := "11111111-2222." + string(e.Type); e.ID != want {
					t.Errorf("id %s, want %s", e.ID, want)
				}
			}
		})
	}
}

func TestEventsOfAGrant(t *testing.T) {
	unused := func(g *v1alpha1.AccessGrant) {
		over(v1alpha1.GrantExpired, v1alpha1.EndNeverActivated)(g)
		g.Status.Activation, g.Status.RemovedAt, g.Status.RevokedAt = nil, nil, nil
	}
	for name, c := range map[string]struct {
		before, after *v1alpha1.AccessGrant
		want          []notify.Type
	}{
		"activated, not confirmed": {given(func(g *v1alpha1.AccessGrant) { g.Status = v1alpha1.AccessGrantStatus{} }), given(pending), nil},
		"confirmed":                {given(pending), given(), []notify.Type{notify.GrantActive}},
		"confirmed before":         {given(), given(), nil},
		"ending":                   {given(), given(over(v1alpha1.GrantEnding, v1alpha1.EndExpired)), nil},
		"expired":                  {given(), given(over(v1alpha1.GrantExpired, v1alpha1.EndExpired)), []notify.Type{notify.GrantEnded}},
		"revoked":                  {given(), given(over(v1alpha1.GrantRevoked, v1alpha1.EndRevoked)), []notify.Type{notify.GrantEnded}},
		"never given":              {given(pending), given(unused), []notify.Type{notify.GrantEnded}},
		"ended before":             {given(unused), given(unused), nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, typesOf(notify.OfGrant(nil, c.before, c.after, noon))); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAccessIsSaidToEndSoonOnceForEachEnd(t *testing.T) {
	events := notify.DueOfGrant(nil, given())
	if len(events) != 1 || !events[0].Time.Equal(noon.Add(105*time.Minute)) || !events[0].Until.Equal(noon.Add(2*time.Hour)) {
		t.Fatalf("%+v", events)
	}
	extended := notify.DueOfGrant(nil, given(func(g *v1alpha1.AccessGrant) { g.Status.Activation.ExpiresAt = at(3 * time.Hour) }))
	if len(extended) != 1 || extended[0].ID == events[0].ID {
		t.Errorf("after an extension: %+v", extended)
	}
	for name, g := range map[string]*v1alpha1.AccessGrant{
		"a short one":       given(func(g *v1alpha1.AccessGrant) { g.Status.Activation.ExpiresAt = at(15 * time.Minute) }),
		"one that waits":    given(pending),
		"one that is ended": given(func(g *v1alpha1.AccessGrant) { g.Status.End = &v1alpha1.End{Reason: v1alpha1.EndRevoked, At: at(0)} }),
	} {
		if events := notify.DueOfGrant(nil, g); len(events) > 0 {
			t.Errorf("%s: %+v", name, events)
		}
	}
}

func TestReviewsAreDueAndOverdue(t *testing.T) {
	for _, c := range []struct{ due, soon time.Duration }{
		{24 * time.Hour, 23 * time.Hour},
		{time.Hour + time.Minute, 31 * time.Minute}, // decided a minute after noon
	} {
		events := notify.DueOfRequest(asked(urgent(c.due)))
		if diff := cmp.Diff([]notify.Type{notify.ReviewDue, notify.ReviewOverdue}, typesOf(events)); diff != "" {
			t.Fatal(diff)
		}
		if !events[0].Time.Equal(noon.Add(c.soon)) || !events[1].Time.Equal(noon.Add(c.due)) {
			t.Errorf("due %s: told at %s and %s", c.due, events[0].Time, events[1].Time)
		}
	}
	for name, r := range map[string]*v1alpha1.AccessRequest{
		"no emergency": asked(admitted),
		"reviewed":     asked(urgent(time.Hour), func(r *v1alpha1.AccessRequest) { r.Status.Review.At = pointer(time.Minute) }),
	} {
		if events := notify.DueOfRequest(r); len(events) > 0 {
			t.Errorf("%s: %+v", name, events)
		}
	}
}

// Objects are written to after an event was made of them, while it is being sent.
func TestEventsShareNoMemoryWithObjects(t *testing.T) {
	r, g := asked(urgent(time.Hour)), given(over(v1alpha1.GrantRevoked, v1alpha1.EndRevoked))
	w := asked(admitted)
	events := func() []notify.Event {
		return slices.Concat(notify.OfRequest(asked(), r, noon), notify.OfRequest(asked(), w, noon), notify.DueOfRequest(r),
			notify.OfGrant(r, given(), g, noon))
	}
	made, want := events(), events()
	for _, changed := range []*v1alpha1.AccessRequest{r, w} {
		changed.Status.Terms.Dags[0], changed.Status.Terms.Access[0] = "x", "x"
		changed.Status.Terms.Approvers.Groups[0], changed.Status.Terms.Approvers.Users[0] = "x", "x"
		changed.Status.DecideBy.Time = noon
	}
	r.Status.Review.Due = metav1.NewTime(noon)
	g.Status.Activation.Dags[0], g.Status.Activation.Access[0] = "x", "x"
	g.Status.RevokedAt.Time = noon
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("an event changed with its object (-before +after):\n%s", diff)
	}
}
