package access

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// RoleKey is the Drift.Key of a role.
func RoleKey(role string) string { return "role/" + role }

// MemberKey is the Drift.Key of a user's membership in a role.
func MemberKey(username, role string) string { return "member/" + username + "/" + role }

// lost is what others took away and nobody but them has decided: a plan may have to leave its restoration out.
type lost struct {
	pairs   map[string][]Permission // role -> pairs, sorted
	roles   map[string]bool         // roles that are gone
	members map[string]bool         // MemberKey
}

// findDrift compares the end of the previous pass with what is observed now, on what the stored inventory holds.
// What nobody wants any more is no drift when it is gone.
func findDrift(in *Input, d *Desired, managed map[string]bool) ([]Drift, lost) {
	f := driftFinder{in: in, d: d, managed: managed, lost: lost{
		pairs: map[string][]Permission{}, roles: map[string]bool{}, members: map[string]bool{},
	}}
	for _, entry := range in.Instance.Status.ManagedRoles {
		if managed[entry.Name] && !entry.Orphaned {
			f.role(entry)
		}
	}
	if in.Previous != nil {
		f.users()
	}
	slices.SortFunc(f.found, func(a, b Drift) int { return strings.Compare(a.Key, b.Key) })
	return f.found, f.lost
}

type driftFinder struct {
	in      *Input
	d       *Desired
	managed map[string]bool
	found   []Drift
	lost    lost
}

func (f *driftFinder) role(entry v1alpha1.ManagedRole) {
	drift := Drift{Key: RoleKey(entry.Name), Role: entry.Name}
	desired, wanted := f.d.Roles[entry.Name]
	stored, exists := f.in.Observed.Roles[entry.Name]
	if f.in.Previous == nil {
		if !exists && wanted {
			drift.What, drift.Cause = "the role is missing", CauseUnknown
			f.lost.roles[entry.Name] = true
			f.found = append(f.found, drift)
		}
		return
	}
	before, existed := f.in.Previous.Roles[entry.Name]
	switch {
	case existed && !exists && !wanted:
		return
	case existed && !exists:
		drift.What, drift.Cause = "the role was deleted", CauseRoleDeleted
		f.lost.roles[entry.Name] = true
	case !existed && exists:
		drift.What, drift.Cause = "the role was created by somebody else", CauseManual
	case !existed || slices.Equal(before, stored):
		return
	default:
		had, has := f.in.canonical(before), f.in.canonical(stored)
		taken, added := intersect(minus(had, has), f.in.canonical(desired.Permissions)), minus(has, had)
		if len(taken)+len(added) == 0 {
			return
		}
		f.lost.pairs[entry.Name] = taken
		drift.What, drift.Cause = describeEdit(taken, added), CauseRoleEdited
		if byAccessControl(had, has, taken, added) {
			drift.Cause = CauseDagAccessControl
		}
	}
	f.found = append(f.found, drift)
}

// byAccessControl recognises what DAG code with access_control does: rights on some DAGs vanish or change, and the global
// pairs stay.
func byAccessControl(had, has, taken, added []Permission) bool {
	perDag := func(ps []Permission) bool {
		for _, p := range ps {
			if _, ok := dagOf(p); !ok {
				return false
			}
		}
		return true
	}
	if len(taken) == 0 || !perDag(taken) || !perDag(added) || perDag(had) {
		return false
	}
	left := dagsIn(minus(has, added))
	for _, p := range taken {
		if id, _ := dagOf(p); left[id] {
			return false
		}
	}
	return true
}

func describeEdit(taken, added []Permission) string {
	var parts []string
	if len(taken) > 0 {
		parts = append(parts, fmt.Sprintf("%d permissions were taken away (%s)", len(taken), listPermissions(taken, 2)))
	}
	if len(added) > 0 {
		parts = append(parts, fmt.Sprintf("%d permissions were added (%s)", len(added), listPermissions(added, 2)))
	}
	return cut(strings.Join(parts, ", "), 256)
}

