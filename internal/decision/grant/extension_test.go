package grant_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/decision/grant"
)

// edit changes the spec as a person would.
func edit(f *grant.Facts, expiresAt *metav1.Time, duration *metav1.Duration) {
	f.Grant = f.Grant.DeepCopy()
	f.Grant.Generation++
	f.Grant.Spec.ExpiresAt, f.Grant.Spec.Duration = expiresAt, duration
}

func TestAChangedEndIsFollowedUntilTheGrantEnds(t *testing.T) {
	cases := map[string]struct {
		duration, now, want time.Duration
		event, admitted     string
	}{
		"an extension": {3 * time.Hour, time.Minute, 3 * time.Hour, v1alpha1.ReasonExtended, "True/Admitted"},
		"an extension a moment before the removal": {3 * time.Hour, time.Hour - lead - 1, 3 * time.Hour, v1alpha1.ReasonExtended, "True/Admitted"},
		"a shortening":                              {30 * time.Minute, time.Minute, 30 * time.Minute, v1alpha1.ReasonShortened, "True/Admitted"},
		"an extension beyond maxDuration":           {9 * time.Hour, time.Minute, 8 * time.Hour, v1alpha1.ReasonExtended, "True/ExtensionTooLong"},
		"an extension by years is no longer either": {87600 * time.Hour, time.Minute, 8 * time.Hour, v1alpha1.ReasonExtended, "True/ExtensionTooLong"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f := live(t)
			f.Now = t0.Add(c.now)
			seen(f, c.now, true)
			edit(f, nil, span(c.duration))
			v := settle(t, f)
			if !v.Activation.ExpiresAt.Equal(new(at(c.want))) || v.End != nil {
				t.Errorf("it ends at %s (%+v), want %s", v.Activation.ExpiresAt, v.End, t0.Add(c.want))
			}
			if len(v.Entries) == 0 || v.Entries[0].Event != c.event {
				t.Errorf("it tells %+v", v.Entries)
			}
			expect(t, f.Grant, v1alpha1.GrantActive, "True/Active", c.admitted, "True/Active")
		})
	}
}

func TestALaterEndWaitsWhileNothingNewIsGiven(t *testing.T) {
	for sentence, change := range map[string]func(f *grant.Facts, on bool){
		"the policy is suspended": func(f *grant.Facts, on bool) {
			f.Policy.Spec.State = map[bool]v1alpha1.PolicyState{true: v1alpha1.PolicySuspended, false: v1alpha1.PolicyActive}[on]
		},
		"the instance is suspended": func(f *grant.Facts, on bool) {
			f.Instance.Spec.Mode = map[bool]v1alpha1.Mode{true: v1alpha1.ModeSuspended, false: v1alpha1.ModeEnforce}[on]
		},
		"the instance observes": func(f *grant.Facts, on bool) {
			f.Instance.Spec.Mode = map[bool]v1alpha1.Mode{true: v1alpha1.ModeObserve, false: v1alpha1.ModeEnforce}[on]
		},
		"the policy takes no grants from its namespace any more": func(f *grant.Facts, on bool) { f.NamespaceAllowed = !on },
	} {
		t.Run(sentence, func(t *testing.T) {
			f := live(t)
			f.Policy, f.Instance = f.Policy.DeepCopy(), f.Instance.DeepCopy()
			change(f, true)
			edit(f, nil, span(3*time.Hour))
			if v := settle(t, f); !v.Activation.ExpiresAt.Equal(new(at(time.Hour))) || v.End != nil {
				t.Errorf("it ends at %s (%+v)", v.Activation.ExpiresAt, v.End)
			}
			expect(t, f.Grant, v1alpha1.GrantActive, "True/Active", "True/ExtensionNotAllowed", "True/Active")
			edit(f, nil, span(30*time.Minute))
			if v := settle(t, f); !v.Activation.ExpiresAt.Equal(new(at(30 * time.Minute))) {
				t.Errorf("a shortening waits: it ends at %s", v.Activation.ExpiresAt)
			}
			change(f, false)
			edit(f, nil, span(2*time.Hour))
			if v := settle(t, f); !v.Activation.ExpiresAt.Equal(new(at(2 * time.Hour))) {
				t.Errorf("it ends at %s when the policy gives again", v.Activation.ExpiresAt)
			}
		})
	}
}

