package controllers

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

const (
	// pageSize is how many objects are read from the API server at once.
	pageSize = 500
	// behindWait is how soon a cache that is behind is looked at again, behindPatience for how long before what it says is
	// due is taken away all the same.
	behindWait     = 200 * time.Millisecond
	behindPatience = 5 * time.Second
)

// errBehind says that the cache does not hold yet what the API server holds. It is no failure and nothing to be told.
var errBehind = errors.New("the cache is behind the API server")

// catchUp waits before the first pass until the cache holds all that a process before this one stored about the instance:
// the list at a start, and the watch of a process that waited for the Lease, may be behind (F2). A cache never goes back,
// so once is enough. Meanwhile nothing is given; what is due is taken away by what the cache says, where the API server
// does not answer or the cache stays behind.
func (r *InstanceReconciler) catchUp(ctx context.Context, s *instanceScope) (bool, error) {
	conn, behind := s.conn, false
	if conn.caughtUp && s.unread == nil {
		return false, nil
	}
	err := s.unread
	if err == nil {
		behind, err = r.behind(ctx, s.afi)
	}
	switch {
	case err != nil:
		s.blame(connectTrouble(err))
		conn.failures++
	case !behind:
		conn.caughtUp = true
		return false, nil
	case conn.behindSince.IsZero():
		conn.behindSince = r.Clock.Now()
		return true, errBehind
	case r.Clock.Since(conn.behindSince) < behindPatience:
		return true, errBehind
	default:
		s.waitUntil(r.Clock.Now().Add(behindWait))
	}
	r.takeDue(ctx, s)
	return true, nil
}

// behind says whether the cache lacks something of an instance that the API server holds, or holds something that is gone.
// Grants that are proved gone give nothing any more and do not count. Of what is read only versions are kept.
func (r *InstanceReconciler) behind(ctx context.Context, afi *v1alpha1.AirflowInstance) (bool, error) {
	ours := map[types.NamespacedName]bool{}
	policiesThere, grantsThere := map[types.UID]string{}, map[types.UID]string{}
	policiesAt, err := eachPage(ctx, r.APIReader, func() *v1alpha1.DagAccessPolicyList { return &v1alpha1.DagAccessPolicyList{} }, func(page *v1alpha1.DagAccessPolicyList) {
		for i := range page.Items {
			if policy := &page.Items[i]; policy.Spec.InstanceRef.Name == afi.Name {
				ours[client.ObjectKeyFromObject(policy)] = true
				policiesThere[policy.UID] = policy.ResourceVersion
			}
		}
	}, client.InNamespace(afi.Namespace))
	if err != nil {
		return false, err
	}
	grantsAt, err := eachPage(ctx, r.APIReader, func() *v1alpha1.AccessGrantList { return &v1alpha1.AccessGrantList{} }, func(page *v1alpha1.AccessGrantList) {
		for i := range page.Items {
			if grant := &page.Items[i]; grant.Status.RemovedAt == nil && (ours[grant.PolicyKey()] || grant.UnprovedIn(afi)) {
				grantsThere[grant.UID] = grant.ResourceVersion
			}
		}
	})
	if err != nil {
		return false, err
	}
	policies, grants, err := r.declared(ctx, afi)
	if err != nil {
		return false, err
	}
	return lacks(policiesThere, policiesAt, policies, func(*v1alpha1.DagAccessPolicy) bool { return true }) ||
		lacks(grantsThere, grantsAt, grants, func(g *v1alpha1.AccessGrant) bool { return g.Status.RemovedAt == nil }), nil
}

// lacks compares versions of objects as the API server held them at a version of the whole list with those of a cache that
// was read later.
func lacks[T client.Object](there map[types.UID]string, at string, cached []T, counts func(T) bool) bool {
	found := 0
	for _, object := range cached {
		version, listed := there[object.GetUID()]
		switch {
		case listed:
			found++
			if olderThan(object.GetResourceVersion(), version) {
				return true
			}
		case counts(object) && !olderThan(at, object.GetResourceVersion()):
			return true // it was gone by then
		}
	}
	return found < len(there)
}

// olderThan compares versions of objects of one kind; what cannot be compared counts as older.
func olderThan(a, b string) bool {
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err != nil || order < 0
}

// eachPage reads a list from the API server by pages, and gives its version. All pages are of one moment.
func eachPage[L client.ObjectList](ctx context.Context, reader client.Reader, empty func() L, visit func(L), options ...client.ListOption) (string, error) {
	for token := ""; ; {
		page := empty()
		if err := readPage(ctx, reader, page, append(options, client.Limit(pageSize), client.Continue(token))); err != nil {
			return "", err
		}
		visit(page)
		if token = page.GetContinue(); token == "" {
			return page.GetResourceVersion(), nil
		}
	}
}

func readPage(ctx context.Context, reader client.Reader, page client.ObjectList, options []client.ListOption) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return reader.List(ctx, page, options...)
}
