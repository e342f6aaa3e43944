package evaluator_test

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/airflow-oam/airflow-oam/internal/permission"
)

const slots = 2 // roles that the person has where roles are replaced

// give makes the person have exactly these roles: by replacing what is in two roles, or by new roles where an update
// only adds.
func (w *world) give(s set) {
	w.Helper()
	if !w.replace {
		var names []string
		for _, ps := range s.roles {
			names = append(names, w.roleOf(ps))
		}
		w.hold(names)
		return
	}
	for len(w.roles) < slots {
		w.roles = append(w.roles, w.makeRole(nil))
		w.hold(w.roles)
	}
	for at, name := range w.roles {
		var ps []permission.Pair
		if at < len(s.roles) {
			ps = s.roles[at]
		}
		if !slices.Equal(w.held[name], ps) {
			w.as(http.MethodPatch, "/auth/fab/v1/roles/"+name, roleBody(name, ps), nil)
			w.held[name] = ps
		}
	}
}

// roleOf is a role that holds these permissions: it is made once, because roles cost time on servers that only add.
func (w *world) roleOf(ps []permission.Pair) string {
	w.Helper()
	key := fmt.Sprint(ps)
	if w.byContent[key] == "" {
		w.byContent[key] = w.makeRole(ps)
	}
	return w.byContent[key]
}

func (w *world) makeRole(ps []permission.Pair) string {
	w.Helper()
	w.made++
	name := fmt.Sprintf("evaluated-%03d", w.made)
	w.as(http.MethodPost, "/auth/fab/v1/roles", roleBody(name, ps), nil)
	return name
}

func roleBody(name string, ps []permission.Pair) any {
	type named struct {
		Name string `json:"name"`
	}
	type pair struct {
		Action   named `json:"action"`
		Resource named `json:"resource"`
	}
	pairs := []pair{}
	for _, p := range ps {
		pairs = append(pairs, pair{named{p.Action}, named{p.Resource}})
	}
	return map[string]any{"name": name, "actions": pairs}
}

// hold overwrites the person's roles.
func (w *world) hold(roles []string) {
	w.Helper()
	names := []map[string]string{}
	for _, role := range roles {
		names = append(names, map[string]string{"name": role})
	}
	w.as(http.MethodPatch, "/auth/fab/v1/users/"+w.person.Username+"?update_mask=roles", map[string]any{
		"username": w.person.Username, "email": w.person.Email, "first_name": w.person.Username, "last_name": w.person.Username, "roles": names,
	}, nil)
}
