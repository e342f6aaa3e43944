// Package contract is what the operator relies on in Airflow's REST API, as one
// suite of tests. It runs against the simulator and against real servers, so
// that neither the operator nor the simulator believes what Airflow does not do.
package contract

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/utils/clock"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

// Target is the server that is asked. Its permission cache must be off
// ([fab] cache_ttl = 0), and nobody else may write to it meanwhile. What is
// expected where releases differ follows from its version: updates of roles that
// replace or add, the API and the rules of Airflow 2 or 3.
type Target struct {
	// URL is its address: http on a loopback address.
	URL string
	// Username and Password are of an account with the role Admin.
	Username string
	Password string
	// Version and FABProvider are what it must say that it is.
	Version     string
	FABProvider string
	// DagX and DagY are two DAGs that are parsed and not stale. The suite
	// triggers and pauses DagX, and leaves it unpaused.
	DagX string
	DagY string
	// AddsWebsite: the server adds (can_read, Website) to every role that it did
	// not make itself, with each call.
	AddsWebsite bool
}

// does says what is expected where releases differ.
func (t Target) does() airflow.Capabilities {
	return airflow.CapabilitiesOf(airflow.Server{Version: t.Version, FABProvider: t.FABProvider})
}

// two says that it is an Airflow 2: another API, and sessions in the place of
// tokens.
func (t Target) two() bool { return t.does().Authentication == airflow.AuthenticationSession }

// api and fab are where Airflow's own API is and that of the FAB provider.
func (t Target) api() string {
	if t.two() {
		return "/api/v1"
	}
	return "/api/v2"
}

func (t Target) fab() string {
	if t.two() {
		return "/api/v1"
	}
	return "/auth/fab/v1"
}

// unprocessable is the status of what is not valid.
func (t Target) unprocessable() int {
	if t.two() {
		return http.StatusBadRequest
	}
	return http.StatusUnprocessableEntity
}

// adds says that an update of a role takes nothing away.
func (t Target) adds() bool { return t.does().RoleUpdate == airflow.RoleUpdateAdd }

// stored is what the server shows of a role that was given these permissions.
func (t Target) stored(permissions []airflow.Permission) []airflow.Permission {
	if t.AddsWebsite {
		permissions = append(slices.Clone(permissions), pair("can_read", "Website"))
	}
	return airflow.SortPermissions(permissions)
}

// Run runs the whole suite. What it makes it removes; its roles and users are
// named "contract ...".
func Run(t *testing.T, target Target) {
	t.Helper()
	for _, part := range []struct {
		name string
		run  func(*session)
	}{
		{"discovery", discovery},
		{"tokens", tokens},
		{"roles", roles},
		{"names of roles", roleNames},
		{"trying out what a server can do", probe},
		{"requests that are not valid", invalidRequests},
		{"users", users},
		{"lists", lists},
		{"authorization", authorization},
		{"authorization evaluator", evaluator},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(newSession(t, target)) })
	}
}

// session is one part's connection.
type session struct {
	*testing.T
	Target
	ctx    context.Context
	client *airflow.Client
	tokens map[string]string
}

func newSession(t *testing.T, target Target) *session {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	t.Cleanup(cancel)
	s := &session{T: t, Target: target, ctx: ctx, tokens: map[string]string{}}
	s.client = s.connect(target.Username, target.Password)
	return s
}

// sub runs a part of a part.
func (s *session) sub(name string, run func(*session)) {
	s.Helper()
	s.Run(name, func(t *testing.T) {
		inner := *s
		inner.T = t
		run(&inner)
	})
}

func (s *session) connect(username, password string) *airflow.Client {
	s.Helper()
	u, err := url.Parse(s.URL)
	if err != nil {
		s.Fatal(err)
	}
	c, err := airflow.New(airflow.Config{
		URL: s.URL, Credentials: airflow.Credentials{Username: username, Password: password},
		AllowHTTPHosts: []string{u.Host}, AllowedAddresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Clock: clock.RealClock{},
	})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(c.Close)
	return c
}

