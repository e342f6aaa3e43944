package controllers_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	grantkind "github.com/airflow-oam/airflow-oam/controllers/grant"
	"github.com/airflow-oam/airflow-oam/controllers/kind"
)

// direct gives a reconciler that nobody wakes: specs call it themselves. It reads grants from where they say.
func direct(c client.Client) *grantkind.Reconciler {
	return grantkind.New(kind.Env{Client: c, APIReader: grants.APIReader, Clock: clock, Reports: reports, Retention: retention})
}

// staleClient answers gets of grants with an older version.
type staleClient struct {
	client.Client
	stale *v1alpha1.AccessGrant
}

func (c staleClient) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	if grant, ok := object.(*v1alpha1.AccessGrant); ok && c.stale != nil && key == client.ObjectKeyFromObject(c.stale) {
		c.stale.DeepCopyInto(grant)
		return nil
	}
	return c.Client.Get(ctx, key, object, options...)
}

// brokenStatus fails status writes with an error.
type brokenStatus struct {
	client.Client
	err error
}

func (c *brokenStatus) Status() client.SubResourceWriter { return brokenWriter{c.Client.Status(), c} }

type brokenWriter struct {
	client.SubResourceWriter
	broken *brokenStatus
}

func (w brokenWriter) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
	if w.broken.err != nil {
		return w.broken.err
	}
	return w.SubResourceWriter.Patch(ctx, object, patch, options...)
}

var _ = Describe("A grant among the faults of Kubernetes", func() {
	It("F1: is not activated twice by a cache that is behind our own write", func(ctx SpecContext) {
		w := newWorld(ctx)
		stale := w.grant(ctx, "bob").DeepCopy()
		grant := stale.DeepCopy()
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Pending: Activating"))
		at := grant.Status.Activation.At

		clock.SetTime(clock.Now().Add(time.Minute))
		result, err := direct(staleClient{grants.Client, stale}).Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(grant)})
		Expect(err).NotTo(HaveOccurred())
		Expect(result.RequeueAfter).To(And(BeNumerically(">", 0), BeNumerically("<", time.Second)))
		Expect(phaseOf(ctx, grant)).To(Equal("Pending: Activating"))
		Expect(grant.Status.Activation.At).To(Equal(at))
	})

	It("F1: does not come back to life by a cache that is behind its end", func(ctx SpecContext) {
		w := newWorld(ctx)
		grant := w.activeGrant(ctx, "bob")
		stale := grant.DeepCopy()
		revoke(ctx, grant)
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Ending: Ending"))
		_, err := direct(staleClient{grants.Client, stale}).Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(grant)})
		Expect(err).NotTo(HaveOccurred())
		Expect(phaseOf(ctx, grant)).To(Equal("Ending: Ending"))
		Expect(grant.Status.End.Reason).To(Equal(v1alpha1.EndRevoked))
	})

	It("F4: costs no write when its events are repeated", func(ctx SpecContext) {
		w := newWorld(ctx)
		Eventually(readyOf).WithArguments(ctx, w.policy).Should(Equal("True: Ready"))
		grant := w.activeGrant(ctx, "bob")
		Eventually(written.of).WithArguments(grant).Should(HaveLen(3))
		for range 5 {
			_, err := grants.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(grant)})
			Expect(err).NotTo(HaveOccurred())
		}
		Expect(written.of(grant)).To(HaveLen(3))
	})

	It("F5: tries again after a conflict, soon and without an error", func(ctx SpecContext) {
		w := newWorld(ctx)
		grant := w.activeGrant(ctx, "bob")
		conflict := apierrors.NewConflict(schema.GroupResource{Resource: "accessgrants"}, "bob", errStale)
		reconciler := direct(&brokenStatus{grants.Client, conflict})
		clock.SetTime(clock.Now().Add(time.Hour))
		result, err := reconciler.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(grant)})
		Expect(err).NotTo(HaveOccurred())
		Expect(result.RequeueAfter).To(And(BeNumerically(">", 0), BeNumerically("<", time.Second)))
	})

	It("F7: leaves an API server alone that asks for it", func(ctx SpecContext) {
		w := newWorld(ctx)
		grant := w.activeGrant(ctx, "bob")
		reconciler := direct(&brokenStatus{grants.Client, apierrors.NewTooManyRequests("busy", 7)})
		clock.SetTime(clock.Now().Add(time.Hour))
		result, err := reconciler.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(grant)})
		Expect(err).NotTo(HaveOccurred())
		Expect(result.RequeueAfter).To(Equal(7 * time.Second))
	})

	It("F8, F55: ends for good although the API server was away when it ended and the clock steps back after", func(ctx SpecContext) {
		w := newWorld(ctx)
		grant := w.activeGrant(ctx, "bob")
		away := &brokenStatus{grants.Client, apierrors.NewServiceUnavailable("away")}
		reconciler := direct(away)
		start := clock.Now()
		clock.SetTime(start.Add(time.Hour))
		_, err := reconciler.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(grant)})
		Expect(apierrors.IsServiceUnavailable(err)).To(BeTrue())
		clock.SetTime(start)
		away.err = nil
		_, err = reconciler.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(grant)})
		Expect(err).NotTo(HaveOccurred())
		Expect(phaseOf(ctx, grant)).To(Equal("Ending: Ending"))
		Expect(grant.Status.End.Reason).To(Equal(v1alpha1.EndExpired))
		Expect(grant.Status.End.At.Time).To(BeTemporally("==", start.Add(time.Hour)))
	})

	It("is not ended because a cache lacks its policy or its instance", func(ctx SpecContext) {
		w := newWorld(ctx)
		grant := w.activeGrant(ctx, "bob")
		_, err := direct(emptyLists{grants.Client}).Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(grant)})
		Expect(err).NotTo(HaveOccurred())
		Expect(phaseOf(ctx, grant)).To(Equal("Active: Active"))
	})
})

// emptyLists is a cache that knows no policy and no instance yet (F2).
type emptyLists struct{ client.Client }

func (emptyLists) List(context.Context, client.ObjectList, ...client.ListOption) error { return nil }
