package instance

import (
	"net/http"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

// exists says whether the instance is still there.
func (w *world) exists() bool {
	w.Helper()
	err := w.client.Get(w.Context(), client.ObjectKey{Namespace: "data", Name: "prod"}, &v1alpha1.AirflowInstance{})
	if client.IgnoreNotFound(err) != nil {
		w.Fatal(err)
	}
	return !apierrors.IsNotFound(err)
}

// edit changes the instance as a person would.
func (w *world) edit(change func(*v1alpha1.AirflowInstance)) {
	w.Helper()
	afi := w.instance()
	change(afi)
	if err := w.client.Update(w.Context(), afi); err != nil {
		w.Fatal(err)
	}
}

// delete deletes the instance; its finalizer may keep it.
func (w *world) delete() {
	w.Helper()
	if err := w.client.Delete(w.Context(), w.instance()); err != nil {
		w.Fatal(err)
	}
}

func TestAnInstanceAnswersForNoGrantOfAnEarlierOneOfItsName(t *testing.T) {
	w := newWorld(t)
	w.given(time.Hour)
	w.edit(func(afi *v1alpha1.AirflowInstance) { afi.Spec.Deletion = v1alpha1.InstanceDeletionAbandon })
	w.delete()
	w.reconcile()
	if w.exists() {
		t.Fatal("it was abandoned, and is still there")
	}
	again := w.prod.DeepCopy()
	again.UID, again.ResourceVersion = types.UID("uid-again"), ""
	if err := w.client.Create(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	w.clock.Step(2 * time.Hour) // the old grant is over, and nobody can prove it gone
	w.reconcile()
	w.delete()
	w.reconcile()
	if w.exists() {
		t.Error("the new instance waits for a grant that was given in the old one")
	}
}

func TestADeletedInstanceThatNeverGaveAnythingGoesWhateverIsWrongWithIt(t *testing.T) {
	broken := map[string]func(*world){
		"the Secret does not exist": func(w *world) {
			w.edit(func(afi *v1alpha1.AirflowInstance) { afi.Spec.Credentials.SecretRef.Name = "mistyped" })
		},
		"the address is wrong": func(w *world) {
			w.sim.Inject(airflowtest.Status(http.StatusNotFound, "no such page"))
		},
	}
	for name, breaks := range broken {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			breaks(w)
			w.reconcile()
			if ready := w.instance().Status.Conditions[0]; ready.Status != metav1.ConditionFalse {
				t.Fatalf("Ready is %s/%s", ready.Status, ready.Reason)
			}
			w.delete()
			w.reconcile()
			if w.exists() {
				t.Error("it hangs")
			}
			if used := w.sim.MutatingRequests(); len(used) > 0 {
				t.Errorf("it wrote to Airflow: %v", used)
			}
		})
	}
}

func TestADeletedInstanceThatGaveSomethingStaysWhileNothingCanBeProved(t *testing.T) {
	w := newWorld(t)
	w.given(time.Hour)
	w.sim.Inject(airflowtest.BadGateway(http.StatusBadGateway))
	w.delete()
	for range 3 {
		w.reconcile()
		w.clock.Step(time.Minute)
	}
	if !w.exists() {
		t.Fatal("it went, and bob still has his access")
	}
	if !w.bobMay() {
		t.Fatal("nothing was there to be kept")
	}
}

// ended makes bob's grant one that was revoked and is being deleted; its finalizer keeps it.
func (w *world) ended(change func(*v1alpha1.AccessGrant)) {
	w.Helper()
	g := &v1alpha1.AccessGrant{}
	key := client.ObjectKey{Namespace: "data", Name: "bob"}
	if err := w.client.Get(w.Context(), key, g); err != nil {
		w.Fatal(err)
	}
	g.Finalizers = []string{v1alpha1.Finalizer}
	if err := w.client.Update(w.Context(), g); err != nil {
		w.Fatal(err)
	}
	g.Status.Phase, g.Status.End = v1alpha1.GrantRevoked, &v1alpha1.End{Reason: v1alpha1.EndRevoked, At: metav1.NewTime(w.clock.Now())}
	change(g)
	if err := w.client.Status().Update(w.Context(), g); err != nil {
		w.Fatal(err)
	}
	if err := w.client.Delete(w.Context(), g); err != nil {
		w.Fatal(err)
	}
}

func TestTheTermsOfADeletedGrantAreKept(t *testing.T) {
	t.Run("while Airflow is away, so that one that was never given does not hang", func(t *testing.T) {
		w := newWorld(t)
		w.grant(time.Hour)
		w.ended(func(g *v1alpha1.AccessGrant) { g.Status.Activation = nil })
		w.sim.Inject(airflowtest.BadGateway(http.StatusBadGateway))
		w.reconcile()
		if spent := w.instance().Status.Spent; len(spent) != 1 || spent[0].Grant != "data/bob" {
			t.Errorf("kept: %v", spent)
		}
	})
	t.Run("also when its policy is gone", func(t *testing.T) {
		w := newWorld(t)
		w.given(time.Hour)
		w.ended(func(g *v1alpha1.AccessGrant) { g.Status.RemovedAt = &g.Status.End.At })
		if err := w.client.Delete(t.Context(), &v1alpha1.DagAccessPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "data", Name: "finance"}}); err != nil {
			t.Fatal(err)
		}
		w.reconcile()
		if spent := w.instance().Status.Spent; len(spent) != 1 || spent[0].Grant != "data/bob" {
			t.Errorf("kept: %v", spent)
		}
		if w.bobMay() {
			t.Error("bob still has his access")
		}
	})
}
