package instance

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

// holds checks a condition of the instance.
func (w *world) holds(condition string, status metav1.ConditionStatus, reason string, words ...string) {
	w.Helper()
	found := w.instance().Condition(condition)
	if found == nil {
		w.Errorf("there is no condition %s", condition)
		return
	}
	if found.Status != status || found.Reason != reason {
		w.Errorf("%s is %s/%s: %s", condition, found.Status, found.Reason, found.Message)
	}
	for _, word := range words {
		if !strings.Contains(found.Message, word) {
			w.Errorf("%s does not say %q: %s", condition, word, found.Message)
		}
	}
}

// TestK1AnUnreadableDagListIsNamed: the instance is reachable, and list, status and place are in the message.
func TestK1AnUnreadableDagListIsNamed(t *testing.T) {
	for name, restart := range map[string]bool{"in one process": false, "after a start": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.sim.SetDag(airflowtest.Dag{ID: "sales"})
			w.reconcile()
			w.sim.Inject(airflowtest.BrokenItem(0).On(http.MethodGet, "/api/v2/dags"))
			w.clock.Step(11 * time.Minute) // the account is checked, too
			if restart {
				w.restart()
			}
			wait := w.reconcile()
			if wait < 20*time.Second {
				t.Errorf("the list is tried again after %s", wait)
			}
			w.holds(v1alpha1.ConditionInSync, metav1.ConditionFalse, v1alpha1.ReasonDagListUnreadable, "list of DAGs", "(500)", "offset 0")
			w.holds(v1alpha1.ConditionReachable, metav1.ConditionTrue, v1alpha1.ReasonReachable)
			w.holds(v1alpha1.ConditionAuthenticated, metav1.ConditionTrue, v1alpha1.ReasonAuthenticated)
			w.holds(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDagListUnreadable)
			p := w.policy()
			p.Spec.Members = nil
			w.update(p)
			w.reconcile()
			if w.sim.AllowedLevel("alice", "Trigger", "finance_daily") {
				t.Error("alice was taken out of the policy and keeps the access")
			}
			w.sim.Heal()
			w.clock.Step(time.Minute)
			w.reconcile()
			w.holds(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
		})
	}
}

// TestK1AListOfUsersThatWasNeverReadIsNamed: nothing is known then, but Airflow answers.
func TestK1AListOfUsersThatWasNeverReadIsNamed(t *testing.T) {
	w := newWorld(t)
	w.sim.Inject(airflowtest.BrokenItem(1).On(http.MethodGet, "/auth/fab/v1/users"))
	w.reconcile()
	w.holds(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonUserListUnreadable, "offset 1 ")
	if reachable := w.instance().Condition(v1alpha1.ConditionReachable); reachable != nil && reachable.Status == metav1.ConditionFalse {
		t.Errorf("Reachable says %s", reachable.Message)
	}
}

// TestK1AListThatCannotBeReadIsTriedWithBackOff, also when the next full comparison is due since long.
func TestK1AListThatCannotBeReadIsTriedWithBackOff(t *testing.T) {
	for _, path := range []string{"/auth/fab/v1/users", "/auth/fab/v1/roles"} {
		t.Run(path, func(t *testing.T) {
			w := newWorld(t)
			w.reconcile()
			w.sim.Inject(airflowtest.BrokenItem(0).On(http.MethodGet, path))
			w.clock.Step(11 * time.Minute)
			for i, want := range []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second, time.Minute} {
				wait := w.reconcile()
				if wait != want {
					t.Errorf("after try %d it waits %s, want %s", i+1, wait, want)
				}
				w.clock.Step(wait)
			}
			w.sim.Heal()
			w.reconcile()
			w.holds(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
		})
	}
}

