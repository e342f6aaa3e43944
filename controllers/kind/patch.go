package kind

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// Patch writes the difference between two states of an object, except for its status. It fails with a conflict when
// another writer changed the object after before was read. after is then as the API server stored it.
func Patch(ctx context.Context, writer client.Writer, before, after client.Object) error {
	return writer.Patch(ctx, after, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}

// RemoveFinalizer removes our finalizer from an object and reports whether it was there. A deleted object is gone then,
// unless other finalizers hold it or the write fails because another writer was first.
func RemoveFinalizer(ctx context.Context, writer client.Writer, object client.Object) (bool, error) {
	before := clone(object)
	if !controllerutil.RemoveFinalizer(object, v1alpha1.Finalizer) {
		return false, nil
	}
	return true, client.IgnoreNotFound(Patch(ctx, writer, before, object))
}
