package airflow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

const (
	endpointRole  = "/auth/fab/v1/roles/{name}"
	endpointRoles = "/auth/fab/v1/roles"
	endpointUser  = "/auth/fab/v1/users/{username}"
	endpointToken = "/auth/token/cli"
)

var (
	noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	ctx  = context.Background()
)

func pair(action, resource string) airflow.Permission {
	return airflow.Permission{Action: action, Resource: resource}
}

// setup starts a simulator and a client; change may change the configuration.
func setup(t *testing.T, options airflowtest.Options, change func(*airflow.Config)) (*airflowtest.Server, *airflow.Client) {
	t.Helper()
	if options.Clock == nil {
		options.Clock = clocktesting.NewFakePassiveClock(noon)
	}
	s := airflowtest.Start(t, options)
	return s, connect(t, s, change)
}

func connect(t *testing.T, s *airflowtest.Server, change func(*airflow.Config)) *airflow.Client {
	t.Helper()
	config := s.Config()
	if change != nil {
		change(&config)
	}
	c, err := airflow.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func want(t *testing.T, cause airflow.Cause, err error) {
	t.Helper()
	if got := airflow.CauseOf(err); got != cause {
		t.Errorf("cause %q, want %q: %v", got, cause, err)
	}
}

func requests(s *airflowtest.Server, method, endpoint string) int {
	return len(s.Requests(func(r airflowtest.Request) bool { return r.Method == method && r.Endpoint == endpoint }))
}

func TestEachPredicateKnowsItsCauseOnly(t *testing.T) {
	predicates := map[airflow.Cause]func(error) bool{
		airflow.CauseNotFound: airflow.IsNotFound, airflow.CauseConflict: airflow.IsConflict, airflow.CauseUnauthorized: airflow.IsUnauthorized,
		airflow.CauseForbidden: airflow.IsForbidden, airflow.CauseThrottled: airflow.IsThrottled, airflow.CauseInvalid: airflow.IsInvalid,
		airflow.CauseUnavailable: airflow.IsUnavailable, airflow.CauseNotAirflow: airflow.IsNotAirflow, airflow.CauseTLS: airflow.IsTLS, airflow.CauseProxy: airflow.IsProxy,
		airflow.CauseBlockedAddress: airflow.IsBlockedAddress, airflow.CauseUnsupported: airflow.IsUnsupported, airflow.CauseCanceled: airflow.IsCanceled,
	}
	for cause := range predicates {
		err := fmt.Errorf("wrapped: %w", &airflow.Error{Cause: cause})
		for other, is := range predicates {
			if is(err) != (cause == other) {
				t.Errorf("Is%s of %s: %v", other, cause, is(err))
			}
		}
	}
	for cause, is := range predicates {
		if is(nil) || is(errors.New("other")) {
			t.Errorf("Is%s of something else", cause)
		}
	}
}

func TestPathPrefixIsKept(t *testing.T) {
	s, c := setup(t, airflowtest.Options{Prefix: "/team-a"}, nil)
	s.SetRole("odd % name")
	if _, err := c.Role(ctx, "odd % name"); err != nil {
		t.Error(err)
	}
	bare := connect(t, s, func(config *airflow.Config) { config.URL = strings.TrimSuffix(config.URL, "/team-a") })
	_, err := bare.Discover(ctx)
	want(t, airflow.CauseNotAirflow, err)
}

func TestNamesThatPathsCannotCarryAreNotSent(t *testing.T) {
	s, c := setup(t, airflowtest.Options{}, nil)
	for _, name := range []string{"", "a/b", "/", "a\nb", "a\x00", "\xff", strings.Repeat("x", 2000)} {
		_, err := c.Role(ctx, name)
		want(t, airflow.CauseInvalid, err)
		_, err = c.CreateRole(ctx, airflow.Role{Name: name})
		want(t, airflow.CauseInvalid, err)
		_, err = c.UpdateRole(ctx, airflow.Role{Name: name}, 0)
		want(t, airflow.CauseInvalid, err)
		want(t, airflow.CauseInvalid, c.DeleteRole(ctx, name))
		_, err = c.User(ctx, name)
		want(t, airflow.CauseInvalid, err)
		_, err = c.SetUserRoles(ctx, airflow.User{Username: name}, nil)
		want(t, airflow.CauseInvalid, err)
		if airflow.MaybeApplied(err) {
			t.Error("a request that was not sent may have been applied")
		}
	}
	if n := s.RequestCount(); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestDotsDoNotLeaveThePath(t *testing.T) {
	s, c := setup(t, airflowtest.Options{}, nil)
	for _, name := range []string{".", ".."} {
		_, err := c.Role(ctx, name)
		want(t, airflow.CauseNotFound, err)
	}
	if n := requests(s, "GET", endpointRole); n != 2 {
		t.Errorf("%d of 2 requests reached the endpoint", n)
	}
}

func TestDiscover(t *testing.T) {
	t.Run("F52 the Simple auth manager is told apart", func(t *testing.T) {
		s, c := setup(t, airflowtest.Options{AuthManager: airflow.AuthManagerSimple}, nil)
		got, err := c.Discover(ctx)
		if diff := cmp.Diff(airflow.Server{Version: "3.3.2", AuthManager: airflow.AuthManagerSimple}, got); diff != "" || err != nil {
			t.Errorf("(-want +got):\n%s%v", diff, err)
		}
		if n := requests(s, "POST", endpointToken); n != 0 {
			t.Errorf("the password was sent %d times to a server that is not managed", n)
		}
		_, err = c.Roles(ctx)
		want(t, airflow.CauseNotAirflow, err)
	})
	t.Run("what was found is told with the error", func(t *testing.T) {
		_, c := setup(t, airflowtest.Options{}, func(config *airflow.Config) { config.Credentials.Password = "wrong" })
		got, err := c.Discover(ctx)
		want(t, airflow.CauseUnauthorized, err)
		if got.Version != "3.3.2" || got.AuthManager != airflow.AuthManagerFAB || got.FABProvider != "" {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("something else that speaks JSON is not Airflow", func(t *testing.T) {
		s, c := setup(t, airflowtest.Options{}, nil)
		s.Inject(airflowtest.Fault{Apply: airflowtest.Nothing, Answer: &airflowtest.Answer{Status: 200, Body: `{"status":"ok"}`}})
		_, err := c.Discover(ctx)
		want(t, airflow.CauseNotAirflow, err)
	})
}

func TestCheckAccountFindsTheAccountByEMail(t *testing.T) {
	_, c := setup(t, airflowtest.Options{}, func(config *airflow.Config) { config.Credentials.Username = "operator@example.com" })
	if err := c.CheckAccount(ctx); err != nil {
		t.Error(err)
	}
	if got, err := c.Account(ctx); err != nil || got.Username != airflowtest.AdminUsername {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestCheckAccountNamesWhatIsMissing(t *testing.T) {
	s, _ := setup(t, airflowtest.Options{}, nil)
	s.SetRole("some", pair("can_read", "Roles"), pair("can_read", "Users"))
	s.AddUser(airflowtest.User{Username: "weak", Password: "weak", Roles: []string{"some"}})
	c := connect(t, s, func(config *airflow.Config) {
		config.Credentials = airflow.Credentials{Username: "weak", Password: "weak"}
	})
	err := c.CheckAccount(ctx)
	got, _ := airflow.MissingPermissions(err)
	if diff := cmp.Diff([]airflow.Permission{pair("can_read", "DAGs"), pair("can_read", "Providers")}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want(t, airflow.CauseForbidden, err)
	s.SetRole("some", airflow.AccountPermissions()[:5]...)
	if len(s.MutatingRequests()) != 0 {
		t.Error("the check wrote something")
	}
}

func TestObserverIsToldEveryRequestOnce(t *testing.T) {
	var (
		mu   sync.Mutex
		seen []airflow.Exchange
	)
	clock := clocktesting.NewFakePassiveClock(noon)
	s, c := setup(t, airflowtest.Options{Clock: clock}, func(config *airflow.Config) {
		config.Observer = func(x airflow.Exchange) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, x)
		}
	})
	s.SetSkew(90 * time.Second)
	s.Inject(airflowtest.OverWire(airflowtest.Dropped).On("DELETE", endpointRole))
	_, err := c.Role(ctx, "a b")
	want(t, airflow.CauseNotFound, err)
	want(t, airflow.CauseUnavailable, c.DeleteRole(ctx, "a b"))
	date := noon.Add(90 * time.Second)
	if diff := cmp.Diff([]airflow.Exchange{
		{Method: "GET", Endpoint: "/api/v2/version", Status: 200, Start: noon, Received: noon, ServerDate: date},
		{Method: "POST", Endpoint: endpointToken, Status: 201, Start: noon, Received: noon, ServerDate: date},
		{Method: "GET", Endpoint: endpointRole, Status: 404, Cause: airflow.CauseNotFound, Start: noon, Received: noon, ServerDate: date},
		{Method: "DELETE", Endpoint: endpointRole, Cause: airflow.CauseUnavailable, Start: noon},
	}, seen); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestUsersAreReadAsTheyAre(t *testing.T) {
	s, c := setup(t, airflowtest.Options{}, nil)
	s.SetRole("z")
	s.SetRole("a")
	s.AddUser(airflowtest.User{Username: "Bob", Roles: []string{"z", "a"}, Inactive: true})
	got, err := c.User(ctx, "bob")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(airflow.User{
		Username: "Bob", Email: "Bob@example.com", FirstName: "Bob", LastName: "Example", Roles: []string{"a", "z"},
		CreatedOn: "2026-03-04T12:00:00", ChangedOn: "2026-03-04T12:00:00",
	}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if at, ok := airflow.ParseTime(got.CreatedOn); !ok || !at.Equal(noon) {
		t.Errorf("created at %v, %v", at, ok)
	}
	for _, text := range []string{"2026-03-04T12:00:00Z", "2026-03-04T14:00:00.000+02:00", "2026-03-04 12:00:00.000000"} {
		if at, ok := airflow.ParseTime(text); !ok || !at.Equal(noon) {
			t.Errorf("%s is read as %v, %v", text, at, ok)
		}
	}
	if _, ok := airflow.ParseTime("yesterday"); ok {
		t.Error("yesterday is read as a time")
	}
}

func TestPermissionsAreOrderedAndUnique(t *testing.T) {
	in := []airflow.Permission{pair("can_read", "b"), pair("can_edit", "b"), pair("can_read", "a"), pair("can_read", "b")}
	before := slices.Clone(in)
	got := airflow.SortPermissions(in)
	if diff := cmp.Diff([]airflow.Permission{pair("can_read", "a"), pair("can_edit", "b"), pair("can_read", "b")}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, in); diff != "" {
		t.Errorf("the input was changed:\n%s", diff)
	}
	if !got[0].Less(got[1]) || got[1].Less(got[0]) || got[0].String() != "can_read on a" {
		t.Error("order or text is wrong")
	}
}

func TestSecretsAreInNoPrintedValue(t *testing.T) {
	const password = "s3cr3t-password"
	s := airflowtest.Start(t, airflowtest.Options{})
	s.SetPassword(airflowtest.AdminUsername, password)
	config := s.Config()
	config.Credentials.Password = password
	c := connect(t, s, func(c *airflow.Config) { *c = config })
	if _, err := c.Roles(ctx); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(config.Credentials)
	if err != nil {
		t.Fatal(err)
	}
	printed := string(text)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		printed += fmt.Sprintf(format, config.Credentials) + fmt.Sprintf(format, &config.Credentials) + fmt.Sprintf(format, c) + fmt.Sprintf(format, struct{ C *airflow.Client }{c})
		if format != "%x" { // which prints functions
			printed += fmt.Sprintf(format, struct{ C airflow.Credentials }{config.Credentials})
		}
	}
	if strings.Contains(printed, password) || strings.Contains(printed, fmt.Sprintf("%x", password)) || strings.Contains(printed, "eyJ") {
		t.Errorf("a secret is printed:\n%s", printed)
	}
}

func TestConfigIsValidated(t *testing.T) {
	good := airflow.Config{URL: "https://airflow.example.com", Clock: clocktesting.NewFakePassiveClock(noon)}
	if _, err := airflow.New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*airflow.Config){
		"no clock":                     func(c *airflow.Config) { c.Clock = nil },
		"no url":                       func(c *airflow.Config) { c.URL = "" },
		"http for a host not allowed":  func(c *airflow.Config) { c.URL = "http://airflow.example.com" },
		"http for another port":        func(c *airflow.Config) { c.URL, c.AllowHTTPHosts = "http://a:8080", []string{"a:80"} },
		"a CA bundle without any":      func(c *airflow.Config) { c.CABundle = []byte("nothing") },
		"a username without password":  func(c *airflow.Config) { c.Credentials.Username = "x" },
		"a password without username":  func(c *airflow.Config) { c.Credentials.Password = "x" },
		"a password in the url":        func(c *airflow.Config) { c.URL = "https://u:hunter22@airflow.example.com" },
		"a scheme that is not of HTTP": func(c *airflow.Config) { c.URL = "file:///etc/passwd" },
	} {
		t.Run(name, func(t *testing.T) {
			config := good
			change(&config)
			_, err := airflow.New(config)
			want(t, airflow.CauseInvalid, err)
			if strings.Contains(fmt.Sprint(err), "hunter22") {
				t.Errorf("the error holds the password: %v", err)
			}
		})
	}
	for _, hosts := range [][]string{{"AIRFLOW.example.com"}, {"airflow.example.com:8080"}} {
		config := good
		config.URL, config.AllowHTTPHosts = "http://Airflow.Example.com:8080", hosts
		if _, err := airflow.New(config); err != nil {
			t.Errorf("hosts %v: %v", hosts, err)
		}
	}
}

// TestNamesThatADatabaseTakesForTheSame are others: what was asked for is not there. An answer about somebody else altogether
// proves nothing.
func TestNamesThatADatabaseTakesForTheSame(t *testing.T) {
	s, c := setup(t, airflowtest.Options{}, nil)
	s.Inject(answer(200, "application/json", `{"name":"Équipe","actions":[]}`).On("GET", endpointRole))
	s.Inject(answer(200, "application/json", `{"username":"José ","roles":[]}`).On("GET", endpointUser))
	for name, cause := range map[string]airflow.Cause{"équipe": airflow.CauseNotFound, "equipe": airflow.CauseNotFound, "equipes": airflow.CauseNotAirflow, "egal": airflow.CauseNotAirflow} {
		_, err := c.Role(ctx, name)
		want(t, cause, err)
	}
	for name, cause := range map[string]airflow.Cause{"jose": airflow.CauseNotFound, "josé": airflow.CauseNotFound, "joan": airflow.CauseNotAirflow, "jos": airflow.CauseNotAirflow} {
		_, err := c.User(ctx, name)
		want(t, cause, err)
	}
	if _, err := c.User(ctx, "JOSÉ "); err != nil {
		t.Error(err)
	}
}
