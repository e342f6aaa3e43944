package operator_test

import (
	"slices"
	"strings"

	. "github.com/onsi/gomega"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
)

// ours says whether a role is one that the operator of these specs may manage: by its own prefix, or by the one name
// that some of them give to a policy's role.
func ours(role string) bool {
	return strings.HasPrefix(role, "oam.") || strings.HasPrefix(role, "finance-operators")
}

// claimless are all roles but claims, which stay as long as their instance.
func claimless(roles []airflow.Role) []string {
	var out []string
	for _, role := range roles {
		if !rolename.IsClaim(role.Name) {
			out = append(out, role.Name)
		}
	}
	return out
}

// writes are what the operator wrote to the scene's Airflow beside its claim.
func (s *scene) writes() []airflowtest.Request {
	return s.sim.Requests(func(r airflowtest.Request) bool { return r.Mutating && !strings.Contains(r.Body, rolename.Claim("")) })
}

// foreign are those of some roles that are not ours.
func foreign(roles []string) string {
	return strings.Join(slices.DeleteFunc(slices.Sorted(slices.Values(roles)), ours), ", ")
}

// touchedOnlyOurs looks at every change that the operator's account ever made in the scene's Airflow (I3): managed
// roles, who holds these, and nothing else.
func (s *scene) touchedOnlyOurs(g Gomega) {
	for _, c := range s.sim.Changes(func(c airflowtest.Change) bool { return c.By == airflowtest.AdminUsername }) {
		switch c.Kind {
		case airflowtest.RoleCreated, airflowtest.RolePermissions, airflowtest.RoleDeleted:
			g.Expect(ours(c.Role)).To(BeTrue(), "%s of role %s", c.Kind, c.Role)
		case airflowtest.UserRoles:
			g.Expect(foreign(c.RolesAfter)).To(Equal(foreign(c.RolesBefore)), "roles of %s", c.User)
		case airflowtest.RoleRenamed, airflowtest.UserCreated, airflowtest.UserEdited, airflowtest.UserDeleted,
			airflowtest.DagAdded, airflowtest.DagChanged, airflowtest.DagRemoved, airflowtest.RunTriggered:
			g.Expect(c.Kind).To(BeEmpty(), "the operator never does this: %+v", c)
		}
	}
}

// triggering are the stretches of the whole history in which what Airflow stored let a person trigger finance_daily (I1, I4):
// what came and went between two looks of a spec is in it.
func (s *scene) triggering(person string) []airflowtest.Span {
	return s.sim.Spans(person, airflowtest.Check{Method: "POST", Entity: airflowtest.EntityRun, Dag: "finance_daily"})
}
