package signon_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/airflow-oam/airflow-oam/hack/airflow/server"
	"github.com/airflow-oam/airflow-oam/test/signon"
	"github.com/airflow-oam/airflow-oam/test/signon/provider"
)

// account is the operator's in Airflow, and the role that it holds.
const account = "airflow-oam"

// audience is that of the tokens that are exchanged.
const audience = "airflow"

// placeholder ends the addresses of users of whom the provider gave none.
const placeholder = "@email.notfound"

// signIns are users of the provider, one for each provider of FAB, and the names that
// Airflow gives them.
var signIns = []struct {
	provider   string
	user       provider.User
	name, mail string
}{
	{"okta", approver, "okta_00u1abcd", "olivia@example.com"},
	{"auth0", provider.User{Subject: "auth0|5f7c8ec7", Username: "amir", Nickname: "Amir", Email: "amir@example.com"}, "auth0_auth0|5f7c8ec7", "amir@example.com"},
	{"google", provider.User{Subject: "10847", Username: "gina", Nickname: "Gina", Email: "gina@example.com"}, "google_10847", "gina@example.com"},
	{"keycloak", requester, "kim", "kim@example.com"},
	{"oidc", provider.User{Subject: "9a8b", Username: "otto", Nickname: "Otto"}, "otto", "otto" + placeholder},
	{"authentik", provider.User{Subject: "5e4d", Username: "anna@example.com", Nickname: "anna", Email: "other@example.com"}, "anna", "anna@example.com"},
	{"github", provider.User{Subject: "gustav", Username: "gustav", Nickname: "Gustav", Email: "gustav@example.com"}, "github_gustav", "github_gustav" + placeholder},
	{"openshift", provider.User{Subject: "oscar", Username: "oscar", Nickname: "Oscar", Email: "oscar@example.com"}, "openshift_oscar", "openshift_oscar" + placeholder},
}

// impostor is a user of the provider who chose the name of the operator's account, in
// other case.
var impostor = provider.User{Subject: "666", Username: "Airflow-OAM", Nickname: "Mallory", Email: "mallory@example.com"}

// TestSignOn goes through the life of one installation: sign-on with today's release,
// the upgrade that locks the operator out, and the ways back in.
func TestSignOn(t *testing.T) {
	known := []provider.User{impostor}
	var names []string
	for _, s := range signIns {
		known, names = append(known, s.user), append(names, s.provider)
	}
	p, err := provider.Start(t.TempDir(), audience, known...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	w := &world{home: t.TempDir(), provider: p, providers: names}
	for _, stage := range []struct {
		what string
		test func(*testing.T, *world)
	}{
		{"fab 3.10.2 with AUTH_OAUTH", testToday},
		{"the rule of fab 3.11 with AUTH_OAUTH, and an OpenID token", testOpenID},
		{"the rule of fab 3.11 with AUTH_REMOTE_USER, and a Kubernetes token", testKubernetes},
	} {
		if !t.Run(stage.what, func(t *testing.T) { stage.test(t, w) }) {
			return // each finds the accounts of the one before
		}
	}
}

// world is the installation.
type world struct {
	home      string
	provider  *provider.Provider
	providers []string
	// password is that of the operator's account.
	password string
}

// start starts Airflow in the installation's home until the end of the test.
func (w *world) start(t *testing.T, o signon.Options) *server.Server {
	t.Helper()
	o.Home, o.Log = w.home, os.Stderr
	if o.AuthType == signon.OAuth {
		o.Provider, o.Providers = w.provider, w.providers
	}
	s, err := signon.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			log, _ := os.ReadFile(s.LogFiles()["api-server"])
			t.Logf("the log of the API server ends with:\n%s", log[max(0, len(log)-4000):])
		}
	})
	return s
}

