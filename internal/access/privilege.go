package access

import (
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// This file computes what people can do only because of roles that meet: Airflow joins the permissions of all roles of
// a user, so that a right on a DAG from one role meets a global right from another.

// Effect is what a set of permissions lets a user do, by Airflow's own algorithm of a permission model.
type Effect struct {
	rules  *rules
	rights *privilege.Rights
}

// Effective evaluates permissions; the empty model is that of Airflow 3. The permissions are those of all roles of the
// user together, in any order.
func Effective(model v1alpha1.PermissionModel, ps []permission.Pair) Effect {
	r := privilege.RightsOf(ps)
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
	return e.rules.on(e.rights.dags[dag])&verb(method, entity) != 0
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

// excess is what users with the same roles can do although nothing gives it by itself: neither one managed role nor all
// foreign roles together. It is sorted by DAG.
type excess []overlap

// overlap is the excess on one DAG; the DAG "" stands for all DAGs that no role names.
type overlap struct {
	dag   string
	verbs verbs
	// roles hold a part of what it takes, sorted.
	roles []string
}

// judge computes excess, once for every set of roles.
type judge struct {
	model  v1alpha1.PermissionModel
	rights func(role string) *privilege.Rights
	sets   map[string]*privilege.Excess
	groups map[string]*unit // foreign roles together
	units  map[string]*unit // managed roles
}

// unit is what was given as one thing.
type unit struct {
	roles  []string
	rights *privilege.Rights
	rules  *rules
}

func newJudge(model v1alpha1.PermissionModel, rights func(role string) *privilege.Rights) *judge {
	return &judge{model: model, rights: rights, sets: map[string]*privilege.Excess{}, groups: map[string]*unit{}, units: map[string]*unit{}}
}

// judge gives the excess of users who have these foreign and managed roles, both sorted; nil where there is none. Equal
// roles give the same pointer.
func (j *judge) judge(foreign, managed []string) *privilege.Excess {
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

func (j *judge) compute(foreign, managed []string) excess {
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
	var out excess
	look := func(dag string) {
		if seen[dag] {
			return
		}
		seen[dag] = true
		var bits uint8
		var given verbs
		for _, u := range units {
			own := u.rights.dags[dag]
			bits |= own
			given |= u.rules.on(own)
		}
		if over := joined.on(bits) &^ given & usable; over != 0 {
			out = append(out, overlap{dag: dag, verbs: over, roles: j.parts(units, dag, over)})
		}
	}
	look("")
	for _, u := range units {
		for dag := range u.rights.dags {
			look(dag)
		}
	}
	slices.SortFunc(out, func(a, b overlap) int { return strings.Compare(a.dag, b.dag) })
	return out
}

func (j *judge) alone(role string) *unit {
	u := j.units[role]
	if u == nil {
		r := j.rights(role)
		u = &unit{roles: []string{role}, rights: r, rules: rulesOf(j.model, r.guards)}
		j.units[role] = u
	}
	return u
}

func (j *judge) together(roles []string) *unit {
	key := strings.Join(roles, "\n")
	u := j.groups[key]
	if u == nil {
		r := privilege.NewRights()
		for _, role := range roles {
			part := j.rights(role)
			r.guards |= part.guards
			for dag, bits := range part.Dags {
				r.dags[dag] |= bits
			}
		}
		u = &unit{roles: roles, rights: r, rules: rulesOf(j.model, r.guards)}
		j.groups[key] = u
	}
	return u
}

// parts are the roles that hold something of what the verbs on a DAG take.
func (j *judge) parts(units []*unit, dag string, over verbs) []string {
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
			if r := j.rights(role); r.dags[dag]&bits != 0 || r.guards&global != 0 {
				out = append(out, role)
			}
		}
	}
	return sortedSet(out)
}

// by is the part of the excess in which a role has a part.
func (e excess) by(role string) excess {
	var out excess
	for _, o := range e {
		if _, found := slices.BinarySearch(o.roles, role); found {
			out = append(out, o)
		}
	}
	return out
}

// holdings are the roles of users in the end: managed ones as desired, foreign ones as observed.
type holdings struct {
	in      *Input
	d       *Desired
	managed map[string]bool
	cached  map[string]*privilege.Rights
}

func newHoldings(in *Input, d *Desired) *holdings {
	h := &holdings{in: in, d: d, managed: make(map[string]bool, len(d.Roles)+len(d.Doomed)), cached: map[string]*privilege.Rights{}}
	for name := range d.Roles {
		h.managed[name] = rolename.Manageable(name)
	}
	for _, name := range d.Doomed {
		h.managed[name] = rolename.Manageable(name)
	}
	return h
}

// rights are what a role holds in the end.
func (h *holdings) rights(role string) *privilege.Rights {
	r := h.cached[role]
	if r != nil {
		return r
	}
	desired, managed := h.d.Roles[role]
	if h.managed[role] && managed && desired.Giving.All() {
		r = privilege.RightsOf(desired.Permissions)
	} else {
		r = privilege.RightsOf(h.in.Observed.Roles[role])
	}
	h.cached[role] = r
	return r
}

// foreign are the roles of a user that are not ours, sorted.
func (h *holdings) foreign(u *User) []string {
	var out []string
	for _, role := range u.Roles {
		if !h.managed[role] {
			out = append(out, role)
		}
	}
	return sortedSet(out)
}

// gives says whether a role will be with a user who should have it: a frozen one is given to nobody new.
func (h *holdings) gives(u *User, role string) bool {
	desired, managed := h.d.Roles[role]
	return managed && h.managed[role] && (desired.Giving.All() || slices.Contains(u.Roles, role))
}
