package operator_test

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

var _ = Describe("a long pass", Serial, func() {
	It("takes away what ends in its middle before it goes on giving", func() {
		const people = 500 // each costs 100 ms, eight at once: longer than the grant
		s := newScene(airflowtest.Options{Latency: airflowtest.Latency(100 * time.Millisecond)})
		members := []v1alpha1.Subject{{Username: "alice"}}
		for i := range people {
			name := fmt.Sprintf("person-%03d", i)
			s.sim.AddUser(airflowtest.User{Username: name, Email: name + "@example.com", Roles: []string{"Public"}})
			members = append(members, v1alpha1.Subject{Username: name})
		}
		s.secret()
		s.instance()
		policy := s.policy()
		settled(policy)
		grant := s.grant("bob", 5*time.Second)
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantActive))
		edit(policy, func(p *v1alpha1.DagAccessPolicy) { p.Spec.Members = members })
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantExpired))
		settled(policy)

		held := s.triggering("bob")
		Expect(held).To(HaveLen(1))
		Expect(held[0].To).To(BeTemporally("~", grant.Status.Activation.ExpiresAt.Time, 3*time.Second), "a slice of two seconds, and reading")
		given := s.sim.Changes(func(c airflowtest.Change) bool {
			return c.Kind == airflowtest.UserRoles && c.Seq > held[0].ToSeq && len(c.RolesAfter) > len(c.RolesBefore)
		})
		Expect(given).NotTo(BeEmpty(), "the pass was shorter than the grant, so that nothing was tried")
	})
})
