package privilege

import (
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
)

// This file computes what people can do only because of roles that meet: Airflow joins the permissions of all roles of
// a user, so that a right on a DAG from one role meets a global right from another.

// Effect is what a set of permissions lets a user do, by Airflow's own algorithm of a permission model.
type Effect struct {
	rules  *rules
	rights *Rights
}

// Effective evaluates permissions; the empty model is that of Airflow 3. The permissions are those of all roles of the
// user together, in any order.
func Effective(model v1alpha1.PermissionModel, ps []permission.Pair) Effect {
	r := RightsOf(ps)
	return Effect{rules: rulesOf(model, r.guards), rights: r}
}

// Allows says whether the action (can_read, can_create, can_edit or can_delete) on an entity of a DAG is allowed. An
// empty DAG means a call that names none, such as a list over all DAGs; its rows are those of the DAGs that the user
// may read.
func (e Effect) Allows(action string, entity Entity, dag string) bool {
	method := slices.Index(methods[:], action)
	switch {
	case method < 0 || entity < 0 || entity >= entityCount:
		return false
	case dag == "":
		return e.rules.withoutDag(method, entity, e.rights)
	}
	return e.rules.on(e.rights.Dags[dag])&verb(method, entity) != 0
}

// usable are the verbs that some call of Airflow asks for. Nothing can be written to the other entities.
var usable = func() verbs {
	var v verbs
	written := []Entity{EntityDag, EntityRun, EntityTaskInstance, EntityXCom, EntityHITLDetail}
	for method := range methods {
		for entity := range entityCount {
			if method == methodRead || slices.Contains(written, entity) {
				v |= verb(method, entity)
			}
		}
	}
	return v
}()

// Excess is what users with the same roles can do although nothing gives it by itself: neither one managed role nor all
// foreign roles together. It is sorted by DAG.
type Excess []overlap

// overlap is the excess on one DAG; the DAG "" stands for all DAGs that no role names.
type overlap struct {
	dag   string
	verbs verbs
	// roles hold a part of what it takes, sorted.
	roles []string
}

// Judge computes excess, once for every set of roles.
type Judge struct {
	model  v1alpha1.PermissionModel
	rights func(role string) *Rights
	sets   map[string]*Excess
	groups map[string]*unit // foreign roles together
	units  map[string]*unit // managed roles
}

// unit is what was given as one thing.
type unit struct {
	roles  []string
	rights *Rights
	rules  *rules
}

// NewJudge computes under a permission model; the empty model is that of Airflow 3. It asks for the rights of each role once.
func NewJudge(model v1alpha1.PermissionModel, rights func(role string) *Rights) *Judge {
	return &Judge{model: model, rights: rights, sets: map[string]*Excess{}, groups: map[string]*unit{}, units: map[string]*unit{}}
}

// Excess gives the excess of users who have these foreign and managed roles, both sorted; nil where there is none. Equal
// roles give the same pointer.
func (j *Judge) Excess(foreign, managed []string) *Excess {
	if len(managed) == 0 || len(managed) == 1 && len(foreign) == 0 {
		return nil // one thing cannot combine
	}
	key := strings.Join(foreign, "\n") + "\n\n" + strings.Join(managed, "\n")
	found, known := j.sets[key]
	if !known {
		if e := j.compute(foreign, managed); len(e) > 0 {
			found = &e
		}
		j.sets[key] = found
	}
	return found
}

func (j *Judge) compute(foreign, managed []string) Excess {
	units := make([]*unit, 0, len(managed)+1)
	if len(foreign) > 0 {
		units = append(units, j.together(foreign))
	}
	for _, role := range managed {
		units = append(units, j.alone(role))
	}
	var all guards
	for _, u := range units {
		all |= u.rights.guards
	}
	joined := rulesOf(j.model, all)
	seen := map[string]bool{}
	var out Excess
	look := func(dag string) {
		if seen[dag] {
			return
		}
		seen[dag] = true
		var bits uint8
		var given verbs
		for _, u := range units {
			own := u.rights.Dags[dag]
			bits |= own
			given |= u.rules.on(own)
		}
		if over := joined.on(bits) &^ given & usable; over != 0 {
			out = append(out, overlap{dag: dag, verbs: over, roles: j.parts(units, dag, over)})
		}
	}
	look("")
	for _, u := range units {
		for dag := range u.rights.Dags {
			look(dag)
		}
	}
	slices.SortFunc(out, func(a, b overlap) int { return strings.Compare(a.dag, b.dag) })
	return out
}

func (j *Judge) alone(role string) *unit {
	u := j.units[role]
	if u == nil {
		r := j.rights(role)
		u = &unit{roles: []string{role}, rights: r, rules: rulesOf(j.model, r.guards)}
		j.units[role] = u
	}
	return u
}

func (j *Judge) together(roles []string) *unit {
	key := strings.Join(roles, "\n")
	u := j.groups[key]
	if u == nil {
		r := NewRights()
		for _, role := range roles {
			part := j.rights(role)
			r.guards |= part.guards
			for dag, bits := range part.Dags {
				r.Dags[dag] |= bits
			}
		}
		u = &unit{roles: roles, rights: r, rules: rulesOf(j.model, r.guards)}
		j.groups[key] = u
	}
	return u
}

// parts are the roles that hold something of what the verbs on a DAG take.
func (j *Judge) parts(units []*unit, dag string, over verbs) []string {
	var global guards
	var bits uint8
	for method := range methods {
		for entity := EntityDag + 1; entity < entityCount; entity++ {
			if over&verb(method, entity) == 0 {
				continue
			}
			gate := methodEdit
			if method == methodRead {
				gate = methodRead
			}
			bits |= 1 << gate
			global |= guard(gate, 0) | needed(method, entity)
			if entity == EntityRun || entity == EntityTaskInstance && j.model == v1alpha1.PermissionModelAirflow2 {
				bits |= 1 << (4 + method)
			}
		}
	}
	var out []string
	for _, u := range units {
		for _, role := range u.roles {
			if r := j.rights(role); r.Dags[dag]&bits != 0 || r.guards&global != 0 {
				out = append(out, role)
			}
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(out)))
}

// By is the part of the excess in which a role has a part.
func (e Excess) By(role string) Excess {
	var out Excess
	for _, o := range e {
		if _, found := slices.BinarySearch(o.roles, role); found {
			out = append(out, o)
		}
	}
	return out
}

// Among is the part of the excess in which some role of several has a part.
func (e Excess) Among(roles func(role string) bool) Excess {
	return slices.DeleteFunc(slices.Clone(e), func(o overlap) bool { return !slices.ContainsFunc(o.roles, roles) })
}
