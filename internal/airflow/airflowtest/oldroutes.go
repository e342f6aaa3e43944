package airflowtest

import (
	"net/http"
	"strings"
)

// unknownOld answers paths that no route of Airflow 2 has.
func (s *Sim) unknownOld(method, path string) *response {
	if !strings.HasPrefix(path, "/api/v1/") && !strings.HasPrefix(path, "/auth/fab/v1/") {
		return html(http.StatusNotFound)
	}
	segments := strings.Split(path, "/")
	for i := range s.routes {
		if len(s.routes[i].segments) != len(segments) || s.routes[i].method == method {
			continue
		}
		if _, known := s.routes[i].bind(segments); known {
			return translate(detail(http.StatusMethodNotAllowed, "The method is not allowed for the requested URL."))
		}
	}
	return translate(detail(http.StatusNotFound, "The requested URL was not found on the server."))
}

// oldRoutes is every endpoint of Airflow 2 that is simulated.
func oldRoutes() []route {
	routes := []route{
		{method: "GET", endpoint: "/api/v1/version", serve: (*Sim).getVersion},
		{method: "GET", endpoint: "/api/v1/health", serve: (*Sim).getHealth},
		{method: "GET", endpoint: "/health", serve: (*Sim).getHealth},
	}
	for _, prefix := range []string{"/api/v1", "/auth/fab/v1"} {
		routes = append(routes, oldFABRoutes(prefix)...)
	}
	routes = append(routes, oldCoreRoutes()...)
	for i := range routes {
		routes[i].segments = strings.Split(routes[i].endpoint, "/")
	}
	return routes
}

func oldFABRoutes(prefix string) []route {
	roles, users := prefix+"/roles", prefix+"/users"
	role, user := roles+"/{name}", users+"/{username}"
	return []route{
		{method: "GET", endpoint: roles, allowed: needs("can_read", "Roles"), serve: (*Sim).getRoles},
		{method: "POST", endpoint: roles, mutating: true, allowed: needs("can_create", "Roles"), serve: (*Sim).postRole},
		{method: "GET", endpoint: role, allowed: needs("can_read", "Roles"), serve: (*Sim).getRole},
		{method: "PATCH", endpoint: role, mutating: true, allowed: needs("can_edit", "Roles"), serve: (*Sim).patchRole},
		{method: "DELETE", endpoint: role, mutating: true, allowed: needs("can_delete", "Roles"), serve: (*Sim).deleteRole},
		{method: "GET", endpoint: prefix + "/permissions", allowed: needs("can_read", "Permissions"), serve: (*Sim).getActions},
		{method: "GET", endpoint: users, allowed: needs("can_read", "Users"), serve: (*Sim).getUsers},
		{method: "POST", endpoint: users, mutating: true, allowed: needs("can_create", "Users"), serve: (*Sim).postUser},
		{method: "GET", endpoint: user, allowed: needs("can_read", "Users"), serve: (*Sim).getUser},
		{method: "PATCH", endpoint: user, mutating: true, allowed: needs("can_edit", "Users"), serve: (*Sim).patchUser},
		{method: "DELETE", endpoint: user, mutating: true, allowed: needs("can_delete", "Users"), serve: (*Sim).deleteUser},
	}
}

// oldCoreRoutes are those of Airflow 2's own API that people use.
func oldCoreRoutes() []route {
	const (
		dag  = "/api/v1/dags/{dag_id}"
		run  = dag + "/dagRuns/{run_id}"
		task = run + "/taskInstances/{task_id}"
	)
	return []route{
		{method: "GET", endpoint: "/api/v1/providers", allowed: needs("can_read", "Providers"), serve: (*Sim).getProviders},
		{method: "GET", endpoint: "/api/v1/pools", allowed: needs("can_read", "Pools"), serve: emptyList("pools")},
		{method: "GET", endpoint: "/api/v1/dags", allowed: needsDag("GET", EntityDag), serve: (*Sim).getDags},
		{method: "GET", endpoint: dag, allowed: needsDag("GET", EntityDag), serve: (*Sim).getDag},
		{method: "PATCH", endpoint: dag, mutating: true, allowed: needsDag("PUT", EntityDag), serve: (*Sim).patchDag},
		{method: "DELETE", endpoint: dag, mutating: true, allowed: needsDag("DELETE", EntityDag), serve: (*Sim).deleteDag},
		{method: "GET", endpoint: dag + "/tasks", allowed: needsDag("GET", EntityTask), serve: needDag(emptyList("tasks"))},
		{method: "GET", endpoint: dag + "/dagRuns", allowed: needsDag("GET", EntityRun), serve: (*Sim).getRuns},
		{method: "POST", endpoint: dag + "/dagRuns", mutating: true, allowed: needsDag("POST", EntityRun), serve: (*Sim).postRun},
		{method: "GET", endpoint: run, allowed: needsDag("GET", EntityRun), serve: (*Sim).noRun},
		{method: "PATCH", endpoint: run, mutating: true, allowed: needsDag("PUT", EntityRun), serve: (*Sim).noRun},
		{method: "DELETE", endpoint: run, mutating: true, allowed: needsDag("DELETE", EntityRun), serve: (*Sim).noRun},
		{method: "POST", endpoint: run + "/clear", mutating: true, allowed: needsDag("PUT", EntityRun), serve: (*Sim).noRun},
		{method: "POST", endpoint: dag + "/clearTaskInstances", mutating: true, allowed: needsDag("PUT", EntityTaskInstance), serve: (*Sim).noRun},
		{method: "GET", endpoint: run + "/taskInstances", allowed: needsDag("GET", EntityTaskInstance), serve: (*Sim).noRun},
		{method: "PATCH", endpoint: task, mutating: true, allowed: needsDag("PUT", EntityTaskInstance), serve: (*Sim).noRun},
		{method: "GET", endpoint: task + "/logs/{try}", allowed: needsDag("GET", EntityTaskLogs), serve: (*Sim).noRun},
		{method: "GET", endpoint: task + "/xcomEntries", allowed: needsDag("GET", EntityXCom), serve: emptyList("xcom_entries")},
		{method: "GET", endpoint: "/api/v1/dagWarnings", allowed: needsDag("GET", EntityWarning), serve: emptyList("dag_warnings")},
		{method: "GET", endpoint: "/api/v1/eventLogs", allowed: needsDag("GET", EntityAuditLog), serve: emptyList("event_logs")},
	}
}
