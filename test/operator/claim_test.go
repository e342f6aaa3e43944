package operator_test

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
	"github.com/airflow-oam/airflow-oam/test/controlplane"
)

// second is a scene with the same Airflow, by another URL.
func (s *scene) second() *scene {
	GinkgoHelper()
	other := newScene()
	other.sim = s.sim
	other.url = strings.Replace(s.sim.URL, "127.0.0.1", "localhost", 1)
	return other
}

// anotherCluster goes on with another control plane and an operator of its own until the spec ends. The first operator
// runs on. The cleanups run from the last to the first: the operator stops before its control plane does, which waits for
// its watches.
func anotherCluster() {
	GinkgoHelper()
	here, user, end := plane, admin, stop
	DeferCleanup(func() { plane, admin, stop = here, user, end })
	var err error
	plane, _ = controlplane.Start(GinkgoT(), controlplane.WithAdmission())
	admin, err = client.New(plane, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	startOperator()
	DeferCleanup(stopOperator)
}

var _ = Describe("K3: two instances for one Airflow by two URLs", Serial, func() {
	begin := func() (first *scene, instance *v1alpha1.AirflowInstance, grant *v1alpha1.AccessGrant) {
		first = newScene()
		first.secret()
		instance = first.instance()
		settled(first.policy())
		grant = first.grant("bob", time.Hour)
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantActive))
		settled(instance)
		return first, instance, grant
	}
	role := func(s *scene) string { return "oam." + s.namespace + ".finance" }

	It("the second is EndpointTaken, and changes nothing of the first", func() {
		first, instance, _ := begin()
		Expect(read(instance).Status.Claim).To(HaveValue(HaveField("Role", rolename.Claim(string(instance.UID)))))
		Expect(read(instance).Status.Counts.ManagedRoles).To(Equal(int32(1)), "the claim does not count")
		changes := len(first.sim.Changes(nil))
		second := first.second()
		second.secret()
		taken, policy := second.instance(), second.policy()
		Eventually(condition(taken, v1alpha1.ConditionStalled)).Should(Equal("True/" + v1alpha1.ReasonEndpointTaken))
		Expect(taken.Status.Conditions[0].Message).To(And(
			ContainSubstring(string(instance.UID)), ContainSubstring("spec.takeOver"), ContainSubstring("delete the role oam.claim~")))
		look(taken)
		Eventually(condition(policy, v1alpha1.ConditionReady)).Should(HavePrefix("False/"))
		Expect(first.sim.Changes(nil)).To(HaveLen(changes))
		settled(instance)
	})

	It("spec.takeOver gives the Airflow and its roles to the second", func() {
		first, instance, grant := begin()
		second := first.second()
		second.secret()
		taking := second.instance(func(i *v1alpha1.AirflowInstance) { i.Spec.TakeOver = string(instance.UID) })
		settled(second.policy())
		settled(taking)
		_, stands := first.sim.Role(rolename.Claim(string(instance.UID)))
		Expect(stands).To(BeFalse())
		_, stands = first.sim.Role(role(first))
		Expect(stands).To(BeFalse(), "no policy of the second wants it")
		Expect(first.sim.Holders(role(second))).To(ConsistOf("alice"))
		Expect(read(taking).Status.Claim).To(HaveValue(HaveField("TookOver", string(instance.UID))))
		Eventually(events(taking)).Should(ContainElement(v1alpha1.ReasonRoleDeleted))
		look(instance)
		Eventually(condition(instance, v1alpha1.ConditionStalled)).Should(Equal("True/" + v1alpha1.ReasonEndpointTaken))
		Eventually(func() []v1alpha1.ManagedRole { return read(instance).Status.ManagedRoles }).Should(BeEmpty())
		edit(grant, func(g *v1alpha1.AccessGrant) { g.Spec.Revoke = &v1alpha1.Revocation{} })
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantRevoked))
		Expect(first.sim.Holders(role(second))).To(ConsistOf("alice"))
	})

	It("two clusters: the second operator is EndpointTaken and changes nothing, until it takes over on purpose", func() {
		first, instance, _ := begin()
		changes := len(first.sim.Changes(nil))
		anotherCluster()
		second := first.second()
		second.secret()
		taken, policy := second.instance(), second.policy()
		Eventually(condition(taken, v1alpha1.ConditionStalled)).Should(Equal("True/" + v1alpha1.ReasonEndpointTaken))
		look(taken)
		Consistently(func() []airflowtest.Change { return first.sim.Changes(nil) }, time.Second).Should(HaveLen(changes))
		edit(taken, func(i *v1alpha1.AirflowInstance) { i.Spec.TakeOver = string(instance.UID) })
		settled(policy)
		settled(taken)
		Expect(first.sim.Holders(role(second))).To(ConsistOf("alice"))
		_, stands := first.sim.Role(role(first))
		Expect(stands).To(BeFalse())
	})

	It("a claim that is deleted gives the Airflow to the second, and the roles of the first stay", func() {
		first, instance, _ := begin()
		edit(instance, inMode(v1alpha1.ModeSuspended)) // it would claim the Airflow again
		look(instance)
		first.sim.DeleteRole(rolename.Claim(string(instance.UID)))
		second := first.second()
		second.secret()
		taking := second.instance()
		settled(second.policy())
		settled(taking)
		Expect(first.sim.Holders(role(first))).To(ConsistOf("alice", "bob"))
		Expect(read(taking).Status.ManagedRoles).To(ContainElement(And(HaveField("Name", role(first)), HaveField("Orphaned", true))))
	})

	It("an abandoned instance leaves its roles, and removes its claim where it has a connection", func() {
		first, instance, _ := begin()
		edit(instance, func(i *v1alpha1.AirflowInstance) { i.Spec.Deletion = v1alpha1.InstanceDeletionAbandon })
		Expect(admin.Delete(ctx(), instance)).To(Succeed())
		gone(instance)
		_, stands := first.sim.Role(rolename.Claim(string(instance.UID)))
		Expect(stands).To(BeFalse())
		Expect(first.sim.Holders(role(first))).To(ConsistOf("alice", "bob"))
	})

	It("an instance in mode Observe changes nothing, whatever begins with oam.", func() {
		first, _, _ := begin()
		first.sim.SetRole("oam.legacy.team", airflow.Permission{Action: "can_read", Resource: "DAG:marketing_report"})
		first.sim.SetUserRoles("carol", "Public", "oam.legacy.team")
		changes := len(first.sim.Changes(func(c airflowtest.Change) bool { return c.By == airflowtest.AdminUsername }))
		second := first.second()
		second.secret()
		observing := second.instance(inMode(v1alpha1.ModeObserve), func(i *v1alpha1.AirflowInstance) { i.Spec.Interval = metav1.Duration{Duration: time.Minute} })
		settled(observing)
		look(observing)
		Expect(first.sim.Changes(func(c airflowtest.Change) bool { return c.By == airflowtest.AdminUsername })).To(HaveLen(changes))
		Expect(read(observing).Status.Plan).To(BeEmpty())
	})
})
