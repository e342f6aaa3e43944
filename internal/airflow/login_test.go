package airflow_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

const (
	endpointLogin   = "/auth/fab/v1/roles"
	endpointOldRole = "/api/v1/roles/{name}"
)

// loginCalls is what a login costs: one call with the password, and one that
// shows whether the server takes its cookie back.
const loginCalls = 2

func setupOld(t *testing.T) (*airflowtest.Server, *airflow.Client) {
	t.Helper()
	return setup(t, airflowtest.Options{Generation: &airflowtest.Airflow211}, nil)
}

func TestAirflow2IsToldByItself(t *testing.T) {
	_, c := setupOld(t)
	got, err := c.Discover(ctx)
	if err != nil || got.Version != "2.11.2" || got.FABProvider != "1.5.4" || got.AuthManager != airflow.AuthManagerFAB {
		t.Errorf("discovered %+v, %v", got, err)
	}
	if err := c.CheckAccount(ctx); err != nil {
		t.Error(err)
	}
}

func TestAirflow2SendsThePasswordOnceAndThenItsSession(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(noon)
	s, c := setup(t, airflowtest.Options{Generation: &airflowtest.Airflow211, Clock: clock}, nil)
	if _, err := c.Roles(ctx); err != nil {
		t.Fatal(err)
	}
	clock.SetTime(noon.Add(30 * time.Minute))
	if _, err := c.CreateRole(ctx, airflow.Role{Name: "r"}); err != nil {
		t.Fatal(err)
	}
	account, err := c.User(ctx, airflowtest.AdminUsername)
	if at, ok := airflow.ParseTime(account.LastLogin); err != nil || !ok || !at.Equal(noon) {
		t.Errorf("last login %q, %v: a password was sent after the login", account.LastLogin, err)
	}
	if n := requests(s, "GET", endpointLogin); n != loginCalls {
		t.Errorf("%d calls to log in, want %d", n, loginCalls)
	}
	clock.SetTime(noon.Add(time.Hour))
	if _, err := c.Role(ctx, "r"); err != nil {
		t.Fatal(err)
	}
	if n := requests(s, "GET", endpointLogin); n != 2*loginCalls {
		t.Errorf("%d calls to log in after an hour, want %d", n, 2*loginCalls)
	}
}

func TestAirflow2LogsInAnewWhereItsSessionIsRejected(t *testing.T) {
	for name, fault := range map[string]func(*airflowtest.Server){
		"403 since it is not known": func(s *airflowtest.Server) { s.RejectTokens() },
		"401": func(s *airflowtest.Server) {
			f := airflowtest.Status(401, "Unauthorized").On("POST", "/api/v1/roles")
			f.Times = 1
			s.Inject(f)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := setupOld(t)
			if _, err := c.Roles(ctx); err != nil {
				t.Fatal(err)
			}
			fault(s)
			if _, err := c.CreateRole(ctx, airflow.Role{Name: "r"}); err != nil {
				t.Fatal(err)
			}
			made := s.Changes(func(c airflowtest.Change) bool { return c.Kind == airflowtest.RoleCreated && c.Role == "r" })
			if n := requests(s, "GET", endpointLogin); n != 2*loginCalls || len(made) != 1 {
				t.Errorf("%d calls to log in, the role was made %d times", n, len(made))
			}
		})
	}
}

func TestAirflow2DoesNotLogInForEachMissingRight(t *testing.T) {
	s, _ := setupOld(t)
	s.SetRole("reader", pair("can_read", "Roles"))
	s.AddUser(airflowtest.User{Username: "reader", Password: "right", Roles: []string{"reader"}})
	c := connect(t, s, func(config *airflow.Config) {
		config.Credentials = airflow.Credentials{Username: "reader", Password: "right"}
	})
	for range 10 {
		want(t, airflow.CauseForbidden, c.DeleteRole(ctx, "Public"))
	}
	if n := requests(s, "GET", endpointLogin); n > 2*loginCalls {
		t.Errorf("%d calls to log in for ten refusals within a moment", n)
	}
	if n := requests(s, "DELETE", endpointOldRole); n > 11 {
		t.Errorf("%d calls for ten refusals", n)
	}
	if _, err := c.Role(ctx, "Public"); err != nil {
		t.Errorf("what is allowed: %v", err)
	}
}

func TestAirflow2TellsWrongCredentialsFromMissingRights(t *testing.T) {
	s, _ := setupOld(t)
	s.AddUser(airflowtest.User{Username: "nobody", Password: "right", Roles: []string{"Public"}})
	for password, cause := range map[string]airflow.Cause{"right": airflow.CauseForbidden, "wrong": airflow.CauseUnauthorized} {
		c := connect(t, s, func(config *airflow.Config) {
			config.Credentials = airflow.Credentials{Username: "nobody", Password: password}
		})
		_, err := c.Roles(ctx)
		want(t, cause, err)
		err = c.CheckAccount(ctx)
		want(t, cause, err)
	}
}

func TestAirflow2PasswordThatWasChangedIsRefused(t *testing.T) {
	s, c := setupOld(t)
	if _, err := c.Roles(ctx); err != nil {
		t.Fatal(err)
	}
	s.SetPassword(airflowtest.AdminUsername, "new password")
	s.RejectTokens()
	_, err := c.Roles(ctx)
	want(t, airflow.CauseUnauthorized, err)
}

