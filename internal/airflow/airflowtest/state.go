package airflowtest

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

// Slices in roles, users and DAGs are never changed in place: a new one is put
// in their stead. So they can be kept by the history and read without a lock.

type role struct {
	id          int
	name        string
	permissions []airflow.Permission // sorted
	past        []roleAt
}

type roleAt struct {
	seq         int
	permissions []airflow.Permission
}

type user struct {
	id         int
	username   string
	email      string
	first      string
	last       string
	password   string
	active     bool
	roles      []*role // by id
	created    time.Time
	changed    time.Time
	lastLogin  time.Time
	logins     int
	failLogins int
	past       []userAt
}

type userAt struct {
	seq    int
	exists bool
	roles  []*role
}

type store struct {
	nextID     int
	roles      []*role // by id
	roleByName map[string]*role
	users      []*user          // by id
	userByName map[string]*user // lower case
	userByID   map[int]*user
	everByName map[string][]*user // lower case; deleted ones, too
	dags       []*Dag             // by id
	dagByID    map[string]*Dag
	pairs      []airflow.Permission // by id
	pairKnown  map[airflow.Permission]bool
	actions    map[string]bool
	resources  map[string]bool
	runs       map[string][]string // by DAG
	runsEver   int
}

func newStore() *store {
	return &store{
		roleByName: map[string]*role{}, userByName: map[string]*user{}, userByID: map[int]*user{},
		everByName: map[string][]*user{}, dagByID: map[string]*Dag{}, pairKnown: map[airflow.Permission]bool{},
		actions: map[string]bool{}, resources: map[string]bool{}, runs: map[string][]string{},
	}
}

// roleNames gives the names of roles in the order they have.
func roleNames(roles []*role) []string {
	out := make([]string, 0, len(roles))
	for _, r := range roles {
		out = append(out, r.name)
	}
	return out
}

// tx is one change of state by one actor. The simulator's lock is held from its
// beginning to its end.
type tx struct {
	s       *Sim
	by      string
	request int
	half    bool // stop in the middle of what takes several commits
	undo    []func()
	first   int // number of changes before
}

func (s *Sim) begin(by string, request int) *tx {
	return &tx{s: s, by: by, request: request, first: len(s.changes)}
}

// rollback makes as if nothing had happened.
func (t *tx) rollback() {
	for _, f := range slices.Backward(t.undo) {
		f()
	}
	t.undo = nil
	t.s.changes = t.s.changes[:t.first]
}

func (t *tx) log(c Change) int {
	c.Seq, c.At, c.By, c.Request = len(t.s.changes)+1, t.s.clock.Now(), t.by, t.request
	t.s.changes = append(t.s.changes, c)
	return c.Seq
}

func (t *tx) addRole(name string, permissions []airflow.Permission) *role {
	st := t.s.store
	st.nextID++
	r := &role{id: st.nextID, name: name}
	st.roles = append(st.roles, r)
	st.roleByName[name] = r
	t.undo = append(t.undo, func() {
		st.roles = st.roles[:len(st.roles)-1]
		delete(st.roleByName, name)
	})
	t.log(Change{Kind: RoleCreated, Role: name})
	t.setPermissions(r, permissions)
	return r
}

func (t *tx) setPermissions(r *role, permissions []airflow.Permission) {
	permissions = airflow.SortPermissions(permissions)
	if t.half {
		permissions = halfWay(r.permissions, permissions)
	}
	for _, p := range permissions {
		t.addPair(p)
	}
	if slices.Equal(r.permissions, permissions) {
		return
	}
	before := r.permissions
	r.permissions = permissions
	seq := t.log(Change{Kind: RolePermissions, Role: r.name, PermissionsBefore: before, PermissionsAfter: permissions})
	r.past = append(r.past, roleAt{seq: seq, permissions: permissions})
	t.undo = append(t.undo, func() {
		r.permissions = before
		r.past = r.past[:len(r.past)-1]
	})
}

// halfWay gives what is stored when a change stops in its middle: half of what
// was to be added, and nothing removed. Airflow adds before it removes.
func halfWay(from, to []airflow.Permission) []airflow.Permission {
	var added []airflow.Permission
	for _, p := range to {
		if _, has := slices.BinarySearchFunc(from, p, airflow.Permission.Compare); !has {
			added = append(added, p)
		}
	}
	return airflow.SortPermissions(slices.Concat(from, added[:len(added)/2]))
}

func (t *tx) addPair(p airflow.Permission) {
	st := t.s.store
	if st.pairKnown[p] {
		return
	}
	hadAction, hadResource := st.actions[p.Action], st.resources[p.Resource]
	st.pairs = append(st.pairs, p)
	st.pairKnown[p], st.actions[p.Action], st.resources[p.Resource] = true, true, true
	t.undo = append(t.undo, func() {
		st.pairs = st.pairs[:len(st.pairs)-1]
		delete(st.pairKnown, p)
		if !hadAction {
			delete(st.actions, p.Action)
		}
		if !hadResource {
			delete(st.resources, p.Resource)
		}
	})
}

func (t *tx) renameRole(r *role, name string) {
	st, before := t.s.store, r.name
	delete(st.roleByName, before)
	st.roleByName[name] = r
	r.name = name
	t.log(Change{Kind: RoleRenamed, Role: before, NewName: name})
	t.undo = append(t.undo, func() {
		delete(st.roleByName, name)
		st.roleByName[before] = r
		r.name = before
	})
}

