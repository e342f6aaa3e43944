package controllers

import (
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/actuator"
)

// instanceSource is the Kubernetes side of one instance for the time of a pass.
type instanceSource struct {
	r    *InstanceReconciler
	conn *connection
	// afi is the object of this reconcile; stored inventories are written through to it.
	afi   *v1alpha1.AirflowInstance
	scope *instanceScope
}

// Declared gives what is declared now.
func (s *instanceSource) Declared(ctx context.Context) (actuator.Declared, error) {
	if err := s.refresh(ctx); err != nil {
		return actuator.Declared{}, err
	}
	now := s.r.Clock.Now()
	theirs, kubernetes := s.conn.skew.Ahead(s.r.Clock), s.r.KubernetesClock.Ahead(s.r.Clock)
	ttl, _ := s.afi.CacheTTL()
	declared := actuator.Declared{
		Now: now.Add(max(0, theirs, kubernetes)), Behind: max(0, -theirs, -kubernetes), Instance: s.afi, Giving: s.giving(),
		Endpoint: s.conn.endpoint, Account: s.conn.account, CacheTTL: ttl, AllowPrivileged: s.r.AllowPrivileged,
		Version: s.conn.server.Version, Capabilities: Capabilities(s.conn.server),
	}
	var err error
	declared.Policies, declared.Grants, err = s.r.declared(ctx, s.afi)
	s.scope.policies, s.scope.grants, s.scope.asOf = declared.Policies, declared.Grants, declared.Now
	return declared, err
}

// giving is how much may be done in this Airflow now.
func (s *instanceSource) giving() access.Giving {
	switch skewed := s.r.skewed(s.conn); {
	case s.scope.limited:
		return access.OnlyRevoking(v1alpha1.ReasonMissingPermissions, "the operator's account is not known to have the permissions that it needs")
	case s.scope.elsewhere():
		return access.OnlyRevoking(v1alpha1.ReasonEndpointChanged, "this is not the Airflow that spec.url names, or another AirflowInstance governs it")
	case skewed != nil:
		return access.OnlyRevoking(skewed.reason, skewed.message)
	}
	return access.Giving{}
}

// refresh takes in what people made of the instance since the pass began: a long one must not go on by the old text. A
// status that is written after that meets a conflict, and the next pass follows at once.
func (s *instanceSource) refresh(ctx context.Context) error {
	list := &v1alpha1.AirflowInstanceList{}
	if err := s.r.List(ctx, list, client.InNamespace(s.afi.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return err
	}
	for i := range list.Items {
		if now := &list.Items[i]; now.UID == s.afi.UID && now.Generation > s.afi.Generation {
			now = now.DeepCopy()
			s.afi.Spec, s.afi.Generation, s.afi.DeletionTimestamp = now.Spec, now.Generation, now.DeletionTimestamp
		}
	}
	return nil
}

// StoreInventory writes the inventory before anything of it is made in Airflow.
func (s *instanceSource) StoreInventory(ctx context.Context, inventory []v1alpha1.ManagedRole, held []v1alpha1.HeldRevocation) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	before := s.afi.DeepCopy()
	s.afi.Status.ManagedRoles = inventory
	s.afi.Status.Held = bounded(held)
	s.afi.Status.Endpoint = s.conn.endpoint
	s.afi.Status.Account = s.conn.account
	if err := s.r.Status().Patch(ctx, s.afi, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		s.afi.Status = before.Status // nothing of it may be stored with the conditions
		return err
	}
	s.scope.stored(s.afi)
	return nil
}

// declared lists the policies of an instance, the grants of these policies, and the grants that were activated in it and
// are not proved gone, or are being deleted: their terms are kept, also without a policy. The objects are those of the
// cache and are never changed.
func (r *InstanceReconciler) declared(ctx context.Context, afi *v1alpha1.AirflowInstance) ([]*v1alpha1.DagAccessPolicy, []*v1alpha1.AccessGrant, error) {
	policyList := &v1alpha1.DagAccessPolicyList{}
	if err := r.List(ctx, policyList, client.InNamespace(afi.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, nil, err
	}
	var policies []*v1alpha1.DagAccessPolicy
	ours := map[types.NamespacedName]bool{}
	for i := range policyList.Items {
		if policy := &policyList.Items[i]; policy.Spec.InstanceRef.Name == afi.Name {
			policies = append(policies, policy)
			ours[client.ObjectKeyFromObject(policy)] = true
		}
	}
	grantList := &v1alpha1.AccessGrantList{}
	if err := r.List(ctx, grantList, client.UnsafeDisableDeepCopy); err != nil {
		return nil, nil, err
	}
	var grants []*v1alpha1.AccessGrant
	for i := range grantList.Items {
		grant := &grantList.Items[i]
		if ours[grant.PolicyKey()] || grant.UnprovedIn(afi) || grant.DeletionTimestamp != nil && pinnedTo(grant, afi) {
			grants = append(grants, grant)
		}
	}
	return policies, grants, nil
}

// pinnedTo says whether a grant was ever given in an instance.
func pinnedTo(grant *v1alpha1.AccessGrant, afi *v1alpha1.AirflowInstance) bool {
	activation := grant.Status.Activation
	return activation != nil && slices.ContainsFunc(activation.Instances, func(in v1alpha1.GrantInstance) bool {
		return in.Name == afi.Name && in.Namespace == afi.Namespace && in.UID == string(afi.UID)
	})
}

// nextEnding is when the next live grant is to be taken away; zero where there is none.
func nextEnding(grants []*v1alpha1.AccessGrant, now time.Time, ttl time.Duration) time.Time {
	var next time.Time
	for _, grant := range grants {
		activation := grant.Status.Activation
		if activation == nil || grant.Status.End != nil {
			continue
		}
		if at := access.RemovalAt(grant, ttl); at.After(now) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}
