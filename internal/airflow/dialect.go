package airflow

import "net/url"

// dialect is the API of one generation of Airflow: where things are, and how
// the account makes itself known. The rest of the client is the same for all.
type dialect struct {
	version, dags, providers  string
	roles, users, permissions string
	// allDags makes the list of DAGs show stale ones, too.
	allDags url.Values
	// session: a cookie instead of a token.
	session bool
	// silentCreate: the answer to a new role is empty.
	silentCreate bool
	// wholeUser: a change of a user's roles needs the other fields beside them.
	wholeUser bool
}

var (
	airflow3 = &dialect{
		version: "/api/v2/version", dags: "/api/v2/dags", providers: "/api/v2/providers",
		roles: "/auth/fab/v1/roles", users: "/auth/fab/v1/users", permissions: "/auth/fab/v1/permissions",
		allDags: url.Values{"exclude_stale": {"false"}},
	}
	// airflow2 leaves /auth/fab/v1 to the login: there the server would store a
	// session for each call that brings none.
	airflow2 = &dialect{
		version: "/api/v1/version", dags: "/api/v1/dags", providers: "/api/v1/providers",
		roles: "/api/v1/roles", users: "/api/v1/users", permissions: "/api/v1/permissions",
		allDags: url.Values{"only_active": {"false"}},
		session: true, silentCreate: true, wholeUser: true,
	}
)

func (d *dialect) role() string { return d.roles + "/{name}" }

func (d *dialect) user() string { return d.users + "/{username}" }

func (d *dialect) rolePath(name string) string { return d.roles + "/" + escapeName(name) }

func (d *dialect) userPath(name string) string { return d.users + "/" + escapeName(name) }

type versionWire struct {
	Version string `json:"version"`
}
