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
type held struct {
	roles [][]airflow.Permission
	model string // of airflow.Capabilities
}

func (h held) has(action, resource string) bool {
	p := airflow.Permission{Action: action, Resource: resource}
	return slices.ContainsFunc(h.roles, func(permissions []airflow.Permission) bool {
		_, ok := slices.BinarySearchFunc(permissions, p, airflow.Permission.Compare)
		return ok
	})
}

// someDag says whether there is the action on any DAG:<id>.
func (h held) someDag(action string) bool {
	const prefix = "DAG:"
	return slices.ContainsFunc(h.roles, func(permissions []airflow.Permission) bool {
		at, _ := slices.BinarySearchFunc(permissions, airflow.Permission{Resource: prefix}, airflow.Permission.Compare)
		for _, p := range permissions[at:] {
			if !strings.HasPrefix(p.Resource, prefix) {
				return false
			}
			if p.Action == action {
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

// allowsByAirflow2 is the algorithm of FAB providers from 1.3 on, up to 2.4.1.
func (h held) allowsByAirflow2(c Check) bool {
	action := actionOf[c.Method]
	if c.Entity == EntityDag {
		noDag := c.Dag == "" && (c.Method == http.MethodGet || c.Method == http.MethodPut)
		return h.dag(c.Method, c.Dag) || noDag && h.someDag(action)
	}
	for _, resource := range globalResources[c.Entity] {
		onRun := resource == "DAG Runs" && c.Dag != "" && h.has(action, "DAG Run:"+c.Dag)
		if !onRun && !h.has(action, resource) {
			return false
		}
	}
	gate := http.MethodPut
	if c.Method == http.MethodGet {
		gate = http.MethodGet
	}
	return c.Dag == "" || h.dag(gate, c.Dag)
}

// allows is the algorithm of FAB providers from 2.4.2 on, or the older one.
func (h held) allows(c Check) bool {
	if h.model == airflow.PermissionModelAirflow2 {
		return h.allowsByAirflow2(c)
	}
	if c.Entity != EntityDag && !h.opensEntity(c) {
		return false
	}
	switch {
	case c.Method == http.MethodGet && c.Dag == "":
		return h.has("can_read", "DAGs") || h.someDag("can_read")
	case c.Entity == EntityDag:
		return h.dag(c.Method, c.Dag)
	case c.Dag == "":
		return true
	case c.Method == http.MethodGet:
		return h.dag("GET", c.Dag)
	}
	return h.dag("PUT", c.Dag)
}

// opensEntity is Airflow's check of the resources that an entity needs: all of
// them, or of the runs of one DAG its own resource.
func (h held) opensEntity(c Check) bool {
	action := actionOf[c.Method]
	if c.Entity == EntityRun && c.Dag != "" && h.has(action, "DAG Run:"+c.Dag) {
		return true
	}
	return !slices.ContainsFunc(globalResources[c.Entity], func(resource string) bool { return !h.has(action, resource) })
}

func (s *Sim) held(u *user) held {
	out := held{model: s.generation.Does.PermissionModel}
	for _, r := range u.roles {
		out.roles = append(out.roles, r.permissions)
	}
	return out
}

// Allowed says whether Airflow's own algorithm, on what is stored now, lets the
// user do what the check asks. What a worker has cached does not count.
func (s *Sim) Allowed(username, method string, entity Entity, dag string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	u := s.store.userByName[strings.ToLower(username)]
	return u != nil && u.active && s.held(u).allows(Check{Method: method, Entity: entity, Dag: dag})
}

// LevelChecks gives those of [LevelChecks] that this generation of Airflow
// makes.
func (s *Sim) LevelChecks(level, dag string) []Check {
	return slices.DeleteFunc(LevelChecks(level, dag), func(c Check) bool { return !s.generation.checks(c) })
}

// AllowedLevel says whether the user passes every check of the level that this
// generation of Airflow makes; false for a level that it does not have.
func (s *Sim) AllowedLevel(username, level, dag string) bool {
	checks := s.LevelChecks(level, dag)
	for _, c := range checks {
		if !s.Allowed(username, c.Method, c.Entity, c.Dag) {
			return false
		}
	}
	return len(checks) > 0
}

// Allows says whether the algorithm of Airflow 3 lets somebody who has exactly
// these permissions do what the check asks.
func Allows(permissions []airflow.Permission, c Check) bool {
	return AllowsBy(airflow.PermissionModelAirflow3, permissions, c)
}

// AllowsBy is [Allows] by the rules of a permission model of [airflow.Capabilities].
func AllowsBy(model string, permissions []airflow.Permission, c Check) bool {
	return held{roles: [][]airflow.Permission{airflow.SortPermissions(permissions)}, model: model}.allows(c)
}
