package access

import (
	"fmt"
	"strings"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// Directory finds users by name and e-mail without regard to case, as Airflow does.
type Directory struct {
	users   []User
	names   map[string][]int
	emails  map[string][]int
	account string
}

// NewDirectory indexes users. The account is the operator's own, which is nobody's subject.
func NewDirectory(users []User, account string) *Directory {
	d := &Directory{
		users: users, account: text.Fold(account),
		names: make(map[string][]int, len(users)), emails: make(map[string][]int, len(users)),
	}
	for i := range users {
		name, email := text.Fold(users[i].Username), text.Fold(users[i].Email)
		d.names[name] = append(d.names[name], i)
		if isAddress(email) {
			d.emails[email] = append(d.emails[email], i)
		}
	}
	return d
}

// isAddress reports whether a folded e-mail is that of a user: not empty, and no placeholder.
func isAddress(email string) bool { return email != "" && !text.Placeholder(email) }

// ResolveSubject finds the one stored user whom a subject means. The problem is UserNotFound, SubjectAmbiguous,
// SubjectReserved or SubjectNotAddressable. Use a Directory for many subjects.
func ResolveSubject(s v1alpha1.Subject, users []User, account string) (User, *Problem) {
	return NewDirectory(users, account).Resolve(s)
}

// Addressable is the problem of a subject that is named by a user name which Airflow's API cannot address; nil where there
// is none. It needs no knowledge of the users.
func Addressable(s v1alpha1.Subject) *Problem { return addressable(s.Username) }

func addressable(username string) *Problem {
	why := text.Unaddressable(username)
	if username == "" || why == "" {
		return nil
	}
	return &Problem{v1alpha1.ReasonSubjectNotAddressable, fmt.Sprintf("Airflow's API cannot address users whose name %s: user %s can be granted nothing", why, text.Quoted(username))}
}

// Resolve finds the one stored user whom a subject means; see ResolveSubject.
func (d *Directory) Resolve(s v1alpha1.Subject) (User, *Problem) {
	found, what := d.names[text.Fold(s.Username)], "user "+text.Quoted(s.Username)
	if s.Username == "" {
		found, what = d.emails[text.Fold(s.Email)], "a user with the e-mail "+text.Quoted(s.Email)
	}
	if s.Username != "" && d.IsAccount(s.Username) {
		return User{}, d.reserved(what)
	}
	if problem := addressable(s.Username); problem != nil {
		return User{}, problem
	}
	switch {
	case len(found) == 0 || s.Username == "" && s.Email == "":
		return User{}, &Problem{v1alpha1.ReasonUserNotFound, fmt.Sprintf("Airflow has no %s yet: waiting for a first login or for the account to be made", strings.TrimPrefix(what, "a "))}
	case len(found) > 1:
		return User{}, &Problem{v1alpha1.ReasonSubjectAmbiguous, fmt.Sprintf("%d users in Airflow match %s without regard to case: remove or rename all but one", len(found), what)}
	}
	user := d.users[found[0]]
	if problem := addressable(user.Username); problem != nil {
		return User{}, problem
	}
	switch {
	case d.IsAccount(user.Username):
		return User{}, d.reserved(what)
	case len(d.names[text.Fold(user.Username)]) > 1:
		return User{}, &Problem{v1alpha1.ReasonSubjectAmbiguous, fmt.Sprintf("the user name of %s exists in Airflow in more than one spelling: remove or rename all but one", what)}
	}
	return user, nil
}

// IsAccount reports whether a user name is that of the operator's own account.
func (d *Directory) IsAccount(username string) bool {
	return d.account != "" && text.Fold(username) == d.account
}

func (d *Directory) reserved(what string) *Problem {
	return &Problem{v1alpha1.ReasonSubjectReserved, what + " is the operator's own account in Airflow, which is never given anything: name somebody else"}
}

// Persons finds the user of a grant, also under another name.
type Persons struct{ byName, byBirth map[string][]string }

// NewPersons indexes users.
func NewPersons(users []User) Persons {
	p := Persons{byName: make(map[string][]string, len(users)), byBirth: map[string][]string{}}
	for i := range users {
		u := &users[i]
		p.byName[text.Fold(u.Username)] = append(p.byName[text.Fold(u.Username)], u.Username)
		if u.CreatedOn != "" {
			p.byBirth[u.CreatedOn] = append(p.byBirth[u.CreatedOn], u.Username)
		}
	}
	return p
}

// of are the names, as Airflow stores them, of those who may be the user whom a grant pinned: everybody of that name in
// any case, else everybody who was made at the same moment and may have been renamed.
func (p Persons) Of(pinned *v1alpha1.GrantInstance) []string {
	if found := p.byName[text.Fold(pinned.Username)]; len(found) > 0 {
		return found
	}
	return p.byBirth[pinned.UserCreatedOn]
}
