package airflowtest_test

import (
	"context"
	"slices"
	"testing"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

func client(t *testing.T, g airflowtest.Generation) (*airflowtest.Server, *airflow.Client) {
	t.Helper()
	s := airflowtest.Start(t, airflowtest.Options{Generation: &g})
	c, err := airflow.New(s.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return s, c
}

func TestAirflow32OnlyAddsAndSaysOtherwise(t *testing.T) {
	s, c := client(t, airflowtest.Airflow32)
	ctx := context.Background()
	s.SetRole("r", pair("can_read", "Pools"))
	told, err := c.UpdateRole(ctx, airflow.Role{Name: "r", Permissions: []airflow.Permission{pair("can_read", "XComs")}}, 1)
	if err != nil || !slices.Equal(told.Permissions, []airflow.Permission{pair("can_read", "XComs")}) {
		t.Errorf("told %v, %v", told, err)
	}
	stored, err := c.Role(ctx, "r")
	want := []airflow.Permission{pair("can_read", "Pools"), pair("can_read", "Website"), pair("can_read", "XComs")}
	if err != nil || !slices.Equal(stored.Permissions, want) {
		t.Errorf("stored %v, %v, want %v", stored.Permissions, err, want)
	}
	if server, err := c.Discover(ctx); err != nil || server.Capabilities.RoleUpdate != airflow.RoleUpdateAdd {
		t.Errorf("discovered %+v, %v", server, err)
	}
}

func TestAirflow31StoresUsersAndRefusesTheRest(t *testing.T) {
	s, c := client(t, airflowtest.Airflow31)
	ctx := context.Background()
	if server, err := c.Discover(ctx); err != nil || server.Capabilities.Users != airflow.Fails {
		t.Errorf("discovered %+v, %v", server, err)
	}
	if err := c.CheckAccount(ctx); err != nil {
		t.Error(err)
	}
	if _, err := c.CreateRole(ctx, airflow.Role{Name: "r"}); err != nil {
		t.Error(err)
	}
	if _, err := c.UpdateRole(ctx, airflow.Role{Name: "r"}, 0); !airflow.IsForbidden(err) {
		t.Errorf("update: %v", err)
	}
	if err := c.DeleteRole(ctx, "r"); !airflow.IsUnavailable(err) {
		t.Errorf("delete: %v", err)
	}
	if _, found := s.Role("r"); !found {
		t.Error("the role is gone")
	}
	s.AddUser(airflowtest.User{Username: "bob", Roles: []string{"Public"}})
	_, err := c.SetUserRoles(ctx, airflow.User{Username: "bob"}, []string{"r"})
	if !airflow.IsUnavailable(err) || !airflow.MaybeApplied(err) {
		t.Errorf("roles of a user: %v", err)
	}
	if roles, _ := s.UserRoles("bob"); !slices.Equal(roles, []string{"r"}) {
		t.Errorf("bob holds %v", roles)
	}
	if _, err := c.Permissions(ctx); !airflow.IsUnsupported(err) {
		t.Errorf("permissions: %v", err)
	}
}

func TestLogInOverwritesRolesAndIsSeen(t *testing.T) {
	s, c := client(t, airflowtest.Airflow33)
	ctx := context.Background()
	s.AddUser(airflowtest.User{Username: "bob", Roles: []string{"Op", "Viewer"}})
	before, err := c.User(ctx, "bob")
	if err != nil || before.LastLogin != "" {
		t.Fatalf("before %+v, %v", before, err)
	}
	s.LogIn("bob", "Public")
	after, err := c.User(ctx, "bob")
	if _, ok := airflow.ParseTime(after.LastLogin); err != nil || !ok || !slices.Equal(after.Roles, []string{"Public"}) {
		t.Errorf("after %+v, %v", after, err)
	}
}

func TestAccessControlIsAppliedAtEachParseByAirflow3Only(t *testing.T) {
	for _, g := range []airflowtest.Generation{airflowtest.Airflow33, airflowtest.Airflow211} {
		s, _ := client(t, g)
		s.SetDag(airflowtest.Dag{ID: "x", Path: "x.py"})
		s.SetRole("r", pair("can_read", "DAG:x"))
		held := func() bool { r, _ := s.Role("r"); return len(r.Permissions) == 1 }
		s.SetDag(airflowtest.Dag{ID: "x", Path: "x.py", AccessControl: map[string][]string{}})
		if held() {
			t.Errorf("%s: the permission outlived the change", g.Version)
		}
		s.SetRole("r", pair("can_read", "DAG:x"))
		s.Parse()
		if want := g.Version == "2.11.2"; held() != want {
			t.Errorf("%s: held after a parse: %t", g.Version, held())
		}
	}
}

func TestAirflow2DecidesByItsOwnRules(t *testing.T) {
	s, _ := client(t, airflowtest.Airflow211)
	s.SetDag(airflowtest.Dag{ID: "x", Path: "x.py"})
	s.SetDag(airflowtest.Dag{ID: "y", Path: "y.py"})
	s.SetRole("person", pair("can_read", "DAG:x"), pair("can_edit", "DAG:x"), pair("can_edit", "DAG:y"), pair("can_edit", "DAG Run:x"), pair("can_edit", "Task Instances"))
	s.AddUser(airflowtest.User{Username: "ann", Roles: []string{"person"}})
	for dag, want := range map[string]bool{"x": true, "y": false} {
		if got := s.AllowedLevel("ann", "EditTasks", dag); got != want {
			t.Errorf("EditTasks on %s: %t", dag, got)
		}
	}
	for _, level := range []string{"RespondHITL", "EditXComs"} {
		if s.AllowedLevel(airflowtest.AdminUsername, level, "x") {
			t.Errorf("Airflow 2 has %s", level)
		}
	}
	if !s.AllowedLevel(airflowtest.AdminUsername, "View", "x") {
		t.Error("the administrator sees nothing")
	}
	if see, pause, trigger := s.See("ann", "x"), s.Pause("ann", "y"), s.Trigger("ann", "x"); see != 200 || pause != 200 || trigger != 403 {
		t.Errorf("see %d, pause %d, trigger %d", see, pause, trigger)
	}
	if spans := s.Spans("ann", airflowtest.Check{Method: "PUT", Entity: airflowtest.EntityTaskInstance, Dag: "x"}); len(spans) != 1 || spans[0].ToSeq != 0 {
		t.Errorf("spans %+v", spans)
	}
	for _, r := range s.Roles() {
		if slices.ContainsFunc(r.Permissions, func(p airflow.Permission) bool { return p.Resource == "HITL Detail" }) {
			t.Errorf("%s has what Airflow 2 does not know", r.Name)
		}
	}
}

func TestTheProbeBelievesWhatItReads(t *testing.T) {
	for name, does := range map[string]airflow.Capabilities{
		"replaces":                {RoleUpdate: airflow.RoleUpdateReplace, RoleDelete: airflow.Works},
		"adds":                    {RoleUpdate: airflow.RoleUpdateAdd, RoleDelete: airflow.Works},
		"adds and cannot delete":  {RoleUpdate: airflow.RoleUpdateAdd, RoleDelete: airflow.Fails},
		"refuses, cannot delete":  {RoleUpdate: airflow.RoleUpdateRefused, RoleDelete: airflow.Fails},
		"replaces, cannot delete": {RoleUpdate: airflow.RoleUpdateReplace, RoleDelete: airflow.Fails},
	} {
		t.Run(name, func(t *testing.T) {
			g := airflowtest.Airflow33
			g.FABProvider, g.Does, g.AddsWebsite = "99.0.0", does, true
			s, c := client(t, g)
			ctx := context.Background()
			server, err := c.Discover(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second finds what the first left behind
				got, err := c.Probe(ctx, server)
				if err != nil || got.RoleUpdate != does.RoleUpdate || got.RoleDelete != does.RoleDelete {
					t.Errorf("found %+v, %v", got, err)
				}
			}
			if _, left := s.Role(airflow.ProbeRole); left != (does.RoleDelete == airflow.Fails) {
				t.Errorf("left behind: %v", left)
			}
		})
	}
	s, c := client(t, airflowtest.Airflow32)
	server, err := c.Discover(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Probe(context.Background(), server); err != nil || len(s.MutatingRequests()) != 0 {
		t.Errorf("a version that tells was tried: %v", err)
	}
	g := airflowtest.Airflow33
	g.FABProvider = "99.0.0"
	s, c = client(t, g)
	s.SetRole(airflow.ProbeRole, pair("can_edit", "Pools"))
	server.FABProvider = "99.0.0"
	if _, err := c.Probe(context.Background(), server); !airflow.IsConflict(err) || len(s.MutatingRequests()) != 0 {
		t.Errorf("somebody's role was touched: %v", err)
	}
}
