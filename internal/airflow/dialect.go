package airflow

import (
	"context"
	"errors"
	"net/http"
	"net/url"
)

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

// speak gives the server's dialect, and finds it out where it is not known yet.
// One caller asks while the others wait.
func (c *Client) speak(ctx context.Context) (*dialect, error) {
	if d := c.spoken.Load(); d != nil {
		return d, nil
	}
	select {
	case c.asking <- struct{}{}:
	case <-ctx.Done():
		return nil, transportError(ctx, ctx.Err())
	}
	defer func() { <-c.asking }()
	if d := c.spoken.Load(); d != nil {
		return d, nil
	}
	d, _, err := c.detect(ctx)
	return d, err
}

// detect asks the server for its version, and takes up the dialect of that
// generation. No credentials are sent.
func (c *Client) detect(ctx context.Context) (*dialect, string, error) {
	version, err := c.version(ctx, airflow3.version)
	if err == nil {
		return c.take(airflow3), version, nil
	}
	if !IsNotAirflow(err) && !IsUnsupported(err) && !IsNotFound(err) {
		return nil, "", err
	}
	if version, oldErr := c.version(ctx, airflow2.version); oldErr == nil {
		return c.take(airflow2), version, nil
	}
	return nil, "", err
}

func (c *Client) take(d *dialect) *dialect {
	if before := c.last.Swap(d); before != nil && before != d {
		c.tokens.forget() // the server was upgraded: what it gave out is of no use
	}
	c.spoken.Store(d)
	return d
}

func (c *Client) version(ctx context.Context, endpoint string) (string, error) {
	var answer versionWire
	err := c.call(ctx, request{
		method: http.MethodGet, endpoint: endpoint, path: endpoint, public: true, version: true,
		check: func() error {
			if answer.Version == "" || len(answer.Version) > 64 {
				return errors.New("the answer holds no version")
			}
			return nil
		},
	}, &answer)
	return answer.Version, err
}
