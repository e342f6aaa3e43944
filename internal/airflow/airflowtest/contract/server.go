package contract

import (
	"net/http"
	"strings"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

func discovery(s *session) {
	s.sub("version, auth manager and provider are told", recognised)
	s.sub("without credentials all but the provider is told", func(s *session) {
		got, err := s.connect("", "").Discover(s.ctx)
		if err != nil || got.Version != s.Version || got.AuthManager != airflow.AuthManagerFAB || got.FABProvider != "" {
			s.Errorf("got %+v, %v", got, err)
		}
	})
	s.sub("the version needs no token, and does not mind a wrong one", func(s *session) {
		for _, authorization := range []string{"", "Bearer garbage"} {
			if a := s.send("GET", s.api()+"/version", authorization, nil); a.status != http.StatusOK || a.kind != "application/json" {
				s.Errorf("with %q: %d %s", authorization, a.status, a.kind)
			}
		}
	})
	s.sub("paths that do not exist", func(s *session) {
		paths := map[string]answer{
			"/api/v1/version":      {status: 404, kind: "application/json"},
			"/api/v2/nope":         {status: 404, kind: "application/json"},
			"/auth/fab/v1/nope":    {status: 404, kind: "text/html"},
			"/nope":                {status: 200, kind: "text/html"},
			"/auth/fab/v1/roles/":  {status: 404, kind: "text/html"},
			"/auth/token/cli":      {status: 404, kind: "text/html"},
			"/auth/fab/v1/roles/x": {status: 404, kind: "application/json"},
		}
		if s.two() {
			paths = oldPaths
		}
		for path, want := range paths {
			if a := s.admin("GET", path, nil); a.status != want.status || a.kind != want.kind {
				s.Errorf("GET %s: %d %s, want %d %s", path, a.status, a.kind, want.status, want.kind)
			}
		}
	})
	s.sub("the administrator has what the operator needs", func(s *session) {
		if err := s.client.CheckAccount(s.ctx); err != nil {
			s.Error(err)
		}
	})
	s.sub("an account with exactly what is needed passes, and each missing permission is named", accountPermissions)
}

func recognised(s *session) {
	got, err := s.client.Discover(s.ctx)
	if err != nil {
		s.Fatal(err)
	}
	want := airflow.Server{Version: s.Version, AuthManager: airflow.AuthManagerFAB, FABProvider: s.FABProvider}
	want.Capabilities = airflow.CapabilitiesOf(want)
	if got != want {
		s.Errorf("got %+v, want %+v", got, want)
	}
}

// oldPaths are those that an Airflow 2 does not have.
var oldPaths = map[string]answer{
	"/api/v2/version":      {status: 404, kind: "text/html"},
	"/api/v1/nope":         {status: 404, kind: "application/problem+json"},
	"/auth/fab/v1/nope":    {status: 404, kind: "application/problem+json"},
	"/nope":                {status: 404, kind: "text/html"},
	"/api/v1/roles/":       {status: 404, kind: "application/problem+json"},
	"/auth/token/cli":      {status: 404, kind: "text/html"},
	"/auth/openapi.json":   {status: 404, kind: "text/html"},
	"/auth/fab/v1/roles/x": {status: 404, kind: "application/problem+json"},
}

func accountPermissions(s *session) {
	const role, username = "contract account", "contract_account"
	needed := airflow.AccountPermissions()
	s.addRole(role, needed...)
	s.addUser(username, role)
	account := s.connect(username, userPassword)
	if err := account.CheckAccount(s.ctx); err != nil {
		s.Error(err)
	}
	for i, p := range needed {
		rest := append(append([]airflow.Permission{}, needed[:i]...), needed[i+1:]...)
		s.remake(role, rest, username)
		err := account.CheckAccount(s.ctx)
		got, _ := airflow.MissingPermissions(err)
		if len(got) != 1 || got[0] != p || !airflow.IsForbidden(err) {
			s.Errorf("without %v: %v", p, err)
		}
	}
}

func tokens(s *session) {
	if s.two() {
		oldTokens(s)
		return
	}
	s.addUser("contract_token", "Public")
	s.sub("credentials", func(s *session) {
		login := func(username, password string) any {
			return map[string]string{"username": username, "password": password}
		}
		for name, tc := range map[string]struct {
			body   any
			status int
			detail string
		}{
			"right":                  {login("contract_token", userPassword), 201, ""},
			"username in other case": {login("Contract_TOKEN", userPassword), 201, ""},
			"e-mail as username":     {login("contract_token@example.com", userPassword), 201, ""},
			"wrong password":         {login("contract_token", "wrong"), 401, "Invalid credentials"},
			"unknown user":           {login("contract_nobody", "wrong"), 401, "Invalid credentials"},
			"empty password":         {login("contract_token", ""), 400, "Username and password must be provided"},
			"no password":            {map[string]string{"username": "contract_token"}, 400, "Username and password must be provided"},
			"no object":              {"[1]", 422, ""},
		} {
			if a := s.send("POST", "/auth/token/cli", "", tc.body); a.status != tc.status || a.detail() != tc.detail {
				s.Errorf("%s: %d %q, want %d %q", name, a.status, a.detail(), tc.status, tc.detail)
			}
		}
	})
	s.sub("bearers", func(s *session) {
		token := strings.TrimPrefix(s.token("contract_token", userPassword), "Bearer ")
		for name, tc := range map[string]struct {
			authorization string
			status        int
			detail        string
		}{
			"none":             {"", 401, "Not authenticated"},
			"basic":            {"Basic Y29udHJhY3Q6eA==", 401, "Not authenticated"},
			"garbage":          {"Bearer garbage", 403, "Invalid JWT token"},
			"wrong signature":  {"Bearer " + token[:strings.LastIndexByte(token, '.')] + ".AAAA", 403, "Invalid JWT token"},
			"right, no rights": {"Bearer " + token, 403, "Forbidden"},
		} {
			for _, path := range []string{"/auth/fab/v1/roles", "/auth/fab/v1/permissions", "/api/v2/dags"} {
				if a := s.send("GET", path, tc.authorization, nil); a.status != tc.status || a.detail() != tc.detail {
					s.Errorf("%s, %s: %d %q, want %d %q", name, path, a.status, a.detail(), tc.status, tc.detail)
				}
			}
		}
	})
	s.sub("the client tells wrong credentials from missing rights", func(s *session) {
		_, err := s.connect("contract_token", "wrong").Roles(s.ctx)
		s.want(airflow.CauseUnauthorized, err)
		_, err = s.connect("contract_token", userPassword).Roles(s.ctx)
		s.want(airflow.CauseForbidden, err)
	})
	s.sub("the token of a deleted user is not valid", func(s *session) {
		s.addUser("contract_gone", "Public")
		token := s.token("contract_gone", userPassword)
		s.admin("DELETE", "/auth/fab/v1/users/contract_gone", nil)
		if a := s.send("GET", "/api/v2/dags", token, nil); a.status != 403 || a.detail() != "Invalid JWT token" {
			s.Errorf("%d %s", a.status, a.body)
		}
	})
}
