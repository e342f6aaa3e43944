package airflowtest

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"
)

type userBody struct {
	Username   string  `json:"username"`
	Email      string  `json:"email"`
	First      string  `json:"first_name"`
	Last       string  `json:"last_name"`
	Roles      []named `json:"roles"`
	Active     bool    `json:"active"`
	LastLogin  *string `json:"last_login"`
	Logins     *int    `json:"login_count"`
	FailLogins *int    `json:"fail_login_count"`
	Created    *string `json:"created_on"`
	Changed    *string `json:"changed_on"`
}

// stamp writes a time without its zone, as Airflow's users carry it.
func stamp(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := t.UTC().Format("2006-01-02T15:04:05.000000")
	text = strings.TrimSuffix(text, ".000000")
	return &text
}

func userOut(u *user) userBody {
	roles := []named{}
	for _, r := range u.roles {
		roles = append(roles, named{r.name})
	}
	out := userBody{
		Username: u.username, Email: u.email, First: u.first, Last: u.last, Roles: roles, Active: u.active,
		LastLogin: stamp(u.lastLogin), Created: stamp(u.created), Changed: stamp(u.changed),
	}
	if u.logins > 0 || u.failLogins > 0 {
		logins, fails := u.logins, u.failLogins
		out.Logins, out.FailLogins = &logins, &fails
	}
	return out
}

func userMissing(name string) *response {
	return detail(http.StatusNotFound, "The User with username `"+name+"` was not found")
}

func (s *Sim) getUsers(in *incoming) *response {
	limit, offset, refusal := s.window(in.URL.Query(), true)
	if refusal != nil {
		return refusal
	}
	key, descending, refusal := s.ordering(in.URL.Query(), "id", s.generation.userKeys()...)
	if refusal != nil {
		return refusal
	}
	all := s.store.users
	by := map[string]func(*user) string{
		"first_name": func(u *user) string { return u.first },
		"last_name":  func(u *user) string { return u.last },
		"username":   func(u *user) string { return u.username },
		"email":      func(u *user) string { return u.email },
	}[key]
	if by != nil || descending {
		all = slices.Clone(all)
		if by != nil {
			slices.SortStableFunc(all, func(a, b *user) int { return cmp.Compare(by(a), by(b)) })
		}
		if descending {
			slices.Reverse(all)
		}
	}
	out := []userBody{}
	for _, u := range cut(all, limit, offset) {
		out = append(out, userOut(u))
	}
	return ok(map[string]any{"users": out, "total_entries": len(all)})
}

func (s *Sim) getUser(in *incoming) *response {
	u := s.store.userByName[strings.ToLower(in.args["username"])]
	if u == nil {
		return userMissing(in.args["username"])
	}
	return ok(userOut(u))
}

var userFields = []string{"username", "email", "first_name", "last_name", "roles", "password"}

// readUser reads the texts of a user's body; those not sent stay empty.
// Airflow 2 wants all but the password even where nothing of them is to be
// changed; the name of a person may be empty.
func (s *Sim) readUser(f fields, required bool) (u user, refusal *response) {
	two := s.generation.two()
	for name, into := range map[string]*string{
		"username": &u.username, "email": &u.email, "first_name": &u.first, "last_name": &u.last, "password": &u.password,
	} {
		switch {
		case two && (name == "first_name" || name == "last_name") && string(f[name]) == `""`:
			continue
		case two:
			required = name != "password"
		}
		if refusal := f.text(name, required, into); refusal != nil {
			return u, refusal
		}
	}
	return u, nil
}

// readRoles reads the roles of a user's body. sent is false where there are none.
func (s *Sim) readRoles(f fields) (roles []*role, sent bool, refusal *response) {
	if f["roles"] == nil || f.null("roles") && !s.generation.two() {
		return nil, false, nil
	}
	items, refusal := f.list("roles")
	if refusal != nil {
		return nil, false, refusal
	}
	var unknown []string
	twice := false
	for i, item := range items {
		var n named
		if refusal := item.readName(&n, "body", "roles", i); refusal != nil {
			return nil, false, refusal
		}
		r := s.store.roleByName[n.Name]
		switch {
		case r == nil:
			unknown = append(unknown, quote(n.Name))
		case slices.Contains(roles, r):
			twice = true
		default:
			roles = append(roles, r)
		}
	}
	if unknown != nil {
		return nil, false, detail(http.StatusBadRequest, "Unknown roles: "+strings.Join(unknown, ", "))
	}
	if twice && s.generation.two() {
		return nil, false, nil // it fails to store them, and does not say so
	}
	return roles, true, nil
}

func (s *Sim) emailTaken(email string) bool {
	return slices.ContainsFunc(s.store.users, func(u *user) bool { return u.email == email })
}

