package airflow

import (
	"regexp"
	"strconv"

	"github.com/Masterminds/semver/v3"
)

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

// releaseText is the number at the beginning of a Python version, and what is
// behind it.
var releaseText = regexp.MustCompile(`^v?(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?(.*)$`)

// release reads a version's number. exact is false where more follows that may
// change what it can do: 3.8.1rc1 and 3.8.1.dev0 need not be what 3.8.1 is, while
// 3.8.1.post1 and 3.8.1+ours are.
func release(version string) (v *semver.Version, exact, ok bool) {
	m := releaseText.FindStringSubmatch(version)
	if m == nil {
		return nil, false, false
	}
	var parts [3]uint64
	for i := range parts {
		parts[i], _ = strconv.ParseUint(m[i+1], 10, 32) // digits, or an empty patch
	}
	return semver.New(parts[0], parts[1], parts[2], "", ""), sameRelease.MatchString(m[4]), true
}

var sameRelease = regexp.MustCompile(`^(\.?post\d*)?(\+.*)?$`)

// before says whether a release comes before major.minor.patch.
func before(v *semver.Version, major, minor, patch uint64) bool {
	return v.LessThan(semver.New(major, minor, patch, "", ""))
}

// between says whether a release is from one number on and before another.
func between(v *semver.Version, from, to [3]uint64) bool {
	return !before(v, from[0], from[1], from[2]) && before(v, to[0], to[1], to[2])
}

// CapabilitiesOf says what a server can do, from the FAB provider's version:
// Airflow's own says nothing about it, because the provider is upgraded by itself. The
// ranges were read in the provider's history and run at 1.5.4, 3.2.0, 3.6.4 and
// 3.10.2. Where the number misleads ([Server.Misleads]) it says what does no
// harm when it is wrong: that an update adds only.
func CapabilitiesOf(server Server) Capabilities {
	fab, _, ok := release(server.FABProvider)
	switch {
	case ok:
	case server.isTwo():
		fab = airflow2FAB
	default:
		return Capabilities{
			Authentication: AuthenticationJWT, RoleUpdate: RoleUpdateAdd, RoleDelete: Works, Users: Works,
			PermissionList: PermissionListNone, PermissionModel: PermissionModelAirflow3, Caches: true,
		}
	}
	c := Capabilities{
		Authentication: AuthenticationJWT, RoleUpdate: RoleUpdateReplace, RoleDelete: Works, Users: Works,
		PermissionList: PermissionListPairs, PermissionModel: PermissionModelAirflow3, Caches: !before(fab, 3, 2, 0),
	}
	switch {
	case between(fab, [3]uint64{3, 0, 3}, [3]uint64{3, 2, 1}):
		c.RoleUpdate = RoleUpdateRefused
	case before(fab, 3, 8, 1):
		c.RoleUpdate = RoleUpdateAdd
	}
	if between(fab, [3]uint64{3, 0, 2}, [3]uint64{3, 5, 1}) {
		c.RoleDelete = Fails
	}
	// Run at 3.2.0; of 3.3 read: its answers fail where a user's times have no zone.
	if between(fab, [3]uint64{3, 2, 0}, [3]uint64{3, 4, 0}) {
		c.Users = Fails
	}
	// The list of permissions refuses tokens at 3.2.0 and accepts them at 3.6.4.
	if before(fab, 3, 6, 4) {
		c.PermissionList = PermissionListNone
	}
	if before(fab, 2, 4, 2) {
		c.PermissionModel = PermissionModelAirflow2
	}
	if before(fab, 2, 0, 0) {
		c.Authentication, c.PermissionList = AuthenticationSession, PermissionListActions
	}
	return c
}

// airflow2FAB stands for the FAB auth manager that was part of Airflow 2 before
// it became a provider.
var airflow2FAB = semver.New(1, 0, 0, "", "")

func (s Server) isTwo() bool {
	version, _, ok := release(s.Version)
	return ok && before(version, 3, 0, 0)
}

// newestKnown is the newest provider that was tried.
var newestKnown = semver.New(3, 10, 2, "", "")

// Misleads says that the provider's version does not tell what an update or the
// deletion of a role does: it cannot be read, is newer than any that was
// tried, is a preview, or is one whose behaviour depends on the database's past
// (3.6.0 to 3.6.3) or is not known (3.0.2). [Client.Probe] finds out.
func (s Server) Misleads() bool {
	if s.AuthManager != AuthManagerFAB {
		return false
	}
	fab, exact, ok := release(s.FABProvider)
	if !ok {
		return !s.isTwo()
	}
	return !exact || fab.GreaterThan(newestKnown) || fab.Equal(semver.New(3, 0, 2, "", "")) ||
		between(fab, [3]uint64{3, 6, 0}, [3]uint64{3, 6, 4})
}
