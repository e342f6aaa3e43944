package instance

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

const (
	// pageSize is how many objects are read from the API server at once.
	pageSize = 500
	// behindWait is how soon a cache that is behind is compared again, behindPatience for how long before what is due by
	// the cache is revoked all the same.
	behindWait     = 200 * time.Millisecond
	behindPatience = 5 * time.Second
)

// cacheGate is what the cache is known to lack of one instance.
type cacheGate struct {
	// uncached is true where the object is to be read past the cache: at the start and after a conflict.
	uncached bool
	// behindSince is when the cache was first seen to be behind; zero before.
	behindSince time.Time
}

// patient reports whether the cache may still catch up.
func (g *cacheGate) patient(now time.Time) bool {
	if g.behindSince.IsZero() {
		g.behindSince = now
	}
	return now.Sub(g.behindSince) < behindPatience
}

// gate opens once in the life of a process: when the cache has every policy and grant of the API server in the version in
// which the server had it when it was asked. A cache never goes back, so that from then on it has everything that an
// earlier process stored.
type gate struct {
	open atomic.Bool
	mu   sync.Mutex
}

// opens reports whether the gate is open, and compares where it is not. It is false, too, while another instance compares.
func (g *gate) opens(ctx context.Context, server, cache client.Reader) (bool, error) {
	if g.open.Load() {
		return true, nil
	}
	if !g.mu.TryLock() {
		return false, nil
	}
	defer g.mu.Unlock()
	for _, list := range []client.ObjectList{&v1alpha1.DagAccessPolicyList{}, &v1alpha1.AccessGrantList{}} {
		if behind, err := behind(ctx, server, cache, list); behind || err != nil {
			return false, err
		}
	}
	g.open.Store(true)
	return true, nil
}

// versions are resource versions of objects.
type versions map[types.UID]string

// behind reports whether the cache lacks an object of a kind that the API server has, or has one that is gone, or has an
// older one. Only versions are kept of what the server gives.
func behind(ctx context.Context, server, cache client.Reader, kind client.ObjectList) (bool, error) {
	there, at, err := readVersions(ctx, server, kind)
	if err != nil {
		return false, err
	}
	cached, err := cachedVersions(ctx, cache, kind)
	if err != nil {
		return false, err
	}
	return lacks(there, at, cached), nil
}

// lacks compares what the API server had at a version of the whole list with a cache that was read later.
func lacks(there versions, at string, cached versions) bool {
	found := 0
	for uid, version := range cached {
		listed, exists := there[uid]
		switch {
		case !exists && !olderThan(at, version):
			return true // it was gone by then
		case !exists:
		case olderThan(version, listed):
			return true
		default:
			found++
		}
	}
	return found < len(there)
}

// olderThan compares versions of objects of one kind; what cannot be compared counts as older.
func olderThan(a, b string) bool {
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err != nil || order < 0
}

// readVersions reads a list from the API server by pages, which are all of one moment, and gives its versions and its own.
func readVersions(ctx context.Context, server client.Reader, kind client.ObjectList) (found versions, at string, err error) {
	found = versions{}
	for token := ""; ; {
		page := empty(kind)
		if err := readPage(ctx, server, page, token); err != nil {
			return nil, "", err
		}
		if err := found.add(page); err != nil {
			return nil, "", err
		}
		if token = page.GetContinue(); token == "" {
			return found, page.GetResourceVersion(), nil
		}
	}
}

func readPage(ctx context.Context, server client.Reader, page client.ObjectList, token string) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return server.List(ctx, page, client.Limit(pageSize), client.Continue(token))
}

func cachedVersions(ctx context.Context, cache client.Reader, kind client.ObjectList) (versions, error) {
	list, found := empty(kind), versions{}
	if err := cache.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	return found, found.add(list)
}

// add notes the versions of a list's objects.
func (v versions) add(list client.ObjectList) error {
	return meta.EachListItem(list, func(object runtime.Object) error {
		accessor, err := meta.Accessor(object)
		if err == nil {
			v[accessor.GetUID()] = accessor.GetResourceVersion()
		}
		return err
	})
}

// empty makes an empty list of the same kind.
func empty(kind client.ObjectList) client.ObjectList {
	copied, _ := kind.DeepCopyObject().(client.ObjectList) // no list copies itself into something else
	return copied
}
