package actuator

import (
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/dag"
	"github.com/airflow-oam/airflow-oam/internal/permission"
)

// list is one of Airflow's lists.
type list string

// The lists that a snapshot rests on.
const (
	listRoles list = "roles"
	listUsers list = "users"
	listDags  list = "DAGs"
)

// snapshot is what was read of one Airflow, with the moment of each reading. It changes only by reading, and is not locked:
// the reader that holds it is.
type snapshot struct {
	users roster
	roles map[string][]permission.Pair
	dags  *dag.Catalog

	rolesAt time.Time // of the last complete list

	// unknownDags are DAGs that are no resource yet, and unknownResources others that Airflow said not to know.
	unknownDags, unknownResources map[string]bool

	fresh sets.Set[list] // lists that were read in this pass

	// unread are lists that could not be read when they were tried last, and why; failed are those that were tried in this pass.
	unread map[list]error
	failed sets.Set[list]
	// unreadRoles are roles that could not be read by name in this pass, and why.
	unreadRoles map[string]error

	sorted *access.Observed // nil after a change
}

// newSnapshot makes a snapshot of nothing.
func newSnapshot() *snapshot {
	return &snapshot{
		users: newRoster(), roles: map[string][]permission.Pair{}, dags: dag.NewCatalog(),
		unknownDags: map[string]bool{}, unknownResources: map[string]bool{}, fresh: sets.New[list](),
		unread: map[list]error{}, failed: sets.New[list](), unreadRoles: map[string]error{},
	}
}

// begin forgets what is known of the pass before alone.
func (s *snapshot) begin() {
	s.fresh.Clear()
	s.failed.Clear()
	clear(s.unreadRoles)
	s.users.begin()
}

// complete reports whether roles and users were read at least once. Without the DAG list, roles say what policies cover.
func (s *snapshot) complete() bool {
	return !slices.ContainsFunc([]time.Time{s.rolesAt, s.users.listedAt}, time.Time.IsZero)
}

// missing are the lists that were never read whole, but for those that could not be read when they were tried last.
func (s *snapshot) missing() sets.Set[list] {
	out := sets.New[list]()
	_, dagsAt, _ := s.dags.Lists()
	for which, at := range map[list]time.Time{listRoles: s.rolesAt, listUsers: s.users.listedAt, listDags: dagsAt} {
		if at.IsZero() && s.unread[which] == nil {
			out.Insert(which)
		}
	}
	return out
}

// dagList is what is known of the DAG list.
func (s *snapshot) dagList() access.DagList {
	_, at, count := s.dags.Lists()
	switch {
	case at.IsZero():
		return access.DagListUnread
	case s.unread[listDags] != nil:
		return access.DagListOld
	case count < 2:
		return access.DagListFirst
	}
	return access.DagListKnown
}

// listErrors are the lists that could not be read when they were tried last, by name.
func (s *snapshot) listErrors() []*ListError {
	var out []*ListError
	for _, which := range slices.Sorted(maps.Keys(s.unread)) {
		out = append(out, &ListError{list: which, err: s.unread[which]})
	}
	return out
}

// noteList notes whether a list could be read.
func (s *snapshot) noteList(which list, err error) {
	if err == nil {
		delete(s.unread, which)
		return
	}
	if which == listDags {
		s.dags.Interrupt()
	}
	s.unread[which] = err
	s.failed.Insert(which)
}

// oldest is the moment of the oldest reading that the snapshot rests on; zero until it is complete.
func (s *snapshot) oldest() time.Time {
	switch {
	case !s.complete():
		return time.Time{}
	case s.users.listedAt.Before(s.rolesAt):
		return s.users.listedAt
	}
	return s.rolesAt
}

// setRoles takes in the role list. Names that an incomplete list lacks are kept; users lose those that a complete one lacks:
// Airflow has removed them from their lists.
func (s *snapshot) setRoles(list airflow.List[airflow.Role], at time.Time) {
	before := s.roles
	if list.Complete {
		s.roles = make(map[string][]permission.Pair, len(list.Items))
		s.rolesAt = at
		s.fresh.Insert(listRoles)
	} else {
		s.fresh.Delete(listRoles)
	}
	for _, r := range list.Items {
		s.roles[r.Name] = permissions(r.Permissions)
	}
	for name := range before {
		if _, still := s.roles[name]; !still {
			s.users.dropRole(name)
		}
	}
	s.sorted = nil
}

