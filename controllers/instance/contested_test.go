package instance

import (
	"net/http"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
	"github.com/airflow-oam/airflow-oam/internal/status"
)

func TestK11ARepairThatIsUndoneAtEachParseIsComparedAgainSoon(t *testing.T) {
	w := newWorld(t)
	w.sim.SetDag(airflowtest.Dag{ID: "finance_weekly"})
	w.reconcile()
	w.sim.SetDag(airflowtest.Dag{ID: "finance_daily", AccessControl: map[string][]string{}})
	w.clock.Step(10 * time.Minute) // the next full comparison
	w.reconcile()
	for range 3 {
		inSync := status.Find(w.instance().Status.Conditions, v1alpha1.ConditionInSync)
		if inSync.Status != metav1.ConditionTrue {
			t.Fatalf("it is not repaired: %+v", inSync)
		}
		w.sim.Parse()
		if wait := w.reconcile(); wait > time.Minute {
			t.Fatalf("it looks again after %s", wait)
		}
		w.clock.Step(time.Minute)
		w.reconcile()
		if w.instance().Status.Drift[0].At.Time.Before(w.clock.Now()) {
			t.Fatal("it claims for more than dagInterval that Airflow stores what is declared")
		}
		if inSync = status.Find(w.instance().Status.Conditions, v1alpha1.ConditionInSync); inSync.Reason == v1alpha1.ReasonContested {
			break
		}
	}
	w.sim.Parse()
	w.clock.Step(time.Minute)
	w.reconcile()
	w.holds(v1alpha1.ConditionInSync, metav1.ConditionFalse, v1alpha1.ReasonContested,
		"1 change three times", "finance_daily: its file sets access_control")
}

func TestK11DriftNamesUserAndRoleAtTheMomentOfItsObservation(t *testing.T) {
	w := newWorld(t)
	w.sim.AddUser(airflowtest.User{Username: "carol", Email: "carol@example.com", Roles: []string{"Public"}})
	w.reconcile()
	for len(w.recorder.Events) > 0 {
		<-w.recorder.Events
	}
	w.clock.Step(11 * time.Minute)
	began := w.clock.Now()
	w.sim.Inject(airflowtest.Fault{Method: http.MethodGet, Path: "/auth/fab/v1/roles", Times: 1, Before: func() {
		w.clock.Step(2 * time.Second) // reading takes time
	}})
	w.sim.SetUserRoles("alice", "Public")
	w.sim.SetUserRoles("carol", "Public", "finance")
	w.reconcile()
	want := map[string]string{"alice": "role finance was revoked from user alice", "carol": "role finance was granted to user carol by another writer"}
	drift := w.instance().Status.Drift
	if len(drift) != len(want) {
		t.Fatalf("drift %+v", drift)
	}
	var told []string
	for len(w.recorder.Events) > 0 {
		told = append(told, <-w.recorder.Events)
	}
	for _, d := range drift {
		if d.Role != "finance" || d.What != want[d.Username] || !d.Repaired {
			t.Errorf("%+v, want %q", d, want[d.Username])
		}
		if !d.At.After(began) {
			t.Errorf("it was observed at %s, and the pass that read it began at %s", d.At, began)
		}
		event := "Warning DriftRepaired " + want[d.Username] + " (Manual)"
		if !slices.Contains(told, event) {
			t.Errorf("no Event %q: %q", event, told)
		}
	}
}