// testToday needs the installed release: a password still opens, and people get their names.
func testToday(t *testing.T, w *world) {
	s := w.start(t, signon.Options{AuthType: signon.OAuth, AuthManager: signon.Installed})
	w.createAccount(t, s)
	t.Run("a password gives a token", func(t *testing.T) {
		for _, path := range []string{"/auth/token", "/auth/token/cli"} {
			wantToken(t, password(t, s, path, account, w.password))
			wantRefused(t, password(t, s, path, account, "wrong"), http.StatusUnauthorized, "Invalid credentials")
		}
	})
	t.Run("a token of the provider is not looked at", func(t *testing.T) {
		token, err := w.provider.MachineToken(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		wantRefused(t, exchange(t, s, token), http.StatusBadRequest, "Username and password must be provided")
	})
	t.Run("a token of the provider opens nothing as it is", func(t *testing.T) {
		token, err := w.provider.MachineToken(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := status(t, s, token, "/auth/fab/v1/users"); got != http.StatusForbidden {
			t.Errorf("got %d, want 403", got)
		}
	})
	for _, in := range signIns {
		t.Run("the name of a user of "+in.provider, func(t *testing.T) {
			end := signIn(t.Context(), t, s, w.provider, in.provider, in.user.Subject)
			all := users(t, s, w.token(t, s))
			got, found := all[in.name]
			if !found || got.Email != in.mail {
				t.Errorf("the sign-in of %+v ends at %s; accounts: %v; want the name %q and the address %q", in.user, end, all, in.name, in.mail)
			}
		})
	}
	t.Run("two people request and approve access", func(t *testing.T) { checkRequest(t, w, s) })
	t.Run("whoever chooses its name at the provider signs in as the operator's account", func(t *testing.T) {
		before := users(t, s, w.token(t, s))
		signIn(t.Context(), t, s, w.provider, "oidc", impostor.Subject)
		after := users(t, s, w.token(t, s))
		// Each list costs a token, which counts as well.
		if len(after) != len(before) || after[account].LoginCount != before[account].LoginCount+2 {
			t.Errorf("before %v, after %v: want one sign-in more of %s and no new account", before, after, account)
		}
	})
}

// createAccount makes the operator's account as docs/airflow.md has it. Where an Airflow
// never had another way to sign in than OAuth, nobody may create accounts over REST,
// not even an administrator: the pair does not exist. A role that names it makes it.
func (w *world) createAccount(t *testing.T, s *server.Server) {
	t.Helper()
	user := server.User{Username: account, Roles: []string{account}}
	createRole(t, s, account, [][2]string{
		{"can_read", "Roles"}, {"can_create", "Roles"}, {"can_edit", "Roles"}, {"can_delete", "Roles"},
		{"can_read", "Users"}, {"can_edit", "Users"}, {"can_read", "DAGs"}, {"can_read", "Providers"},
	})
	var refused *server.StatusError
	if _, err := s.CreateUser(t.Context(), user); !errors.As(err, &refused) || refused.Code != http.StatusForbidden {
		t.Errorf("an administrator creates an account: %v, want 403", err)
	}
	createRole(t, s, "account-maker", [][2]string{{"can_create", "Users"}})
	if err := s.SetRoles(t.Context(), s.AdminUsername, "Admin", "account-maker"); err != nil {
		t.Fatal(err)
	}
	created, err := s.CreateUser(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	w.password = created.Password
}

// createRole makes a role of pairs of an action and a resource, as the administrator.
func createRole(t *testing.T, s *server.Server, name string, pairs [][2]string) {
	t.Helper()
	var actions []map[string]any
	for _, pair := range pairs {
		actions = append(actions, map[string]any{"action": map[string]string{"name": pair[0]}, "resource": map[string]string{"name": pair[1]}})
	}
	if err := s.AsAdmin(t.Context(), http.MethodPost, "/auth/fab/v1/roles", map[string]any{"name": name, "actions": actions}, nil); err != nil {
		t.Fatal(err)
	}
}

// token is the operator's, by its password.
func (w *world) token(t *testing.T, s *server.Server) string {
	t.Helper()
	return wantToken(t, password(t, s, "/auth/token/cli", account, w.password))
}

// testOpenID has the rule of fab 3.11 and contrib/airflow-auth with the provider's machine client.
func testOpenID(t *testing.T, w *world) {
	s := w.start(t, signon.Options{AuthType: signon.OAuth, AuthManager: signon.LaterOperator, Exchange: map[string]string{
		"username": account, "issuer": w.provider.Issuer, "audience": audience, "subject": w.provider.MachineID,
		"jwks_uri": w.provider.Issuer + "/keys", "ca_file": w.provider.CAFile,
	}})
	t.Run("no token for a password", func(t *testing.T) { checkNoPassword(t, s, w.password) })
	token, err := w.provider.MachineToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var own string
	t.Run("a token by client credentials is exchanged", func(t *testing.T) {
		own = wantToken(t, exchange(t, s, token))
		checkOwnToken(t, s, own, time.Hour)
	})
	t.Run("at both addresses", func(t *testing.T) {
		checkOwnToken(t, s, wantToken(t, ask(t, s.URL+"/auth/token", "bearer "+token, "{}")), 24*time.Hour)
	})
	t.Run("an exchange counts as a login", func(t *testing.T) {
		before := users(t, s, own)[account]
		wantToken(t, exchange(t, s, token))
		if after := users(t, s, own)[account]; after.LoginCount != before.LoginCount+1 || after.LastLogin == before.LastLogin {
			t.Errorf("before %+v, after %+v", before, after)
		}
	})
	t.Run("refused", func(t *testing.T) { checkRefusals(t, s, w.provider) })
	t.Run("a new DAG gets its permissions", func(t *testing.T) { checkNewDAG(t, s, own) })
	t.Run("the operator lives by it", func(t *testing.T) { checkOpenIDOperator(t, w, s, own) })
}

// checkNoPassword has the exact answers: a right password is answered as a wrong one is.
func checkNoPassword(t *testing.T, s *server.Server, right string) {
	t.Helper()
	for _, path := range []string{"/auth/token", "/auth/token/cli"} {
		wantRefused(t, password(t, s, path, account, right), http.StatusUnauthorized, "Invalid credentials")
		wantRefused(t, password(t, s, path, account, "wrong"), http.StatusUnauthorized, "Invalid credentials")
		wantRefused(t, password(t, s, path, s.AdminUsername, s.AdminPassword), http.StatusUnauthorized, "Invalid credentials")
		wantRefused(t, ask(t, s.URL+path, "", "{}"), http.StatusBadRequest, "Username and password must be provided")
	}
}

// checkOwnToken wants a token of Airflow for the operator's account, and no other.
func checkOwnToken(t *testing.T, s *server.Server, token string, life time.Duration) {
	t.Helper()
	for path, want := range map[string]int{
		"/auth/fab/v1/users": http.StatusOK, "/auth/fab/v1/roles": http.StatusOK,
		"/api/v2/dags": http.StatusOK, "/api/v2/providers": http.StatusOK,
		"/api/v2/connections": http.StatusForbidden, "/api/v2/variables": http.StatusForbidden,
	} {
		if got := status(t, s, token, path); got != want {
			t.Errorf("GET %s answers %d, want %d", path, got, want)
		}
	}
	var me struct {
		Username string `json:"username"`
	}
	if err := s.Call(t.Context(), token, http.MethodGet, "/ui/auth/me", nil, &me); err != nil || me.Username != account {
		t.Errorf("the token is that of %q (%v), want %s", me.Username, err, account)
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Issued  int64 `json:"iat"`
		Expires int64 `json:"exp"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	if got := time.Duration(claims.Expires-claims.Issued) * time.Second; got != life {
		t.Errorf("the token is valid for %s, want %s", got, life)
	}
}

// checkRefusals tries tokens that differ in one thing from one that is accepted.
func checkRefusals(t *testing.T, s *server.Server, p *provider.Provider) {
	with := func(changes map[string]any) map[string]any {
		claims := p.Claims()
		maps.Copy(claims, changes)
		maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
		return claims
	}
	if good, err := p.Sign(with(nil)); err != nil || exchange(t, s, good).token == "" {
		t.Fatalf("%v: the token that the others differ from is not accepted: %v", err, exchange(t, s, good))
	}
	now := time.Now()
	for what, c := range map[string]struct {
		changes map[string]any
		detail  string
	}{
		"another audience":        {map[string]any{"aud": "another"}, "InvalidAudienceError"},
		"no audience":             {map[string]any{"aud": nil}, "MissingRequiredClaimError"},
		"another issuer":          {map[string]any{"iss": "https://issuer.example.com"}, "InvalidIssuerError"},
		"no issuer":               {map[string]any{"iss": nil}, "MissingRequiredClaimError"},
		"an issuer with a slash":  {map[string]any{"iss": p.Issuer + "/"}, "InvalidIssuerError"},
		"another subject":         {map[string]any{"sub": "00u1abcd"}, "InvalidSubjectError"},
		"a subject in other case": {map[string]any{"sub": strings.ToUpper(p.MachineID)}, "InvalidSubjectError"},
		"no subject":              {map[string]any{"sub": nil}, "MissingRequiredClaimError"},
		"expired":                 {map[string]any{"exp": now.Add(-time.Minute).Unix()}, "ExpiredSignatureError"},
		"no end":                  {map[string]any{"exp": nil}, "MissingRequiredClaimError"},
		"no beginning":            {map[string]any{"iat": nil}, "MissingRequiredClaimError"},
		"not valid yet":           {map[string]any{"nbf": now.Add(time.Minute).Unix()}, "ImmatureSignatureError"},
	} {
		t.Run(what, func(t *testing.T) {
			token, err := p.Sign(with(c.changes))
			if err != nil {
				t.Fatal(err)
			}
			wantRefused(t, exchange(t, s, token), http.StatusUnauthorized, "Token refused: "+c.detail)
		})
	}
	t.Run("forged", func(t *testing.T) { checkForgeries(t, s, p) })
	t.Run("no token", func(t *testing.T) {
		wantRefused(t, exchange(t, s, "x"), http.StatusUnauthorized, "Token refused: DecodeError")
		wantRefused(t, exchange(t, s, ""), http.StatusUnauthorized, "Token refused: DecodeError")
		wantRefused(t, ask(t, s.URL+"/auth/token/cli", "Basic eDp5", "{}"), http.StatusBadRequest, "Username and password must be provided")
	})
}

// checkForgeries tries tokens that the provider did not sign.
func checkForgeries(t *testing.T, s *server.Server, p *provider.Provider) {
	t.Helper()
	good, err := p.Sign(p.Claims())
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT","kid":` + kid(t, parts[0]) + `}`))
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(p.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	forged, err := p.SignWith(jose.SigningKey{Algorithm: jose.RS256, Key: stranger}, p.Claims())
	if err != nil {
		t.Fatal(err)
	}
	confused, err := p.SignWith(jose.SigningKey{Algorithm: jose.HS256, Key: public}, p.Claims())
	if err != nil {
		t.Fatal(err)
	}
	other, err := provider.Start(t.TempDir(), audience)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Stop()
	unknown, err := other.Sign(p.Claims())
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct{ token, detail string }{
		"alg none":                          {none + "." + parts[1] + ".", "InvalidAlgorithmError"},
		"alg none with a signature":         {none + "." + parts[1] + "." + parts[2], "InvalidAlgorithmError"},
		"no signature":                      {parts[0] + "." + parts[1] + ".", "InvalidSignatureError"},
		"a key under the issuer's name":     {forged, "InvalidSignatureError"},
		"the public key as a shared secret": {confused, "InvalidAlgorithmError"},
		"a key that the issuer has not":     {unknown, "PyJWKClientError"},
	} {
		t.Run(what, func(t *testing.T) {
			wantRefused(t, exchange(t, s, c.token), http.StatusUnauthorized, "Token refused: "+c.detail)
		})
	}
}

// kid returns the name of the key of a token's header, as JSON.
func kid(t *testing.T, header string) string {
	t.Helper()
	decoded, err := base64.RawURLEncoding.DecodeString(header)
	if err != nil {
		t.Fatal(err)
	}
	var fields struct {
		ID json.RawMessage `json:"kid"`
	}
	if err := json.Unmarshal(decoded, &fields); err != nil {
		t.Fatal(err)
	}
	return string(fields.ID)
}

// checkNewDAG wants a DAG that Airflow has just met to have the resource that
// permissions need. Airflow makes it only for some names of the auth manager's class.
func checkNewDAG(t *testing.T, s *server.Server, token string) {
	t.Helper()
	const id = "signon_new"
	file := "from airflow.sdk import DAG\nfrom airflow.providers.standard.operators.empty import EmptyOperator\n\n" +
		"with DAG(\"" + id + "\", schedule=None):\n    EmptyOperator(task_id=\"nothing\")\n"
	if err := os.WriteFile(filepath.Join(s.DAGs, id+".py"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	role := map[string]any{"name": "signon-new", "actions": []any{
		map[string]any{"action": map[string]string{"name": "can_read"}, "resource": map[string]string{"name": "DAG:" + id}},
	}}
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for {
		err := s.Call(t.Context(), token, http.MethodPost, "/auth/fab/v1/roles", role, nil)
		if err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("no role can have a permission on the new DAG: %v; GET of the DAG: %v", err, s.ReadDAG(t.Context(), token, id))
		case <-tick.C:
		}
	}
}
