package desire

import (
	"cmp"
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/internal/access"

	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/dag"
	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// Of decides what should hold. Members are exact, reserved roles and the operator's account are left out whatever
// the input says, and a policy that gives nothing says why.
func Of(in access.Input) access.Desired {
	w := newWork(in)
	if !w.instanceEnds() {
		w.claimNames()
		for _, c := range w.cases {
			w.decidePolicy(c)
		}
	}
	(&granting{work: w, carriers: map[string]string{}}).decideGrants()
	(&ledger{w}).finishInventory()
	(&ledger{w}).decideClaim()
	(&enforcer{w}).enforceLeastPrivilege()
	w.finishMembers()
	w.out.Held = w.guard.inOrder()
	return w.out
}

// Enforced is the input that an instance would have if its mode were Enforce, and what should hold then. Roles that would
// be taken over are in it as if their first pass, which only reports, were over, and so is the claim of the instance, which
// gives no access.
func Enforced(in access.Input) (access.Input, access.Desired) {
	enforced := *in.Instance
	enforced.Spec.Mode = v1alpha1.ModeEnforce
	in.Instance = &enforced
	desired := Of(in)
	if claim := in.Claim(); in.Claims(claim) {
		enforced.Status.ManagedRoles = withReported(enforced.Status.ManagedRoles, desired.Inventory)
		in.Observed = in.Claiming(claim)
		desired = Of(in)
	}
	enforced.Status.ManagedRoles = withReported(enforced.Status.ManagedRoles, desired.Inventory)
	return in, Of(in)
}

// withReported adds entries to an inventory that are stored before anything is done with their roles: of roles that are adopted,
// and of those that are left alone.
func withReported(stored, desired []v1alpha1.ManagedRole) []v1alpha1.ManagedRole {
	out := slices.Clip(stored)
	for _, entry := range desired {
		switch known := slices.ContainsFunc(stored, func(e v1alpha1.ManagedRole) bool { return e.Name == entry.Name }); {
		case known:
		case entry.Adopted, entry.Orphaned:
			out = append(out, entry)
		}
	}
	return out
}

// work is one decision in the making: the policies, and what was decided so far.
type work struct {
	*stock
	*levels
	in       *access.Input
	guard    *guard
	cases    []*policyCase // oldest first
	byName   map[types.NamespacedName]*policyCase
	members  access.Members
	adopting map[string]v1alpha1.ManagedRole
	out      access.Desired
}

// policyCase is one policy and what is decided about it.
type policyCase struct {
	policy *v1alpha1.DagAccessPolicy
	name   types.NamespacedName
	// role is the name that the policy has, carrier the Airflow role that carries it: role or its successor.
	role, carrier string
	// stored are the roles that carry it in Airflow now: two while a successor takes the place of another.
	stored []string
	// holds is true when the policy has the role's name and the role is managed.
	holds bool
	// giving is how much may be done for it now, and upkeep what that means for its roles.
	giving access.Giving
	upkeep access.Upkeep
	// covered are the DAGs whose pairs the role should have, with those that are kept; extra pairs go along.
	covered     []string
	pairs       []v1alpha1.AirflowPermission // those of its airflowPermissions that are allowed
	permissions []permission.Pair
	desire      access.PolicyDesire
}

func newWork(in access.Input) *work {
	dags := dag.NewIndex(in.Observed.Dags, in.Observed.Away...)
	claim := newClaiming(&in)
	in.Giving = claim.limit(in.Giving)
	w := &work{
		stock: newStock(&in, claim, access.NewDirectory(in.Observed.Users, in.Account)), levels: &levels{in: &in, dags: dags}, in: &in,
		byName: map[types.NamespacedName]*policyCase{}, members: access.Members{}, adopting: map[string]v1alpha1.ManagedRole{},
		out: access.Desired{
			Roles: map[string]access.Role{}, Policies: map[types.NamespacedName]access.PolicyDesire{},
			Grants: map[types.UID]access.GrantDesire{},
		},
	}
	w.guard = &guard{in: &in, dags: dags, stock: w.stock}
	for _, p := range in.Policies {
		c := &policyCase{policy: p, name: types.NamespacedName{Namespace: p.Namespace, Name: p.Name}, role: rolename.OfPolicy(p)}
		w.cases = append(w.cases, c)
		w.byName[c.name] = c
	}
	slices.SortFunc(w.cases, func(a, b *policyCase) int {
		return cmp.Or(a.policy.CreationTimestamp.Compare(b.policy.CreationTimestamp.Time),
			strings.Compare(a.name.Namespace, b.name.Namespace), strings.Compare(a.name.Name, b.name.Name))
	})
	return w
}

// instanceEnds says whether the instance is being deleted and takes everything along.
func (w *work) instanceEnds() bool {
	if !w.in.Instance.Revoking() {
		return false
	}
	for _, c := range w.cases {
		w.out.Policies[c.name] = access.PolicyDesire{}
	}
	return true
}

// claimNames gives every role name to one policy: to the one that the inventory names, else to the oldest.
func (w *work) claimNames() {
	holder := map[string]*policyCase{}
	for _, c := range w.cases {
		mine := w.inventoriedFor(c)
		if !w.mayClaim(c, mine) {
			continue
		}
		if mine || holder[c.role] == nil {
			holder[c.role] = c
		}
	}
	for _, c := range w.cases {
		switch h := holder[c.role]; {
		case h == c:
			c.holds = true
		case h != nil && c.desire.Refused == nil && c.policy.DeletionTimestamp == nil:
			c.desire.Refused = &access.Problem{Reason: v1alpha1.ReasonRoleNameTaken, Message: "policy " + h.name.String() + " has the Airflow role " +
				text.Quoted(c.role) + " already: create another policy with another role.name"}
		}
	}
}

// inventoriedFor says whether the inventory gives the role name to this policy.
func (w *work) inventoriedFor(c *policyCase) bool {
	for _, entry := range w.kin[rolename.LineOf(c.role)] {
		if !entry.Retired {
			return entry.PolicyUID == string(c.policy.UID)
		}
	}
	stored, inventoried := w.stored[c.role]
	return inventoried && stored.PolicyUID == string(c.policy.UID)
}

// mayClaim says whether a policy can have its role name at all. One that is being deleted only keeps what it has.
func (w *work) mayClaim(c *policyCase, mine bool) bool {
	if c.policy.Spec.Role != nil && c.policy.Spec.Role.Name != "" && !mine {
		if err := rolename.Check(c.role); err != nil {
			c.desire.Refused = &access.Problem{Reason: v1alpha1.ReasonInvalidRoleName, Message: err.Error()}
		}
	}
	switch {
	case c.desire.Refused != nil, !rolename.Manageable(c.role):
		return false
	}
	return mine || c.policy.DeletionTimestamp == nil
}

func (w *work) finishMembers() {
	for _, roles := range w.members {
		for role, causes := range roles {
			roles[role] = access.SortCauses(causes)
		}
	}
	w.out.Members = w.members
}
