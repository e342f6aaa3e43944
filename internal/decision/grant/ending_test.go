package grant_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/decision/grant"
)

func TestAGrantIsActiveOnlyWhenALookAfterItsActivationSawIt(t *testing.T) {
	f := world()
	f.Now = t0.Add(2500 * time.Millisecond)
	settle(t, f)
	seen(f, 1999*time.Millisecond, true)
	f.Now = t0.Add(4 * time.Second)
	settle(t, f)
	expect(t, f.Grant, v1alpha1.GrantPending, "False/Activating", "True/Admitted", "False/Activating")

	seen(f, 2600*time.Millisecond, true)
	f.Report.Proof.Present = false
	settle(t, f)
	expect(t, f.Grant, v1alpha1.GrantPending, "False/Activating", "True/Admitted", "False/Activating")

	seen(f, 2600*time.Millisecond, true)
	v := settle(t, f)
	expect(t, f.Grant, v1alpha1.GrantActive, "True/Active", "True/Admitted", "True/Active")
	if got := said(f.Grant, v1alpha1.ConditionInSync); got != "True/Active" {
		t.Errorf("InSync is %s", got)
	}
	if want := t0.Add(2600*time.Millisecond + 20*time.Minute); !v.NextAt.Equal(want) {
		t.Errorf("looks again at %s, want twice the interval after the look: %s", v.NextAt, want)
	}
}

func TestAnActiveGrantThatIsMissingIsNotReadyUntilItIsRestored(t *testing.T) {
	f := live(t)
	seen(f, 3*time.Second, true)
	f.Report.Proof.Present = false
	f.Now = t0.Add(3 * time.Second)
	settle(t, f)
	expect(t, f.Grant, v1alpha1.GrantActive, "False/Missing", "True/Admitted", "False/Missing")
	seen(f, 4*time.Second, true)
	settle(t, f)
	expect(t, f.Grant, v1alpha1.GrantActive, "True/Active", "True/Admitted", "True/Active")
}

func TestF62AGrantThatAnotherClockEndedIsNotCalledActive(t *testing.T) {
	f := live(t)
	seen(f, 3*time.Second, false)
	f.Now = t0.Add(4 * time.Second)
	settle(t, f)
	expect(t, f.Grant, v1alpha1.GrantActive, "False/Missing", "True/Admitted", "False/Missing")
	f.Now = t0.Add(time.Hour - lead)
	settle(t, f)
	expect(t, f.Grant, v1alpha1.GrantEnding, "False/Ending", "True/Admitted", "Unknown/Ending")
	seen(f, time.Hour-lead, false)
	settle(t, f)
	expect(t, f.Grant, v1alpha1.GrantExpired, "True/Expired", "True/Admitted", "False/Expired")
}

func TestK11AnActiveGrantWhoseUserIsGoneSaysSo(t *testing.T) {
	f := live(t)
	seen(f, 3*time.Second, true)
	f.Report.Proof.Present = false
	f.Report.Desire.Problem = &access.Problem{Reason: v1alpha1.ReasonSubjectGone, Message: "no such user"}
	v := settle(t, f)
	expect(t, f.Grant, v1alpha1.GrantActive, "True/SubjectGone", "True/Admitted", "False/SubjectGone")
	if len(v.Entries) != 1 || !v.Entries[0].Warning {
		t.Errorf("it is no warning: %+v", v.Entries)
	}
}

func TestAnActiveGrantThatNobodyLookedAtIsUnknown(t *testing.T) {
	f := live(t)
	f.Now = t0.Add(time.Second + 20*time.Minute - time.Nanosecond)
	settle(t, f)
	expect(t, f.Grant, v1alpha1.GrantActive, "True/Active", "True/Admitted", "True/Active")
	f.Now = t0.Add(time.Second + 20*time.Minute)
	settle(t, f)
	expect(t, f.Grant, v1alpha1.GrantActive, "False/NotObserved", "True/Admitted", "Unknown/NotObserved")
}