func (s *Sim) postUser(in *incoming) *response {
	f, refusal := readFields(in.body, userFields...)
	if refusal != nil {
		return refusal
	}
	u, refusal := s.readUser(f, true)
	if refusal != nil {
		return refusal
	}
	if s.store.userByName[strings.ToLower(u.username)] != nil {
		return detail(http.StatusConflict, "Username `"+u.username+"` already exists. Use PATCH to update.")
	}
	if s.emailTaken(u.email) {
		return detail(http.StatusConflict, "The email `"+u.email+"` is already taken.")
	}
	roles, sent, refusal := s.readRoles(f)
	switch {
	case refusal != nil:
		return refusal
	case s.generation.two() && f["roles"] != nil && !sent: // one of them twice
		return detail(http.StatusInternalServerError, "Failed to add user `"+u.username+"`.")
	}
	if len(roles) == 0 && s.generation.two() {
		roles = []*role{s.store.roleByName["Public"]} // AUTH_USER_REGISTRATION_ROLE
	}
	if len(roles) == 0 {
		return detail(http.StatusInternalServerError, "Default registration role is not configured or not found.")
	}
	u.roles, u.active = roles, true
	in.tx.addUser(&u)
	return ok(userOut(&u))
}

func (s *Sim) patchUser(in *incoming) *response {
	f, refusal := readFields(in.body, userFields...)
	if refusal != nil {
		return refusal
	}
	sent, refusal := s.readUser(f, false)
	if refusal != nil {
		return refusal
	}
	name := in.args["username"]
	u := s.store.userByName[strings.ToLower(name)]
	if u == nil {
		return userMissing(name)
	}
	if refusal := s.userTaken(name, u, sent); refusal != nil {
		return refusal
	}
	mask, refusal := userMask(in, func(name string) bool { return !s.generation.two() || f[name] != nil })
	if refusal != nil {
		return refusal
	}
	if mask["roles"] {
		roles, set, refusal := s.readRoles(f)
		if refusal != nil {
			return refusal
		}
		if set {
			in.tx.setRoles(u, roles)
		}
	}
	if edited := sent.over(*u, mask); edited.texts() != u.texts() {
		in.tx.setUser(u, func(u *user) {
			u.username, u.email, u.first, u.last, u.password = edited.username, edited.email, edited.first, edited.last, edited.password
		})
	}
	return ok(userOut(u))
}

// userTaken refuses a name or an e-mail address that another user has.
func (s *Sim) userTaken(name string, u *user, sent user) *response {
	if sent.username != "" && sent.username != name && s.store.userByName[strings.ToLower(sent.username)] != nil {
		return detail(http.StatusConflict, "The username `"+sent.username+"` already exists")
	}
	if sent.email != "" && sent.email != u.email && s.emailTaken(sent.email) {
		return detail(http.StatusConflict, "The email `"+sent.email+"` already exists")
	}
	return nil
}

func (u *user) texts() [5]string { return [5]string{u.username, u.email, u.first, u.last, u.password} }

// over gives to with the texts that were sent and are in the mask.
func (u *user) over(to user, mask map[string]bool) user {
	for name, v := range map[string]struct{ from, to *string }{
		"username": {&u.username, &to.username}, "email": {&u.email, &to.email},
		"first_name": {&u.first, &to.first}, "last_name": {&u.last, &to.last}, "password": {&u.password, &to.password},
	} {
		if mask[name] && *v.from != "" {
			*v.to = *v.from
		}
	}
	return to
}

// userMask reads the mask; maskable says what may be in it.
func userMask(in *incoming, maskable func(string) bool) (map[string]bool, *response) {
	mask := map[string]bool{}
	if !in.URL.Query().Has("update_mask") {
		for _, name := range userFields {
			mask[name] = true
		}
		return mask, nil
	}
	for name := range strings.SplitSeq(in.URL.Query().Get("update_mask"), ",") {
		name = strings.TrimSpace(name)
		if name == "" {
			continue
		}
		if !slices.Contains(userFields, name) || !maskable(name) {
			return nil, detail(http.StatusBadRequest, "Unknown update masks: "+quote(name))
		}
		mask[name] = true
	}
	return mask, nil
}

func (s *Sim) deleteUser(in *incoming) *response {
	u := s.store.userByName[strings.ToLower(in.args["username"])]
	if u == nil {
		return userMissing(in.args["username"])
	}
	in.tx.deleteUser(u)
	return &response{status: http.StatusNoContent}
}

// login finds a user by name or e-mail address.
func (s *Sim) login(name string) *user {
	if u := s.store.userByName[strings.ToLower(name)]; u != nil {
		return u
	}
	if at := slices.IndexFunc(s.store.users, func(u *user) bool { return u.email == name }); at >= 0 {
		return s.store.users[at]
	}
	return nil
}

func (s *Sim) postToken(in *incoming) *response {
	f := objectOf(in.body)
	if f == nil {
		return unprocessable(wrongType("dict_type", "dictionary", nil, "body"))
	}
	u, refusal := asking(s, in, f)
	if refusal != nil {
		return refusal
	}
	u.lastLogin, u.logins, u.failLogins = s.clock.Now(), u.logins+1, 0
	subject, lifetime := itoa(u.id), 24*time.Hour
	if in.route.endpoint == "/auth/token/cli" {
		lifetime = s.options.TokenLifetime
	}
	if s.options.AuthManager != "FAB" {
		subject = u.username
	}
	return &response{status: http.StatusCreated, body: map[string]string{"access_token": s.newToken(subject, lifetime)}}
}
