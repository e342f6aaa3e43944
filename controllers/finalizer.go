package controllers

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// dropFinalizer removes our finalizer from a deleted object, and says whether it was there: then the object goes, unless
// the write fails because somebody else wrote in between. before is a copy of the object.
func dropFinalizer(ctx context.Context, writer client.Writer, object, before client.Object) (bool, error) {
	if !controllerutil.RemoveFinalizer(object, v1alpha1.Finalizer) {
		return false, nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	return true, client.IgnoreNotFound(writer.Patch(ctx, object, patch))
}
