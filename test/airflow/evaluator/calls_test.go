package evaluator_test

import (
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/privilege"
)

// right is what Airflow asks its authorization.
type right struct {
	action string
	entity privilege.Entity
}

// call is something that people do to a DAG. Calls about a run ask for one that does not exist: who may make them is
// answered 404, who may not 403. A run is started under an id that is taken: 409. A backfill is started without dates:
// 422.
type call struct {
	name, method, path string // {d} is the DAG, also in the body
	body               any
	rights             []right
	// pairs are needed besides, for what belongs to no DAG.
	pairs    []permission.Pair
	all      bool // over all DAGs
	destroys bool
	page     bool   // of the UI of Airflow 2
	shows    string // what a good answer holds only for those who are allowed; everybody gets one
}

// holder is a person with permissions, and what they come to.
type holder struct {
	effect privilege.Effect
	held   []permission.Pair
}

func holderOf(model v1alpha1.PermissionModel, ps []permission.Pair) holder {
	return holder{privilege.Effective(model, ps), ps}
}

func (c call) expect(h holder, dag string) bool {
	if c.all {
		dag = ""
	}
	for _, p := range c.pairs {
		if !slices.Contains(h.held, p) {
			return false
		}
	}
	for _, r := range c.rights {
		if !h.effect.Allows(r.action, r.entity, dag) {
			return false
		}
	}
	return true
}

// dags are those on which a call is compared: one that names none is made once.
func (c call) dags() []string {
	if c.all {
		return []string{dagX}
	}
	return []string{dagX, dagY}
}

const (
	taken = "evaluator_taken"
	nope  = "evaluator_nope"
)

const (
	read, create, edit, remove = "can_read", "can_create", "can_edit", "can_delete"

	dagPath  = "{api}/dags/{d}"
	runPath  = dagPath + "/dagRuns/" + nope
	taskPath = runPath + "/taskInstances/" + nope
	xcomPath = taskPath + "/xcomEntries"
	hitlPath = taskPath + "/-1/hitlDetails"
)

func rights(action string, entities ...privilege.Entity) []right {
	var out []right
	for _, entity := range entities {
		out = append(out, right{action, entity})
	}
	return out
}

func pairs(action string, resources ...string) []permission.Pair {
	var out []permission.Pair
	for _, resource := range resources {
		out = append(out, permission.Pair{Action: action, Resource: resource})
	}
	return out
}

// callsOf are the calls of a generation.
func callsOf(airflow2 bool) []call {
	api := "/api/v2"
	calls := slices.Concat(readingCalls(), writingCalls(airflow2))
	if airflow2 {
		api = "/api/v1"
		calls = append(calls, callsOfAirflow2()...)
	} else {
		calls = append(calls, callsOfAirflow3()...)
	}
	for i := range calls {
		calls[i].path = strings.Replace(calls[i].path, "{api}", api, 1)
	}
	return calls
}

func readingCalls() []call {
	return []call{
		{name: "get DAG", method: "GET", path: dagPath, rights: rights(read, privilege.EntityDag)},
		{name: "list DAGs", method: "GET", path: "{api}/dags?limit=1", rights: rights(read, privilege.EntityDag), all: true},
		{name: "list tasks", method: "GET", path: dagPath + "/tasks", rights: rights(read, privilege.EntityTask)},
		{name: "list runs", method: "GET", path: dagPath + "/dagRuns?limit=1", rights: rights(read, privilege.EntityRun)},
		{name: "list all runs", method: "GET", path: "{api}/dags/~/dagRuns?limit=1", rights: rights(read, privilege.EntityRun), all: true},
		{name: "list task instances", method: "GET", path: runPath + "/taskInstances", rights: rights(read, privilege.EntityTaskInstance)},
		{name: "read log", method: "GET", path: taskPath + "/logs/1", rights: rights(read, privilege.EntityTaskLogs)},
		{name: "list XComs", method: "GET", path: xcomPath, rights: rights(read, privilege.EntityXCom)},
		{name: "read XCom", method: "GET", path: xcomPath + "/" + nope, rights: rights(read, privilege.EntityXCom)},
		{name: "read event log", method: "GET", path: "{api}/eventLogs?limit=1&dag_id={d}", rights: rights(read, privilege.EntityAuditLog)},
		{name: "read all of the event log", method: "GET", path: "{api}/eventLogs?limit=1", rights: rights(read, privilege.EntityAuditLog), all: true},
		{name: "list warnings", method: "GET", path: "{api}/dagWarnings?limit=1&dag_id={d}", rights: rights(read, privilege.EntityWarning)},
		{name: "list all warnings", method: "GET", path: "{api}/dagWarnings?limit=1", rights: rights(read, privilege.EntityWarning), all: true},
	}
}

