package airflow

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	// endpointLogin is where Airflow 2 gives a session to who brings a password;
	// its own API below /api/v1 never does.
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

// openSession logs in to an Airflow 2 by basic authentication and keeps the
// session's cookie: a call with it costs a tenth of a call with the password.
// Cookies go to the configured address only, as all headers do. Where the server
// gives none, or does not take its own back, the password is sent each time.
func (c *Client) openSession(ctx context.Context, credentials Credentials) (*token, error) {
	encoded := base64.StdEncoding.EncodeToString([]byte(credentials.Username + ":" + credentials.Password))
	basic := &token{
		header: "Authorization", value: "Basic " + encoded, secrets: []string{encoded, credentials.Password},
		made: c.config.Clock.Now(), lifetime: sessionLifetime, session: true,
	}
	var cookies []*http.Cookie
	login := request{
		method: http.MethodGet, endpoint: endpointLogin, path: endpointLogin, query: url.Values{"limit": {"1"}},
		auth: basic, cookies: &cookies,
	}
	err := c.send(ctx, login, nil)
	may := err == nil
	if !may && !refused(err) && !IsUnsupported(err) && !IsNotFound(err) {
		return nil, err
	}
	value := cookieHeader(cookies)
	switch {
	case value == "" && may:
		return basic, nil
	case value == "":
		// Wrong credentials and missing rights are both 403 without a word. Of
		// an account of ours at least one of the lists can be read.
		return basic, c.provePassword(ctx, basic)
	}
	// The password is right, be there rights or not: a session was opened.
	session := &token{
		header: "Cookie", value: value, secrets: []string{value},
		made: basic.made, lifetime: sessionLifetime, session: true,
	}
	if !may {
		return session, nil
	}
	login.auth, login.cookies = session, nil
	if err := c.send(ctx, login, nil); refused(err) {
		return basic, nil
	} else if err != nil {
		return nil, err
	}
	return session, nil
}

// provePassword asks for a list that needs another right than the login did.
func (c *Client) provePassword(ctx context.Context, basic *token) error {
	err := c.send(ctx, request{
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

func refused(err error) bool { return IsForbidden(err) || IsUnauthorized(err) }

// cookieHeader gives the header that hands cookies back; empty where there is
// no session among them, or more than a session needs.
func cookieHeader(cookies []*http.Cookie) string {
	var parts []string
	for _, cookie := range cookies[:min(len(cookies), maxCookies)] {
		if cookie.Name != "" && cookie.Value != "" && cookie.MaxAge >= 0 {
			parts = append(parts, cookie.Name+"="+cookie.Value)
		}
	}
	value := strings.Join(parts, "; ")
	if len(value) > maxCookieBytes || !slices.ContainsFunc(parts, func(p string) bool { return strings.HasPrefix(p, sessionCookie+"=") }) {
		return ""
	}
	return value
}
