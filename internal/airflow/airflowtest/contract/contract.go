// Package contract is what the operator relies on in Airflow's REST API, as one
// suite of tests. It runs against the simulator and against real servers, so
// that neither the operator nor the simulator believes what Airflow does not do.
package contract

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

// Target is the server that is asked. Its permission cache must be off
// ([fab] cache_ttl = 0), and nobody else may write to it meanwhile. What is
// expected where releases differ follows from its version: updates of roles that
// replace or add, the API and the rules of Airflow 2 or 3.
type Target struct {
	// URL is its address: http on a loopback address.
	URL string
	// Username and Password are of an account with the role Admin.
	Username string
	Password string
	// Version and FABProvider are what it must say that it is.
	Version     string
	FABProvider string
	// DagX and DagY are two DAGs that are parsed and not stale. The suite
	// triggers and pauses DagX, and leaves it unpaused.
	DagX string
	DagY string
	// AddsWebsite: the server adds (can_read, Website) to every role that it did
	// not make itself, with each call.
	AddsWebsite bool
}

// does says what is expected where releases differ.
func (t Target) does() airflow.Capabilities {
	return airflow.CapabilitiesOf(airflow.Server{Version: t.Version, FABProvider: t.FABProvider})
}

// two says that it is an Airflow 2: another API, and sessions in the place of
// tokens.
func (t Target) two() bool { return t.does().Authentication == airflow.AuthenticationSession }

// api and fab are where Airflow's own API is and that of the FAB provider.
func (t Target) api() string {
	if t.two() {
		return "/api/v1"
	}
	return "/api/v2"
}

func (t Target) fab() string {
	if t.two() {
		return "/api/v1"
	}
	return "/auth/fab/v1"
}

// unprocessable is the status of what is not valid.
func (t Target) unprocessable() int {
	if t.two() {
		return http.StatusBadRequest
	}
	return http.StatusUnprocessableEntity
}

// adds says that an update of a role takes nothing away.
func (t Target) adds() bool { return t.does().RoleUpdate == airflow.RoleUpdateAdd }

// stored is what the server shows of a role that was given these permissions.
func (t Target) stored(permissions []airflow.Permission) []airflow.Permission {
	if t.AddsWebsite {
		permissions = append(slices.Clone(permissions), pair("can_read", "Website"))
	}
	return airflow.SortPermissions(permissions)
}

// Run runs the whole suite. What it makes it removes; its roles and users are
// named "contract ...".
func Run(t *testing.T, target Target) {
	t.Helper()
	for _, part := range []struct {
		name string
		run  func(*session)
	}{
		{"discovery", discovery},
		{"tokens", tokens},
		{"roles", roles},
		{"names of roles", roleNames},
		{"trying out what a server can do", probe},
		{"requests that are not valid", invalidRequests},
		{"users", users},
		{"lists", lists},
		{"authorization", authorization},
		{"authorization evaluator", evaluator},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(newSession(t, target)) })
	}
}

// refused says whether the answer is that of a missing permission; Airflow 2
// says the same of wrong credentials.
func (t Target) refused(a answer) bool {
	if !t.two() {
		return a.status == http.StatusForbidden && a.detail() == "Forbidden"
	}
	var problem struct {
		Detail *string `json:"detail"`
		Title  string  `json:"title"`
	}
	return a.status == http.StatusForbidden && a.kind == "application/problem+json" &&
		json.Unmarshal(a.body, &problem) == nil && problem.Detail == nil && problem.Title == "Forbidden"
}
