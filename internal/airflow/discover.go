package airflow

import (
	"context"
	"errors"
	"net/http"
	"strings"
)

const (
	endpointVersion   = "/api/v2/version"
	endpointVersion1  = "/api/v1/version"
	endpointOpenAPI   = "/auth/openapi.json"
	endpointProviders = "/api/v2/providers"

	titleFAB    = "FAB auth manager API"
	titleSimple = "Simple auth manager"
	fabProvider = "apache-airflow-providers-fab"
)

type versionWire struct {
	Version string `json:"version"`
}

type providerWire struct {
	Package string `json:"package_name"`
	Version string `json:"version"`
}

type providersWire struct {
	Providers *[]providerWire `json:"providers"`
	Total     *int            `json:"total_entries"`
}

var listProviders = listing[providersWire, providerWire]{
	endpoint: endpointProviders, orderBy: "package_name",
	page: func(w providersWire) ([]providerWire, *int, error) {
		if w.Providers == nil {
			return nil, nil, errNoList
		}
		for _, p := range *w.Providers {
			if p.Package == "" {
				return nil, nil, errNoName
			}
		}
		return *w.Providers, w.Total, nil
	},
	key: func(p providerWire) string { return p.Package },
}

// Discover finds out what answers at the address. Version and auth manager need
// no credentials; the FAB provider's version does, and is left empty without.
// Where it fails, the Server still holds what was found before. An Airflow 2
// fails with [IsUnsupported]; an auth manager other than FAB does not fail: look
// at [Server.AuthManager].
func (c *Client) Discover(ctx context.Context) (Server, error) {
	server := Server{AuthManager: AuthManagerUnknown}
	version, err := c.version(ctx, endpointVersion)
	if IsNotAirflow(err) || IsUnsupported(err) || IsNotFound(err) {
		if old, oldErr := c.version(ctx, endpointVersion1); oldErr == nil {
			server.Version = old
			return server, &Error{Cause: CauseUnsupported, Detail: "this is Airflow " + clean(old, 32) + "; Airflow 3 is needed"}
		}
	}
	if err != nil {
		return server, err
	}
	server.Version = version
	if server.AuthManager, err = c.authManager(ctx); err != nil || server.AuthManager != AuthManagerFAB || !c.tokens.known() {
		return server, err
	}
	providers, err := listProviders.read(ctx, c)
	for _, p := range providers.Items {
		if p.Package == fabProvider {
			server.FABProvider = p.Version
			server.Capabilities = CapabilitiesOf(server)
		}
	}
	return server, err
}

func (c *Client) version(ctx context.Context, endpoint string) (string, error) {
	var answer versionWire
	err := c.call(ctx, request{
		method: http.MethodGet, endpoint: endpoint, path: endpoint, public: true,
		check: func() error {
			if answer.Version == "" || len(answer.Version) > 64 {
				return errors.New("the answer holds no version")
			}
			return nil
		},
	}, &answer)
	return answer.Version, err
}

func (c *Client) authManager(ctx context.Context) (AuthManager, error) {
	var answer struct {
		Info struct {
			Title string `json:"title"`
		} `json:"info"`
	}
	err := c.call(ctx, request{method: http.MethodGet, endpoint: endpointOpenAPI, path: endpointOpenAPI, public: true}, &answer)
	switch {
	case IsNotAirflow(err), IsUnsupported(err), IsNotFound(err):
		return AuthManagerUnknown, nil
	case err != nil:
		return AuthManagerUnknown, err
	case strings.HasPrefix(answer.Info.Title, titleFAB):
		return AuthManagerFAB, nil
	case strings.HasPrefix(answer.Info.Title, titleSimple):
		return AuthManagerSimple, nil
	}
	return AuthManagerUnknown, nil
}
