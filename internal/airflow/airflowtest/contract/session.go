package contract

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
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

func (s *session) set(text string) []airflow.Permission {
	var out []airflow.Permission
	for part := range strings.SplitSeq(text, ", ") {
		action, resource, _ := strings.Cut(part, " ")
		switch resource {
		case "D":
			resource = "DAG:" + s.DagX
		case "R":
			resource = "DAG Run:" + s.DagX
		}
		out = append(out, pair(action, resource))
	}
	return out
}

// give replaces what the person has.
func (s *session) give(permissions []airflow.Permission) {
	s.Helper()
	s.remake(personRole, permissions, person)
}

// unknown is the server, with a provider that nobody has looked at.
func (s *session) unknown() airflow.Server {
	return airflow.Server{Version: s.Version, AuthManager: airflow.AuthManagerFAB, FABProvider: "99.0.0"}
}

func (s *session) wantProbed() {
	s.Helper()
	got, err := s.client.Probe(s.ctx, s.unknown())
	want := airflow.CapabilitiesOf(s.unknown())
	want.RoleUpdate, want.RoleDelete = s.does().RoleUpdate, s.does().RoleDelete
	if err != nil || got != want {
		s.Errorf("found %+v, want %+v, %v", got, want, err)
	}
}

func (s *session) everything() state {
	s.Helper()
	roles, err := s.client.Roles(s.ctx)
	if err != nil {
		s.Fatal(err)
	}
	out := state{Roles: roles.Items}
	if s.does().PermissionList == airflow.PermissionListPairs {
		list, err := s.client.Permissions(s.ctx)
		if err != nil {
			s.Fatal(err)
		}
		out.Pairs = airflow.SortPermissions(list.Items)
	}
	return out
}

// change is the body of a change of a user, with the fields that an Airflow 2
// wants to see.
func (s *session) change(username string, fields map[string]any) map[string]any {
	body := map[string]any{}
	if s.two() {
		body = map[string]any{"username": username, "email": username + "@example.com", "first_name": "Contract", "last_name": "Test"}
	}
	maps.Copy(body, fields)
	return body
}

// noPairs pins a list of permissions that is one of actions.
func (s *session) noPairs() {
	s.Helper()
	_, err := s.client.Permissions(s.ctx)
	s.want(airflow.CauseUnsupported, err)
	a := s.admin("GET", s.fab()+"/permissions", nil)
	if items, total := page(s, a); a.status != 200 || items != 5 || total != 5 {
		s.Errorf("%d %s", a.status, a.body)
	}
}
