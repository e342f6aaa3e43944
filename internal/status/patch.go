package status

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Neutral clears the fields of a copy whose change alone is no reason to write, such as the time of the last observation.
type Neutral[T client.Object] func(T)

// Patch writes the status of updated where it means something else than that of stored, and reports whether it wrote.
// Both are the same object; stored is as it was read. The write fails with a conflict when another writer came in
// between. After a write, updated is as the API server stored it. Differences that the neutrals remove from copies of
// both do not count.
func Patch[T client.Object](ctx context.Context, writer client.StatusClient, stored, updated T, neutral ...Neutral[T]) (bool, error) {
	before, after := neutralized(stored, neutral), neutralized(updated, neutral)
	if equality.Semantic.DeepEqual(before, after) {
		return false, nil
	}
	patch := client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{})
	if err := writer.Status().Patch(ctx, updated, patch); err != nil {
		return false, fmt.Errorf("write the status: %w", err)
	}
	return true, nil
}

// neutralized is a copy without the fields that do not count.
func neutralized[T client.Object](object T, neutral []Neutral[T]) T {
	result, ok := object.DeepCopyObject().(T)
	if !ok {
		return object // no object copies itself into another type
	}
	for _, forget := range neutral {
		forget(result)
	}
	return result
}
