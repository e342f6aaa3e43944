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

// client is for this program's own server: it never follows a redirect.
var client = &http.Client{
	Timeout:       30 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

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

// Token returns a bearer token of an account, valid for an hour. Wrong
// credentials are a *StatusError with the code 401.
func (s *Server) Token(ctx context.Context, username, password string) (string, error) {
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

// AsAdmin makes a call as the operator's account, with a new token; see Call.
func (s *Server) AsAdmin(ctx context.Context, method, path string, body, answer any) error {
	token, err := s.Token(ctx, s.AdminUsername, s.AdminPassword)
	if err != nil {
		return err
	}
	return s.Call(ctx, token, method, path, body, answer)
}

// Call makes one call with a bearer token (none where it is empty). A body that
// is not nil is sent as JSON; an answer that is not nil is filled from JSON. Any
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
	if token != "" {
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

// healthy asks for the state of the server's parts.
func (s *Server) healthy(ctx context.Context, scheduler bool) error {
	type part struct {
		Status string `json:"status"`
	}
	parts := map[string]part{}
	if err := s.Call(ctx, "", http.MethodGet, "/api/v2/monitor/health", nil, &parts); err != nil {
		return err
	}
	wanted := []string{"metadatabase", "dag_processor"}
	if scheduler {
		wanted = append(wanted, "scheduler")
	}
	for _, name := range wanted {
		if status := parts[name].Status; status != "healthy" {
			return fmt.Errorf("the %s is %q", name, status)
		}
	}
	return nil
}

// Health returns nil when the server answers and its database and DAG processor
// are healthy.
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
			return s.Call(ctx, token, http.MethodGet, "/api/v2/dags/"+url.PathEscape(id), nil, nil) == nil
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
