package contract

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

// RunUngoverned runs what is relied on in a server with FAB provider 3.2.0, which is recognised and not governed: users are
// written and answered 500, roles can be made and neither changed nor deleted. Its roles therefore stay.
func RunUngoverned(t *testing.T, target Target) {
	t.Helper()
	for _, part := range []struct {
		name string
		run  func(*session)
	}{
		{"discovery", recognised},
		{"roles are made and stay as they are", fixedRoles},
		{"users are written and answered 500", failingUsers},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(newSession(t, target)) })
	}
}

func fixedRoles(s *session) {
	const name, missing = "contract fixed", "contract nobody"
	held := []airflow.Permission{pair("can_read", "DAG:"+s.DagX)}
	s.addRole(name, held...)
	s.wantPermissions(name, held...)
	_, err := s.client.CreateRole(s.ctx, airflow.Role{Name: name})
	s.want(airflow.CauseConflict, err)

	edit := map[string]any{"name": name, "actions": []any{}}
	for title, c := range map[string]struct {
		method, path string
		body         any
		status       int
	}{
		"an update":                   {http.MethodPatch, "/roles/" + name, edit, http.StatusForbidden},
		"an update of nothing":        {http.MethodPatch, "/roles/" + name, map[string]any{}, http.StatusForbidden},
		"an update of a missing role": {http.MethodPatch, "/roles/" + missing, edit, http.StatusForbidden},
		"deleting":                    {http.MethodDelete, "/roles/" + name, nil, http.StatusInternalServerError},
		"deleting a missing role":     {http.MethodDelete, "/roles/" + missing, nil, http.StatusNotFound},
		"a missing role":              {http.MethodGet, "/roles/" + missing, nil, http.StatusNotFound},
		"the list of permissions":     {http.MethodGet, "/permissions", nil, http.StatusUnauthorized},
	} {
		path := (&url.URL{Path: s.fab() + c.path}).EscapedPath()
		if a := s.admin(c.method, path, c.body); a.status != c.status {
			s.Errorf("%s: %d %s, want %d", title, a.status, a.body, c.status)
		}
	}
	_, err = s.client.UpdateRole(s.ctx, airflow.Role{Name: name}, 1)
	s.want(airflow.CauseForbidden, err)
	s.want(airflow.CauseUnavailable, s.client.DeleteRole(s.ctx, name))
	s.wantPermissions(name, held...)

	got, err := s.client.Probe(s.ctx, s.unknown())
	if err != nil || got.RoleUpdate != airflow.RoleUpdateRefused || got.RoleDelete != airflow.Fails {
		s.Errorf("a probe finds %+v, %v", got, err)
	}
}

func failingUsers(s *session) {
	const username, role = "contract_failing", "contract reader"
	s.addRole(role, pair("can_read", "DAG:"+s.DagX))
	body := map[string]any{
		"username": username, "email": username + "@example.com", "first_name": "Contract", "last_name": "Test",
		"password": userPassword, "roles": refs([]string{"Public"}),
	}
	users, self := s.fab()+"/users", s.fab()+"/users/"+username
	ask := func(title, method, path string, body any, status int) {
		s.Helper()
		if a := s.admin(method, path, body); a.status != status {
			s.Errorf("%s: %d %s, want %d", title, a.status, a.body, status)
		}
	}
	ask("making one", http.MethodPost, users, body, http.StatusInternalServerError)
	ask("who is there already", http.MethodPost, users, body, http.StatusConflict)
	ask("reading one", http.MethodGet, self, nil, http.StatusInternalServerError)
	ask("reading who is not there", http.MethodGet, users+"/contract_nobody", nil, http.StatusNotFound)
	ask("the list", http.MethodGet, users, nil, http.StatusInternalServerError)

	// The person makes no call before: what they were allowed then would be remembered for long.
	_, err := s.client.SetUserRoles(s.ctx, airflow.User{Username: username}, []string{role})
	s.want(airflow.CauseUnavailable, err)
	if !airflow.MaybeApplied(err) {
		s.Errorf("it does not pass for something that may have been done: %v", err)
	}
	for dag, status := range map[string]int{s.DagX: http.StatusOK, s.DagY: http.StatusForbidden} {
		if a := s.send(http.MethodGet, s.api()+"/dags/"+dag, s.token(username, userPassword), nil); a.status != status {
			s.Errorf("%s, by the role that was given: %d %s, want %d", dag, a.status, a.body, status)
		}
	}
	ask("deleting one", http.MethodDelete, self, nil, http.StatusNoContent)
	login := map[string]string{"username": username, "password": userPassword}
	if a := s.send(http.MethodPost, "/auth/token/cli", "", login); a.status != http.StatusUnauthorized {
		s.Errorf("who was deleted logs in: %d", a.status)
	}
}
