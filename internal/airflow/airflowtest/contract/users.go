package contract

import (
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

func users(s *session) {
	s.addRole("contract one")
	s.addRole("contract two")
	s.sub("roles are replaced, the rest stays", func(s *session) {
		s.addUser("contract_user", "contract one")
		before, err := s.client.User(s.ctx, "contract_user")
		if err != nil {
			s.Fatal(err)
		}
		for _, roles := range [][]string{{"contract two"}, {"contract one", "contract two"}, {}} {
			if _, err := s.client.SetUserRoles(s.ctx, s.user("contract_user"), roles); err != nil {
				s.Fatal(err)
			}
			s.wantRoles("contract_user", roles...)
		}
		after, err := s.client.User(s.ctx, "contract_user")
		if err != nil {
			s.Fatal(err)
		}
		if before.CreatedOn == "" || before.CreatedOn != after.CreatedOn || before.Email != after.Email || !before.Active || !after.Active {
			s.Errorf("before %+v, after %+v", before, after)
		}
		if _, ok := airflow.ParseTime(before.CreatedOn); !ok {
			s.Errorf("created on %q is no time", before.CreatedOn)
		}
	})
	s.sub("a name is found in any case, and taken in any case", func(s *session) {
		s.addUser("contract_Mixed", "contract one")
		got, err := s.client.User(s.ctx, "CONTRACT_mixed")
		if err != nil || got.Username != "contract_Mixed" {
			s.Errorf("got %+v, %v", got, err)
		}
		asked := airflow.User{Username: "CONTRACT_mixed"}
		if s.two() {
			asked = got // it takes another case for another name
		}
		if _, err := s.client.SetUserRoles(s.ctx, asked, []string{"contract two"}); err != nil {
			s.Error(err)
		}
		s.wantRoles("contract_Mixed", "contract two")
		for title, fields := range map[string][2]string{
			"name":   {"contract_mixed", "contract_other@example.com"},
			"e-mail": {"contract_other", "contract_Mixed@example.com"},
		} {
			body := map[string]any{
				"username": fields[0], "email": fields[1], "first_name": "x", "last_name": "x", "password": "x", "roles": refs([]string{"contract one"}),
			}
			if a := s.admin("POST", s.fab()+"/users", body); a.status != 409 {
				s.Errorf("taken %s: %d %s", title, a.status, a.body)
			}
		}
	})
	s.sub("an unknown role changes nothing", func(s *session) {
		s.addUser("contract_keep", "contract one")
		_, err := s.client.SetUserRoles(s.ctx, s.user("contract_keep"), []string{"contract two", "contract nope"})
		s.want(airflow.CauseInvalid, err)
		if !airflow.UnknownRoles(err) {
			s.Errorf("not told as unknown roles: %v", err)
		}
		s.wantRoles("contract_keep", "contract one")
	})
	s.sub("a role listed twice is held once, or nothing is changed", func(s *session) {
		s.addUser("contract_twice", "contract one")
		a := s.admin("PATCH", s.fab()+"/users/contract_twice?update_mask=roles", s.change("contract_twice", map[string]any{"roles": refs([]string{"contract two", "contract two"})}))
		if a.status != 200 {
			s.Errorf("%d %s", a.status, a.body)
		}
		held := "contract two"
		if s.two() {
			held = "contract one" // 200, and nothing stored
		}
		s.wantRoles("contract_twice", held)
	})
	s.sub("no roles in the request leave the roles", func(s *session) {
		s.addUser("contract_null", "contract one")
		null := 200
		if s.two() {
			null = 400
		}
		for _, tc := range []struct {
			fields map[string]any
			status int
		}{{nil, 200}, {map[string]any{"roles": nil}, null}, {map[string]any{"first_name": "New"}, 200}} {
			if a := s.admin("PATCH", s.fab()+"/users/contract_null", s.change("contract_null", tc.fields)); a.status != tc.status {
				s.Errorf("%v: %d %s", tc.fields, a.status, a.body)
			}
		}
		if a := s.admin("PATCH", s.fab()+"/users/contract_null", map[string]any{"roles": []any{}, "email": "contract_null@example.com"}); s.two() && a.status != 400 {
			s.Errorf("without the other fields: %d %s", a.status, a.body)
		} else if !s.two() {
			if _, err := s.client.SetUserRoles(s.ctx, s.user("contract_null"), []string{"contract one"}); err != nil {
				s.Error(err)
			}
		}
		s.wantRoles("contract_null", "contract one")
	})
	s.sub("what is missing is not found", func(s *session) {
		_, err := s.client.User(s.ctx, "contract_nobody")
		s.want(airflow.CauseNotFound, err)
		_, err = s.client.SetUserRoles(s.ctx, airflow.User{Username: "contract_nobody"}, nil)
		s.want(airflow.CauseNotFound, err)
	})
	s.sub("names that need escaping", func(s *session) {
		for _, name := range []string{"contract@example.com", "contract+b", "contract ünï", "CONTRACT UPPER", "contract%25", "contract#x?y"} {
			body := map[string]any{
				"username": name, "email": strings.ToLower(name) + "@e", "first_name": "x", "last_name": "x", "password": "x", "roles": refs([]string{"contract one"}),
			}
			if a := s.admin("POST", s.fab()+"/users", body); a.status != 200 {
				s.Fatalf("%q: %d %s", name, a.status, a.body)
			}
			if _, err := s.client.SetUserRoles(s.ctx, s.user(name), []string{"contract two"}); err != nil {
				s.Errorf("%q: %v", name, err)
			}
			s.wantRoles(name, "contract two")
			s.drop(name)
			_, err := s.client.User(s.ctx, name)
			s.want(airflow.CauseNotFound, err)
		}
	})
}

// lists pins the rules of paging and what the lists hold.
func lists(s *session) {
	s.addRole("contract listed", pair("can_read", "DAG:"+s.DagX))
	s.addUser("contract_listed", "contract listed")
	s.sub("whole lists are complete and agree with single reads", func(s *session) {
		roles, err := s.client.Roles(s.ctx)
		if err != nil || !roles.Complete || roles.Total != len(roles.Items) {
			s.Fatalf("roles: complete %v, %d of %d, %v", roles.Complete, len(roles.Items), roles.Total, err)
		}
		at := slices.IndexFunc(roles.Items, func(r airflow.Role) bool { return r.Name == "contract listed" })
		if at < 0 || !slices.Equal(roles.Items[at].Permissions, s.stored([]airflow.Permission{pair("can_read", "DAG:"+s.DagX)})) {
			s.Errorf("the role is not in the list as it is")
		}
		users, err := s.client.Users(s.ctx)
		if err != nil || !users.Complete {
			s.Fatalf("users: complete %v, %v", users.Complete, err)
		}
		one, err := s.client.User(s.ctx, "contract_listed")
		if err != nil {
			s.Fatal(err)
		}
		if !slices.ContainsFunc(users.Items, func(u airflow.User) bool {
			return u.Username == one.Username && u.CreatedOn == one.CreatedOn && slices.Equal(u.Roles, one.Roles)
		}) {
			s.Errorf("the list does not hold the user as read by name: %+v", one)
		}
		dags, err := s.client.Dags(s.ctx)
		if err != nil || !dags.Complete {
			s.Fatalf("DAGs: complete %v, %v", dags.Complete, err)
		}
		for _, id := range []string{s.DagX, s.DagY} {
			at := slices.IndexFunc(dags.Items, func(d airflow.Dag) bool { return d.ID == id })
			if at < 0 || dags.Items[at].Stale || (dags.Items[at].Path == "") != s.two() || (dags.Items[at].Bundle == "") != s.two() {
				s.Errorf("DAG %s is not in the list as it should be: %+v", id, dags.Items)
			}
		}
	})
	s.sub("every pair of a DAG is in the list of permissions", func(s *session) {
		if s.does().PermissionList != airflow.PermissionListPairs {
			s.noPairs()
			return
		}
		list, err := s.client.Permissions(s.ctx)
		if err != nil || !list.Complete || list.Total <= 100 {
			s.Fatalf("complete %v, total %d, %v", list.Complete, list.Total, err)
		}
		for _, p := range []airflow.Permission{
			pair("can_read", "DAG:"+s.DagX), pair("can_edit", "DAG:"+s.DagX), pair("can_delete", "DAG:"+s.DagX),
			pair("can_read", "DAG Run:"+s.DagX), pair("can_create", "DAG Run:"+s.DagX), pair("can_delete", "DAG Run:"+s.DagX), pair("menu_access", "DAG Run:"+s.DagX),
		} {
			if !slices.Contains(list.Items, p) {
				s.Errorf("%v is missing", p)
			}
		}
	})
	s.sub("windows", windows)
	s.sub("somebody who reads one DAG sees that one", func(s *session) {
		dags, err := s.connect("contract_listed", userPassword).Dags(s.ctx)
		if err != nil || len(dags.Items) != 1 || dags.Items[0].ID != s.DagX {
			s.Errorf("got %+v, %v", dags, err)
		}
	})
}

func windows(s *session) {
	count := func(path string) (items, total int) {
		s.Helper()
		a := s.admin("GET", path, nil)
		if a.status != 200 {
			s.Fatalf("%s: %d %s", path, a.status, a.body)
		}
		return page(s, a)
	}
	if s.two() {
		oldWindows(s, count)
		return
	}
	_, total := count("/auth/fab/v1/permissions?limit=1")
	for path, want := range map[string]int{
		"/auth/fab/v1/permissions?limit=1000":     100,
		"/auth/fab/v1/permissions":                100,
		"/auth/fab/v1/permissions?limit=0":        50,
		"/auth/fab/v1/permissions?offset=1000000": 0,
		"/auth/fab/v1/permissions?limit=7":        7,
		"/auth/fab/v1/permissions?order_by=-id":   100,
	} {
		if items, all := count(path); items != want || all != total {
			s.Errorf("%s: %d of %d, want %d of %d", path, items, all, want, total)
		}
	}
	if items, all := count("/api/v2/dags?limit=0"); items != 0 || all < 2 {
		s.Errorf("no DAGs asked for: %d of %d", items, all)
	}
	for _, list := range []string{"/auth/fab/v1/roles", s.fab() + "/users", "/auth/fab/v1/permissions", "/api/v2/dags"} {
		for query, want := range map[string]int{"?limit=-1": 422, "?offset=-1": 422, "?limit=x": 422, "?order_by=nope": 400} {
			if a := s.admin("GET", list+query, nil); a.status != want {
				s.Errorf("%s%s: %d, want %d", list, query, a.status, want)
			}
		}
	}
	for _, path := range []string{
		"/auth/fab/v1/roles?order_by=-name", "/auth/fab/v1/roles?order_by=role_id", "/auth/fab/v1/users?order_by=-username",
		"/auth/fab/v1/users?order_by=id", "/api/v2/dags?order_by=-dag_id&exclude_stale=false", "/api/v2/providers?limit=1&order_by=package_name",
	} {
		if items, _ := count(path); items == 0 {
			s.Errorf("%s: nothing", path)
		}
	}
}