// stored reads a user who must be there.
func (s *session) user(username string) airflow.User {
	s.Helper()
	user, err := s.client.User(s.ctx, username)
	if err != nil {
		s.Fatal(err)
	}
	return user
}

// answer is what the server said.
type answer struct {
	status int
	kind   string // content type without parameters
	body   []byte

	cookies []*http.Cookie
}

func (a answer) detail() string {
	var fields struct {
		Detail any `json:"detail"`
	}
	_ = json.Unmarshal(a.body, &fields)
	text, _ := fields.Detail.(string)
	return text
}

// refused says whether the answer is that of a missing permission; Airflow 2
// says the same of wrong credentials.
func (t Target) refused(a answer) bool {
	if !t.two() {
		return a.status == http.StatusForbidden && a.detail() == "Forbidden"
	}
	var problem struct {
		Detail *string `json:"detail"`
		Title  string  `json:"title"`
	}
	return a.status == http.StatusForbidden && a.kind == "application/problem+json" &&
		json.Unmarshal(a.body, &problem) == nil && problem.Detail == nil && problem.Title == "Forbidden"
}

// send sends a request as it is, with a header Authorization where it is not
// empty; a session goes as a cookie.
func (s *session) send(method, path, authorization string, body any) answer {
	s.Helper()
	var text []byte
	switch body := body.(type) {
	case nil:
	case string:
		text = []byte(body)
	default:
		var err error
		if text, err = json.Marshal(body); err != nil {
			s.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(s.ctx, method, s.URL+path, bytes.NewReader(text))
	if err != nil {
		s.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	switch {
	case strings.HasPrefix(authorization, sessionPrefix):
		req.Header.Set("Cookie", authorization)
	case authorization != "":
		req.Header.Set("Authorization", authorization)
	}
	resp, err := plain.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatal(err)
	}
	kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	return answer{status: resp.StatusCode, kind: kind, body: content, cookies: resp.Cookies()}
}

const sessionPrefix = "session="

// plain never follows a redirect. Airflow 3 closes the connection after it answered 500, without saying so before; so no
// request uses that of another one.
var plain = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// token gives what makes a user known, made at the first call: a bearer, or
// the session of an Airflow 2.
func (s *session) token(username, password string) string {
	s.Helper()
	if s.two() && s.tokens[username] == "" {
		s.tokens[username] = s.openSession(username, password)
	}
	if s.tokens[username] == "" {
		a := s.send("POST", "/auth/token/cli", "", map[string]string{"username": username, "password": password})
		var fields struct {
			AccessToken string `json:"access_token"`
		}
		if a.status != http.StatusCreated || json.Unmarshal(a.body, &fields) != nil {
			s.Fatalf("token of %s: %d %s", username, a.status, a.body)
		}
		s.tokens[username] = "Bearer " + fields.AccessToken
	}
	return s.tokens[username]
}

// basic is the header that carries a password.
func basic(username, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(username+":"+password))
}

// openSession logs in to an Airflow 2. The answer may be a refusal: the cookie
// comes with a right password alone.
func (s *session) openSession(username, password string) string {
	s.Helper()
	a := s.send("GET", "/auth/fab/v1/roles?limit=1", basic(username, password), nil)
	for _, cookie := range a.cookies {
		if cookie.Name+"=" == sessionPrefix {
			return sessionPrefix + cookie.Value
		}
	}
	s.Fatalf("session of %s: %d %s", username, a.status, a.body)
	return ""
}

// admin sends a request as the administrator.
func (s *session) admin(method, path string, body any) answer {
	s.Helper()
	return s.send(method, path, s.token(s.Username, s.Password), body)
}

const userPassword = "contract-password"

// addUser makes a user that goes with the test.
func (s *session) addUser(username string, roles ...string) {
	s.Helper()
	body := map[string]any{
		"username": username, "email": username + "@example.com", "first_name": "Contract", "last_name": "Test",
		"password": userPassword, "roles": refs(roles),
	}
	if a := s.admin("POST", s.fab()+"/users", body); a.status != http.StatusOK {
		s.Fatalf("making user %s: %d %s", username, a.status, a.body)
	}
	s.Cleanup(func() { s.admin("DELETE", s.fab()+"/users/"+url.PathEscape(username), nil) })
}

// addRole makes a role that goes with the test.
func (s *session) addRole(name string, permissions ...airflow.Permission) {
	s.Helper()
	if _, err := s.client.CreateRole(s.ctx, airflow.Role{Name: name, Permissions: permissions}); err != nil {
		s.Fatal(err)
	}
	s.dropLater(name)
}

// remake gives a role exactly these permissions and holders, also where an
// update only adds: there it is deleted and made anew.
func (s *session) remake(name string, permissions []airflow.Permission, holders ...string) {
	s.Helper()
	if !s.adds() {
		if _, err := s.client.UpdateRole(s.ctx, airflow.Role{Name: name, Permissions: permissions}, 12); err != nil {
			s.Fatal(err)
		}
		return
	}
	if err := s.client.DeleteRole(s.ctx, name); err != nil {
		s.Fatal(err)
	}
	if _, err := s.client.CreateRole(s.ctx, airflow.Role{Name: name, Permissions: permissions}); err != nil {
		s.Fatal(err)
	}
	for _, username := range holders {
		holder := airflow.User{Username: username}
		if s.two() {
			holder = s.user(username)
		}
		if _, err := s.client.SetUserRoles(s.ctx, holder, []string{name}); err != nil {
			s.Fatal(err)
		}
	}
}

func (s *session) dropLater(name string) {
	s.Cleanup(func() {
		// The test's context may be over, or the role gone: that is fine.
		_ = s.client.DeleteRole(context.WithoutCancel(s.ctx), name)
	})
}

func refs(names []string) []map[string]string {
	out := []map[string]string{}
	for _, name := range names {
		out = append(out, map[string]string{"name": name})
	}
	return out
}

func pair(action, resource string) airflow.Permission {
	return airflow.Permission{Action: action, Resource: resource}
}

func (s *session) wantPermissions(role string, want ...airflow.Permission) {
	s.Helper()
	got, err := s.client.Role(s.ctx, role)
	if err != nil {
		s.Fatal(err)
	}
	if want = s.Target.stored(want); !slices.Equal(got.Permissions, want) {
		s.Errorf("role %s holds %v, want %v", role, got.Permissions, want)
	}
}

func (s *session) wantRoles(username string, want ...string) {
	s.Helper()
	got, err := s.client.User(s.ctx, username)
	if err != nil {
		s.Fatal(err)
	}
	slices.Sort(want)
	if !slices.Equal(got.Roles, want) {
		s.Errorf("user %s holds %v, want %v", username, got.Roles, want)
	}
}

// want fails the test where an error is not of the cause.
func (s *session) want(cause airflow.Cause, err error) {
	s.Helper()
	if got := airflow.CauseOf(err); got != cause {
		s.Errorf("cause %q, want %q: %v", got, cause, err)
	}
}

// drop deletes a user.
func (s *session) drop(username string) {
	s.Helper()
	if a := s.admin("DELETE", s.fab()+"/users/"+url.PathEscape(username), nil); a.status != http.StatusNoContent {
		s.Errorf("deleting %q: %d %s", username, a.status, a.body)
	}
}

// page counts the items of a list's answer.
func page(s *session, a answer) (items, total int) {
	s.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(a.body, &fields); err != nil {
		s.Fatal(err)
	}
	for name, value := range fields {
		var list []json.RawMessage
		if name == "total_entries" {
			if err := json.Unmarshal(value, &total); err != nil {
				s.Fatal(err)
			}
		} else if json.Unmarshal(value, &list) == nil {
			items = len(list)
		}
	}
	return items, total
}
