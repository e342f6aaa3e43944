package airflowtest

import (
	"net/http"
	"strconv"
	"strings"
)

// sessionCookie carries a session of Airflow 2.
const sessionCookie = "session"

// newSession opens a session and gives its cookie's value; the lock is held.
func (s *Sim) newSession(u *user) string {
	s.lastToken++
	text := strconv.Itoa(s.lastToken) + "." + strconv.Itoa(u.id)
	return text + "." + s.sign(text)
}

// basicUser gives the user whose name and password the request carries. A lock
// is held.
func (s *Sim) basicUser(r *http.Request) *user {
	name, password, sent := r.BasicAuth()
	u := s.login(name)
	if !sent || u == nil || !u.active || u.password == "" || u.password != password {
		return nil
	}
	return u
}

// sessionUser gives the user of the request's password or of its session. A
// lock is held.
func (s *Sim) sessionUser(r *http.Request) *user {
	if u := s.basicUser(r); u != nil {
		return u
	}
	if id, valid := s.session(r); valid {
		if u := s.store.userByID[id]; u != nil && u.active {
			return u
		}
	}
	return nil
}

// session gives the id of the user for whom the request's session was opened.
func (s *Sim) session(r *http.Request) (id int, valid bool) {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return 0, false
	}
	text, signature, _ := cutLast(cookie.Value)
	number, user, _ := strings.Cut(text, ".")
	return atoi(user), signature == s.sign(text) && atoi(number) > max(s.expiredTokens, s.rejectedTokens)
}

// orphan says that the request's session is of a user who was deleted: Airflow 2
// fails then, whatever is asked. A lock is held.
func (s *Sim) orphan(r *http.Request) bool {
	id, valid := s.session(r)
	return valid && s.store.userByID[id] == nil
}

func cutLast(text string) (before, after string, found bool) {
	at := strings.LastIndexByte(text, '.')
	if at < 0 {
		return text, "", false
	}
	return text[:at], text[at+1:], true
}

func (s *Sim) sessionSender(r *http.Request) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if u := s.sessionUser(r); u != nil {
		return u.username
	}
	return ""
}

// loggedIn does what a right password does beside the answer: it counts as a
// login, and below /auth/fab/v1 the answer brings a session. The lock is held.
func (s *Sim) loggedIn(in *incoming, answer *response) {
	u := s.basicUser(in.Request)
	if u == nil {
		return
	}
	u.lastLogin, u.logins, u.failLogins = s.clock.Now(), u.logins+1, 0
	if !strings.HasPrefix(in.route.endpoint, "/auth/fab/v1/") {
		return
	}
	cookie := http.Cookie{
		Name: sessionCookie, Value: s.newSession(u), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Expires: s.clock.Now().AddDate(0, 0, 30),
	}
	answer.header = http.Header{"Set-Cookie": {cookie.String()}}
}
