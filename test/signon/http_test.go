package signon_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/airflow-oam/airflow-oam/hack/airflow/server"
	"github.com/airflow-oam/airflow-oam/test/signon/provider"
)

// answer is what Airflow said to a request for a token.
type answer struct {
	status int
	// detail is the field of that name where it is a text.
	detail string
	// token is Airflow's own, empty where there is none.
	token string
	body  string
}

func (a answer) String() string {
	if a.token != "" {
		return http.StatusText(a.status) + " with a token"
	}
	return http.StatusText(a.status) + " " + a.body
}

// ask makes a POST request with a JSON body and an Authorization header, which may be empty.
func ask(t *testing.T, url, authorization, body string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	response, err := (&http.Client{Timeout: 30 * time.Second}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var fields struct {
		Token  string `json:"access_token"`
		Detail any    `json:"detail"`
	}
	_ = json.Unmarshal(content, &fields) // an answer that is no JSON has neither
	detail, _ := fields.Detail.(string)
	return answer{status: response.StatusCode, detail: detail, token: fields.Token, body: string(content)}
}

// password asks for a token by user name and password.
func password(t *testing.T, s *server.Server, path, username, password string) answer {
	t.Helper()
	body, err := json.Marshal(map[string]string{"username": username, "password": password})
	if err != nil {
		t.Fatal(err)
	}
	return ask(t, s.URL+path, "", string(body))
}

// exchange asks for Airflow's token in exchange for another one.
func exchange(t *testing.T, s *server.Server, token string) answer {
	t.Helper()
	return ask(t, s.URL+"/auth/token/cli", "Bearer "+token, "{}")
}

func wantRefused(t *testing.T, got answer, status int, detail string) {
	t.Helper()
	if got.token != "" || got.status != status || got.detail != detail {
		t.Errorf("got %v, want %d %q and no token", got, status, detail)
	}
}

// wantToken fails the test where there is no token.
func wantToken(t *testing.T, got answer) string {
	t.Helper()
	if got.status != http.StatusCreated || got.token == "" {
		t.Fatalf("got %v, want 201 with a token", got)
	}
	return got.token
}

// status makes a call with a token and returns the status of the answer.
func status(t *testing.T, s *server.Server, token, path string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := (&http.Client{Timeout: 30 * time.Second}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// signIn goes through a sign-in as a browser does, from the page of the provider of
// that name to the end, and returns the path at which it ends.
func signIn(ctx context.Context, t *testing.T, s *server.Server, p *provider.Provider, name, subject string) string {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return signInWith(ctx, t, jar, s, p, name, subject)
}

// signInWith is signIn with cookies that stay.
func signInWith(ctx context.Context, t *testing.T, jar http.CookieJar, s *server.Server, p *provider.Provider, name, subject string) string {
	t.Helper()
	p.SignInAs(subject)
	trusted, err := os.ReadFile(p.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(trusted)
	browser := &http.Client{
		Jar: jar, Timeout: 30 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/auth/login/"+name, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := browser.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, _ := io.ReadAll(io.LimitReader(response.Body, 2000))
	if response.StatusCode != http.StatusOK {
		t.Errorf("the sign-in ends at %s with %d: %s", response.Request.URL, response.StatusCode, content)
	}
	return response.Request.URL.Path
}

// user is an account as Airflow lists it.
type user struct {
	Username   string `json:"username"`
	Email      string `json:"email"`
	FirstName  string `json:"first_name"`
	LoginCount int    `json:"login_count"`
	LastLogin  string `json:"last_login"`
}

// users lists Airflow's accounts by their names.
func users(t *testing.T, s *server.Server, token string) map[string]user {
	t.Helper()
	var list struct {
		Users []user `json:"users"`
	}
	if err := s.Call(t.Context(), token, http.MethodGet, "/auth/fab/v1/users?limit=100", nil, &list); err != nil {
		t.Fatal(err)
	}
	named := map[string]user{}
	for _, u := range list.Users {
		named[u.Username] = u
	}
	return named
}
