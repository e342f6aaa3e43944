package actuator

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/dag"
	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// snapshot is what was read of one Airflow, with the moment of each reading. It changes only by reading.
type snapshot struct {
	roles map[string][]permission.Pair
	users map[string]stored // by folded username
	dags  map[string]listed
	// twins are users whose names differ from that of another one in case alone, by folded username.
	twins map[string][]access.User

	// order holds folded usernames in the order of Airflow's list, and index their places: which page to ask for.
	order []string
	index map[string]int

	rolesAt, usersAt, dagsAt time.Time
	dagLists                 int

	sorted *access.Observed // nil after a change
}

// stored is a user as the planner and as the client know it. A reading proves what was so after at, when it was asked
// for; how fresh it is counts from when the answer came.
type stored struct {
	user     access.User
	wire     airflow.User
	at, came time.Time
}

// listed is a DAG and how many complete lists in a row lacked it.
type listed struct {
	dag    dag.Dag
	misses int
}

func newSnapshot() *snapshot {
	return &snapshot{
		roles: map[string][]permission.Pair{}, users: map[string]stored{},
		dags: map[string]listed{}, index: map[string]int{}, twins: map[string][]access.User{},
	}
}

func permissions(in []airflow.Permission) []permission.Pair {
	out := make([]permission.Pair, len(in))
	for i, p := range in {
		out[i] = permission.Pair{Action: p.Action, Resource: p.Resource}
	}
	slices.SortFunc(out, permission.Compare) // what is compared again and again is sorted once
	return out
}

func role(name string, in []permission.Pair) airflow.Role {
	out := airflow.Role{Name: name, Permissions: make([]airflow.Permission, len(in))}
	for i, p := range in {
		out.Permissions[i] = airflow.Permission{Action: p.Action, Resource: p.Resource}
	}
	return out
}

func user(u airflow.User) access.User {
	return access.User{
		Username: u.Username, Email: u.Email, CreatedOn: u.CreatedOn, LastLogin: u.LastLogin,
		Roles: slices.Clone(u.Roles),
	}
}

// setRoles replaces all roles. Names that an incomplete list lacks are kept.
func (s *snapshot) setRoles(list airflow.List[airflow.Role], at time.Time) {
	if list.Complete {
		s.roles = make(map[string][]permission.Pair, len(list.Items))
		s.rolesAt = at
	}
	for _, r := range list.Items {
		s.roles[r.Name] = permissions(r.Permissions)
	}
	s.sorted = nil
}

func (s *snapshot) setRole(r airflow.Role) {
	s.roles[r.Name] = permissions(r.Permissions)
	s.sorted = nil
}

// dropRole forgets a role that is gone, and with it its place in users' lists: Airflow does the same.
func (s *snapshot) dropRole(name string) {
	if _, ok := s.roles[name]; !ok {
		return
	}
	delete(s.roles, name)
	for key, st := range s.users {
		st.user.Roles = less(st.user.Roles, name)
		s.users[key] = st
	}
	for _, twins := range s.twins {
		for i := range twins {
			twins[i].Roles = less(twins[i].Roles, name)
		}
	}
	s.sorted = nil
}

// less gives sorted names without one.
func less(names []string, name string) []string {
	if i, ok := slices.BinarySearch(names, name); ok {
		return slices.Delete(slices.Clone(names), i, i+1)
	}
	return names
}

// setUsers replaces all users but those who were read by themselves after the list was begun. Names that an incomplete
// list lacks are kept.
func (s *snapshot) setUsers(list airflow.List[airflow.User], at, came time.Time) {
	later := maps.Clone(s.users)
	maps.DeleteFunc(later, func(_ string, st stored) bool { return !st.at.After(at) })
	if list.Complete {
		s.users = make(map[string]stored, len(list.Items))
		s.usersAt = at
	}
	clear(s.twins)
	s.order = make([]string, 0, len(list.Items))
	s.index = make(map[string]int, len(list.Items))
	for i, u := range list.Items {
		key := text.Fold(u.Username)
		s.order = append(s.order, key)
		if _, twice := s.index[key]; twice {
			s.twins[key] = append(s.twins[key], user(u))
			continue
		}
		s.users[key] = stored{user: user(u), wire: u, at: at, came: came}
		s.index[key] = i
	}
	maps.Copy(s.users, later)
	s.sorted = nil
}

func (s *snapshot) setUser(u airflow.User, at, came time.Time) {
	key := text.Fold(u.Username)
	s.sorted = nil
	for i, twin := range s.twins[key] {
		if twin.Username == u.Username {
			s.twins[key][i] = user(u)
			return
		}
	}
	s.users[key] = stored{user: user(u), wire: u, at: at, came: came}
	if _, ok := s.index[key]; !ok && !s.usersAt.IsZero() {
		s.index[key] = len(s.order)
		s.order = append(s.order, key)
	}
}

func (s *snapshot) dropUser(username string) {
	delete(s.users, text.Fold(username))
	s.sorted = nil
}

// setDags takes in a DAG list. A DAG is gone only after two complete lists lacked it.
func (s *snapshot) setDags(list airflow.List[airflow.Dag], at time.Time) {
	seen := make(map[string]bool, len(list.Items))
	for _, d := range list.Items {
		if d.Stale {
			continue
		}
		seen[d.ID] = true
		s.dags[d.ID] = listed{dag: dag.Dag{ID: d.ID, Tags: d.Tags, Owners: d.Owners, Bundle: d.Bundle, Path: d.Path}}
	}
	if list.Complete {
		s.dagLists++
		s.dagsAt = at
		for id, l := range s.dags {
			if seen[id] {
				continue
			}
			if l.misses++; l.misses > 1 {
				delete(s.dags, id)
			} else {
				s.dags[id] = l
			}
		}
	}
	s.sorted = nil
}

// complete says whether everything was read at least once.
func (s *snapshot) complete() bool {
	return !s.rolesAt.IsZero() && !s.usersAt.IsZero() && !s.dagsAt.IsZero()
}

// observed gives the snapshot as the planner reads it. The value is shared and never changed.
func (s *snapshot) observed() access.Observed {
	if s.sorted == nil {
		o := access.Observed{Roles: maps.Clone(s.roles)}
		o.Users = make([]access.User, 0, len(s.users))
		for _, st := range s.users {
			o.Users = append(o.Users, st.user)
		}
		for _, twins := range s.twins {
			o.Users = append(o.Users, twins...)
		}
		slices.SortFunc(o.Users, func(a, b access.User) int { return strings.Compare(a.Username, b.Username) })
		o.Dags = make([]dag.Dag, 0, len(s.dags))
		for _, l := range s.dags {
			o.Dags = append(o.Dags, l.dag)
		}
		slices.SortFunc(o.Dags, func(a, b dag.Dag) int { return strings.Compare(a.ID, b.ID) })
		s.sorted = &o
	}
	return *s.sorted
}
