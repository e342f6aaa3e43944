package airflowtest

import (
	"bufio"
	_ "embed"
	"net/http"
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

//go:embed seed.txt
var seed string

// Generation is a version set of Airflow and its FAB provider with the
// behaviour that belongs to it.
type Generation struct {
	// Version is Airflow's, FABProvider that of the FAB provider.
	Version     string
	FABProvider string
	// Does is how it really behaves, whatever the client believes of its version.
	// With AuthenticationSession it is an Airflow 2 altogether; an empty field is
	// what Airflow 3.3.2 does.
	Does airflow.Capabilities
	// AddsWebsite: each call on roles, users and permissions adds (can_read,
	// Website) to every role that Airflow did not make itself.
	AddsWebsite bool
}

// Airflow33 is Airflow 3.3.2 with FAB provider 3.10.2: updating a role replaces
// its permissions.
var Airflow33 = Generation{
	Version: "3.3.2", FABProvider: "3.10.2",
	Does: airflow.Capabilities{RoleUpdate: airflow.RoleUpdateReplace},
}

// Airflow32 is Airflow 3.2.2 with FAB provider 3.6.4: updating a role only adds,
// and the answer echoes the request as if it had replaced.
var Airflow32 = Generation{
	Version: "3.2.2", FABProvider: "3.6.4", AddsWebsite: true,
	Does: airflow.Capabilities{RoleUpdate: airflow.RoleUpdateAdd},
}

// Airflow31 is Airflow 3.1.7 with FAB provider 3.2.0: roles can be made, and
// neither changed nor deleted; what is written about users is stored and
// answered 500; the list of permissions takes no token.
var Airflow31 = Generation{
	Version: "3.1.7", FABProvider: "3.2.0", AddsWebsite: true,
	Does: airflow.Capabilities{
		RoleUpdate: airflow.RoleUpdateRefused, RoleDelete: airflow.Fails, Users: airflow.Fails, PermissionList: airflow.PermissionListNone,
	},
}

// updateRole is what PATCH makes of the permissions that a role has and those
// in the request.
func (g Generation) updateRole(has, asked []airflow.Permission) []airflow.Permission {
	if g.Does.RoleUpdate == airflow.RoleUpdateAdd {
		return airflow.SortPermissions(slices.Concat(has, asked))
	}
	return asked
}

// refuses gives the answer of a release that cannot do what a route is for; nil
// where it can.
func (g Generation) refuses(r *route) *response {
	switch {
	case r.endpoint == rolePath && r.method == http.MethodPatch && g.Does.RoleUpdate == airflow.RoleUpdateRefused:
		return detail(http.StatusForbidden, "Forbidden")
	case r.endpoint == permissionsPath && g.Does.PermissionList == airflow.PermissionListNone:
		return detail(http.StatusUnauthorized, "Unauthorized")
	}
	return nil
}

// fails says whether the answer is 500 although nothing is wrong with the request.
func (g Generation) fails(r *route, answer *response) bool {
	users := r.endpoint == usersPath || r.endpoint == userPath
	return users && answer.status == http.StatusOK && g.Does.Users == airflow.Fails
}

// keepsRole says that a DELETE of a role ends with 500 and leaves it.
func (g Generation) keepsRole() bool { return g.Does.RoleDelete == airflow.Fails }

// userKeys are what lists of users are ordered by.
func (g Generation) userKeys() []string {
	keys := []string{"id", "user_id", "first_name", "last_name", "username", "email", "active"}
	if g.two() {
		keys = slices.DeleteFunc(keys, func(key string) bool { return key == "username" })
	}
	return keys
}

const (
	rolePath        = "/auth/fab/v1/roles/{name}"
	usersPath       = "/auth/fab/v1/users"
	userPath        = "/auth/fab/v1/users/{username}"
	permissionsPath = "/auth/fab/v1/permissions"
)

// website is the permission that some releases add on their own.
var website = airflow.Permission{Action: "can_read", Resource: "Website"}

// addWebsite does what some releases do before they serve a call.
func (s *Sim) addWebsite() {
	t := s.begin(ByOutside, 0)
	for _, r := range s.store.roles {
		if _, has := slices.BinarySearchFunc(r.permissions, website, airflow.Permission.Compare); !has && !slices.Contains(builtinRoles, r.name) {
			t.setPermissions(r, append(slices.Clone(r.permissions), website))
		}
	}
}

// The roles that Airflow makes itself, in the order of their ids.
var builtinRoles = []string{"Admin", "Public", "Viewer", "User", "Op"}

// readSeed gives the pairs of a new Airflow and the roles that hold them.
func readSeed() (pairs []airflow.Permission, roles map[string][]airflow.Permission) {
	roles = map[string][]airflow.Permission{}
	for lines := bufio.NewScanner(strings.NewReader(seed)); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		f := strings.Split(lines.Text(), "|")
		p := airflow.Permission{Action: strings.TrimSpace(f[0]), Resource: strings.TrimSpace(f[1])}
		pairs = append(pairs, p)
		for name := range strings.FieldsSeq(f[2]) {
			roles[name] = append(roles[name], p)
		}
	}
	return pairs, roles
}
