package contract

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

func roles(s *session) {
	x, run := "DAG:"+s.DagX, "DAG Run:"+s.DagX
	s.sub("created, read, updated, deleted", roleCycle)
	s.sub("a name is taken once, and in one case", func(s *session) {
		s.addRole("contract Case")
		_, err := s.client.CreateRole(s.ctx, airflow.Role{Name: "contract Case"})
		s.want(airflow.CauseConflict, err)
		_, err = s.client.Role(s.ctx, "contract case")
		s.want(airflow.CauseNotFound, err)
	})
	s.sub("what is missing is not found", func(s *session) {
		_, err := s.client.Role(s.ctx, "contract nobody")
		s.want(airflow.CauseNotFound, err)
		_, err = s.client.UpdateRole(s.ctx, airflow.Role{Name: "contract nobody"}, 0)
		s.want(airflow.CauseNotFound, err)
		s.want(airflow.CauseNotFound, s.client.DeleteRole(s.ctx, "contract nobody"))
	})
	s.sub("an unknown resource is named, and nothing is done", func(s *session) {
		s.addRole("contract unknown", pair("can_read", x))
		for _, resource := range []string{"DAG:contract_nope", "DAG:it's", `DAG:it's "it"`, `DAG:a\b`, "DAG:wëird_ü"} {
			with := []airflow.Permission{pair("can_read", resource), pair("can_edit", x)}
			_, err := s.client.CreateRole(s.ctx, airflow.Role{Name: "contract unmade", Permissions: with})
			s.want(airflow.CauseInvalid, err)
			if got, ok := airflow.UnknownResource(err); !ok || got != resource {
				s.Errorf("unknown resource %q, %v, want %q", got, ok, resource)
			}
			_, err = s.client.UpdateRole(s.ctx, airflow.Role{Name: "contract unknown", Permissions: with}, 1)
			if got, ok := airflow.UnknownResource(err); !ok || got != resource {
				s.Errorf("unknown resource %q, %v, want %q", got, ok, resource)
			}
		}
		_, err := s.client.Role(s.ctx, "contract unmade")
		s.want(airflow.CauseNotFound, err)
		s.wantPermissions("contract unknown", pair("can_read", x))
	})
	s.sub("an unknown action is refused", func(s *session) {
		_, err := s.client.CreateRole(s.ctx, airflow.Role{Name: "contract unmade", Permissions: []airflow.Permission{pair("can_fly", x)}})
		s.want(airflow.CauseInvalid, err)
		if _, ok := airflow.UnknownResource(err); ok {
			s.Error("it passes for an unknown resource")
		}
	})
	s.sub("a pair that was never stored is made", func(s *session) {
		s.addRole("contract pair", pair("can_edit", run), pair("menu_access", x))
		s.wantPermissions("contract pair", pair("can_edit", run), pair("menu_access", x))
		if s.does().PermissionList != airflow.PermissionListPairs {
			return
		}
		list, err := s.client.Permissions(s.ctx)
		if err != nil || !slices.Contains(list.Items, pair("can_edit", run)) {
			s.Errorf("the list of permissions lacks the new pair: %v", err)
		}
	})
	s.sub("deleting takes it off its holders, and a new one of that name is not theirs", func(s *session) {
		const name = "contract held"
		s.addRole(name)
		s.addRole("contract kept")
		s.addUser("contract_holder", name, "contract kept")
		if err := s.client.DeleteRole(s.ctx, name); err != nil {
			s.Fatal(err)
		}
		s.wantRoles("contract_holder", "contract kept")
		s.addRole(name)
		s.wantRoles("contract_holder", "contract kept")
	})
	s.sub("what a change of a role touches", roleMask)
}