func TestAShorteningIntoThePastEndsTheGrantNow(t *testing.T) {
	f := live(t, func(f *grant.Facts) { f.Grant.Spec.ExpiresAt, f.Grant.Spec.Duration = new(at(time.Hour)), nil })
	f.Now = t0.Add(30 * time.Minute)
	edit(f, new(at(-time.Hour)), nil)
	v := settle(t, f)
	if v.End == nil || v.End.Reason != v1alpha1.EndExpired || !v.Activation.ExpiresAt.Equal(new(at(30*time.Minute))) {
		t.Errorf("end %+v, expires %s", v.End, v.Activation.ExpiresAt)
	}
	expect(t, f.Grant, v1alpha1.GrantEnding, "False/Ending", "True/Admitted", "Unknown/Ending")
}

func TestALoweredMaxDurationReachesLiveGrants(t *testing.T) {
	f := live(t)
	f.Policy = f.Policy.DeepCopy()
	f.Policy.Spec.Grants.MaxDuration = *span(30 * time.Minute)
	v := settle(t, f)
	if !v.Activation.ExpiresAt.Equal(new(at(30 * time.Minute))) {
		t.Errorf("it ends at %s", v.Activation.ExpiresAt)
	}
	expect(t, f.Grant, v1alpha1.GrantActive, "True/Active", "True/ExtensionTooLong", "True/Active")
	f.Now = t0.Add(30*time.Minute - lead)
	settle(t, f)
	expect(t, f.Grant, v1alpha1.GrantEnding, "False/Ending", "True/ExtensionTooLong", "Unknown/Ending")
}

func TestAnExtensionAfterTheEndIsIgnoredAndSaidSo(t *testing.T) {
	t.Run("F63: before the end is written, after the removal moment", func(t *testing.T) {
		f := live(t)
		f.Now = t0.Add(time.Hour - lead)
		edit(f, nil, span(2*time.Hour))
		v := settle(t, f)
		if v.End == nil || v.End.Reason != v1alpha1.EndExpired || !v.Activation.ExpiresAt.Equal(new(at(time.Hour))) {
			t.Errorf("end %+v, expires %s", v.End, v.Activation.ExpiresAt)
		}
		expect(t, f.Grant, v1alpha1.GrantEnding, "False/Ending", "True/ExtensionTooLate", "Unknown/Ending")
	})
	t.Run("while it is being taken away", func(t *testing.T) {
		f := live(t)
		f.Now = t0.Add(time.Hour - lead)
		settle(t, f)
		edit(f, nil, span(2*time.Hour))
		settle(t, f)
		expect(t, f.Grant, v1alpha1.GrantEnding, "False/Ending", "True/ExtensionTooLate", "Unknown/Ending")
	})
	t.Run("after it is over", func(t *testing.T) {
		f := live(t)
		f.Now = t0.Add(time.Hour)
		seen(f, time.Hour, false)
		settle(t, f)
		edit(f, nil, span(2*time.Hour))
		v := settle(t, f)
		expect(t, f.Grant, v1alpha1.GrantExpired, "True/Expired", "True/ExtensionTooLate", "False/Expired")
		if len(v.Entries) != 1 || v.Entries[0].Event != v1alpha1.ReasonExtensionTooLate {
			t.Errorf("it tells %+v", v.Entries)
		}
	})
	t.Run("a shortening after it is over says nothing", func(t *testing.T) {
		f := live(t)
		f.Now = t0.Add(time.Hour)
		seen(f, time.Hour, false)
		settle(t, f)
		edit(f, nil, span(time.Minute))
		settle(t, f)
		expect(t, f.Grant, v1alpha1.GrantExpired, "True/Expired", "True/Admitted", "False/Expired")
	})
}

