package airflowtest_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func connect(t *testing.T, s *airflowtest.Server) *airflow.Client {
	t.Helper()
	c, err := airflow.New(s.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func pair(action, resource string) airflow.Permission {
	return airflow.Permission{Action: action, Resource: resource}
}

func TestHistoryTellsWhenAccessWasStored(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(noon)
	s := airflowtest.Start(t, airflowtest.Options{Clock: clock})
	c, ctx := connect(t, s), context.Background()
	s.SetDag(airflowtest.Dag{ID: "sales"})
	s.AddUser(airflowtest.User{Username: "bob"})
	trigger := airflowtest.Check{Method: "POST", Entity: airflowtest.EntityRun, Dag: "sales"}

	if _, err := c.CreateRole(ctx, airflow.Role{Name: "r", Permissions: []airflow.Permission{pair("can_edit", "DAG:sales"), pair("can_create", "DAG Run:sales")}}); err != nil {
		t.Fatal(err)
	}
	clock.SetTime(noon.Add(1 * time.Minute))
	if _, err := c.SetUserRoles(ctx, airflow.User{Username: "Bob"}, []string{"r"}); err != nil {
		t.Fatal(err)
	}
	clock.SetTime(noon.Add(2 * time.Minute))
	s.SetRole("r", pair("can_edit", "DAG:sales"))
	clock.SetTime(noon.Add(3 * time.Minute))
	s.SetRole("r", pair("can_edit", "DAG:sales"), pair("can_create", "DAG Runs"))
	clock.SetTime(noon.Add(4 * time.Minute))
	if err := c.DeleteRole(ctx, "r"); err != nil {
		t.Fatal(err)
	}

	var got []string
	for _, span := range s.Spans("BOB", trigger) {
		got = append(got, fmt.Sprint(span.From.Sub(noon), " to ", span.To.Sub(noon)))
	}
	if diff := cmp.Diff([]string{"1m0s to 2m0s", "3m0s to 4m0s"}, got); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
	for _, between := range []struct {
		from, to time.Duration
		want     bool
	}{
		{0, time.Minute, false},
		{0, time.Minute + 1, true},
		{2 * time.Minute, 3 * time.Minute, false},
		{2*time.Minute - 1, 3 * time.Minute, true},
		{4 * time.Minute, time.Hour, false},
	} {
		if got := s.AllowedBetween("bob", trigger, noon.Add(between.from), noon.Add(between.to)); got != between.want {
			t.Errorf("allowed from %v to %v: %v, want %v", between.from, between.to, got, between.want)
		}
	}
	if s.Allowed("bob", "POST", airflowtest.EntityRun, "sales") {
		t.Error("bob still passes after the role was deleted")
	}
}

func TestHistoryNamesActorsAndHidesPasswords(t *testing.T) {
	s := airflowtest.Start(t, airflowtest.Options{})
	c := connect(t, s)
	s.SetRole("foreign", pair("can_read", "Pools"))
	if _, err := c.CreateRole(context.Background(), airflow.Role{Name: "ours"}); err != nil {
		t.Fatal(err)
	}
	created := s.Changes(func(c airflowtest.Change) bool {
		return c.Kind == airflowtest.RoleCreated && (c.Role == "foreign" || c.Role == "ours")
	})
	if len(created) != 2 || created[0].By != airflowtest.ByOutside || created[1].By != airflowtest.AdminUsername {
		t.Errorf("changes: %+v", created)
	}
	writes := s.MutatingRequests()
	if len(writes) != 1 || writes[0].ID != created[1].Request || writes[0].User != airflowtest.AdminUsername || writes[0].Status != 200 {
		t.Errorf("mutating requests: %+v", writes)
	}
	for _, r := range s.Requests(nil) {
		if slices.Contains([]string{"/auth/token/cli"}, r.Path) && r.Body != `{"password":"(hidden)","username":"operator"}` {
			t.Errorf("body of the token request: %s", r.Body)
		}
	}
}

func TestCacheKeepsPermissionsForItsTime(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(noon)
	s := airflowtest.Start(t, airflowtest.Options{Clock: clock, CacheTTL: 30 * time.Second})
	s.SetDag(airflowtest.Dag{ID: "sales"})
	s.SetRole("r", pair("can_read", "DAG:sales"))
	s.AddUser(airflowtest.User{Username: "bob", Password: "bob", Roles: []string{"r"}})
	config := s.Config()
	config.Credentials = airflow.Credentials{Username: "bob", Password: "bob"}
	bob, err := airflow.New(config)
	if err != nil {
		t.Fatal(err)
	}
	see := func() bool {
		_, err := bob.Dags(context.Background())
		if err != nil && !airflow.IsForbidden(err) {
			t.Fatal(err)
		}
		return err == nil
	}
	if !see() {
		t.Fatal("bob does not see the DAG at first")
	}
	s.SetUserRoles("bob")
	clock.SetTime(noon.Add(29 * time.Second))
	if !see() {
		t.Error("the cache forgot before its time")
	}
	clock.SetTime(noon.Add(30 * time.Second))
	if see() {
		t.Error("the cache outlived its time")
	}
}

func TestAccessControlTakesPermissionsAwayAtEachParse(t *testing.T) {
	s := airflowtest.New(airflowtest.Options{})
	s.SetDag(airflowtest.Dag{ID: "x"})
	s.SetDag(airflowtest.Dag{ID: "y"})
	s.SetRole("k", pair("can_read", "DAG:x"), pair("can_create", "DAG Run:x"), pair("can_read", "DAG:y"), pair("can_read", "DAG Runs"))
	s.SetRole("named")
	want := func(name string, permissions ...airflow.Permission) {
		t.Helper()
		role, _ := s.Role(name)
		if diff := cmp.Diff(airflow.SortPermissions(permissions), role.Permissions, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("role %s (-want +got):\n%s", name, diff)
		}
	}
	s.SetDag(airflowtest.Dag{ID: "x", AccessControl: map[string][]string{"named": {"can_read"}}})
	want("k", pair("can_read", "DAG:y"), pair("can_read", "DAG Runs"))
	want("named", pair("can_read", "DAG:x"))
	s.SetRole("k", pair("can_edit", "DAG:x"))
	s.Parse()
	want("k")
}

func TestFaultsComeInOrderAndCount(t *testing.T) {
	s := airflowtest.Start(t, airflowtest.Options{})
	c, ctx := connect(t, s), context.Background()
	first := s.Inject(airflowtest.Status(500, "x").On("GET", "/auth/fab/v1/roles/{name}").After(1).For(1))
	second := s.Inject(airflowtest.Status(502, "x").On("GET", "/auth/fab/v1/roles/{name}").After(1))
	var got []int
	for range 4 {
		got = append(got, s.Do(airflowtest.AdminUsername, "GET", "/auth/fab/v1/roles/Admin", ""))
	}
	if diff := cmp.Diff([]int{200, 500, 502, 502}, got); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
	if first.Hits() != 1 || second.Hits() != 2 {
		t.Errorf("hits %d and %d", first.Hits(), second.Hits())
	}
	second.Remove()
	if _, err := c.Role(ctx, "Admin"); err != nil {
		t.Error(err)
	}
}

func TestFaultsOfStorage(t *testing.T) {
	permissions := []airflow.Permission{pair("can_read", "Pools"), pair("can_read", "XComs"), pair("can_read", "Jobs"), pair("can_read", "Assets")}
	for name, tc := range map[string]struct {
		fault airflowtest.Fault
		want  int // permissions stored; -1 is no role
		fails bool
	}{
		"F35 200 and nothing stored":             {airflowtest.Unstored(), -1, false},
		"F21 504 after the write took effect":    {airflowtest.AppliedThen(504), 4, true},
		"F34 half applied, then 500":             {airflowtest.HalfThen(500), 2, true},
		"F19 500 before the write did something": {airflowtest.Status(500, "x"), -1, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := airflowtest.Start(t, airflowtest.Options{})
			c := connect(t, s)
			before := s.LastSeq()
			s.Inject(tc.fault.On("POST", "/auth/fab/v1/roles"))
			_, err := c.CreateRole(context.Background(), airflow.Role{Name: "r", Permissions: permissions})
			if (err != nil) != tc.fails {
				t.Errorf("error %v", err)
			}
			role, found := s.Role("r")
			switch {
			case tc.want < 0 && (found || s.LastSeq() != before):
				t.Error("something was stored")
			case tc.want >= 0 && len(role.Permissions) != tc.want:
				t.Errorf("%d permissions stored, want %d", len(role.Permissions), tc.want)
			}
		})
	}
}

// The simulator must not be what a benchmark measures, and must be free of
// races under many writers.
func TestLargeAndConcurrent(t *testing.T) {
	s := airflowtest.Start(t, airflowtest.Options{})
	for i := range 500 {
		var permissions []airflow.Permission
		for j := range 30 {
			permissions = append(permissions, pair("can_read", fmt.Sprintf("DAG:d%d", (i+j)%500)))
		}
		s.SetRole(fmt.Sprintf("role-%03d", i), permissions...)
	}
	for i := range 5000 {
		s.AddUser(airflowtest.User{Username: fmt.Sprintf("user-%04d", i), Roles: []string{fmt.Sprintf("role-%03d", i%500)}})
	}
	c, ctx := connect(t, s), context.Background()
	users, err := c.Users(ctx)
	if err != nil || !users.Complete || len(users.Items) != 5001 {
		t.Fatalf("users: %d, complete %v, %v", len(users.Items), users.Complete, err)
	}
	var wait sync.WaitGroup
	for w := range 8 {
		wait.Go(func() {
			for i := range 50 {
				name := fmt.Sprintf("user-%04d", i*8+w)
				if _, err := c.SetUserRoles(ctx, airflow.User{Username: name}, []string{"role-001", "role-002"}); err != nil {
					t.Error(err)
				}
				if !s.Allowed(name, "GET", "", "d1") || len(s.Spans(name, airflowtest.Check{Method: "GET", Dag: "d1"})) == 0 {
					t.Errorf("%s is not allowed", name)
				}
			}
		})
	}
	wait.Wait()
	if n := len(s.MutatingRequests()); n != 400 {
		t.Errorf("%d mutating requests, want 400", n)
	}
}