func writingCalls(airflow2 bool) []call {
	triggered := map[string]any{"dag_run_id": taken}
	clearing := map[string]any{"dry_run": true}
	marking := map[string]any{"new_state": "failed"}
	if airflow2 {
		marking["dry_run"] = true
	} else {
		triggered["logical_date"] = nil
		clearing["dag_run_id"] = nope
	}
	return []call{
		{name: "trigger", method: "POST", path: dagPath + "/dagRuns", body: triggered, rights: rights(create, privilege.EntityRun)},
		{name: "pause", method: "PATCH", path: dagPath, body: map[string]any{"is_paused": true}, rights: rights(edit, privilege.EntityDag)},
		{name: "clear run", method: "POST", path: runPath + "/clear", body: map[string]any{"dry_run": true}, rights: rights(edit, privilege.EntityRun)},
		{name: "mark run", method: "PATCH", path: runPath, body: map[string]any{"state": "failed"}, rights: rights(edit, privilege.EntityRun)},
		{name: "delete run", method: "DELETE", path: runPath, rights: rights(remove, privilege.EntityRun)},
		{name: "clear tasks", method: "POST", path: dagPath + "/clearTaskInstances", body: clearing, rights: rights(edit, privilege.EntityTaskInstance)},
		{name: "mark task", method: "PATCH", path: taskPath, body: marking, rights: rights(edit, privilege.EntityTaskInstance)},
		{name: "delete DAG", method: "DELETE", path: dagPath, rights: rights(remove, privilege.EntityDag), destroys: true},
	}
}

// callsOfAirflow3 are those that Airflow 2 does not have, or elsewhere.
func callsOfAirflow3() []call {
	xcom := map[string]any{"key": nope, "value": 1}
	return []call{
		{name: "read source", method: "GET", path: "{api}/dagSources/{d}", rights: rights(read, privilege.EntityCode)},
		{name: "list versions", method: "GET", path: dagPath + "/dagVersions", rights: rights(read, privilege.EntityVersion)},
		{name: "list questions", method: "GET", path: runPath + "/hitlDetails", rights: rights(read, privilege.EntityHITLDetail)},
		{name: "read question", method: "GET", path: hitlPath, rights: rights(read, privilege.EntityHITLDetail)},
		{name: "respond", method: "PATCH", path: hitlPath, body: map[string]any{"chosen_options": []string{"a"}}, rights: rights(edit, privilege.EntityHITLDetail)},
		{name: "create XCom", method: "POST", path: xcomPath, body: xcom, rights: rights(create, privilege.EntityXCom)},
		{name: "change XCom", method: "PATCH", path: xcomPath + "/" + nope, body: map[string]any{"value": 1}, rights: rights(edit, privilege.EntityXCom)},
		{name: "delete XCom", method: "DELETE", path: xcomPath + "/" + nope, rights: rights(remove, privilege.EntityXCom)},
		{name: "delete task", method: "DELETE", path: taskPath, rights: rights(remove, privilege.EntityTaskInstance)},
		{name: "start backfill", method: "POST", path: "{api}/backfills", body: map[string]any{"dag_id": "{d}"}, rights: rights(create, privilege.EntityRun)},
		{name: "list assets", method: "GET", path: "{api}/assets?limit=1", pairs: pairs(read, "Assets", "Asset Aliases"), all: true},
		{name: "list asset events", method: "GET", path: "{api}/assets/events?limit=1", pairs: pairs(read, "Assets"), all: true},
		{name: "list asset aliases", method: "GET", path: "{api}/assets/aliases?limit=1", pairs: pairs(read, "Asset Aliases"), all: true},
		{name: "list queued events", method: "GET", path: dagPath + "/assets/queuedEvents", pairs: pairs(read, "Assets"), rights: rights(read, privilege.EntityDag)},
		{
			name: "see the list in the UI", method: "GET", path: "/ui/dags?limit=1", all: true,
			rights: rights(read, privilege.EntityDag, privilege.EntityRun, privilege.EntityTaskInstance, privilege.EntityHITLDetail),
		},
		{
			name: "see the grid in the UI", method: "GET", path: "/ui/grid/structure/{d}",
			rights: rights(read, privilege.EntityDag, privilege.EntityRun, privilege.EntityTaskInstance),
		},
		{
			name: "see the graph in the UI", method: "GET", path: "/ui/structure/structure_data?dag_id={d}",
			rights: rights(read, privilege.EntityDag, privilege.EntityDependencies, privilege.EntityTaskInstance),
		},
		{name: "see dependencies in the UI", method: "GET", path: "/ui/dependencies", rights: rights(read, privilege.EntityDependencies), all: true},
		{name: "see DAGs in the menu", method: "GET", path: "/ui/auth/menus", pairs: pairs("menu_access", "DAGs"), all: true, shows: `"Dags"`},
	}
}

// callsOfAirflow2 are those that Airflow 3 does not have, or elsewhere.
func callsOfAirflow2() []call {
	return []call{
		{name: "read source", method: "GET", path: "{api}/dagSources/{file}", rights: rights(read, privilege.EntityCode)},
		{name: "list datasets", method: "GET", path: "{api}/datasets?limit=1", pairs: pairs(read, "Datasets"), all: true},
		{name: "list queued events", method: "GET", path: dagPath + "/datasets/queuedEvent", pairs: pairs(read, "Datasets"), rights: rights(read, privilege.EntityDag)},
		{name: "see the home page", path: "/home", pairs: pairs(read, "Website"), all: true, page: true},
		{
			name: "see DAGs in the menu", path: "/home", all: true, page: true, shows: `<a href="/home">DAGs</a>`,
			pairs: slices.Concat(pairs(read, "Website"), pairs("menu_access", "DAGs")),
		},
		{name: "see the page of runs", path: "/dagrun/list/", rights: rights(read, privilege.EntityRun), all: true, page: true},
		{name: "see the page of task instances", path: "/taskinstance/list/", rights: rights(read, privilege.EntityTaskInstance), all: true, page: true},
		{name: "see the page of dependencies", path: "/dag-dependencies", rights: rights(read, privilege.EntityDependencies), all: true, page: true},
	}
}
