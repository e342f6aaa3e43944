package desire

import (
	"cmp"
	"fmt"
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

// Desire decides what should hold. Members are exact, reserved roles and the operator's account are left out whatever
// the input says, and a policy that gives nothing says why.
func Of(in access.Input) access.Desired {
	w := newWork(in)
	if !w.instanceEnds() {
		w.claimNames()
		for _, c := range w.cases {
			w.decidePolicy(c)
		}
	}
	w.decideGrants()
	w.finishInventory()
	w.enforceLeastPrivilege()
	w.finishMembers()
	return w.out
}

// Enforced is the input that an instance would have if its mode were Enforce, and what should hold then. Roles that would
// be taken over are in it as if their first pass, which only reports, were over.
func Enforced(in access.Input) (access.Input, access.Desired) {
	enforced := *in.Instance
	enforced.Spec.Mode = v1alpha1.ModeEnforce
	in.Instance = &enforced
	desired := Of(in)
	stored := enforced.Status.ManagedRoles
	for _, entry := range desired.Inventory {
		known := slices.ContainsFunc(stored, func(e v1alpha1.ManagedRole) bool { return e.Name == entry.Name })
		if entry.Adopted && !known {
			enforced.Status.ManagedRoles = append(slices.Clip(enforced.Status.ManagedRoles), entry)
		}
	}
	if len(enforced.Status.ManagedRoles) > len(stored) {
		desired = Of(in)
	}
	return in, desired
}

// work is one decision in the making.
type work struct {
	in       *access.Input
	users    *access.Directory
	userAt   map[string]int // exact username -> index in Observed.Users
	dags     *dag.Index
	stored   map[string]v1alpha1.ManagedRole // the inventory as it was stored, without reserved names
	bases    map[rolename.Line]bool          // lines of inventoried policy roles
	account  map[string]bool                 // roles of the operator's account
	cases    []*policyCase                   // oldest first
	byName   map[types.NamespacedName]*policyCase
	byUID    map[string]*policyCase
	members  access.Members
	adopting map[string]v1alpha1.ManagedRole
	observed map[string][]permission.Pair // canonical permissions, filled when first asked for
	held     map[string]bool              // roles that somebody is in, filled when first asked for

	successors map[rolename.Line][]int                  // line -> numbers of its successors, the highest first
	kin        map[rolename.Line][]v1alpha1.ManagedRole // line with successors -> its inventoried roles, the newest first
	carried    map[rolename.Line]bool                   // lines that a desired role carries
	carriers   map[string]string                        // first name of a grants' role -> the role that carries it
	fresh      map[string]bool                          // names of lines that are to be made in this pass
	out        access.Desired
}

// MaxRoles is how many roles of an instance are managed at most: its status, which has to hold them all, must stay below
// what etcd takes. Successors come on top.
const MaxRoles = 2048

// full says whether a line of roles that the inventory does not know is one too many.
func (w *work) full(base string) *access.Problem {
	_, stored := w.stored[base]
	switch {
	case stored || w.fresh[base] || len(w.successors[rolename.LineOf(base)]) > 0 || w.exists(base):
		return nil
	case len(w.stored)+len(w.fresh) >= MaxRoles:
		return &access.Problem{Reason: v1alpha1.ReasonTooManyRoles, Message: fmt.Sprintf("the AirflowInstance manages %d roles already, and can hold no more: end grants with DAGs or levels of their own, or delete policies", MaxRoles)}
	}
	w.fresh[base] = true
	return nil
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
	w := &work{
		in: &in, users: access.NewDirectory(in.Observed.Users, in.Account), userAt: make(map[string]int, len(in.Observed.Users)),
		dags: dag.NewIndex(in.Observed.Dags), stored: map[string]v1alpha1.ManagedRole{}, bases: map[rolename.Line]bool{},
		account: map[string]bool{}, byName: map[types.NamespacedName]*policyCase{}, byUID: map[string]*policyCase{},
		members: access.Members{}, adopting: map[string]v1alpha1.ManagedRole{},
		observed: map[string][]permission.Pair{}, successors: map[rolename.Line][]int{}, carried: map[rolename.Line]bool{}, carriers: map[string]string{}, fresh: map[string]bool{},
		out: access.Desired{
			Roles: map[string]access.Role{}, Policies: map[types.NamespacedName]access.PolicyDesire{},
			Grants: map[types.UID]access.GrantDesire{},
		},
	}
	for i, user := range in.Observed.Users {
		w.userAt[user.Username] = i
		if w.users.IsAccount(user.Username) {
			for _, role := range user.Roles {
				w.account[role] = true
			}
		}
	}
	for _, entry := range in.Instance.Status.ManagedRoles {
		if rolename.Manageable(entry.Name) {
			w.stored[entry.Name] = entry
			if entry.Kind == v1alpha1.ManagedRolePolicy {
				w.bases[rolename.LineOf(entry.Name)] = true
			}
		}
	}
	w.findSuccessors()
	for _, p := range in.Policies {
		c := &policyCase{policy: p, name: types.NamespacedName{Namespace: p.Namespace, Name: p.Name}, role: rolename.OfPolicy(p)}
		w.cases = append(w.cases, c)
		w.byName[c.name], w.byUID[string(p.UID)] = c, c
	}
	slices.SortFunc(w.cases, func(a, b *policyCase) int {
		return cmp.Or(a.policy.CreationTimestamp.Compare(b.policy.CreationTimestamp.Time),
			strings.Compare(a.name.Namespace, b.name.Namespace), strings.Compare(a.name.Name, b.name.Name))
	})
	return w
}

// instanceEnds says whether the instance is being deleted and takes everything along.
func (w *work) instanceEnds() bool {
	i := w.in.Instance
	if i.DeletionTimestamp == nil || i.Spec.Deletion == v1alpha1.InstanceDeletionAbandon {
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
		if w.mayClaim(c, mine) && (holder[c.role] == nil || mine) {
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
	return c.desire.Refused == nil && rolename.Manageable(c.role) && (mine || c.policy.DeletionTimestamp == nil)
}

// exists says whether Airflow stores a role.
func (w *work) exists(role string) bool {
	_, ok := w.in.Observed.Roles[role]
	return ok
}

// ours says whether a stored Airflow role is managed: by the inventory, or by a name that only we give.
func (w *work) ours(role string) bool {
	if entry, ok := w.stored[role]; ok {
		return !w.orphaned(entry)
	}
	return rolename.IsOwn(role, w.bases)
}

// orphaned says whether an entry was let go of for good: no policy can take that back any more.
func (w *work) orphaned(entry v1alpha1.ManagedRole) bool {
	c := w.byUID[entry.PolicyUID]
	return entry.Orphaned && (c == nil || c.policy.DeletionTimestamp != nil && c.policy.Spec.Deletion == v1alpha1.PolicyDeletionOrphan)
}

// content is what Airflow stores in a role, sorted and without ignored pairs.
func (w *work) content(role string) []permission.Pair {
	if ps, ok := w.observed[role]; ok {
		return ps
	}
	ps := w.in.Canonical(w.in.Observed.Roles[role])
	w.observed[role] = ps
	return ps
}

func (w *work) finishMembers() {
	for _, roles := range w.members {
		for role, causes := range roles {
			roles[role] = access.SortCauses(causes)
		}
	}
	w.out.Members = w.members
}
