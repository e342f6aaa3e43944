package airflowtest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

// Entity is a part of a DAG that Airflow authorizes by itself.
type Entity string

// The entities of a DAG; the empty one is the DAG.
const (
	EntityDag          Entity = ""
	EntityRun          Entity = "RUN"
	EntityTask         Entity = "TASK"
	EntityTaskInstance Entity = "TASK_INSTANCE"
	EntityTaskLogs     Entity = "TASK_LOGS"
	EntityXCom         Entity = "XCOM"
	EntityCode         Entity = "CODE"
	EntityVersion      Entity = "VERSION"
	EntityDependencies Entity = "DEPENDENCIES"
	EntityWarning      Entity = "WARNING"
	EntityAuditLog     Entity = "AUDIT_LOG"
	EntityHITL         Entity = "HITL_DETAIL"
)

// globalResources are the resources that an entity needs in Airflow's RBAC.
var globalResources = map[Entity][]string{
	EntityRun:          {"DAG Runs"},
	EntityTask:         {"Task Instances"},
	EntityTaskInstance: {"DAG Runs", "Task Instances"},
	EntityTaskLogs:     {"Task Logs"},
	EntityXCom:         {"XComs"},
	EntityCode:         {"DAG Code"},
	EntityVersion:      {"DAG Versions"},
	EntityDependencies: {"DAG Dependencies"},
	EntityWarning:      {"DAG Warnings"},
	EntityAuditLog:     {"Audit Logs"},
	EntityHITL:         {"HITL Detail"},
}

var actionOf = map[string]string{
	"GET": "can_read", "POST": "can_create", "PUT": "can_edit", "PATCH": "can_edit", "DELETE": "can_delete", "MENU": "menu_access",
}

// Check is one question to Airflow's authorization: may somebody do Method to
// Entity of Dag? An empty Dag asks about the list over all DAGs.
type Check struct {
	Method string
	Entity Entity
	Dag    string
}

// LevelChecks gives what a level of access opens on a DAG, each of which a
// holder of the level passes; nothing for an unknown level.
func LevelChecks(level, dag string) []Check {
	var out []Check
	for _, c := range levels[level] {
		c.Dag = dag
		out = append(out, c)
	}
	return out
}

// Levels gives the names of all levels, sorted.
func Levels() []string {
	var out []string
	for name := range levels {
		out = append(out, name)
	}
	return sorted(out)
}

var levels = map[string][]Check{
	"View": {
		{Method: "GET"},
		{Method: "GET", Entity: EntityRun},
		{Method: "GET", Entity: EntityTask},
		{Method: "GET", Entity: EntityTaskInstance},
		{Method: "GET", Entity: EntityHITL},
		{Method: "GET", Entity: EntityDependencies},
		{Method: "GET", Entity: EntityVersion},
		{Method: "GET", Entity: EntityWarning},
	},
	"ViewLogs":    {{Method: "GET", Entity: EntityTaskLogs}},
	"ViewCode":    {{Method: "GET", Entity: EntityCode}},
	"ViewXComs":   {{Method: "GET", Entity: EntityXCom}},
	"ViewAudit":   {{Method: "GET", Entity: EntityAuditLog}},
	"Pause":       {{Method: "PUT"}},
	"Trigger":     {{Method: "POST", Entity: EntityRun}},
	"EditRuns":    {{Method: "PUT", Entity: EntityRun}},
	"DeleteRuns":  {{Method: "DELETE", Entity: EntityRun}},
	"EditTasks":   {{Method: "PUT", Entity: EntityTaskInstance}},
	"EditXComs":   {{Method: "POST", Entity: EntityXCom}, {Method: "PUT", Entity: EntityXCom}, {Method: "DELETE", Entity: EntityXCom}},
	"RespondHITL": {{Method: "PUT", Entity: EntityHITL}},
	"DeleteDag":   {{Method: "DELETE"}},
}

// held is the permissions of several roles together, each sorted.
type held [][]airflow.Permission

func (h held) has(action, resource string) bool {
	p := airflow.Permission{Action: action, Resource: resource}
	return slices.ContainsFunc(h, func(permissions []airflow.Permission) bool {
		_, ok := slices.BinarySearchFunc(permissions, p, airflow.Permission.Compare)
		return ok
	})
}

// readsSomeDag says whether there is can_read on any DAG:<id>.
func (h held) readsSomeDag() bool {
	const prefix = "DAG:"
	return slices.ContainsFunc(h, func(permissions []airflow.Permission) bool {
		at, _ := slices.BinarySearchFunc(permissions, airflow.Permission{Resource: prefix}, airflow.Permission.Compare)
		for _, p := range permissions[at:] {
			if !strings.HasPrefix(p.Resource, prefix) {
				return false
			}
			if p.Action == "can_read" {
				return true
			}
		}
		return false
	})
}

// dag is Airflow's check of the DAG alone.
func (h held) dag(method, dag string) bool {
	action := actionOf[method]
	return h.has(action, "DAGs") || dag != "" && h.has(action, "DAG:"+dag)
}

// allows is the algorithm of FAB providers from 2.4.2 on.
func (h held) allows(c Check) bool {
	if c.Entity != EntityDag {
		ok := true
		for _, resource := range globalResources[c.Entity] {
			ok = ok && h.has(actionOf[c.Method], resource)
		}
		if c.Entity == EntityRun && c.Dag != "" {
			ok = ok || h.has(actionOf[c.Method], "DAG Run:"+c.Dag)
		}
		if !ok {
			return false
		}
	}
	switch {
	case c.Method == http.MethodGet && c.Dag == "":
		return h.has("can_read", "DAGs") || h.readsSomeDag()
	case c.Entity == EntityDag:
		return h.dag(c.Method, c.Dag)
	case c.Dag == "":
		return true
	case c.Method == http.MethodGet:
		return h.dag("GET", c.Dag)
	}
	return h.dag("PUT", c.Dag)
}

func (u *user) held() held {
	out := make(held, 0, len(u.roles))
	for _, r := range u.roles {
		out = append(out, r.permissions)
	}
	return out
}

// Allowed says whether Airflow's own algorithm, on what is stored now, lets the
// user do what the check asks. What a worker has cached does not count.
func (s *Sim) Allowed(username, method string, entity Entity, dag string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	u := s.store.userByName[strings.ToLower(username)]
	return u != nil && u.active && u.held().allows(Check{Method: method, Entity: entity, Dag: dag})
}

// AllowedLevel says whether the user passes every check of the level.
func (s *Sim) AllowedLevel(username, level, dag string) bool {
	checks := LevelChecks(level, dag)
	for _, c := range checks {
		if !s.Allowed(username, c.Method, c.Entity, c.Dag) {
			return false
		}
	}
	return len(checks) > 0
}

// Allows says whether Airflow's algorithm lets somebody who has exactly these
// permissions do what the check asks.
func Allows(permissions []airflow.Permission, c Check) bool {
	return held{airflow.SortPermissions(permissions)}.allows(c)
}
