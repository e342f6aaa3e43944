package instance

import (
	"net/http"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

const (
	providersPath = "/api/v2/providers"
	versionPath   = "/api/v2/version"
)

func (w *world) policy() *v1alpha1.DagAccessPolicy {
	w.Helper()
	p := &v1alpha1.DagAccessPolicy{}
	if err := w.client.Get(w.Context(), client.ObjectKey{Namespace: "data", Name: "finance"}, p); err != nil {
		w.Fatal(err)
	}
	return p
}

func (w *world) update(object client.Object) {
	w.Helper()
	object.SetGeneration(object.GetGeneration() + 1)
	if err := w.client.Update(w.Context(), object); err != nil {
		w.Fatal(err)
	}
}

func TestEndingAfterAStartDoesNotWaitForARightThatItDoesNotNeed(t *testing.T) {
	for name, fault := range map[string]airflowtest.Fault{
		"the providers may not be read": airflowtest.Status(http.StatusForbidden, "Forbidden").On(http.MethodGet, providersPath),
		"the providers fail":            airflowtest.Status(http.StatusInternalServerError, "no").On(http.MethodGet, providersPath),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.given(20 * time.Minute)
			w.sim.Inject(fault)
			w.clock.Step(20 * time.Minute)
			w.restart()
			for range 2 {
				w.reconcile()
			}
			if w.bobMay() {
				t.Error("the ending waits")
			}
		})
	}
}

func TestWhatAPolicyGivesNoLongerDoesNotWaitForTheCheckOfTheServer(t *testing.T) {
	w := newWorld(t)
	w.reconcile()
	if !w.sim.AllowedLevel("alice", "Trigger", "finance_daily") {
		t.Fatal("alice was not given access")
	}
	w.sim.Inject(airflowtest.Status(http.StatusForbidden, "Forbidden").On(http.MethodGet, providersPath))
	w.clock.Step(11 * time.Minute)
	w.reconcile()
	p := w.policy()
	p.Spec.Members = nil
	w.update(p)
	for range lasting {
		w.reconcile()
	}
	if w.sim.AllowedLevel("alice", "Trigger", "finance_daily") {
		t.Error("who was taken out of the policy keeps it until the check of the server is good")
	}
	before := w.sim.RequestCount()
	w.reconcile()
	if used := w.sim.RequestCount() - before; used > 8 {
		t.Errorf("%d requests although nothing is left to take", used)
	}
}

func TestWhatIsDueGoesBeforeTheServerIsLookedAtAgain(t *testing.T) {
	w := newWorld(t)
	w.given(20 * time.Minute)
	looked, late := 0, false
	look := airflowtest.Fault{Before: func() { looked, late = looked+1, late || w.bobMay() }}
	w.sim.Inject(look.On(http.MethodGet, versionPath))
	w.clock.Step(20 * time.Minute)
	w.reconcile()
	if w.bobMay() || looked == 0 || late {
		t.Errorf("bob may %t; looked %d times, before the ending: %t", w.bobMay(), looked, late)
	}
}

// TestALookAtTheServerThatFailsTakesNothingThatIsKept: in the stead of a role that gives too much now its holders get
// another one, and while the account is not known to be able to make roles, they keep what they have for a while.
func TestALookAtTheServerThatFailsTakesNothingThatIsKept(t *testing.T) {
	w := newWorld(t)
	w.given(2 * time.Hour)
	p := w.policy()
	p.Spec.Access = []v1alpha1.AccessLevel{v1alpha1.AccessEditRuns}
	w.update(p)
	w.sim.Inject(airflowtest.Status(http.StatusInternalServerError, "no").On(http.MethodGet, providersPath).For(4))
	w.clock.Step(11 * time.Minute)
	w.reconcile()
	if !w.sim.AllowedLevel("bob", "View", "finance_daily") {
		t.Error("bob lost what he keeps, since the server could not be looked at once")
	}
	w.reconcile()
	if w.bobMay() || !w.sim.AllowedLevel("bob", "View", "finance_daily") {
		t.Errorf("bob may trigger %t", w.bobMay())
	}
}

func TestWhatIsKnownOfAServerStaysWhileItCannotBeLookedAt(t *testing.T) {
	for name, restart := range map[string]bool{"in one process": false, "after a start": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.reconcile()
			before := w.instance().Status
			w.sim.Inject(airflowtest.Status(http.StatusForbidden, "Forbidden").On(http.MethodGet, providersPath))
			w.clock.Step(11 * time.Minute)
			if restart {
				w.restart()
			}
			w.reconcile()
			after := w.instance().Status
			if before.Capabilities == nil || after.Capabilities == nil || *after.Capabilities != *before.Capabilities || *after.Airflow != *before.Airflow {
				t.Errorf("%+v %+v, before %+v %+v", after.Airflow, after.Capabilities, before.Airflow, before.Capabilities)
			}
			if after.Conditions[0].Status != metav1.ConditionFalse {
				t.Error("it is Ready")
			}
		})
	}
}

func TestAnInstanceThatIsChangedDuringAPassCountsAtOnce(t *testing.T) {
	w := newWorld(t)
	suspend := airflowtest.Fault{Before: func() {
		afi := w.instance()
		afi.Spec.Mode = v1alpha1.ModeSuspended
		w.update(afi)
	}}
	w.sim.Inject(suspend.On(http.MethodPost, "/auth/fab/v1/roles").For(1))
	for range 3 {
		w.reconcile()
	}
	if w.sim.AllowedLevel("alice", "Trigger", "finance_daily") {
		t.Error("alice was given access after the instance was suspended")
	}
	if w.instance().Spec.Mode != v1alpha1.ModeSuspended {
		t.Error("the instance was not suspended in the middle of the pass")
	}
}

func TestDriftIsStoredAndToldWhenThePassMeetsAConflict(t *testing.T) {
	w := newWorld(t)
	w.reconcile()
	w.sim.SetUserRoles("alice", "Public")
	another := &v1alpha1.DagAccessPolicy{ObjectMeta: w.meta("another"), Spec: *w.policy().Spec.DeepCopy()}
	another.Spec.Role.Name = "another"
	if err := w.client.Create(t.Context(), another); err != nil {
		t.Fatal(err)
	}
	w.clock.Step(11 * time.Minute)
	conflicts := 0
	w.onStatus = func() error {
		if conflicts++; conflicts > 1 {
			return nil
		}
		return apierrors.NewConflict(schema.GroupResource{Resource: "airflowinstances"}, "prod", nil)
	}
	for range 3 {
		w.reconcile()
	}
	if found := w.instance().Status.Drift; conflicts < 2 || len(found) != 1 || found[0].Cause != "Manual" || !found[0].Repaired {
		t.Errorf("%d writes, drift %v", conflicts, found)
	}
}
