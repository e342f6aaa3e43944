package controllers_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
)

var _ = Describe("The life of a grant", func() {
	It("takes five writes, tells its story, and none more when it is over", func(ctx SpecContext) {
		w := newWorld(ctx)
		Eventually(readyOf).WithArguments(ctx, w.policy).Should(Equal("True: Ready"))
		start := clock.Now()
		grant := w.activeGrant(ctx, "bob")
		Expect(grant.Finalizers).To(ConsistOf(v1alpha1.Finalizer))
		Expect(grant.Status.Activation.ExpiresAt.Time).To(BeTemporally("==", start.Add(time.Hour)))
		Expect(grant.Status.Activation.Instances).To(HaveExactElements(v1alpha1.GrantInstance{
			Name: "prod", Namespace: w.namespace, UID: string(w.instance.UID), Endpoint: w.instance.Spec.URL,
			Username: "bob", UserCreatedOn: "then", Role: "oam." + w.namespace + ".operators",
		}))
		Eventually(written.of).WithArguments(grant).Should(Equal([]string{"metadata", "status", "status"}))

		By("its time being over")
		w.step(ctx, time.Hour-access.Lead(ttl))
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Ending: Ending"))
		Expect(grant.Status.End.Reason).To(Equal(v1alpha1.EndExpired))
		By("a pass that proves it gone")
		w.pass(ctx)
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Expired: Expired"))
		Expect(grant.Status.RemovedAt.Time).To(BeTemporally("==", start.Add(time.Hour-access.Lead(ttl))))
		Expect(grant.Status.RevokedAt.Time).To(BeTemporally("==", start.Add(time.Hour-access.Lead(0))))
		Eventually(written.of).WithArguments(grant).Should(Equal([]string{"metadata", "status", "status", "status", "status"}))

		By("nothing changing any more")
		for range 3 {
			w.pass(ctx)
			w.step(ctx, time.Minute)
		}
		Consistently(written.of, "500ms").WithArguments(grant).Should(HaveLen(5))

		story := []string{"Activating", "Active", "Expired", "Removed"}
		var history []string
		for _, entry := range grant.Status.History {
			history = append(history, entry.Event)
		}
		Expect(history).To(Equal(story))
		Eventually(told.about).WithArguments(grant).Should(Equal(story))
	})

	It("waits in Scheduled for its start and costs one write more", func(ctx SpecContext) {
		w := newWorld(ctx)
		Eventually(readyOf).WithArguments(ctx, w.policy).Should(Equal("True: Ready"))
		start := clock.Now().Add(2 * time.Hour)
		grant := w.grant(ctx, "later", func(g *v1alpha1.AccessGrant) { g.Spec.StartsAt = new(metav1.NewTime(start)) })
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Scheduled: Scheduled"))
		Expect(grant.Finalizers).To(BeEmpty())
		w.step(ctx, 2*time.Hour)
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Pending: Activating"))
		w.pass(ctx)
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Active: Active"))
		Expect(grant.Status.Activation.ExpiresAt.Time).To(BeTemporally("==", start.Add(time.Hour)))
		Eventually(written.of).WithArguments(grant).Should(Equal([]string{"status", "metadata", "status", "status"}))
	})
})
