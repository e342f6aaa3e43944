package controllers

import (
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
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
