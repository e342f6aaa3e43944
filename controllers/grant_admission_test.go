package controllers_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/status"
)

var _ = Describe("A grant that may not have what it asks for", func() {
	It("is judged again when its policy comes, and when the policy's terms change", func(ctx SpecContext) {
		w := newWorld(ctx)
		grant := w.grant(ctx, "early", func(g *v1alpha1.AccessGrant) {
			g.Spec.PolicyRef.Name, g.Spec.Duration = "later", &metav1.Duration{Duration: 2 * time.Hour}
		})
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Pending: PolicyNotFound"))
		Expect(grant.Finalizers).To(BeEmpty())

		later := &v1alpha1.DagAccessPolicy{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "later"}, Spec: *w.policy.Spec.DeepCopy(),
		}
		later.Spec.Grants.MaxDuration.Duration = time.Hour
		Expect(admin.Create(ctx, later)).To(Succeed())
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Pending: TooLong"))
		w.checkStatus(ctx)

		later.Spec.Grants.MaxDuration.Duration = 2 * time.Hour
		Expect(admin.Patch(ctx, later, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"grants":{"maxDuration":"2h"}}}`)))).To(Succeed())
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Pending: InstanceNotReady"))
		w.pass(ctx)
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Pending: Activating"))
	})

	It("is let in by a label of its namespace, and not by one that does not match", func(ctx SpecContext) {
		w := newWorld(ctx, func(p *v1alpha1.DagAccessPolicy) {
			p.Spec.Grants.From = v1alpha1.GrantsFromSelector
			p.Spec.Grants.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "finance"}}
		})
		grant := w.grant(ctx, "bob")
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Pending: NamespaceNotAllowed"))
		label(ctx, w.namespace, "marketing")
		Consistently(phaseOf, "300ms").WithArguments(ctx, grant).Should(Equal("Pending: NamespaceNotAllowed"))
		label(ctx, w.namespace, "finance")
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Pending: Activating"))
	})

	DescribeTable("lives where the policy's grants.from says",
		func(ctx SpecContext, from v1alpha1.GrantSource, elsewhere bool, team string, admitted bool) {
			w := newWorld(ctx, func(p *v1alpha1.DagAccessPolicy) {
				p.Spec.Grants.From = from
				if from == v1alpha1.GrantsFromSelector {
					p.Spec.Grants.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "finance"}}
				}
			})
			namespace := w.namespace
			if elsewhere {
				other := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "other-"}}
				Expect(admin.Create(ctx, other)).To(Succeed())
				namespace = other.Name
			}
			if team != "" {
				label(ctx, namespace, team)
			}
			grant := w.grant(ctx, "bob", func(g *v1alpha1.AccessGrant) {
				g.Namespace, g.Spec.PolicyRef.Namespace = namespace, w.namespace
			})
			DeferCleanup(func(ctx SpecContext) { Expect(admin.Delete(ctx, grant)).To(Succeed()) })
			want := "Pending: NamespaceNotAllowed"
			if admitted {
				want = "Pending: Activating"
			}
			Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal(want))
			Expect(status.IsTrue(grant.Status.Conditions, v1alpha1.ConditionAdmitted)).To(Equal(admitted))
			Consistently(phaseOf, "200ms").WithArguments(ctx, grant).Should(Equal(want))
		},
		Entry("Same: in the policy's namespace", v1alpha1.GrantsFromSame, false, "", true),
		Entry("Same: not in another", v1alpha1.GrantsFromSame, true, "finance", false),
		Entry("All: in the policy's namespace", v1alpha1.GrantsFromAll, false, "", true),
		Entry("All: in any other", v1alpha1.GrantsFromAll, true, "", true),
		Entry("Selector: in the policy's namespace where it matches", v1alpha1.GrantsFromSelector, false, "finance", true),
		Entry("Selector: not in the policy's namespace as such", v1alpha1.GrantsFromSelector, false, "", false),
		Entry("Selector: in another that matches", v1alpha1.GrantsFromSelector, true, "finance", true),
		Entry("Selector: not in another that does not", v1alpha1.GrantsFromSelector, true, "marketing", false),
	)

	It("waits for its user, says so, and is given when the user comes", func(ctx SpecContext) {
		w := newWorld(ctx)
		grant := w.grant(ctx, "zoe", func(g *v1alpha1.AccessGrant) { g.Spec.Subject.Username = "zoe" })
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Pending: UserNotFound"))
		Expect(status.IsTrue(grant.Status.Conditions, v1alpha1.ConditionReady)).To(BeTrue())
		w.users = append(w.users, access.User{Username: "zoe"})
		w.pass(ctx)
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Pending: Activating"))
	})

	It("ends unused when its user does not come in time", func(ctx SpecContext) {
		w := newWorld(ctx)
		grant := w.grant(ctx, "zoe", func(g *v1alpha1.AccessGrant) { g.Spec.Subject.Username = "zoe" })
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Pending: UserNotFound"))
		w.step(ctx, 24*time.Hour+time.Minute)
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Expired: NeverActivated"))
		Expect(grant.Status.RemovedAt).To(BeNil())
		Expect(grant.Finalizers).To(BeEmpty())
	})

	It("is not given while its instance only observes", func(ctx SpecContext) {
		w := newWorld(ctx)
		Expect(admin.Patch(ctx, w.instance, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"mode":"Observe"}}`)))).To(Succeed())
		Eventually(func() error { return seesMode(ctx, w, v1alpha1.ModeObserve) }).Should(Succeed())
		grant := w.grant(ctx, "bob")
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Pending: InstanceObserving"))
		Expect(admin.Patch(ctx, w.instance, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"mode":"Enforce"}}`)))).To(Succeed())
		Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Pending: Activating"))
	})
})

// seesPhase waits for the controllers' cache.
func seesPhase(ctx context.Context, grant *v1alpha1.AccessGrant, phase v1alpha1.GrantPhase) error {
	cached := &v1alpha1.AccessGrant{}
	if err := grants.Get(ctx, client.ObjectKeyFromObject(grant), cached); err != nil {
		return err
	}
	if cached.Status.Phase != phase {
		return errStale
	}
	return nil
}

// seesMode waits for the controllers' cache.
func seesMode(ctx context.Context, w *world, mode v1alpha1.Mode) error {
	cached := &v1alpha1.AirflowInstance{}
	if err := grants.Get(ctx, client.ObjectKeyFromObject(w.instance), cached); err != nil {
		return err
	}
	if cached.Spec.Mode != mode {
		return errStale
	}
	return nil
}

func label(ctx context.Context, namespace, team string) {
	GinkgoHelper()
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"team":"`+team+`"}}}`))
	Expect(admin.Patch(ctx, object, patch)).To(Succeed())
}