// TestNothingIsActivatedByAnOldReport: grants learn that a server cannot be governed any more, although no pass follows.
func TestNothingIsActivatedByAnOldReport(t *testing.T) {
	w := newWorld(t)
	gives := func() bool { return w.r.Reports.Get(w.prod.Key()).Giving.All() }
	w.reconcile()
	if w.reconcile(); !gives() {
		t.Fatal("nothing is granted in the beginning")
	}
	old := &airflowtest.Answer{Status: http.StatusOK, Body: `{"providers":[{"package_name":"apache-airflow-providers-fab","version":"3.2.0"}],"total_entries":1}`}
	w.sim.Inject(airflowtest.Fault{Apply: airflowtest.Nothing, Answer: old}.On(http.MethodGet, "/api/v2/providers"))
	w.clock.Step(11 * time.Minute)
	w.reconcile()
	w.holds(v1alpha1.ConditionCompatible, metav1.ConditionFalse, v1alpha1.ReasonUnsupportedVersion)
	if gives() {
		t.Error("the last report lets grants be activated")
	}
	w.sim.Heal()
	w.clock.Step(time.Minute)
	if w.reconcile(); !gives() {
		t.Error("nothing is granted afterwards")
	}
}

// TestK1ARefusalOfOneObjectHasTheAccountChecked once, and blames it only where a permission is missing.
func TestK1ARefusalOfOneObjectHasTheAccountChecked(t *testing.T) {
	w := newWorld(t)
	w.sim.SetRole("oam.claim~" + string(w.instance().UID)) // of an earlier pass
	checks := 0
	w.sim.Inject(airflowtest.Meanwhile(func() { checks++ }).On(http.MethodGet, versionPath))
	w.sim.Inject(airflowtest.Status(http.StatusForbidden, "Forbidden").On(http.MethodPost, "/auth/fab/v1/roles"))
	w.reconcile()
	before := checks
	for range 4 {
		w.reconcile()
		w.holds(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonStepsFailed, "role finance")
	}
	if checks != before+1 {
		t.Errorf("checked %d times", checks-before)
	}
	w.holds(v1alpha1.ConditionAuthenticated, metav1.ConditionTrue, v1alpha1.ReasonAuthenticated)
}

// TestK9AnEndingDoesNotWaitForTheAPIServer that hangs: what is due is revoked before anything is asked of it, and each call
// has less time than there is until the next ending.
func TestK9AnEndingDoesNotWaitForTheAPIServer(t *testing.T) {
	hang := func(w *world) func(context.Context) error {
		return func(ctx context.Context) error {
			deadline, bounded := ctx.Deadline()
			if !bounded {
				w.Error("a call to the API server has no deadline, and endings wait behind it")
				return context.DeadlineExceeded
			}
			if left := time.Until(deadline); left > storeTimeout {
				w.Errorf("a call to the API server may take %s", left)
			}
			<-ctx.Done()
			return ctx.Err()
		}
	}
	t.Run("a call before the ending is over by then", func(t *testing.T) {
		w := newWorld(t)
		w.given(10 * time.Minute)
		w.clock.Step(10*time.Minute - time.Second - 300*time.Millisecond) // of the lead, and of the call
		w.onRead = hang(w)
		w.onStatus = func() error { return context.DeadlineExceeded }
		began := time.Now()
		wait := w.reconcile()
		if took := time.Since(began); took > 2*time.Second || wait > 300*time.Millisecond {
			t.Errorf("took %s, waits %s, and an ending is due in 300ms", took, wait)
		}
		w.clock.Step(300 * time.Millisecond)
		w.reconcile()
		if w.bobMay() {
			t.Error("the ending waits for the API server")
		}
	})
	t.Run("what is due goes before the call", func(t *testing.T) {
		w := newWorld(t)
		w.given(10 * time.Minute)
		w.clock.Step(10 * time.Minute)
		asked, late := 0, false
		w.onRead = func(context.Context) error {
			asked, late = asked+1, late || w.bobMay()
			return context.DeadlineExceeded
		}
		w.reconcile()
		if asked == 0 || late || w.bobMay() {
			t.Errorf("asked %d times, before the ending: %t; bob may %t", asked, late, w.bobMay())
		}
	})
}
