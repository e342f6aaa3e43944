package faults_test

import (
	"slices"
	"strings"
	"time"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

// past is what happened in Airflow, put in order for the checks.
type past struct {
	changes []airflowtest.Change
	// takings are what others took from people that they had by roles of ours.
	takings []taking
	// roles are what each person held, by the lower case of the name.
	roles map[string][]rolesAt
}

// taking is what others took from a person at a moment.
type taking struct {
	seq    int
	at     time.Time
	person string // empty: who holds the role, or comes to it later
	role   string
	// permissions that went; nil: all, since the person is not the same any more.
	permissions []airflow.Permission
}

// rolesAt is what a person holds from a change on; nobody has that name where exists is false.
type rolesAt struct {
	seq    int
	exists bool
	roles  []string
	// ours says that the operator's account made the change.
	ours bool
}

// lookBack puts in order what happened.
func (w *world) lookBack() *past {
	p := &past{changes: w.sim.Changes(nil), roles: map[string][]rolesAt{}}
	content := map[string][]airflow.Permission{}
	for _, c := range p.changes {
		if c.By != airflowtest.AdminUsername {
			p.takings = append(p.takings, w.taken(content, c)...)
		}
		p.follow(content, c)
	}
	return p
}

// follow keeps what roles hold and who holds them up to date.
func (p *past) follow(content map[string][]airflow.Permission, c airflowtest.Change) {
	person := strings.ToLower(c.User)
	put := func(name string, v rolesAt) {
		v.seq, v.ours = c.Seq, c.By == airflowtest.AdminUsername
		p.roles[name] = append(p.roles[name], v)
	}
	switch c.Kind {
	case airflowtest.RolePermissions:
		content[c.Role] = c.PermissionsAfter
	case airflowtest.RoleDeleted:
		delete(content, c.Role)
	case airflowtest.RoleRenamed:
		content[c.NewName] = content[c.Role]
		delete(content, c.Role)
		for _, holder := range p.holders(c.Role) {
			roles := slices.DeleteFunc(slices.Clone(p.newest(holder).roles), func(name string) bool { return name == c.Role })
			put(holder, rolesAt{exists: true, roles: append(roles, c.NewName)})
		}
	case airflowtest.UserCreated:
		put(person, rolesAt{exists: true})
	case airflowtest.UserRoles:
		put(person, rolesAt{exists: true, roles: c.RolesAfter})
	case airflowtest.UserDeleted:
		put(person, rolesAt{})
	case airflowtest.RoleCreated, airflowtest.UserEdited, airflowtest.DagAdded, airflowtest.DagChanged, airflowtest.DagRemoved, airflowtest.RunTriggered:
	}
}

// taken gives what a change of others takes from people that roles of ours gave them, or will.
func (w *world) taken(content map[string][]airflow.Permission, c airflowtest.Change) []taking {
	out := taking{seq: c.Seq, at: c.At, permissions: []airflow.Permission{}}
	switch c.Kind {
	case airflowtest.UserRoles:
		out.person = c.User
		for _, role := range c.RolesBefore {
			if w.ours(role) && !slices.Contains(c.RolesAfter, role) {
				out.permissions = append(out.permissions, content[role]...)
			}
		}
	case airflowtest.UserDeleted, airflowtest.UserEdited:
		out.person, out.permissions = c.User, nil
	case airflowtest.RolePermissions:
		out.role, out.permissions = c.Role, without(c.PermissionsBefore, c.PermissionsAfter)
	case airflowtest.RoleRenamed:
		out.role, out.permissions = c.Role, content[c.Role]
	case airflowtest.RoleCreated, airflowtest.RoleDeleted, airflowtest.UserCreated, airflowtest.DagAdded, airflowtest.DagChanged,
		airflowtest.DagRemoved, airflowtest.RunTriggered: // a role that is deleted was taken off its holders before
	}
	if out.permissions != nil && len(out.permissions) == 0 || out.role != "" && !w.ours(out.role) {
		return nil
	}
	return []taking{out}
}

// reaches says whether what was taken was of a person, before a change.
func (p *past) reaches(t taking, person string, before int) bool {
	if t.role == "" {
		return sameName(t.person, person)
	}
	return slices.Contains(p.at(person, t.seq-1).roles, t.role) || slices.ContainsFunc(p.roles[strings.ToLower(person)], func(v rolesAt) bool {
		return v.seq > t.seq && v.seq < before && slices.Contains(v.roles, t.role)
	})
}

// holders are those who hold a role at present.
func (p *past) holders(role string) (out []string) {
	for _, name := range sortedKeys(p.roles) {
		if slices.Contains(p.newest(name).roles, role) {
			out = append(out, name)
		}
	}
	return out
}

func (p *past) newest(person string) rolesAt { return p.at(person, len(p.changes)) }

// at gives what a person held after a change.
func (p *past) at(person string, seq int) rolesAt {
	for _, v := range slices.Backward(p.roles[strings.ToLower(person)]) {
		if v.seq <= seq {
			return v
		}
	}
	return rolesAt{}
}

// without gives the permissions that are not among others.
func without(permissions, others []airflow.Permission) []airflow.Permission {
	return slices.DeleteFunc(slices.Clone(permissions), func(p airflow.Permission) bool { return slices.Contains(others, p) })
}

// robbed says whether others took from a person, after a quiet moment or so shortly before it that nobody need have found
// it, what a cause needs for a question. What the cause should give may rest on another one alone then.
func (w *world) robbed(person string, c cause, q airflowtest.Check, since quiet, before int) bool {
	return slices.ContainsFunc(w.past.takings, func(t taking) bool {
		if t.seq >= before || !w.past.reaches(t, person, before) {
			return false
		}
		if t.seq <= since.seq && w.facts.bound(t.at, t.at.Add(interval), byOthers).Before(since.at) {
			return false
		}
		return t.permissions == nil || !w.allows(without(c.permissions, t.permissions), q)
	})
}

// existed says whether a DAG was there at a moment of the history.
func (w *world) existed(dag string, seq int) bool {
	there := dag == ""
	for _, c := range w.past.changes {
		if c.Dag == dag && c.Seq <= seq && dag != "" {
			there = there && c.Kind != airflowtest.DagRemoved || c.Kind == airflowtest.DagAdded
		}
	}
	return there
}

// readingAge is how old a reading may be that the operator acts on.
const readingAge = 2 * time.Second

// showed says whether a DAG was there at a change of the history, and for so long that a reading of the list before it
// had to show it.
func (w *world) showed(dag string, change airflowtest.Change) bool {
	return w.existed(dag, change.Seq) && !slices.ContainsFunc(w.past.changes, func(c airflowtest.Change) bool {
		return c.Dag == dag && c.Kind == airflowtest.DagAdded && c.Seq < change.Seq && change.At.Sub(c.At) < readingAge
	})
}

// steady says whether a DAG was there at a quiet moment, and has been for so long that it must be known.
func (w *world) steady(dag string, at quiet) bool {
	if dag == "" {
		return true
	}
	unknown := func(c airflowtest.Change) bool {
		return c.Dag == dag && c.Seq <= at.seq && c.Kind != airflowtest.RunTriggered && !w.facts.bound(c.At, c.At.Add(dagInterval), byOthers).Before(at.at)
	}
	return w.existed(dag, at.seq) && !slices.ContainsFunc(w.past.changes, unknown) && w.parsed(dag, at.at)
}
