package instance

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/status"
)

// An identity that does not compile is reported, once as an event, and stops nothing that is granted.
func TestAnIdentityThatDoesNotCompile(t *testing.T) {
	w := newWorld(t)
	w.identify(&v1alpha1.Identity{Username: "requester +"})
	w.grant(time.Hour)
	w.reconcile()
	w.reconcile()
	if !w.bobMay() {
		t.Error("the grant has no effect")
	}
	conditions := w.instance().Status.Conditions
	if ready := status.Find(conditions, v1alpha1.ConditionReady); ready == nil || ready.Status != metav1.ConditionTrue {
		t.Errorf("Ready is %+v", ready)
	}
	c := status.Find(conditions, v1alpha1.ConditionIdentityReady)
	if c == nil || c.Status != metav1.ConditionFalse || c.Reason != v1alpha1.ReasonInvalidIdentity || !strings.Contains(c.Message, "spec.identity.username") {
		t.Errorf("IdentityReady is %+v", c)
	}
	if told := w.told(v1alpha1.ReasonInvalidIdentity); told != 1 {
		t.Errorf("%d events", told)
	}

	w.identify(&v1alpha1.Identity{Username: "requester"})
	w.reconcile()
	if !status.IsTrue(w.instance().Status.Conditions, v1alpha1.ConditionIdentityReady) {
		t.Error("the correction was not seen")
	}
	w.identify(nil)
	w.reconcile()
	if c := status.Find(w.instance().Status.Conditions, v1alpha1.ConditionIdentityReady); c != nil {
		t.Errorf("without identity there is %+v", c)
	}
}

// identify sets the instance's identity.
func (w *world) identify(identity *v1alpha1.Identity) {
	w.Helper()
	instance := w.instance()
	instance.Spec.Identity = identity
	instance.Generation++
	if err := w.client.Update(w.Context(), instance); err != nil {
		w.Fatal(err)
	}
}

// told counts the warnings with a reason since the last look.
func (w *world) told(reason string) int {
	count := 0
	for {
		select {
		case event := <-w.recorder.Events:
			if strings.HasPrefix(event, "Warning "+reason+" ") {
				count++
			}
		default:
			return count
		}
	}
}
