package instance

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/controllers/kind"
)

// grantMatters lets pass what changes access: activation, end, revocation and deletion; and the user that a new grant waits
// for.
func grantMatters() predicate.Predicate {
	matters := kind.When(func(g *v1alpha1.AccessGrant) any {
		return []any{g.Generation, g.DeletionTimestamp.IsZero(), g.Status.Activation, g.Status.End, g.Status.RemovedAt == nil}
	})
	matters.CreateFunc = func(e event.CreateEvent) bool {
		grant, ok := e.Object.(*v1alpha1.AccessGrant)
		return ok && grant.Status.RemovedAt == nil
	}
	return matters
}

// ofGrant are the instance of the grant's policy, and the ones in which the grant was activated.
func ofGrant(ctx context.Context, cache kind.Cache, g *v1alpha1.AccessGrant) []types.NamespacedName {
	var names []types.NamespacedName
	if policy, err := cache.Policy(ctx, g.PolicyKey()); err == nil && policy != nil {
		names = append(names, policy.InstanceKey())
	}
	if g.Status.Activation == nil {
		return names
	}
	for _, in := range g.Status.Activation.Instances {
		if name := (types.NamespacedName{Namespace: in.Namespace, Name: in.Name}); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
