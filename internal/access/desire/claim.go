package desire

import (
	"slices"

	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// claiming is the claim of an instance, and what it means for a decision.
type claiming struct {
	access.Claim
	// wanted is true where the instance is to have a claim; own, where names that only the operator gives prove that a role is
	// the instance's.
	wanted, own bool
}

func newClaiming(in *access.Input) claiming {
	c := in.Claim()
	return claiming{Claim: c, wanted: in.Claims(c), own: in.Own(c)}
}

// first reports whether the instance makes its claim in an Airflow that it takes over from no other instance.
func (c claiming) first() bool {
	switch {
	case !c.wanted, c.Stands:
		return false
	}
	return c.Superseded == ""
}

// limit is how much may be done under a claim: before it stands, nothing is granted.
func (c claiming) limit(giving access.Giving) access.Giving {
	if c.Mine() || !giving.All() {
		return giving
	}
	return access.OnlyRevoking(v1alpha1.ReasonInstanceNotReady, "the AirflowInstance has no claim on this Airflow: see its conditions")
}

// decideClaim desires the own claim, without members and permissions, and dooms claims that are to go. Claims are in no
// inventory.
func (w *ledger) decideClaim() {
	c := w.claim
	w.out.Claim = c.Claim
	if c.wanted {
		w.out.Roles[c.Role] = access.Role{Name: c.Role}
	}
	if leaves := w.leavingClaim(); leaves != "" {
		w.out.Doomed = text.SortedSet(append(w.out.Doomed, leaves))
	}
}

// leavingClaim is the claim that is to go now; empty where none is. Where roles cannot be deleted, claims stay.
func (w *ledger) leavingClaim() string {
	c := w.claim
	switch {
	case !w.in.Deletes():
		return ""
	case c.Withdraws():
		return c.Role
	case !w.in.Instance.Revoking():
		if c.Mine() {
			return c.Superseded
		}
	case c.Stands:
		if !slices.ContainsFunc(w.out.Doomed, w.exists) {
			return c.Role // the last role of the instance
		}
	}
	return ""
}

// wantedLines are the lines of roles that policies, and grants that may still give something, want.
func (w *ledger) wantedLines() sets.Set[rolename.Line] {
	lines := sets.New[rolename.Line]()
	for _, c := range w.cases {
		lines.Insert(rolename.LineOf(c.role))
	}
	for _, g := range w.in.Grants {
		pinned := g.In(w.in.Instance)
		if pinned == nil {
			continue
		}
		lines.Insert(rolename.LineOf(pinned.Role))
		if c := w.byName[g.PolicyKey()]; c != nil {
			for _, role := range access.Carriers(c.policy, w.in.Instance, g.Status.Activation, pinned) {
				lines.Insert(rolename.LineOf(role))
			}
		}
	}
	return lines
}

// spare leaves roles that stood in Airflow before the instance claims it, and that no policy wants, for good: another
// operator, or a user, made them. Their entries in the inventory say so once the claim stands.
func (w *ledger) spare(name string) {
	w.out.Inventory = append(w.out.Inventory, v1alpha1.ManagedRole{Name: name, Kind: kindOf(name), Orphaned: true})
}

// kindOf is what a role of this name carries.
func kindOf(name string) v1alpha1.ManagedRoleKind {
	if rolename.IsForGrant(name) {
		return v1alpha1.ManagedRoleGrant
	}
	return v1alpha1.ManagedRolePolicy
}
