package operator_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

var _ = Describe("a role that was there before its policy", Serial, func() {
	const name = "finance-operators-by-hand"
	existing := func(s *scene) {
		s.sim.SetRole(name, airflow.Permission{Action: "can_edit", Resource: "DAG:marketing_report"})
		s.sim.SetUserRoles("carol", "Public", name)
	}
	takes := func(adoption v1alpha1.Adoption) func(*v1alpha1.DagAccessPolicy) {
		return func(p *v1alpha1.DagAccessPolicy) { p.Spec.Role = &v1alpha1.PolicyRole{Name: name, Adoption: adoption} }
	}
	untouched := func(s *scene) {
		Expect(s.writes()).To(BeEmpty())
		Expect(s.sim.Holders(name)).To(ConsistOf("carol"))
	}

	DescribeTable("is left alone", func(adoptable []string, adoption v1alpha1.Adoption) {
		s := newScene()
		existing(s)
		s.secret()
		s.instance(func(i *v1alpha1.AirflowInstance) { i.Spec.AdoptableRoles = adoptable })
		policy := s.policy(takes(adoption))
		Eventually(condition(policy, v1alpha1.ConditionStalled)).Should(Equal("True/" + v1alpha1.ReasonRoleExists))
		untouched(s)
	},
		Entry("where the policy does not ask for it", []string{name}, v1alpha1.AdoptionNever),
		Entry("where the instance does not allow it", []string{"another"}, v1alpha1.AdoptionIfExists),
	)

	It("is looked at first, taken over in the next pass, and stays without members when its policy goes", func() {
		s := newScene()
		existing(s)
		s.secret()
		instance := s.instance(func(i *v1alpha1.AirflowInstance) { i.Spec.AdoptableRoles = []string{name} })
		settled(instance)
		policy := s.policy(takes(v1alpha1.AdoptionIfExists))
		Eventually(condition(policy, v1alpha1.ConditionInSync)).Should(Equal("False/" + v1alpha1.ReasonAdoptionReported))
		untouched(s)
		look(instance)
		settled(policy)
		Expect(s.sim.Holders(name)).To(ConsistOf("alice"))
		Expect(s.may("alice", "finance_daily")()).To(BeTrue())
		Expect(admin.Delete(ctx(), policy)).To(Succeed())
		Eventually(func() error { return admin.Get(ctx(), keyOf(policy), policy) }).ShouldNot(Succeed())
		_, there := s.sim.Role(name)
		Expect(there).To(BeTrue(), "it is never deleted")
		Expect(s.sim.Holders(name)).To(BeEmpty())
	})

	It("moves its members to a successor where role updates only add, and is left behind as it was", func() {
		s := newScene(airflowtest.Options{Generation: &airflowtest.Airflow32})
		existing(s)
		s.secret()
		instance := s.instance(func(i *v1alpha1.AirflowInstance) { i.Spec.AdoptableRoles = []string{name} })
		settled(instance)
		policy := s.policy(takes(v1alpha1.AdoptionIfExists), func(p *v1alpha1.DagAccessPolicy) {
			p.Spec.Members = append(p.Spec.Members, v1alpha1.Subject{Username: "carol"})
		})
		Eventually(condition(policy, v1alpha1.ConditionInSync)).Should(Equal("False/" + v1alpha1.ReasonAdoptionReported))
		untouched(s)
		look(instance)
		settled(policy)
		Expect(read(policy).Status.Instances[0].Role).To(Equal(name + "~g1"))
		Expect(s.sim.Holders(name + "~g1")).To(ConsistOf("alice", "carol"))
		Expect(s.sim.Holders(name)).To(BeEmpty())
		old, _ := s.sim.Role(name)
		Expect(old.Permissions).To(ContainElement(airflow.Permission{Action: "can_edit", Resource: "DAG:marketing_report"}))
		Expect(read(instance).Status.ManagedRoles).To(ContainElement(And(HaveField("Name", name), HaveField("Retired", true))))
	})
})
