package grant_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/decision/grant"
)

func TestAnAdmittedGrantPinsAllThatIsNeededToEndIt(t *testing.T) {
	f := world()
	f.Now = t0.Add(1500 * time.Millisecond)
	v := settle(t, f)
	want := &v1alpha1.Activation{
		At: at(time.Second), ExpiresAt: at(time.Hour + time.Second),
		Access:             []v1alpha1.AccessLevel{v1alpha1.AccessView, v1alpha1.AccessTrigger},
		AirflowPermissions: []v1alpha1.AirflowPermission{{Action: "can_read", Resource: "Pools"}},
		Instances: []v1alpha1.GrantInstance{{
			Name: "prod", Namespace: "finance", UID: "instance-uid", Endpoint: "https://airflow.example.com",
			Username: "Bob", UserCreatedOn: "2026-01-01T00:00:00+00:00", Role: "oam.finance.operators",
		}},
	}
	if diff := cmp.Diff(want, v.Activation); diff != "" {
		t.Errorf("activation: %s", diff)
	}
	if !v.Hold {
		t.Error("it may be given without a finalizer")
	}
	if got, want := v.NextAt, t0.Add(time.Hour+time.Second-lead); !got.Equal(want) {
		t.Errorf("looks again at %s, want the removal at %s", got, want)
	}
	expect(t, f.Grant, v1alpha1.GrantPending, "False/Activating", "True/Admitted", "False/Activating")
}

func TestANarrowedGrantPinsItsDagsAndLevelsAndNoGlobalPermissions(t *testing.T) {
	f := world()
	f.Grant.Spec.Dags = []string{"finance_daily"}
	f.Grant.Spec.Access = []v1alpha1.AccessLevel{v1alpha1.AccessView}
	a := settle(t, f).Activation
	if a == nil {
		t.Fatal("it is not activated")
	}
	if diff := cmp.Diff([]string{"finance_daily"}, a.Dags); diff != "" {
		t.Errorf("dags: %s", diff)
	}
	if diff := cmp.Diff([]v1alpha1.AccessLevel{v1alpha1.AccessView}, a.Access); diff != "" {
		t.Errorf("access: %s", diff)
	}
	if len(a.AirflowPermissions) != 0 {
		t.Errorf("it holds %v", a.AirflowPermissions)
	}
	if role := a.Instances[0].Role; !strings.HasPrefix(role, "oam.finance.operators~") {
		t.Errorf("it holds the role %s of the whole policy", role)
	}
}

func TestTheEndIsNeverLaterThanThePolicyAllows(t *testing.T) {
	f := world()
	f.Grant.Spec.Duration, f.Grant.Spec.ExpiresAt = nil, new(at(8*time.Hour))
	f.Now = t0.Add(time.Minute)
	if got := settle(t, f).Activation.ExpiresAt; !got.Equal(new(at(8 * time.Hour))) {
		t.Errorf("it ends at %s", got)
	}
	f = world()
	start := at(-time.Hour)
	f.Grant.Spec.StartsAt, f.Grant.Spec.Duration = &start, span(3*time.Hour)
	if got := settle(t, f).Activation.ExpiresAt; !got.Equal(new(at(2 * time.Hour))) {
		t.Errorf("a duration with a start in the past ends at %s", got)
	}
}

