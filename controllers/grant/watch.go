package grant

import (
	"context"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/controllers/kind"
)

// watches makes policies, instances and namespaces wake grants.
func watches(b *builder.Builder, env *kind.Env, memory *kind.Memory) {
	b.Watches(&v1alpha1.DagAccessPolicy{}, kind.Wake(func(ctx context.Context, p *v1alpha1.DagAccessPolicy) []types.NamespacedName {
		grants, _ := env.Cache().GrantsOf(ctx, p.Key()) // see kind.Wake
		return kind.Names(grants, unfinished)
	}), builder.WithPredicates(predicate.GenerationChangedPredicate{}))
	b.Watches(&v1alpha1.AirflowInstance{}, instances(memory))
	b.Watches(&v1alpha1.AccessRequest{}, kind.Wake(func(_ context.Context, r *v1alpha1.AccessRequest) []types.NamespacedName {
		if r.Status.Grant == nil {
			return nil
		}
		return []types.NamespacedName{{Namespace: r.Namespace, Name: r.Status.Grant.Name}}
	}), builder.WithPredicates(requestEnds()))
	b.WatchesMetadata(kind.NamespaceMetadata(), kind.Wake(func(ctx context.Context, n *metav1.PartialObjectMetadata) []types.NamespacedName {
		grants, _ := env.Cache().GrantsFrom(ctx, n.Name) // see kind.Wake
		return kind.Names(grants, unfinished)
	}), builder.WithPredicates(predicate.LabelChangedPredicate{}))
}

// requestEnds lets pass requests that are withdrawn or deleted.
func requestEnds() predicate.Funcs {
	ends := kind.When(func(r *v1alpha1.AccessRequest) any { return r.Spec.Withdrawn || r.DeletionTimestamp != nil })
	ends.CreateFunc = func(event.CreateEvent) bool { return false }
	return ends
}

func unfinished(g object) bool { return !g.Terminal() }

// instances wakes the grants of an instance when it comes, goes or changes, and deleted grants when their terms were
// retained.
func instances(memory *kind.Memory) handler.EventHandler {
	wake := func(queue kind.Queue, instance client.Object, accepts func(types.UID, kind.Interest) bool) {
		kind.Add(queue, kind.PriorityNormal, memory.About(client.ObjectKeyFromObject(instance), accepts)...)
	}
	open := func(_ types.UID, i kind.Interest) bool { return !i.Closed || i.Leaving }
	leaving := func(_ types.UID, i kind.Interest) bool { return i.Leaving }
	changed := kind.InstanceChanged()
	retained := kind.When(func(i *v1alpha1.AirflowInstance) any { return i.Status.Spent })
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, queue kind.Queue) { wake(queue, e.Object, open) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, queue kind.Queue) { wake(queue, e.Object, open) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, queue kind.Queue) {
			switch {
			case changed.Update(e):
				wake(queue, e.ObjectNew, open)
			case retained.Update(e):
				wake(queue, e.ObjectNew, leaving)
			}
		},
	}
}

// wakes gives the grants about which a report says something else than the one before; those that wait for a proof are
// urgent.
func wakes(memory *kind.Memory, before, report *kind.Report) (urgent, others []types.NamespacedName) {
	news := newsOf(before, report)
	of := func(proof bool) []types.NamespacedName {
		return memory.About(report.Instance, func(uid types.UID, i kind.Interest) bool {
			switch {
			case i.Closed, i.Proof != proof:
				return false
			}
			return news.concerns(uid, i)
		})
	}
	return of(true), of(false)
}

// news is the difference between two reports about an instance.
type news struct {
	// before is nil for the first report, which concerns every grant.
	before, report *kind.Report
	// directory is true where the users, the DAGs, the policies or what may be granted are other ones.
	directory bool
}

func newsOf(before, report *kind.Report) news {
	return news{before, report, kind.DirectoryChanged(before, report)}
}

// concerns reports whether there is news about one grant. For one that waits for a proof, each new reading is.
func (n news) concerns(uid types.UID, i kind.Interest) bool {
	if n.before == nil {
		return true
	}
	if i.Directory && n.directory {
		return true
	}
	return !equality.Semantic.DeepEqual(said(n.before, uid, i), said(n.report, uid, i))
}

// said is what a report says about one grant, as far as the grant is interested.
func said(r *kind.Report, uid types.UID, i kind.Interest) any {
	found := r.Grants[uid]
	if i.Proof {
		return []any{found.Desire, found.Proof, metav1.NewTime(found.ObservedAt)}
	}
	return []any{found.Desire, found.Proof}
}
