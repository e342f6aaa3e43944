package proof

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/internal/access"

	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// differencesShown bounds PolicyProof.Differences.
const differencesShown = 8

// Assess says what an observation that was made after the writes proves. In.Observed is that observation; goneRoles are
// the inventory entries that may be dropped, sorted: nothing of them is left, or they were let go of.
func Assess(in access.Input, d access.Desired) (map[types.UID]access.GrantProof, map[types.NamespacedName]access.PolicyProof, []string) {
	a := &assessor{in: &in, d: &d, users: make(map[string]*access.User, len(in.Observed.Users)), entries: map[string]v1alpha1.ManagedRole{}}
	a.readUsers()
	for _, entry := range d.Inventory {
		a.entries[entry.Name] = entry
	}
	a.known = access.KnownLines(&d)
	for name := range d.Roles {
		a.carried[rolename.LineOf(name)] = true
	}
	grants := make(map[types.UID]access.GrantProof, len(in.Grants))
	found := findExcess(&in, &d)
	for _, g := range in.Grants {
		proof := a.grant(g)
		proof.LeastPrivilege = found.grants[g.UID]
		grants[g.UID] = proof
	}
	policies := make(map[types.NamespacedName]access.PolicyProof, len(in.Policies))
	differences := a.differences()
	for _, p := range in.Policies {
		name := types.NamespacedName{Namespace: p.Namespace, Name: p.Name}
		unlike := append(a.unsettled(name), differences[name.String()]...)
		policies[name] = access.PolicyProof{InSync: len(unlike) == 0, Differences: bounded(unlike), LeastPrivilege: found.policies[name]}
	}
	return grants, policies, a.gone()
}

// unsettled is what keeps a policy out of sync although its roles are as desired.
func (a *assessor) unsettled(policy types.NamespacedName) []string {
	var out []string
	desire := a.d.Policies[policy]
	if desire.Refused != nil {
		out = append(out, desire.Refused.Message)
	}
	for _, note := range desire.Notes {
		switch note.Reason {
		case v1alpha1.ReasonAdoptionReported, v1alpha1.ReasonMassRevocationHeld, v1alpha1.ReasonDagListUnreadable:
			out = append(out, note.Message)
		}
	}
	return out
}

// assessor compares one observation with what is desired.
type assessor struct {
	in      *access.Input
	d       *access.Desired
	users   map[string]*access.User
	persons access.Persons
	members map[string][]string // role -> users, without the operator's account
	entries map[string]v1alpha1.ManagedRole
	enough  map[string]bool        // role -> it stores at least what it should
	known   map[rolename.Line]bool // lines of the inventory
	carried map[rolename.Line]bool // lines that a desired role carries
}

func (a *assessor) readUsers() {
	a.members, a.enough = map[string][]string{}, map[string]bool{}
	a.carried, a.persons = map[rolename.Line]bool{}, access.NewPersons(a.in.Observed.Users)
	for i := range a.in.Observed.Users {
		user := &a.in.Observed.Users[i]
		a.users[user.Username] = user
		if a.in.IsAccount(user.Username) {
			continue
		}
		for _, role := range user.Roles {
			a.members[role] = append(a.members[role], user.Username)
		}
	}
}

// grant says whether what a grant should give is there, and whether anything of it is left.
func (a *assessor) grant(g *v1alpha1.AccessGrant) access.GrantProof {
	desire := a.d.Grants[g.UID]
	proof := access.GrantProof{Absent: true, Problem: desire.Problem}
	pinned := g.In(a.in.Instance)
	if pinned == nil {
		return proof
	}
	names := a.persons.Of(pinned)
	proof.Absent = !slices.ContainsFunc(names, func(username string) bool { return a.left(g, pinned, username) })
	if !desire.Live {
		return proof
	}
	if slices.Contains(names, desire.Username) && a.d.Members.Has(desire.Username, desire.Role) {
		proof.Present, proof.Empty = a.given(a.users[desire.Username], desire.Role)
		proof.Contested = a.disputed(desire.Role)
		if len(proof.Contested) > 0 && len(proof.Contested) == len(permission.DagsIn(a.d.Roles[desire.Role].Permissions)) {
			proof.Present = false // nothing is left that the grant lets its user do
		}
	}
	if !proof.Present {
		proof.Problem = cmp.Or(proof.Problem, a.d.Roles[desire.Role].Giving.RevokeOnly, a.contested(desire))
	}
	return proof
}

