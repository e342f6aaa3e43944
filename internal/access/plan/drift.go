package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/internal/access"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// lost is what others took away and nobody but them has decided: a plan may have to leave its restoration out.
type lost struct {
	pairs   map[string][]permission.Pair // desired role -> pairs, sorted
	roles   map[string]bool              // desired roles that are gone
	members map[string]bool              // MemberKey
}

// findDrift compares the end of the previous pass with what is observed now, on what the stored inventory holds.
// What nobody wants any more is no drift when it is gone.
func findDrift(in *access.Input, d *access.Desired, managed, retired map[string]bool) ([]access.Drift, lost) {
	f := driftFinder{in: in, d: d, managed: managed, retired: retired, lost: lost{
		pairs: map[string][]permission.Pair{}, roles: map[string]bool{}, members: map[string]bool{},
	}}
	f.findHeirs()
	for _, entry := range in.Instance.Status.ManagedRoles {
		if managed[entry.Name] && inService(&entry) && f.stands(entry.Name) {
			f.role(entry)
		}
	}
	if in.Previous != nil {
		f.users()
	}
	slices.SortFunc(f.found, func(a, b access.Drift) int { return strings.Compare(a.Key, b.Key) })
	return f.found, f.lost
}

// driftFinder collects what others changed.
type driftFinder struct {
	in      *access.Input
	d       *access.Desired
	managed map[string]bool
	retired map[string]bool
	kin     map[rolename.Line][]v1alpha1.ManagedRole
	heirs   map[rolename.Line]string // line with successors -> the desired role that carries it
	found   []access.Drift
	lost    lost
}

// findHeirs finds the desired role of every line that has a successor; of several, the newest.
func (f *driftFinder) findHeirs() {
	f.kin = access.KinOf(f.d.Inventory)
	if f.kin == nil {
		return
	}
	f.heirs = map[rolename.Line]string{}
	for name := range f.d.Roles {
		line := rolename.LineOf(name)
		if _, ok := f.kin[line]; !ok {
			continue
		}
		if before, ok := f.heirs[line]; !ok || rolename.CompareNewest(name, before) < 0 {
			f.heirs[line] = name
		}
	}
}

// inService says whether an inventoried role was neither let go of nor retired.
func inService(entry *v1alpha1.ManagedRole) bool { return !entry.Orphaned && !entry.Retired }

// heir is the desired role that carries what a role carried.
func (f *driftFinder) heir(role string) string {
	if name, ok := f.heirs[rolename.LineOf(role)]; ok && !f.retired[role] {
		return name
	}
	return role
}

// successorOf is the role that takes the place of a drifted one; empty where it stays.
func successorOf(role, heir string) string {
	if heir == role {
		return ""
	}
	return heir
}

// stands says whether a role is the one of its line that others can have changed since the previous pass.
func (f *driftFinder) stands(role string) bool {
	heir, ok := f.heirs[rolename.LineOf(role)]
	if !ok {
		return true
	}
	before, existed := f.reference(heir)
	if !existed {
		before = heir
	}
	return role == before
}

// reference is the role that stood where role stands now, at the end of the previous pass: itself, or the role of its
// line that it takes the place of.
func (f *driftFinder) reference(role string) (string, bool) {
	if f.in.Previous == nil {
		return "", false
	}
	if _, existed := f.in.Previous.Roles[role]; existed {
		return role, true
	}
	for _, entry := range f.kin[rolename.LineOf(role)] {
		if _, existed := f.in.Previous.Roles[entry.Name]; existed && inService(&entry) {
			return entry.Name, true
		}
	}
	return "", false
}

// storedAs is what Airflow stores of a role. What a successor lacks that is still being made was taken by nobody.
func (f *driftFinder) storedAs(role, heir string) ([]permission.Pair, bool) {
	stored, exists := f.in.Observed.Roles[role]
	if successor, made := f.in.Observed.Roles[heir]; made && heir != role {
		return permission.Union(f.in.Canonical(stored), f.in.Canonical(successor)), true
	}
	return stored, exists
}

