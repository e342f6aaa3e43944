package airflow

import "github.com/Masterminds/semver/v3"

// Supported says whether the levels of access can be said in a server's
// permissions: Airflow 2.10 and later with FAB provider 1.3 and later, which have
// permissions on the runs of one DAG, and Airflow 3 with FAB provider 2.4.2 and
// later, which decides by the rules that [PermissionModelAirflow3] names. A
// version that cannot be read is regarded as a new one.
func (s Server) Supported() bool {
	fab, _, ok := release(s.FABProvider)
	if !ok {
		return !s.isTwo()
	}
	if s.isTwo() {
		version, _, _ := release(s.Version)
		return !before(version, 2, 10, 0) && !before(fab, 1, 3, 0) && before(fab, 2, 0, 0)
	}
	return !before(fab, 2, 4, 2)
}

// newestTried is the newest Airflow that was tried.
var newestTried = semver.New(3, 3, 2, "", "")

// Untested returns the newest Airflow that was tried where the server's minor release is newer; else it is empty. Such a
// server is governed by the rules of the newest that is known.
func (s Server) Untested() string {
	version, _, ok := release(s.Version)
	if !ok || before(version, newestTried.Major(), newestTried.Minor()+1, 0) {
		return ""
	}
	return newestTried.String()
}
