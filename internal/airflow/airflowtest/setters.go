package airflowtest

import (
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

// The methods below change the state past the API, as another writer or the
// server itself would. They panic where what they name does not exist: the test
// is wrong then.

// User is a user to be added.
type User struct {
	Username string
	// Email, First and Last are made from the username where they are empty.
	Email, First, Last string
	// Password is empty for people who log in elsewhere: they get no token.
	Password string
	Roles    []string
	Inactive bool
}

// Dag is a DAG.
type Dag struct {
	ID            string
	Tags, Owners  []string
	Bundle, Path  string
	Paused, Stale bool
	// Unparsed: it is in the list, but its permissions are not stored yet.
	Unparsed bool
	// AccessControl is the DAG's own, by role: actions on the DAG. Nil is none;
	// an empty map takes the DAG's permissions away from every role.
	AccessControl map[string][]string
}

func (s *Sim) outside(change func(t *tx)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s.begin(ByOutside, 0))
}

func (s *Sim) mustUser(name string) *user {
	u := s.store.userByName[strings.ToLower(name)]
	if u == nil {
		panic("airflowtest: no user " + name)
	}
	return u
}

func (s *Sim) mustRoles(names []string) []*role {
	var out []*role
	for _, name := range names {
		r := s.store.roleByName[name]
		if r == nil {
			panic("airflowtest: no role " + name)
		}
		out = append(out, r)
	}
	return out
}

// AddUser adds a user.
func (s *Sim) AddUser(u User) {
	fill := func(text, instead string) string {
		if text == "" {
			return instead
		}
		return text
	}
	s.outside(func(t *tx) {
		if s.store.userByName[strings.ToLower(u.Username)] != nil {
			panic("airflowtest: user exists: " + u.Username)
		}
		t.addUser(&user{
			username: u.Username, email: fill(u.Email, u.Username+"@example.com"),
			first: fill(u.First, u.Username), last: fill(u.Last, "Example"),
			password: u.Password, active: !u.Inactive, roles: s.mustRoles(u.Roles),
		})
	})
}

// RemoveUser deletes a user.
func (s *Sim) RemoveUser(username string) {
	s.outside(func(t *tx) { t.deleteUser(s.mustUser(username)) })
}

// SetUserRoles replaces a user's roles.
func (s *Sim) SetUserRoles(username string, roles ...string) {
	s.outside(func(t *tx) { t.setRoles(s.mustUser(username), s.mustRoles(roles)) })
}

// SetPassword changes a user's password.
func (s *Sim) SetPassword(username, password string) {
	s.outside(func(t *tx) { t.setUser(s.mustUser(username), func(u *user) { u.password = password }) })
}

// SetUsername gives a user another name.
func (s *Sim) SetUsername(username, name string) {
	s.outside(func(t *tx) { t.setUser(s.mustUser(username), func(u *user) { u.username = name }) })
}

// SetEmail changes a user's e-mail address.
func (s *Sim) SetEmail(username, email string) {
	s.outside(func(t *tx) { t.setUser(s.mustUser(username), func(u *user) { u.email = email }) })
}

// SetActive switches a user on or off.
func (s *Sim) SetActive(username string, active bool) {
	s.outside(func(t *tx) { t.setUser(s.mustUser(username), func(u *user) { u.active = active }) })
}

// SetRole makes a role or replaces its permissions. Pairs that are not stored
// are made.
func (s *Sim) SetRole(name string, permissions ...airflow.Permission) {
	s.outside(func(t *tx) {
		if r := s.store.roleByName[name]; r != nil {
			t.setPermissions(r, permissions)
		} else {
			t.addRole(name, permissions)
		}
	})
}

// DeleteRole deletes a role, and takes it off its holders.
func (s *Sim) DeleteRole(name string) {
	s.outside(func(t *tx) { t.deleteRole(s.mustRoles([]string{name})[0]) })
}

// RenameRole renames a role.
func (s *Sim) RenameRole(name, newName string) {
	s.outside(func(t *tx) { t.renameRole(s.mustRoles([]string{name})[0], newName) })
}

// AddToEveryRole adds a permission to every role but Admin and Public, as
// Airflow does with (can_read, Website) when it starts.
func (s *Sim) AddToEveryRole(p airflow.Permission) {
	s.outside(func(t *tx) {
		for _, r := range s.store.roles {
			if r.name != "Admin" && r.name != "Public" {
				t.setPermissions(r, append(slices.Clone(r.permissions), p))
			}
		}
	})
}

