package desire

import (
	"fmt"
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/internal/access"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/dag"
	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// decidePolicy decides the role and the standing members of one policy.
func (w *work) decidePolicy(c *policyCase) {
	defer func() { w.out.Policies[c.name] = c.desire }()
	if !c.holds {
		if c.policy.DeletionTimestamp == nil && c.desire.Refused != nil {
			c.stay(*c.desire.Refused)
		}
		return
	}
	if c.policy.DeletionTimestamp != nil {
		w.decideOrphan(c)
		return
	}
	if refused, adopt := w.mayHave(c); refused != nil {
		c.refuse(refused)
		return
	} else if adopt {
		defer w.reportAdoption(c)
	}
	if refused := w.full(c.role); refused != nil {
		c.refuse(refused)
		return
	}
	c.stored = w.storedFor(c)
	c.pairs, c.desire.Refused = w.checkSpec(c.policy)
	w.decideGiving(c)
	if c.desire.Refused == nil || c.desire.Refused.Reason != v1alpha1.ReasonInvalidSelector {
		w.decideContent(c)
	} else {
		c.permissions = w.content(w.carry(c, c.role, nil))
	}
	c.carrier = w.carry(c, c.role, c.permissions)
	c.desire.Role = c.carrier
	w.wantRole(c, c.role, c.carrier, c.permissions)
	w.decideStanding(c)
}

// adopts says whether the policy takes a role over that is there already.
func (c *policyCase) adopts() bool {
	return c.policy.Spec.Role != nil && c.policy.Spec.Role.Adoption == v1alpha1.AdoptionIfExists
}

// stay leaves the roles of a policy as they are, for a reason.
func (c *policyCase) stay(reason access.Problem) {
	c.giving, c.upkeep = access.Giving{RevokeOnly: &reason}, access.UpkeepNone
}

// refuse leaves a policy without its role.
func (c *policyCase) refuse(reason *access.Problem) {
	c.desire.Refused, c.holds = reason, false
	c.stay(*reason)
}

// wantRole desires the role that carries base.
func (w *work) wantRole(c *policyCase, base, name string, permissions []permission.Pair) {
	role := access.Role{Name: name, Kind: v1alpha1.ManagedRoleGrant, Policy: c.name, Permissions: permissions, Giving: c.giving, Upkeep: c.upkeep}
	if rolename.SameLine(base, c.role) {
		role.Kind = v1alpha1.ManagedRolePolicy
	}
	if c.giving.All() {
		others := slices.DeleteFunc(w.generations(c, base), func(g generation) bool { return g.name == name })
		role.Follows, _ = present(others)
	}
	w.out.Roles[name], w.carried[rolename.LineOf(name)] = role, true
}

// wantHeld desires a role of a line that is not the one that carries it, for a user who cannot leave it now.
func (w *work) wantHeld(c *policyCase, base, name string, permissions []permission.Pair) {
	if _, done := w.out.Roles[name]; !done {
		w.wantRole(c, base, name, permissions)
	}
}

// mayHave says whether the policy may have its role: a role that was there before us needs adoption.
func (w *work) mayHave(c *policyCase) (refused *access.Problem, adopt bool) {
	if !w.belongsToOthers(c) {
		return nil, false
	}
	if rolename.HasOwnPrefix(c.role) {
		return &access.Problem{Reason: v1alpha1.ReasonRoleExists, Message: "Airflow has the role " + text.Quoted(c.role) +
			", and no claim proves that it belongs to this AirflowInstance: see the conditions of the AirflowInstance"}, false
	}
	refuse := func(message string) *access.Problem {
		return &access.Problem{Reason: v1alpha1.ReasonRoleExists, Message: "Airflow has a role " + text.Quoted(c.role) + " that does not belong to this AirflowInstance: " + message}
	}
	switch {
	case w.account[c.role]:
		return refuse("the operator's own account has it, and it can never be adopted: choose another role.name in a new policy"), false
	case !c.adopts():
		return refuse("choose another role.name, or set role.adoption to IfExists and list the role in the instance's adoptableRoles"), false
	case !slices.Contains(w.in.Instance.Spec.AdoptableRoles, c.role):
		return refuse("the platform team may list it in the instance's adoptableRoles"), false
	}
	return nil, true
}

// belongsToOthers says whether Airflow stores a role of the policy's name that is not ours.
func (w *work) belongsToOthers(c *policyCase) bool {
	used := func(g generation) bool { return g.state <= inUse }
	switch {
	case !w.exists(c.role), w.ours(c.role):
		return false
	}
	return !slices.ContainsFunc(w.generations(c, c.role), used)
}

// reportAdoption says what taking a role over will change. The role stays out of the plan until the inventory holds it.
func (w *work) reportAdoption(c *policyCase) {
	have := w.content(c.role)
	leave := 0
	for _, user := range w.in.Observed.Users {
		if slices.Contains(user.Roles, c.role) && !w.members.Has(user.Username, c.role) {
			leave++
		}
	}
	for username := range w.members {
		w.members.Remove(username, c.role)
	}
	delete(w.out.Roles, c.role)
	c.desire.Notes = append(c.desire.Notes, access.Problem{Reason: v1alpha1.ReasonAdoptionReported, Message: fmt.Sprintf(
		"taking over the role %s will add %s to it, take %d away, and remove %s from it; nothing is changed in this pass",
		text.Quoted(c.role), text.Count(len(permission.Minus(c.permissions, have)), "permission"), len(permission.Minus(have, c.permissions)), text.Count(leave, "member"))})
	if c.giving.All() {
		w.adopting[c.role] = v1alpha1.ManagedRole{
			Name: c.role, Policy: c.name.String(), PolicyUID: string(c.policy.UID), Kind: v1alpha1.ManagedRolePolicy, Adopted: true,
		}
		c.stay(access.Problem{Reason: v1alpha1.ReasonAdoptionReported, Message: "the role of the policy is being taken over; the first pass only reports"})
	}
}

// decideGiving decides how much may be done for a policy now, and what that means for its roles.
func (w *work) decideGiving(c *policyCase) {
	switch {
	case c.desire.Refused != nil:
		c.stay(access.Problem{Reason: v1alpha1.ReasonPolicyRefused, Message: "the policy gives nothing: " + c.desire.Refused.Message})
		if c.desire.Refused.Reason == v1alpha1.ReasonPermissionNotAllowed && w.enforces(c) {
			c.upkeep = access.UpkeepNarrow // what was allowed before and is not any more has to go
		}
	case w.in.Instance.Spec.Mode == v1alpha1.ModeObserve:
		c.stay(access.Problem{Reason: v1alpha1.ReasonInstanceObserving, Message: "the instance only observes and gives nothing new"})
	case w.in.Instance.Spec.Mode == v1alpha1.ModeSuspended:
		c.stay(access.Problem{Reason: v1alpha1.ReasonInstanceSuspended, Message: "the instance is suspended and gives nothing new"})
	case c.policy.Spec.State == v1alpha1.PolicySuspended:
		c.stay(access.Problem{Reason: v1alpha1.ReasonPolicySuspended, Message: "the policy is suspended and gives nothing new"})
	case !w.in.Giving.All():
		c.giving, c.upkeep = w.in.Giving, access.UpkeepNarrow
	case w.in.DagList == access.DagListUnread && !w.carries(c):
		unread := access.Problem{Reason: v1alpha1.ReasonDagListUnreadable, Message: "the DAG list of Airflow cannot be read," +
			" and no role says which DAGs the policy covers: see the conditions of the AirflowInstance"}
		c.giving, c.upkeep = access.Giving{RevokeOnly: &unread}, access.UpkeepNarrow
		c.desire.Notes = append(c.desire.Notes, unread)
	}
}

// carries says whether a role of ours has what the policy gives.
func (w *work) carries(c *policyCase) bool { return len(c.stored) > 0 && w.ours(c.stored[0]) }

// enforces says whether neither the instance nor the policy is told to leave things as they are.
func (w *work) enforces(c *policyCase) bool {
	return w.in.Instance.Enforces() && !c.policy.Suspended()
}

// checkSpec refuses what a policy may not say. Of its airflowPermissions it gives those that are allowed.
func (w *work) checkSpec(p *v1alpha1.DagAccessPolicy) (allowed []v1alpha1.AirflowPermission, refused *access.Problem) {
	if err := dag.Validate(p.Spec.Dags); err != nil {
		return nil, &access.Problem{Reason: v1alpha1.ReasonInvalidSelector, Message: err.Error()}
	}
	var banned, unlisted, writes []string
	for _, pair := range p.Spec.AirflowPermissions {
		ps := permission.Pair{Action: pair.Action, Resource: pair.Resource}
		switch {
		case ps.Forbidden():
			banned = append(banned, ps.String())
		case !slices.Contains(w.in.Instance.Spec.AllowedPermissions, pair):
			unlisted = append(unlisted, ps.String())
		case ps.Privileged() && !w.in.AllowPrivileged:
			writes = append(writes, ps.String())
		default:
			allowed = append(allowed, pair)
		}
	}
	refuse := func(pairs []string, why, remedy string) ([]v1alpha1.AirflowPermission, *access.Problem) {
		slices.Sort(pairs)
		return allowed, &access.Problem{Reason: v1alpha1.ReasonPermissionNotAllowed,
			Message: "spec.airflowPermissions contains " + text.List(pairs, 8) + ", " + why + ": " + remedy}
	}
	switch {
	case banned != nil:
		return refuse(banned, "which no policy may grant", "remove them there, and use spec.access for rights on DAGs")
	case unlisted != nil:
		return refuse(unlisted, "which the AirflowInstance does not allow", "remove them there, or have the platform team add them to spec.allowedPermissions of the AirflowInstance")
	case writes != nil:
		return refuse(writes, "which change more than DAGs", "remove them there, or start the operator with --allow-privileged-permissions")
	}
	return allowed, nil
}

// decideContent decides the DAGs and permissions of the policy's role.
func (w *work) decideContent(c *policyCase) {
	selection := dag.NewSelection(c.policy.Spec.Dags)
	matched, pending := selection.Match(w.dags)
	held := permission.DagsIn(w.contents(c.stored))
	for _, id := range matched {
		if w.in.UnknownDags[id] && !held[id] {
			pending = append(pending, id)
		} else {
			c.desire.Dags = append(c.desire.Dags, id)
		}
	}
	kept := w.guard.keep(c, selection, held)
	if w.in.DagList == access.DagListUnread {
		c.desire.Dags = kept
	}
	c.desire.Pending = text.Without(text.SortedSet(pending), kept)
	c.desire.Matching = w.matching(len(matched) + len(kept))
	c.covered = text.SortedSet(append(slices.Clone(c.desire.Dags), kept...))
	if note := w.notGiven(c.policy.Spec.Access, c.covered, c.pairs); note != nil {
		c.desire.Notes = append(c.desire.Notes, *note)
	}
	c.permissions = w.permissions(c.policy.Spec.Access, c.covered, c.pairs)
	switch {
	case w.in.DagList == access.DagListUnread:
		c.permissions = permission.Intersect(c.permissions, w.contents(c.stored))
	case len(kept) > 0:
		c.permissions = w.onlyObserved(c.permissions, c.stored, kept)
	}
	c.desire.Permissions = len(c.permissions)
}

// matching is whether the selectors of a policy match DAGs, by how many they match or still matter of those that they matched.
func (w *work) matching(count int) access.Matching {
	switch {
	case count > 0:
		return access.MatchingSome
	case w.in.DagList == access.DagListUnread:
		return access.MatchingUnknown
	}
	return access.MatchingNone
}

// onlyObserved keeps of the pairs on kept DAGs those that the role has: nothing is added to what may be about to go. Nor is
// the code of DAGs, where it is shown by whole files: which other DAGs the file of a kept DAG defines is not known.
func (w *work) onlyObserved(ps []permission.Pair, stored, kept []string) []permission.Pair {
	isKept := make(map[string]bool, len(kept))
	for _, id := range kept {
		isKept[id] = true
	}
	missing := permission.Minus(ps, w.contents(stored))
	return permission.Minus(ps, slices.DeleteFunc(missing, func(p permission.Pair) bool {
		id, perDag := permission.DagOf(p.Resource)
		if !perDag {
			return p.Resource != permission.DagCode || !w.in.Server().ShowsWholeFiles()
		}
		return !isKept[id]
	}))
}

// decideStanding resolves the standing members.
func (w *work) decideStanding(c *policyCase) {
	for _, subject := range c.policy.Spec.Members {
		user, problem := w.users.Resolve(subject)
		if problem != nil {
			c.desire.Unresolved = append(c.desire.Unresolved, *problem)
			continue
		}
		c.desire.Members = append(c.desire.Members, user.Username)
		role := c.carrier
		if name, ok := w.heldBy(c, c.role, user); ok && !c.giving.All() {
			role = name
			w.wantHeld(c, c.role, name, c.permissions)
		}
		w.members.Add(user.Username, role, access.Standing(c.policy))
	}
	c.desire.Members = text.SortedSet(c.desire.Members)
	slices.SortFunc(c.desire.Unresolved, func(a, b access.Problem) int { return strings.Compare(a.Message, b.Message) })
}

// decideOrphan leaves the role of a policy that is being deleted with its standing members, and nobody else.
func (w *work) decideOrphan(c *policyCase) {
	role, ok := present(w.generations(c, c.role))
	if c.policy.Spec.Deletion != v1alpha1.PolicyDeletionOrphan || !ok {
		return
	}
	c.desire.Role, c.carrier = role, role
	c.stay(access.Problem{Reason: v1alpha1.ReasonPolicyRefused, Message: "the policy is being deleted"})
	c.permissions = w.content(role)
	c.desire.Permissions = len(c.permissions)
	w.wantRole(c, c.role, role, c.permissions)
	w.decideStanding(c)
}
