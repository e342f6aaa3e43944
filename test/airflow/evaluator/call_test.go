package evaluator_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/airflow-oam/airflow-oam/hack/airflow/server"
	"github.com/airflow-oam/airflow-oam/internal/access"
)

// right is what Airflow asks its authorization.
type right struct {
	action string
	entity access.Entity
}

// call is something that people do to a DAG. Calls about a run ask for one that does not exist: who may make them is
// answered 404, who may not 403. A run is started under an id that is taken: 409.
type call struct {
	name, method, path string // {d} is the DAG
	body               any
	rights             []right
	all                bool // over all DAGs
	destroys           bool
}

func (c call) expect(e access.Effect, dag string) bool {
	if c.all {
		dag = ""
	}
	for _, r := range c.rights {
		if !e.Allows(r.action, r.entity, dag) {
			return false
		}
	}
	return true
}

const (
	taken = "evaluator_taken"
	nope  = "evaluator_nope"
)

func rights(action string, entities ...access.Entity) []right {
	var out []right
	for _, entity := range entities {
		out = append(out, right{action, entity})
	}
	return out
}

// callsOf are the calls of a generation.
func callsOf(airflow2 bool) []call {
	const (
		read, create, edit, remove = "can_read", "can_create", "can_edit", "can_delete"

		dag  = "{api}/dags/{d}"
		run  = dag + "/dagRuns/" + nope
		task = run + "/taskInstances/" + nope
	)
	triggered := map[string]any{"dag_run_id": taken}
	clearing := map[string]any{"dry_run": true}
	marking := map[string]any{"new_state": "failed"}
	source := "{api}/dagSources/{file}"
	api := "/api/v1"
	if airflow2 {
		marking["dry_run"] = true
	} else {
		triggered["logical_date"] = nil
		clearing["dag_run_id"] = nope
		source, api = "{api}/dagSources/{d}", "/api/v2"
	}
	calls := []call{
		{name: "get DAG", method: "GET", path: dag, rights: rights(read, access.EntityDag)},
		{name: "list DAGs", method: "GET", path: "{api}/dags?limit=1", rights: rights(read, access.EntityDag), all: true},
		{name: "list tasks", method: "GET", path: dag + "/tasks", rights: rights(read, access.EntityTask)},
		{name: "list runs", method: "GET", path: dag + "/dagRuns?limit=1", rights: rights(read, access.EntityRun)},
		{name: "list all runs", method: "GET", path: "{api}/dags/~/dagRuns?limit=1", rights: rights(read, access.EntityRun), all: true},
		{name: "list task instances", method: "GET", path: run + "/taskInstances", rights: rights(read, access.EntityTaskInstance)},
		{name: "read log", method: "GET", path: task + "/logs/1", rights: rights(read, access.EntityTaskLogs)},
		{name: "list XComs", method: "GET", path: task + "/xcomEntries", rights: rights(read, access.EntityXCom)},
		{name: "read source", method: "GET", path: source, rights: rights(read, access.EntityCode)},
		{name: "read event log", method: "GET", path: "{api}/eventLogs?limit=1&dag_id={d}", rights: rights(read, access.EntityAuditLog)},
		{name: "read all of the event log", method: "GET", path: "{api}/eventLogs?limit=1", rights: rights(read, access.EntityAuditLog), all: true},
		{name: "list warnings", method: "GET", path: "{api}/dagWarnings?limit=1", rights: rights(read, access.EntityWarning), all: true},
		{name: "trigger", method: "POST", path: dag + "/dagRuns", body: triggered, rights: rights(create, access.EntityRun)},
		{name: "pause", method: "PATCH", path: dag, body: map[string]any{"is_paused": true}, rights: rights(edit, access.EntityDag)},
		{name: "clear run", method: "POST", path: run + "/clear", body: map[string]any{"dry_run": true}, rights: rights(edit, access.EntityRun)},
		{name: "mark run", method: "PATCH", path: run, body: map[string]any{"state": "failed"}, rights: rights(edit, access.EntityRun)},
		{name: "delete run", method: "DELETE", path: run, rights: rights(remove, access.EntityRun)},
		{name: "clear tasks", method: "POST", path: dag + "/clearTaskInstances", body: clearing, rights: rights(edit, access.EntityTaskInstance)},
		{name: "mark task", method: "PATCH", path: task, body: marking, rights: rights(edit, access.EntityTaskInstance)},
		{name: "delete DAG", method: "DELETE", path: dag, rights: rights(remove, access.EntityDag), destroys: true},
	}
	if !airflow2 {
		calls = append(calls,
			call{name: "list versions", method: "GET", path: dag + "/dagVersions", rights: rights(read, access.EntityVersion)},
			call{name: "see the list in the UI", method: "GET", path: "/ui/dags?limit=1", all: true,
				rights: rights(read, access.EntityDag, access.EntityRun, access.EntityTaskInstance, access.EntityHITLDetail)},
			call{name: "see the grid in the UI", method: "GET", path: "/ui/grid/structure/{d}", rights: rights(read, access.EntityDag, access.EntityRun, access.EntityTaskInstance)},
			call{name: "create XCom", method: "POST", path: task + "/xcomEntries", body: map[string]any{"key": "k", "value": 1}, rights: rights(create, access.EntityXCom)},
			call{name: "respond", method: "PATCH", path: task + "/-1/hitlDetails", body: map[string]any{"chosen_options": []string{"a"}}, rights: rights(edit, access.EntityHITLDetail)},
		)
	}
	for i := range calls {
		calls[i].path = strings.Replace(calls[i].path, "{api}", api, 1)
	}
	return calls
}

// try makes a call as the person and says whether it was allowed.
func (w *world) try(c call, dag string) bool {
	w.Helper()
	path := strings.ReplaceAll(strings.ReplaceAll(c.path, "{d}", dag), "{file}", w.files[dag])
	var answer any
	var into *json.RawMessage
	if c.method == http.MethodGet {
		into = &json.RawMessage{}
		answer = into
	}
	err := w.server.Call(w.Context(), w.token, c.method, path, bodyOf(c.method, c.body), answer)
	refused := &server.StatusError{}
	switch {
	case err == nil:
		return true
	case !errors.As(err, &refused):
		w.Fatal(err)
	case refused.Code == http.StatusForbidden:
		return false
	case refused.Code == http.StatusUnauthorized, refused.Code >= 500, refused.Code < 400, strings.HasPrefix(strings.TrimSpace(refused.Body), "<"):
		w.Errorf("%s says neither yes nor no: %v", c.name, err)
	}
	return true
}

// bodyOf is a body for a call that has none, where Airflow 2 would read the lack of one as bad JSON.
func bodyOf(method string, body any) any {
	if body == nil && method == http.MethodDelete {
		return map[string]any{}
	}
	return body
}

// page asks for a page of the UI of Airflow 2 and gives the status; redirects are not followed.
func (w *world) page(path string) int {
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
	return response.StatusCode
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
