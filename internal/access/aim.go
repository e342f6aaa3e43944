package access

import (
	"maps"
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// aim is what a plan can reach: the desired state less what is frozen, contested or only reported.
type aim struct {
	in      *Input
	d       *Desired
	managed map[string]bool // roles whose members are exact
	retired map[string]bool // roles that were empty and out of use before
	// succeeds is true when some managed role has or is a successor.
	succeeds bool
	roles    map[string]*roleAim
	users    []userAim // those who have or should have managed roles, by name
	drift    []Drift
	lost     lost
}

// roleAim is where one managed role is and should come to.
type roleAim struct {
	name         string
	exists       bool
	create, drop bool
	have, want   []permission.Pair // canonical; equal when nothing is to change
}

// change is what has to happen to the permissions of an existing role.
type change int

const (
	unchanged change = iota
	widens           // gets more
	replaces         // gets some and loses some
	narrows          // gets less
)

func (r *roleAim) change() change {
	more, less := !permission.Contains(r.have, r.want), !permission.Contains(r.want, r.have)
	switch {
	case r.create || r.drop || !more && !less:
		return unchanged
	case more && less:
		return replaces
	case more:
		return widens
	}
	return narrows
}

// userAim is where one user is and should come to, managed roles only; all lists are sorted.
type userAim struct {
	name string
	// foreign are the other roles.
	foreign []string
	// gone are roles without a cause, which are taken off first.
	gone []string
	// have are the roles that are left then, want those that the user should have.
	have, want []string
}

func newAim(in *Input, d *Desired) *aim {
	a := &aim{in: in, d: d, managed: make(map[string]bool, len(d.Roles)+len(d.Doomed)), roles: make(map[string]*roleAim, len(d.Roles))}
	for name := range d.Roles {
		if rolename.Manageable(name) {
			a.managed[name] = true
		}
	}
	for _, name := range d.Doomed {
		if rolename.Manageable(name) {
			a.managed[name] = true
		}
	}
	for name := range a.managed {
		_, _, ok := rolename.Succession(name)
		a.succeeds = a.succeeds || ok
	}
	a.retired = map[string]bool{}
	for _, entry := range in.Instance.Status.ManagedRoles {
		if entry.Retired {
			a.retired[entry.Name] = true
		}
	}
	a.drift, a.lost = findDrift(in, d, a.managed, a.retired)
	a.aimRoles()
	a.aimUsers()
	return a
}

// withheld says whether the restoration of an item is left out.
func (a *aim) withheld(key string) bool {
	return a.in.Contested[key] || a.in.Instance.Spec.Drift == v1alpha1.DriftReport
}

func (a *aim) aimRoles() {
	for name, role := range a.d.Roles {
		if !a.managed[name] {
			continue
		}
		stored, exists := a.in.Observed.Roles[name]
		r := &roleAim{name: name, exists: exists, have: a.in.canonical(stored), want: a.in.canonical(role.Permissions)}
		a.decideRole(r, role)
		a.roles[name] = r
	}
	adopted := map[string]bool{}
	for _, entry := range a.d.Inventory {
		adopted[entry.Name] = entry.Adopted
	}
	for _, name := range a.d.Doomed {
		stored, exists := a.in.Observed.Roles[name]
		if a.managed[name] && exists && a.roles[name] == nil {
			have := a.in.canonical(stored)
			a.roles[name] = &roleAim{name: name, exists: true, have: have, want: have, drop: !adopted[name] && a.in.deletes()}
		}
	}
}

// decideRole says what becomes of a desired role: what nobody may restore is left out, and so is what cannot be done.
func (a *aim) decideRole(r *roleAim, role Role) {
	key := RoleKey(r.name)
	switch {
	case role.Narrows && !r.exists:
		r.create = len(r.want) > 0
	case role.Narrows:
		r.want = permission.Intersect(r.want, r.have)
	case role.Frozen:
		r.want = r.have
	case !r.exists && role.Follows == "":
		r.create = !a.in.Contested[key] && (!a.lost.roles[r.name] || !a.withheld(key))
	case a.in.Contested[key]:
		r.create, r.want = !r.exists, permission.Intersect(r.want, permission.Union(r.have, a.followed(r.name)))
	default:
		r.create = !r.exists
		if a.withheld(key) {
			r.want = permission.Minus(r.want, a.lost.pairs[r.name])
		}
	}
	a.bound(r)
}

// bound leaves out of what a role should hold what cannot be done now.
func (a *aim) bound(r *roleAim) {
	if a.in.NoGain[r.name] && r.exists {
		r.want = permission.Intersect(r.want, r.have)
	}
	switch {
	case !r.exists && !r.create:
		r.want = r.have // nothing can be changed in what is not there
	case !r.exists:
	case a.in.refuses():
		r.want = r.have
	case a.in.adds():
		r.want = permission.Union(r.have, r.want)
	}
}

// followed is what the role holds whose place a role takes that was not there at the end of the previous pass.
func (a *aim) followed(name string) []permission.Pair {
	if a.in.Previous != nil {
		if _, before := a.in.Previous.Roles[name]; before {
			return nil
		}
	}
	return a.in.canonical(a.in.Observed.Roles[a.d.Roles[name].Follows])
}

// aimUsers decides for every user which managed roles go first, stay, and come. The operator's account is left out.
func (a *aim) aimUsers() {
	account := text.Fold(a.in.Account)
	pinned := a.pinnedElsewhere()
	for _, user := range a.in.Observed.Users {
		if account != "" && text.Fold(user.Username) == account {
			continue
		}
		u := a.aimUser(&user, pinned)
		if len(u.gone)+len(u.have)+len(u.want) > 0 {
			a.users = append(a.users, u)
		}
	}
	slices.SortFunc(a.users, func(x, y userAim) int { return strings.Compare(x.name, y.name) })
	a.findMovers()
	for i := range a.users {
		u := &a.users[i]
		u.foreign, u.gone, u.have, u.want = sortedSet(u.foreign), sortedSet(u.gone), sortedSet(u.have), sortedSet(u.want)
	}
}

// aimUser decides about the roles of one user.
func (a *aim) aimUser(user *User, pinned map[string]bool) userAim {
	wanted := a.d.Members[user.Username]
	u := userAim{name: user.Username}
	for _, role := range user.Roles {
		switch {
		case !a.managed[role] && (len(pinned) == 0 || !pinned[MemberKey(user.Username, role)]):
			u.foreign = append(u.foreign, role)
		case a.managed[role] && (slices.Contains(wanted, role) || isBridge(role) && a.crossing(user.Username, role)):
			u.have = append(u.have, role)
		case a.succeeds && a.passesOn(role, user.Roles, wanted):
			u.have = append(u.have, role)
		default:
			u.gone = append(u.gone, role)
		}
	}
	for _, role := range wanted {
		if a.canHave(user.Username, role, u.have) || a.comesTo(role, user.Roles) {
			u.want = append(u.want, role)
		}
	}
	return u
}

// crossing says whether a user is half way over a bridge and goes straight on to the final roles. The name of the bridge
// proves that nothing that the user should have has ended since it was made.
func (a *aim) crossing(username, role string) bool {
	bridge, wanted := a.roles[role], a.d.Members[username]
	return bridge != nil && rolename.SameLine(role, bridgeName(string(a.in.Instance.UID), wanted, bridge.have)) &&
		slices.ContainsFunc(wanted, func(name string) bool { return a.canHave(username, name, nil) || a.comesTo(name, []string{role}) })
}

// canHave says whether a user who should have a role has it or can get it now.
func (a *aim) canHave(username, role string, have []string) bool {
	r := a.roles[role]
	switch {
	case r == nil || !r.exists && !r.create || a.d.Roles[role].Name == "":
		return false
	case slices.Contains(have, role):
		return true
	case a.d.Roles[role].Frozen:
		return false
	case a.succeeds && slices.ContainsFunc(have, func(held string) bool { return rolename.SameLine(held, role) }):
		return true
	}
	key := MemberKey(username, role)
	return !a.in.Contested[key] && (!a.lost.members[key] || !a.withheld(key))
}

// passesOn says whether a user is in a role whose place another one takes, which the user should have and has not yet.
func (a *aim) passesOn(role string, has, wanted []string) bool {
	return a.roles[role] != nil && !a.retired[role] && slices.ContainsFunc(wanted, func(name string) bool {
		return rolename.SameLine(name, role) && !slices.Contains(has, name) && (a.canHave("", name, []string{role}) || a.comesTo(name, has))
	})
}

// comesTo says whether a user in some roles may come to another one that only narrows: it gives nothing that the managed
// ones among them do not.
func (a *aim) comesTo(role string, has []string) bool {
	r := a.roles[role]
	if r == nil || !r.exists && !r.create || !a.d.Roles[role].Narrows {
		return false
	}
	var held []permission.Pair
	for _, name := range has {
		if own := a.roles[name]; own != nil {
			held = permission.Union(held, own.have)
		}
	}
	return permission.Contains(held, r.want)
}

// pinnedElsewhere are memberships (MemberKey) that ended grants pinned in roles that are not managed any more, or in
// their successors: the grant itself proves that they were ours. Roles that were let go of are nobody's business.
func (a *aim) pinnedElsewhere() map[string]bool {
	out := map[string]bool{}
	var known map[rolename.Line]bool
	for _, g := range a.in.Grants {
		pinned := g.In(a.in.Instance)
		if pinned == nil || g.Status.RemovedAt != nil || a.managed[pinned.Role] || !rolename.LineOf(pinned.Role).Manageable() || a.d.Grants[g.UID].Live {
			continue
		}
		if known == nil {
			known = knownLines(a.d)
		}
		if !known[rolename.LineOf(pinned.Role)] {
			out[MemberKey(pinned.Username, pinned.Role)] = true
		}
	}
	return out
}

// knownLines are the lines that the inventory knows: a role of such a line that is not inventoried is somebody else's.
func knownLines(d *Desired) map[rolename.Line]bool {
	known := make(map[rolename.Line]bool, len(d.Inventory))
	doomed := setOf(d.Doomed)
	for _, entry := range d.Inventory {
		if _, desired := d.Roles[entry.Name]; desired || doomed[entry.Name] || entry.Orphaned {
			known[rolename.LineOf(entry.Name)] = true
		}
	}
	return known
}

// findMovers takes roles back from gone to have when a live grant that they carried moves to another role of its
// policy in this plan: such a user must not be without both for an instant.
func (a *aim) findMovers() {
	policies := map[string]*v1alpha1.DagAccessPolicy{}
	for _, p := range a.in.Policies {
		policies[p.Namespace+"/"+p.Name] = p
	}
	for _, g := range a.in.Grants {
		desire := a.d.Grants[g.UID]
		if !desire.Live || desire.Problem != nil {
			continue
		}
		at, ok := slices.BinarySearchFunc(a.users, desire.Username, func(u userAim, name string) int { return strings.Compare(u.name, name) })
		if !ok {
			continue
		}
		u := &a.users[at]
		policy := policies[g.PolicyKey().String()]
		if len(u.gone) == 0 || policy == nil || slices.Contains(u.have, desire.Role) || !slices.Contains(u.want, desire.Role) {
			continue
		}
		bases := carriers(policy, a.in.Instance, g.Status.Activation, g.In(a.in.Instance))
		carried := func(role string) bool {
			return a.roles[role] != nil && !a.retired[role] && slices.ContainsFunc(bases, func(base string) bool { return rolename.SameLine(base, role) })
		}
		for _, role := range slices.Clone(u.gone) {
			if carried(role) {
				u.gone = slices.DeleteFunc(u.gone, func(name string) bool { return name == role })
				u.have = append(u.have, role)
			}
		}
	}
}

// names are the managed roles in order.
func (a *aim) names() []string { return slices.Sorted(maps.Keys(a.roles)) }