// left says whether a user has a role that may have come from a grant and that nothing else gives.
func (a *assessor) left(g *v1alpha1.AccessGrant, pinned *v1alpha1.GrantInstance, username string) bool {
	return slices.ContainsFunc(a.users[username].Roles, func(role string) bool {
		return a.leftover(g, pinned, role) && !a.otherCause(g, username, role)
	})
}

// given says whether a user has what a role should give, and whether that is nothing.
func (a *assessor) given(user *access.User, role string) (present, empty bool) {
	empty = nothing(a.d.Roles[role].Permissions)
	for _, held := range user.Roles {
		if !a.gives(held, role) {
			continue
		}
		present = true
		if !nothing(a.in.Observed.Roles[held]) {
			empty = false
		}
	}
	return present, present && empty
}

// contested says that restoring a grant was given up for now; nil where it was not.
func (a *assessor) contested(desire access.GrantDesire) *access.Problem {
	for _, key := range []string{access.RoleKey(desire.Role), access.MemberKey(desire.Username, desire.Role)} {
		if a.in.Contested[key] {
			return &access.Problem{
				Reason:  v1alpha1.ReasonContested,
				Message: "another writer removed this access three times in a row: not retried until the next spec.interval, see status.drift of the AirflowInstance",
			}
		}
	}
	if ids := a.disputed(desire.Role); len(ids) > 0 {
		return &access.Problem{Reason: v1alpha1.ReasonContested, Message: access.SetsAccessControl(ids)}
	}
	return nil
}

// disputed are the DAGs of a role, sorted, on which it lacks rights that their files take away.
func (a *assessor) disputed(role string) []string {
	want, have := a.in.Canonical(a.d.Roles[role].Permissions), a.in.Canonical(a.in.Observed.Roles[role])
	return slices.Sorted(maps.Keys(permission.DagsIn(a.in.Disputed(role, want, have))))
}

// gives says whether a stored role gives at least what the desired one should: that one, or the one whose place it takes.
func (a *assessor) gives(role, desired string) bool {
	if role == desired {
		return a.storesEnough(role)
	}
	if _, inventoried := a.entries[role]; !inventoried {
		return false
	}
	return rolename.SameLine(role, desired) && a.holds(role, desired)
}

// holds says whether Airflow stores at least what a desired role should hold in a role.
func (a *assessor) holds(role, desired string) bool {
	have, want := a.in.Canonical(a.in.Observed.Roles[role]), a.in.Canonical(a.d.Roles[desired].Permissions)
	return permission.Contains(have, permission.Minus(want, a.in.Disputed(desired, want, have)))
}

// leftover says whether a stored role may have come from the grant: the one it pinned and its successors, every role of
// its policy, also the policy's own, and roles of which only the name says that they were ours.
func (a *assessor) leftover(g *v1alpha1.AccessGrant, pinned *v1alpha1.GrantInstance, role string) bool {
	if !rolename.Manageable(role) {
		return false
	}
	line := rolename.LineOf(pinned.Role)
	carries := line.Manageable() && rolename.LineOf(role) == line
	entry, inventoried := a.entries[role]
	_, desired := a.d.Roles[role]
	switch {
	case !inventoried: // the pinned role and its successors, unless another role of the line says that this one is not ours
		return carries && !a.known[line]
	case entry.Orphaned && !desired:
		return false
	case entry.Policy == "", entry.Policy == g.PolicyKey().String():
		return true
	}
	return carries
}

// otherCause says whether something else than this grant gives the role to the user.
func (a *assessor) otherCause(g *v1alpha1.AccessGrant, username, role string) bool {
	return slices.ContainsFunc(a.d.Members.Causes(username, role), func(c access.Cause) bool { return c.UID != g.UID })
}

// nothing says whether permissions let nobody do anything.
func nothing(ps []permission.Pair) bool {
	return !slices.ContainsFunc(ps, func(p permission.Pair) bool { return p != permission.Website })
}

// storesEnough says whether a role stores at least what it should.
func (a *assessor) storesEnough(role string) bool {
	if enough, known := a.enough[role]; known {
		return enough
	}
	_, exists := a.in.Observed.Roles[role]
	_, managed := a.d.Roles[role]
	enough := exists && managed && a.holds(role, role)
	a.enough[role] = enough
	return enough
}

