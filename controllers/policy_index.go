package controllers

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

const (
	// indexKey finds policies and instances by namespace/name. A list by it gives the objects of the cache, a get copies
	// of them.
	indexKey = "namespaced-name"
	// indexGrantPolicy finds grants by the namespace/name of their policy.
	indexGrantPolicy = "policy"
)

// indexFields registers the indexes of the cache.
func indexFields(ctx context.Context, indexer client.FieldIndexer) error {
	key := func(object client.Object) []string { return []string{client.ObjectKeyFromObject(object).String()} }
	policy := func(object client.Object) []string {
		grant, ok := object.(*v1alpha1.AccessGrant)
		if !ok {
			return nil
		}
		return []string{grant.PolicyKey().String()}
	}
	for _, index := range []struct {
		object client.Object
		name   string
		values client.IndexerFunc
	}{
		{&v1alpha1.AirflowInstance{}, indexKey, key},
		{&v1alpha1.DagAccessPolicy{}, indexKey, key},
		{&v1alpha1.AccessGrant{}, indexGrantPolicy, policy},
	} {
		if err := indexer.IndexField(ctx, index.object, index.name, index.values); err != nil {
			return fmt.Errorf("index %T by %s: %w", index.object, index.name, err)
		}
	}
	return nil
}
