package instance

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/controllers/kind"
	"github.com/airflow-oam/airflow-oam/internal/metrics"
	"github.com/airflow-oam/airflow-oam/internal/status"
)

// restart is another process of the operator, perhaps with other settings.
func (w *world) restart(changes ...func(*Reconciler)) {
	w.r = New(w.env(), Settings{AllowHTTPHosts: w.r.AllowHTTPHosts, AllowedAddresses: w.r.AllowedAddresses})
	for _, change := range changes {
		change(w.r)
	}
}

func TestAnInstanceOutsideOfTheServedNamespacesSaysSo(t *testing.T) {
	w := newWorld(t)
	w.given(10 * time.Minute)
	registry := prometheus.NewPedanticRegistry()
	metrics.RegisterWith(registry)
	w.restart(func(r *Reconciler) { r.Namespaces = []string{"elsewhere"} })
	before := w.sim.RequestCount()
	w.clock.Step(time.Hour)
	if wait := w.reconcile(); wait > kind.MaxWait {
		t.Errorf("waits %s", wait)
	}
	conditions := w.instance().Status.Conditions
	for _, want := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionStalled} {
		found := status.Find(conditions, want)
		if found == nil || found.Reason != v1alpha1.ReasonNamespaceNotServed || (found.Status == metav1.ConditionTrue) != (want == v1alpha1.ConditionStalled) {
			t.Fatalf("%s is %+v", want, found)
		}
		if !strings.Contains(found.Message, "instanceNamespaces") || !strings.Contains(found.Message, "data") {
			t.Errorf("it does not say what to do: %s", found.Message)
		}
	}
	if used := w.sim.RequestCount() - before; used > 0 {
		t.Errorf("%d requests to its Airflow", used)
	}
	want := `
# HELP airflow_oam_endings_overdue Grants that should have been revoked and were not proved to be.
# TYPE airflow_oam_endings_overdue gauge
airflow_oam_endings_overdue{instance="data/prod"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "airflow_oam_endings_overdue"); err != nil {
		t.Error(err)
	}
	w.delete()
	w.reconcile()
	if !w.exists() {
		t.Fatal("it went, and bob still has his access")
	}
	w.restart(func(r *Reconciler) { r.Namespaces = []string{"elsewhere", "data"} })
	w.reconcile()
	if w.bobMay() {
		t.Error("served again, it does not take away what is over")
	}
}

func TestAnInstanceThatIsNotServedGoesWhenItGaveNothing(t *testing.T) {
	w := newWorld(t)
	w.r.Namespaces = []string{"elsewhere"}
	w.reconcile()
	if len(w.instance().Finalizers) > 0 {
		t.Error("it is held although nothing will be given")
	}
	w.edit(func(afi *v1alpha1.AirflowInstance) { afi.Finalizers = []string{v1alpha1.Finalizer} })
	w.delete()
	w.reconcile()
	if w.exists() {
		t.Error("it hangs")
	}
}

func TestAnInstanceThatIsNotServedTakesNoAirflow(t *testing.T) {
	w := newWorld(t)
	other := w.prod.DeepCopy()
	other.Namespace, other.UID = "mallory", types.UID("uid-mallory")
	other.CreationTimestamp = metav1.NewTime(w.prod.CreationTimestamp.Add(-time.Hour))
	if err := w.client.Create(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	w.reconcile()
	if ready := w.instance().Status.Conditions[0]; ready.Reason != v1alpha1.ReasonEndpointTaken {
		t.Fatalf("served, the older one takes it: %s", ready.Reason)
	}
	w.r.Namespaces = []string{"data"}
	w.reconcile()
	if ready := w.instance().Status.Conditions[0]; ready.Reason != v1alpha1.ReasonReady {
		t.Errorf("Ready says %s: %s", ready.Reason, ready.Message)
	}
}
