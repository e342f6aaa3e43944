package airflowtest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"
)

// Do sends one request as a person whose token is valid, past the network, and
// gives the status; 0 is a broken connection. The path has no prefix. What a
// worker has cached of the person counts, and the request is recorded.
func (s *Sim) Do(username, method, path, body string) (status int) {
	s.mu.Lock()
	token := s.newToken(strconv.Itoa(s.mustUser(username).id), time.Hour)
	s.mu.Unlock()
	r := httptest.NewRequestWithContext(context.Background(), method, s.options.Prefix+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
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

// Trigger triggers a DAG as a person and gives the status.
func (s *Sim) Trigger(username, dag string) int {
	return s.Do(username, http.MethodPost, "/api/v2/dags/"+dag+"/dagRuns", `{"logical_date":null}`)
}

// Pause pauses a DAG as a person and gives the status.
func (s *Sim) Pause(username, dag string) int {
	return s.Do(username, http.MethodPatch, "/api/v2/dags/"+dag, `{"is_paused":true}`)
}

// See reads a DAG as a person and gives the status.
func (s *Sim) See(username, dag string) int {
	return s.Do(username, http.MethodGet, "/api/v2/dags/"+dag, "")
}
