package operator_test

import (
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

var _ = Describe("a server whose version does not tell what it can do", func() {
	saying := func(version string) airflowtest.Options {
		generation := airflowtest.Airflow33
		generation.FABProvider = version
		return airflowtest.Options{Generation: &generation}
	}
	probes := func(s *scene) int {
		return len(s.sim.Changes(func(c airflowtest.Change) bool { return c.Role == airflow.ProbeRole }))
	}

	It("is tried out, and nothing is left behind", func() {
		s := newScene(saying("99.0.0"))
		s.secret()
		instance, policy := s.instance(), s.policy()
		settled(instance)
		settled(policy)
		Expect(read(instance).Status.Capabilities).To(HaveValue(And(
			HaveField("RoleUpdate", v1alpha1.RoleUpdateReplace), HaveField("RoleDelete", v1alpha1.RoleDeleteWorks))))
		Expect(condition(instance, v1alpha1.ConditionCompatible)()).To(Equal("True/" + v1alpha1.ReasonCompatible))
		Expect(probes(s)).To(BeNumerically(">", 0))
		Expect(s.sim.Role(airflow.ProbeRole)).Error().To(BeFalse())
	})

	It("is taken for one that only adds while it is only observed", func() {
		s := newScene(saying("main"))
		s.secret()
		instance := s.instance(func(i *v1alpha1.AirflowInstance) { i.Spec.Mode = v1alpha1.ModeObserve })
		settled(instance)
		Expect(read(instance).Status.Capabilities).To(HaveValue(HaveField("RoleUpdate", v1alpha1.RoleUpdateAdd)))
		Expect(condition(instance, v1alpha1.ConditionCompatible)()).To(Equal("True/" + v1alpha1.ReasonLimited))
		Expect(s.sim.MutatingRequests()).To(BeEmpty())
	})
})

var _ = Describe("a server of an older release", func() {
	It("is not given the code of files with other DAGs, from the first pass on", func() {
		s := newScene(airflowtest.Options{Generation: &airflowtest.Airflow32})
		for _, id := range []string{"finance_daily", "marketing_report"} {
			s.sim.SetDag(airflowtest.Dag{ID: id, Path: "both.py"})
		}
		s.secret()
		s.instance()
		policy := s.policy(func(p *v1alpha1.DagAccessPolicy) { p.Spec.Access = append(p.Spec.Access, v1alpha1.AccessViewCode) })
		settled(policy)
		Expect(condition(policy, v1alpha1.ConditionLevelsSupported)()).To(HavePrefix("False/"))
		Expect(s.sim.Changes(func(c airflowtest.Change) bool {
			return c.By == airflowtest.AdminUsername && slices.ContainsFunc(c.PermissionsAfter, func(p airflow.Permission) bool { return p.Resource == "DAG Code" })
		})).To(BeEmpty())
	})

	It("that refuses every change of a role is not governed, and says what to upgrade", func() {
		s := newScene(airflowtest.Options{Generation: &airflowtest.Generation{Version: "3.1.0", FABProvider: "3.0.3", Does: airflow.Capabilities{
			RoleUpdate: airflow.RoleUpdateRefused, RoleDelete: airflow.Fails, PermissionList: airflow.PermissionListNone,
		}}})
		s.secret()
		instance := s.instance()
		s.policy()
		Eventually(condition(instance, v1alpha1.ConditionCompatible)).Should(Equal("False/" + v1alpha1.ReasonUnsupportedVersion))
		Expect(condition(instance, v1alpha1.ConditionStalled)()).To(Equal("True/" + v1alpha1.ReasonUnsupportedVersion))
		Expect(read(instance).Status.Conditions[0].Message).To(And(ContainSubstring("upgrade"), ContainSubstring("3.0.3")))
		Expect(s.sim.MutatingRequests()).To(BeEmpty())
	})

	It("that only adds and cannot delete roles is governed by new ones, and says so", func() {
		s := newScene(airflowtest.Options{Generation: &airflowtest.Generation{Version: "3.1.0", FABProvider: "3.4.0", Does: airflow.Capabilities{
			RoleUpdate: airflow.RoleUpdateAdd, RoleDelete: airflow.Fails, PermissionList: airflow.PermissionListNone,
		}}})
		s.secret()
		instance, policy := s.instance(), s.policy()
		settled(instance)
		settled(policy)
		Expect(condition(instance, v1alpha1.ConditionCompatible)()).To(Equal("True/" + v1alpha1.ReasonLimited))
		Expect(read(instance).Status.Capabilities).To(HaveValue(And(
			HaveField("RoleUpdate", v1alpha1.RoleUpdateAdd), HaveField("RoleDelete", v1alpha1.RoleDeleteFails))))
		first := read(policy).Status.Instances[0].Role

		edit(policy, func(p *v1alpha1.DagAccessPolicy) { p.Spec.Access = []v1alpha1.AccessLevel{v1alpha1.AccessView} })
		settled(policy)
		Expect(read(policy).Status.Instances[0].Role).To(Equal(first + "~g1"))
		roles, _ := s.sim.UserRoles("alice")
		Expect(roles).To(ConsistOf("Public", first+"~g1"))
		Expect(s.sim.AllowedLevel("alice", "Trigger", "finance_daily")).To(BeFalse())
		Expect(s.sim.AllowedLevel("alice", "View", "finance_daily")).To(BeTrue())
		Expect(read(instance).Status.ManagedRoles).To(ContainElement(And(HaveField("Name", first), HaveField("Retired", true))))
	})

	It("answers wrong credentials with 403 where it is an Airflow 2, and they are told as such", func() {
		s := newScene(airflowtest.Options{Generation: &airflowtest.Airflow211})
		s.secret(func(data map[string]string) { data["password"] = "wrong" })
		instance := s.instance()
		Eventually(condition(instance, v1alpha1.ConditionAuthenticated)).Should(Equal("False/" + v1alpha1.ReasonBadCredentials))
		Expect(s.sim.MutatingRequests()).To(BeEmpty())
	})
})
