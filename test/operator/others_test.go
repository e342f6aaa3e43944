package operator_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

var _ = Describe("what others do in Airflow", Serial, func() {
	It("F37: a role that is edited is as declared again, and its edit gave nothing that stays", func() {
		s := newScene()
		s.secret()
		instance := s.instance()
		settled(s.policy())
		role := "oam." + s.namespace + ".finance"
		s.sim.SetRole(role, airflow.Permission{Action: "can_edit", Resource: "DAG:marketing_report"}, airflow.Permission{Action: "can_create", Resource: "DAG Run:marketing_report"})
		look(instance)
		Eventually(s.may("alice", "finance_daily")).Should(BeTrue())
		Eventually(s.may("alice", "marketing_report")).Should(BeFalse())
		Eventually(func() []v1alpha1.Drift { return read(instance).Status.Drift }).Should(ContainElement(HaveField("Cause", "RoleEdited")))
	})

	It("F39: the grant of a user who is deleted waits for nobody's return, and says so", func() {
		s := newScene()
		s.secret()
		instance := s.instance()
		s.policy()
		grant := s.grant("bob", time.Hour)
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantActive))
		s.sim.RemoveUser("bob")
		look(instance)
		Eventually(condition(grant, v1alpha1.ConditionActive)).Should(Equal("False/" + v1alpha1.ReasonSubjectGone))
		edit(grant, func(g *v1alpha1.AccessGrant) { g.Spec.Revoke = &v1alpha1.Revocation{} })
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantRevoked))
		settled(grant)
	})

	It("F39: a user who got another name does not keep what a grant gave", func() {
		s := newScene()
		s.secret()
		s.instance(func(i *v1alpha1.AirflowInstance) { i.Spec.Interval = metav1.Duration{Duration: time.Hour} })
		s.policy()
		grant := s.grant("bob", time.Hour)
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantActive))
		s.sim.SetUsername("bob", "robert")
		edit(grant, func(g *v1alpha1.AccessGrant) { g.Spec.Revoke = &v1alpha1.Revocation{} })
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantRevoked))
		Expect(s.may("robert", "finance_daily")()).To(BeFalse())
		settled(grant)
	})

	It("F40: another person under the same name gets nothing of the first one's grant", func() {
		s := newScene()
		s.secret()
		instance := s.instance()
		s.policy()
		grant := s.grant("bob", time.Hour)
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantActive))
		s.sim.RemoveUser("bob")
		s.sim.AddUser(airflowtest.User{Username: "bob", Email: "bob@example.com", Roles: []string{"Public"}})
		look(instance)
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantRevoked))
		Expect(grant.Status.End.Reason).To(Equal(v1alpha1.EndSubjectChanged))
		settled(grant)
		Expect(s.triggering("bob")).To(HaveLen(1), "the first bob's, and no other")
	})

	It("F45: a policy whose role cannot be deleted stays until it can, and gives nobody anything meanwhile", func() {
		s := newScene()
		s.secret()
		instance, policy := s.instance(), s.policy()
		settled(policy)
		failing := s.sim.Inject(airflowtest.Status(500, "Internal Server Error").On("DELETE", "/auth/fab/v1/roles/{name}"))
		Expect(admin.Delete(ctx(), policy)).To(Succeed())
		Eventually(s.may("alice", "finance_daily")).Should(BeFalse())
		Eventually(condition(policy, v1alpha1.ConditionReady)).Should(Equal("False/" + v1alpha1.ReasonRoleRemains))
		Eventually(condition(instance, v1alpha1.ConditionInSync)).Should(Equal("False/" + v1alpha1.ReasonStepsFailed))
		failing.Remove()
		Eventually(func() error { return admin.Get(ctx(), keyOf(policy), policy) }).ShouldNot(Succeed())
		settled(instance)
	})
})
