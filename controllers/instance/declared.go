package instance

import (
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/controllers/kind"
	"github.com/airflow-oam/airflow-oam/internal/access"
)

// declared is what Kubernetes objects declare about an instance. The objects are those of the cache and are never changed.
type declared struct {
	afi      *v1alpha1.AirflowInstance
	policies []*v1alpha1.DagAccessPolicy
	// grants of these policies, and those that were activated in the instance and are not proved gone, or are being deleted:
	// their terms are retained, also without a policy.
	grants []*v1alpha1.AccessGrant
	// asOf is the moment for which they were read, by the clock that is ahead; zero outside of a pass.
	asOf time.Time
}

// declaredFor reads by index what is declared about an instance.
func declaredFor(ctx context.Context, cache kind.Cache, afi *v1alpha1.AirflowInstance) (declared, error) {
	d, seen := declared{afi: afi}, sets.New[types.UID]()
	add := func(grants []*v1alpha1.AccessGrant, err error) error {
		for _, grant := range grants {
			if !seen.Has(grant.UID) {
				seen.Insert(grant.UID)
				d.grants = append(d.grants, grant)
			}
		}
		return err
	}
	var err error
	if d.policies, err = cache.PoliciesOf(ctx, afi.Key()); err != nil {
		return declared{}, err
	}
	for _, policy := range d.policies {
		if err := add(cache.GrantsOf(ctx, policy.Key())); err != nil {
			return declared{}, err
		}
	}
	return d, add(cache.GrantsIn(ctx, afi.UID))
}

// due are the grants that are to be revoked by a moment and are not proved to be.
func (d declared) due(now time.Time) []*v1alpha1.AccessGrant {
	ttl, _ := d.afi.CacheTTL()
	var out []*v1alpha1.AccessGrant
	for _, grant := range d.grants {
		if grant.UnprovedIn(d.afi) && !access.Live(grant, now, ttl) {
			out = append(out, grant)
		}
	}
	return out
}

// nextEnding is when the next live grant is to be revoked after a moment; zero where there is none.
func (d declared) nextEnding(from time.Time) time.Time {
	ttl, _ := d.afi.CacheTTL()
	next := time.Time{}
	for _, grant := range d.grants {
		if grant.Status.Activation == nil || grant.Status.End != nil {
			continue
		}
		at := access.RemovalAt(grant, ttl)
		if at.After(from) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

// changedSince reports whether a policy was created or changed since.
func (d declared) changedSince(known generations) bool {
	return slices.ContainsFunc(d.policies, func(p *v1alpha1.DagAccessPolicy) bool { return known[p.UID] != p.Generation })
}

// deletes reports whether a policy is being deleted.
func (d declared) deletes() bool {
	return slices.ContainsFunc(d.policies, func(p *v1alpha1.DagAccessPolicy) bool { return !p.DeletionTimestamp.IsZero() })
}