func TestAfterARestartTheStatusStaysUntilAPassReports(t *testing.T) {
	f := live(t)
	stored := f.Grant.DeepCopy()
	f.Since, f.Now = t0.Add(30*time.Minute), t0.Add(40*time.Minute)
	f.Observed, f.Report = nil, nil
	settle(t, f)
	if diff := cmp.Diff(stored.Status, f.Grant.Status); diff != "" {
		t.Errorf("it changed: %s", diff)
	}
	f.Now = t0.Add(50 * time.Minute)
	settle(t, f)
	expect(t, f.Grant, v1alpha1.GrantActive, "False/NotObserved", "True/Admitted", "Unknown/NotObserved")
}

func TestAnEndIsWrittenOnceAndProvedBeforeItIsFinal(t *testing.T) {
	cases := map[string]struct {
		change func(*grant.Facts)
		reason v1alpha1.EndReason
		phase  v1alpha1.GrantPhase
		early  bool
	}{
		"its time is over": {
			func(f *grant.Facts) { f.Now = t0.Add(time.Hour - lead) }, v1alpha1.EndExpired, v1alpha1.GrantExpired, false},
		"F54: its time was over while we were away": {
			func(f *grant.Facts) { f.Now = t0.Add(5 * time.Hour) }, v1alpha1.EndExpired, v1alpha1.GrantExpired, false},
		"F54: it was over before it was deleted": {
			func(f *grant.Facts) {
				f.Now, f.Grant.DeletionTimestamp = t0.Add(5*time.Hour), new(at(4*time.Hour))
			}, v1alpha1.EndExpired, v1alpha1.GrantExpired, false},
		"it is revoked": {
			func(f *grant.Facts) { f.Grant.Spec.Revoke = &v1alpha1.Revocation{} }, v1alpha1.EndRevoked, v1alpha1.GrantRevoked, true},
		"it is deleted": {
			func(f *grant.Facts) { f.Grant.DeletionTimestamp = new(at(2 * time.Second)) }, v1alpha1.EndDeleted, v1alpha1.GrantRevoked, true},
		"its policy is gone": {
			func(f *grant.Facts) { f.Policy = nil }, v1alpha1.EndPolicyDeleted, v1alpha1.GrantRevoked, true},
		"its policy is being deleted": {
			func(f *grant.Facts) { f.Policy.DeletionTimestamp = new(at(0)) }, v1alpha1.EndPolicyDeleted, v1alpha1.GrantRevoked, true},
		"its policy takes no grants any more": {
			func(f *grant.Facts) { f.Policy.Spec.Grants = nil }, v1alpha1.EndPolicyChanged, v1alpha1.GrantRevoked, true},
		"its user is another person": {
			func(f *grant.Facts) {
				f.Report.Desire.Problem = &access.Problem{Reason: v1alpha1.ReasonSubjectChanged}
			}, v1alpha1.EndSubjectChanged, v1alpha1.GrantRevoked, true},
		"its instance is being deleted": {
			func(f *grant.Facts) { f.Instance.DeletionTimestamp = new(at(0)) }, v1alpha1.EndInstanceDeleted, v1alpha1.GrantRevoked, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f := live(t)
			c.change(f)
			v := settle(t, f)
			if v.End == nil || v.End.Reason != c.reason || !v.Urgent {
				t.Fatalf("it ends as %+v, urgent %t", v.End, v.Urgent)
			}
			expect(t, f.Grant, v1alpha1.GrantEnding, "False/Ending", "True/Admitted", "Unknown/Ending")
			end := f.Grant.Status.End.DeepCopy()
			ended := f.Now.Sub(t0)
			if c.reason == v1alpha1.EndExpired {
				ended = time.Hour - lead
			}

			seen(f, ended-time.Nanosecond, false)
			if v := settle(t, f); v.RemovedAt != nil {
				t.Error("a look before the end counts as proof")
			}
			seen(f, ended+time.Second, true)
			if v := settle(t, f); v.RemovedAt != nil {
				t.Error("it counts as removed while Airflow stores it")
			}
			for _, unproved := range []access.GrantReport{
				{Desire: access.GrantDesire{Live: true}, Proof: access.GrantProof{Absent: true}},
				{Desire: access.GrantDesire{Live: false}, Proof: access.GrantProof{}},
			} {
				unproved.ObservedAt = t0.Add(ended + time.Second)
				f.Report = &unproved
				if v := settle(t, f); v.RemovedAt != nil {
					t.Errorf("it counts as removed by %+v", unproved)
				}
			}
			seen(f, ended+1500*time.Millisecond, false)
			f.Now = f.Now.Add(2 * time.Second)
			v = settle(t, f)
			if want := new(at(ended + 2*time.Second)); v.RemovedAt == nil || !v.RemovedAt.Equal(want) {
				t.Errorf("removed at %s, want the look rounded up: %s", v.RemovedAt, want)
			}
			if want := new(at(ended + 2*time.Second + ttl)); v.RevokedAt == nil || !v.RevokedAt.Equal(want) {
				t.Errorf("revoked at %s, want %s", v.RevokedAt, want)
			}
			expect(t, f.Grant, c.phase, "True/"+string(c.reason), "True/Admitted", "False/"+string(c.reason))
			if diff := cmp.Diff(end, f.Grant.Status.End); diff != "" {
				t.Errorf("the end was written again: %s", diff)
			}
			if _, early := grant.SpentEntry(f.Grant); early != c.early {
				t.Errorf("terms to keep: %t", early)
			}
		})
	}
}

