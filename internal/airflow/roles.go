package airflow

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/airflow-oam/airflow-oam/internal/text"
)

type nameWire struct {
	Name string `json:"name"`
}

type pairWire struct {
	Action   nameWire `json:"action"`
	Resource nameWire `json:"resource"`
}

type roleWire struct {
	Name    string           `json:"name"`
	Actions *inner[pairWire] `json:"actions"`
}

type rolesWire struct {
	Roles *elements[roleWire] `json:"roles"`
	Total *int                `json:"total_entries"`
}

type permissionsWire struct {
	Actions *elements[pairWire] `json:"actions"`
	Total   *int                `json:"total_entries"`
}

var (
	errNoList = errors.New("the answer holds no list")
	errNoName = errors.New("the answer holds something without a name")
	errOther  = errors.New("the answer is about something else")

	errAlike = errors.New("the answer is about a name that differs in case or accents")
)

func fromPairs(pairs []pairWire) ([]Permission, error) {
	out := make([]Permission, 0, len(pairs))
	for _, p := range pairs {
		if p.Action.Name == "" || p.Resource.Name == "" {
			return nil, errNoName
		}
		out = append(out, Permission{Action: p.Action.Name, Resource: p.Resource.Name})
	}
	return out, nil
}

func (w roleWire) role() (Role, error) {
	if w.Name == "" || w.Actions == nil {
		return Role{}, errNoName
	}
	permissions, err := fromPairs(*w.Actions)
	return Role{Name: w.Name, Permissions: SortPermissions(permissions)}, err
}

func toWire(role Role) (roleWire, error) {
	if err := checkName("role", role.Name); err != nil {
		return roleWire{}, err
	}
	pairs := make(inner[pairWire], 0, len(role.Permissions))
	for _, p := range SortPermissions(role.Permissions) {
		if p.Action == "" || p.Resource == "" {
			return roleWire{}, invalid("a permission of the role has no action or no resource")
		}
		pairs = append(pairs, pairWire{Action: nameWire{p.Action}, Resource: nameWire{p.Resource}})
	}
	return roleWire{Name: role.Name, Actions: &pairs}, nil
}

var listRoles = listing[rolesWire, Role]{
	name:     "roles",
	endpoint: func(d *dialect) string { return d.roles }, orderBy: "role_id",
	parse: func(w rolesWire) ([]Role, *int, error) {
		if w.Roles == nil {
			return nil, nil, errNoList
		}
		out := make([]Role, 0, len(*w.Roles))
		for _, r := range *w.Roles {
			role, err := r.role()
			if err != nil {
				return nil, nil, err
			}
			out = append(out, role)
		}
		return out, w.Total, nil
	},
	key: func(r Role) string { return r.Name },
}

var listPermissions = listing[permissionsWire, Permission]{
	name:     "permissions",
	endpoint: func(d *dialect) string { return d.permissions }, orderBy: "id",
	parse: func(w permissionsWire) ([]Permission, *int, error) {
		if w.Actions == nil {
			return nil, nil, errNoList
		}
		out, err := fromPairs(*w.Actions)
		return out, w.Total, err
	},
	key: func(p Permission) string { return p.Action + "\x00" + p.Resource },
}

// roleAPI are the calls about roles and their permissions.
type roleAPI struct{ *lists }

// Roles reads all roles with their permissions, oldest first.
func (a roleAPI) Roles(ctx context.Context) (List[Role], error) { return listRoles.read(ctx, a.lists) }

// Permissions reads every pair that Airflow has stored, DAG:<id> included. A
// resource that none of them names is unknown to Airflow; a pair of a known
// action and a known resource is made where a role needs it. A server that does
// not list pairs is not asked: it fails with [IsUnsupported]. Which those are
// says [Capabilities.PermissionList] of the last [Client.Discover].
func (a roleAPI) Permissions(ctx context.Context) (List[Permission], error) {
	d, err := a.speak(ctx)
	if err != nil {
		return List[Permission]{}, err
	}
	if d == airflow2 || a.capabilities().PermissionList == PermissionListNone {
		return List[Permission]{}, &Error{Cause: CauseUnsupported, Detail: "this Airflow does not list pairs of permissions"}
	}
	return listPermissions.read(ctx, a.lists)
}