// role compares one inventoried role.
func (f *driftFinder) role(entry v1alpha1.ManagedRole) {
	heir := f.heir(entry.Name)
	drift := access.Drift{Key: access.RoleKey(entry.Name), Role: entry.Name, Successor: successorOf(entry.Name, heir)}
	desired, wanted := f.d.Roles[heir]
	stored, exists := f.storedAs(entry.Name, heir)
	if f.in.Previous == nil {
		if !exists && wanted && desired.Follows == "" {
			drift.What, drift.Cause, drift.Taken = named("role %s is missing", entry.Name), v1alpha1.DriftCauseUnknown, true
			f.lost.roles[heir] = true
			f.found = append(f.found, drift)
		}
		return
	}
	before, existed := f.in.Previous.Roles[entry.Name]
	switch {
	case existed && exists:
		if !slices.Equal(before, stored) {
			f.found = append(f.found, f.edits(drift, heir, before, stored)...)
		}
		return
	case existed:
		if !wanted {
			return
		}
		drift.What, drift.Cause, drift.Taken = named("role %s was deleted", entry.Name), v1alpha1.DriftCauseRoleDeleted, true
		f.lost.roles[heir] = true
	case exists:
		drift.What, drift.Cause = named("role %s was created by another writer", entry.Name), v1alpha1.DriftCauseManual
	default:
		return
	}
	f.found = append(f.found, drift)
}

// edits says what others changed in a role that heir carries: one drift, or one for each DAG whose file sets
// access_control, so that one such DAG is not taken for the whole role.
func (f *driftFinder) edits(drift access.Drift, heir string, before, stored []permission.Pair) []access.Drift {
	had, has := f.in.Canonical(before), f.in.Canonical(stored)
	taken, added := permission.Intersect(permission.Minus(had, has), f.in.Canonical(f.d.Roles[heir].Permissions)), permission.Minus(has, had)
	if len(taken)+len(added) == 0 {
		return nil
	}
	f.lost.pairs[heir] = taken
	drift.What, drift.Cause, drift.Taken = describeEdit(drift.Role, taken, added), v1alpha1.DriftCauseRoleEdited, len(taken) > 0
	if !byAccessControl(had, has, taken, added) {
		return []access.Drift{drift}
	}
	drift.Cause = v1alpha1.DriftCauseDagAccessControl
	takenOf, addedOf := byDag(taken), byDag(added)
	ids := text.SortedSet(slices.Concat(slices.Collect(maps.Keys(takenOf)), slices.Collect(maps.Keys(addedOf))))
	out := make([]access.Drift, 0, len(ids))
	for _, id := range ids {
		one := drift
		one.Key, one.What, one.Taken = access.DagKey(drift.Role, id), describeEdit(drift.Role, takenOf[id], addedOf[id]), len(takenOf[id]) > 0
		out = append(out, one)
	}
	return out
}

// byDag are permissions on DAGs by their DAG.
func byDag(ps []permission.Pair) map[string][]permission.Pair {
	out := map[string][]permission.Pair{}
	for _, p := range ps {
		id, _ := permission.DagOf(p.Resource)
		out[id] = append(out[id], p)
	}
	return out
}

// byAccessControl recognises what DAG code with access_control does: rights on some DAGs vanish or change, and the global
// pairs stay.
func byAccessControl(had, has, taken, added []permission.Pair) bool {
	perDag := func(ps []permission.Pair) bool {
		for _, p := range ps {
			if _, ok := permission.DagOf(p.Resource); !ok {
				return false
			}
		}
		return true
	}
	switch {
	case len(taken) == 0, perDag(had), !perDag(taken), !perDag(added):
		return false
	}
	left := permission.DagsIn(permission.Minus(has, added))
	for _, p := range taken {
		if id, _ := permission.DagOf(p.Resource); left[id] {
			return false
		}
	}
	return true
}

// describeEdit names the first of the permissions that others changed in a role.
func describeEdit(role string, taken, added []permission.Pair) string {
	var parts []string
	if len(taken) > 0 {
		parts = append(parts, fmt.Sprintf("lost %s (%s)", text.Count(len(taken), "permission"), access.ListPermissions(taken, 2)))
	}
	if len(added) > 0 {
		parts = append(parts, fmt.Sprintf("got %s (%s)", text.Count(len(added), "permission"), access.ListPermissions(added, 2)))
	}
	return text.Cut(named("role %s ", role)+strings.Join(parts, " and "), 256)
}

// longestName is how many characters of a name a description has.
const longestName = 64

// named describes something with the names of roles and users, which other writers chose.
func named(format string, names ...string) string {
	shown := make([]any, 0, len(names))
	for _, name := range names {
		shown = append(shown, text.Cut(text.Plain(name), longestName))
	}
	return fmt.Sprintf(format, shown...)
}