func TestAGrantThatMayNotHaveWhatItAsksForIsRefusedUntilSomethingChanges(t *testing.T) {
	cases := map[string]struct {
		change func(*grant.Facts)
		reason string
		ready  string // marker beside Ready: Stalled unless said otherwise
	}{
		"its policy does not exist": {
			change: func(f *grant.Facts) { f.Policy = nil }, reason: v1alpha1.ReasonPolicyNotFound, ready: v1alpha1.ConditionReconciling},
		"it is a copy of a grant that was given": {
			change: func(f *grant.Facts) {
				f.Grant.Annotations = map[string]string{v1alpha1.GivenAsAnnotation: "the-first-uid"}
			}, reason: v1alpha1.ReasonAlreadyGiven},
		"its policy is being deleted": {
			change: func(f *grant.Facts) { f.Policy.DeletionTimestamp = new(at(0)) }, reason: v1alpha1.ReasonPolicyNotFound, ready: v1alpha1.ConditionReconciling},
		"its policy has no terms for grants": {
			change: func(f *grant.Facts) { f.Policy.Spec.Grants = nil }, reason: v1alpha1.ReasonGrantsNotAllowed},
		"its namespace is not allowed": {
			change: func(f *grant.Facts) { f.NamespaceAllowed = false }, reason: v1alpha1.ReasonNamespaceNotAllowed},
		"its duration is longer than maxDuration": {
			change: func(f *grant.Facts) { f.Grant.Spec.Duration = span(8*time.Hour + time.Second) }, reason: v1alpha1.ReasonTooLong},
		"its end is further from its creation than maxDuration, also later": {
			change: func(f *grant.Facts) {
				f.Grant.Spec.Duration, f.Grant.Spec.ExpiresAt = nil, new(at(9*time.Hour))
				f.Now = t0.Add(5 * time.Hour)
			}, reason: v1alpha1.ReasonTooLong},
		"F60: it ends in the year 9999": {
			change: func(f *grant.Facts) {
				f.Grant.Spec.Duration, f.Grant.Spec.ExpiresAt = nil, &metav1.Time{Time: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)}
			}, reason: v1alpha1.ReasonTooLong},
		"F59: its duration is 0": {
			change: func(f *grant.Facts) { f.Grant.Spec.Duration, f.CacheTTL = span(0), 0 }, reason: v1alpha1.ReasonTooShort},
		"F59: its duration is 1 s": {
			change: func(f *grant.Facts) { f.Grant.Spec.Duration, f.CacheTTL = span(time.Second), 0 }, reason: v1alpha1.ReasonTooShort},
		"F59: its duration is negative": {
			change: func(f *grant.Facts) { f.Grant.Spec.Duration, f.CacheTTL = span(-time.Hour), 0 }, reason: v1alpha1.ReasonTooShort},
		"F59: its duration is 1 s and Airflow caches": {
			change: func(f *grant.Facts) { f.Grant.Spec.Duration = span(time.Second) }, reason: v1alpha1.ReasonTooShort},
		"it is shorter than twice the permission cache": {
			change: func(f *grant.Facts) { f.Grant.Spec.Duration = span(2*ttl - time.Second) }, reason: v1alpha1.ReasonTooShort},
		"it starts further ahead than maxAhead": {
			change: func(f *grant.Facts) { f.Grant.Spec.StartsAt = new(at(169 * time.Hour)) }, reason: v1alpha1.ReasonTooFarAhead},
		"its reason does not match": {
			change: func(f *grant.Facts) { f.Grant.Spec.Reason = "because" }, reason: v1alpha1.ReasonReasonMismatch},
		"its policy asks for a reason that is no expression": {
			change: func(f *grant.Facts) { f.Policy.Spec.Grants.Reason.Pattern = "(" }, reason: v1alpha1.ReasonPolicyRefused},
		"it names a DAG that the policy excludes": {
			change: func(f *grant.Facts) { f.Grant.Spec.Dags = []string{"finance_payroll"} }, reason: v1alpha1.ReasonDagsNotCovered},
		"it names a DAG that the policy does not select": {
			change: func(f *grant.Facts) { f.Grant.Spec.Dags = []string{"finance_daily", "marketing_report"} }, reason: v1alpha1.ReasonDagsNotCovered},
		"it names an absent DAG that the policy can never select": {
			change: func(f *grant.Facts) {
				f.Policy.Spec.Dags = f.Policy.Spec.Dags[:1]
				f.Grant.Spec.Dags = []string{"sales_daily"}
			}, reason: v1alpha1.ReasonDagsNotCovered},
		"it asks for a level that the policy does not give": {
			change: func(f *grant.Facts) { f.Grant.Spec.Access = []v1alpha1.AccessLevel{v1alpha1.AccessDeleteDag} }, reason: v1alpha1.ReasonAccessNotCovered},
		"its policy is refused": {
			change: func(f *grant.Facts) {
				f.Observed.Policy.Desire.Refused = &access.Problem{Reason: v1alpha1.ReasonRoleNameTaken}
			}, reason: v1alpha1.ReasonPolicyRefused},
		"its subject is the operator's account": {
			change: func(f *grant.Facts) { f.Grant.Spec.Subject.Username = "Operator" }, reason: v1alpha1.ReasonSubjectReserved},
		"its subject is the e-mail of two users": {
			change: func(f *grant.Facts) { f.Grant.Spec.Subject = v1alpha1.Subject{Email: "team@example.com"} }, reason: v1alpha1.ReasonSubjectAmbiguous},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f := world()
			c.change(f)
			v := settle(t, f)
			if v.Activation != nil || v.Hold {
				t.Errorf("it is activated: %+v", v.Activation)
			}
			expect(t, f.Grant, v1alpha1.GrantPending, "False/"+c.reason, "False/"+c.reason, "False/"+c.reason)
			admitted := meta.FindStatusCondition(f.Grant.Status.Conditions, v1alpha1.ConditionAdmitted)
			if _, remedy, said := strings.Cut(admitted.Message, ": "); !said || remedy == "" {
				t.Errorf("the message says no remedy: %s", admitted.Message)
			}
			marker := c.ready
			if marker == "" {
				marker = v1alpha1.ConditionStalled
			}
			if got := said(f.Grant, marker); got != "True/"+c.reason {
				t.Errorf("%s is %s", marker, got)
			}
			if len(v.Entries) != 1 || v.Entries[0].Event != c.reason || !v.Entries[0].Warning {
				t.Errorf("it tells %+v", v.Entries)
			}
			healed := world()
			healed.Grant.Status = f.Grant.Status
			if settle(t, healed).Activation == nil {
				t.Error("it is not given when the cause is gone")
			}
		})
	}
}

