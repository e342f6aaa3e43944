package controllers

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/actuator"
)

const (
	// grantWorkers is how many grants are decided at once; each waits for the API server only.
	grantWorkers = 8
	// priorityEnding goes before everything else, priorityNormal before what is only looked at again after a start.
	priorityEnding, priorityNormal = 100, 0
	// endingSoon is the longest permission cache: a grant that ends within it may be due already.
	endingSoon = 5 * time.Minute
)

type requestQueue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// SetupWithManager registers the controller and the indexes of the cache.
func (r *GrantReconciler) SetupWithManager(mgr ctrl.Manager) error {
	if err := indexFields(context.Background(), mgr.GetFieldIndexer()); err != nil {
		return err
	}
	waker := &waker{names: r.concerned}
	r.Reports.OnPublish(waker.publish)
	return ctrl.NewControllerManagedBy(mgr).
		Named("accessgrant").
		Watches(&v1alpha1.AccessGrant{}, r.grantHandler(), builder.WithPredicates(grantChanged())).
		Watches(&v1alpha1.DagAccessPolicy{}, handler.EnqueueRequestsFromMapFunc(r.grantsOfPolicy), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.AirflowInstance{}, r.instanceHandler()).
		WatchesMetadata(namespaceMetadata(), handler.EnqueueRequestsFromMapFunc(r.grantsOfNamespace), builder.WithPredicates(predicate.LabelChangedPredicate{})).
		WatchesRawSource(source.Func(func(_ context.Context, queue requestQueue) error {
			r.since = r.Clock.Now()
			waker.start(queue)
			return nil
		})).
		WithOptions(controller.Options{MaxConcurrentReconciles: grantWorkers, RateLimiter: backOff()}).
		Complete(r)
}

// grantChanged lets pass what others change, and finalizers. Our own status writes wake nobody: what follows from them
// is known when they are made.
func grantChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, after := e.ObjectOld, e.ObjectNew
		return before.GetUID() != after.GetUID() || before.GetGeneration() != after.GetGeneration() ||
			before.GetDeletionTimestamp().IsZero() != after.GetDeletionTimestamp().IsZero() ||
			!maps.Equal(before.GetAnnotations(), after.GetAnnotations()) || !maps.Equal(before.GetLabels(), after.GetLabels()) ||
			!slices.Equal(before.GetFinalizers(), after.GetFinalizers())
	}}
}

// grantHandler puts endings before everything else, also among the thousands that come at a start.
func (r *GrantReconciler) grantHandler() handler.EventHandler {
	enqueue := func(queue requestQueue, object client.Object, initial bool) {
		priority := priorityNormal
		if initial {
			priority = handler.LowPriority
		}
		if grant, ok := object.(*v1alpha1.AccessGrant); ok && r.ends(grant) {
			priority = priorityEnding
		}
		add(queue, priority, client.ObjectKeyFromObject(object))
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, queue requestQueue) {
			enqueue(queue, e.Object, e.IsInInitialList)
		},
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, queue requestQueue) { enqueue(queue, e.ObjectNew, false) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, queue requestQueue) { enqueue(queue, e.Object, false) },
	}
}

// ends is true for grants that are being taken away, or are to be at once or soon.
func (r *GrantReconciler) ends(grant *v1alpha1.AccessGrant) bool {
	st := grant.Status
	switch {
	case st.Phase.Terminal():
		return grant.DeletionTimestamp != nil
	case grant.DeletionTimestamp != nil, st.End != nil, grant.Spec.Revoke != nil:
		return true
	}
	return st.Activation != nil && !access.Live(grant, r.Clock.Now(), endingSoon)
}

// add puts requests into a queue with a priority, where the queue has priorities.
func add(queue requestQueue, priority int, names ...types.NamespacedName) {
	requests := make([]reconcile.Request, 0, len(names))
	for _, name := range names {
		requests = append(requests, reconcile.Request{NamespacedName: name})
	}
	if prioritized, ok := queue.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		prioritized.AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, requests...)
		return
	}
	for _, request := range requests {
		queue.Add(request)
	}
}

// grantsOfPolicy are the grants of a policy that are not over.
func (r *GrantReconciler) grantsOfPolicy(ctx context.Context, object client.Object) []reconcile.Request {
	return r.unfinished(ctx, client.MatchingFields{indexGrantPolicy: client.ObjectKeyFromObject(object).String()})
}

