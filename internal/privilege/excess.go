package privilege

import (
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
)

// This file computes excess: rights that a user has only because several roles combine. Airflow joins the permissions of all
// roles of a user, so that a right on a DAG from one role combines with a global right from another.

// Effect is what a set of permissions allows a user, by Airflow's own algorithm of a permission model.
type Effect struct {
	rules  *rules
	rights *Rights
}

// Effective evaluates permissions under a permission model; the empty model is that of Airflow 3. The permissions are those of all roles of the
// user together, in any order.
func Effective(model v1alpha1.PermissionModel, ps []permission.Pair) Effect {
	r := RightsOf(ps)
	return Effect{rules: rulesOf(model, r.guards), rights: r}
}

// Allows reports whether the action (can_read, can_create, can_edit or can_delete) on an entity of a DAG is allowed. An
// empty DAG means a call that names none, such as a list over all DAGs; its rows are those of the DAGs that the user
// may read.
func (e Effect) Allows(action string, entity Entity, dag string) bool {
	method := slices.Index(methods[:], action)
	switch {
	case method < 0:
		return false
	case !entity.known():
		return false
	case dag == "":
		return e.rules.withoutDag(method, entity, e.rights)
	}
	return e.rules.on(e.rights.dags[dag])&verb(method, entity) != 0
}

// written are the entities that some call of Airflow can change. No call writes to the others.
var written = []Entity{EntityDag, EntityRun, EntityTaskInstance, EntityXCom, EntityHITLDetail}

// usable are the verbs that some call of Airflow requires.
var usable = func() verbs {
	var v verbs
	for entity := range entityCount {
		v |= verb(methodRead, entity)
	}
	for method := range methods {
		for _, entity := range written {
			v |= verb(method, entity)
		}
	}
	return v
}()

// Excess is what users with the same roles can do although no unit grants it by itself: neither one managed role nor all
// foreign roles together. It is sorted by DAG.
type Excess []overlap

// overlap is the excess on one DAG; the DAG "" stands for all DAGs that no role names.
type overlap struct {
	dag   string
	verbs verbs
	// roles are those that contain a right that the excess requires, sorted.
	roles []string
}

// Judge computes excess, once for every set of roles: users with the same roles share the result.
type Judge struct {
	model  v1alpha1.PermissionModel
	rights func(role string) *Rights
	sets   map[string]*Excess
	groups map[string]*unit // foreign roles together
	units  map[string]*unit // managed roles
}

// unit is access that was granted by one decision: one managed role, or all foreign roles together, whose combinations are
// the responsibility of their owners.
type unit struct {
	roles  []string
	rights *Rights
	rules  *rules
}

// NewJudge returns a judge under a permission model; the empty model is that of Airflow 3. It calls rights often and always
// with the same roles, so that the function should remember its results.
func NewJudge(model v1alpha1.PermissionModel, rights func(role string) *Rights) *Judge {
	return &Judge{model: model, rights: rights, sets: map[string]*Excess{}, groups: map[string]*unit{}, units: map[string]*unit{}}
}

// Excess returns the excess of users with these foreign and managed roles, both sorted; nil where there is none. Equal roles
// yield the same pointer.
func (j *Judge) Excess(foreign, managed []string) *Excess {
	units := len(managed) + min(len(foreign), 1)
	switch {
	case len(managed) == 0:
		return nil // rights of foreign roles alone are not the operator's to judge
	case units == 1:
		return nil // one unit cannot combine
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

// compute compares, DAG by DAG, what all roles together allow with what the units allow one by one.
func (j *Judge) compute(foreign, managed []string) Excess {
	units := make([]*unit, 0, len(managed)+1)
	if len(foreign) > 0 {
		units = append(units, j.together(foreign))
	}
	for _, role := range managed {
		units = append(units, j.alone(role))
	}
	var all guards
	dags := map[string]bool{"": true}
	for _, u := range units {
		all |= u.rights.guards
		for dag := range u.rights.dags {
			dags[dag] = true
		}
	}
	joined := rulesOf(j.model, all)
	var out Excess
	for dag := range dags {
		var bits uint8
		var granted verbs
		for _, u := range units {
			own := u.rights.dags[dag]
			bits |= own
			granted |= u.rules.on(own)
		}
		if over := joined.on(bits) &^ granted & usable; over != 0 {
			out = append(out, overlap{dag: dag, verbs: over, roles: j.parts(units, dag, over)})
		}
	}
	slices.SortFunc(out, func(a, b overlap) int { return strings.Compare(a.dag, b.dag) })
	return out
}

// alone returns the unit of one managed role.
func (j *Judge) alone(role string) *unit {
	u := j.units[role]
	if u == nil {
		r := j.rights(role)
		u = &unit{roles: []string{role}, rights: r, rules: rulesOf(j.model, r.guards)}
		j.units[role] = u
	}
	return u
}

// together returns the unit of all foreign roles of a user.
func (j *Judge) together(roles []string) *unit {
	key := strings.Join(roles, "\n")
	u := j.groups[key]
	if u == nil {
		r := newRights()
		for _, role := range roles {
			part := j.rights(role)
			r.guards |= part.guards
			for dag, bits := range part.dags {
				r.dags[dag] |= bits
			}
		}
		u = &unit{roles: roles, rights: r, rules: rulesOf(j.model, r.guards)}
		j.groups[key] = u
	}
	return u
}

// parts returns the sorted roles that contain a right that verbs on a DAG require.
func (j *Judge) parts(units []*unit, dag string, over verbs) []string {
	bits, global := j.required(over)
	var out []string
	for _, u := range units {
		for _, role := range u.roles {
			if r := j.rights(role); r.dags[dag]&bits != 0 || r.guards&global != 0 {
				out = append(out, role)
			}
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(out)))
}

// required returns all rights by which verbs on a DAG can be allowed: bits of the DAG, and global pairs.
func (j *Judge) required(over verbs) (bits uint8, global guards) {
	for method := range methods {
		for entity := EntityDag + 1; entity < entityCount; entity++ {
			if over&verb(method, entity) == 0 {
				continue
			}
			bits |= 1 << gateOf(method)
			global |= guard(gateOf(method), 0) | needed(method, entity)
			if standsForRuns(j.model, entity) {
				bits |= 1 << (4 + method)
			}
		}
	}
	return bits, global
}

// By returns the excess to which a role contributes.
func (e Excess) By(role string) Excess {
	var out Excess
	for _, o := range e {
		if _, found := slices.BinarySearch(o.roles, role); found {
			out = append(out, o)
		}
	}
	return out
}

// Among returns the excess to which at least one of several roles contributes.
func (e Excess) Among(roles func(role string) bool) Excess {
	return slices.DeleteFunc(slices.Clone(e), func(o overlap) bool { return !slices.ContainsFunc(o.roles, roles) })
}
