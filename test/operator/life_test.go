package operator_test

import (
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

var _ = Describe("access", Serial, func() {
	It("is given as declared, taken away on time, and proved", func() {
		s := newScene()
		s.secret()
		instance, policy := s.instance(), s.policy()
		settled(instance)
		settled(policy)
		Expect(s.may("alice", "finance_daily")()).To(BeTrue())
		Expect(s.may("bob", "finance_daily")()).To(BeFalse())

		grant := s.grant("bob", 10*time.Second)
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantActive))
		Expect(s.may("bob", "finance_weekly")()).To(BeTrue())
		Eventually(s.may("bob", "finance_weekly")).Should(BeFalse())
		removed := time.Now()
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantExpired))
		settled(grant)
		Expect(removed).To(BeTemporally("~", grant.Status.Activation.ExpiresAt.Time, 2*time.Second), "a busy machine needs room")
		held := s.triggering("bob")
		Expect(held).To(HaveLen(1))
		Expect(held[0].From).To(BeTemporally(">=", grant.Status.Activation.At.Time), "not before the activation was stored")
		Expect(held[0].To).To(BeTemporally("~", grant.Status.Activation.ExpiresAt.Time, 2*time.Second))
		Expect(grant.Status.RemovedAt).NotTo(BeNil())
		Expect(s.may("alice", "finance_daily")()).To(BeTrue())
		roles, _ := s.sim.UserRoles("bob")
		Expect(roles).To(Equal([]string{"Public"}))
	})

	It("writes nothing to Airflow and Kubernetes once it is stable (I5)", func() {
		s := newScene()
		s.secret()
		instance, policy := s.instance(), s.policy()
		grant := s.grant("bob", time.Hour)
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantActive))
		settled(instance)
		settled(policy)
		Eventually(func() []v1alpha1.PolicyInstance { return read(policy).Status.Instances }).Should(ConsistOf(HaveField("ActiveGrants", BeEquivalentTo(1))))
		versions := func() []string {
			return []string{read(instance).ResourceVersion, read(policy).ResourceVersion, read(grant).ResourceVersion}
		}
		var stored []string
		Eventually(func() bool {
			before := stored
			stored = versions()
			return slices.Equal(before, stored)
		}).WithPolling(500 * time.Millisecond).Should(BeTrue())
		writes := len(s.sim.MutatingRequests())
		for _, value := range []string{"1", "2", "3"} {
			lists := len(s.sim.Requests(func(r airflowtest.Request) bool { return r.Endpoint == "/auth/fab/v1/roles" }))
			edit(instance, func(i *v1alpha1.AirflowInstance) {
				i.Annotations = map[string]string{v1alpha1.ReconcileAtAnnotation: value}
			})
			Eventually(func() int {
				return len(s.sim.Requests(func(r airflowtest.Request) bool { return r.Endpoint == "/auth/fab/v1/roles" }))
			}).Should(BeNumerically(">", lists))
		}
		Consistently(func() int { return len(s.sim.MutatingRequests()) }, time.Second).Should(Equal(writes))
		Expect(read(policy).ResourceVersion).To(Equal(stored[1]))
		Expect(read(grant).ResourceVersion).To(Equal(stored[2]))
		managers := read(instance).Generation
		Expect(managers).To(Equal(int64(1)))
		settledVersion := read(instance).ResourceVersion
		Consistently(func() string { return read(instance).ResourceVersion }, time.Second).Should(Equal(settledVersion))
	})

	It("ends at once when it is revoked, and stays ended when the object is made again (F64)", func() {
		s := newScene()
		s.secret()
		s.instance()
		s.policy()
		end := metav1.NewTime(time.Now().Add(time.Hour).Truncate(time.Second))
		fixed := func(g *v1alpha1.AccessGrant) { g.Spec.Duration, g.Spec.ExpiresAt = nil, &end }
		grant := s.grant("bob", 0, fixed)
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantActive))
		edit(grant, func(g *v1alpha1.AccessGrant) { g.Spec.Revoke = &v1alpha1.Revocation{Reason: "laptop lost"} })
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantRevoked))
		Expect(s.may("bob", "finance_daily")()).To(BeFalse())
		settled(grant)

		Expect(admin.Delete(ctx(), grant)).To(Succeed())
		Eventually(func() bool {
			return admin.Get(ctx(), client.ObjectKeyFromObject(grant), &v1alpha1.AccessGrant{}) != nil
		}).Should(BeTrue())
		twin := s.grant("bob", 0, fixed)
		Eventually(phase(twin)).Should(Equal(v1alpha1.GrantRevoked))
		Expect(twin.Status.End.Reason).To(Equal(v1alpha1.EndAlreadySpent))
		Expect(s.triggering("bob")).To(HaveLen(1), "not for a moment a second time")
	})

	It("ends after a restart when the operator was down at its end (F54)", func() {
		s := newScene()
		s.secret()
		instance := s.instance()
		s.policy()
		grant := s.grant("bob", 10*time.Second)
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantActive))
		stopOperator()
		Eventually(time.Now).Should(BeTemporally(">", grant.Status.Activation.ExpiresAt.Time))
		Expect(s.may("bob", "finance_daily")()).To(BeTrue())
		startOperator()
		Eventually(s.may("bob", "finance_daily")).Should(BeFalse())
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantExpired))
		settled(instance)
		Expect(s.triggering("bob")).To(HaveLen(1))
		Expect(s.triggering("alice")).To(HaveLen(1), "who keeps access loses it for no moment (I9)")
	})

	It("goes with its policy, role and all (F68)", func() {
		s := newScene()
		s.secret()
		instance, policy := s.instance(), s.policy()
		grant := s.grant("bob", time.Hour)
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantActive))
		Expect(admin.Delete(ctx(), policy)).To(Succeed())
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantRevoked))
		Expect(grant.Status.End.Reason).To(Equal(v1alpha1.EndPolicyDeleted))
		Eventually(func() error { return admin.Get(ctx(), client.ObjectKeyFromObject(policy), policy) }).ShouldNot(Succeed())
		Expect(claimless(s.sim.Roles())).NotTo(ContainElement(HavePrefix("oam.")))
		Eventually(func() []v1alpha1.ManagedRole { return read(instance).Status.ManagedRoles }).Should(BeEmpty())
	})

	It("follows a person's deletion of a grant only when it is proved gone, while Airflow is down", func() {
		s := newScene()
		s.secret()
		s.instance()
		s.policy()
		grant := s.grant("bob", time.Hour)
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantActive))
		down := s.sim.Inject(airflowtest.BadGateway(503))
		Expect(admin.Delete(ctx(), grant)).To(Succeed())
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantEnding))
		Consistently(func() error { return admin.Get(ctx(), client.ObjectKeyFromObject(grant), grant) }, time.Second).Should(Succeed())
		Expect(grant.Status.RemovedAt).To(BeNil())
		down.Remove()
		Eventually(func() bool { return admin.Get(ctx(), client.ObjectKeyFromObject(grant), grant) != nil }).Should(BeTrue())
		Expect(s.may("bob", "finance_daily")()).To(BeFalse())
	})
})
