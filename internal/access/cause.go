package access

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// CauseKind is what kind of object a cause is.
type CauseKind string

const (
	// CauseStanding: the user is a standing member of a policy.
	CauseStanding CauseKind = "Standing"
	// CauseGrant: a live grant names the user.
	CauseGrant CauseKind = "Grant"
	// CauseServiceAccount: the user is the Airflow user of a bot, and a standing member of a policy.
	CauseServiceAccount CauseKind = "ServiceAccount"
)

// Cause is one reason for which a user has a managed role.
type Cause struct {
	Kind CauseKind
	// Object is the policy of a standing member, or the grant.
	Object types.NamespacedName
	// UID and Generation of that object.
	UID        types.UID
	Generation int64
	// Since is when the policy was created or the grant activated: the age of the cause, in whole seconds.
	Since time.Time
	// Policy is the policy whose access it is.
	Policy types.NamespacedName
}

// standing is the cause of the standing members of a policy.
func Standing(p *v1alpha1.DagAccessPolicy) Cause {
	name := types.NamespacedName{Namespace: p.Namespace, Name: p.Name}
	return Cause{Kind: CauseStanding, Object: name, UID: p.UID, Generation: p.Generation, Since: p.CreationTimestamp.Time, Policy: name}
}

// granted is the cause that an activated grant is, live or ended.
func Granted(g *v1alpha1.AccessGrant) Cause {
	return Cause{
		Kind: CauseGrant, Object: types.NamespacedName{Namespace: g.Namespace, Name: g.Name}, UID: g.UID, Generation: g.Generation,
		Since: g.Status.Activation.At.Time, Policy: g.PolicyKey(),
	}
}

// rank orders kinds of the same second: standing access comes before grants, so that making a policy and a grant together
// has one outcome.
func (k CauseKind) rank() int {
	if k == CauseGrant {
		return 1
	}
	return 0
}

// CompareCauses orders causes by age, then kind and name.
func CompareCauses(a, b Cause) int {
	return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Kind.rank(), b.Kind.rank()),
		strings.Compare(a.Object.Namespace, b.Object.Namespace), strings.Compare(a.Object.Name, b.Object.Name),
		strings.Compare(string(a.UID), string(b.UID)))
}

// String names a cause.
func (c Cause) String() string {
	switch c.Kind {
	case CauseStanding, CauseServiceAccount:
		return "policy " + c.Object.String()
	case CauseGrant:
		return "grant " + c.Object.String()
	}
	return string(c.Kind) + " " + c.Object.String()
}

// sortedCauses are causes without doubles, the oldest first. It may change the order of its argument.
func SortCauses(causes []Cause) []Cause {
	slices.SortFunc(causes, CompareCauses)
	return slices.CompactFunc(causes, func(a, b Cause) bool { return a.UID == b.UID && a.Kind == b.Kind })
}

// Members are the managed roles that each user should have, and why: user name as Airflow stores it -> role -> causes, the
// oldest first and never empty.
type Members map[string]map[string][]Cause

// Causes are why a user should have a role; empty when the user should not.
func (m Members) Causes(username, role string) []Cause { return m[username][role] }

// Has says whether a user should have a role.
func (m Members) Has(username, role string) bool { return len(m[username][role]) > 0 }

// Roles are the roles that a user should have, sorted.
func (m Members) Roles(username string) []string { return slices.Sorted(maps.Keys(m[username])) }

// Users are all users who should have a role, sorted.
func (m Members) Users() []string { return slices.Sorted(maps.Keys(m)) }

// add notes a cause for which a user should have a role.
func (m Members) Add(username, role string, cause Cause) {
	if m[username] == nil {
		m[username] = map[string][]Cause{}
	}
	m[username][role] = append(m[username][role], cause)
}

// remove takes a role and its causes from a user.
func (m Members) Remove(username, role string) {
	delete(m[username], role)
	if len(m[username]) == 0 {
		delete(m, username)
	}
}
