package controllers_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

func namespaceOf(w *world) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}
}

var _ = Describe("A policy", func() {
	It("is Ready only for the generation that a pass compared", func(ctx SpecContext) {
		w := newWorld(ctx)
		Eventually(readyOf).WithArguments(ctx, w.policy).Should(Equal("True: Ready"))
		Expect(w.policy.Finalizers).To(ConsistOf(v1alpha1.Finalizer))
		Expect(w.policy.Status.Instances).To(HaveLen(1))
		Expect(w.policy.Status.Instances[0].Dags).To(BeEquivalentTo(1))
		Expect(admin.Patch(ctx, w.policy, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"access":["View"]}}`)))).To(Succeed())
		Eventually(readyOf).WithArguments(ctx, w.policy).Should(Equal("False: Progressing"))
		w.pass(ctx)
		Eventually(readyOf).WithArguments(ctx, w.policy).Should(Equal("True: Ready"))
	})

	It("counts the grants that are seen in Airflow, and writes nothing when nothing changes", func(ctx SpecContext) {
		w := newWorld(ctx)
		w.activeGrant(ctx, "bob")
		Eventually(func(g Gomega) {
			g.Expect(readyOf(ctx, w.policy)).To(Equal("True: Ready"))
			g.Expect(w.policy.Status.Instances[0].ActiveGrants).To(BeEquivalentTo(1))
		}).Should(Succeed())
		// A write is counted some time after it can be read.
		before := -1
		Eventually(func() bool {
			last := before
			before = len(written.of(w.policy))
			return before == last
		}).WithPolling(200 * time.Millisecond).Should(BeTrue())
		for range 3 {
			w.pass(ctx)
			w.step(ctx, time.Minute)
		}
		Consistently(func() int { return len(written.of(w.policy)) }, "500ms").Should(Equal(before))
	})

	It("says what in it cannot be used", func(ctx SpecContext) {
		w := newWorld(ctx, func(p *v1alpha1.DagAccessPolicy) {
			p.Spec.Grants.From = v1alpha1.GrantsFromSelector
			p.Spec.Grants.NamespaceSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "team", Operator: "Near"}}}
		})
		Eventually(readyOf).WithArguments(ctx, w.policy).Should(Equal("False: InvalidSelector"))
		grant := w.grant(ctx, "bob")
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Pending: NamespaceNotAllowed"))
	})

	It("waits for its instance, and goes without it", func(ctx SpecContext) {
		w := newWorld(ctx)
		alone := &v1alpha1.DagAccessPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "alone"}, Spec: *w.policy.Spec.DeepCopy()}
		alone.Spec.InstanceRef.Name = "missing"
		Expect(admin.Create(ctx, alone)).To(Succeed())
		Eventually(readyOf).WithArguments(ctx, alone).Should(Equal("False: InstanceNotFound"))
		w.checkStatus(ctx)
		Expect(admin.Delete(ctx, alone)).To(Succeed())
		Eventually(gone).WithArguments(ctx, alone).Should(BeTrue())
	})

	It("says that its instance is not ready as soon as the instance says so", func(ctx SpecContext) {
		w := newWorld(ctx)
		broken := &v1alpha1.AirflowInstance{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "broken"}, Spec: *w.instance.Spec.DeepCopy()}
		Expect(admin.Create(ctx, broken)).To(Succeed())
		early := &v1alpha1.DagAccessPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "early"}, Spec: *w.policy.Spec.DeepCopy()}
		early.Spec.InstanceRef.Name = "broken"
		Expect(admin.Create(ctx, early)).To(Succeed())
		Eventually(readyOf).WithArguments(ctx, early).Should(Equal("False: Progressing"))
		operator, err := client.New(operatorConfig, client.Options{Scheme: scheme})
		Expect(err).NotTo(HaveOccurred())
		broken.Status.Conditions = []metav1.Condition{{
			Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonSecretNotFound, LastTransitionTime: metav1.NewTime(clock.Now()),
		}}
		Expect(operator.Status().Update(ctx, broken)).To(Succeed())
		Eventually(readyOf).WithArguments(ctx, early).Should(Equal("False: InstanceNotReady"))
		w.checkStatus(ctx)
		By("and goes when it is deleted, as nothing was given")
		Expect(admin.Delete(ctx, early)).To(Succeed())
		Eventually(gone).WithArguments(ctx, early).Should(BeTrue())
		broken.Spec.Deletion = v1alpha1.InstanceDeletionAbandon
		Expect(admin.Delete(ctx, broken)).To(Succeed())
	})

	It("F68: deleted while in use ends its grants and stays until its role is proved gone", func(ctx SpecContext) {
		w := newWorld(ctx)
		grant := w.activeGrant(ctx, "bob")
		Expect(admin.Delete(ctx, w.policy)).To(Succeed())
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Ending: Ending"))
		Expect(grant.Status.End.Reason).To(Equal(v1alpha1.EndPolicyDeleted))
		Eventually(readyOf).WithArguments(ctx, w.policy).Should(Equal("False: GrantsRemain"))
		w.checkStatus(ctx)

		w.down = errDown
		w.step(ctx, time.Second)
		w.pass(ctx)
		Consistently(readyOf, "300ms").WithArguments(ctx, w.policy).Should(Equal("False: GrantsRemain"))
		w.down = nil
		w.writeInstance(ctx, func(i *v1alpha1.AirflowInstance) {
			i.Status.ManagedRoles = []v1alpha1.ManagedRole{{Name: "r", Policy: "p", PolicyUID: string(w.policy.UID), Kind: v1alpha1.ManagedRolePolicy}}
		})
		w.pass(ctx)
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Revoked: PolicyDeleted"))
		Eventually(readyOf).WithArguments(ctx, w.policy).Should(Equal("False: RoleRemains"))
		w.writeInstance(ctx, func(i *v1alpha1.AirflowInstance) { i.Status.ManagedRoles = nil })
		Eventually(gone).WithArguments(ctx, w.policy).Should(BeTrue())
	})

	It("that takes no grants any more ends those that are live", func(ctx SpecContext) {
		w := newWorld(ctx, func(p *v1alpha1.DagAccessPolicy) { p.Spec.Members = []v1alpha1.Subject{{Username: "alice"}} })
		grant := w.activeGrant(ctx, "bob")
		Expect(admin.Patch(ctx, w.policy, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"grants":null}}`)))).To(Succeed())
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Ending: Ending"))
		Expect(grant.Status.End.Reason).To(Equal(v1alpha1.EndPolicyChanged))
	})
})
