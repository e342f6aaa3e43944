package controllers_test

import (
	"context"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

type restConfig = rest.Config

// writes keeps what the operator wrote, by object, in order.
type writes struct {
	mu   sync.Mutex
	done map[types.UID][]string
}

func (w *writes) add(object client.Object, what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done == nil {
		w.done = map[types.UID][]string{}
	}
	w.done[object.GetUID()] = append(w.done[object.GetUID()], what)
}

func (w *writes) of(object client.Object) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.done[object.GetUID()])
}

// countingClient counts what is written successfully.
type countingClient struct {
	client.Client
	writes *writes
}

func (c countingClient) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.PatchOption) error {
	err := c.Client.Patch(ctx, object, patch, options...)
	if err == nil {
		c.writes.add(object, "metadata")
	}
	return err
}

func (c countingClient) Delete(ctx context.Context, object client.Object, options ...client.DeleteOption) error {
	err := c.Client.Delete(ctx, object, options...)
	if err == nil {
		c.writes.add(object, "delete")
	}
	return err
}

func (c countingClient) Status() client.SubResourceWriter {
	return countingStatus{c.Client.Status(), c.writes}
}

type countingStatus struct {
	client.SubResourceWriter
	writes *writes
}

func (c countingStatus) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
	err := c.SubResourceWriter.Patch(ctx, object, patch, options...)
	if err == nil {
		c.writes.add(object, "status")
	}
	return err
}
