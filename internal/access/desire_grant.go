package access

import (
	"cmp"
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// decideGrants decides what every grant gives. Grants whose terms equal their policy of today are members of the
// policy's role; others share a role of their own with grants of equal terms.
func (w *work) decideGrants() {
	ending := w.in.Instance.DeletionTimestamp != nil && w.in.Instance.Spec.Deletion != v1alpha1.InstanceDeletionAbandon
	for _, g := range inOrder(w.in.Grants) {
		desire := GrantDesire{}
		if pinned := g.In(w.in.Instance); pinned != nil {
			desire.Username = pinned.Username
			if !ending {
				w.decideGrant(g, pinned, &desire)
			}
		}
		w.out.Grants[g.UID] = desire
	}
}

// decideGrant decides an activated grant.
func (w *work) decideGrant(g *v1alpha1.AccessGrant, pinned *v1alpha1.GrantInstance, desire *GrantDesire) {
	if !Live(g, w.in.Now, w.in.CacheTTL) {
		return
	}
	c := w.byName[g.PolicyKey()]
	if c == nil || c.policy.DeletionTimestamp != nil || c.policy.Spec.Grants == nil {
		desire.Problem = &Problem{v1alpha1.ReasonPolicyNotFound, "the policy is gone or makes no grants any more"}
		return
	}
	if !w.in.Now.Before(g.EndUnder(c.policy).Add(-Lead(w.in.CacheTTL))) {
		return
	}
	desire.Live = true
	user, problem := w.holder(pinned)
	if problem != nil {
		desire.Problem = problem
	}
	if !c.holds {
		desire.Problem = &Problem{v1alpha1.ReasonPolicyRefused, "the policy gives nothing"}
		if c.desire.Refused != nil {
			desire.Problem.Message += ": " + c.desire.Refused.Message
		}
		return
	}
	w.place(c, g, pinned, user, desire)
}

// place decides the role that carries a live grant, and makes its user a member unless there is a problem already.
func (w *work) place(c *policyCase, g *v1alpha1.AccessGrant, pinned *v1alpha1.GrantInstance, user User, desire *GrantDesire) {
	terms := rolename.TermsOf(g.Status.Activation, c.policy)
	base := w.baseFor(c, terms)
	if desire.Problem != nil {
		desire.Role = base
		if name, ok := present(w.generations(c, base)); ok {
			desire.Role = name
		}
		return
	}
	desire.Username = user.Username
	if !terms.Whole {
		if problem := w.full(base); problem != nil {
			desire.Problem, desire.Role = problem, base
			return
		}
	}
	for _, id := range terms.Dags {
		if _, covered := slices.BinarySearch(c.covered, id); !covered {
			desire.Pending = append(desire.Pending, id)
		}
	}
	desire.Role = w.wantGrantRole(c, base, terms)
	if note := w.grantNote(c, terms); note != nil {
		desire.Notes = append(desire.Notes, *note)
	}
	_, managed := w.out.Roles[desire.Role]
	if c.frozen != nil && (!managed || !slices.Contains(user.Roles, desire.Role)) {
		role, ok := w.placeFrozen(c, base, desire.Role, user, terms, carriers(c.policy, w.in.Instance, g.Status.Activation, pinned))
		if !ok {
			desire.Problem = c.frozen
		} else {
			if role != desire.Role && !permission.Contains(w.content(role), w.grantPermissions(c, terms)) {
				desire.Staying = &Problem{c.frozen.Reason, "its user keeps what they had, which is less than it should give: " + c.frozen.Message}
			}
			desire.Role, managed = role, true
		}
	}
	if managed {
		w.addMember(user.Username, desire.Role)
	}
}

// inOrder is a copy in the order of names.
func inOrder(grants []*v1alpha1.AccessGrant) []*v1alpha1.AccessGrant {
	out := slices.Clone(grants)
	slices.SortFunc(out, func(a, b *v1alpha1.AccessGrant) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name), strings.Compare(string(a.UID), string(b.UID)))
	})
	return out
}

// holder is the stored user whom a grant pinned, when it is still the same person.
func (w *work) holder(pinned *v1alpha1.GrantInstance) (User, *Problem) {
	user, problem := w.users.Resolve(v1alpha1.Subject{Username: pinned.Username})
	if problem == nil && pinned.UserCreatedOn != "" && pinned.UserCreatedOn != user.CreatedOn {
		problem = &Problem{v1alpha1.ReasonSubjectChanged, "another person has the user name " + text.Quoted(pinned.Username) +
			" in Airflow since this was granted: create another grant"}
	}
	return user, problem
}

// baseFor is the first name of the role for terms under a policy.
func (w *work) baseFor(c *policyCase, terms rolename.Terms) string {
	if terms.Whole {
		return c.role
	}
	return rolename.ForGrant(c.role, string(w.in.Instance.UID), string(c.policy.UID), terms)
}

// wantGrantRole makes sure that the role of terms is desired, and says which one carries it.
func (w *work) wantGrantRole(c *policyCase, base string, terms rolename.Terms) string {
	switch name, done := w.carriers[base]; {
	case done:
		return name
	case terms.Whole:
		return c.carrier
	case w.adopting[c.role].Name != "":
		return base
	}
	permissions := w.grantPermissions(c, terms)
	name := w.carry(c, base, permissions)
	w.carriers[base] = name
	w.wantRole(c, base, name, permissions)
	return name
}