func roleCycle(s *session) {
	const name = "contract cycle"
	x := "DAG:" + s.DagX
	first := []airflow.Permission{pair("can_read", x), pair("can_read", "Task Logs")}
	made, err := s.client.CreateRole(s.ctx, airflow.Role{Name: name, Permissions: first})
	s.dropLater(name)
	shown := airflow.SortPermissions(first)
	if s.two() {
		shown = nil // the answer is empty
	}
	if err != nil || made.Name != name || !slices.Equal(made.Permissions, shown) {
		s.Fatalf("made %v, %v", made, err)
	}
	s.wantPermissions(name, first...)
	held := first
	for _, next := range [][]airflow.Permission{{pair("can_read", x), pair("can_edit", x)}, {}} {
		told, err := s.client.UpdateRole(s.ctx, airflow.Role{Name: name, Permissions: next}, 2)
		if err != nil {
			s.Fatal(err)
		}
		if s.adds() {
			held = airflow.SortPermissions(slices.Concat(held, next))
		} else {
			held = next
		}
		s.wantPermissions(name, held...)
		// Airflow 3 echoes the request, also where less was done; Airflow 2 tells what is stored.
		shown := airflow.SortPermissions(next)
		if s.two() {
			shown = airflow.SortPermissions(held)
		}
		if !slices.Equal(told.Permissions, shown) {
			s.Errorf("an update with %v tells %v", next, told.Permissions)
		}
	}
	if err := s.client.DeleteRole(s.ctx, name); err != nil {
		s.Fatal(err)
	}
	_, err = s.client.Role(s.ctx, name)
	s.want(airflow.CauseNotFound, err)
}

// roleMask pins the rules of PATCH that the operator stays clear of.
func roleMask(s *session) {
	const name = "contract mask"
	x := "DAG:" + s.DagX
	s.addRole(name, pair("can_read", x))
	s.addRole("contract other")
	path := s.fab() + "/roles/" + url.PathEscape(name)
	edit := []any{map[string]any{"action": map[string]string{"name": "can_edit"}, "resource": map[string]string{"name": x}}}
	held := []airflow.Permission{pair("can_read", x)}
	bodiless := 200
	if s.two() {
		bodiless = 500 // it misses the actions that the mask names
	}
	for title, tc := range map[string]struct {
		query  string
		body   map[string]any
		status int
	}{
		"no actions leave the actions":           {"", map[string]any{"name": name}, 200},
		"no name is refused":                     {"?update_mask=actions", map[string]any{"actions": edit}, s.unprocessable()},
		"an unknown mask is refused":             {"?update_mask=nope", map[string]any{"name": name, "actions": edit}, 400},
		"a rename onto another does nothing":     {"?update_mask=name", map[string]any{"name": "contract other"}, 200},
		"mask of the actions leaves the name":    {"?update_mask=actions", map[string]any{"name": "contract new"}, bodiless},
		"a list that is no list is refused":      {"", map[string]any{"name": name, "actions": "x"}, s.unprocessable()},
		"a field that does not exist is refused": {"", map[string]any{"name": name, "colour": "red"}, s.unprocessable()},
	} {
		if a := s.admin("PATCH", path+tc.query, tc.body); a.status != tc.status {
			s.Errorf("%s: %d %s", title, a.status, a.body)
		}
		s.wantPermissions(name, held...)
	}
	if s.adds() && !s.two() {
		held = append(held, pair("can_edit", x)) // the mask is not minded
	}
	for title, actions := range map[string][]any{"mask of the name": edit, "mask of the name, a pair listed twice": append(edit, edit...)} {
		if a := s.admin("PATCH", path+"?update_mask=name", map[string]any{"name": name, "actions": actions}); a.status != 200 {
			s.Errorf("%s: %d %s", title, a.status, a.body)
		}
		s.wantPermissions(name, held...)
	}
}