// differences are what is not as desired, by policy, in the order of roles.
func (a *assessor) differences() map[string][]string {
	out := map[string][]string{}
	wanted := map[string][]string{}
	for _, username := range a.d.Members.Users() {
		for role := range a.d.Members[username] {
			wanted[role] = append(wanted[role], username)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.d.Roles)) {
		role := a.d.Roles[name]
		policy := role.Policy.String()
		stored, exists := a.in.Observed.Roles[name]
		if !exists {
			out[policy] = append(out[policy], "role "+text.Plain(name)+" is missing")
			continue
		}
		have, want := a.in.Canonical(stored), a.in.Canonical(role.Permissions)
		if ids := a.disputed(name); len(ids) > 0 {
			out[policy] = append(out[policy], "role "+text.Plain(name)+" lacks "+access.SetsAccessControl(ids))
			want = permission.Minus(want, a.in.Disputed(name, want, have))
		}
		out[policy] = appendCount(out[policy], "role %s lacks %s", "permission", "", name, len(permission.Minus(want, have)))
		out[policy] = appendCount(out[policy], "role %s has %s too many", "permission", a.whyTooMany(role), name, len(permission.Minus(have, want)))
		out[policy] = appendCount(out[policy], "role %s lacks %s", "member", "", name, len(text.Without(wanted[name], a.members[name])))
		out[policy] = appendCount(out[policy], "role %s has %s too many", "member", "", name, len(text.Without(a.members[name], wanted[name])))
	}
	for _, name := range a.d.Doomed {
		entry := a.entries[name]
		if !a.settled(entry) {
			out[entry.Policy] = append(out[entry.Policy], "role "+text.Plain(name)+" is not gone yet")
		}
	}
	return out
}

// whyTooMany says why permissions that a role should not have stay; empty where they do not.
func (a *assessor) whyTooMany(role access.Role) string {
	if role.Upkeep == access.UpkeepNarrow && a.in.OnlyAdds() {
		return ", until access may be granted again: this Airflow only adds permissions to roles"
	}
	return ""
}

// appendCount adds a line about a role, and what is known beside it, unless the count is zero.
func appendCount(lines []string, format, noun, beside, role string, count int) []string {
	if count == 0 {
		return lines
	}
	return append(lines, fmt.Sprintf(format, text.Plain(role), text.Count(count, noun))+beside)
}

// bounded are the first lines, and how many more there are.
func bounded(lines []string) []string {
	if len(lines) <= differencesShown {
		return lines
	}
	more := len(lines) - differencesShown + 1
	return append(slices.Clone(lines[:differencesShown-1]), "and "+text.Count(more, "more difference"))
}

// isGone says whether nothing of a role that goes is left: an adopted role stays, without members. Its entry is kept as
// long as a successor has its place, and that of a role that cannot be deleted until the instance goes.
func (a *assessor) isGone(entry v1alpha1.ManagedRole) bool {
	_, exists := a.in.Observed.Roles[entry.Name]
	switch {
	case !exists:
		return true
	case len(a.members[entry.Name]) > 0:
		return false
	case entry.Adopted:
		return !a.carried[rolename.LineOf(entry.Name)]
	}
	return !a.in.Deletes() && a.in.Instance.DeletionTimestamp != nil
}

// settled says whether nothing is to be done any more about a role that nothing needs: it is gone, or stays in Airflow
// without members.
func (a *assessor) settled(entry v1alpha1.ManagedRole) bool {
	switch {
	case a.isGone(entry):
		return true
	case len(a.members[entry.Name]) > 0:
		return false
	}
	return entry.Adopted || !a.in.Deletes()
}

// gone are the entries that may be dropped: all of them when the claim was lost, since the roles went with it.
func (a *assessor) gone() []string {
	if a.d.Claim.Lost {
		return a.inventoried()
	}
	doomed := sets.New(a.d.Doomed...)
	var out []string
	for _, entry := range a.d.Inventory {
		if a.mayDrop(entry, doomed.Has(entry.Name)) {
			out = append(out, entry.Name)
		}
	}
	return text.SortedSet(out)
}

// inventoried are the names in the stored inventory.
func (a *assessor) inventoried() []string {
	var out []string
	for _, entry := range a.in.Instance.Status.ManagedRoles {
		out = append(out, entry.Name)
	}
	return text.SortedSet(out)
}

// mayDrop says whether nothing needs an entry any more. That of a role which was let go of is kept until the role or the
// instance goes.
func (a *assessor) mayDrop(entry v1alpha1.ManagedRole, doomed bool) bool {
	if doomed && a.isGone(entry) {
		return true
	}
	_, exists := a.in.Observed.Roles[entry.Name]
	return entry.Orphaned && (!exists || a.in.Instance.DeletionTimestamp != nil)
}
