package controllers_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

var _ = Describe("A grant that ended long ago", func() {
	It("is deleted after the retention, unless a Git tool tracks it", func(ctx SpecContext) {
		w := newWorld(ctx)
		plain := w.activeGrant(ctx, "plain")
		expires := metav1.NewTime(clock.Now().Add(time.Hour))
		tracked := w.activeGrant(ctx, "tracked", func(g *v1alpha1.AccessGrant) {
			g.Spec.Duration, g.Spec.ExpiresAt = nil, &expires
			g.Annotations = map[string]string{"argocd.argoproj.io/tracking-id": "x"}
		})
		w.step(ctx, time.Hour)
		w.pass(ctx)
		for _, grant := range []*v1alpha1.AccessGrant{plain, tracked} {
			Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Expired: Expired"))
		}
		w.step(ctx, retention-time.Second)
		Consistently(gone, "300ms").WithArguments(ctx, plain).Should(BeFalse())
		w.step(ctx, time.Second)
		Eventually(gone).WithArguments(ctx, plain).Should(BeTrue())
		Consistently(gone, "300ms").WithArguments(ctx, tracked).Should(BeFalse())
	})

	It("does not come back when it is extended, and says that this was too late", func(ctx SpecContext) {
		w := newWorld(ctx)
		grant := w.activeGrant(ctx, "bob")
		w.step(ctx, time.Hour)
		w.pass(ctx)
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Expired: Expired"))
		longer := grant.DeepCopy()
		longer.Spec.Duration.Duration = 5 * time.Hour
		Expect(admin.Patch(ctx, longer, client.MergeFrom(grant))).To(Succeed())
		Eventually(told.about).WithArguments(grant).Should(ContainElement("ExtensionTooLate"))
		Expect(phaseOf(ctx, grant)).To(Equal("Expired: Expired"))
	})
})
