package operator_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
)

// grown gives a scene whose Airflow was run by hand for years: roles that people made, with members.
func grown() *scene {
	GinkgoHelper()
	s := newScene()
	trigger := func(dag string) []airflow.Permission {
		return []airflow.Permission{{Action: "can_edit", Resource: "DAG:" + dag}, {Action: "can_create", Resource: "DAG Run:" + dag}}
	}
	s.sim.SetRole("finance-operators", append(trigger("finance_daily"), trigger("marketing_report")...)...)
	s.sim.SetRole("marketing", trigger("marketing_report")...)
	s.sim.SetUserRoles("alice", "Public", "finance-operators", "marketing")
	s.sim.SetUserRoles("bob", "Viewer")
	s.sim.SetUserRoles("carol", "Public", "finance-operators")
	return s
}

// adopts makes a policy take over the role that people made.
func adopts(p *v1alpha1.DagAccessPolicy) {
	p.Spec.Role = &v1alpha1.PolicyRole{Name: "finance-operators", Adoption: v1alpha1.AdoptionIfExists}
}

func adoptable(i *v1alpha1.AirflowInstance) { i.Spec.AdoptableRoles = []string{"finance-operators"} }

func inMode(mode v1alpha1.Mode) func(*v1alpha1.AirflowInstance) {
	return func(i *v1alpha1.AirflowInstance) { i.Spec.Mode = mode }
}

// plan is what an instance in mode Observe would do.
func plan(instance *v1alpha1.AirflowInstance) func() []string {
	return func() []string { return read(instance).Status.Plan }
}