func listPermissions(ps []Permission, limit int) string {
	names := make([]string, 0, len(ps))
	for _, p := range ps {
		names = append(names, cut(p.String(), 60))
	}
	return list(names, limit)
}

// users compares who is in managed roles.
func (f *driftFinder) users() {
	before := make(map[string]User, len(f.in.Previous.Users))
	for _, user := range f.in.Previous.Users {
		before[user.Username] = user
	}
	for _, user := range f.in.Observed.Users {
		previous := before[user.Username]
		delete(before, user.Username)
		if !slices.Equal(previous.Roles, user.Roles) {
			f.member(previous, user)
		}
	}
	for _, username := range slices.Sorted(maps.Keys(before)) {
		if ours := f.ours(before[username].Roles); len(ours) > 0 {
			f.found = append(f.found, Drift{
				Key: MemberKey(username, ""), Username: username, Cause: CauseUserDeleted,
				What: fmt.Sprintf("the user was deleted, who had %s", cut(list(ours, 4), 200)),
			})
		}
	}
}

func (f *driftFinder) member(before, now User) {
	had, has := f.ours(before.Roles), f.ours(now.Roles)
	onBridge := slices.ContainsFunc(now.Roles, isBridge)
	if onBridge || f.in.Account != "" && fold(now.Username) == fold(f.in.Account) {
		return
	}
	cause := CauseManual
	if len(had) > 0 && len(has) == 0 && before.LastLogin != now.LastLogin {
		cause = CauseLoginRoleSync
	}
	for _, role := range had {
		if slices.Contains(has, role) || f.lost.roles[role] || !slices.Contains(f.d.Members[now.Username], role) {
			continue
		}
		key := MemberKey(now.Username, role)
		f.lost.members[key] = true
		f.found = append(f.found, Drift{Key: key, Role: role, Username: now.Username, Cause: cause, What: "the role was taken off the user"})
	}
	for _, role := range has {
		if !slices.Contains(had, role) {
			f.found = append(f.found, Drift{
				Key: MemberKey(now.Username, role), Role: role, Username: now.Username, Cause: CauseManual,
				What: "the role was given to the user by somebody else",
			})
		}
	}
}

func (f *driftFinder) ours(roles []string) []string {
	var out []string
	for _, role := range roles {
		if f.managed[role] {
			out = append(out, role)
		}
	}
	return out
}

// Remember gives what to hand in as Input.Previous of the next pass: what was observed after this one, but with the
// previous value of everything whose restoration the plan left out, so that it stays drift until it is as it was.
func Remember(in Input, p Plan, after Observed) *Observed {
	next := after
	if in.Previous == nil {
		return &next
	}
	users := map[string][]string{}
	rolesCloned := false
	for _, drift := range p.Drift {
		switch {
		case drift.Repaired || drift.Role == "":
		case drift.Username != "":
			users[drift.Username] = append(users[drift.Username], drift.Role)
		default:
			before, existed := in.Previous.Roles[drift.Role]
			if !existed {
				continue
			}
			if !rolesCloned {
				next.Roles, rolesCloned = maps.Clone(after.Roles), true
			}
			if stored, ok := after.Roles[drift.Role]; ok {
				before = union(in.canonical(stored), minus(in.canonical(before), in.canonical(in.Observed.Roles[drift.Role])))
			}
			next.Roles[drift.Role] = before
		}
	}
	if len(users) > 0 {
		next.Users = rememberMembers(users, in.Previous.Users, after.Users)
	}
	return &next
}

// rememberMembers gives users the drifted roles back that they had before.
func rememberMembers(drifted map[string][]string, previous, after []User) []User {
	had := map[string][]string{}
	for _, user := range previous {
		for _, role := range drifted[user.Username] {
			if slices.Contains(user.Roles, role) {
				had[user.Username] = append(had[user.Username], role)
			}
		}
	}
	out := slices.Clone(after)
	for i := range out {
		if roles := had[out[i].Username]; roles != nil {
			out[i].Roles = sortedSet(slices.Concat(out[i].Roles, roles))
		}
	}
	return out
}
