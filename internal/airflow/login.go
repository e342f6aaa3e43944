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
	// endpointSignIn is the page at which people sign in to an Airflow 3.
	endpointSignIn = "/auth/login/"
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

// ownLifetime bounds how long a token is used that is not Airflow's: its source may have a newer one.
const ownLifetime = time.Hour

// login makes the account known to a server, with its password or a token.
type login struct {
	wire        *transport
	credentials Credentials
}

type loginBody struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// exchangeBody is what is sent with a token that is to be exchanged.
type exchangeBody struct{}

// password asks an Airflow 3 for a token with the account's password.
func (l login) password(ctx context.Context) (*token, error) {
	issued, err := l.issue(ctx, loginBody{Username: l.credentials.Username, Password: l.credentials.Password}, nil)
	if !refusesLogin(err) {
		return issued, err
	}
	return nil, l.explainPassword(ctx, err)
}

// refusesLogin says whether Airflow gave no token for what was sent: by 401 as a rule, by 400 in some releases.
func refusesLogin(err error) bool { return IsUnauthorized(err) || IsInvalid(err) }

// explainPassword finds out whether Airflow refused this password, or any: its answer is the same. Where people sign in
// without a password, its sign-in page has no form for one.
func (l login) explainPassword(ctx context.Context, refusal error) error {
	var seen page
	err := l.wire.send(ctx, request{method: http.MethodGet, endpoint: endpointSignIn, path: endpointSignIn, page: &seen}, nil)
	if err != nil || !seen.withoutPassword(l.wire.base.Path) {
		return refusal
	}
	e := errorOf(refusal)
	e.Cause, e.err = CauseUnauthorized, errPasswordLogin
	return &e
}

// exchange asks an Airflow 3 for a token of its own for one of the account's source.
func (l login) exchange(ctx context.Context) (*token, error) {
	bearer, err := l.bearer(ctx)
	if err != nil {
		return nil, err
	}
	issued, err := l.issue(ctx, exchangeBody{}, bearer)
	if IsInvalid(err) {
		// An Airflow that knows passwords alone misses one.
		e := errorOf(err)
		e.Cause, e.err = CauseUnauthorized, errNoExchange
		return nil, &e
	}
	return issued, err
}

// bearer asks the account's source for a token.
func (l login) bearer(ctx context.Context) (*token, error) {
	made := l.wire.config.Clock.Now()
	text, err := l.credentials.Bearer(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, transportError(ctx, ctx.Err())
	case err != nil:
		return nil, &Error{Cause: CauseNoToken, Detail: clean(err.Error(), maxDetail), err: err}
	case !isToken(text):
		return nil, &Error{Cause: CauseNoToken, Detail: "what the source gave is no token"}
	}
	return bearerToken(text, made, min(remaining(text, made), ownLifetime)), nil
}

// isToken says whether a text can be sent as a token.
func isToken(text string) bool { return len(text) <= maxTokenBytes && tokenText.MatchString(text) }

// bearerToken is a token that is sent as it is.
func bearerToken(text string, made time.Time, lifetime time.Duration) *token {
	return &token{header: "Authorization", value: "Bearer " + text, secrets: []string{text}, made: made, lifetime: lifetime}
}

// issue asks an Airflow 3 for a token of its own.
func (l login) issue(ctx context.Context, body any, auth *token) (*token, error) {
	made := l.wire.config.Clock.Now()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	err := l.wire.send(ctx, request{
		method: http.MethodPost, endpoint: endpointToken, path: endpointToken,
		body: body, auth: auth,
		check: func() error {
			if !isToken(answer.AccessToken) {
				return errors.New("the answer holds no token")
			}
			return nil
		},
	}, &answer)
	if err != nil {
		return nil, err
	}
	return bearerToken(answer.AccessToken, made, lifetime(answer.AccessToken)), nil
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