func TestTheHintSaysWhatReasonIsExpected(t *testing.T) {
	f := world()
	f.Grant.Spec.Reason = "because"
	for _, c := range settle(t, f).Conditions {
		if c.Type == v1alpha1.ConditionAdmitted && !strings.Contains(c.Message, "an incident or change number") {
			t.Errorf("the message is %q", c.Message)
		}
	}
}

func TestAGrantWaitsForWhatIsNotThereYetAndEndsUnusedInTime(t *testing.T) {
	cases := map[string]struct {
		change func(*grant.Facts)
		reason string
		ready  string
	}{
		"its user does not exist": {
			func(f *grant.Facts) { f.Grant.Spec.Subject.Username = "zoe" }, v1alpha1.ReasonUserNotFound, "True"},
		"its DAG is not listed but may be selected": {
			func(f *grant.Facts) { f.Grant.Spec.Dags = []string{"finance_new"} }, v1alpha1.ReasonDagPending, "True"},
		"its policy is suspended": {
			func(f *grant.Facts) { f.Policy.Spec.State = v1alpha1.PolicySuspended }, v1alpha1.ReasonPolicySuspended, "True"},
		"its instance only observes": {
			func(f *grant.Facts) { f.Instance.Spec.Mode = v1alpha1.ModeObserve }, v1alpha1.ReasonInstanceObserving, "True"},
		"its instance is suspended": {
			func(f *grant.Facts) { f.Instance.Spec.Mode = v1alpha1.ModeSuspended }, v1alpha1.ReasonInstanceSuspended, "True"},
		"its instance does not exist": {
			func(f *grant.Facts) { f.Instance, f.Observed, f.Report = nil, nil, nil }, v1alpha1.ReasonInstanceNotFound, "False"},
		"its instance is being deleted": {
			func(f *grant.Facts) { f.Instance.DeletionTimestamp = new(at(0)) }, v1alpha1.ReasonInstanceNotReady, "False"},
		"its instance cannot be reached": {
			func(f *grant.Facts) { f.Observed.Reachable = false }, v1alpha1.ReasonInstanceNotReady, "False"},
		"no pass was made since the start": {
			func(f *grant.Facts) { f.Observed, f.Report = nil, nil }, v1alpha1.ReasonInstanceNotReady, "False"},
		"F62: its instance only takes, since clocks differ": {
			func(f *grant.Facts) {
				f.Observed.Giving = access.OnlyRevoking(v1alpha1.ReasonClockSkew, "clocks differ")
			}, v1alpha1.ReasonInstanceNotReady, "False"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f := world()
			c.change(f)
			v := settle(t, f)
			expect(t, f.Grant, v1alpha1.GrantPending, c.ready+"/"+c.reason, "True/Admitted", "False/"+c.reason)
			if want := t0.Add(24 * time.Hour); !v.NextAt.Equal(want) {
				t.Errorf("looks again at %s, want %s", v.NextAt, want)
			}
			f.Now = t0.Add(24*time.Hour - time.Second)
			if v := settle(t, f); v.End != nil {
				t.Errorf("it ends early: %+v", v.End)
			}
			f.Now = t0.Add(24 * time.Hour)
			v = settle(t, f)
			if v.End == nil || v.End.Reason != v1alpha1.EndNeverActivated || v.RemovedAt != nil {
				t.Errorf("it ends as %+v, removed %v", v.End, v.RemovedAt)
			}
			expect(t, f.Grant, v1alpha1.GrantExpired, "True/NeverActivated", "True/Admitted", "False/NeverActivated")
		})
	}
}

