package instance

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/actuator"
)

// source is the Kubernetes side of one instance for the time of a pass.
type source struct{ *scope }

// Declared gives what is declared now.
func (s source) Declared(ctx context.Context) (actuator.Declared, error) {
	if err := s.refresh(ctx); err != nil {
		return actuator.Declared{}, err
	}
	clocks := s.clocks()
	found, err := declaredFor(ctx, s.r.Cache(), s.afi)
	if err != nil {
		return actuator.Declared{}, err
	}
	found.asOf = clocks.latest()
	s.declared = found
	ttl, _ := s.afi.CacheTTL()
	return actuator.Declared{
		Now: found.asOf, Behind: clocks.behind(), Instance: s.afi, Policies: found.policies, Grants: found.grants, Giving: s.giving(),
		Endpoint: s.endpoint, Account: s.account, CacheTTL: ttl, AllowPrivileged: s.r.AllowPrivileged,
		Version: s.server.Version, Capabilities: Capabilities(s.server),
	}, nil
}

// refresh adopts what users made of the instance since the pass began: a long one must not go on by the old text. A
// status that is written after that meets a conflict, and the next pass follows at once.
func (s source) refresh(ctx context.Context) error {
	now, err := s.r.Cache().Instance(ctx, s.afi.Key())
	if now == nil || now.UID != s.afi.UID {
		return err
	}
	if now.Generation > s.afi.Generation {
		now = now.DeepCopy()
		s.afi.Spec, s.afi.Generation, s.afi.DeletionTimestamp = now.Spec, now.Generation, now.DeletionTimestamp
	}
	return nil
}

// StoreInventory writes the inventory before anything of it is made in Airflow.
func (s source) StoreInventory(ctx context.Context, inventory []v1alpha1.ManagedRole, held []v1alpha1.HeldRevocation) error {
	ctx, cancel := asking(ctx, s.scope, storeTimeout)
	defer cancel()
	before := s.afi.DeepCopy()
	st := &s.afi.Status
	st.ManagedRoles, st.Held, st.Endpoint, st.Account = inventory, bounded(held), s.endpoint, s.account
	if err := s.r.Status().Patch(ctx, s.afi, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		s.afi.Status = before.Status // nothing of it may be stored with the conditions
		return err
	}
	s.stored()
	return nil
}
