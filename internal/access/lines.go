package access

import (
	"slices"

	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// RoleKey is the Drift.Key of a role. A successor has the key of the role whose place it took.
func RoleKey(role string) string { return "role/" + string(rolename.LineOf(role)) }

// MemberKey is the Drift.Key of a user's membership in a role or its successors.
func MemberKey(username, role string) string {
	return "member/" + username + "/" + string(rolename.LineOf(role))
}

// kinOf gives the inventoried roles of every line that has a successor, the newest first.
func KinOf(inventory []v1alpha1.ManagedRole) map[rolename.Line][]v1alpha1.ManagedRole {
	var kin map[rolename.Line][]v1alpha1.ManagedRole
	for _, entry := range inventory {
		if line, _, ok := rolename.Succession(entry.Name); ok && rolename.Manageable(entry.Name) {
			if kin == nil {
				kin = map[rolename.Line][]v1alpha1.ManagedRole{}
			}
			kin[line] = nil
		}
	}
	if kin == nil {
		return nil
	}
	for _, entry := range inventory {
		line := rolename.LineOf(entry.Name)
		if _, ok := kin[line]; ok && rolename.Manageable(entry.Name) {
			kin[line] = append(kin[line], entry)
		}
	}
	for _, entries := range kin {
		slices.SortFunc(entries, func(a, b v1alpha1.ManagedRole) int { return rolename.CompareNewest(a.Name, b.Name) })
	}
	return kin
}

// knownLines are the lines that the inventory knows: a role of such a line that is not inventoried is somebody else's.
func KnownLines(d *Desired) map[rolename.Line]bool {
	known := make(map[rolename.Line]bool, len(d.Inventory))
	doomed := sets.New(d.Doomed...)
	for _, entry := range d.Inventory {
		if _, desired := d.Roles[entry.Name]; desired || doomed.Has(entry.Name) || entry.Orphaned {
			known[rolename.LineOf(entry.Name)] = true
		}
	}
	return known
}

// carriers are the roles that can have carried an activation at one time or another, themselves or by a successor.
func Carriers(p *v1alpha1.DagAccessPolicy, i *v1alpha1.AirflowInstance, a *v1alpha1.Activation, pinned *v1alpha1.GrantInstance) []string {
	base, terms := rolename.OfPolicy(p), rolename.TermsOf(a, p)
	roles := []string{pinned.Role, rolename.ForGrant(base, string(i.UID), string(p.UID), terms)}
	if terms.Dags == nil {
		roles = append(roles, base)
	}
	return slices.DeleteFunc(text.SortedSet(roles), func(role string) bool { return !rolename.Manageable(role) })
}