func TestAGrantWhoseTimePassedWhileWeWereAwayIsNotEndedBeforeTheFirstLook(t *testing.T) {
	f := world()
	f.Now, f.Since = t0.Add(25*time.Hour), t0.Add(25*time.Hour)
	observed := f.Observed
	f.Observed = nil
	if v := settle(t, f); v.End != nil {
		t.Fatalf("it ends as %s before anybody looked", v.End.Reason)
	}
	f.Observed = observed
	if settle(t, f).Activation == nil {
		t.Error("everything is there, and it is not given")
	}
}

func TestAGrantWhosePolicyIsCorrectedLateIsNotEndedBeforeThePassThatComparesIt(t *testing.T) {
	f := world()
	f.Policy = f.Policy.DeepCopy()
	f.Policy.Spec.Grants.MaxDuration = *span(time.Minute)
	f.Now = t0.Add(72 * time.Hour)
	if v := settle(t, f); v.End != nil {
		t.Fatalf("a refused grant ends as %s", v.End.Reason)
	}
	f.Policy.Spec.Grants.MaxDuration = *span(8 * time.Hour)
	f.Policy.Generation++
	if v := settle(t, f); v.End != nil || v.Activation != nil {
		t.Fatalf("it ends as %+v, or is given by %+v, before a pass", v.End, v.Activation)
	}
	expect(t, f.Grant, v1alpha1.GrantPending, "False/InstanceNotReady", "True/Admitted", "False/InstanceNotReady")
	f.Observed.Policy.Generation = f.Policy.Generation
	if v := settle(t, f); v.Activation == nil {
		t.Errorf("everything is there, and it is not given: %+v", v.End)
	}
}

func TestAGrantWhoseTimePassedWhileAirflowWasAwayIsNotEndedByAPassThatFailed(t *testing.T) {
	f := world()
	f.Now, f.Since = t0.Add(25*time.Hour), t0.Add(25*time.Hour)
	f.Observed.Reachable = false
	if v := settle(t, f); v.End != nil {
		t.Fatalf("it ends as %s before anybody looked", v.End.Reason)
	}
	f.Observed.Reachable = true
	if settle(t, f).Activation == nil {
		t.Error("everything is there, and it is not given")
	}
}

