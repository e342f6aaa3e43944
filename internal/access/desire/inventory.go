package desire

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/text"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
)

// ledger brings the inventory up to date.
type ledger struct{ *work }

// finishInventory keeps an entry for every role that is desired, being deleted, being adopted or let go of. What was
// ours and is wanted by nothing any more is doomed, whether the inventory or, under the own claim, only its name says that
// it was ours.
func (w *ledger) finishInventory() {
	for name, entry := range w.stored {
		role, desired := w.out.Roles[name]
		switch {
		case desired:
			entry.Policy, entry.PolicyUID, entry.Kind = role.Policy.String(), w.policyUID(role), role.Kind
			entry.Orphaned, entry.Retired = w.letsGo(role), false
		case w.adopting[name].Name != "":
			entry = w.adopting[name]
		case w.orphaned(entry):
		default:
			entry.Orphaned, entry.Retired = false, w.retires(entry)
			w.out.Doomed = append(w.out.Doomed, name)
		}
		w.out.Inventory = append(w.out.Inventory, entry)
	}
	for name, role := range w.out.Roles {
		if _, stored := w.stored[name]; !stored && (role.Giving.All() || w.exists(name)) {
			w.out.Inventory = append(w.out.Inventory, v1alpha1.ManagedRole{
				Name: name, Policy: role.Policy.String(), PolicyUID: w.policyUID(role), Kind: role.Kind, Orphaned: w.letsGo(role),
			})
		}
	}
	for name, entry := range w.adopting {
		if _, stored := w.stored[name]; !stored {
			w.out.Inventory = append(w.out.Inventory, entry)
		}
	}
	w.findLost()
	slices.Sort(w.out.Doomed)
	sortInventory(w.out.Inventory)
}

// findLost finds roles that are ours by name only and that nothing wants: they go under the own claim, and stay where they
// were there before it. One that the operator's account holds is none of them: without it nothing would ever end.
func (w *ledger) findLost() {
	decide, wanted := w.doom, sets.New[rolename.Line]()
	switch {
	case w.claim.own:
	case w.claim.first():
		decide, wanted = w.spare, w.wantedLines()
	default:
		return
	}
	for name := range w.in.Observed.Roles {
		_, stored := w.stored[name]
		_, desired := w.out.Roles[name]
		switch {
		case stored, desired, w.account[name], wanted.Has(rolename.LineOf(name)):
		case rolename.IsOwn(name, w.bases):
			decide(name)
		}
	}
}

// doom lets a role go that is ours by name only.
func (w *ledger) doom(name string) {
	entry := v1alpha1.ManagedRole{Name: name, Kind: kindOf(name)}
	entry.Retired = w.retires(entry)
	w.out.Doomed = append(w.out.Doomed, name)
	w.out.Inventory = append(w.out.Inventory, entry)
}

// letsGo says whether a role is to stay in Airflow without its policy.
func (w *ledger) letsGo(role access.Role) bool {
	c := w.byName[role.Policy]
	return c != nil && c.policy.Orphans()
}

func (w *ledger) policyUID(role access.Role) string {
	if c := w.byName[role.Policy]; c != nil {
		return string(c.policy.UID)
	}
	return ""
}

func sortInventory(entries []v1alpha1.ManagedRole) {
	slices.SortFunc(entries, func(a, b v1alpha1.ManagedRole) int { return strings.Compare(a.Name, b.Name) })
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
