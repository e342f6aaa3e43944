package operator_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

var _ = Describe("least privilege", Serial, func() {
	It("is computed over all roles of a person, and enforced", func() {
		s := newScene()
		s.secret()
		instance, policy := s.instance(), s.policy()
		tasks := s.policy(func(p *v1alpha1.DagAccessPolicy) {
			p.Name, p.Spec.Dags[0].IDs = "tasks", []string{"marketing_report"}
			p.Spec.Access, p.Spec.Members = []v1alpha1.AccessLevel{v1alpha1.AccessView, v1alpha1.AccessEditTasks}, []v1alpha1.Subject{{Username: "carol"}}
		})
		settled(instance)
		settled(policy)
		settled(tasks)
		Eventually(condition(policy, v1alpha1.ConditionLeastPrivilege)).Should(Equal("True/AsGranted"))
		Expect(message(policy, v1alpha1.ConditionLeastPrivilege)).To(ContainSubstring("Pause with Trigger"))

		mixes := func() bool { return s.sim.AllowedLevel("alice", "EditTasks", "finance_daily") }
		grant := s.grant("alice", time.Hour, func(g *v1alpha1.AccessGrant) { g.Spec.PolicyRef.Name = "tasks" })
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantActive))
		Eventually(condition(grant, v1alpha1.ConditionLeastPrivilege)).Should(Equal("False/ExcessAccess"))
		Expect(message(grant, v1alpha1.ConditionLeastPrivilege)).To(ContainSubstring("EditTasks on finance_daily, finance_weekly"))
		Expect(mixes()).To(BeTrue(), "Airflow allows it")
		for _, p := range []*v1alpha1.DagAccessPolicy{policy, tasks} {
			Eventually(condition(p, v1alpha1.ConditionLeastPrivilege)).Should(Equal("False/ExcessAccess"))
			Expect(message(p, v1alpha1.ConditionLeastPrivilege)).NotTo(ContainSubstring("alice"))
		}

		edit(instance, func(i *v1alpha1.AirflowInstance) { i.Spec.LeastPrivilege = v1alpha1.LeastPrivilegeEnforce })
		Eventually(condition(grant, v1alpha1.ConditionReady)).Should(Equal("False/Withheld"))
		Eventually(condition(grant, v1alpha1.ConditionLeastPrivilege)).Should(Equal("False/Withheld"))
		Expect(mixes()).To(BeFalse())
		Expect(s.may("alice", "finance_daily")()).To(BeTrue(), "the older access stays")
		Eventually(condition(policy, v1alpha1.ConditionLeastPrivilege)).Should(Equal("True/AsGranted"))

		edit(policy, func(p *v1alpha1.DagAccessPolicy) { p.Spec.Members = nil })
		Eventually(condition(grant, v1alpha1.ConditionReady)).Should(Equal("True/Active"))
		Expect(s.sim.AllowedLevel("alice", "EditTasks", "marketing_report")).To(BeTrue())
		settled(grant)
	})
})
