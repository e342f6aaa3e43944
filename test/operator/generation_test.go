package operator_test

import (
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
