package airflowtest

import (
	"net/http"
	"strings"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

// SignIn is how people sign in, AUTH_TYPE of Airflow's configuration.
type SignIn string

// Ways to sign in.
const (
	SignInDatabase   SignIn = "AUTH_DB"
	SignInOAuth      SignIn = "AUTH_OAUTH"
	SignInRemoteUser SignIn = "AUTH_REMOTE_USER"
)

// Door is how users and programs come in. The zero value is AUTH_DB, where passwords get tokens.
type Door struct {
	// SignIn is AUTH_DB where it is empty.
	SignIn SignIn
	// NoPassword is the rule of fab 3.11 where people sign in otherwise: no password gets a token. PasswordAnswer is the
	// status that it gets, 401 by default.
	NoPassword     bool
	PasswordAnswer int
	// Exchange makes /auth/token and /auth/token/cli exchange tokens as contrib/airflow-auth does, for the users that it
	// names; nil where no token is exchanged.
	Exchange func(token string) (username string, accepted bool)
}

// Token is a token that an Airflow issued to a user, as a program got it elsewhere.
func Token(s *Sim, username string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newToken(itoa(s.mustUser(username).id), s.options.TokenLifetime)
}

// asking gives the user that asks for a token, by another one or by a password.
func asking(s *Sim, in *incoming, f fields) (*user, *response) {
	exchange := s.Door.Load().Exchange
	token, bears := strings.CutPrefix(in.Header.Get("Authorization"), "Bearer ")
	if exchange == nil || !bears || len(f) > 0 {
		return byPassword(s, f)
	}
	name, accepted := exchange(token)
	switch u := s.store.userByName[strings.ToLower(name)]; {
	case !accepted:
		return nil, detail(http.StatusUnauthorized, "Token refused: InvalidAudienceError")
	case u == nil, !u.active:
		return nil, detail(http.StatusUnauthorized, "The operator's account is missing or not active")
	default:
		return u, nil
	}
}

// byPassword gives the user of a name and a password.
func byPassword(s *Sim, f fields) (*user, *response) {
	name, password := f.word("username"), f.word("password")
	if name == "" || password == "" {
		return nil, detail(http.StatusBadRequest, "Username and password must be provided")
	}
	u, door := s.login(name), s.Door.Load()
	switch {
	case door.NoPassword && door.PasswordAnswer == http.StatusBadRequest:
		return nil, detail(http.StatusBadRequest, "Username and password are not supported by the configured AUTH_TYPE")
	case door.NoPassword, u == nil:
	case u.active && u.password == password:
		return u, nil
	default:
		u.failLogins++
	}
	return nil, detail(http.StatusUnauthorized, "Invalid credentials")
}

// signInPage answers with the page at which people sign in.
func signInPage(s *Sim, _ *incoming) *response {
	part := `<input autofocus="autofocus" class="form-control" name="password" type="password" value="">`
	switch way := s.Door.Load().SignIn; {
	case s.options.AuthManager != airflow.AuthManagerFAB:
		return html(http.StatusOK)
	case way == SignInRemoteUser:
		return &response{status: http.StatusFound, text: page, contentType: "text/html; charset=utf-8", header: http.Header{"Location": {s.options.Prefix + "/auth/"}}}
	case way == SignInOAuth:
		part = `<a id="btn-signin-keycloak" class="btn btn-primary">Sign In</a>`
	}
	return &response{status: http.StatusOK, text: strings.Replace(page, "Sign in", part, 1), contentType: "text/html; charset=utf-8"}
}
