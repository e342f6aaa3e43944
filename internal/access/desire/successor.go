package desire

import (
	"slices"

	"github.com/airflow-oam/airflow-oam/internal/access"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
)

// Where the server only adds permissions to a role, a role that would have to lose some gets a successor: another Airflow
// role, which has the right content from the start and takes its members over. A role that is decided about is therefore
// known by its first name (base), and carried by one Airflow role at a time: the one with that name, or <base>~g<n>. All of
// them together are the line of the role.

// generation is one Airflow role of a line.
type generation struct {
	name  string
	state generationState
}

// generationState is where a role of a line stands in its life.
type generationState int

const (
	// planned: the inventory holds it, and Airflow does not store it yet, or not any more.
	planned generationState = iota
	// inUse: Airflow stores it.
	inUse
	// retired: Airflow stores it and cannot delete it; it was emptied.
	retired
	// gone: it was retired, and Airflow does not store it any more.
	gone
)

// generations are the roles of a line that may carry it, the newest first.
func (s *stock) generations(c *policyCase, base string) []generation {
	var out []generation
	add := func(name string) {
		if state, counts := s.stateOf(c, name); counts {
			out = append(out, generation{name: name, state: state})
		}
	}
	for _, n := range s.successors[rolename.LineOf(base)] {
		add(rolename.Successor(base, n))
	}
	add(base)
	return out
}

// stateOf says where a role stands, and whether it may carry a policy: a role that no inventory knows, or that another
// policy let go of, counts only when its name is one that only the operator gives, and the former only under the own claim.
func (s *stock) stateOf(c *policyCase, name string) (state generationState, counts bool) {
	entry, inventoried := s.stored[name]
	exists, own := s.exists(name), rolename.HasOwnPrefix(name)
	if !inventoried {
		return inUse, own && exists && s.claim.own
	}
	if !own && s.orphaned(entry) {
		counts = entry.PolicyUID == string(c.policy.UID)
	} else {
		counts = true
	}
	switch {
	case !entry.Retired && exists:
		return inUse, counts
	case !entry.Retired:
		return planned, counts
	case exists:
		return retired, counts
	}
	return gone, counts
}

// present is the newest role of a line that is in use.
func present(line []generation) (string, bool) {
	for _, g := range line {
		if g.state == inUse {
			return g.name, true
		}
	}
	return "", false
}

// storedFor are the roles that carry a policy in Airflow now, the newest first. One that is not ours yet counts: it may
// be taken over.
func (s *stock) storedFor(c *policyCase) []string {
	if len(s.generations(c, c.role)) == 0 && s.exists(c.role) {
		return []string{c.role}
	}
	return s.presentIn(c, c.role)
}

// presentIn are the roles of a line that are there and in use, the newest first.
func (s *stock) presentIn(c *policyCase, base string) []string {
	var out []string
	for _, g := range s.generations(c, base) {
		if g.state == inUse {
			out = append(out, g.name)
		}
	}
	return out
}

// contents is what Airflow stores in any of some roles.
func (s *stock) contents(roles []string) []permission.Pair {
	var out []permission.Pair
	for i, role := range roles {
		if i == 0 {
			out = s.content(role)
		} else {
			out = permission.Union(out, s.content(role))
		}
	}
	return out
}

// carry chooses the role of a line that carries it from now on. The same is chosen again after every step on the way: a
// role that will do stays one that will do. While nothing is granted it is the present one.
func (s *stock) carry(c *policyCase, base string, want []permission.Pair) string {
	line := s.generations(c, base)
	if len(line) == 0 {
		return base
	}
	if !c.giving.All() {
		if name, ok := present(line); ok {
			return name
		}
	}
	suits := map[generationState]func(role string) bool{
		inUse:   func(role string) bool { return s.fits(role, want) },
		planned: func(string) bool { return true },
		retired: func(role string) bool { return s.revives(base, role, want) },
	}
	for _, state := range []generationState{inUse, planned, retired} {
		at := slices.IndexFunc(line, func(g generation) bool { return g.state == state && suits[state](g.name) })
		if at >= 0 {
			return line[at].name
		}
	}
	return rolename.Successor(base, s.nextNumber(base))
}

// fits says whether a role can come to hold exactly what it should.
func (s *stock) fits(role string, want []permission.Pair) bool {
	return !s.in.OnlyAdds() || permission.Contains(want, s.content(role))
}

// revives says whether a retired role can be used again: nobody is in it, and it holds what it should, or can be made to.
func (s *stock) revives(base, role string, want []permission.Pair) bool {
	if s.holders()[role] {
		return false
	}
	if !s.in.OnlyAdds() {
		return true
	}
	if s.in.LeavesOut(access.RoleKey(base)) {
		return false
	}
	return slices.Equal(s.content(role), want)
}

// nextNumber is above those of all successors that are known.
func (s *stock) nextNumber(base string) int {
	known, n := s.successors[rolename.LineOf(base)], 1
	if len(known) > 0 && known[0] < rolename.MaxSuccessor {
		return known[0] + 1
	}
	for slices.Contains(known, n) {
		n++
	}
	return n
}

// findSuccessors notes the numbers of all successors that are inventoried or stored, the highest first.
func (s *stock) findSuccessors() {
	note := func(name string) {
		if line, n, ok := rolename.Succession(name); ok {
			s.successors[line] = append(s.successors[line], n)
		}
	}
	for name := range s.stored {
		note(name)
	}
	for name := range s.in.Observed.Roles {
		if _, stored := s.stored[name]; !stored {
			note(name)
		}
	}
	for _, numbers := range s.successors {
		slices.SortFunc(numbers, func(a, b int) int { return b - a })
	}
	if len(s.successors) > 0 {
		s.kin = access.KinOf(s.inventory())
	}
}

// holders are the roles that somebody but the operator's account is in.
func (s *stock) holders() map[string]bool {
	if s.held == nil {
		s.held = map[string]bool{}
		for _, user := range s.in.Observed.Users {
			if s.users.IsAccount(user.Username) {
				continue
			}
			for _, role := range user.Roles {
				s.held[role] = true
			}
		}
	}
	return s.held
}

// heldBy is the role of a line that a user is in, when nothing may be granted: a user who has not come to the successor
// yet stays in the old one.
func (s *stock) heldBy(c *policyCase, base string, user access.User) (string, bool) {
	for _, role := range s.presentIn(c, base) {
		if slices.Contains(user.Roles, role) {
			return role, true
		}
	}
	return "", false
}

// retires says whether a role that nothing needs stays in Airflow, and all who were in it have left. Whom somebody else
// puts into it later leaves again; that does not bring it back into use.
func (s *stock) retires(entry v1alpha1.ManagedRole) bool {
	if !s.exists(entry.Name) || !s.outlives(entry) {
		return false
	}
	return entry.Retired || !s.holders()[entry.Name]
}

// outlives says whether a role stays in Airflow when nothing needs it: no role can be deleted, or it was adopted and a
// successor has its place.
func (s *stock) outlives(entry v1alpha1.ManagedRole) bool {
	if !s.in.Deletes() {
		return true
	}
	return entry.Adopted && s.carried[rolename.LineOf(entry.Name)]
}
