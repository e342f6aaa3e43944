package airflowtest

import (
	"net/http"
	"net/url"
	"strings"
)

// route is one endpoint.
type route struct {
	method   string
	endpoint string // template; {x} stands for one segment
	segments []string
	// mutating: it writes. locked: it changes what is no part of the history.
	mutating, locked bool
	// allowed judges the user's permissions; nil for what needs no token.
	allowed func(h held, args map[string]string, query url.Values) bool
	serve   func(*Sim, *incoming) *response
}

type allow = func(h held, args map[string]string, query url.Values) bool

// needs asks for one global pair.
func needs(action, resource string) allow {
	return func(h held, _ map[string]string, _ url.Values) bool { return h.has(action, resource) }
}

// needsDag asks Airflow's algorithm about the DAG in the path or the query. "~"
// stands for all DAGs.
func needsDag(method string, entities ...Entity) allow {
	return func(h held, args map[string]string, query url.Values) bool {
		dag := args["dag_id"]
		if dag == "" {
			dag = query.Get("dag_id")
		}
		if dag == "~" {
			dag = ""
		}
		for _, e := range entities {
			if !h.allows(Check{Method: method, Entity: e, Dag: dag}) {
				return false
			}
		}
		return true
	}
}

// match finds the route of a decoded path.
func (s *Sim) match(method, path string) (*route, map[string]string) {
	segments := strings.Split(path, "/")
	for i := range s.routes {
		r := &s.routes[i]
		if r.method != method || len(r.segments) != len(segments) {
			continue
		}
		if args, ok := r.bind(segments); ok {
			return r, args
		}
	}
	return nil, nil
}

func (r *route) bind(segments []string) (map[string]string, bool) {
	var args map[string]string
	for i, want := range r.segments {
		switch {
		case strings.HasPrefix(want, "{"):
			if segments[i] == "" {
				return nil, false
			}
			if args == nil {
				args = map[string]string{}
			}
			args[strings.Trim(want, "{}")] = segments[i]
		case want != segments[i]:
			return nil, false
		}
	}
	return args, true
}

// unknown answers paths that no route has.
func (s *Sim) unknown(method, path string) *response {
	switch {
	case s.generation.two():
		return s.unknownOld(method, path)
	case strings.HasPrefix(path, "/api/v1/"), path == "/health":
		return &response{status: http.StatusNotFound, body: map[string]string{
			"error": "/api/v1 has been removed in Airflow 3, please use its upgraded version /api/v2 instead.",
		}}
	case strings.HasPrefix(path, "/api/"):
		for i := range s.routes {
			if len(s.routes[i].segments) != strings.Count(path, "/")+1 {
				continue
			}
			if _, ok := s.routes[i].bind(strings.Split(path, "/")); ok {
				return detail(http.StatusMethodNotAllowed, "Method Not Allowed")
			}
		}
		return &response{status: http.StatusNotFound, body: map[string]string{"error": "API route not found"}}
	case s.options.AuthManager != "FAB" && strings.HasPrefix(path, "/auth/") && method != http.MethodGet:
		return detail(http.StatusMethodNotAllowed, "Method Not Allowed")
	case s.options.AuthManager == "FAB" && strings.HasPrefix(path, "/auth/"):
		return html(http.StatusNotFound)
	}
	return html(http.StatusOK) // the UI
}