func TestAGrantWithAStartWaitsForItExactly(t *testing.T) {
	f := world()
	f.Grant.Spec.StartsAt = new(at(time.Hour))
	v := settle(t, f)
	expect(t, f.Grant, v1alpha1.GrantScheduled, "True/Scheduled", "True/Admitted", "False/Scheduled")
	if want := t0.Add(time.Hour); !v.NextAt.Equal(want) {
		t.Errorf("looks again at %s, want %s", v.NextAt, want)
	}
	f.Now = t0.Add(time.Hour - time.Millisecond)
	if settle(t, f).Activation != nil {
		t.Error("it is given before its start")
	}
	f.Now = t0.Add(time.Hour)
	if v := settle(t, f); v.Activation == nil || !v.Activation.ExpiresAt.Equal(new(at(2*time.Hour))) {
		t.Errorf("at its start: %+v", v.Activation)
	}
}

func TestF62AStartWaitsForTheSlowestClock(t *testing.T) {
	f := world()
	f.Observed.Behind = 30 * time.Second
	f.Grant.Spec.StartsAt = new(at(time.Hour))
	f.Now = t0.Add(time.Hour + 29*time.Second)
	if v := settle(t, f); v.Activation != nil || !v.NextAt.Equal(t0.Add(time.Hour+30*time.Second)) {
		t.Errorf("it is given before its start by a slower clock, or looks again at %s: %+v", v.NextAt, v.Activation)
	}
	f.Now = t0.Add(time.Hour + 30*time.Second)
	if settle(t, f).Activation == nil {
		t.Error("every clock says that it begins, and it is not given")
	}
}

func TestAGrantWhoseTimeIsOverIsNeverGiven(t *testing.T) {
	f := world()
	f.Grant.Spec.Duration, f.Grant.Spec.ExpiresAt = nil, new(at(time.Hour))
	f.Now = t0.Add(time.Hour - lead)
	v := settle(t, f)
	if v.Activation != nil || v.End == nil || v.End.Reason != v1alpha1.EndNeverActivated {
		t.Errorf("activation %+v, end %+v", v.Activation, v.End)
	}
}

func TestARevokedGrantThatWasNeverGivenIsOverAtOnce(t *testing.T) {
	f := world()
	f.Grant.Spec.StartsAt = new(at(time.Hour))
	f.Grant.Spec.Revoke = &v1alpha1.Revocation{Reason: "not needed"}
	v := settle(t, f)
	if v.Activation != nil || v.RemovedAt != nil || !v.Hold {
		t.Errorf("activation %+v, removed %v, finalizer wanted %t", v.Activation, v.RemovedAt, v.Hold)
	}
	expect(t, f.Grant, v1alpha1.GrantRevoked, "True/Revoked", "False/Revoked", "False/Revoked")
}

// expires gives the grant an end instead of a duration; tracked gives it the mark of a Git tool; copied that of a grant that
// was activated.
func expires(f *grant.Facts) { f.Grant.Spec.Duration, f.Grant.Spec.ExpiresAt = nil, new(at(time.Hour)) }

func tracked(f *grant.Facts) {
	f.Grant.Annotations = map[string]string{"argocd.argoproj.io/tracking-id": "access"}
}

func copied(f *grant.Facts) {
	f.Grant.Annotations = map[string]string{v1alpha1.GivenAsAnnotation: "grant-uid"}
}

