package controllers

import (
	"context"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// instanceWorkers is how many Airflows are worked on at once: more than there are, since a hung one must not hold up the
// others. An idle worker costs a few KiB.
const instanceWorkers = 1024

// SetupWithManager registers the controller.
func (r *InstanceReconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("airflowinstance").
		For(&v1alpha1.AirflowInstance{}, builder.WithPredicates(changedByPeople())).
		Watches(&v1alpha1.DagAccessPolicy{}, handler.EnqueueRequestsFromMapFunc(instanceOfPolicy), builder.WithPredicates(changedByPeople())).
		Watches(&v1alpha1.AccessGrant{}, handler.EnqueueRequestsFromMapFunc(r.instancesOfGrant), builder.WithPredicates(grantMatters())).
		WithOptions(controller.Options{MaxConcurrentReconciles: instanceWorkers, RateLimiter: backOff()}).
		Complete(r)
}

// changedByPeople lets pass what people change: the spec, annotations, and deletion. Status is written by the operator.
func changedByPeople() predicate.Predicate {
	deleting := predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld.GetDeletionTimestamp().IsZero() != e.ObjectNew.GetDeletionTimestamp().IsZero()
	}}
	return predicate.Or[client.Object](predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}, deleting)
}

// grantMatters lets pass what changes access: activation, end, revocation and deletion; and whom a new grant waits for.
func grantMatters() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(e event.CreateEvent) bool {
			grant, ok := e.Object.(*v1alpha1.AccessGrant)
			return ok && grant.Status.RemovedAt == nil
		},
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, ok := e.ObjectOld.(*v1alpha1.AccessGrant)
			after, same := e.ObjectNew.(*v1alpha1.AccessGrant)
			if !ok || !same {
				return false
			}
			return before.Generation != after.Generation ||
				before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero() ||
				!equality.Semantic.DeepEqual(before.Status.Activation, after.Status.Activation) ||
				!equality.Semantic.DeepEqual(before.Status.End, after.Status.End) ||
				(before.Status.RemovedAt == nil) != (after.Status.RemovedAt == nil)
		},
	}
}

func instanceOfPolicy(_ context.Context, object client.Object) []reconcile.Request {
	policy, ok := object.(*v1alpha1.DagAccessPolicy)
	if !ok {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: policy.Namespace, Name: policy.Spec.InstanceRef.Name}}}
}

// instancesOfGrant are the instance of the grant's policy, and the one it was activated in.
func (r *InstanceReconciler) instancesOfGrant(ctx context.Context, object client.Object) []reconcile.Request {
	grant, ok := object.(*v1alpha1.AccessGrant)
	if !ok {
		return nil
	}
	var out []reconcile.Request
	policy := &v1alpha1.DagAccessPolicy{}
	if err := r.Get(ctx, grant.PolicyKey(), policy); err == nil {
		out = instanceOfPolicy(ctx, policy)
	}
	if activation := grant.Status.Activation; activation != nil {
		for _, in := range activation.Instances {
			request := reconcile.Request{NamespacedName: types.NamespacedName{Namespace: in.Namespace, Name: in.Name}}
			if len(out) == 0 || out[0] != request {
				out = append(out, request)
			}
		}
	}
	return out
}