// grantPermissions are what pinned terms give today, never more than the policy's role should have.
func (w *work) grantPermissions(c *policyCase, terms rolename.Terms) []permission.Pair {
	levels, extra := terms.Today(c.policy)
	return permission.Intersect(w.permissions(levels, c.dagsOf(terms), extra), c.permissions)
}

// dagsOf are the DAGs of terms that the policy covers now.
func (c *policyCase) dagsOf(terms rolename.Terms) []string {
	if terms.Dags == nil {
		return c.covered
	}
	return slices.DeleteFunc(slices.Clone(terms.Dags), func(id string) bool {
		_, covered := slices.BinarySearch(c.covered, id)
		return !covered
	})
}

// grantNote says what of the terms cannot be given.
func (w *work) grantNote(c *policyCase, terms rolename.Terms) *Problem {
	levels, extra := terms.Today(c.policy)
	if note := w.notGiven(levels, c.dagsOf(terms), extra); note != nil {
		return note
	}
	return w.notGiven(levels, c.covered, extra)
}

// placeFrozen finds the role for a grant whose user is not in the right one while nothing may be given.
func (w *work) placeFrozen(c *policyCase, base, right string, user User, terms rolename.Terms, bases []string) (string, bool) {
	_, managed := w.out.Roles[right]
	if managed && w.mayCome(c, user, bases, right) {
		return right, true
	}
	if role, ok := w.heldBy(c, base, user); ok && managed {
		w.wantHeld(c, base, role)
		return role, true
	}
	role, ok := w.stays(c, bases, user, w.out.Roles[right].Permissions, w.leavingOf(c, terms))
	if !ok && c.taking && !c.moves {
		return w.remains(c, bases, user, w.grantPermissions(c, terms))
	}
	return role, ok
}

// stays finds the role that carries a grant now, when nothing may be given and its right role is another one. The
// present role will do unless it gives more than the grant, and than the grant gave of DAGs that are gone.
func (w *work) stays(c *policyCase, bases []string, user User, gives, gone []permission.Pair) (string, bool) {
	return w.heldAs(c, bases, user, gives, func(has []permission.Pair) bool { return permission.Contains(permission.Union(gives, gone), has) })
}

// leavingOf are what terms gave on DAGs that the list lacks, or has with other properties, by now.
func (w *work) leavingOf(c *policyCase, terms rolename.Terms) []permission.Pair {
	levels, _ := terms.Today(c.policy)
	dags := slices.DeleteFunc(slices.Clone(c.desire.Leaving), func(id string) bool {
		return terms.Dags != nil && !slices.Contains(terms.Dags, id)
	})
	return w.permissions(levels, dags, nil)
}

// remains finds the role that somebody holds and stays in where no role can be made, for the part of it that a grant still
// gives: as standing members stay. The role loses what it can lose.
func (w *work) remains(c *policyCase, bases []string, user User, gives []permission.Pair) (string, bool) {
	return w.heldAs(c, bases, user, gives, func(has []permission.Pair) bool { return len(permission.Intersect(gives, has)) > 0 })
}

// heldAs finds a role of the lines of bases that a user holds and that will do, and desires it.
func (w *work) heldAs(c *policyCase, bases []string, user User, gives []permission.Pair, will func(has []permission.Pair) bool) (string, bool) {
	for _, role := range sortedSet(slices.Clone(user.Roles)) {
		at := slices.IndexFunc(bases, func(base string) bool { return rolename.SameLine(base, role) })
		if at < 0 || !w.ours(role) || w.stored[role].Retired || !will(w.content(role)) {
			continue
		}
		if _, known := w.out.Roles[role]; !known {
			w.wantRole(c, bases[at], role, gives)
		}
		return role, true
	}
	return "", false
}

// mayCome says whether a user can come to a role although nothing may be given: it holds no more than those roles of the
// lines of bases that the user is in.
func (w *work) mayCome(c *policyCase, user User, bases []string, role string) bool {
	if !c.moves {
		return false
	}
	var held []string
	for _, base := range bases {
		if name, ok := w.heldBy(c, base, user); ok {
			held = append(held, name)
		}
	}
	gives := w.out.Roles[role].Permissions
	if w.exists(role) {
		gives = permission.Intersect(gives, w.content(role))
	}
	return len(held) > 0 && permission.Contains(w.contents(held), gives)
}

// carriers are the roles that can have carried an activation at one time or another, themselves or by a successor.
func carriers(p *v1alpha1.DagAccessPolicy, i *v1alpha1.AirflowInstance, a *v1alpha1.Activation, pinned *v1alpha1.GrantInstance) []string {
	base, terms := rolename.OfPolicy(p), rolename.TermsOf(a, p)
	roles := []string{pinned.Role, rolename.ForGrant(base, string(i.UID), string(p.UID), terms)}
	if terms.Dags == nil {
		roles = append(roles, base)
	}
	return slices.DeleteFunc(sortedSet(roles), func(role string) bool { return !rolename.Manageable(role) })
}