func TestATwinOfASpentGrantStaysEnded(t *testing.T) {
	for name, like := range map[string]func(*grant.Facts){
		"with an end": expires, "with a duration, tracked by a Git tool": tracked, "with a duration, from a backup": copied,
	} {
		t.Run(name, func(t *testing.T) {
			f := live(t, func(f *grant.Facts) {
				if like(f); name == "with a duration, from a backup" {
					f.Grant.Annotations = nil
				}
			})
			f.Grant.Spec.Revoke = &v1alpha1.Revocation{}
			settle(t, f)
			spent, early := grant.SpentEntry(f.Grant)
			if !early || !spent.Until.Equal(new(at(time.Hour))) {
				t.Fatalf("nothing is kept of it: %+v", spent)
			}
			twin := world()
			like(twin)
			twin.Grant.UID = "twin-uid"
			twin.Instance.Status.Spent = []v1alpha1.SpentGrant{spent}
			settle(t, twin)
			expect(t, twin.Grant, v1alpha1.GrantRevoked, "True/AlreadySpent", "False/AlreadySpent", "False/AlreadySpent")
		})
	}
}

func TestK11ADurationGrantThatAUserAppliesAgainIsANewGrant(t *testing.T) {
	f := live(t)
	f.Grant.DeletionTimestamp = new(at(2 * time.Second))
	settle(t, f)
	spent, early := grant.SpentEntry(f.Grant)
	if !early {
		t.Fatal("nothing is kept of it")
	}
	again := world()
	again.Grant.UID = "again-uid"
	again.Instance.Status.Spent = []v1alpha1.SpentGrant{spent}
	if settle(t, again).Activation == nil {
		t.Errorf("it is not activated: %+v", again.Grant.Status)
	}
}

func TestAGrantWithOtherTermsOrAfterTheTimeOfASpentOneIsANewGrant(t *testing.T) {
	f := live(t, expires)
	f.Grant.Spec.Revoke = &v1alpha1.Revocation{}
	settle(t, f)
	spent, _ := grant.SpentEntry(f.Grant)
	other := world()
	other.Grant.UID, other.Grant.Spec.Duration, other.Grant.Spec.ExpiresAt = "other-uid", nil, new(at(2*time.Hour))
	other.Instance.Status.Spent = []v1alpha1.SpentGrant{spent}
	if settle(t, other).Activation == nil {
		t.Error("a grant with other terms is refused")
	}
	later := world()
	tracked(later)
	spent.Digest = grant.Digest(later.Grant)
	later.Grant.UID, later.Now = "later-uid", t0.Add(time.Hour)
	later.Instance.Status.Spent = []v1alpha1.SpentGrant{spent}
	if settle(t, later).Activation == nil {
		t.Error("a twin is refused after the time of the first")
	}
}

func TestK11AWaitSaysWhenItIsOver(t *testing.T) {
	absent := func(f *grant.Facts) { f.Grant.Spec.Subject.Username = "zoe" }
	for name, c := range map[string]struct {
		change func(*grant.Facts)
		want   string
	}{
		"by the policy's activateWithin":     {absent, "2026-11-24T12:00:00Z"},
		"by its own end, if that is earlier": {func(f *grant.Facts) { absent(f); expires(f) }, t0.Add(time.Hour - lead).Format(time.RFC3339)},
	} {
		f := world()
		c.change(f)
		settle(t, f)
		first := f.Grant.Status.Conditions[0].Message
		if !strings.Contains(first, "until "+c.want+", the grant ends unused") {
			t.Errorf("%s: it says %q", name, first)
		}
		f.Now = t0.Add(30 * time.Minute)
		settle(t, f)
		if again := f.Grant.Status.Conditions[0].Message; again != first {
			t.Errorf("%s: it says %q, then %q", name, first, again)
		}
	}
}

func TestK11AnEndInThePastIsCalledSo(t *testing.T) {
	for name, c := range map[string]struct {
		expires time.Duration
		past    bool
	}{"in the past": {-time.Minute, true}, "at the creation": {0, true}, "too soon for the permission cache": {10 * time.Second, false}} {
		f := world()
		f.Grant.Spec.Duration, f.Grant.Spec.ExpiresAt = nil, new(at(c.expires))
		v := settle(t, f)
		if message := v.Conditions[0].Message; v.End == nil || strings.Contains(message, "in the past") != c.past {
			t.Errorf("%s: %q", name, message)
		}
	}
}
