package controllers_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/internal/access"
)

var _ = Describe("The next look at a grant", func() {
	It("is exactly when time changes it, and never more than a minute away", func(ctx SpecContext) {
		w := newWorld(ctx)
		grant := w.activeGrant(ctx, "bob")
		for after, want := range map[time.Duration]time.Duration{
			0: time.Minute,
			time.Hour - access.Lead(ttl) - 7*time.Second:        7 * time.Second,
			time.Hour - access.Lead(ttl) - time.Millisecond:     time.Millisecond,
			time.Hour - access.Lead(ttl) - 59*time.Second - 1e6: 59*time.Second + 1e6,
		} {
			clock.SetTime(grant.Status.Activation.At.Add(after))
			w.pass(ctx)
			result, err := grants.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(grant)})
			Expect(err).NotTo(HaveOccurred())
			Expect(result.RequeueAfter).To(Equal(want), "%s after its activation", after)
			before := BeNumerically("==", 0)
			if after > 0 {
				before = BeNumerically(">", 0)
			}
			Expect(*result.Priority).To(before, "%s after its activation", after)
		}
		clock.SetTime(grant.Status.Activation.At.Time)
	})
})
