package airflow

import (
	"cmp"
	"context"
	"net/http"

	"github.com/airflow-oam/airflow-oam/internal/text"
)

type userWire struct {
	Username  string          `json:"username"`
	Email     string          `json:"email"`
	FirstName string          `json:"first_name"`
	LastName  string          `json:"last_name"`
	Active    *bool           `json:"active"`
	Roles     inner[nameWire] `json:"roles"`
	CreatedOn string          `json:"created_on"`
	ChangedOn string          `json:"changed_on"`
	LastLogin string          `json:"last_login"`
}

type usersWire struct {
	Users *elements[userWire] `json:"users"`
	Total *int                `json:"total_entries"`
}

type userRolesBody struct {
	Roles []nameWire `json:"roles"`
}

// wholeUserBody is what an Airflow 2 wants to see, although only the roles are
// to be changed.
type wholeUserBody struct {
	Username  string     `json:"username"`
	Email     string     `json:"email"`
	FirstName string     `json:"first_name"`
	LastName  string     `json:"last_name"`
	Roles     []nameWire `json:"roles"`
}

// noEmail stands for an address that is empty, which an Airflow 2 refuses. The
// mask keeps it from being stored.
const noEmail = "-"

func (w userWire) user() (User, error) {
	if w.Username == "" {
		return User{}, errNoName
	}
	roles := make([]string, 0, len(w.Roles))
	for _, r := range w.Roles {
		if r.Name == "" {
			return User{}, errNoName
		}
		roles = append(roles, r.Name)
	}
	return User{
		Username: w.Username, Email: w.Email, FirstName: w.FirstName, LastName: w.LastName,
		Active: w.Active != nil && *w.Active, Roles: sortedNames(roles),
		CreatedOn: w.CreatedOn, ChangedOn: w.ChangedOn, LastLogin: w.LastLogin,
	}, nil
}

var listUsers = listing[usersWire, User]{
	name:     "users",
	endpoint: func(d *dialect) string { return d.users }, orderBy: "id",
	parse: func(w usersWire) ([]User, *int, error) {
		if w.Users == nil {
			return nil, nil, errNoList
		}
		out := make([]User, 0, len(*w.Users))
		for _, u := range *w.Users {
			user, err := u.user()
			if err != nil {
				return nil, nil, err
			}
			out = append(out, user)
		}
		return out, w.Total, nil
	},
	key: func(u User) string { return u.Username },
}

// PageSize is how many items Airflow returns in one answer at most.
const PageSize = pageSize

// userAPI are the calls about users and the roles that they have.
type userAPI struct{ *lists }

// Users reads all users, oldest first.
func (u userAPI) Users(ctx context.Context) (List[User], error) { return listUsers.read(ctx, u.lists) }

// UsersPage reads users, oldest first, from offset on: at most limit of them, and at most [PageSize]. The page may have
// shifted since another answer was read: find users by name, and read those that are missing one by one.
func (u userAPI) UsersPage(ctx context.Context, offset, limit int) ([]User, error) {
	page, err := listUsers.begin(u.lists).page(ctx, min(limit, pageSize), offset)
	return page.items, err
}

// User reads one user. Airflow matches the name case-insensitively; the answer
// holds it as stored. Databases may match more than that, such as names that
// differ in accents: such a user is not found.
func (u userAPI) User(ctx context.Context, username string) (User, error) {
	if err := checkName("user", username); err != nil {
		return User{}, err
	}
	d, err := u.speak(ctx)
	if err != nil {
		return User{}, err
	}
	r := request{method: http.MethodGet, endpoint: d.user(), path: d.userPath(username)}
	user, err := u.userCall(ctx, r, username)
	return user, r.another(err)
}

// SetUserRoles replaces all roles of a user as it was read; an empty list removes
// every role. Airflow has no precondition: read the user right before, keep
// what is not yours, and read again after. It fails with [UnknownRoles] where a role
// does not exist, and with [IsUnavailable] where another writer was in the way;
// then read and write again.
func (u userAPI) SetUserRoles(ctx context.Context, user User, roles []string) (User, error) {
	if err := checkName("user", user.Username); err != nil {
		return User{}, err
	}
	d, err := u.speak(ctx)
	if err != nil {
		return User{}, err
	}
	names := []nameWire{}
	for _, name := range sortedNames(roles) {
		if name == "" {
			return User{}, invalid("a role's name is empty")
		}
		names = append(names, nameWire{name})
	}
	var body any = userRolesBody{names}
	if d.wholeUser {
		body = wholeUserBody{user.Username, cmp.Or(user.Email, noEmail), user.FirstName, user.LastName, names}
	}
	return u.userCall(ctx, request{
		method: http.MethodPatch, endpoint: d.user(), path: d.userPath(user.Username),
		query: map[string][]string{"update_mask": {"roles"}}, body: body,
	}, user.Username)
}

func (u userAPI) userCall(ctx context.Context, r request, username string) (User, error) {
	var (
		answer userWire
		user   User
	)
	r.check = func() (err error) {
		if user, err = answer.user(); err == nil && text.Fold(user.Username) != text.Fold(username) {
			err = otherName(user.Username, username)
		}
		return err
	}
	if err := u.call(ctx, r, &answer); err != nil {
		return User{}, err
	}
	return user, nil
}