// users compares who is in managed roles.
func (f *driftFinder) users() {
	before := make(map[string]access.User, len(f.in.Previous.Users))
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
			f.found = append(f.found, access.Drift{
				Key: access.MemberKey(username, ""), Username: username, Cause: v1alpha1.DriftCauseUserDeleted, Taken: true,
				What: text.Cut(named("user %s was deleted with the ", username)+rolesShown(ours), 256),
			})
		}
	}
}

// rolesShown names roles in words.
func rolesShown(roles []string) string {
	if len(roles) == 1 {
		return "role " + text.Plain(roles[0])
	}
	return "roles " + text.Plain(text.List(roles, 4))
}

// member compares the managed roles of one user.
func (f *driftFinder) member(before, now access.User) {
	had, has := f.ours(before.Roles), f.ours(now.Roles)
	if f.in.IsAccount(now.Username) {
		return
	}
	cause, wanted := v1alpha1.DriftCauseManual, f.d.Members.Roles(now.Username)
	if loggedIn := before.LastLogin != now.LastLogin; loggedIn && len(has) == 0 {
		cause = v1alpha1.DriftCauseLoginRoleSync // all managed roles are gone since
	}
	for _, role := range had {
		heir := f.heir(role)
		switch {
		case f.among(has, role), f.lost.roles[heir], !f.among(wanted, role):
			continue
		}
		key := access.MemberKey(now.Username, role)
		f.lost.members[key] = true
		drift := access.Drift{Key: key, Role: role, Username: now.Username, Cause: cause, What: named("role %s was revoked from user %s", role, now.Username), Taken: true, Successor: successorOf(role, heir)}
		f.found = append(f.found, drift)
	}
	for _, role := range has {
		if !f.among(had, role) {
			f.found = append(f.found, access.Drift{
				Key: access.MemberKey(now.Username, role), Role: role, Username: now.Username, Cause: v1alpha1.DriftCauseManual,
				What: named("role %s was granted to user %s by another writer", role, now.Username),
			})
		}
	}
}

// among says whether a list has a role, or another one of its line that is in use.
func (f *driftFinder) among(roles []string, role string) bool {
	if slices.Contains(roles, role) {
		return true
	}
	if f.heirs == nil || f.retired[role] {
		return false
	}
	line := rolename.LineOf(role)
	return slices.ContainsFunc(roles, func(name string) bool { return !f.retired[name] && rolename.LineOf(name) == line })
}

// ours are the managed ones of some roles.
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
func Remember(in access.Input, p access.Plan, after access.Observed) *access.Observed {
	next := after
	if in.Previous == nil {
		return &next
	}
	users, roles := map[string][]access.Drift{}, map[string][]permission.Pair{}
	for _, drift := range p.Drift {
		switch {
		case drift.Repaired, drift.Role == "":
		case drift.Username != "":
			users[drift.Username] = append(users[drift.Username], drift)
		default:
			rememberRole(in, drift, after, roles)
		}
	}
	if len(roles) > 0 {
		next.Roles = maps.Clone(after.Roles)
		maps.Copy(next.Roles, roles)
	}
	if len(users) > 0 {
		next.Users = rememberMembers(users, in.Previous.Users, after.Users)
	}
	return &next
}

// rememberRole notes what a drifted role, or its successor, held before: what is stored now, and what another writer removed.
func rememberRole(in access.Input, drift access.Drift, after access.Observed, remembered map[string][]permission.Pair) {
	before, existed := in.Previous.Roles[drift.Role]
	if !existed {
		return
	}
	heir := cmp.Or(drift.Successor, drift.Role)
	if stored, ok := after.Roles[heir]; ok {
		seen, exists := in.Observed.Roles[heir]
		if !exists {
			seen = in.Observed.Roles[drift.Role]
		}
		before = permission.Union(in.Canonical(stored), permission.Minus(in.Canonical(before), in.Canonical(seen)))
	}
	remembered[heir] = before
}

// rememberMembers gives users the drifted roles back that they had before, or their successors.
func rememberMembers(drifted map[string][]access.Drift, previous, after []access.User) []access.User {
	had := map[string][]string{}
	for _, user := range previous {
		for _, drift := range drifted[user.Username] {
			if slices.Contains(user.Roles, drift.Role) {
				had[user.Username] = append(had[user.Username], cmp.Or(drift.Successor, drift.Role))
			}
		}
	}
	out := slices.Clone(after)
	for i := range out {
		if roles := had[out[i].Username]; roles != nil {
			out[i].Roles = text.SortedSet(slices.Concat(out[i].Roles, roles))
		}
	}
	return out
}
