package server

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/airflow-oam/airflow-oam/hack/airflow/locks"
)

// Release is a version of Airflow with the FAB provider that it is run with.
type Release struct {
	// Version is Airflow's, such as 3.3.2.
	Version string
	// FABProvider is the version of the FAB provider, such as 3.10.2.
	FABProvider string
	// Lock is the name of the environment that holds both.
	Lock string
}

// Releases returns what can be run, a release for each lock, the newest first.
func Releases() []Release {
	var all []Release
	for _, name := range locks.Names() {
		airflow, fab, found := strings.Cut(strings.TrimPrefix(name, "airflow-"), "-fab-")
		if !found {
			panic("locks: the name " + name + " is not airflow-<version>-fab-<version>")
		}
		all = append(all, Release{Version: airflow, FABProvider: fab, Lock: name})
	}
	slices.SortFunc(all, func(a, b Release) int { return slices.Compare(numbers(b.Version), numbers(a.Version)) })
	return all
}

// ReleaseOf returns the release of a version of Airflow; the empty version is
// that of locks.Default. The error of an unknown one lists what there is.
func ReleaseOf(version string) (Release, error) {
	var known []string
	for _, release := range Releases() {
		if release.Version == version || version == "" && release.Lock == locks.Default {
			return release, nil
		}
		known = append(known, release.Version)
	}
	return Release{}, fmt.Errorf("no Airflow %q, there are: %s", version, strings.Join(known, ", "))
}

// Airflow2 says whether the release is one of Airflow 2: a webserver instead of
// an API server, a scheduler that also parses DAG files, no tokens.
func (r Release) Airflow2() bool { return strings.HasPrefix(r.Version, "2.") }

// CachesPermissions says whether [fab] cache_ttl exists.
func (r Release) CachesPermissions() bool {
	return slices.Compare(numbers(r.FABProvider), []int{3, 2, 0}) >= 0
}

// APIPath is the root of Airflow's own REST API.
func (r Release) APIPath() string {
	if r.Airflow2() {
		return "/api/v1"
	}
	return "/api/v2"
}

// healthPath tells the state of the server's parts without an account.
func (r Release) healthPath() string {
	if r.Airflow2() {
		return r.APIPath() + "/health"
	}
	return r.APIPath() + "/monitor/health"
}

// programs are the commands of a server in the order of their start. The
// scheduler of Airflow 2 parses DAG files, because a DAG processor of its own
// refuses SQLite there: it cannot be left out.
func (r Release) programs(scheduler bool) [][]string {
	// The scheduler's own log server would listen on a fixed port of all addresses.
	tasks := []string{"scheduler", "--skip-serve-logs"}
	switch {
	case r.Airflow2():
		return [][]string{{"webserver"}, tasks}
	case scheduler:
		return [][]string{{"api-server"}, {"dag-processor"}, tasks}
	}
	return [][]string{{"api-server"}, {"dag-processor"}}
}

// parts are the names in the server's health that must be healthy.
func (r Release) parts(scheduler bool) []string {
	switch {
	case r.Airflow2():
		return []string{"metadatabase", "scheduler"}
	case scheduler:
		return []string{"metadatabase", "dag_processor", "scheduler"}
	}
	return []string{"metadatabase", "dag_processor"}
}

// highestPython is the newest Python 3 that the release runs on, as its minor
// version.
func (r Release) highestPython() int {
	if r.Airflow2() {
		return 12
	}
	return 13
}

// numbers splits a version at its dots; what is no number counts as zero.
func numbers(version string) []int {
	var parts []int
	for part := range strings.SplitSeq(version, ".") {
		n, _ := strconv.Atoi(part)
		parts = append(parts, n)
	}
	return parts
}