// table is every endpoint that is simulated.
func (s *Sim) table() []route {
	public := []route{
		{method: "GET", endpoint: "/api/v2/version", serve: (*Sim).getVersion},
		{method: "GET", endpoint: "/api/v2/monitor/health", serve: (*Sim).getHealth},
		{method: "GET", endpoint: "/auth/openapi.json", serve: (*Sim).getOpenAPI},
		{method: "GET", endpoint: "/auth/login/", serve: signInPage},
		{method: "POST", endpoint: "/auth/token", locked: true, serve: (*Sim).postToken},
		{method: "POST", endpoint: "/auth/token/cli", locked: true, serve: (*Sim).postToken},
	}
	fab := []route{
		{method: "GET", endpoint: "/auth/fab/v1/roles", allowed: needs("can_read", "Roles"), serve: (*Sim).getRoles},
		{method: "POST", endpoint: "/auth/fab/v1/roles", mutating: true, allowed: needs("can_create", "Roles"), serve: (*Sim).postRole},
		{method: "GET", endpoint: "/auth/fab/v1/roles/{name}", allowed: needs("can_read", "Roles"), serve: (*Sim).getRole},
		{method: "PATCH", endpoint: "/auth/fab/v1/roles/{name}", mutating: true, allowed: needs("can_edit", "Roles"), serve: (*Sim).patchRole},
		{method: "DELETE", endpoint: "/auth/fab/v1/roles/{name}", mutating: true, allowed: needs("can_delete", "Roles"), serve: (*Sim).deleteRole},
		{method: "GET", endpoint: "/auth/fab/v1/permissions", allowed: needs("can_read", "Roles"), serve: (*Sim).getPermissions},
		{method: "GET", endpoint: "/auth/fab/v1/users", allowed: needs("can_read", "Users"), serve: (*Sim).getUsers},
		{method: "POST", endpoint: "/auth/fab/v1/users", mutating: true, allowed: needs("can_create", "Users"), serve: (*Sim).postUser},
		{method: "GET", endpoint: "/auth/fab/v1/users/{username}", allowed: needs("can_read", "Users"), serve: (*Sim).getUser},
		{method: "PATCH", endpoint: "/auth/fab/v1/users/{username}", mutating: true, allowed: needs("can_edit", "Users"), serve: (*Sim).patchUser},
		{method: "DELETE", endpoint: "/auth/fab/v1/users/{username}", mutating: true, allowed: needs("can_delete", "Users"), serve: (*Sim).deleteUser},
	}
	routes := public
	if s.generation.two() {
		return oldRoutes()
	}
	if s.options.AuthManager == "FAB" {
		routes = append(append(routes, fab...), coreRoutes("/api/v2")...)
		routes = append(routes, newCoreRoutes()...)
	}
	for i := range routes {
		routes[i].segments = strings.Split(routes[i].endpoint, "/")
	}
	return routes
}

// coreRoutes are those of both majors' own APIs that people use, below api.
func coreRoutes(api string) []route {
	var (
		dag  = api + "/dags/{dag_id}"
		run  = dag + "/dagRuns/{run_id}"
		task = run + "/taskInstances/{task_id}"
	)
	return []route{
		{method: "GET", endpoint: api + "/providers", allowed: needs("can_read", "Providers"), serve: (*Sim).getProviders},
		{method: "GET", endpoint: api + "/pools", allowed: needs("can_read", "Pools"), serve: emptyList("pools")},
		{method: "GET", endpoint: api + "/dags", allowed: needsDag("GET", EntityDag), serve: (*Sim).getDags},
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
		{method: "GET", endpoint: api + "/dagWarnings", allowed: needsDag("GET", EntityWarning), serve: emptyList("dag_warnings")},
		{method: "GET", endpoint: api + "/eventLogs", allowed: needsDag("GET", EntityAuditLog), serve: emptyList("event_logs")},
	}
}

// newCoreRoutes are those that only Airflow 3 has.
func newCoreRoutes() []route {
	const (
		dag  = "/api/v2/dags/{dag_id}"
		task = dag + "/dagRuns/{run_id}/taskInstances/{task_id}"
	)
	uiDags := needsDag("GET", EntityDag, EntityRun, EntityTaskInstance, EntityHITL)
	uiGrid := needsDag("GET", EntityDag, EntityRun, EntityTaskInstance)
	uiGraph := needsDag("GET", EntityDag, EntityRun, EntityTaskInstance, EntityDependencies)
	return []route{
		{method: "GET", endpoint: "/api/v2/assets", allowed: needs("can_read", "Assets"), serve: emptyList("assets")},
		{method: "POST", endpoint: task + "/xcomEntries", mutating: true, allowed: needsDag("POST", EntityXCom), serve: (*Sim).noRun},
		{method: "PATCH", endpoint: task + "/{map_index}/hitlDetails", mutating: true, allowed: needsDag("PUT", EntityHITL), serve: (*Sim).noRun},
		{method: "GET", endpoint: dag + "/dagVersions", allowed: needsDag("GET", EntityVersion), serve: needDag(emptyList("dag_versions"))},
		{method: "GET", endpoint: "/api/v2/dagSources/{dag_id}", allowed: needsDag("GET", EntityCode), serve: (*Sim).getSource},
		{method: "GET", endpoint: "/ui/dags", allowed: uiDags, serve: (*Sim).getDags},
		{method: "GET", endpoint: "/ui/grid/structure/{dag_id}", allowed: uiGrid, serve: (*Sim).getGrid},
		{method: "GET", endpoint: "/ui/structure/structure_data", allowed: uiGraph, serve: (*Sim).getGrid},
	}
}