func TestAirflow2ChangesTheRolesOfAUserAlone(t *testing.T) {
	s, c := setupOld(t)
	s.AddUser(airflowtest.User{Username: "Bob", Email: "bob@example.com", First: "Bob", Last: "B", Password: "secret", Roles: []string{"Public"}})
	s.AddUser(airflowtest.User{Username: "bare", First: "x", Roles: []string{"Public"}})
	s.SetEmail("bare", "")
	for _, name := range []string{"bob", "bare"} {
		before, err := c.User(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		after, err := c.SetUserRoles(ctx, before, []string{"Viewer", "Op", "Viewer"})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(after.Roles, []string{"Op", "Viewer"}) {
			t.Errorf("%s holds %v", name, after.Roles)
		}
		after.Roles = before.Roles
		if fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("before %+v, after %+v", before, after)
		}
		if stored, err := c.User(ctx, name); err != nil || stored.Email != before.Email {
			t.Errorf("stored %+v, %v", stored, err)
		}
	}
	for _, r := range s.MutatingRequests() {
		for _, field := range []string{`"username"`, `"email"`, `"first_name"`, `"last_name"`, `"roles"`} {
			if !strings.Contains(r.Body, field) {
				t.Errorf("%s %s lacks %s", r.Method, r.Path, field)
			}
		}
		if strings.Contains(r.Body, "password") || r.Query != "update_mask=roles" {
			t.Errorf("%s %s?%s: %s", r.Method, r.Path, r.Query, r.Body)
		}
	}
}

func TestAirflow2ListsAreReadPageByPage(t *testing.T) {
	s, c := setupOld(t)
	for i := range 250 {
		s.SetRole(fmt.Sprintf("role %03d", i))
		s.AddUser(airflowtest.User{Username: fmt.Sprintf("user%03d", i), Roles: []string{"Public"}})
		s.SetDag(airflowtest.Dag{ID: fmt.Sprintf("dag%03d", i), Stale: i%2 == 1, Owners: []string{"ann"}, Tags: []string{"b", "a"}})
	}
	roles, err := c.Roles(ctx)
	if err != nil || !roles.Complete || len(roles.Items) != 255 {
		t.Errorf("roles: complete %t, %d, %v", roles.Complete, len(roles.Items), err)
	}
	users, err := c.Users(ctx)
	if err != nil || !users.Complete || len(users.Items) != 251 {
		t.Errorf("users: complete %t, %d, %v", users.Complete, len(users.Items), err)
	}
	dags, err := c.Dags(ctx)
	if err != nil || !dags.Complete || len(dags.Items) != 250 {
		t.Fatalf("DAGs: complete %t, %d, %v", dags.Complete, len(dags.Items), err)
	}
	for i, d := range dags.Items {
		if d.Stale != (i%2 == 1) || d.Bundle != "" || d.Path != "" || !slices.Equal(d.Tags, []string{"a", "b"}) {
			t.Errorf("DAG %d: %+v", i, d)
		}
	}
	_, err = c.Permissions(ctx)
	want(t, airflow.CauseUnsupported, err)
}

func TestAirflow2ErrorsAreToldApart(t *testing.T) {
	s, c := setupOld(t)
	s.SetRole("r")
	_, err := c.Role(ctx, "nope")
	want(t, airflow.CauseNotFound, err)
	_, err = c.User(ctx, "nope")
	want(t, airflow.CauseNotFound, err)
	_, err = c.CreateRole(ctx, airflow.Role{Name: "r"})
	want(t, airflow.CauseConflict, err)
	_, err = c.UpdateRole(ctx, airflow.Role{Name: "r", Permissions: []airflow.Permission{pair("can_read", "DAG:nope")}}, 0)
	if resource, ok := airflow.UnknownResource(err); !ok || resource != "DAG:nope" || !airflow.IsInvalid(err) {
		t.Errorf("unknown resource %q: %v", resource, err)
	}
	account, err := c.User(ctx, airflowtest.AdminUsername)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.SetUserRoles(ctx, account, []string{"Admin", "nope"})
	if !airflow.UnknownRoles(err) {
		t.Errorf("unknown roles: %v", err)
	}
	if roles, _ := s.UserRoles(airflowtest.AdminUsername); !slices.Equal(roles, []string{"Admin"}) {
		t.Errorf("the account holds %v", roles)
	}
	if strings.Contains(err.Error(), airflowtest.AdminPassword) {
		t.Errorf("the password is in %q", err)
	}
}

func TestAirflow2SessionOfADeletedAccountIsGivenUp(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(noon)
	s, c := setup(t, airflowtest.Options{Generation: &airflowtest.Airflow211, Clock: clock}, nil)
	if _, err := c.Roles(ctx); err != nil {
		t.Fatal(err)
	}
	s.RemoveUser(airflowtest.AdminUsername)
	s.AddUser(airflowtest.User{Username: airflowtest.AdminUsername, Password: airflowtest.AdminPassword, Roles: []string{"Admin"}})
	clock.SetTime(noon.Add(time.Minute))
	_, err := c.Roles(ctx)
	want(t, airflow.CauseUnavailable, err)
	if _, err := c.Roles(ctx); err != nil {
		t.Errorf("the session of the deleted account is still in use: %v", err)
	}
}
