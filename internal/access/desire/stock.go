package desire

import (
	"fmt"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
)

// MaxRoles is how many roles of an instance are managed at most: its status, which has to hold them all, must stay below
// what etcd takes. Successors come on top.
const MaxRoles = 2048

// stock is what is there: the roles that Airflow stores, and the inventory. It knows which of them are ours, and which carry
// a policy or a grant.
type stock struct {
	in       *access.Input
	claim    claiming
	users    *access.Directory
	policies map[string]*v1alpha1.DagAccessPolicy // by UID
	stored   map[string]v1alpha1.ManagedRole      // the inventory as it was stored, without reserved names
	bases    map[rolename.Line]bool               // lines of inventoried policy roles
	account  map[string]bool                      // roles of the operator's account
	observed map[string][]permission.Pair         // canonical permissions, filled when first asked for
	held     map[string]bool                      // roles that a user is in, filled when first asked for

	successors map[rolename.Line][]int                  // line -> numbers of its successors, the highest first
	kin        map[rolename.Line][]v1alpha1.ManagedRole // line with successors -> its inventoried roles, the newest first
	carried    map[rolename.Line]bool                   // lines that a desired role carries
	fresh      map[string]bool                          // names of lines that are to be made in this pass
}

func newStock(in *access.Input, claim claiming, users *access.Directory) *stock {
	s := &stock{
		in: in, claim: claim, users: users, policies: map[string]*v1alpha1.DagAccessPolicy{}, stored: map[string]v1alpha1.ManagedRole{},
		bases: map[rolename.Line]bool{}, account: map[string]bool{}, observed: map[string][]permission.Pair{},
		successors: map[rolename.Line][]int{}, carried: map[rolename.Line]bool{}, fresh: map[string]bool{},
	}
	for _, p := range in.Policies {
		s.policies[string(p.UID)] = p
	}
	for i := range in.Observed.Users {
		user := &in.Observed.Users[i]
		if !users.IsAccount(user.Username) {
			continue
		}
		for _, role := range user.Roles {
			s.account[role] = true
		}
	}
	for _, entry := range s.inventory() {
		if !rolename.Manageable(entry.Name) {
			continue
		}
		s.stored[entry.Name] = entry
		if entry.Kind == v1alpha1.ManagedRolePolicy {
			s.bases[rolename.LineOf(entry.Name)] = true
		}
	}
	s.findSuccessors()
	return s
}

// inventory is what is stored of the instance's roles. With a lost claim all of them are another instance's.
func (s *stock) inventory() []v1alpha1.ManagedRole {
	if s.claim.Lost {
		return nil
	}
	return s.in.Instance.Status.ManagedRoles
}

// full says whether a line of roles that the inventory does not know is one too many.
func (s *stock) full(base string) *access.Problem {
	switch {
	case s.knows(base):
		return nil
	case len(s.stored)+len(s.fresh) >= MaxRoles:
		return &access.Problem{Reason: v1alpha1.ReasonTooManyRoles, Message: fmt.Sprintf("the AirflowInstance manages %d roles already, and can hold no more: end grants with DAGs or levels of their own, or delete policies", MaxRoles)}
	}
	s.fresh[base] = true
	return nil
}

// knows says whether a line of roles is there already, or to be made in this pass.
func (s *stock) knows(base string) bool {
	if _, stored := s.stored[base]; stored {
		return true
	}
	return s.fresh[base] || s.exists(base) || len(s.successors[rolename.LineOf(base)]) > 0
}

// exists says whether Airflow stores a role.
func (s *stock) exists(role string) bool {
	_, ok := s.in.Observed.Roles[role]
	return ok
}

// ours says whether a stored Airflow role is managed: by the inventory, or under the own claim by a name that only we give.
func (s *stock) ours(role string) bool {
	if entry, ok := s.stored[role]; ok {
		return !s.orphaned(entry)
	}
	return s.claim.own && rolename.IsOwn(role, s.bases)
}

// orphaned says whether an entry was let go of for good: no policy can take that back any more.
func (s *stock) orphaned(entry v1alpha1.ManagedRole) bool {
	if !entry.Orphaned {
		return false
	}
	p := s.policies[entry.PolicyUID]
	return p == nil || p.Orphans()
}

// content is what Airflow stores in a role, sorted and without ignored pairs.
func (s *stock) content(role string) []permission.Pair {
	if ps, ok := s.observed[role]; ok {
		return ps
	}
	ps := s.in.Canonical(s.in.Observed.Roles[role])
	s.observed[role] = ps
	return ps
}
