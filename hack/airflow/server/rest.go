package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// client is for this program's own server: it never follows a redirect. Airflow 3
// closes the connection after it answered 500, without saying so before; so no
// call uses that of another one.
var client = &http.Client{
	Timeout:       30 * time.Second,
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// sessionCookie is the name of Airflow 2's cookie.
const sessionCookie = "session"

// bodyLimit bounds what is read of an answer, in bytes.
const bodyLimit = 4 << 20

// StatusError is an answer with another status than the expected.
type StatusError struct {
	Method, Path string
	Code         int
	// Body is the beginning of the answer.
	Body string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("%s %s answered %d: %s", e.Method, e.Path, e.Code, e.Body)
}

// User is an account to create.
type User struct {
	Username string
	// Password is chosen at random where it is empty.
	Password string
	// Email is <username>@example.com where it is empty.
	Email string
	// Roles by name; none means Public, since Airflow refuses an empty list.
	Roles []string
}

// CreateUser creates an account over REST and returns it with what was chosen
// for empty fields. A taken name is a *StatusError with the code 409.
func (s *Server) CreateUser(ctx context.Context, user User) (User, error) {
	if user.Username == "" {
		return user, errors.New("an account needs a username")
	}
	if user.Password == "" {
		user.Password = secret()
	}
	if user.Email == "" {
		user.Email = user.Username + "@example.com"
	}
	if len(user.Roles) == 0 {
		user.Roles = []string{"Public"}
	}
	roles := make([]map[string]string, 0, len(user.Roles))
	for _, role := range user.Roles {
		roles = append(roles, map[string]string{"name": role})
	}
	body := map[string]any{
		"username": user.Username, "password": user.Password, "email": user.Email,
		"first_name": user.Username, "last_name": user.Username, "roles": roles,
	}
	return user, s.AsAdmin(ctx, http.MethodPost, "/auth/fab/v1/users", body, nil)
}

// SetRoles overwrites the roles of an account, as an identity provider does at a
// login.
func (s *Server) SetRoles(ctx context.Context, username string, roles ...string) error {
	return s.changeUser(ctx, username, "roles", func(body *userBody) {
		body.Roles = []map[string]string{}
		for _, role := range roles {
			body.Roles = append(body.Roles, map[string]string{"name": role})
		}
	})
}

// RenameUser gives an account another name; it keeps its roles, its password and
// its tokens.
func (s *Server) RenameUser(ctx context.Context, username, to string) error {
	return s.changeUser(ctx, username, "username", func(body *userBody) { body.Username = to })
}

// userBody is what Airflow 2 wants to see, whatever is to change.
type userBody struct {
	Username  string              `json:"username"`
	Email     string              `json:"email"`
	FirstName string              `json:"first_name"`
	LastName  string              `json:"last_name"`
	Roles     []map[string]string `json:"roles"`
}

// changeUser changes one field of an account.
func (s *Server) changeUser(ctx context.Context, username, field string, change func(*userBody)) error {
	path := "/auth/fab/v1/users/" + url.PathEscape(username)
	var body userBody
	if err := s.AsAdmin(ctx, http.MethodGet, path, nil, &body); err != nil {
		return err
	}
	change(&body)
	return s.AsAdmin(ctx, http.MethodPatch, path+"?update_mask="+field, body, nil)
}

// DeleteUser deletes an account.
func (s *Server) DeleteUser(ctx context.Context, username string) error {
	return s.AsAdmin(ctx, http.MethodDelete, "/auth/fab/v1/users/"+url.PathEscape(username), nil, nil)
}

// Token proves an account to Call: a bearer token, valid for an hour, or the
// cookie of a session where there are no tokens (Airflow 2). Wrong credentials
// are a *StatusError with the code 401, in Airflow 2 with 403.
//
// Both ways move the account's last_login; calls with what is returned do not.
func (s *Server) Token(ctx context.Context, username, password string) (string, error) {
	if s.Airflow2() {
		return s.session(ctx, username, password)
	}
	var answer struct {
		Token string `json:"access_token"`
	}
	body := map[string]string{"username": username, "password": password}
	if err := s.Call(ctx, "", http.MethodPost, "/auth/token/cli", body, &answer); err != nil {
		return "", err
	}
	if answer.Token == "" {
		return "", errors.New("POST /auth/token/cli answered without a token")
	}
	return answer.Token, nil
}

// session logs in to Airflow 2. It answers a call for roles with a cookie when
// the password is right, whether the account may read roles or not; calls of
// /api/v1 are answered without.
func (s *Server) session(ctx context.Context, username, password string) (string, error) {
	const path = "/auth/fab/v1/roles?limit=1"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, http.NoBody)
	if err != nil {
		return "", err
	}
	request.SetBasicAuth(username, password)
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	for _, cookie := range response.Cookies() {
		if cookie.Name == sessionCookie {
			return cookie.Value, nil
		}
	}
	return "", &StatusError{Method: http.MethodGet, Path: path, Code: response.StatusCode, Body: "no session"}
}

