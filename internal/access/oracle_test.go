package access_test

import (
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/internal/access"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
)

// allowedBy picks the oracle of a permission model.
func allowedBy(model v1alpha1.PermissionModel, flat map[permission.Pair]bool, method, entity, dag string) bool {
	if model == v1alpha1.PermissionModelAirflow2 {
		return allowed2(flat, method, entity, dag)
	}
	return allowed(flat, method, entity, dag)
}

// allowed2 is the authorization of Airflow 2.10 and later (fab 1.3 and later), written down a second time: the check of
// the auth manager, and what the REST API makes of it where no DAG is named.
func allowed2(flat map[permission.Pair]bool, method, entity, dag string) bool {
	has := func(action, resource string) bool { return flat[permission.Pair{Action: action, Resource: resource}] }
	global := has(method, "DAGs")
	if entity == "" {
		if global || dag != "" && has(method, "DAG:"+dag) {
			return true
		}
		if dag != "" || method != permission.CanRead && method != permission.CanEdit {
			return false
		}
		for p := range flat {
			if p.Action == method && strings.HasPrefix(p.Resource, "DAG:") {
				return true
			}
		}
		return false
	}
	if dag != "" {
		gate := permission.CanEdit
		if method == permission.CanRead {
			gate = permission.CanRead
		}
		if !has(gate, "DAGs") && !has(gate, "DAG:"+dag) {
			return false
		}
	}
	for _, resource := range oracleResources[entity] {
		byDag := resource == "DAG Runs" && dag != "" && has(method, "DAG Run:"+dag)
		if !has(method, resource) && !byDag {
			return false
		}
	}
	return true
}

// allowed is Airflow's own authorization (fab 2.4.2 and later), written down a second time and without care for speed:
// method and entity of one DAG, or of none when dag is empty.
func allowed(flat map[permission.Pair]bool, method, entity, dag string) bool {
	has := func(action, resource string) bool { return flat[permission.Pair{Action: action, Resource: resource}] }
	resources := oracleResources[entity]
	dagOK := func(action string) bool { return has(action, "DAGs") || dag != "" && has(action, "DAG:"+dag) }
	if entity != "" {
		ok := true
		for _, resource := range resources {
			ok = ok && has(method, resource)
		}
		if entity == "RUN" && dag != "" {
			ok = ok || has(method, "DAG Run:"+dag)
		}
		if !ok {
			return false
		}
	}
	if method == permission.CanRead && dag == "" {
		for p := range flat {
			if p.Action == permission.CanRead && (p.Resource == "DAGs" || len(p.Resource) > 4 && p.Resource[:4] == "DAG:") {
				return true
			}
		}
		return false
	}
	if entity == "" {
		return dagOK(method)
	}
	if dag != "" {
		gate := permission.CanEdit
		if method == permission.CanRead {
			gate = permission.CanRead
		}
		return dagOK(gate)
	}
	return true
}

var oracleResources = map[string][]string{
	"RUN": {"DAG Runs"}, "TASK": {"Task Instances"}, "TASK_INSTANCE": {"DAG Runs", "Task Instances"},
	"TASK_LOGS": {"Task Logs"}, "XCOM": {"XComs"}, "CODE": {"DAG Code"}, "VERSION": {"DAG Versions"},
	"DEPENDENCIES": {"DAG Dependencies"}, "WARNING": {"DAG Warnings"}, "AUDIT_LOG": {"Audit Logs"}, "HITL_DETAIL": {"HITL Detail"},
}

var oracleEntities = []string{
	"", "RUN", "TASK", "TASK_INSTANCE", "TASK_LOGS", "XCOM", "CODE", "VERSION", "DEPENDENCIES", "WARNING", "AUDIT_LOG", "HITL_DETAIL",
}

// power is one thing that a user can do: a verb on a DAG, or on none, or a global pair.
type power struct{ method, entity, dag string }

// powers is everything that a user can do.
func powers(model v1alpha1.PermissionModel, o *access.Observed, username string, dags []string) map[power]bool {
	flat := map[permission.Pair]bool{}
	for _, u := range o.Users {
		if u.Username != username {
			continue
		}
		for _, role := range u.Roles {
			for _, p := range o.Roles[role] {
				flat[p] = true
			}
		}
	}
	out := map[power]bool{}
	for p := range flat {
		if _, perDag := permission.DagOf(p.Resource); !perDag && (p.Resource != "Website" || model == v1alpha1.PermissionModelAirflow2) {
			out[power{p.Action, "global", p.Resource}] = true
		}
	}
	for _, dag := range append(slices.Clone(dags), "") {
		for _, method := range []string{permission.CanRead, permission.CanCreate, permission.CanEdit, permission.CanDelete} {
			for _, entity := range oracleEntities {
				if allowedBy(model, flat, method, entity, dag) {
					out[power{method, entity, dag}] = true
				}
			}
		}
	}
	return out
}
