package access

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// RoleKey is the Drift.Key of a role. A successor has the key of the role whose place it took.
func RoleKey(role string) string { return rolePart + string(rolename.LineOf(role)) }

// rolePart begins a RoleKey and a DagKey.
const rolePart = "role/"

// dagPart stands before the DAG in a DagKey. No role that is managed has a slash in its name.
const dagPart = "/dag/"

// DagKey is the Drift.Key of the rights of a role, or its successors, on one DAG.
func DagKey(role, id string) string { return RoleKey(role) + dagPart + id }

// DagOfKey is the DAG of a DagKey; ok is false for other keys.
func DagOfKey(key string) (id string, ok bool) {
	if !strings.HasPrefix(key, rolePart) {
		return "", false
	}
	_, id, ok = strings.Cut(key, dagPart)
	return id, ok
}

// SetsAccessControl says why DAGs are contested, and what to do about it.
func SetsAccessControl(ids []string) string {
	what := ": its file sets access_control"
	if len(ids) > 1 {
		what = ": their files set access_control"
	}
	return text.List(ids, dagsShown) + what + ", which removes these rights at each parse; remove it there, or list the role in it"
}

// dagsShown is how many DAGs a message names.
const dagsShown = 8

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