func (t *tx) deleteRole(r *role) {
	st := t.s.store
	for _, u := range st.users {
		if slices.Contains(u.roles, r) {
			t.setRoles(u, slices.DeleteFunc(slices.Clone(u.roles), func(x *role) bool { return x == r }))
		}
	}
	at, _ := slices.BinarySearchFunc(st.roles, r.id, func(x *role, id int) int { return cmp.Compare(x.id, id) })
	st.roles = slices.Delete(slices.Clone(st.roles), at, at+1)
	delete(st.roleByName, r.name)
	t.log(Change{Kind: RoleDeleted, Role: r.name, PermissionsBefore: r.permissions})
	t.undo = append(t.undo, func() {
		st.roles = slices.Insert(slices.Clone(st.roles), at, r)
		st.roleByName[r.name] = r
	})
}

func (t *tx) addUser(u *user) {
	st := t.s.store
	st.nextID++
	u.id = st.nextID
	u.created, u.changed = t.s.clock.Now(), t.s.clock.Now()
	key := strings.ToLower(u.username)
	roles := u.roles
	u.roles = nil
	st.users = append(st.users, u)
	st.userByName[key], st.userByID[u.id] = u, u
	st.everByName[key] = append(st.everByName[key], u)
	t.undo = append(t.undo, func() {
		st.users = st.users[:len(st.users)-1]
		delete(st.userByName, key)
		delete(st.userByID, u.id)
		st.everByName[key] = st.everByName[key][:len(st.everByName[key])-1]
	})
	seq := t.log(Change{Kind: UserCreated, User: u.username})
	u.past = append(u.past, userAt{seq: seq, exists: true})
	t.setRoles(u, roles)
}

func (t *tx) setRoles(u *user, roles []*role) {
	roles = slices.Clone(roles)
	slices.SortFunc(roles, func(a, b *role) int { return cmp.Compare(a.id, b.id) })
	roles = slices.Compact(roles)
	if slices.Equal(u.roles, roles) {
		return
	}
	before := u.roles
	u.roles = roles
	seq := t.log(Change{Kind: UserRoles, User: u.username, RolesBefore: sorted(roleNames(before)), RolesAfter: sorted(roleNames(roles))})
	u.past = append(u.past, userAt{seq: seq, exists: true, roles: roles})
	t.undo = append(t.undo, func() {
		u.roles = before
		u.past = u.past[:len(u.past)-1]
	})
}

func (t *tx) deleteUser(u *user) {
	st, key := t.s.store, strings.ToLower(u.username)
	at, _ := slices.BinarySearchFunc(st.users, u.id, func(x *user, id int) int { return cmp.Compare(x.id, id) })
	st.users = slices.Delete(slices.Clone(st.users), at, at+1)
	delete(st.userByName, key)
	delete(st.userByID, u.id)
	seq := t.log(Change{Kind: UserDeleted, User: u.username, RolesBefore: sorted(roleNames(u.roles))})
	u.past = append(u.past, userAt{seq: seq})
	t.undo = append(t.undo, func() {
		st.users = slices.Insert(slices.Clone(st.users), at, u)
		st.userByName[key], st.userByID[u.id] = u, u
		u.past = u.past[:len(u.past)-1]
	})
}

// setUser changes the other fields of a user.
func (t *tx) setUser(u *user, change func(*user)) {
	before := *u
	change(u)
	key, newKey := strings.ToLower(before.username), strings.ToLower(u.username)
	st := t.s.store
	if key != newKey {
		delete(st.userByName, key)
		st.userByName[newKey] = u
		st.everByName[newKey] = append(st.everByName[newKey], u)
	}
	u.changed = t.s.clock.Now()
	t.log(Change{Kind: UserEdited, User: before.username})
	t.undo = append(t.undo, func() {
		u.username, u.email, u.first, u.last, u.password, u.active, u.changed =
			before.username, before.email, before.first, before.last, before.password, before.active, before.changed
		if key != newKey {
			delete(st.userByName, newKey)
			st.userByName[key] = u
			st.everByName[newKey] = st.everByName[newKey][:len(st.everByName[newKey])-1]
		}
	})
}

func sorted(names []string) []string {
	slices.Sort(names)
	return names
}

func (t *tx) putDag(d Dag) {
	st := t.s.store
	before := st.dagByID[d.ID]
	kind := DagChanged
	at, found := slices.BinarySearchFunc(st.dags, d.ID, func(x *Dag, id string) int { return strings.Compare(x.ID, id) })
	dags := slices.Clone(st.dags)
	if found {
		dags[at] = &d
	} else {
		kind = DagAdded
		dags = slices.Insert(dags, at, &d)
	}
	all := st.dags
	st.dags, st.dagByID[d.ID] = dags, &d
	t.log(Change{Kind: kind, Dag: d.ID})
	t.undo = append(t.undo, func() {
		st.dags = all
		if before == nil {
			delete(st.dagByID, d.ID)
		} else {
			st.dagByID[d.ID] = before
		}
	})
}

func (t *tx) removeDag(id string) {
	st := t.s.store
	before, all := st.dagByID[id], st.dags
	st.dags = slices.DeleteFunc(slices.Clone(st.dags), func(d *Dag) bool { return d.ID == id })
	delete(st.dagByID, id)
	t.log(Change{Kind: DagRemoved, Dag: id})
	t.undo = append(t.undo, func() { st.dags, st.dagByID[id] = all, before })
}

func (t *tx) addRun(dag string) string {
	st := t.s.store
	st.runsEver++
	run := "manual__" + t.s.clock.Now().UTC().Format(time.RFC3339Nano) + "_" + itoa(st.runsEver)
	before := st.runs[dag]
	st.runs[dag] = append(slices.Clone(before), run)
	t.log(Change{Kind: RunTriggered, Dag: dag, User: t.by})
	t.undo = append(t.undo, func() { st.runs[dag] = before })
	return run
}
