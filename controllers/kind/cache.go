package kind

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

const (
	// indexKey finds policies and instances by namespace/name. A list by it gives the objects of the cache, a get copies
	// of them.
	indexKey = "namespaced-name"
	// indexInstance finds policies by the namespace/name of their instance.
	indexInstance = "instance"
	// indexPolicy finds grants and requests by the namespace/name of their policy.
	indexPolicy = "policy"
	// indexRequester finds requests by who asks.
	indexRequester = "requester"
	// indexActivatedIn finds grants by the UIDs of the instances in which they were activated, as long as something may be
	// left of them there: until they are proved gone, and while they are being deleted.
	indexActivatedIn = "activated-in"
)

// Index is one index of the cache: values by which objects of a kind are found.
type Index struct {
	Object client.Object
	Field  string
	Values client.IndexerFunc
}

// Indexes are all indexes that controllers use.
func Indexes() []Index {
	return []Index{
		{&v1alpha1.AirflowInstance{}, indexKey, func(o client.Object) []string { return []string{keyOf(o).String()} }},
		{&v1alpha1.DagAccessPolicy{}, indexKey, func(o client.Object) []string { return []string{keyOf(o).String()} }},
		{&v1alpha1.DagAccessPolicy{}, indexInstance, values(func(p *v1alpha1.DagAccessPolicy) []string { return []string{p.InstanceKey().String()} })},
		{&v1alpha1.AccessGrant{}, indexPolicy, values(func(g *v1alpha1.AccessGrant) []string { return []string{g.PolicyKey().String()} })},
		{&v1alpha1.AccessGrant{}, indexActivatedIn, values(activatedIn)},
		{&v1alpha1.AccessRequest{}, indexPolicy, values(func(r *v1alpha1.AccessRequest) []string { return []string{r.PolicyKey().String()} })},
		{&v1alpha1.AccessRequest{}, indexRequester, values(func(r *v1alpha1.AccessRequest) []string { return []string{r.Spec.Requester} })},
	}
}

// activatedIn are the UIDs of the instances in which something may be left of a grant.
func activatedIn(g *v1alpha1.AccessGrant) []string {
	proved := g.Status.RemovedAt != nil
	if g.Status.Activation == nil || proved && g.DeletionTimestamp == nil {
		return nil
	}
	var uids []string
	for _, in := range g.Status.Activation.Instances {
		uids = append(uids, in.UID)
	}
	return uids
}

func values[T client.Object](of func(T) []string) client.IndexerFunc {
	return func(object client.Object) []string {
		if typed, ok := object.(T); ok {
			return of(typed)
		}
		return nil
	}
}

// SetupIndexes registers the indexes. It is called once for a manager.
func SetupIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	for _, index := range Indexes() {
		if err := indexer.IndexField(ctx, index.Object, index.Field, index.Values); err != nil {
			return fmt.Errorf("index %T by %s: %w", index.Object, index.Field, err)
		}
	}
	return nil
}

// Cache reads by index: what a list costs depends on what it gives, not on what is in the cluster. Its objects are those of
// the cache itself and are never changed.
type Cache struct{ client.Reader }

// Instance gives an instance; nil where there is none.
func (c Cache) Instance(ctx context.Context, key types.NamespacedName) (*v1alpha1.AirflowInstance, error) {
	list := &v1alpha1.AirflowInstanceList{}
	if err := c.by(ctx, list, indexKey, key.String()); err != nil || len(list.Items) == 0 {
		return nil, err
	}
	return &list.Items[0], nil
}

// Policy gives a policy; nil where there is none.
func (c Cache) Policy(ctx context.Context, key types.NamespacedName) (*v1alpha1.DagAccessPolicy, error) {
	list := &v1alpha1.DagAccessPolicyList{}
	if err := c.by(ctx, list, indexKey, key.String()); err != nil || len(list.Items) == 0 {
		return nil, err
	}
	return &list.Items[0], nil
}

// PoliciesOf gives the policies of an instance.
func (c Cache) PoliciesOf(ctx context.Context, instance types.NamespacedName) ([]*v1alpha1.DagAccessPolicy, error) {
	list := &v1alpha1.DagAccessPolicyList{}
	err := c.by(ctx, list, indexInstance, instance.String())
	return pointers(list.Items), err
}

// GrantsOf gives the grants of a policy, whether it exists or not.
func (c Cache) GrantsOf(ctx context.Context, policy types.NamespacedName) ([]*v1alpha1.AccessGrant, error) {
	list := &v1alpha1.AccessGrantList{}
	err := c.by(ctx, list, indexPolicy, policy.String())
	return pointers(list.Items), err
}

// GrantsIn gives the grants that were activated in an instance and of which something may be left there.
func (c Cache) GrantsIn(ctx context.Context, instance types.UID) ([]*v1alpha1.AccessGrant, error) {
	list := &v1alpha1.AccessGrantList{}
	err := c.by(ctx, list, indexActivatedIn, string(instance))
	return pointers(list.Items), err
}

// GrantsFrom gives the grants of a namespace.
func (c Cache) GrantsFrom(ctx context.Context, namespace string) ([]*v1alpha1.AccessGrant, error) {
	list := &v1alpha1.AccessGrantList{}
	err := c.List(ctx, list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy)
	return pointers(list.Items), err
}

// RequestsOf gives the requests under a policy, whether it exists or not.
func (c Cache) RequestsOf(ctx context.Context, policy types.NamespacedName) ([]*v1alpha1.AccessRequest, error) {
	list := &v1alpha1.AccessRequestList{}
	err := c.by(ctx, list, indexPolicy, policy.String())
	return pointers(list.Items), err
}

// RequestsBy gives the requests of one requester in all namespaces.
func (c Cache) RequestsBy(ctx context.Context, requester string) ([]*v1alpha1.AccessRequest, error) {
	list := &v1alpha1.AccessRequestList{}
	err := c.by(ctx, list, indexRequester, requester)
	return pointers(list.Items), err
}

// RequestsFrom gives the requests of a namespace.
func (c Cache) RequestsFrom(ctx context.Context, namespace string) ([]*v1alpha1.AccessRequest, error) {
	list := &v1alpha1.AccessRequestList{}
	err := c.List(ctx, list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy)
	return pointers(list.Items), err
}

func (c Cache) by(ctx context.Context, list client.ObjectList, field, value string) error {
	return c.List(ctx, list, client.MatchingFields{field: value}, client.UnsafeDisableDeepCopy)
}

// Read gives an object past the cache; nil where there is none.
func Read[T client.Object](ctx context.Context, reader client.Reader, key types.NamespacedName, empty T) (found T, err error) {
	if err := reader.Get(ctx, key, empty); err != nil {
		return found, client.IgnoreNotFound(err)
	}
	return empty, nil
}

func pointers[T any](items []T) []*T {
	out := make([]*T, 0, len(items))
	for i := range items {
		out = append(out, &items[i])
	}
	return out
}