func roleNames(s *session) {
	for _, name := range []string{
		"a:b", "a.b", "a~b", "a b", "100%", "%2F", "a+b", "a?b", "a#b", "a&b=c", "a;b", "ünïcödé", "名前", "-dash",
		"oam.finance.operators~0123456789abcdef", strings.Repeat("x", 55),
	} {
		name := "contract " + name
		s.addRole(name)
		s.wantPermissions(name)
		if _, err := s.client.UpdateRole(s.ctx, airflow.Role{Name: name, Permissions: []airflow.Permission{pair("can_read", "Pools")}}, 0); err != nil {
			s.Errorf("%q: %v", name, err)
		}
		s.wantPermissions(name, pair("can_read", "Pools"))
		if err := s.client.DeleteRole(s.ctx, name); err != nil {
			s.Errorf("%q: %v", name, err)
		}
		_, err := s.client.Role(s.ctx, name)
		s.want(airflow.CauseNotFound, err)
	}
	s.sub("dots reach the server", func(s *session) {
		for _, name := range []string{".", "..", "..."} {
			_, err := s.client.Role(s.ctx, name)
			s.want(airflow.CauseNotFound, err)
		}
	})
	s.sub("a slash cannot be addressed, and is not sent", func(s *session) {
		kind := "text/html"
		if s.two() {
			kind = "application/problem+json"
		}
		if a := s.admin("GET", s.fab()+"/roles/a%2Fb", nil); a.status != 404 || a.kind != kind {
			s.Errorf("%d %s", a.status, a.kind)
		}
		_, err := s.client.CreateRole(s.ctx, airflow.Role{Name: "contract a/b"})
		s.want(airflow.CauseInvalid, err)
	})
}

// invalidRequests pins the answers to mistakes.
func invalidRequests(s *session) {
	const role, user = "/roles", "/users"
	invalid, half, noMethod, noRoles, nothing := 422, 422, 404, 500, 422
	if s.two() {
		// It does not expect half a pair and no change, and has a role for those without.
		invalid, half, noMethod, noRoles, nothing = 400, 500, 405, 200, 500
	}
	person := func(fields map[string]any) map[string]any {
		out := map[string]any{"username": "contract_x", "email": "x@x", "first_name": "x", "last_name": "x", "password": "x"}
		maps.Copy(out, fields)
		return out
	}
	self := user + "/" + s.Username
	for title, tc := range map[string]struct {
		method, path string
		body         any
		status       int
	}{
		"role with an empty name":       {"POST", role, map[string]any{"name": "", "actions": []any{}}, invalid},
		"role with a number as name":    {"POST", role, map[string]any{"name": 3, "actions": []any{}}, invalid},
		"role without a name":           {"POST", role, map[string]any{}, invalid},
		"role with an unknown field":    {"POST", role, map[string]any{"name": "contract x", "colour": 1, "actions": []any{}}, invalid},
		"role with half a pair":         {"POST", role, `{"name":"contract x","actions":[{"action":{"name":"can_read"}}]}`, half},
		"role that is no JSON":          {"POST", role, "{", invalid},
		"role without a body":           {"POST", role, nil, invalid},
		"method that does not exist":    {"PUT", role + "/Viewer", map[string]any{"name": "Viewer"}, noMethod},
		"user without roles":            {"POST", user, person(map[string]any{"roles": []any{}}), noRoles},
		"user with an unknown role":     {"POST", user, person(map[string]any{"username": "contract_y", "email": "y@y", "roles": refs([]string{"nope"})}), 400},
		"switching a user off":          {"PATCH", self, map[string]any{"active": false}, invalid},
		"roles of a user that are none": {"PATCH", self, person(map[string]any{"username": s.Username, "email": "z@z", "roles": "x"}), invalid},
		"unknown mask of a user":        {"PATCH", self + "?update_mask=nope", map[string]any{}, 400},
	} {
		if a := s.admin(tc.method, s.fab()+tc.path, tc.body); a.status != tc.status {
			s.Errorf("%s: %d %s, want %d", title, a.status, a.body, tc.status)
		}
	}
	if s.two() {
		s.drop("contract_x")
	} else {
		without := person(nil)
		delete(without, "password") // Airflow 2 makes such a user
		if a := s.admin("POST", s.fab()+user, without); a.status != invalid {
			s.Errorf("user without a password: %d %s", a.status, a.body)
		}
		if a := s.admin("POST", s.api()+"/dags/"+s.DagX+"/dagRuns", map[string]any{}); a.status != invalid {
			s.Errorf("triggering without logical date: %d %s", a.status, a.body)
		}
	}
	if a := s.admin("PATCH", s.api()+"/dags/"+s.DagX, map[string]any{}); a.status != nothing {
		s.Errorf("pausing without saying what: %d %s", a.status, a.body)
	}
}
