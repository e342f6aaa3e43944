package desire

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/internal/access"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// granting decides about grants.
type granting struct {
	*work
	carriers map[string]string // first name of a grants' role -> the role that carries it
}

// decideGrants decides what every grant gives. Grants whose terms equal their policy of today are members of the
// policy's role; others share a role of their own with grants of equal terms.
func (w *granting) decideGrants() {
	ending := w.in.Instance.Revoking()
	for _, g := range inOrder(w.in.Grants) {
		desire := access.GrantDesire{}
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
func (w *granting) decideGrant(g *v1alpha1.AccessGrant, pinned *v1alpha1.GrantInstance, desire *access.GrantDesire) {
	if !access.Live(g, w.in.Now, w.in.CacheTTL) {
		return
	}
	c := w.byName[g.PolicyKey()]
	if !c.makesGrants() {
		desire.Problem = &access.Problem{Reason: v1alpha1.ReasonPolicyNotFound, Message: "the policy is gone or makes no grants any more"}
		return
	}
	if !w.in.Now.Before(g.EndUnder(c.policy).Add(-access.Lead(w.in.CacheTTL))) {
		return
	}
	desire.Live = true
	user, problem := w.holder(pinned)
	if problem != nil {
		desire.Problem = problem
	}
	if !c.holds {
		desire.Problem = &access.Problem{Reason: v1alpha1.ReasonPolicyRefused, Message: "the policy gives nothing"}
		if c.desire.Refused != nil {
			desire.Problem.Message += ": " + c.desire.Refused.Message
		}
		return
	}
	w.place(c, g, pinned, user, desire)
}

// makesGrants says whether the policy is there and grants may be made under it.
func (c *policyCase) makesGrants() bool {
	switch {
	case c == nil, c.policy.DeletionTimestamp != nil:
		return false
	}
	return c.policy.Spec.Grants != nil
}

// place decides the role that carries a live grant, and makes its user a member unless there is a problem already.
func (w *granting) place(c *policyCase, g *v1alpha1.AccessGrant, pinned *v1alpha1.GrantInstance, user access.User, desire *access.GrantDesire) {
	terms := rolename.TermsOf(g.Status.Activation, c.policy)
	base := w.baseFor(c, terms)
	if desire.Problem != nil {
		desire.Role = w.presentOr(c, base)
		return
	}
	desire.Username = user.Username
	if !terms.Whole {
		if problem := cmp.Or(w.foreign(base), w.full(base)); problem != nil {
			desire.Problem, desire.Role = problem, base
			return
		}
	}
	desire.Pending = c.uncovered(terms.Dags)
	desire.Role = w.wantGrantRole(c, base, terms)
	if note := w.grantNote(c, terms); note != nil {
		desire.Notes = append(desire.Notes, *note)
	}
	_, managed := w.out.Roles[desire.Role]
	if !c.giving.All() && (!managed || !slices.Contains(user.Roles, desire.Role)) {
		role, ok := w.staysIn(c, base, desire.Role, user, terms, access.Carriers(c.policy, w.in.Instance, g.Status.Activation, pinned))
		if !ok {
			desire.Problem = c.giving.RevokeOnly
		} else {
			desire.Role, managed = role, true
		}
	}
	if managed {
		w.members.Add(user.Username, desire.Role, access.Granted(g))
	}
}

// foreign is the problem of a role of a grant's own that Airflow stores and no claim proves to be ours; nil where there is none.
func (w *granting) foreign(base string) *access.Problem {
	if !w.exists(base) || w.ours(base) {
		return nil
	}
	return &access.Problem{Reason: v1alpha1.ReasonRoleExists, Message: "Airflow has the role " + text.Quoted(base) +
		", and no claim proves that it belongs to this AirflowInstance: see the conditions of the AirflowInstance"}
}

// presentOr is the newest role of a line that is there and in use, else its first name.
func (w *granting) presentOr(c *policyCase, base string) string {
	if name, ok := present(w.generations(c, base)); ok {
		return name
	}
	return base
}

// uncovered are those of some DAGs, in their order, that the policy does not cover.
func (c *policyCase) uncovered(ids []string) []string {
	var out []string
	for _, id := range ids {
		if _, covered := slices.BinarySearch(c.covered, id); !covered {
			out = append(out, id)
		}
	}
	return out
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
func (w *granting) holder(pinned *v1alpha1.GrantInstance) (access.User, *access.Problem) {
	user, problem := w.users.Resolve(v1alpha1.Subject{Username: pinned.Username})
	switch {
	case problem != nil && problem.Reason == v1alpha1.ReasonUserNotFound:
		return user, &access.Problem{Reason: v1alpha1.ReasonSubjectGone, Message: "Airflow no longer has the user " + text.Quoted(pinned.Username) +
			": the grant ends if another user of that name is created; revoke it if the user does not come back"}
	case problem != nil:
		return user, problem
	}
	if pinned.UserCreatedOn != "" && pinned.UserCreatedOn != user.CreatedOn {
		problem = &access.Problem{Reason: v1alpha1.ReasonSubjectChanged, Message: "another person has the user name " + text.Quoted(pinned.Username) +
			" in Airflow since this was granted: create another grant"}
	}
	return user, problem
}

// baseFor is the first name of the role for terms under a policy.
func (w *granting) baseFor(c *policyCase, terms rolename.Terms) string {
	if terms.Whole {
		return c.role
	}
	return rolename.ForGrant(c.role, string(w.in.Instance.UID), string(c.policy.UID), terms)
}

// wantGrantRole makes sure that the role of terms is desired, and says which one carries it.
func (w *granting) wantGrantRole(c *policyCase, base string, terms rolename.Terms) string {
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
func (w *granting) grantPermissions(c *policyCase, terms rolename.Terms) []permission.Pair {
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
func (w *granting) grantNote(c *policyCase, terms rolename.Terms) *access.Problem {
	levels, extra := terms.Today(c.policy)
	if note := w.notGiven(levels, c.dagsOf(terms), extra); note != nil {
		return note
	}
	return w.notGiven(levels, c.covered, extra)
}

// staysIn finds the role in which the user of a grant stays who is not in the right one while nothing may be granted: the
// present role, unless it gives more than the grant, and than the grant gave of DAGs that are gone.
func (w *granting) staysIn(c *policyCase, base, right string, user access.User, terms rolename.Terms, bases []string) (string, bool) {
	if desired, managed := w.out.Roles[right]; managed {
		if role, ok := w.heldBy(c, base, user); ok {
			w.wantHeld(c, base, role, desired.Permissions)
			return role, true
		}
	}
	for _, role := range text.SortedSet(slices.Clone(user.Roles)) {
		at := slices.IndexFunc(bases, func(base string) bool { return rolename.SameLine(base, role) })
		if at < 0 || !w.ours(role) || w.stored[role].Retired || !w.mayStay(c, role, terms) {
			continue
		}
		w.wantHeld(c, bases[at], role, w.grantPermissions(c, terms))
		return role, true
	}
	return "", false
}

// mayStay says whether a grant's user may stay in a role of its policy while nothing may be granted. A role that is left
// as it is may hold no more than the grant gives today, one that is narrowed no more than the grant was given.
func (w *granting) mayStay(c *policyCase, role string, terms rolename.Terms) bool {
	has, gone := w.content(role), w.leavingOf(c, terms)
	if c.upkeep == access.UpkeepNone {
		return permission.Contains(permission.Union(w.grantPermissions(c, terms), gone), has)
	}
	dags := terms.Dags
	if dags == nil {
		dags = text.SortedSet(slices.AppendSeq(slices.Clone(c.covered), maps.Keys(permission.DagsIn(has))))
	}
	given := w.permissions(terms.Access, dags, terms.AirflowPermissions)
	if desired, known := w.out.Roles[role]; known && !w.in.OnlyAdds() {
		has = permission.Intersect(has, desired.Permissions)
	}
	return permission.Contains(permission.Union(given, gone), has)
}

// leavingOf are what terms gave on DAGs that the list lacks, or has with other properties, by now.
func (w *granting) leavingOf(c *policyCase, terms rolename.Terms) []permission.Pair {
	levels, _ := terms.Today(c.policy)
	dags := slices.DeleteFunc(slices.Clone(c.desire.Leaving), func(id string) bool {
		return terms.Dags != nil && !slices.Contains(terms.Dags, id)
	})
	return w.permissions(levels, dags, nil)
}
