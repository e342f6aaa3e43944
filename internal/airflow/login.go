package airflow

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	// endpointToken is where Airflow 3 issues tokens to programs.
	endpointToken = "/auth/token/cli"
	// endpointLogin is where Airflow 2 opens a session for a password; its own API
	// below /api/v1 never does.
	endpointLogin = "/auth/fab/v1/roles"
	// sessionCookie is the name of Flask's cookie.
	sessionCookie = "session"
	// sessionLifetime is how long a session is used. Airflow keeps it for 30 days
	// by default; a new login costs one check of the password.
	sessionLifetime = time.Hour
	// maxCookies and maxCookieBytes bound what is kept of an answer's cookies.
	maxCookies     = 8
	maxCookieBytes = 8 << 10
)

// tokenText is what a token is made of.
var tokenText = regexp.MustCompile(`^[\x21-\x7e]+$`)

// maxTokenBytes bounds a token, which is sent with each call.
const maxTokenBytes = 16 << 10

// login makes the account known to a server, with its password.
type login struct {
	wire        *transport
	credentials Credentials
}

type loginBody struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// token asks an Airflow 3 for a token.
func (l login) token(ctx context.Context) (*token, error) {
	made := l.wire.config.Clock.Now()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	err := l.wire.send(ctx, request{
		method: http.MethodPost, endpoint: endpointToken, path: endpointToken,
		body: loginBody(l.credentials),
		check: func() error {
			if len(answer.AccessToken) > maxTokenBytes || !tokenText.MatchString(answer.AccessToken) {
				return errors.New("the answer holds no token")
			}
			return nil
		},
	}, &answer)
	if err != nil {
		return nil, err
	}
	return &token{
		header: "Authorization", value: "Bearer " + answer.AccessToken, secrets: []string{answer.AccessToken},
		made: made, lifetime: lifetime(answer.AccessToken),
	}, nil
}

// session logs in to an Airflow 2 by basic authentication and keeps the
// session's cookie: a call with it costs a tenth of a call with the password.
// Cookies go to the configured address only, as all headers do. Where the server
// sends none, or refuses its own, the password is sent each time.
func (l login) session(ctx context.Context) (*token, error) {
	encoded := base64.StdEncoding.EncodeToString([]byte(l.credentials.Username + ":" + l.credentials.Password))
	basic := &token{
		header: "Authorization", value: "Basic " + encoded, secrets: []string{encoded, l.credentials.Password},
		made: l.wire.config.Clock.Now(), lifetime: sessionLifetime, session: true,
	}
	var cookies []*http.Cookie
	ask := request{
		method: http.MethodGet, endpoint: endpointLogin, path: endpointLogin, query: url.Values{"limit": {"1"}},
		auth: basic, cookies: &cookies,
	}
	reads := false
	switch err := l.wire.send(ctx, ask, nil); {
	case err == nil:
		reads = true
	case refused(err), IsUnsupported(err), IsNotFound(err):
		// Whether the password is right the cookies say.
	default:
		return nil, err
	}
	value := cookieHeader(cookies)
	if value == "" {
		if reads {
			return basic, nil
		}
		// Wrong credentials and missing rights are both 403 without a word. Of
		// an account of ours at least one of the lists can be read.
		return basic, l.prove(ctx, basic)
	}
	// The password is right, be there rights or not: a session was opened.
	session := &token{
		header: "Cookie", value: value, secrets: []string{value},
		made: basic.made, lifetime: sessionLifetime, session: true,
	}
	if !reads {
		return session, nil
	}
	ask.auth, ask.cookies = session, nil
	switch err := l.wire.send(ctx, ask, nil); {
	case refused(err):
		return basic, nil
	case err != nil:
		return nil, err
	}
	return session, nil
}

// prove asks for a list that needs another right than the login did.
func (l login) prove(ctx context.Context, basic *token) error {
	err := l.wire.send(ctx, request{
		method: http.MethodGet, endpoint: airflow2.dags, path: airflow2.dags, query: url.Values{"limit": {"1"}}, auth: basic,
	}, nil)
	if refused(err) {
		return &Error{
			Cause: CauseUnauthorized, Method: http.MethodGet, Endpoint: endpointLogin, Status: http.StatusForbidden,
			Detail: "wrong username or password, or an account that may read neither roles nor DAGs",
		}
	}
	return err
}

// refused says whether the server refused the account, for its credentials or for its rights.
func refused(err error) bool { return IsForbidden(err) || IsUnauthorized(err) }

// cookieHeader returns the header that sends cookies back; empty where there is
// no session among them, or more than a session needs.
func cookieHeader(cookies []*http.Cookie) string {
	var parts []string
	for _, cookie := range cookies[:min(len(cookies), maxCookies)] {
		if cookie.Name != "" && cookie.Value != "" && cookie.MaxAge >= 0 {
			parts = append(parts, cookie.Name+"="+cookie.Value)
		}
	}
	value := strings.Join(parts, "; ")
	ours := slices.ContainsFunc(parts, func(p string) bool { return strings.HasPrefix(p, sessionCookie+"=") })
	if !ours || len(value) > maxCookieBytes {
		return ""
	}
	return value
}