// Role reads one role. The name is exact, also where Airflow's database regards
// names as equal that differ in case or accents: such a role is not found.
func (a roleAPI) Role(ctx context.Context, name string) (Role, error) {
	if err := checkName("role", name); err != nil {
		return Role{}, err
	}
	d, err := a.speak(ctx)
	if err != nil {
		return Role{}, err
	}
	r := request{method: http.MethodGet, endpoint: d.role(), path: d.rolePath(name)}
	role, err := a.roleCall(ctx, r, name)
	return role, r.another(err)
}

// otherName is the error of an answer about another name than the one that was
// asked for.
func otherName(got, asked string) error {
	if alike(got, asked) {
		return errAlike
	}
	return errOther
}

// alike says whether a database may regard two names as the same: they differ in
// case, in accents of Latin letters, or in spaces at the end.
func alike(a, b string) bool {
	x, y := []rune(text.Fold(strings.TrimRight(a, " "))), []rune(text.Fold(strings.TrimRight(b, " ")))
	return slices.EqualFunc(x, y, func(p, q rune) bool {
		if p == q || max(p, q) <= unicode.MaxASCII {
			return p == q
		}
		return unicode.Is(unicode.Latin, p) && unicode.Is(unicode.Latin, q)
	})
}

// CreateRole makes a role and returns it as Airflow shows it in its answer;
// of an Airflow 2, whose answer is empty, the name alone. It fails with [IsConflict] where the name is taken, and with [UnknownResource]
// where Airflow does not know a resource; then nothing was made.
func (a roleAPI) CreateRole(ctx context.Context, role Role) (Role, error) {
	body, err := toWire(role)
	if err != nil {
		return Role{}, err
	}
	d, err := a.speak(ctx)
	if err != nil {
		return Role{}, err
	}
	r := request{method: http.MethodPost, endpoint: d.roles, path: d.roles, body: body, pairs: len(*body.Actions)}
	if d.silentCreate {
		made := Role{Name: role.Name}
		return a.grown(made, a.call(ctx, r, nil))
	}
	return a.grown(a.roleCall(ctx, r, role.Name))
}

// grown notes that a role was made.
func (a roleAPI) grown(role Role, err error) (Role, error) {
	if err != nil {
		return Role{}, err
	}
	a.extents.grow(listRoles.name, 1)
	return role, nil
}

// UpdateRole replaces the permissions of a role, or adds to them, or is refused:
// see [Capabilities.RoleUpdate]. before is how many the role had when it was last
// read: removing costs time, too. The answer may echo the request and proves
// nothing; read the role again. An unknown resource changes
// nothing and fails with [UnknownResource].
func (a roleAPI) UpdateRole(ctx context.Context, role Role, before int) (Role, error) {
	body, err := toWire(role)
	if err != nil {
		return Role{}, err
	}
	d, err := a.speak(ctx)
	if err != nil {
		return Role{}, err
	}
	return a.roleCall(ctx, request{
		method: http.MethodPatch, endpoint: d.role(), path: d.rolePath(role.Name),
		query: map[string][]string{"update_mask": {"actions"}}, body: body, pairs: len(*body.Actions) + max(0, before),
	}, role.Name)
}

// DeleteRole deletes a role; Airflow removes it from all users.
func (a roleAPI) DeleteRole(ctx context.Context, name string) error {
	if err := checkName("role", name); err != nil {
		return err
	}
	d, err := a.speak(ctx)
	if err != nil {
		return err
	}
	err = a.call(ctx, request{method: http.MethodDelete, endpoint: d.role(), path: d.rolePath(name)}, nil)
	if err == nil {
		a.extents.grow(listRoles.name, -1)
	}
	return err
}

func (a roleAPI) roleCall(ctx context.Context, r request, name string) (Role, error) {
	var (
		answer roleWire
		role   Role
	)
	r.check = func() (err error) {
		if role, err = answer.role(); err == nil && role.Name != name {
			err = otherName(role.Name, name)
		}
		return err
	}
	if err := a.call(ctx, r, &answer); err != nil {
		return Role{}, err
	}
	return role, nil
}
