// Package privilege computes what users can do in an Airflow, by Airflow's own algorithm, and what they can do only
// because several roles combine.
//
// Effective evaluates one set of permissions. A Judge compares the set that all roles of a user form with what each role
// grants by itself; the difference is Excess, and a Tally makes the message about it.
//
// The package is pure. It knows roles by name only, and its caller provides the permissions of each.
package privilege

import (
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
)

// This file is Airflow's authorization algorithm: that of fab 2.4.2 and later, and that of fab 1.3 to 2.4.1. Airflow
// joins the permissions of all roles of a user into one flat set, so that the effect of a role depends on the other roles of
// the user, foreign ones included. The tests in this package are small enough to check by hand; test/airflow compares the
// algorithm with the answers of real servers.

// verbs is a set of (method, entity) pairs that are allowed on one DAG, or without naming a DAG: bit
// method*entityCount+entity.
type verbs uint64

// methods in the order of their bits, by the action that allows them.
var methods = [4]string{permission.CanRead, permission.CanCreate, permission.CanEdit, permission.CanDelete}

const (
	methodRead = 0
	methodEdit = 2
)

// gateOf returns the method whose right on a DAG is required for a method on the entities of the DAG: whatever changes
// something requires can_edit.
func gateOf(method int) int {
	if method == methodRead {
		return methodRead
	}
	return methodEdit
}

// Entity is a part of a DAG that Airflow guards separately.
type Entity int

// The entities. EntityDag is the DAG itself.
const (
	EntityDag Entity = iota
	EntityRun
	EntityTask
	EntityTaskInstance
	EntityTaskLogs
	EntityXCom
	EntityCode
	EntityVersion
	EntityDependencies
	EntityWarning
	EntityAuditLog
	EntityHITLDetail

	entityCount
)

// known reports whether the value is one of the constants.
func (e Entity) known() bool { return e >= EntityDag && e < entityCount }

// guardian are the global resources that guard entities, in the order of their bits in guards.
var guardian = [...]string{
	"DAGs", "DAG Runs", "Task Instances", "Task Logs", "XComs", "DAG Code", "DAG Versions", "DAG Dependencies",
	"DAG Warnings", "Audit Logs", "HITL Detail",
}

// guarding are the guardians of each entity, all of which are needed.
var guarding = [entityCount][]int{
	EntityRun: {1}, EntityTask: {2}, EntityTaskInstance: {1, 2}, EntityTaskLogs: {3}, EntityXCom: {4}, EntityCode: {5},
	EntityVersion: {6}, EntityDependencies: {7}, EntityWarning: {8}, EntityAuditLog: {9}, EntityHITLDetail: {10},
}

// guards is a set of global pairs of a method and a guardian: bit method*len(guardian)+guardian.
type guards uint64

// guard is the bit of a method on a guardian.
func guard(method, at int) guards { return 1 << (method*len(guardian) + at) }

// needed returns the global pairs all of which a method on an entity requires.
func needed(method int, entity Entity) guards {
	var all guards
	for _, at := range guarding[entity] {
		all |= guard(method, at)
	}
	return all
}

// Rights is a flat permission set: global pairs, and per DAG one bit for every method on the DAG (0 to 3) and on its
// runs (4 to 7).
type Rights struct {
	guards guards           // the global pairs that guard something
	dags   map[string]uint8 // the bits by DAG
	some   uint8            // the bits of methods on a DAG that hold for at least one DAG by name
}

// newRights gives no rights.
func newRights() *Rights {
	return &Rights{dags: map[string]uint8{}}
}

// RightsOf returns the rights of permissions, in any order.
func RightsOf(ps []permission.Pair) *Rights {
	r := newRights()
	for _, p := range ps {
		r.add(p)
	}
	return r
}

func (r *Rights) add(p permission.Pair) {
	method := slices.Index(methods[:], p.Action)
	if method >= 0 {
		if id, ok := strings.CutPrefix(p.Resource, permission.DagPrefix); ok {
			r.dags[id] |= 1 << method
			r.some |= 1 << method
			return
		}
		if id, ok := strings.CutPrefix(p.Resource, permission.RunPrefix); ok {
			r.dags[id] |= 1 << (4 + method)
			return
		}
		if at := slices.Index(guardian[:], p.Resource); at >= 0 {
			r.guards |= guard(method, at)
		}
	}
}

// rules evaluate the rights on single DAGs under one set of global pairs. Few combinations of bits occur, so that each is
// evaluated once.
type rules struct {
	model   v1alpha1.PermissionModel
	guards  guards
	guarded [4][entityCount]bool // by method and entity: the global pairs that guard it are there
	allDags [4]bool              // by method: the right on all DAGs is there
	known   map[uint8]verbs
}

// rulesOf returns the rules of a permission model under global pairs.
func rulesOf(model v1alpha1.PermissionModel, have guards) *rules {
	g := &rules{model: model, guards: have, known: map[uint8]verbs{}}
	for method := range methods {
		g.allDags[method] = have&guard(method, 0) != 0
		for entity := range entityCount {
			g.guarded[method][entity] = needed(method, entity)&^have == 0
		}
	}
	return g
}

// verb is the bit of a method and an entity.
func verb(method int, entity Entity) verbs { return 1 << (method*int(entityCount) + int(entity)) }

// withoutDag reports whether a call that names no DAG is allowed, such as a list over all DAGs.
func (g *rules) withoutDag(method int, entity Entity, r *Rights) bool {
	airflow2 := g.model == v1alpha1.PermissionModelAirflow2
	somewhere := g.allDags[method] || r.some&(1<<method) != 0
	switch {
	case entity == EntityDag && (method == methodRead || method == methodEdit && airflow2):
		return somewhere
	case entity == EntityDag:
		return g.allDags[method]
	case method == methodRead && !airflow2:
		return g.guarded[method][entity] && somewhere
	}
	return g.guarded[method][entity]
}

// on returns what the bits of one DAG allow together with the global pairs.
func (g *rules) on(bits uint8) verbs {
	v, known := g.known[bits]
	if !known {
		v = g.evaluate(bits)
		g.known[bits] = v
	}
	return v
}

// evaluate is on without its memory. It is Airflow's is_authorized_dag for one DAG.
func (g *rules) evaluate(bits uint8) verbs {
	var v verbs
	onDag := func(method int) bool { return g.allDags[method] || bits&(1<<method) != 0 }
	for method := range methods {
		if onDag(method) {
			v |= verb(method, EntityDag)
		}
		if !onDag(gateOf(method)) {
			continue
		}
		onRun := bits&(1<<(4+method)) != 0
		for entity := EntityDag + 1; entity < entityCount; entity++ {
			if g.guarded[method][entity] || onRun && g.byRun(method, entity) {
				v |= verb(method, entity)
			}
		}
	}
	return v
}

// byRun reports whether a method on an entity of a DAG is allowed where DAG Run:<id> replaces DAG Runs.
func (g *rules) byRun(method int, entity Entity) bool {
	switch {
	case !standsForRuns(g.model, entity):
		return false
	case entity == EntityTaskInstance:
		return g.guarded[method][EntityTask] // the other resource that guards task instances
	}
	return true
}

// standsForRuns reports whether DAG Run:<id> replaces DAG Runs for an entity: for runs always, for task instances on Airflow 2
// only.
func standsForRuns(model v1alpha1.PermissionModel, entity Entity) bool {
	if entity == EntityTaskInstance {
		return model == v1alpha1.PermissionModelAirflow2
	}
	return entity == EntityRun
}
