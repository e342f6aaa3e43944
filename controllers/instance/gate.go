package instance

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/controllers/kind"
)

const (
	// pageSize is how many objects are read from the API server at once.
	pageSize = 500
	// behindWait is how soon a cache that is behind is compared again, behindPatience for how long before what is due by
	// the cache is revoked all the same.
	behindWait     = 200 * time.Millisecond
	behindPatience = 5 * time.Second
)

// cacheGate opens once in the life of a process: when the cache has every policy and grant of the instance in the version in
// which the API server had it when it was asked. A cache never goes back, so that from then on it has everything that an
// earlier process stored about the instance. It is asked for each instance: a process may cache a part of the namespaces, and
// changes of other instances' grants are no reason to wait.
type cacheGate struct {
	// uncached is true where the object is to be read past the cache: at the start and after a conflict.
	uncached bool
	// open is true once the cache has caught up; behindSince is when it was first seen to be behind; zero before.
	open        bool
	behindSince time.Time
}

// patient reports whether the cache may still catch up.
func (g *cacheGate) patient(now time.Time) bool {
	if g.behindSince.IsZero() {
		g.behindSince = now
	}
	return now.Sub(g.behindSince) < behindPatience
}

// opens reports whether the gate is open, and compares where it is not.
func (g *cacheGate) opens(ctx context.Context, server client.Reader, cache kind.Cache, afi *v1alpha1.AirflowInstance) (bool, error) {
	if g.open {
		return true, nil
	}
	behind, err := behind(ctx, server, cache, afi)
	g.open = err == nil && !behind
	return g.open, err
}

// versions are resource versions of objects, and at the version of the list that had them.
type versions struct {
	of map[types.UID]string
	at string
}

// behind reports whether the cache lacks something of an instance that the API server has, or has something that is gone, or
// has it in an older version. Grants that are proved gone grant nothing any more and do not count.
func behind(ctx context.Context, server client.Reader, cache kind.Cache, afi *v1alpha1.AirflowInstance) (bool, error) {
	ours := sets.New[types.NamespacedName]()
	policies, err := readVersions(ctx, server, func() client.ObjectList { return &v1alpha1.DagAccessPolicyList{} }, func(p *v1alpha1.DagAccessPolicy) bool {
		if p.Of(afi) {
			ours.Insert(p.Key())
		}
		return p.Of(afi)
	}, client.InNamespace(afi.Namespace))
	if err != nil {
		return false, err
	}
	grants, err := readVersions(ctx, server, func() client.ObjectList { return &v1alpha1.AccessGrantList{} }, func(g *v1alpha1.AccessGrant) bool {
		return unproved(g) && (ours.Has(g.PolicyKey()) || g.In(afi) != nil)
	})
	if err != nil {
		return false, err
	}
	cached, err := declaredFor(ctx, cache, afi)
	if err != nil {
		return false, err
	}
	return lacks(policies, cached.policies, func(*v1alpha1.DagAccessPolicy) bool { return true }) || lacks(grants, cached.grants, unproved), nil
}

// unproved reports whether a grant is not proved to be gone.
func unproved(g *v1alpha1.AccessGrant) bool { return g.Status.RemovedAt == nil }

// lacks compares what the API server had with a cache that was read later. What does not count may be missing there.
func lacks[T client.Object](there versions, cached []T, counts func(T) bool) bool {
	found := 0
	for _, object := range cached {
		version, exists := there.of[object.GetUID()]
		switch {
		case exists && olderThan(object.GetResourceVersion(), version):
			return true
		case exists:
			found++
		case counts(object) && !olderThan(there.at, object.GetResourceVersion()):
			return true // it was gone by then
		}
	}
	return found < len(there.of)
}

// olderThan compares versions of objects of one kind; what cannot be compared counts as older.
func olderThan(a, b string) bool {
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err != nil || order < 0
}

// readVersions reads a list from the API server by pages, which are all of one moment, and gives the versions of the objects
// that a test accepts. Nothing else is kept of them.
func readVersions[T client.Object](ctx context.Context, server client.Reader, list func() client.ObjectList, accepts func(T) bool, options ...client.ListOption) (versions, error) {
	found := versions{of: map[types.UID]string{}}
	for token := ""; ; {
		page := list()
		if err := readPage(ctx, server, page, append(options, client.Limit(pageSize), client.Continue(token))); err != nil {
			return versions{}, err
		}
		err := meta.EachListItem(page, func(item runtime.Object) error {
			if object, ok := item.(T); ok && accepts(object) {
				found.of[object.GetUID()] = object.GetResourceVersion()
			}
			return nil
		})
		if err != nil {
			return versions{}, err
		}
		if token, found.at = page.GetContinue(), page.GetResourceVersion(); token == "" {
			return found, nil
		}
	}
}

func readPage(ctx context.Context, server client.Reader, page client.ObjectList, options []client.ListOption) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return server.List(ctx, page, options...)
}
