package access

import (
	"strings"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// This file is Airflow's authorization algorithm: that of fab 2.4.2 and later, and that of fab 1.3 to 2.4.1. Airflow
// joins the permissions of all roles of a user into one flat set, so that what a role lets people do depends on their
// other roles, foreign ones included.

// verbs is a set of (method, entity) pairs that are allowed on one DAG, or without naming a DAG: bit
// method*entityCount+entity.
type verbs uint64

// methods in the order of their bits, by the action that allows them.
var methods = [4]string{canRead, canCreate, canEdit, canDelete}

const (
	methodRead = 0
	methodEdit = 2

	entityCount        = 12
	entityNone         = 0
	entityRun          = 1
	entityTask         = 2
	entityTaskInstance = 3
)

// entities are the parts of a DAG and the resources that guard each of them.
var entities = [entityCount][]string{
	nil, {"DAG Runs"}, {"Task Instances"}, {"DAG Runs", "Task Instances"}, {"Task Logs"}, {"XComs"}, {"DAG Code"},
	{"DAG Versions"}, {"DAG Dependencies"}, {"DAG Warnings"}, {"Audit Logs"}, {"HITL Detail"},
}

// rights is a flat permission set: global pairs, and per DAG one bit for every method on the DAG (0 to 3) and on its
// runs (4 to 7).
type rights struct {
	global map[Permission]bool
	dags   map[string]uint8
	// some has the bits of methods on a DAG that hold for at least one DAG by name.
	some uint8
}

func rightsOf(ps []Permission) *rights {
	r := &rights{global: map[Permission]bool{}, dags: map[string]uint8{}}
	for _, p := range ps {
		r.add(p)
	}
	return r
}

func (r *rights) add(p Permission) {
	for method, action := range methods {
		if p.Action != action {
			continue
		}
		if id, ok := strings.CutPrefix(p.Resource, dagPrefix); ok {
			r.dags[id] |= 1 << method
			r.some |= 1 << method
			return
		}
		if id, ok := strings.CutPrefix(p.Resource, runPrefix); ok {
			r.dags[id] |= 1 << (4 + method)
			return
		}
	}
	r.global[p] = true
}

// join adds the rights of another set on the given DAGs, and all of its global pairs.
func (r *rights) join(other *rights, on map[string]bool) {
	for p := range other.global {
		r.global[p] = true
	}
	if len(on) < len(other.dags) {
		for id := range on {
			r.dags[id] |= other.dags[id]
		}
		return
	}
	for id, bits := range other.dags {
		if on[id] {
			r.dags[id] |= bits
		}
	}
}

// effect is what a flat permission set allows.
type effect struct {
	global map[Permission]bool
	dags   map[string]verbs
	noDag  verbs
}

// rules are the guards of everything that a permission set allows, evaluated for the global pairs of the set once.
type rules struct {
	model   v1alpha1.PermissionModel
	guarded [4][entityCount]bool // by method and entity: the global pairs that guard it are there
	allDags [4]bool              // by method: the right on all DAGs is there
}

func rulesOf(model v1alpha1.PermissionModel, global map[Permission]bool) *rules {
	g := &rules{model: model}
	for method, action := range methods {
		g.allDags[method] = global[Permission{action, "DAGs"}]
		for entity, resources := range entities {
			g.guarded[method][entity] = true
			for _, resource := range resources {
				g.guarded[method][entity] = g.guarded[method][entity] && global[Permission{action, resource}]
			}
		}
	}
	return g
}

// effectOf evaluates rights on the given DAGs; r.some counts those that are not evaluated, too. The DAG ""
// stands for all DAGs that no right names.
func effectOf(model v1alpha1.PermissionModel, r *rights, on map[string]bool) effect {
	e := effect{global: r.global, dags: make(map[string]verbs, len(on)+1)}
	g := rulesOf(model, r.global)
	for method := range methods {
		for entity := range entities {
			if g.withoutDag(method, entity, r) {
				e.noDag |= verb(method, entity)
			}
		}
	}
	e.dags[""] = g.on(0)
	for id := range on {
		e.dags[id] = g.on(r.dags[id])
	}
	return e
}

// verb is the bit of a method and an entity.
func verb(method, entity int) verbs { return 1 << (method*entityCount + entity) }

// withoutDag says whether something is allowed that names no DAG, such as a list over all DAGs.
func (g *rules) withoutDag(method, entity int, r *rights) bool {
	airflow2 := g.model == v1alpha1.PermissionModelAirflow2
	somewhere := g.allDags[method] || r.some&(1<<method) != 0
	switch {
	case entity == entityNone && (method == methodRead || method == methodEdit && airflow2):
		return somewhere
	case entity == entityNone:
		return g.allDags[method]
	case method == methodRead && !airflow2:
		return g.guarded[method][entity] && somewhere
	}
	return g.guarded[method][entity]
}

// on is what the bits of one DAG allow together with the global pairs.
func (g *rules) on(bits uint8) verbs {
	var v verbs
	onDag := func(method int) bool { return g.allDags[method] || bits&(1<<method) != 0 }
	for method := range methods {
		if onDag(method) {
			v |= verb(method, entityNone)
		}
		gate := methodEdit
		if method == methodRead {
			gate = methodRead
		}
		if !onDag(gate) {
			continue
		}
		onRun := bits&(1<<(4+method)) != 0
		for entity := 1; entity < entityCount; entity++ {
			if g.guarded[method][entity] || onRun && g.byRun(method, entity) {
				v |= verb(method, entity)
			}
		}
	}
	return v
}

// byRun says whether DAG Run:<id> stands for DAG Runs: on runs always, on task instances in Airflow 2 only.
func (g *rules) byRun(method, entity int) bool {
	return entity == entityRun ||
		entity == entityTaskInstance && g.model == v1alpha1.PermissionModelAirflow2 && g.guarded[method][entityTask]
}

// within says whether everything that e allows is allowed by a or by b.
func (e effect) within(a, b effect) bool {
	for p := range e.global {
		if !a.global[p] && !b.global[p] {
			return false
		}
	}
	for id, v := range e.dags {
		if v&^(a.dags[id]|b.dags[id]) != 0 {
			return false
		}
	}
	return e.noDag&^(a.noDag|b.noDag) == 0
}

// covers says whether e allows everything that both a and b allow.
func (e effect) covers(a, b effect) bool {
	for p := range a.global {
		if b.global[p] && !e.global[p] {
			return false
		}
	}
	for id, v := range a.dags {
		if v&b.dags[id]&^e.dags[id] != 0 {
			return false
		}
	}
	return a.noDag&b.noDag&^e.noDag == 0
}
