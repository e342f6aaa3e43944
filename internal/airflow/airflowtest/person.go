package airflowtest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"
)

// Do sends one request as a person who is logged in, past the network, and
// gives the status; 0 is a broken connection. The path has no prefix. What a
// worker has cached of the person counts, and the request is recorded.
func (s *Sim) Do(username, method, path, body string) (status int) {
	header, value := s.ticket(username)
	r := httptest.NewRequestWithContext(context.Background(), method, s.options.Prefix+path, strings.NewReader(body))
	r.Header.Set(header, value)
	w := httptest.NewRecorder()
	defer func() {
		if problem := recover(); problem == http.ErrAbortHandler { //nolint:errorlint // a panic's value
			status = 0
		} else if problem != nil {
			panic(problem)
		}
	}()
	s.ServeHTTP(w, r)
	return w.Code
}

// ticket gives the header by which a person is known: a token, or a session of
// an Airflow 2.
func (s *Sim) ticket(username string) (header, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.mustUser(username)
	if s.generation.two() {
		return "Cookie", sessionCookie + "=" + s.newSession(u)
	}
	return "Authorization", "Bearer " + s.newToken(strconv.Itoa(u.id), time.Hour)
}

// dags is where the API has its DAGs.
func (s *Sim) dags() string {
	if s.generation.two() {
		return "/api/v1/dags/"
	}
	return "/api/v2/dags/"
}

// Trigger triggers a DAG as a person and gives the status.
func (s *Sim) Trigger(username, dag string) int {
	body := `{"logical_date":null}`
	if s.generation.two() {
		body = `{}`
	}
	return s.Do(username, http.MethodPost, s.dags()+dag+"/dagRuns", body)
}

// Pause pauses a DAG as a person and gives the status.
func (s *Sim) Pause(username, dag string) int {
	return s.Do(username, http.MethodPatch, s.dags()+dag, `{"is_paused":true}`)
}

// See reads a DAG as a person and gives the status.
func (s *Sim) See(username, dag string) int {
	return s.Do(username, http.MethodGet, s.dags()+dag, "")
}
