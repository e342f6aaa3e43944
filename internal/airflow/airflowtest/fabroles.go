package airflowtest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

func roleMissing(name string) *response {
	return detail(http.StatusNotFound, "Role with name "+quote(name)+" does not exist.")
}

func (s *Sim) getRoles(in *incoming) *response {
	limit, offset, refusal := s.window(in.URL.Query(), true)
	if refusal != nil {
		return refusal
	}
	key, descending, refusal := s.ordering(in.URL.Query(), "name", "name", "role_id")
	if refusal != nil {
		return refusal
	}
	all := s.store.roles
	if key == "name" || descending {
		all = slices.Clone(all)
		if key == "name" {
			slices.SortFunc(all, func(a, b *role) int { return strings.Compare(a.name, b.name) })
		}
		if descending {
			slices.Reverse(all)
		}
	}
	out := []roleBody{}
	for _, r := range cut(all, limit, offset) {
		out = append(out, roleBody{Name: r.name, Actions: pairsOf(r.permissions)})
	}
	return ok(map[string]any{"roles": out, "total_entries": len(all)})
}

func (s *Sim) getRole(in *incoming) *response {
	r := s.store.roleByName[in.args["name"]]
	if r == nil {
		return roleMissing(in.args["name"])
	}
	return ok(roleBody{Name: r.name, Actions: pairsOf(r.permissions)})
}

// unknownPair refuses permissions with an action or a resource that is not stored.
func (s *Sim) unknownPair(permissions []airflow.Permission) *response {
	for _, p := range permissions {
		if !s.store.actions[p.Action] {
			return detail(http.StatusBadRequest, "The specified action: "+quote(p.Action)+" was not found")
		}
		if !s.store.resources[p.Resource] {
			return detail(http.StatusBadRequest, "The specified resource: "+quote(p.Resource)+" was not found")
		}
	}
	return nil
}

func (s *Sim) postRole(in *incoming) *response {
	body, sent, refusal := readRole(in.body)
	two := s.generation.two()
	switch {
	case refusal != nil && two && halfPair(refusal), refusal == nil && two && !sent:
		return broken()
	case refusal != nil:
		return refusal
	}
	if s.store.roleByName[body.Name] != nil {
		return detail(http.StatusConflict, "Role with name "+quote(body.Name)+" already exists; please update with the PATCH endpoint")
	}
	permissions := permissionsOf(body.Actions)
	if refusal := s.unknownPair(permissions); refusal != nil {
		return refusal
	}
	r := in.tx.addRole(body.Name, permissions)
	if two {
		return ok(map[string]string{})
	}
	return ok(roleBody{Name: r.name, Actions: pairsOf(r.permissions)})
}

func (s *Sim) patchRole(in *incoming) *response {
	body, sent, refusal := readRole(in.body)
	if refusal != nil {
		return refusal
	}
	r := s.store.roleByName[in.args["name"]]
	if r == nil {
		return roleMissing(in.args["name"])
	}
	setActions, setName, refusal := roleMask(in.URL.Query().Get("update_mask"), sent)
	if refusal != nil {
		return refusal
	}
	if s.generation.two() {
		return s.patchOldRole(in, r, body, setActions, setName, sent)
	}
	answer := roleBody{Name: r.name, Actions: pairsOf(r.permissions)}
	if !sent && s.generation.Does.RoleUpdate == airflow.RoleUpdateAdd {
		answer.Actions = pairsOf(nil)
	}
	if sent && s.generation.Does.RoleUpdate == airflow.RoleUpdateAdd {
		setActions = true // whatever the mask says
	}
	if setActions {
		asked := permissionsOf(body.Actions)
		if refusal := s.unknownPair(asked); refusal != nil {
			return refusal
		}
		in.tx.setPermissions(r, s.generation.updateRole(r.permissions, asked))
		answer.Actions = pairsOf(asked) // an echo, not what is stored
	}
	if setName {
		answer.Name = body.Name
		if body.Name != r.name && s.store.roleByName[body.Name] == nil {
			in.tx.renameRole(r, body.Name)
		}
	}
	return ok(answer)
}

// patchOldRole is patchRole of Airflow 2: it minds the mask, adds, and tells
// what is stored.
func (s *Sim) patchOldRole(in *incoming, r *role, body roleBody, setActions, setName, sent bool) *response {
	if !sent && strings.Contains(in.URL.Query().Get("update_mask"), "actions") {
		return broken()
	}
	if setActions {
		asked := permissionsOf(body.Actions)
		if refusal := s.unknownPair(asked); refusal != nil {
			return refusal
		}
		in.tx.setPermissions(r, s.generation.updateRole(r.permissions, asked))
	}
	if setName && body.Name != r.name && s.store.roleByName[body.Name] == nil {
		in.tx.renameRole(r, body.Name)
	}
	return ok(roleBody{Name: r.name, Actions: pairsOf(r.permissions)})
}

// roleMask says what of a role is to be changed.
func roleMask(mask string, sent bool) (actions, name bool, refusal *response) {
	if mask == "" {
		return sent, true, nil
	}
	for field := range strings.SplitSeq(mask, ",") {
		switch field = strings.TrimSpace(field); field {
		case "":
		case "actions", "permissions":
			actions = sent
		case "name":
			name = true
		default:
			return false, false, detail(http.StatusBadRequest, "'"+field+"' in update_mask is unknown")
		}
	}
	return actions, name, nil
}

func (s *Sim) deleteRole(in *incoming) *response {
	r := s.store.roleByName[in.args["name"]]
	if r == nil {
		return roleMissing(in.args["name"])
	}
	if s.generation.keepsRole() {
		return detail(http.StatusInternalServerError, "Internal Server Error")
	}
	in.tx.deleteRole(r)
	if s.generation.two() {
		return &response{status: http.StatusNoContent}
	}
	return ok(nil)
}

// oldActions are what Airflow 2 lists as permissions.
var oldActions = []named{{"can_edit"}, {"can_read"}, {"can_create"}, {"can_delete"}, {"menu_access"}}

func (s *Sim) getActions(in *incoming) *response {
	query := in.URL.Query()
	limit, offset, refusal := s.window(query, true)
	if refusal != nil {
		return refusal
	}
	if query.Has("order_by") {
		return detail(http.StatusBadRequest, "Extra query parameter(s) order_by not in spec")
	}
	return ok(map[string]any{"actions": cut(oldActions, limit, offset), "total_entries": len(oldActions)})
}

func (s *Sim) getPermissions(in *incoming) *response {
	limit, offset, refusal := s.window(in.URL.Query(), true)
	if refusal != nil {
		return refusal
	}
	_, descending, refusal := s.ordering(in.URL.Query(), "id", "id", "action_id", "resource_id")
	if refusal != nil {
		return refusal
	}
	all := s.store.pairs
	if descending {
		all = slices.Clone(all)
		slices.Reverse(all)
	}
	return ok(map[string]any{"actions": pairsOf(cut(all, limit, offset)), "total_entries": len(all)})
}
