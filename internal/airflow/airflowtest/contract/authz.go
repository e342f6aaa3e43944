package contract

import (
	"math/rand"
	"net/http"
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

// verb is something that people do to a DAG: a call, and what Airflow asks its
// authorization about it. A call about a run asks for one that does not exist:
// who may make it is answered 404, who may not 403.
type verb struct {
	method, path string // {d} is the DAG
	body         any
	checks       []airflowtest.Check // without the DAG
	all          bool                // over all DAGs
}

func check(method string, entities ...airflowtest.Entity) []airflowtest.Check {
	var out []airflowtest.Check
	for _, e := range entities {
		out = append(out, airflowtest.Check{Method: method, Entity: e})
	}
	return out
}

const (
	dagPath  = "/api/v2/dags/{d}"
	runPath  = dagPath + "/dagRuns/contract_nope"
	taskPath = runPath + "/taskInstances/contract_nope"
)

var (
	logicalDate = map[string]any{"logical_date": nil}
	paused      = map[string]any{"is_paused": false}
	failed      = map[string]any{"state": "failed"}
	dryRun      = map[string]any{"dry_run": true}
	verbs       = map[string]verb{
		"get DAG":             {"GET", dagPath, nil, check("GET", airflowtest.EntityDag), false},
		"list DAGs":           {"GET", "/api/v2/dags", nil, check("GET", airflowtest.EntityDag), true},
		"list tasks":          {"GET", dagPath + "/tasks", nil, check("GET", airflowtest.EntityTask), false},
		"list runs":           {"GET", dagPath + "/dagRuns", nil, check("GET", airflowtest.EntityRun), false},
		"list all runs":       {"GET", "/api/v2/dags/~/dagRuns", nil, check("GET", airflowtest.EntityRun), true},
		"get run":             {"GET", runPath, nil, check("GET", airflowtest.EntityRun), false},
		"list task instances": {"GET", runPath + "/taskInstances", nil, check("GET", airflowtest.EntityTaskInstance), false},
		"read log":            {"GET", taskPath + "/logs/1", nil, check("GET", airflowtest.EntityTaskLogs), false},
		"list XComs":          {"GET", taskPath + "/xcomEntries", nil, check("GET", airflowtest.EntityXCom), false},
		"read source":         {"GET", "/api/v2/dagSources/{d}", nil, check("GET", airflowtest.EntityCode), false},
		"list versions":       {"GET", dagPath + "/dagVersions", nil, check("GET", airflowtest.EntityVersion), false},
		"list warnings":       {"GET", "/api/v2/dagWarnings", nil, check("GET", airflowtest.EntityWarning), true},
		"read event log":      {"GET", "/api/v2/eventLogs?dag_id={d}", nil, check("GET", airflowtest.EntityAuditLog), false},
		"see the list in the UI": {
			"GET", "/ui/dags", nil, check("GET", airflowtest.EntityDag, airflowtest.EntityRun, airflowtest.EntityTaskInstance, airflowtest.EntityHITL), true,
		},
		"see the grid in the UI": {
			"GET", "/ui/grid/structure/{d}", nil, check("GET", airflowtest.EntityDag, airflowtest.EntityRun, airflowtest.EntityTaskInstance), false,
		},
		"see the graph in the UI": {
			"GET", "/ui/structure/structure_data?dag_id={d}", nil,
			check("GET", airflowtest.EntityDag, airflowtest.EntityRun, airflowtest.EntityTaskInstance, airflowtest.EntityDependencies), false,
		},
		"trigger":     {"POST", dagPath + "/dagRuns", logicalDate, check("POST", airflowtest.EntityRun), false},
		"pause":       {"PATCH", dagPath, paused, check("PUT", airflowtest.EntityDag), false},
		"clear run":   {"POST", runPath + "/clear", dryRun, check("PUT", airflowtest.EntityRun), false},
		"mark run":    {"PATCH", runPath, failed, check("PUT", airflowtest.EntityRun), false},
		"delete run":  {"DELETE", runPath, nil, check("DELETE", airflowtest.EntityRun), false},
		"clear tasks": {"POST", dagPath + "/clearTaskInstances", map[string]any{"dry_run": true, "dag_run_id": "contract_nope"}, check("PUT", airflowtest.EntityTaskInstance), false},
		"mark task":   {"PATCH", taskPath, map[string]any{"new_state": "failed"}, check("PUT", airflowtest.EntityTaskInstance), false},
		"create XCom": {"POST", taskPath + "/xcomEntries", map[string]any{"key": "k", "value": 1}, check("POST", airflowtest.EntityXCom), false},
		"respond": {
			"PATCH", taskPath + "/-1/hitlDetails", map[string]any{"chosen_options": []string{"a"}}, check("PUT", airflowtest.EntityHITL), false,
		},
	}
)

// do makes the call as a user and says whether it was allowed.
func (v verb) do(s *session, token, dag string) bool {
	s.Helper()
	a := s.send(v.method, strings.ReplaceAll(v.path, "{d}", dag), token, v.body)
	switch {
	case s.refused(a):
		return false
	case a.status == http.StatusForbidden, a.status == http.StatusUnauthorized, a.status >= 500, a.kind == "text/html":
		s.Fatalf("%s %s: %d %s", v.method, v.path, a.status, a.body)
	}
	return true
}

// expect evaluates the verb by the simulator's algorithm for a permission model.
func (v verb) expect(model string, permissions []airflow.Permission, dag string) bool {
	for _, c := range v.checks {
		if !v.all {
			c.Dag = dag
		}
		if !airflowtest.AllowsBy(model, permissions, c) {
			return false
		}
	}
	return true
}

// row is a set of permissions that is just enough for a verb. D and R stand for
// DAG:<id> and DAG Run:<id> of the first DAG.
type row struct {
	verb, set string
}

// rows is what levels of access are made of: each set is enough on its DAG,
// nothing can be left out, and it opens nothing on another DAG.
var rows = []row{
	{"get DAG", "can_read D"},
	{"list DAGs", "can_read D"},
	{"list tasks", "can_read D, can_read Task Instances"},
	{"list runs", "can_read D, can_read R"},
	{"list runs", "can_read D, can_read DAG Runs"},
	{"list all runs", "can_read D, can_read DAG Runs"},
	{"list task instances", "can_read D, can_read DAG Runs, can_read Task Instances"},
	{"read log", "can_read D, can_read Task Logs"},
	{"list XComs", "can_read D, can_read XComs"},
	{"read source", "can_read D, can_read DAG Code"},
	{"list versions", "can_read D, can_read DAG Versions"},
	{"list warnings", "can_read D, can_read DAG Warnings"},
	{"read event log", "can_read D, can_read Audit Logs"},
	{"see the list in the UI", "can_read D, can_read DAG Runs, can_read Task Instances, can_read HITL Detail"},
	{"see the grid in the UI", "can_read D, can_read DAG Runs, can_read Task Instances"},
	{"see the graph in the UI", "can_read D, can_read DAG Runs, can_read Task Instances, can_read DAG Dependencies"},
	{"trigger", "can_edit D, can_create R"},
	{"trigger", "can_edit D, can_create DAG Runs"},
	{"pause", "can_edit D"},
	{"clear run", "can_edit D, can_edit R"},
	{"mark run", "can_edit D, can_edit DAG Runs"},
	{"delete run", "can_edit D, can_delete R"},
	{"clear tasks", "can_edit D, can_edit DAG Runs, can_edit Task Instances"},
	{"mark task", "can_edit D, can_edit DAG Runs, can_edit Task Instances"},
	{"create XCom", "can_edit D, can_create XComs"},
	{"respond", "can_edit D, can_edit HITL Detail"},
}

// notEnough are sets that one might take for enough.
var notEnough = []row{
	{"list all runs", "can_read D, can_read R"},
	{"list task instances", "can_read D, can_read R, can_read Task Instances"},
	{"clear tasks", "can_edit D, can_edit R, can_edit Task Instances"},
	{"trigger", "can_read D, can_create R"},
	{"pause", "can_read D, can_create R"},
	{"get DAG", "can_edit D"},
	{"read log", "can_read Task Logs"},
}

const (
	personRole = "contract person"
	person     = "contract_person"
)

// book gives what people do on this generation, and what they need for it.
func (t Target) book() (map[string]verb, []row, []row) {
	if t.two() {
		return oldVerbs, oldRows, oldNotEnough
	}
	return verbs, rows, notEnough
}

func authorization(s *session) {
	s.addRole(personRole)
	s.addUser(person, personRole)
	token := s.token(person, userPassword)
	verbs, rows, notEnough := s.book()
	for _, r := range rows {
		s.sub(r.verb+" needs "+r.set, func(s *session) {
			v, set := verbs[r.verb], s.set(r.set)
			s.give(set)
			if !v.do(s, token, s.DagX) {
				s.Errorf("the set is not enough")
			}
			if !v.all && v.do(s, token, s.DagY) {
				s.Errorf("the set opens another DAG")
			}
			for i := range set {
				s.give(append(append([]airflow.Permission{}, set[:i]...), set[i+1:]...))
				if v.do(s, token, s.DagX) {
					s.Errorf("%v is not needed", set[i])
				}
			}
		})
	}
	for _, r := range notEnough {
		s.sub(r.set+" is not enough to "+r.verb, func(s *session) {
			s.give(s.set(r.set))
			if verbs[r.verb].do(s, token, s.DagX) {
				s.Error("it is")
			}
		})
	}
	s.sub("a DAG that does not exist is refused to people, and not found to the administrator", func(s *session) {
		s.give(s.set("can_read D, can_edit D"))
		for _, method := range []string{"GET", "PATCH"} {
			v := verb{method: method, path: s.api() + "/dags/contract_nope"}
			if method == "PATCH" {
				v.body = paused
			}
			if v.do(s, token, "") {
				s.Errorf("%s is allowed", method)
			}
			if a := s.admin(method, v.path, v.body); a.status != http.StatusNotFound {
				s.Errorf("%s as administrator: %d", method, a.status)
			}
		}
	})
	s.sub("deleting a DAG needs that right, of reading and editing none is enough", func(s *session) {
		remove := verb{method: http.MethodDelete, path: s.api() + "/dags/{d}"}
		s.give(s.set("can_read D, can_edit D, can_delete R"))
		if remove.do(s, token, s.DagX) {
			s.Error("reading and editing are enough")
		}
		// On a DAG that does not exist, since the others are still needed.
		if remove.do(s, token, "contract_nope") {
			s.Error("a DAG that does not exist can be deleted without the right")
		}
		s.give(s.set("can_delete DAGs"))
		if !remove.do(s, token, "contract_nope") {
			s.Error("the right to delete all is not enough")
		}
	})
	s.sub("what is taken away is refused at once", func(s *session) {
		s.give(s.set("can_edit D, can_create R"))
		if !verbs["trigger"].do(s, token, s.DagX) {
			s.Fatal("not allowed at first")
		}
		if _, err := s.client.SetUserRoles(s.ctx, s.user(person), nil); err != nil {
			s.Fatal(err)
		}
		if verbs["trigger"].do(s, token, s.DagX) {
			s.Error("still allowed without the role")
		}
	})
}

// evaluator compares the simulator's algorithm with what the server does, verb
// by verb, for sets of permissions drawn at random.
func evaluator(s *session) {
	const role, username, draws = "contract drawn", "contract_drawn", 25
	s.addRole(role)
	s.addUser(username, role)
	token := s.token(username, userPassword)
	actions := []string{"can_read", "can_create", "can_edit", "can_delete"}
	resources := []string{
		"DAG:" + s.DagX, "DAG:" + s.DagX, "DAG:" + s.DagX, "DAG Run:" + s.DagX, "DAG:" + s.DagY, "DAG Run:" + s.DagY, "DAGs", "DAG Runs",
		"DAG Runs", "Task Instances", "Task Instances", "Task Logs", "XComs", "HITL Detail", "DAG Code", "DAG Versions", "DAG Dependencies", "Audit Logs",
	}
	verbs, _, _ := s.book()
	if s.two() {
		resources = slices.DeleteFunc(resources, func(r string) bool { return r == "HITL Detail" || r == "DAG Versions" })
	}
	draw := rand.New(rand.NewSource(20261123)) // the same draws on every server
	for range draws {
		var set []airflow.Permission
		for range 2 + draw.Intn(10) {
			set = append(set, pair(actions[draw.Intn(len(actions))], resources[draw.Intn(len(resources))]))
		}
		s.remake(role, set, username)
		for name, v := range verbs {
			for _, dag := range []string{s.DagX, s.DagY} {
				if got, want := v.do(s, token, dag), v.expect(s.does().PermissionModel, set, dag); got != want {
					s.Errorf("%s on %s with %v: allowed %v, want %v", name, dag, set, got, want)
				}
			}
		}
	}
}
