// Package contract_test runs the contract suite against real Airflows, one after another.
package contract_test

import (
	"net/netip"
	"net/url"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"

	"github.com/airflow-oam/airflow-oam/hack/airflow/server"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest/contract"
)

const dagX, dagY = "finance_daily", "marketing_report"

// start starts a server without a permission cache: the suite sees every change at once.
func start(t *testing.T, o server.Options) *server.Server {
	t.Helper()
	o.Home, o.NoScheduler, o.Log = t.TempDir(), true, os.Stderr
	s, err := server.Start(t.Context(), o)
	if err != nil {
		t.Fatalf("no Airflow to test against: %v\n\"go run ./hack/airflow start --home DIR\" shows what is missing; it needs Python 3.11 or 3.12 and a package index", err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := s.WaitForDAGs(t.Context(), dagX, dagY); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAirflow(t *testing.T) {
	for _, g := range []airflowtest.Generation{airflowtest.Airflow33, airflowtest.Airflow32, airflowtest.Airflow211} {
		t.Run(g.Version, func(t *testing.T) {
			contract.Run(t, target(start(t, server.Options{Version: g.Version}), g))
		})
	}
}

// target is a server of which the suite expects what a generation is said to do.
func target(s *server.Server, g airflowtest.Generation) contract.Target {
	return contract.Target{
		URL: s.URL, Username: s.AdminUsername, Password: s.AdminPassword,
		Version: g.Version, FABProvider: g.FABProvider, AddsWebsite: g.AddsWebsite, DagX: dagX, DagY: dagY,
	}
}

// Servers that cannot be governed are recognised. One that has roles does what the simulator does in its place.
func TestAirflowThatCannotBeGoverned(t *testing.T) {
	for _, c := range []struct {
		name    string
		options server.Options
		want    airflow.Server
		like    *airflowtest.Generation
	}{
		{
			name: "3.1.7 with fab 3.2.0 refuses role updates, cannot delete roles, and fails calls on users", options: server.Options{Version: "3.1.7"},
			want: airflow.Server{
				Version: "3.1.7", AuthManager: airflow.AuthManagerFAB, FABProvider: "3.2.0",
				Capabilities: airflow.Capabilities{
					Authentication: airflow.AuthenticationJWT, RoleUpdate: airflow.RoleUpdateRefused, RoleDelete: airflow.Fails, Users: airflow.Fails,
					PermissionList: airflow.PermissionListNone, PermissionModel: airflow.PermissionModelAirflow3, Caches: true,
				},
			},
			like: &airflowtest.Airflow31,
		},
		{
			name: "3.3.2 with the simple auth manager has no roles", options: server.Options{AuthManager: server.Simple},
			want: airflow.Server{Version: "3.3.2", AuthManager: airflow.AuthManagerSimple},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, c.options)
			address, err := url.Parse(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			client, err := airflow.New(airflow.Config{
				URL: s.URL, Credentials: airflow.Credentials{Username: s.AdminUsername, Password: s.AdminPassword},
				AllowHTTPHosts: []string{address.Host}, AllowedAddresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Clock: clock.RealClock{},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			got, err := client.Discover(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if c.like != nil {
				contract.RunUngoverned(t, target(s, *c.like))
			}
		})
	}
}
