package plan

import (
	"maps"
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/internal/access"

	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// aim is what a plan can reach: the desired state less what is frozen, contested or only reported.
type aim struct {
	in      *access.Input
	d       *access.Desired
	managed map[string]bool // roles whose members are exact
	retired map[string]bool // roles that were empty and out of use before
	// succeeds is true when some managed role has or is a successor.
	succeeds bool
	roles    map[string]*roleAim
	users    []userAim // those who have or should have managed roles, by name
	drift    []access.Drift
	lost     lost
}

// roleAim is where one managed role is and should come to.
type roleAim struct {
	name         string
	exists       bool
	create, drop bool
	have, want   []permission.Pair // canonical; equal when nothing is to change
	change       change
}

// change is what has to happen to the permissions of an existing role.
type change int

const (
	unchanged change = iota
	widens           // gets more
	replaces         // gets some and loses some
	narrows          // gets less
)

// gains says whether a role gets permissions.
func (c change) gains() bool { return c == widens || c == replaces }

// loses says whether a role loses permissions.
func (c change) loses() bool { return c == narrows || c == replaces }

// comes says whether the role is there, or comes to be in this plan.
func (r *roleAim) comes() bool { return r != nil && (r.exists || r.create) }

// changeOf compares what an existing role holds with what it should hold.
func (r *roleAim) changeOf() change {
	if r.create || r.drop {
		return unchanged
	}
	if permission.Contains(r.have, r.want) { // it gains nothing
		if permission.Contains(r.want, r.have) {
			return unchanged
		}
		return narrows
	}
	if permission.Contains(r.want, r.have) {
		return widens
	}
	return replaces
}

// userAim is where one user is and should come to, managed roles only; all lists are sorted.
type userAim struct {
	name string
	// gone are roles without a cause, which are taken off first.
	gone []string
	// have are the roles that are left then, want those that the user should have.
	have, want []string
}

func newAim(in *access.Input, d *access.Desired) *aim {
	a := &aim{in: in, d: d, managed: make(map[string]bool, len(d.Roles)+len(d.Doomed)), roles: make(map[string]*roleAim, len(d.Roles))}
	for _, name := range slices.AppendSeq(slices.Clone(d.Doomed), maps.Keys(d.Roles)) {
		if rolename.Manageable(name) {
			a.managed[name] = true
		}
	}
	for name := range a.managed {
		if _, _, succeeds := rolename.Succession(name); succeeds {
			a.succeeds = true
		}
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

// leftOut says whether an item that is missing is not given now: because that is contested, or because another writer took
// it and the instance only reports drift.
func (a *aim) leftOut(key string, lost bool) bool {
	if lost {
		return a.in.LeavesOut(key)
	}
	return a.in.Contested[key]
}

// aimRoles decides for every managed role what it should come to hold.
func (a *aim) aimRoles() {
	for name, role := range a.d.Roles {
		if !a.managed[name] {
			continue
		}
		stored, exists := a.in.Observed.Roles[name]
		r := &roleAim{name: name, exists: exists, have: a.in.Canonical(stored), want: a.in.Canonical(role.Permissions)}
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
			have := a.in.Canonical(stored)
			a.roles[name] = &roleAim{name: name, exists: true, have: have, want: have, drop: !adopted[name] && a.in.Deletes()}
		}
	}
}

// decideRole says what becomes of a desired role: what nobody may restore is left out, and so is what cannot be done.
func (a *aim) decideRole(r *roleAim, role access.Role) {
	key := access.RoleKey(r.name)
	switch {
	case role.Upkeep == access.UpkeepNone:
		r.want = r.have
	case role.Upkeep == access.UpkeepNarrow:
		r.want = permission.Intersect(r.want, r.have)
	case !r.exists && role.Follows == "":
		r.create = !a.leftOut(key, a.lost.roles[r.name])
	case a.in.Contested[key]:
		r.create, r.want = !r.exists, permission.Intersect(r.want, permission.Union(r.have, a.followed(r.name)))
	default:
		r.create = !r.exists
		if a.in.LeavesOut(key) {
			r.want = permission.Minus(r.want, a.lost.pairs[r.name])
		}
	}
	r.want = permission.Minus(r.want, a.in.Disputed(r.name, r.want, permission.Union(r.have, a.followed(r.name))))
	a.bound(r)
	r.change = r.changeOf()
}

// bound leaves out of what a role should hold what cannot be done now.
func (a *aim) bound(r *roleAim) {
	if a.in.NoGain[r.name] && r.exists {
		r.want = permission.Intersect(r.want, r.have)
	}
	switch {
	case !r.comes():
		r.want = r.have // nothing can be changed in what is not there
	case !r.exists:
	case a.in.OnlyAdds():
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
	return a.in.Canonical(a.in.Observed.Roles[a.d.Roles[name].Follows])
}

// aimUsers decides for every user which managed roles go first, stay, and come. The operator's account is left out.
func (a *aim) aimUsers() {
	pinned := a.pinnedElsewhere()
	for _, user := range a.in.Observed.Users {
		if a.in.IsAccount(user.Username) {
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
		u.gone, u.have, u.want = text.SortedSet(u.gone), text.SortedSet(u.have), text.SortedSet(u.want)
	}
}

// aimUser decides about the roles of one user.
func (a *aim) aimUser(user *access.User, pinned map[string]bool) userAim {
	wanted := a.d.Members.Roles(user.Username)
	u := userAim{name: user.Username}
	for _, role := range user.Roles {
		switch {
		case !a.managed[role]:
			if len(pinned) > 0 && pinned[access.MemberKey(user.Username, role)] {
				u.gone = append(u.gone, role)
			}
		case slices.Contains(wanted, role), a.passesOn(role, user.Roles, wanted):
			u.have = append(u.have, role)
		default:
			u.gone = append(u.gone, role)
		}
	}
	for _, role := range wanted {
		if a.canHave(user.Username, role, u.have) {
			u.want = append(u.want, role)
		}
	}
	return u
}

// canHave says whether a user who should have a role has it or can get it now.
func (a *aim) canHave(username, role string, have []string) bool {
	desired, ok := a.d.Roles[role]
	if !ok || !a.roles[role].comes() {
		return false
	}
	switch {
	case slices.Contains(have, role):
		return true
	case !desired.Giving.All():
		return false
	case a.follows(role, have):
		return true
	}
	key := access.MemberKey(username, role)
	return !a.leftOut(key, a.lost.members[key])
}

// follows says whether a role is of the line of one that a user has: it takes the place of that one.
func (a *aim) follows(role string, have []string) bool {
	return a.succeeds && slices.ContainsFunc(have, func(held string) bool { return rolename.SameLine(held, role) })
}

// passesOn says whether a user is in a role whose place another one takes, which the user should have and has not yet.
func (a *aim) passesOn(role string, has, wanted []string) bool {
	if !a.succeeds || !a.inUse(role) {
		return false
	}
	return slices.ContainsFunc(wanted, func(name string) bool {
		return rolename.SameLine(name, role) && !slices.Contains(has, name) && a.canHave("", name, []string{role})
	})
}

// inUse says whether a role is managed and not retired.
func (a *aim) inUse(role string) bool { return a.roles[role] != nil && !a.retired[role] }

// pinnedElsewhere are memberships (MemberKey) that ended grants pinned in roles that are not managed any more, or in
// their successors: the grant itself proves that they were ours. Roles that were let go of are nobody's business.
func (a *aim) pinnedElsewhere() map[string]bool {
	out := map[string]bool{}
	var known map[rolename.Line]bool
	for _, g := range a.in.Grants {
		pinned := unproved(a.in, a.d, g)
		if pinned == nil || a.managed[pinned.Role] {
			continue
		}
		if !rolename.LineOf(pinned.Role).Manageable() {
			continue
		}
		if known == nil {
			known = access.KnownLines(a.d)
		}
		if !known[rolename.LineOf(pinned.Role)] {
			out[access.MemberKey(pinned.Username, pinned.Role)] = true
		}
	}
	return out
}

// unproved is what a grant pinned in the instance that is not live any more and whose removal was not proved; nil for
// every other grant.
func unproved(in *access.Input, d *access.Desired, g *v1alpha1.AccessGrant) *v1alpha1.GrantInstance {
	if d.Grants[g.UID].Live || g.Status.RemovedAt != nil {
		return nil
	}
	return g.In(in.Instance)
}

// findMovers takes roles back from gone to have when a live grant that they carried moves to another role of its
// policy in this plan: such a user must not be without both for an instant.
func (a *aim) findMovers() {
	var objects *objects
	for i := range a.users {
		u := &a.users[i]
		if len(u.gone) == 0 {
			continue
		}
		if objects == nil {
			objects = newObjects(a.in)
		}
		for _, role := range u.want {
			if slices.Contains(u.have, role) {
				continue
			}
			for _, cause := range a.d.Members.Causes(u.name, role) {
				a.takeBack(u, objects.carriers(cause))
			}
		}
	}
}

// takeBack takes roles of the lines of bases back from gone to have.
func (a *aim) takeBack(u *userAim, bases []string) {
	carried := func(role string) bool {
		return a.inUse(role) && slices.ContainsFunc(bases, func(base string) bool { return rolename.SameLine(base, role) })
	}
	for _, role := range slices.Clone(u.gone) {
		if carried(role) {
			u.gone = slices.DeleteFunc(u.gone, func(name string) bool { return name == role })
			u.have = append(u.have, role)
		}
	}
}

// objects are the policies and grants of an input by name and UID.
type objects struct {
	in       *access.Input
	policies map[types.NamespacedName]*v1alpha1.DagAccessPolicy
	grants   map[types.UID]*v1alpha1.AccessGrant
}

func newObjects(in *access.Input) *objects {
	o := &objects{in: in, policies: map[types.NamespacedName]*v1alpha1.DagAccessPolicy{}, grants: map[types.UID]*v1alpha1.AccessGrant{}}
	for _, p := range in.Policies {
		o.policies[types.NamespacedName{Namespace: p.Namespace, Name: p.Name}] = p
	}
	for _, g := range in.Grants {
		o.grants[g.UID] = g
	}
	return o
}

// carriers are the roles that can have carried a grant; none for other causes.
func (o *objects) carriers(cause access.Cause) []string {
	grant, policy := o.grants[cause.UID], o.policies[cause.Policy]
	if cause.Kind != access.CauseGrant || grant == nil {
		return nil
	}
	pinned := grant.In(o.in.Instance)
	if policy == nil {
		return []string{pinned.Role}
	}
	return access.Carriers(policy, o.in.Instance, grant.Status.Activation, pinned)
}

// names are the managed roles in order.
func (a *aim) names() []string { return slices.Sorted(maps.Keys(a.roles)) }
