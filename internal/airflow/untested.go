package airflow

import "github.com/Masterminds/semver/v3"

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
