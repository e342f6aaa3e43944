package controllers_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var _ = Describe("A live grant", func() {
	It("follows an extension of its end", func(ctx SpecContext) {
		w := newWorld(ctx)
		grant := w.activeGrant(ctx, "bob")
		longer := grant.DeepCopy()
		longer.Spec.Duration.Duration = 2 * time.Hour
		Expect(admin.Patch(ctx, longer, client.MergeFrom(grant))).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(phaseOf(ctx, grant)).To(Equal("Active: Active"))
			g.Expect(grant.Status.Activation.ExpiresAt.Sub(grant.Status.Activation.At.Time)).To(Equal(2 * time.Hour))
		}).Should(Succeed())
	})

	It("is Unknown when its Airflow was not looked at for twice the interval, and Active after the next look", func(ctx SpecContext) {
		w := newWorld(ctx)
		grant := w.activeGrant(ctx, "bob")
		w.down = errDown
		w.step(ctx, 20*time.Minute)
		w.pass(ctx)
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Active: NotObserved"))
		w.checkStatus(ctx)
		w.down = nil
		w.pass(ctx)
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Active: Active"))
	})
})
