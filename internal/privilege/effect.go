// Package privilege computes what users can do in an Airflow, by Airflow's own algorithm, and what they can do only
// because of roles that meet.
//
// It is pure. It knows roles by name, and asks for the permissions of each.
package privilege

import (
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
)

// This file is Airflow's authorization algorithm: that of fab 2.4.2 and later, and that of fab 1.3 to 2.4.1. Airflow
// joins the permissions of all roles of a user into one flat set, so that what a role lets people do depends on their
// other roles, foreign ones included.

// verbs is a set of (method, entity) pairs that are allowed on one DAG, or without naming a DAG: bit
// method*entityCount+entity.
type verbs uint64

// methods in the order of their bits, by the action that allows them.
var methods = [4]string{permission.CanRead, permission.CanCreate, permission.CanEdit, permission.CanDelete}

const (
	methodRead = 0
	methodEdit = 2
)

// Entity is a part of a DAG to which Airflow gives access by itself.
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

func guard(method, at int) guards { return 1 << (method*len(guardian) + at) }

// needed are the global pairs of which a method on an entity needs all.
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
	// Global are the pairs that are of no DAG.
	Global map[permission.Pair]bool
	guards guards // those of the global pairs that guard something
	// Dags are the bits by DAG.
	Dags map[string]uint8
	// Some has the bits of methods on a DAG that hold for at least one DAG by name.
	Some uint8
}

// NewRights are none.
func NewRights() *Rights {
	return &Rights{Global: map[permission.Pair]bool{}, Dags: map[string]uint8{}}
}

// RightsOf are the rights that permissions give.
func RightsOf(ps []permission.Pair) *Rights {
	r := NewRights()
	for _, p := range ps {
		r.add(p)
	}
	return r
}

func (r *Rights) add(p permission.Pair) {
	method := slices.Index(methods[:], p.Action)
	if method >= 0 {
		if id, ok := strings.CutPrefix(p.Resource, permission.DagPrefix); ok {
			r.Dags[id] |= 1 << method
			r.Some |= 1 << method
			return
		}
		if id, ok := strings.CutPrefix(p.Resource, permission.RunPrefix); ok {
			r.Dags[id] |= 1 << (4 + method)
			return
		}
		if at := slices.Index(guardian[:], p.Resource); at >= 0 {
			r.guards |= guard(method, at)
		}
	}
	r.Global[p] = true
}

// Join adds the rights of another set on the given DAGs, and all of its global pairs.
func (r *Rights) Join(other *Rights, on map[string]bool) {
	for p := range other.Global {
		r.Global[p] = true
	}
	r.guards |= other.guards
	if len(on) < len(other.Dags) {
		for id := range on {
			r.Dags[id] |= other.Dags[id]
		}
		return
	}
	for id, bits := range other.Dags {
		if on[id] {
			r.Dags[id] |= bits
		}
	}
}

// Reach is what a flat permission set allows.
type Reach struct {
	global map[permission.Pair]bool
	dags   map[string]verbs
	noDag  verbs
}

// rules evaluate the rights on single DAGs under one set of global pairs.
type rules struct {
	model   v1alpha1.PermissionModel
	guards  guards
	guarded [4][entityCount]bool // by method and entity: the global pairs that guard it are there
	allDags [4]bool              // by method: the right on all DAGs is there
	known   map[uint8]verbs
}

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

// ReachOf evaluates rights on the given DAGs; r.Some counts those that are not evaluated, too. The DAG ""
// stands for all DAGs that no right names.
func ReachOf(model v1alpha1.PermissionModel, r *Rights, on map[string]bool) Reach {
	e := Reach{global: r.Global, dags: make(map[string]verbs, len(on)+1)}
	g := rulesOf(model, r.guards)
	for method := range methods {
		for entity := range entityCount {
			if g.withoutDag(method, entity, r) {
				e.noDag |= verb(method, entity)
			}
		}
	}
	e.dags[""] = g.on(0)
	for id := range on {
		e.dags[id] = g.on(r.Dags[id])
	}
	return e
}

// verb is the bit of a method and an entity.
func verb(method int, entity Entity) verbs { return 1 << (method*int(entityCount) + int(entity)) }

// withoutDag says whether something is allowed that names no DAG, such as a list over all DAGs.
func (g *rules) withoutDag(method int, entity Entity, r *Rights) bool {
	airflow2 := g.model == v1alpha1.PermissionModelAirflow2
	somewhere := g.allDags[method] || r.Some&(1<<method) != 0
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

// on is what the bits of one DAG allow together with the global pairs.
func (g *rules) on(bits uint8) verbs {
	v, known := g.known[bits]
	if !known {
		v = g.evaluate(bits)
		g.known[bits] = v
	}
	return v
}

func (g *rules) evaluate(bits uint8) verbs {
	var v verbs
	onDag := func(method int) bool { return g.allDags[method] || bits&(1<<method) != 0 }
	for method := range methods {
		if onDag(method) {
			v |= verb(method, EntityDag)
		}
		gate := methodEdit
		if method == methodRead {
			gate = methodRead
		}
		if !onDag(gate) {
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

// byRun says whether DAG Run:<id> stands for DAG Runs: on runs always, on task instances in Airflow 2 only.
func (g *rules) byRun(method int, entity Entity) bool {
	return entity == EntityRun ||
		entity == EntityTaskInstance && g.model == v1alpha1.PermissionModelAirflow2 && g.guarded[method][EntityTask]
}

// Within says whether everything that e allows is allowed by a or by b.
func (e Reach) Within(a, b Reach) bool {
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

// Covers says whether e allows everything that both a and b allow.
func (e Reach) Covers(a, b Reach) bool {
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
