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
	name            string
	exists, retired bool
}

// generations are the roles of a line that may carry it, the newest first. A successor that no inventory knows counts
// only when its name is one that nobody but us may give.
func (w *work) generations(c *policyCase, base string) []generation {
	var out []generation
	add := func(name string) {
		entry, inventoried := w.stored[name]
		own := rolename.HasOwnPrefix(name)
		letGo := inventoried && w.orphaned(entry) && entry.PolicyUID != string(c.policy.UID)
		if exists := w.exists(name); (inventoried && !letGo || own) && (inventoried || exists) {
			out = append(out, generation{name: name, exists: exists, retired: entry.Retired})
		}
	}
	for _, n := range w.successors[rolename.LineOf(base)] {
		add(rolename.Successor(base, n))
	}
	add(base)
	return out
}

// present is the newest role of a line that is there and in use.
func present(line []generation) (string, bool) {
	for _, g := range line {
		if g.exists && !g.retired {
			return g.name, true
		}
	}
	return "", false
}

// storedFor are the roles that carry a policy in Airflow now, the newest first. One that is not ours yet counts: it may
// be taken over.
func (w *work) storedFor(c *policyCase) []string {
	if len(w.generations(c, c.role)) == 0 && w.exists(c.role) {
		return []string{c.role}
	}
	return w.presentIn(c, c.role)
}

// presentIn are the roles of a line that are there and in use, the newest first.
func (w *work) presentIn(c *policyCase, base string) []string {
	var out []string
	for _, g := range w.generations(c, base) {
		if g.exists && !g.retired {
			out = append(out, g.name)
		}
	}
	return out
}

// contents is what Airflow stores in any of some roles.
func (w *work) contents(roles []string) []permission.Pair {
	var out []permission.Pair
	for i, role := range roles {
		if i == 0 {
			out = w.content(role)
		} else {
			out = permission.Union(out, w.content(role))
		}
	}
	return out
}

// carry chooses the role of a line that carries it from now on. The same is chosen again after every step on the way: a
// role that will do stays one that will do. While nothing is granted it is the present one.
func (w *work) carry(c *policyCase, base string, want []permission.Pair) string {
	line := w.generations(c, base)
	if len(line) == 0 {
		return base
	}
	if !c.giving.All() {
		if name, ok := present(line); ok {
			return name
		}
	}
	for _, suits := range []func(g generation) bool{
		func(g generation) bool { return g.exists && !g.retired && w.fits(g.name, want) },
		func(g generation) bool { return !g.exists && !g.retired },
		func(g generation) bool { return g.exists && g.retired && w.revives(base, g.name, want) },
	} {
		if at := slices.IndexFunc(line, suits); at >= 0 {
			return line[at].name
		}
	}
	return rolename.Successor(base, w.nextNumber(base))
}

// fits says whether a role can come to hold exactly what it should.
func (w *work) fits(role string, want []permission.Pair) bool {
	return !w.in.OnlyAdds() || permission.Contains(want, w.content(role))
}

// revives says whether a retired role can be used again: nobody is in it, and it holds what it should, or can be made to.
func (w *work) revives(base, role string, want []permission.Pair) bool {
	if w.holders()[role] {
		return false
	}
	if !w.in.OnlyAdds() {
		return true
	}
	restores := w.in.Contested[access.RoleKey(base)] || w.in.Instance.Spec.Drift == v1alpha1.DriftReport
	return !restores && slices.Equal(w.content(role), want)
}

// nextNumber is above those of all successors that are known.
func (w *work) nextNumber(base string) int {
	known, n := w.successors[rolename.LineOf(base)], 1
	if len(known) > 0 && known[0] < rolename.MaxSuccessor {
		return known[0] + 1
	}
	for slices.Contains(known, n) {
		n++
	}
	return n
}

// findSuccessors notes the numbers of all successors that are inventoried or stored, the highest first.
func (w *work) findSuccessors() {
	note := func(name string) {
		if line, n, ok := rolename.Succession(name); ok {
			w.successors[line] = append(w.successors[line], n)
		}
	}
	for name := range w.stored {
		note(name)
	}
	for name := range w.in.Observed.Roles {
		if _, stored := w.stored[name]; !stored {
			note(name)
		}
	}
	for _, numbers := range w.successors {
		slices.SortFunc(numbers, func(a, b int) int { return b - a })
	}
	if len(w.successors) > 0 {
		w.kin = access.KinOf(w.in.Instance.Status.ManagedRoles)
	}
}

// holders are the roles that somebody but the operator's account is in.
func (w *work) holders() map[string]bool {
	if w.held == nil {
		w.held = map[string]bool{}
		for _, user := range w.in.Observed.Users {
			if w.users.IsAccount(user.Username) {
				continue
			}
			for _, role := range user.Roles {
				w.held[role] = true
			}
		}
	}
	return w.held
}

// heldBy is the role of a line that a user is in, when nothing may be granted: a user who has not come to the successor
// yet stays in the old one.
func (w *work) heldBy(c *policyCase, base string, user access.User) (string, bool) {
	for _, g := range w.generations(c, base) {
		if g.exists && !g.retired && slices.Contains(user.Roles, g.name) {
			return g.name, true
		}
	}
	return "", false
}

// retires says whether a role that nothing needs stays in Airflow, and all who were in it have left. Whom somebody else
// puts into it later leaves again; that does not bring it back into use.
func (w *work) retires(entry v1alpha1.ManagedRole) bool {
	stays := !w.in.Deletes() || entry.Adopted && w.carried[rolename.LineOf(entry.Name)]
	return stays && w.exists(entry.Name) && (entry.Retired || !w.holders()[entry.Name])
}
