package evaluator_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/airflow-oam/airflow-oam/hack/airflow/server"
)

// try makes a call as the person and says whether it was allowed.
func (w *world) try(c call, dag string) bool {
	w.Helper()
	path := w.filled(c.path, dag)
	if c.page {
		code, content := w.page(path)
		if code != http.StatusOK && code != http.StatusForbidden && code/100 != 3 {
			w.Errorf("%s says neither yes nor no: %d", c.name, code)
		}
		return code == http.StatusOK && strings.Contains(content, c.shows)
	}
	var answer any
	var into *json.RawMessage
	if c.method == http.MethodGet {
		into = &json.RawMessage{}
		answer = into
	}
	err := w.server.Call(w.Context(), w.token, c.method, path, w.bodyFor(c, dag), answer)
	refused := &server.StatusError{}
	switch {
	case err == nil:
		return into == nil || bytes.Contains(*into, []byte(c.shows))
	case !errors.As(err, &refused):
		w.Fatal(err)
	case refused.Code == http.StatusForbidden:
		return false
	case refused.Code == http.StatusUnauthorized, refused.Code >= 500, refused.Code < 400, strings.HasPrefix(strings.TrimSpace(refused.Body), "<"):
		w.Errorf("%s says neither yes nor no: %v", c.name, err)
	}
	return true
}

// filled puts the DAG into a path or a body.
func (w *world) filled(text, dag string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "{d}", dag), "{file}", w.files[dag])
}

// bodyFor is the body of a call for a DAG; nil where there is none.
func (w *world) bodyFor(c call, dag string) any {
	w.Helper()
	body := bodyOf(c.method, c.body)
	if body == nil {
		return nil
	}
	text, err := json.Marshal(body)
	if err != nil {
		w.Fatal(err)
	}
	return json.RawMessage(w.filled(string(text), dag))
}

// bodyOf is a body for a call that has none, where Airflow 2 would read the lack of one as bad JSON.
func bodyOf(method string, body any) any {
	if body == nil && method == http.MethodDelete {
		return map[string]any{}
	}
	return body
}

// page asks for a page of the UI of Airflow 2 and gives the status and the content; redirects are not followed.
func (w *world) page(path string) (code int, content string) {
	w.Helper()
	request, err := http.NewRequestWithContext(w.Context(), http.MethodGet, w.server.URL+path, http.NoBody)
	if err != nil {
		w.Fatal(err)
	}
	request.AddCookie(&http.Cookie{Name: "session", Value: w.token})
	client := http.Client{
		Timeout:       time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		w.Fatal(err)
	}
	return response.StatusCode, string(read)
}

// prepare pauses a DAG, so that nothing runs, and takes the id of a run.
func (w *world) prepare(dag string) {
	w.Helper()
	var stored struct {
		File string `json:"file_token"`
	}
	for name, answer := range map[string]any{"get DAG": &stored, "pause": nil} {
		c := w.named(name)
		w.as(c.method, strings.ReplaceAll(c.path, "{d}", dag), c.body, answer)
	}
	w.files[dag] = stored.File
	trigger := w.named("trigger")
	w.as(trigger.method, strings.ReplaceAll(trigger.path, "{d}", dag), trigger.body, nil)
}

// named finds a call.
func (w *world) named(name string) call {
	w.Helper()
	at := slices.IndexFunc(w.calls, func(c call) bool { return c.name == name })
	if at < 0 {
		w.Fatalf("there is no call to %s", name)
	}
	return w.calls[at]
}

// as makes a call as the administrator.
func (w *world) as(method, path string, body, answer any) {
	w.Helper()
	if err := w.server.Call(w.Context(), w.admin, method, path, bodyOf(method, body), answer); err != nil {
		w.Fatal(err)
	}
}
