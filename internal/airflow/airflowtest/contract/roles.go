package contract

import (
	"net/url"
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

func roles(s *session) {
	x, run := "DAG:"+s.DagX, "DAG Run:"+s.DagX
	s.sub("created, read, replaced, emptied, deleted", func(s *session) {
		const name = "contract cycle"
		first := []airflow.Permission{pair("can_read", x), pair("can_read", "Task Logs")}
		made, err := s.client.CreateRole(s.ctx, airflow.Role{Name: name, Permissions: first})
		s.dropLater(name)
		if err != nil || !slices.Equal(made.Permissions, airflow.SortPermissions(first)) {
			s.Fatalf("made %v, %v", made, err)
		}
		s.wantPermissions(name, first...)
		second := []airflow.Permission{pair("can_read", x), pair("can_edit", x)}
		if _, err := s.client.UpdateRole(s.ctx, airflow.Role{Name: name, Permissions: second}, 2); err != nil {
			s.Fatal(err)
		}
		s.wantPermissions(name, second...)
		if _, err := s.client.UpdateRole(s.ctx, airflow.Role{Name: name}, 2); err != nil {
			s.Fatal(err)
		}
		s.wantPermissions(name)
		if err := s.client.DeleteRole(s.ctx, name); err != nil {
			s.Fatal(err)
		}
		_, err = s.client.Role(s.ctx, name)
		s.want(airflow.CauseNotFound, err)
	})
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

// roleMask pins the rules of PATCH that the operator stays clear of.
func roleMask(s *session) {
	const name = "contract mask"
	x := "DAG:" + s.DagX
	s.addRole(name, pair("can_read", x))
	s.addRole("contract other")
	path := "/auth/fab/v1/roles/" + url.PathEscape(name)
	edit := []any{map[string]any{"action": map[string]string{"name": "can_edit"}, "resource": map[string]string{"name": x}}}
	for title, tc := range map[string]struct {
		query  string
		body   map[string]any
		status int
	}{
		"mask of the name leaves the actions":    {"?update_mask=name", map[string]any{"name": name, "actions": edit}, 200},
		"no actions leave the actions":           {"", map[string]any{"name": name}, 200},
		"no name is refused":                     {"?update_mask=actions", map[string]any{"actions": edit}, 422},
		"an unknown mask is refused":             {"?update_mask=nope", map[string]any{"name": name, "actions": edit}, 400},
		"a rename onto another does nothing":     {"?update_mask=name", map[string]any{"name": "contract other"}, 200},
		"mask of the actions leaves the name":    {"?update_mask=actions", map[string]any{"name": "contract new"}, 200},
		"a pair listed twice is not an error":    {"?update_mask=name", map[string]any{"name": name, "actions": append(edit, edit...)}, 200},
		"a list that is no list is refused":      {"", map[string]any{"name": name, "actions": "x"}, 422},
		"a field that does not exist is refused": {"", map[string]any{"name": name, "colour": "red"}, 422},
	} {
		if a := s.admin("PATCH", path+tc.query, tc.body); a.status != tc.status {
			s.Errorf("%s: %d %s", title, a.status, a.body)
		}
		s.wantPermissions(name, pair("can_read", x))
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
		if a := s.admin("GET", "/auth/fab/v1/roles/a%2Fb", nil); a.status != 404 || a.kind != "text/html" {
			s.Errorf("%d %s", a.status, a.kind)
		}
		_, err := s.client.CreateRole(s.ctx, airflow.Role{Name: "contract a/b"})
		s.want(airflow.CauseInvalid, err)
	})
}

func invalidRequests(s *session) {
	for title, tc := range map[string]struct {
		method, path string
		body         any
		status       int
	}{
		"role with an empty name":         {"POST", "/auth/fab/v1/roles", map[string]any{"name": ""}, 422},
		"role with a number as name":      {"POST", "/auth/fab/v1/roles", map[string]any{"name": 3}, 422},
		"role without a name":             {"POST", "/auth/fab/v1/roles", map[string]any{}, 422},
		"role with an unknown field":      {"POST", "/auth/fab/v1/roles", map[string]any{"name": "contract x", "colour": 1}, 422},
		"role with half a pair":           {"POST", "/auth/fab/v1/roles", `{"name":"contract x","actions":[{"action":{"name":"can_read"}}]}`, 422},
		"role that is no JSON":            {"POST", "/auth/fab/v1/roles", "{", 422},
		"role without a body":             {"POST", "/auth/fab/v1/roles", nil, 422},
		"method that does not exist":      {"PUT", "/auth/fab/v1/roles/Viewer", map[string]any{"name": "Viewer"}, 404},
		"user without a password":         {"POST", "/auth/fab/v1/users", map[string]any{"username": "contract_x", "email": "x@x", "first_name": "x", "last_name": "x"}, 422},
		"user without roles":              {"POST", "/auth/fab/v1/users", map[string]any{"username": "contract_x", "email": "x@x", "first_name": "x", "last_name": "x", "password": "x", "roles": []any{}}, 500},
		"user with an unknown role":       {"POST", "/auth/fab/v1/users", map[string]any{"username": "contract_x", "email": "x@x", "first_name": "x", "last_name": "x", "password": "x", "roles": refs([]string{"nope"})}, 400},
		"switching a user off":            {"PATCH", "/auth/fab/v1/users/" + s.Username, map[string]any{"active": false}, 422},
		"roles of a user that are none":   {"PATCH", "/auth/fab/v1/users/" + s.Username, map[string]any{"roles": "x"}, 422},
		"unknown mask of a user":          {"PATCH", "/auth/fab/v1/users/" + s.Username + "?update_mask=nope", map[string]any{}, 400},
		"pausing without saying what":     {"PATCH", "/api/v2/dags/" + s.DagX, map[string]any{}, 422},
		"triggering without logical date": {"POST", "/api/v2/dags/" + s.DagX + "/dagRuns", map[string]any{}, 422},
	} {
		if a := s.admin(tc.method, tc.path, tc.body); a.status != tc.status {
			s.Errorf("%s: %d %s, want %d", title, a.status, a.body, tc.status)
		}
	}
}
