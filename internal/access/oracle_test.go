package access

import "slices"

// allowed is Airflow's own authorization (fab 2.4.2 and later), written down a second time and without care for speed:
// method and entity of one DAG, or of none when dag is empty.
func allowed(flat map[Permission]bool, method, entity, dag string) bool {
	has := func(action, resource string) bool { return flat[Permission{action, resource}] }
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
	if method == canRead && dag == "" {
		for p := range flat {
			if p.Action == canRead && (p.Resource == "DAGs" || len(p.Resource) > 4 && p.Resource[:4] == "DAG:") {
				return true
			}
		}
		return false
	}
	if entity == "" {
		return dagOK(method)
	}
	if dag != "" {
		gate := canEdit
		if method == canRead {
			gate = canRead
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
func powers(o *Observed, username string, dags []string) map[power]bool {
	flat := map[Permission]bool{}
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
		if _, perDag := dagOf(p); !perDag && p.Resource != "Website" {
			out[power{p.Action, "global", p.Resource}] = true
		}
	}
	for _, dag := range append(slices.Clone(dags), "") {
		for _, method := range []string{canRead, canCreate, canEdit, canDelete} {
			for _, entity := range oracleEntities {
				if allowed(flat, method, entity, dag) {
					out[power{method, entity, dag}] = true
				}
			}
		}
	}
	return out
}
