package airflow

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

const (
	endpointOpenAPI = "/auth/openapi.json"

	titleFAB    = "FAB auth manager API"
	titleSimple = "Simple auth manager"
	fabProvider = "apache-airflow-providers-fab"
)

type providerWire struct {
	Package string `json:"package_name"`
	Version string `json:"version"`
}

type providersWire struct {
	Providers *elements[providerWire] `json:"providers"`
	Total     *int                    `json:"total_entries"`
}

var listProviders = listing[providersWire, providerWire]{
	name:     "providers",
	endpoint: func(d *dialect) string { return d.providers }, orderBy: "package_name",
	parse: func(w providersWire) ([]providerWire, *int, error) {
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

// discovery are the calls that find out what answers at the address.
type discovery struct{ *lists }

// Discover finds out what answers at the address. Version and auth manager need
// no credentials; the FAB provider's version does, and is left empty without.
// Where it fails, the Server still holds what was found before. An auth manager
// other than FAB is no error: see [Server.AuthManager], and
// [Server.Capabilities].
//
// Every other call finds out by itself which generation it speaks to, once. To
// see an upgrade, call Discover again from time to time.
func (d discovery) Discover(ctx context.Context) (Server, error) {
	server := Server{AuthManager: AuthManagerUnknown}
	spoken, version, err := d.detect(ctx)
	if err != nil {
		return server, err
	}
	server.Version = version
	if server.AuthManager, err = d.authManager(ctx, spoken); err != nil {
		return server, err
	}
	if server.AuthManager != AuthManagerFAB || !d.tokens.known() {
		return server, nil
	}
	providers, err := listProviders.read(ctx, d.lists)
	if err != nil {
		return server, err
	}
	for _, p := range providers.Items {
		if p.Package == fabProvider {
			server.FABProvider = p.Version
		}
	}
	if server.FABProvider != "" || spoken == airflow2 { // where it was part of Airflow at first
		server.Capabilities = CapabilitiesOf(server)
	}
	d.server.Store(&server)
	return server, nil
}

func (d discovery) authManager(ctx context.Context, spoken *dialect) (AuthManager, error) {
	if spoken == airflow2 {
		return d.oldAuthManager(ctx)
	}
	var answer struct {
		Info struct {
			Title string `json:"title"`
		} `json:"info"`
	}
	err := d.call(ctx, request{method: http.MethodGet, endpoint: endpointOpenAPI, path: endpointOpenAPI, public: true}, &answer)
	switch {
	case lacksEndpoint(err):
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

// oldAuthManager asks an Airflow 2 for its roles, without credentials: it refuses
// them, or says that its auth manager has none.
func (d discovery) oldAuthManager(ctx context.Context) (AuthManager, error) {
	err := d.call(ctx, request{method: http.MethodGet, endpoint: airflow2.roles, path: airflow2.roles, query: url.Values{"limit": {"1"}}, public: true}, nil)
	switch {
	case err == nil, refused(err):
		return AuthManagerFAB, nil
	case IsInvalid(err), lacksEndpoint(err):
		return AuthManagerUnknown, nil
	}
	return AuthManagerUnknown, err
}