// SetDag adds a DAG or replaces it, and parses it unless it is Unparsed.
func (s *Sim) SetDag(d Dag) {
	s.outside(func(t *tx) {
		t.by = ByParsing
		t.putDag(d)
		t.parse(d)
	})
}

// BreakDag makes the file of a DAG one that cannot be parsed, or one that can be
// again. As in Airflow, a DAG with a broken file is stale at once, which only lists
// that ask for stale ones show; its runs go on, and its permissions, tags, owners
// and path stay as they were.
func (s *Sim) BreakDag(id string, broken bool) {
	s.outside(func(t *tx) {
		t.by = ByParsing
		d := s.store.dagByID[id]
		if d == nil {
			panic("airflowtest: no DAG " + id)
		}
		changed := *d
		changed.Stale = broken
		t.putDag(changed)
		t.parse(changed)
	})
}

// RemoveDag deletes a DAG. Its permissions stay, as in Airflow.
func (s *Sim) RemoveDag(id string) {
	s.outside(func(t *tx) {
		if s.store.dagByID[id] == nil {
			panic("airflowtest: no DAG " + id)
		}
		t.removeDag(id)
	})
}

// Parse parses all DAGs once more: permissions of those that are not Unparsed
// are made, and each AccessControl takes effect again; on Airflow 2 it does with
// a change of the DAG only, which is [Sim.SetDag].
func (s *Sim) Parse() {
	s.outside(func(t *tx) {
		t.by = ByParsing
		for _, d := range s.store.dags {
			again := *d
			if s.generation.two() {
				again.AccessControl = nil
			}
			t.parse(again)
		}
	})
}

// parse does what the DAG processor does to permissions.
func (t *tx) parse(d Dag) {
	if d.Unparsed || d.Stale {
		return
	}
	dag, run := "DAG:"+d.ID, "DAG Run:"+d.ID
	for _, action := range []string{"can_read", "can_edit", "can_delete"} {
		t.addPair(airflow.Permission{Action: action, Resource: dag})
	}
	for _, action := range []string{"can_read", "can_create", "can_delete", "menu_access"} {
		t.addPair(airflow.Permission{Action: action, Resource: run})
	}
	if d.AccessControl == nil {
		return
	}
	for _, r := range t.s.store.roles {
		listed := d.AccessControl[r.name]
		permissions := slices.Clone(r.permissions)
		if r.name != "Admin" {
			permissions = slices.DeleteFunc(permissions, func(p airflow.Permission) bool {
				return p.Resource == run || p.Resource == dag && !slices.Contains(listed, p.Action)
			})
		}
		for _, action := range listed {
			permissions = append(permissions, airflow.Permission{Action: action, Resource: dag})
		}
		t.setPermissions(r, permissions)
	}
}

// Roles gives all roles as stored, oldest first.
func (s *Sim) Roles() []airflow.Role {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []airflow.Role
	for _, r := range s.store.roles {
		out = append(out, airflow.Role{Name: r.name, Permissions: r.permissions})
	}
	return out
}

// Role gives one role as stored.
func (s *Sim) Role(name string) (airflow.Role, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := s.store.roleByName[name]
	if r == nil {
		return airflow.Role{}, false
	}
	return airflow.Role{Name: r.name, Permissions: r.permissions}, true
}

// UserRoles gives the names of a user's roles as stored, sorted; false where
// there is no such user.
func (s *Sim) UserRoles(username string) ([]string, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	u := s.store.userByName[strings.ToLower(username)]
	if u == nil {
		return nil, false
	}
	return sorted(roleNames(u.roles)), true
}

// Holders gives the usernames of those who hold a role, sorted.
func (s *Sim) Holders(name string) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []string
	for _, u := range s.store.users {
		if slices.ContainsFunc(u.roles, func(r *role) bool { return r.name == name }) {
			out = append(out, u.username)
		}
	}
	return sorted(out)
}

// LogIn is a login by a way in which Airflow overwrites the roles of the user
// with those that the identity provider tells (AUTH_ROLES_SYNC_AT_LOGIN):
// the roles are replaced, and the time of the last login moves.
func (s *Sim) LogIn(username string, roles ...string) {
	s.outside(func(t *tx) {
		u := s.mustUser(username)
		u.lastLogin, u.logins, u.failLogins = s.clock.Now(), u.logins+1, 0
		t.setRoles(u, s.mustRoles(roles))
	})
}
