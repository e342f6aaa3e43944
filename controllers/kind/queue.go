package kind

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

const (
	// PriorityEnding goes before everything else.
	PriorityEnding = 100
	// PriorityNormal goes before what is only reconciled again after a start, which has handler.LowPriority.
	PriorityNormal = 0
)

// Queue of a controller.
type Queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// Add puts objects into a queue with a priority, where the queue has priorities.
func Add(queue Queue, priority int, names ...types.NamespacedName) {
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

// SetupWithManager registers the controller of the kind.
func (r *Reconciler[T, F]) SetupWithManager(mgr ctrl.Manager) error {
	waker := &waker{names: r.wakes}
	r.Reports.OnPublish(waker.publish)
	b := ctrl.NewControllerManagedBy(mgr).
		Named(r.kind.Name).
		Watches(r.kind.New(), r.events(), builder.WithPredicates(ChangedByOthers())).
		WatchesRawSource(source.Func(func(_ context.Context, queue Queue) error {
			r.since = r.Clock.Now()
			waker.start(queue)
			return nil
		})).
		WithOptions(controller.Options{MaxConcurrentReconciles: r.kind.Workers, RateLimiter: BackOff()})
	r.kind.Watches(b, &r.Env, r.Memory)
	if err := b.Complete(r); err != nil {
		return fmt.Errorf("controller %s: %w", r.kind.Name, err)
	}
	return nil
}

func (r *Reconciler[T, F]) wakes(before, report *Report) (urgent, others []types.NamespacedName) {
	if r.kind.Wakes == nil {
		return nil, nil
	}
	return r.kind.Wakes(r.Memory, before, report)
}

// events puts objects of the kind into the queue: endings before everything else, also among the thousands that come at a
// start.
func (r *Reconciler[T, F]) events() handler.EventHandler {
	enqueue := func(queue Queue, object client.Object, priority int) {
		if typed, ok := object.(T); ok && r.kind.endsAt(typed, r.Clock.Now()) {
			priority = PriorityEnding
		}
		Add(queue, priority, keyOf(object))
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, queue Queue) {
			priority := PriorityNormal
			if e.IsInInitialList {
				priority = handler.LowPriority
			}
			enqueue(queue, e.Object, priority)
		},
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, queue Queue) { enqueue(queue, e.ObjectNew, PriorityNormal) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, queue Queue) { enqueue(queue, e.Object, PriorityNormal) },
	}
}

// waker puts the objects about which a report says something new into the queue of their controller.
type waker struct {
	names func(before, report *Report) (urgent, others []types.NamespacedName)
	mu    sync.Mutex
	queue Queue
}

// start is called when the controller begins to work.
func (w *waker) start(queue Queue) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = queue
}

// publish is called with every report and the one before it.
func (w *waker) publish(before, report *Report) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.queue == nil {
		return
	}
	urgent, others := w.names(before, report)
	Add(w.queue, PriorityEnding, urgent...)
	Add(w.queue, PriorityNormal, others...)
}