// deeds are the steps of a plan without numbers and reasons.
func deeds(lines []string) []string {
	var out []string
	for _, line := range lines {
		line, _, _ = strings.Cut(line, ": ")
		line, _, _ = strings.Cut(line, " with ")
		line, _, _ = strings.Cut(line, " by ")
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}

// done are the changes that the operator made in the scene's Airflow, in the words of a plan. The claim gives no access, and
// is in no plan of the mode Observe.
func (s *scene) done() []string {
	var out []string
	for _, c := range s.sim.Changes(func(c airflowtest.Change) bool { return c.By == airflowtest.AdminUsername }) {
		lost, got := without(c.RolesBefore, c.RolesAfter), without(c.RolesAfter, c.RolesBefore)
		switch {
		case rolename.IsClaim(c.Role):
		case c.Kind == airflowtest.RoleCreated:
			out = append(out, "create role "+c.Role)
		case c.Kind == airflowtest.RolePermissions && slices.Contains(out, "create role "+c.Role): // its first ones
		case c.Kind == airflowtest.RolePermissions:
			out = append(out, "replace the permissions of role "+c.Role)
		case c.Kind == airflowtest.UserRoles && lost != "" && got == "":
			out = append(out, fmt.Sprintf("revoke role %s from %s", lost, c.User))
		case c.Kind == airflowtest.UserRoles && lost == "":
			out = append(out, fmt.Sprintf("grant role %s to %s", got, c.User))
		default:
			out = append(out, fmt.Sprintf("%+v", c))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func without(roles, others []string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(roles), func(role string) bool { return slices.Contains(others, role) }), ", ")
}

var _ = Describe("the first rollout on an Airflow that runs", Serial, func() {
	It("shows in mode Observe what Enforce then does, and leaves everything else alone", func() {
		s := grown()
		s.secret()
		instance := s.instance(inMode(v1alpha1.ModeObserve), adoptable)
		taking := s.policy(adopts)
		reading := s.policy(func(p *v1alpha1.DagAccessPolicy) {
			p.Name, p.Spec.Access = "readers", []v1alpha1.AccessLevel{v1alpha1.AccessView}
			p.Spec.Members = []v1alpha1.Subject{{Username: "alice"}, {Email: "bob@example.com"}}
		})
		grant := s.grant("bob", time.Hour)
		settled(instance)
		settled(taking)
		settled(reading)
		readers := "oam." + s.namespace + ".readers"
		Eventually(plan(instance)).Should(Equal([]string{
			"revoke role finance-operators from carol: no policy or grant gives it",
			"create role " + readers + " with 9 permissions: policy " + s.namespace + "/readers",
			"grant role " + readers + " to alice: policy " + s.namespace + "/readers",
			"replace the permissions of role finance-operators by 13, adding 11 (can_read on DAG Dependencies and 10 more)" +
				" and removing 2 (can_create on DAG Run:marketing_report and 1 more): policy " + s.namespace + "/finance",
			"grant role " + readers + " to bob: policy " + s.namespace + "/readers",
		}))
		shown := deeds(instance.Status.Plan)
		Expect(condition(taking, v1alpha1.ConditionInSync)()).To(Equal("False/" + v1alpha1.ReasonAdoptionReported))
		Expect(message(taking, v1alpha1.ConditionInSync)).To(ContainSubstring(
			"will add 11 permissions to it, take 2 away, and remove 1 member from it"))
		Expect(condition(taking, v1alpha1.ConditionReady)()).To(Equal("True/" + v1alpha1.ReasonInstanceObserving))
		Eventually(condition(grant, v1alpha1.ConditionActive)).Should(Equal("False/" + v1alpha1.ReasonInstanceObserving))
		settled(grant)

		// What the revocation starts is over before Enforce: a pass of its own would be the second one, which adopts.
		edit(grant, func(g *v1alpha1.AccessGrant) { g.Spec.Revoke = &v1alpha1.Revocation{} })
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantRevoked))
		look(instance)
		Consistently(s.sim.MutatingRequests, time.Second).Should(BeEmpty())
		Expect(read(instance).Status.ManagedRoles).To(BeEmpty(), "nothing is ours before Enforce")

		edit(instance, inMode(v1alpha1.ModeEnforce))
		Eventually(condition(taking, v1alpha1.ConditionReady)).Should(Equal("False/" + v1alpha1.ReasonAdoptionReported))
		Expect(s.sim.Holders("finance-operators")).To(ConsistOf("alice", "carol"), "the first pass only reports")
		look(instance)
		settled(taking)
		settled(reading)
		settled(instance)
		Expect(s.done()).To(Equal(shown))
		Expect(instance.Status.Plan).To(BeEmpty())
		Expect(s.sim.Holders("marketing")).To(ConsistOf("alice"))
		roles, _ := s.sim.UserRoles("carol")
		Expect(roles).To(ConsistOf("Public"))
		Expect(s.triggering("alice")).To(HaveLen(1), "who keeps access loses it for no moment (I9)")
	})

	It("shows the first steps of a long plan, and how many more there are", func() {
		s := newScene()
		var members []v1alpha1.Subject
		for i := range 100 {
			name := fmt.Sprintf("person-%03d", i)
			s.sim.AddUser(airflowtest.User{Username: name, Email: name + "@example.com", Roles: []string{"Public"}})
			members = append(members, v1alpha1.Subject{Username: name})
		}
		s.secret()
		instance := s.instance(inMode(v1alpha1.ModeObserve))
		s.policy(func(p *v1alpha1.DagAccessPolicy) { p.Spec.Members = members })
		Eventually(plan(instance)).Should(HaveLen(64))
		Expect(instance.Status.Plan[63]).To(Equal("and 38 more steps"), "a role, 100 people, and 63 lines of them")
		Expect(s.sim.MutatingRequests()).To(BeEmpty())
	})

	It("goes back to Observe: what was given stays until it ends, and ends on time", func() {
		s := newScene()
		s.secret()
		instance, policy := s.instance(), s.policy()
		settled(policy)
		grant := s.grant("bob", 10*time.Second)
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantActive))
		edit(instance, inMode(v1alpha1.ModeObserve))
		edit(policy, func(p *v1alpha1.DagAccessPolicy) {
			p.Spec.Members = append(p.Spec.Members, v1alpha1.Subject{Username: "carol"})
		})
		Eventually(plan(instance)).Should(ContainElement(ContainSubstring("to carol:")))
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantExpired))
		Expect(grant.Status.RemovedAt).NotTo(BeNil())
		Expect(s.may("bob", "finance_daily")()).To(BeFalse())
		Expect(s.may("alice", "finance_daily")()).To(BeTrue())
		Expect(s.may("carol", "finance_daily")()).To(BeFalse())
	})
})