// grantsOfNamespace are the grants in a namespace that were not activated: its labels may let them in.
func (r *GrantReconciler) grantsOfNamespace(ctx context.Context, object client.Object) []reconcile.Request {
	return r.unfinished(ctx, client.InNamespace(object.GetName()))
}

func (r *GrantReconciler) unfinished(ctx context.Context, option client.ListOption) []reconcile.Request {
	list := &v1alpha1.AccessGrantList{}
	if err := r.List(ctx, list, option, client.UnsafeDisableDeepCopy); err != nil {
		return nil // the cache is not there yet, or not any more: every grant is looked at then
	}
	var requests []reconcile.Request
	for i := range list.Items {
		if !list.Items[i].Terminal() {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
		}
	}
	return requests
}

// instanceHandler wakes the grants of an instance when it comes, goes or changes, and deleted grants when their terms
// were kept.
func (r *GrantReconciler) instanceHandler() handler.EventHandler {
	all := func(queue requestQueue, object client.Object) {
		instance := client.ObjectKeyFromObject(object)
		add(queue, priorityNormal, r.memory.wakeable(instance, func(_ types.UID, known *rememberedGrant) bool { return !known.final || known.deleting })...)
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, queue requestQueue) { all(queue, e.Object) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, queue requestQueue) { all(queue, e.Object) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, queue requestQueue) {
			before, ok := e.ObjectOld.(*v1alpha1.AirflowInstance)
			after, same := e.ObjectNew.(*v1alpha1.AirflowInstance)
			if !ok || !same {
				return
			}
			if before.UID != after.UID || before.Generation != after.Generation ||
				before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero() {
				all(queue, after)
				return
			}
			if !equality.Semantic.DeepEqual(before.Status.Spent, after.Status.Spent) {
				add(queue, priorityNormal, r.memory.wakeable(client.ObjectKeyFromObject(after), func(_ types.UID, known *rememberedGrant) bool { return known.deleting })...)
			}
		},
	}
}

// concerned gives the grants for which a report says something else than the one before, those first that are being
// taken away.
func (r *GrantReconciler) concerned(before, report *actuator.Report) (urgent, others []types.NamespacedName) {
	moved := before == nil || directoryMoved(before, report)
	pick := func(wantUrgent bool) []types.NamespacedName {
		return r.memory.wakeable(report.Instance, func(uid types.UID, known *rememberedGrant) bool {
			if known.final || known.unproved != wantUrgent {
				return false
			}
			return known.awaiting && moved || before == nil || proofMoved(before, report, uid, known.unproved)
		})
	}
	return pick(true), pick(false)
}

// proofMoved is true when a report proves something else about a grant; for unproved ones every new look counts.
func proofMoved(before, report *actuator.Report, uid types.UID, unproved bool) bool {
	old, seen := before.Grants[uid], report.Grants[uid]
	return unproved && !old.ObservedAt.Equal(seen.ObservedAt) ||
		!equality.Semantic.DeepEqual(old.Desire, seen.Desire) || !equality.Semantic.DeepEqual(old.Proof, seen.Proof)
}

// directoryMoved is true when grants that wait, or were refused by what a pass saw, may find something new.
func directoryMoved(before, report *actuator.Report) bool {
	if (before.Err == nil) != (report.Err == nil) || before.InstanceUID != report.InstanceUID ||
		before.Giving.All() != report.Giving.All() || before.CacheTTL != report.CacheTTL || before.Account != report.Account || len(before.Policies) != len(report.Policies) {
		return true
	}
	for name, now := range report.Policies {
		old := before.Policies[name]
		if old.UID != now.UID || old.Generation != now.Generation || !equality.Semantic.DeepEqual(old.Desire.Refused, now.Desire.Refused) {
			return true
		}
	}
	return !equality.Semantic.DeepEqual(before.Dags, report.Dags) || !equality.Semantic.DeepEqual(before.Users, report.Users)
}

// waker puts the objects that a report concerns into the queue of their controller.
type waker struct {
	names func(before, report *actuator.Report) (urgent, others []types.NamespacedName)
	mu    sync.Mutex
	queue requestQueue
}

// start is called when the controller begins to work.
func (w *waker) start(queue requestQueue) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = queue
}

// publish is called with every report and the one before it.
func (w *waker) publish(before, report *actuator.Report) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.queue == nil {
		return
	}
	urgent, others := w.names(before, report)
	add(w.queue, priorityEnding, urgent...)
	add(w.queue, priorityNormal, others...)
}