func TestTheClockDecidesExactly(t *testing.T) {
	cases := map[string]struct {
		now   time.Duration
		ended bool
	}{
		"a nanosecond before the removal":             {time.Hour - lead - 1, false},
		"at the removal":                              {time.Hour - lead, true},
		"F56: a clock an hour fast ends it early":     {61 * time.Minute, true},
		"F57: awake again after ten minutes, in time": {10 * time.Minute, false},
		"F57: awake again after its end":              {70 * time.Minute, true},
		"F58: a leap second is a second like others":  {time.Hour - lead + time.Second, true},
		"F55: a clock that is behind ends nothing":    {-time.Hour, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f := live(t)
			f.Now = t0.Add(c.now)
			if v := settle(t, f); (v.End != nil) != c.ended {
				t.Errorf("ended: %t, end %+v", v.End != nil, v.End)
			}
		})
	}
}

func TestTheDigestIsOverTheTermsAndNothingElse(t *testing.T) {
	base := world().Grant
	base.Spec.Dags, base.Spec.Access = []string{"a", "b"}, []v1alpha1.AccessLevel{v1alpha1.AccessView, v1alpha1.AccessTrigger}
	same := map[string]func(*v1alpha1.AccessGrant){
		"order of DAGs": func(g *v1alpha1.AccessGrant) { g.Spec.Dags = []string{"b", "a"} },
		"order of levels": func(g *v1alpha1.AccessGrant) {
			g.Spec.Access = []v1alpha1.AccessLevel{v1alpha1.AccessTrigger, v1alpha1.AccessView}
		},
		"the namespace spelled": func(g *v1alpha1.AccessGrant) { g.Spec.PolicyRef.Namespace = "finance" },
		"another uid":           func(g *v1alpha1.AccessGrant) { g.UID = "x" },
		"another reason":        func(g *v1alpha1.AccessGrant) { g.Spec.Reason = "x" },
		"a revocation":          func(g *v1alpha1.AccessGrant) { g.Spec.Revoke = &v1alpha1.Revocation{} },
		"what became of it":     func(g *v1alpha1.AccessGrant) { g.Status.Phase = v1alpha1.GrantRevoked },
	}
	other := map[string]func(*v1alpha1.AccessGrant){
		"name":         func(g *v1alpha1.AccessGrant) { g.Name = "x" },
		"namespace":    func(g *v1alpha1.AccessGrant) { g.Namespace = "x" },
		"policy":       func(g *v1alpha1.AccessGrant) { g.Spec.PolicyRef.Name = "x" },
		"subject":      func(g *v1alpha1.AccessGrant) { g.Spec.Subject.Username = "x" },
		"by e-mail":    func(g *v1alpha1.AccessGrant) { g.Spec.Subject = v1alpha1.Subject{Email: "bob"} },
		"fewer DAGs":   func(g *v1alpha1.AccessGrant) { g.Spec.Dags = []string{"a"} },
		"fewer levels": func(g *v1alpha1.AccessGrant) { g.Spec.Access = nil },
		"start":        func(g *v1alpha1.AccessGrant) { g.Spec.StartsAt = new(at(time.Hour)) },
		"duration":     func(g *v1alpha1.AccessGrant) { g.Spec.Duration = span(2 * time.Hour) },
		"end":          func(g *v1alpha1.AccessGrant) { g.Spec.Duration, g.Spec.ExpiresAt = nil, new(at(time.Hour)) },
	}
	digest := grant.Digest(base)
	if len(digest) != 64 {
		t.Fatalf("the digest has %d digits", len(digest))
	}
	for name, change := range same {
		g := base.DeepCopy()
		change(g)
		if grant.Digest(g) != digest {
			t.Errorf("%s changes it", name)
		}
	}
	for name, change := range other {
		g := base.DeepCopy()
		change(g)
		if grant.Digest(g) == digest {
			t.Errorf("%s does not change it", name)
		}
	}
}
