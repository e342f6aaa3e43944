package controllers_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	decide "github.com/airflow-oam/airflow-oam/internal/decision/grant"
)

// gone is true when an object does not exist.
func gone(ctx context.Context, object client.Object) bool {
	return apierrors.IsNotFound(admin.Get(ctx, client.ObjectKeyFromObject(object), object))
}

// keepTerms does what the instance controller does for deleted grants: it keeps the terms of those that ended early.
func (w *world) keepTerms(ctx context.Context, grant *v1alpha1.AccessGrant) {
	GinkgoHelper()
	spent, early := decide.SpentEntry(grant)
	Expect(early).To(BeTrue(), "the grant ended early")
	w.writeInstance(ctx, func(i *v1alpha1.AirflowInstance) { i.Status.Spent = append(i.Status.Spent, spent) })
}

// writeInstance writes the instance's status as the operator.
func (w *world) writeInstance(ctx context.Context, change func(*v1alpha1.AirflowInstance)) {
	GinkgoHelper()
	operator, err := client.New(operatorConfig, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	Expect(operator.Get(ctx, client.ObjectKeyFromObject(w.instance), w.instance)).To(Succeed())
	change(w.instance)
	Expect(operator.Status().Update(ctx, w.instance)).To(Succeed())
}

func revoke(ctx context.Context, grant *v1alpha1.AccessGrant) {
	GinkgoHelper()
	patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"revoke":{"reason":"laptop lost"}}}`))
	Expect(admin.Patch(ctx, grant, patch)).To(Succeed())
}

var _ = Describe("The end of a grant", func() {
	It("by revocation is final at once and over when it is proved", func(ctx SpecContext) {
		w := newWorld(ctx)
		grant := w.activeGrant(ctx, "bob")
		revoke(ctx, grant)
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Ending: Ending"))
		Expect(grant.Status.End.Reason).To(Equal(v1alpha1.EndRevoked))
		w.step(ctx, time.Second)
		w.stuck = true
		w.pass(ctx)
		Consistently(phaseOf, "300ms").WithArguments(ctx, grant).Should(Equal("Ending: Ending"))
		w.stuck = false
		w.pass(ctx)
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Revoked: Revoked"))
		Expect(grant.Status.RevokedAt.Sub(grant.Status.RemovedAt.Time)).To(Equal(ttl))
	})

	It("by deletion while Airflow is down keeps the object until the proof, and until its terms are kept", func(ctx SpecContext) {
		w := newWorld(ctx)
		grant := w.activeGrant(ctx, "bob")
		w.down = errDown
		w.pass(ctx)
		Expect(admin.Delete(ctx, grant)).To(Succeed())
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Ending: Ending"))
		Expect(grant.Status.End.Reason).To(Equal(v1alpha1.EndDeleted))
		w.step(ctx, time.Minute)
		w.pass(ctx)
		Consistently(phaseOf, "300ms").WithArguments(ctx, grant).Should(Equal("Ending: Ending"))
		w.down = nil
		w.pass(ctx)
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Revoked: Deleted"))
		w.keepTerms(ctx, grant)
		Eventually(gone).WithArguments(ctx, grant).Should(BeTrue())
	})

	It("F64: is kept for a twin that Git makes again", func(ctx SpecContext) {
		w := newWorld(ctx)
		expires := metav1.NewTime(clock.Now().Add(time.Hour))
		terms := func(g *v1alpha1.AccessGrant) { g.Spec.Duration, g.Spec.ExpiresAt = nil, &expires }
		grant := w.activeGrant(ctx, "bob", terms)
		Expect(admin.Delete(ctx, grant)).To(Succeed())
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Ending: Ending"))
		w.step(ctx, time.Second)
		w.pass(ctx)
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Revoked: Deleted"))
		w.keepTerms(ctx, grant)
		Eventually(gone).WithArguments(ctx, grant).Should(BeTrue())

		twin := w.grant(ctx, "bob", terms)
		Eventually(phaseOf).WithArguments(ctx, twin).Should(Equal("Revoked: AlreadySpent"))
		Expect(twin.Status.Activation).To(BeNil())
		other := w.grant(ctx, "bob-again", terms)
		Eventually(phaseOf).WithArguments(ctx, other).Should(Equal("Pending: Activating"))
	})

	It("F64: an ended grant that is deleted and made again with a new end is another grant", func(ctx SpecContext) {
		w := newWorld(ctx)
		grant := w.activeGrant(ctx, "bob")
		w.step(ctx, time.Hour)
		w.pass(ctx)
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Expired: Expired"))
		Expect(admin.Delete(ctx, grant)).To(Succeed())
		Eventually(gone).WithArguments(ctx, grant).Should(BeTrue())
		again := w.grant(ctx, "bob")
		Eventually(phaseOf).WithArguments(ctx, again).Should(Equal("Pending: Activating"))
		Expect(again.UID).NotTo(Equal(grant.UID))
	})

	It("F9: does not hang on a finalizer that is removed by force", func(ctx SpecContext) {
		w := newWorld(ctx)
		grant := w.activeGrant(ctx, "bob")
		bare := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
		By("it comes back while the grant is live")
		Expect(admin.Patch(ctx, grant, bare)).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(phaseOf(ctx, grant)).To(Equal("Active: Active"))
			g.Expect(grant.Finalizers).To(ConsistOf(v1alpha1.Finalizer))
		}).Should(Succeed())
		By("and nothing goes wrong when the object is torn away")
		w.down = errDown
		w.pass(ctx)
		Expect(admin.Delete(ctx, grant)).To(Succeed())
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Ending: Ending"))
		Expect(admin.Patch(ctx, grant, bare)).To(Succeed())
		Eventually(gone).WithArguments(ctx, grant).Should(BeTrue())
		w.down = nil
		w.pass(ctx)
		other := w.activeGrant(ctx, "carol", func(g *v1alpha1.AccessGrant) { g.Spec.Subject.Username = "alice" })
		Expect(other.Status.Phase).To(Equal(v1alpha1.GrantActive))
	})

	It("F66: of every grant in a namespace that is deleted waits for its own proof", func(ctx SpecContext) {
		w := newWorld(ctx)
		first, second := w.activeGrant(ctx, "first"), w.activeGrant(ctx, "second", func(g *v1alpha1.AccessGrant) { g.Spec.Subject.Username = "alice" })
		Expect(admin.Delete(ctx, namespaceOf(w))).To(Succeed())
		// There is no namespace controller here: this is what it does.
		Expect(admin.DeleteAllOf(ctx, &v1alpha1.AccessGrant{}, client.InNamespace(w.namespace))).To(Succeed())
		Expect(admin.DeleteAllOf(ctx, &v1alpha1.DagAccessPolicy{}, client.InNamespace(w.namespace))).To(Succeed())
		for _, grant := range []*v1alpha1.AccessGrant{first, second} {
			Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Ending: Ending"))
		}
		Eventually(readyOf).WithArguments(ctx, w.policy).Should(Equal("False: GrantsRemain"))
		w.step(ctx, time.Second)
		w.pass(ctx)
		for _, grant := range []*v1alpha1.AccessGrant{first, second} {
			Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Revoked: Deleted"))
			w.keepTerms(ctx, grant)
			Eventually(gone).WithArguments(ctx, grant).Should(BeTrue())
		}
		w.pass(ctx)
		Eventually(gone).WithArguments(ctx, w.policy).Should(BeTrue())
	})

	It("is not claimed when its instance is gone", func(ctx SpecContext) {
		w := newWorld(ctx)
		grant := w.activeGrant(ctx, "bob")
		Expect(admin.Delete(ctx, w.instance)).To(Succeed())
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Revoked: InstanceDeleted"))
		Expect(grant.Status.RevokedAt).To(BeNil())
	})
})
