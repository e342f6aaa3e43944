package airflow

import "github.com/Masterminds/semver/v3"

// The values of Capabilities.
const (
	AuthenticationJWT     = "JWT"
	AuthenticationSession = "Session"

	RoleUpdateReplace = "Replace"
	RoleUpdateAdd     = "Add"
	RoleUpdateRefused = "Refused"

	Works = "Works"
	Fails = "Fails"

	PermissionListPairs   = "Pairs"
	PermissionListActions = "Actions"
	PermissionListNone    = "None"

	PermissionModelAirflow2 = "Airflow2"
	PermissionModelAirflow3 = "Airflow3"
)

// Capabilities say how a server behaves where releases differ. They follow from
// the FAB provider's version; see [CapabilitiesOf].
type Capabilities struct {
	// Authentication is AuthenticationJWT, or AuthenticationSession: basic
	// authentication with the session's cookie kept.
	Authentication string
	// RoleUpdate is what an update of a role does: RoleUpdateReplace its
	// permissions, RoleUpdateAdd to them, or RoleUpdateRefused.
	RoleUpdate string
	// RoleDelete is Works or Fails.
	RoleDelete string
	// Users is Works, or Fails where every call on users answers 500.
	Users string
	// PermissionList is what the list of permissions holds.
	PermissionList string
	// PermissionModel is by which rules the server decides.
	PermissionModel string
	// Caches says that workers cache permissions ([fab] cache_ttl).
	Caches bool
}

// release parses a version and says nothing about the parts behind its number.
func release(version string) *semver.Version {
	v, err := semver.NewVersion(version)
	if err != nil {
		return semver.New(0, 0, 0, "", "")
	}
	return semver.New(v.Major(), v.Minor(), v.Patch(), "", "")
}

// before says whether a release comes before major.minor.patch.
func before(v *semver.Version, major, minor, patch uint64) bool {
	return v.LessThan(semver.New(major, minor, patch, "", ""))
}

// CapabilitiesOf says what a server can do, from the FAB provider's version:
// Airflow's own does not tell, because the provider is upgraded by itself. The
// ranges were read in the provider's history and run at 1.5.4, 3.2.0, 3.6.4 and
// 3.10.2.
func CapabilitiesOf(server Server) Capabilities {
	fab := release(server.FABProvider)
	c := Capabilities{
		Authentication: AuthenticationJWT, RoleUpdate: RoleUpdateReplace, RoleDelete: Works, Users: Works,
		PermissionList: PermissionListPairs, PermissionModel: PermissionModelAirflow3, Caches: !before(fab, 3, 2, 0),
	}
	switch {
	case !before(fab, 3, 0, 3) && before(fab, 3, 2, 1):
		c.RoleUpdate = RoleUpdateRefused
	case before(fab, 3, 8, 1):
		c.RoleUpdate = RoleUpdateAdd
	}
	if !before(fab, 3, 0, 2) && before(fab, 3, 5, 1) {
		c.RoleDelete = Fails
	}
	if fab.Equal(semver.New(3, 2, 0, "", "")) {
		c.Users, c.PermissionList = Fails, PermissionListNone
	}
	if before(fab, 2, 4, 2) {
		c.PermissionModel = PermissionModelAirflow2
	}
	if before(fab, 2, 0, 0) {
		c.Authentication, c.PermissionList = AuthenticationSession, PermissionListActions
	}
	return c
}
