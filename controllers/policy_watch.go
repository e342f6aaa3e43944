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
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/actuator"
	"github.com/airflow-oam/airflow-oam/internal/status"
)

// policyWorkers is how many policies are decided at once.
const policyWorkers = 4

// SetupWithManager registers the controller.
func (r *PolicyReconciler) SetupWithManager(mgr ctrl.Manager) error {
	waker := &waker{names: concernedPolicies}
	r.Reports.OnPublish(waker.publish)
	return ctrl.NewControllerManagedBy(mgr).
		Named("dagaccesspolicy").
		For(&v1alpha1.DagAccessPolicy{}, builder.WithPredicates(grantChanged())).
		Watches(&v1alpha1.AirflowInstance{}, handler.EnqueueRequestsFromMapFunc(r.policiesOfInstance), builder.WithPredicates(instanceMatters())).
		Watches(&v1alpha1.AccessGrant{}, handler.EnqueueRequestsFromMapFunc(r.deletedPolicyOfGrant), builder.WithPredicates(grantClosed())).
		WatchesRawSource(source.Func(func(_ context.Context, queue requestQueue) error {
			r.since = r.Clock.Now()
			waker.start(queue)
			return nil
		})).
		WithOptions(controller.Options{MaxConcurrentReconciles: policyWorkers, RateLimiter: backOff()}).
		Complete(r)
}

// instanceMatters lets pass instances that come, go, or have another spec, inventory or reason to be Ready or not.
func instanceMatters() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha1.AirflowInstance)
		after, same := e.ObjectNew.(*v1alpha1.AirflowInstance)
		return ok && same && (before.UID != after.UID || before.Generation != after.Generation ||
			!equality.Semantic.DeepEqual(before.Status.ManagedRoles, after.Status.ManagedRoles) ||
			readyReason(before) != readyReason(after))
	}}
}

func readyReason(afi *v1alpha1.AirflowInstance) string {
	if ready := status.Find(afi.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		return string(ready.Status) + "/" + ready.Reason
	}
	return ""
}

// grantClosed lets pass grants that end for good or go: a deleted policy may wait for them.
func grantClosed() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false },
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, ok := e.ObjectOld.(*v1alpha1.AccessGrant)
			after, same := e.ObjectNew.(*v1alpha1.AccessGrant)
			return ok && same && before.Terminal() != after.Terminal()
		},
	}
}

func (r *PolicyReconciler) policiesOfInstance(ctx context.Context, object client.Object) []reconcile.Request {
	list := &v1alpha1.DagAccessPolicyList{}
	if err := r.List(ctx, list, client.InNamespace(object.GetNamespace()), client.UnsafeDisableDeepCopy); err != nil {
		return nil // the cache is not there yet, or not any more: every policy is looked at then
	}
	var requests []reconcile.Request
	for i := range list.Items {
		if list.Items[i].Spec.InstanceRef.Name == object.GetName() {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
		}
	}
	return requests
}

// deletedPolicyOfGrant is the policy of a grant when it is being deleted.
func (r *PolicyReconciler) deletedPolicyOfGrant(ctx context.Context, object client.Object) []reconcile.Request {
	grant, ok := object.(*v1alpha1.AccessGrant)
	if !ok {
		return nil
	}
	list := &v1alpha1.DagAccessPolicyList{}
	if err := r.List(ctx, list, client.MatchingFields{indexKey: grant.PolicyKey().String()}, client.UnsafeDisableDeepCopy); err != nil {
		return nil // as above
	}
	var requests []reconcile.Request
	for i := range list.Items {
		if list.Items[i].DeletionTimestamp != nil {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
		}
	}
	return requests
}

// concernedPolicies are the policies for which a report says something else than the one before. None is urgent.
func concernedPolicies(before, report *actuator.Report) (urgent, others []types.NamespacedName) {
	all := before == nil || (before.Err == nil) != (report.Err == nil) || before.InstanceUID != report.InstanceUID ||
		!equality.Semantic.DeepEqual(before.Inventory, report.Inventory) || membersMoved(before, report)
	for name, now := range report.Policies {
		if all || !equality.Semantic.DeepEqual(before.Policies[name], now) {
			others = append(others, name)
		}
	}
	return nil, others
}

// membersMoved is true when other grants are seen in Airflow than before.
func membersMoved(before, report *actuator.Report) bool {
	for uid, now := range report.Grants {
		if before.Grants[uid].Confirmed() != now.Confirmed() {
			return true
		}
	}
	for uid, old := range before.Grants {
		if _, still := report.Grants[uid]; !still && old.Confirmed() {
			return true
		}
	}
	return false
}