func TestAProofThatIsThereAlreadySavesAWrite(t *testing.T) {
	f := live(t)
	f.Now = t0.Add(time.Hour)
	seen(f, time.Hour-lead, false)
	if v := settle(t, f); v.Phase != v1alpha1.GrantExpired || v.RemovedAt == nil {
		t.Errorf("phase %s, removed %v", v.Phase, v.RemovedAt)
	}
}

func TestWhatCannotBeProvedIsNotClaimed(t *testing.T) {
	cases := map[string]func(*grant.Facts){
		"the instance is gone":              func(f *grant.Facts) { f.Instance, f.Observed, f.Report = nil, nil, nil },
		"an instance of the same name came": func(f *grant.Facts) { f.Instance.UID, f.Observed = "another", nil },
		"the instance is deleted and given up": func(f *grant.Facts) {
			f.Instance.DeletionTimestamp, f.Instance.Spec.Deletion = new(at(0)), v1alpha1.InstanceDeletionAbandon
		},
		"the instance is given up while it ends": func(f *grant.Facts) { f.Instance, f.Observed, f.Report = nil, nil, nil },
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			f := live(t)
			reason := v1alpha1.EndInstanceDeleted
			if name == "the instance is given up while it ends" {
				f.Grant.Spec.Revoke, reason = &v1alpha1.Revocation{}, v1alpha1.EndRevoked
				settle(t, f)
			}
			change(f)
			v := settle(t, f)
			if v.RemovedAt != nil || v.RevokedAt != nil {
				t.Errorf("it claims %v and %v", v.RemovedAt, v.RevokedAt)
			}
			expect(t, f.Grant, v1alpha1.GrantRevoked, "True/"+string(reason), "True/Admitted", "False/"+string(reason))
			if got := said(f.Grant, v1alpha1.ConditionInSync); got != "Unknown/"+string(reason) {
				t.Errorf("InSync is %s", got)
			}
		})
	}
}