// AsAdmin makes a call as the administrator, with a new token; see Call.
func (s *Server) AsAdmin(ctx context.Context, method, path string, body, answer any) error {
	token, err := s.Token(ctx, s.AdminUsername, s.AdminPassword)
	if err != nil {
		return err
	}
	return s.Call(ctx, token, method, path, body, answer)
}

// Call makes one call with what Token returned (nothing where it is empty). A
// body that is not nil is sent as JSON; an answer that is not nil is filled from JSON. Any
// status outside 200 to 299 is a *StatusError.
func (s *Server) Call(ctx context.Context, token, method, path string, body, answer any) error {
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, s.URL+path, content)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("Content-Type", "application/json")
	if token != "" && s.Airflow2() {
		request.Header.Set("Cookie", sessionCookie+"="+token)
	} else if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(io.LimitReader(response.Body, bodyLimit))
	if err != nil {
		return err
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return &StatusError{Method: method, Path: path, Code: response.StatusCode, Body: string(read[:min(len(read), 300)])}
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(read, answer); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

// DAGPath is the path of a DAG in the REST API, without a slash at its end.
func (s *Server) DAGPath(id string) string {
	return s.release().APIPath() + "/dags/" + url.PathEscape(id)
}

// ReadDAG asks for a DAG; see Call for the token and the errors.
func (s *Server) ReadDAG(ctx context.Context, token, id string) error {
	return s.Call(ctx, token, http.MethodGet, s.DAGPath(id), nil, nil)
}

// TriggerDAG starts a run of a DAG.
func (s *Server) TriggerDAG(ctx context.Context, token, id string) error {
	body := map[string]any{"logical_date": nil}
	if s.Airflow2() {
		body = map[string]any{} // it takes no null, and the field may be left out
	}
	return s.Call(ctx, token, http.MethodPost, s.DAGPath(id)+"/dagRuns", body, nil)
}

// PauseDAG pauses a DAG or lets it go on.
func (s *Server) PauseDAG(ctx context.Context, token, id string, paused bool) error {
	return s.Call(ctx, token, http.MethodPatch, s.DAGPath(id), map[string]any{"is_paused": paused}, nil)
}

// Airflow2 says whether the server is an Airflow 2.
func (s *Server) Airflow2() bool { return s.release().Airflow2() }

// release is what the server runs, without the name of its lock.
func (s *Server) release() Release {
	return Release{Version: s.Version, FABProvider: s.FABProvider}
}

// healthy asks for the state of the server's parts.
func (s *Server) healthy(ctx context.Context, scheduler bool) error {
	type part struct {
		Status string `json:"status"`
	}
	parts := map[string]part{}
	if err := s.Call(ctx, "", http.MethodGet, s.release().healthPath(), nil, &parts); err != nil {
		return err
	}
	for _, name := range s.release().parts(scheduler) {
		if status := parts[name].Status; status != "healthy" {
			return fmt.Errorf("the %s is %q", name, status)
		}
	}
	return nil
}

// Health returns nil when the server answers, and its database and what parses
// its DAG files are healthy.
func (s *Server) Health(ctx context.Context) error { return s.healthy(ctx, false) }

// WaitForDAGs waits until Airflow lists all DAGs of these ids, which is some
// seconds after their files appeared. From then on permissions on them can be
// given.
func (s *Server) WaitForDAGs(ctx context.Context, ids ...string) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	token, err := s.Token(ctx, s.AdminUsername, s.AdminPassword)
	if err != nil {
		return err
	}
	missing := slices.Clone(ids)
	for {
		missing = slices.DeleteFunc(missing, func(id string) bool {
			return s.Call(ctx, token, http.MethodGet, s.DAGPath(id), nil, nil) == nil
		})
		if len(missing) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the DAGs %q: %w", missing, ctx.Err())
		case <-tick.C:
		}
	}
}
