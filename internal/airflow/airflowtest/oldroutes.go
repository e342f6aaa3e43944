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
	routes = append(routes, coreRoutes("/api/v1")...)
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
