package access

import "strings"

// This file is Airflow's authorization algorithm of fab 2.4.2 and later. Airflow joins the permissions of all roles of
// a user into one flat set, so that what a role lets people do depends on their other roles, foreign ones included.

// verbs is a set of (method, entity) pairs that are allowed on one DAG, or without naming a DAG: bit
// method*entityCount+entity.
type verbs uint64

// methods in the order of their bits, by the action that allows them.
var methods = [4]string{canRead, canCreate, canEdit, canDelete}

const (
	methodRead = 0
	methodEdit = 2

	entityCount = 12
	entityNone  = 0
	entityRun   = 1
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
	// readsAny is true when some DAG may be read by name.
	readsAny bool
}

func rightsOf(ps []Permission) *rights {
	r := &rights{global: map[Permission]bool{}, dags: map[string]uint8{}}
	for _, p := range ps {
		r.add(p)
	}
	return r
}

func (r *rights) add(p Permission) {
	if ignored(p) {
		return
	}
	for method, action := range methods {
		if p.Action != action {
			continue
		}
		if id, ok := strings.CutPrefix(p.Resource, dagPrefix); ok {
			r.dags[id] |= 1 << method
			r.readsAny = r.readsAny || method == methodRead
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

// effectOf evaluates rights on the given DAGs; readsAny counts those that are not evaluated, too. The DAG "" stands for all DAGs that no right names.
func effectOf(r *rights, on map[string]bool) effect {
	e := effect{global: r.global, dags: make(map[string]verbs, len(on)+1)}
	var guarded [4][entityCount]bool
	var allDags [4]bool
	for method, action := range methods {
		allDags[method] = r.global[Permission{action, "DAGs"}]
		for entity, resources := range entities {
			guarded[method][entity] = true
			for _, resource := range resources {
				guarded[method][entity] = guarded[method][entity] && r.global[Permission{action, resource}]
			}
		}
	}
	for method := range methods {
		for entity := range entities {
			allowed := guarded[method][entity]
			switch {
			case method == methodRead:
				allowed = allowed && (allDags[methodRead] || r.readsAny)
			case entity == entityNone:
				allowed = allDags[method]
			}
			if allowed {
				e.noDag |= 1 << (method*entityCount + entity)
			}
		}
	}
	e.dags[""] = verbsOn(0, &guarded, &allDags)
	for id := range on {
		e.dags[id] = verbsOn(r.dags[id], &guarded, &allDags)
	}
	return e
}

// verbsOn is what the bits of one DAG allow together with the global pairs.
func verbsOn(bits uint8, guarded *[4][entityCount]bool, allDags *[4]bool) verbs {
	var v verbs
	onDag := func(method int) bool { return allDags[method] || bits&(1<<method) != 0 }
	for method := range methods {
		if onDag(method) {
			v |= 1 << (method * entityCount)
		}
		gate := methodEdit
		if method == methodRead {
			gate = methodRead
		}
		if !onDag(gate) {
			continue
		}
		for entity := 1; entity < entityCount; entity++ {
			if guarded[method][entity] || entity == entityRun && bits&(1<<(4+method)) != 0 {
				v |= 1 << (method*entityCount + entity)
			}
		}
	}
	return v
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