func TestTerminalIsTerminal(t *testing.T) {
	f := live(t)
	f.Now = t0.Add(time.Hour)
	seen(f, time.Hour, false)
	settle(t, f)
	final := f.Grant.Status.DeepCopy()
	changes := map[string]func(*grant.Facts){
		"F63: it is extended":         func(f *grant.Facts) { f.Grant.Spec.Duration = span(5 * time.Hour); f.Grant.Generation++ },
		"it is revoked":               func(f *grant.Facts) { f.Grant.Spec.Revoke = &v1alpha1.Revocation{}; f.Grant.Generation++ },
		"its policy is gone":          func(f *grant.Facts) { f.Policy = nil },
		"its instance is gone":        func(f *grant.Facts) { f.Instance, f.Observed, f.Report = nil, nil, nil },
		"Airflow stores it again":     func(f *grant.Facts) { seen(f, 2*time.Hour, true) },
		"F55: a clock steps back":     func(f *grant.Facts) { f.Now = t0.Add(time.Minute) },
		"F56: a clock steps forward":  func(f *grant.Facts) { f.Now = t0.Add(1000 * time.Hour) },
		"its status lost its end":     func(f *grant.Facts) { f.Grant.Status.End = nil },
		"it comes back from a backup": func(f *grant.Facts) { f.Grant.UID = "restored" },
		"it is deleted":               func(f *grant.Facts) { f.Grant.DeletionTimestamp = new(at(2 * time.Hour)) },
		"another end was decided":     func(f *grant.Facts) { f.Latched = &v1alpha1.End{Reason: v1alpha1.EndRevoked, At: at(0)} },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			g := *f
			g.Grant = f.Grant.DeepCopy()
			g.Instance, g.Policy, g.Observed = f.Instance.DeepCopy(), f.Policy.DeepCopy(), new(*f.Observed)
			change(&g)
			v := grant.Decide(g)
			if v.Phase != final.Phase || v.Hold || v.Urgent {
				t.Errorf("phase %s, finalizer %t, urgent %t", v.Phase, v.Hold, v.Urgent)
			}
			if diff := cmp.Diff([]any{final.Activation, final.RemovedAt, final.RevokedAt}, []any{v.Activation, v.RemovedAt, v.RevokedAt}); diff != "" {
				t.Errorf("it changed: %s", diff)
			}
		})
	}
}

func TestAnEndIsNeverTakenBack(t *testing.T) {
	f := live(t)
	f.Now = t0.Add(time.Hour)
	v := grant.Decide(*f)
	// The write fails, and the clock steps back an hour (F55).
	f.Latched = v.End
	f.Now = t0.Add(10 * time.Second)
	v = settle(t, f)
	if v.End == nil || v.End.Reason != v1alpha1.EndExpired || len(v.Entries) == 0 {
		t.Errorf("end %+v, told %+v", v.End, v.Entries)
	}
	expect(t, f.Grant, v1alpha1.GrantEnding, "False/Ending", "True/Admitted", "Unknown/Ending")
}

func TestADeletedGrantGoesOnlyWhenItsAccessIsProvedGoneAndItsTermsAreKept(t *testing.T) {
	f := world()
	f.Grant.DeletionTimestamp = new(at(0))
	if v := grant.Decide(*f); !v.Release || v.Activation != nil {
		t.Errorf("never given: release %t, activation %+v", v.Release, v.Activation)
	}

	f = live(t)
	f.Grant.DeletionTimestamp = new(at(2 * time.Second))
	if settle(t, f).Release {
		t.Error("it goes while it is in Airflow")
	}
	seen(f, 3*time.Second, false)
	v := settle(t, f)
	if v.Release || v.Phase != v1alpha1.GrantRevoked {
		t.Errorf("phase %s, release %t before its terms are kept", v.Phase, v.Release)
	}
	if !v.NextAt.Equal(t0.Add(time.Hour)) {
		t.Errorf("looks again at %s", v.NextAt)
	}
	spent, _ := grant.SpentEntry(f.Grant)
	f.Instance.Status.Spent = []v1alpha1.SpentGrant{spent}
	if !settle(t, f).Release {
		t.Error("it stays although everything is done")
	}
	f.Instance.Status.Spent = nil
	f.Now = t0.Add(time.Hour)
	if !settle(t, f).Release {
		t.Error("it stays after the time of its terms")
	}
	f.Now, f.Instance = t0.Add(time.Minute), nil
	if !settle(t, f).Release {
		t.Error("it stays although its instance is gone")
	}
}
