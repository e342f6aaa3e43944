package airflow

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/internal/text"
)

// AccountPermissions are the permissions that the operator's own account
// needs, sorted: to manage roles, to read and write users, to read DAGs, and to
// know the provider's version. They are the same on every generation.
func AccountPermissions() []Permission {
	return SortPermissions([]Permission{
		{"can_read", "Roles"}, {"can_create", "Roles"}, {"can_edit", "Roles"}, {"can_delete", "Roles"},
		{"can_read", "Users"}, {"can_edit", "Users"},
		{"can_read", "DAGs"},
		{"can_read", "Providers"},
	})
}

// accountAPI are the calls about the operator's own account.
type accountAPI struct {
	*lists

	roles roleAPI
	users userAPI
}

// CheckAccount says whether the account may do what is needed. Where it may
// not, the error is [IsForbidden] and [MissingPermissions] names what it lacks.
// It only reads: the rights to write are found in the roles of the account. On a
// server that cannot read users (see [Capabilities.Users]) rights to write are
// not checked. Wrong credentials are [IsUnauthorized] on every generation.
func (a accountAPI) CheckAccount(ctx context.Context) error {
	readsUsers := a.capabilities().Users != Fails
	lacking, err := a.refusedLists(ctx, readsUsers)
	if err != nil {
		return err
	}
	if len(lacking) == 0 && readsUsers {
		if lacking, err = a.missingPermissions(ctx); err != nil {
			return err
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	lacking = SortPermissions(lacking)
	names := make([]string, 0, len(lacking))
	for _, p := range lacking {
		names = append(names, p.String())
	}
	return &Error{Cause: CauseForbidden, Detail: strings.Join(names, ", "), err: &missingError{permissions: lacking}}
}

// refusedLists asks for one item of each list that is needed, and returns the permissions of those that were refused. That
// Airflow fails to answer for one list says nothing about the account; it fails where none of them is answered.
func (a accountAPI) refusedLists(ctx context.Context, readsUsers bool) ([]Permission, error) {
	type probe struct {
		permission Permission
		read       func() error
	}
	probes := []probe{
		{Permission{"can_read", "Roles"}, func() error { return readOne(ctx, a.lists, listRoles) }},
		{Permission{"can_read", "DAGs"}, func() error { return readOne(ctx, a.lists, listDags) }},
		{Permission{"can_read", "Providers"}, func() error { return readOne(ctx, a.lists, listProviders) }},
	}
	if readsUsers {
		probes = append(probes, probe{Permission{"can_read", "Users"}, func() error { return readOne(ctx, a.lists, listUsers) }})
	}
	var (
		lacking  []Permission
		broken   error
		answered bool
	)
	for _, probe := range probes {
		switch err := probe.read(); {
		case err == nil:
			answered = true
		case IsForbidden(err):
			lacking, answered = append(lacking, probe.permission), true
		case failedByServer(err), IsProxy(err):
			broken = cmp.Or(broken, err)
		default:
			return nil, err
		}
	}
	if !answered {
		return nil, broken
	}
	return lacking, nil
}

// readOne reads one item of a list.
func readOne[W, T any](ctx context.Context, from *lists, l listing[W, T]) error {
	_, err := l.begin(from).page(ctx, 1, 0)
	return err
}

// missingPermissions compares what is needed with the permissions of all roles of the account.
func (a accountAPI) missingPermissions(ctx context.Context) ([]Permission, error) {
	account, err := a.Account(ctx)
	if err != nil {
		return nil, err
	}
	missing := AccountPermissions()
	for _, name := range account.Roles {
		role, err := a.roles.Role(ctx, name)
		switch {
		case IsNotFound(err), IsInvalid(err):
			continue // deleted meanwhile, or of a name that cannot be asked for
		case err != nil:
			return nil, err
		}
		missing = slices.DeleteFunc(missing, func(p Permission) bool { return slices.Contains(role.Permissions, p) })
	}
	return missing, nil
}

// Account reads the user that the credentials belong to. Users may log in by
// e-mail, too.
func (a accountAPI) Account(ctx context.Context) (User, error) {
	login := a.tokens.username()
	user, err := a.users.User(ctx, login)
	if !IsNotFound(err) {
		return user, err
	}
	users, err := a.users.Users(ctx)
	if err != nil {
		return User{}, err
	}
	for _, u := range users.Items {
		if text.Fold(u.Email) == text.Fold(login) {
			return u, nil
		}
	}
	return User{}, &Error{Cause: CauseNotFound, Detail: "the account is not among Airflow's users"}
}
