package airflow

import (
	"context"
	"strings"
	"sync/atomic"
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

// CheckAccount says whether the account may do what is needed. Where it may
// not, the error is [IsForbidden] and [MissingPermissions] names what it lacks.
// It only reads: the rights to write are found in the roles of the account. On a
// server that cannot read users (see [Capabilities.Users]) rights to write are
// not looked at. Wrong credentials are [IsUnauthorized] on every generation.
func (c *Client) CheckAccount(ctx context.Context) error {
	var lacking []Permission
	server := c.server.Load()
	noUsers := server != nil && server.Capabilities.Users == Fails
	for _, probe := range []struct {
		permission Permission
		read       func() error
	}{
		{Permission{"can_read", "Roles"}, func() error { return probePage(ctx, c, listRoles) }},
		{Permission{"can_read", "Users"}, func() error {
			if noUsers {
				return nil
			}
			return probePage(ctx, c, listUsers)
		}},
		{Permission{"can_read", "DAGs"}, func() error { return probePage(ctx, c, listDags) }},
		{Permission{"can_read", "Providers"}, func() error { return probePage(ctx, c, listProviders) }},
	} {
		switch err := probe.read(); {
		case IsForbidden(err):
			lacking = append(lacking, probe.permission)
		case err != nil:
			return err
		}
	}
	if len(lacking) == 0 && !noUsers {
		held, err := c.accountPermissions(ctx)
		if err != nil {
			return err
		}
		for _, p := range AccountPermissions() {
			if !held[p] {
				lacking = append(lacking, p)
			}
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

func probePage[W, T any](ctx context.Context, c *Client, l listing[W, T]) error {
	_, _, err := l.readPage(ctx, c, new(atomic.Int64), 1, 0)
	return err
}

// accountPermissions joins the permissions of all roles of the account.
func (c *Client) accountPermissions(ctx context.Context) (map[Permission]bool, error) {
	account, err := c.account(ctx)
	if err != nil {
		return nil, err
	}
	held := map[Permission]bool{}
	for _, name := range account.Roles {
		role, err := c.Role(ctx, name)
		if IsNotFound(err) || IsInvalid(err) {
			continue // deleted meanwhile, or of a name that cannot be asked for
		}
		if err != nil {
			return nil, err
		}
		for _, p := range role.Permissions {
			held[p] = true
		}
	}
	return held, nil
}

// account reads the account's own user. People may log in by e-mail, too.
func (c *Client) account(ctx context.Context) (User, error) {
	login := c.tokens.username()
	user, err := c.User(ctx, login)
	if !IsNotFound(err) {
		return user, err
	}
	users, err := c.Users(ctx)
	if err != nil {
		return User{}, err
	}
	for _, u := range users.Items {
		if strings.EqualFold(u.Email, login) {
			return u, nil
		}
	}
	return User{}, &Error{Cause: CauseNotFound, Detail: "the account is not among Airflow's users"}
}

// Account reads the user that the credentials belong to.
func (c *Client) Account(ctx context.Context) (User, error) { return c.account(ctx) }
