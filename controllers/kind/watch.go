package kind

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// ChangedByUsers lets pass what users change: the spec, annotations, and deletion. Status is written by the operator.
func ChangedByUsers() predicate.Predicate {
	deletion := When(func(object client.Object) any { return object.GetDeletionTimestamp().IsZero() })
	return predicate.Or[client.Object](predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}, deletion)
}

// ChangedByOthers lets pass what users and other writers change, finalizers and labels as well. Our own status writes
// wake no object: what follows from them is known when they are made.
func ChangedByOthers() predicate.Predicate {
	finalizers := predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return !slices.Equal(e.ObjectOld.GetFinalizers(), e.ObjectNew.GetFinalizers())
	}}
	identity := When(func(object client.Object) any { return object.GetUID() })
	return predicate.Or[client.Object](ChangedByUsers(), predicate.LabelChangedPredicate{}, finalizers, identity)
}

// When lets updates pass that change what is read of an object. Creations and deletions pass always.
func When[T client.Object](reads func(T) any) predicate.Funcs {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(T)
		if !ok {
			return false
		}
		after, ok := e.ObjectNew.(T)
		return ok && !equality.Semantic.DeepEqual(reads(before), reads(after))
	}}
}

// InstanceChanged lets updates of an instance pass that concern the objects in it: another one of the name, another spec, its
// deletion.
func InstanceChanged() predicate.Funcs {
	return When(func(i *v1alpha1.AirflowInstance) any { return []any{i.UID, i.Generation, i.DeletionTimestamp.IsZero()} })
}

// Wake maps an object of one kind to the objects of another that it wakes. An error of a lookup wakes none: the cache is not
// there yet, or not any more, and every object is reconciled then.
func Wake[T client.Object](names func(context.Context, T) []types.NamespacedName) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, object client.Object) []reconcile.Request {
		typed, ok := object.(T)
		if !ok {
			return nil
		}
		var requests []reconcile.Request
		for _, name := range names(ctx, typed) {
			requests = append(requests, reconcile.Request{NamespacedName: name})
		}
		return requests
	})
}

// Names gives the names of the objects that a test accepts.
func Names[T client.Object](objects []T, accepts func(T) bool) []types.NamespacedName {
	var names []types.NamespacedName
	for _, object := range objects {
		if accepts(object) {
			names = append(names, keyOf(object))
		}
	}
	return names
}
