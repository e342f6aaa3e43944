package instance

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/status"
)

// says checks that the instance is not ready for a reason, and that an event of this type told of it.
func (w *world) says(reason, eventType string) *metav1.Condition {
	w.Helper()
	conditions := w.instance().Status.Conditions
	ready, working := status.Find(conditions, v1alpha1.ConditionReady), status.Find(conditions, v1alpha1.ConditionReconciling)
	if ready == nil || ready.Status != metav1.ConditionFalse || ready.Reason != reason {
		w.Fatalf("Ready is %+v, want False/%s", ready, reason)
	}
	if working == nil || working.Reason != reason {
		w.Errorf("Reconciling is %+v, want True/%s", working, reason)
	}
	for told := false; !told; {
		select {
		case event := <-w.recorder.Events:
			told = strings.HasPrefix(event, eventType+" "+reason+" ")
		default:
			w.Errorf("no event %s/%s", eventType, reason)
			told = true
		}
	}
	return ready
}

func TestAnInstanceSaysThatClocksDiffer(t *testing.T) {
	clocks := map[string]func(*world, time.Duration){
		"the Kubernetes API server": func(w *world, ahead time.Duration) {
			w.r.KubernetesClock = &Skew{}
			w.r.KubernetesClock.Observe(w.clock.Now().Add(ahead), w.clock.Now())
		},
		"Airflow": func(w *world, ahead time.Duration) { w.sim.SetSkew(ahead) },
	}
	for name, set := range clocks {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			set(w, 2*time.Minute)
			w.grant(time.Hour)
			w.reconcile()
			w.reconcile()
			if ready := w.says(v1alpha1.ReasonClockSkew, "Warning"); !strings.Contains(ready.Message, name) {
				t.Errorf("it does not say whose: %s", ready.Message)
			}
			if w.bobMay() {
				t.Error("something was given")
			}
			set(w, 0)
			w.clock.Step(time.Minute)
			w.reconcile()
			w.reconcile()
			if ready := w.instance().Status.Conditions[0]; ready.Status != metav1.ConditionTrue || !w.bobMay() {
				t.Errorf("when they agree: Ready is %s/%s, bob %t", ready.Status, ready.Reason, w.bobMay())
			}
		})
	}
}

func TestAnInstanceSaysThatItIsBeingDeleted(t *testing.T) {
	w := newWorld(t)
	w.given(time.Hour)
	w.delete()
	w.reconcile()
	if ready := w.says(v1alpha1.ReasonDeleting, "Normal"); !strings.Contains(ready.Message, "0 roles") {
		t.Errorf("nothing is left but the grant's proof: %s", ready.Message)
	}
	if w.bobMay() {
		t.Error("bob still has his access")
	}
	g := w.bob()
	g.Status.RemovedAt = new(metav1.NewTime(w.clock.Now()))
	if err := w.client.Status().Update(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	w.reconcile()
	if w.exists() {
		t.Error("it stays although all is done")
	}
}