// setRole takes in one role.
func (s *snapshot) setRole(r airflow.Role) {
	s.roles[r.Name] = permissions(r.Permissions)
	delete(s.unreadRoles, r.Name)
	s.sorted = nil
}

// dropRole forgets a role that is gone, also in users' lists: Airflow does the same.
func (s *snapshot) dropRole(name string) {
	delete(s.unreadRoles, name)
	if _, known := s.roles[name]; !known {
		return
	}
	delete(s.roles, name)
	s.users.dropRole(name)
	s.sorted = nil
}

// setUsers takes in the user list; see roster.setAll.
func (s *snapshot) setUsers(list airflow.List[airflow.User], at, came time.Time) {
	s.users.setAll(list, at, came)
	s.fresh.Insert(listUsers)
	s.sorted = nil
}

// setDags takes in a DAG list; see dag.Catalog.
func (s *snapshot) setDags(list airflow.List[airflow.Dag], at time.Time) {
	s.fresh.Insert(listDags)
	s.sorted = nil
	var live, stale []dag.Dag
	for _, d := range list.Items {
		row := dag.Dag{ID: d.ID, Tags: d.Tags, Owners: d.Owners, Bundle: d.Bundle, Path: d.Path}
		if d.Stale {
			stale = append(stale, row)
		} else {
			live = append(live, row)
		}
	}
	s.dags.Set(live, stale, list.Complete, at)
}

// isNews reports whether it was not known that Airflow does not know a resource. One that some role stores is known, whatever
// Airflow said: believed, that would revoke it everywhere.
func (s *snapshot) isNews(resource string) bool {
	if id, ok := permission.DagOf(resource); ok {
		return !s.unknownDags[id]
	}
	for _, pairs := range s.roles {
		if slices.ContainsFunc(pairs, func(pair permission.Pair) bool { return pair.Resource == resource }) {
			return false
		}
	}
	return !s.unknownResources[resource]
}

// learnUnknown notes a resource that Airflow does not know.
func (s *snapshot) learnUnknown(resource string) {
	if id, ok := permission.DagOf(resource); ok {
		s.unknownDags[id] = true
		return
	}
	s.unknownResources[resource] = true
}

// learnKnown notes that of the listed DAGs only those are resources that the permission list has.
func (s *snapshot) learnKnown(pairs []airflow.Permission) {
	known := sets.New[string]()
	for _, pair := range pairs {
		if id, ok := permission.DagOf(pair.Resource); ok {
			known.Insert(id)
		}
	}
	for _, id := range s.dags.Besides(known) {
		s.unknownDags[id] = true
	}
}

// observed gives the snapshot as the planner reads it. The value is shared and never changed.
func (s *snapshot) observed() access.Observed {
	if s.sorted == nil || s.users.changed {
		o := access.Observed{Roles: maps.Clone(s.roles), Users: s.users.sorted()}
		o.Dags, o.Away = s.dags.List()
		o.ListedFrom, o.ListedAt, _ = s.dags.Lists()
		s.sorted = &o
	}
	return *s.sorted
}

// permissions are pairs of the client as the planner reads them, sorted.
func permissions(in []airflow.Permission) []permission.Pair {
	out := make([]permission.Pair, len(in))
	for i, p := range in {
		out[i] = permission.Pair{Action: p.Action, Resource: p.Resource}
	}
	slices.SortFunc(out, permission.Compare) // what is compared again and again is sorted once
	return out
}

// role is a role as the client writes it.
func role(name string, in []permission.Pair) airflow.Role {
	out := airflow.Role{Name: name, Permissions: make([]airflow.Permission, len(in))}
	for i, p := range in {
		out.Permissions[i] = airflow.Permission{Action: p.Action, Resource: p.Resource}
	}
	return out
}
