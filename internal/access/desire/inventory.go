package desire

import (
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/internal/access"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
)

// ledger brings the inventory up to date.
type ledger struct{ *work }

// finishInventory keeps an entry for every role that is desired, being deleted, being adopted or let go of. What was
// ours and is wanted by nothing any more is doomed, whether the inventory or only its name says that it was ours.
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
	w.doomLost()
	slices.Sort(w.out.Doomed)
	sortInventory(w.out.Inventory)
}

// doomLost finds roles that are ours by name only and that nothing wants. One that the operator's account holds is none of
// them: without it nothing would ever end.
func (w *ledger) doomLost() {
	for name := range w.in.Observed.Roles {
		_, stored := w.stored[name]
		_, desired := w.out.Roles[name]
		if stored || desired || w.account[name] || !rolename.IsOwn(name, w.bases) {
			continue
		}
		kind := v1alpha1.ManagedRolePolicy
		if rolename.IsForGrant(name) {
			kind = v1alpha1.ManagedRoleGrant
		}
		entry := v1alpha1.ManagedRole{Name: name, Kind: kind}
		entry.Retired = w.retires(entry)
		w.out.Doomed = append(w.out.Doomed, name)
		w.out.Inventory = append(w.out.Inventory, entry)
	}
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
