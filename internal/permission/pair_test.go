package permission

import "testing"

// TestRightsOnSecurityAndDagsAreForbidden names the resources once more, so that a change of the list is seen.
func TestRightsOnSecurityAndDagsAreForbidden(t *testing.T) {
	for _, resource := range []string{
		"DAGs", "DAG Runs", "DAG:x", "DAG Run:x",
		"Users", "Roles", "Permissions", "Permission Views", "View Menus", "Passwords",
	} {
		for _, action := range []string{CanRead, CanCreate, CanEdit, CanDelete, MenuAccess} {
			if p := (Pair{action, resource}); !p.Forbidden() {
				t.Errorf("%s may be given", p)
			}
		}
	}
	for _, resource := range []string{"Pools", "Variables", "DAG Code"} {
		if p := (Pair{CanRead, resource}); p.Forbidden() {
			t.Errorf("%s may not be given", p)
		}
	}
}
