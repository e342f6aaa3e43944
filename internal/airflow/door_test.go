package airflow_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

// tokenUntil is a token of another issuer that ends at a moment.
func tokenUntil(end time.Time, id int) string {
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	return part(`{"alg":"RS256"}`) + "." + part(fmt.Sprintf(`{"iat":%d,"exp":%d,"jti":"%d"}`, end.Add(-24*time.Hour).Unix(), end.Unix(), id)) + ".c2lnbmVk"
}

// by makes the administrator known by a token.
func by(source airflow.TokenSource, exchange bool) func(*airflow.Config) {
	return func(config *airflow.Config) {
		config.Credentials = airflow.Credentials{Username: airflowtest.AdminUsername, Bearer: source, Exchange: exchange}
	}
}

// K7: a token is sent as it is, and its source is asked again before it ends by our clock, whenever it was issued.
func TestK7ATokenIsSentAsItIs(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(noon)
	s := airflowtest.Start(t, airflowtest.Options{Clock: clock, TokenLifetime: 30 * time.Minute})
	asked := 0
	early := airflowtest.Token(s.Sim, airflowtest.AdminUsername) // it ends half an hour after noon
	clock.SetTime(noon.Add(10 * time.Minute))
	c := connect(t, s, by(func(context.Context) (string, error) {
		if asked++; asked == 1 {
			return early, nil
		}
		return airflowtest.Token(s.Sim, airflowtest.AdminUsername), nil
	}, false))
	for _, step := range []struct {
		at    time.Duration
		asked int
	}{{10 * time.Minute, 1}, {28 * time.Minute, 1}, {29 * time.Minute, 2}, {50 * time.Minute, 2}} {
		clock.SetTime(noon.Add(step.at))
		if _, err := c.Role(ctx, "Admin"); err != nil {
			t.Errorf("after %v: %v", step.at, err)
		}
		if asked != step.asked {
			t.Errorf("after %v: the source was asked %d times, want %d", step.at, asked, step.asked)
		}
	}
	if n := requests(s, "POST", endpointToken); n != 0 {
		t.Errorf("%d logins with a token that needs none", n)
	}
	if err := c.CheckAccount(ctx); err != nil {
		t.Error(err)
	}
}

// K7: Airflow's own token is used, not the one that it was issued for, and renewed.
func TestK7ATokenIsExchanged(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(noon)
	s := airflowtest.Start(t, airflowtest.Options{Clock: clock})
	asked := 0
	var seen []string
	s.Door.Store(&airflowtest.Door{SignIn: airflowtest.SignInOAuth, NoPassword: true, Exchange: func(token string) (string, bool) {
		seen = append(seen, token)
		return airflowtest.AdminUsername, true
	}})
	c := connect(t, s, by(func(context.Context) (string, error) {
		asked++
		return tokenUntil(noon.Add(10*time.Minute), asked), nil
	}, true))
	if server, err := c.Discover(ctx); err != nil || server.FABProvider != "3.10.2" {
		t.Fatalf("%+v, %v", server, err)
	}
	clock.SetTime(noon.Add(58 * time.Minute)) // the token that was exchanged ended long ago
	if err := c.CheckAccount(ctx); err != nil {
		t.Fatal(err)
	}
	if asked != 1 || len(seen) != 1 {
		t.Errorf("the source was asked %d times, %d tokens were exchanged, want 1", asked, len(seen))
	}
	clock.SetTime(noon.Add(time.Hour))
	s.ExpireTokens()
	if _, err := c.CreateRole(ctx, airflow.Role{Name: "r"}); err != nil {
		t.Fatal(err)
	}
	if asked != 2 || seen[0] == seen[1] {
		t.Errorf("the source was asked %d times, want 2", asked)
	}
}

// K7: after a 401 the source is asked once more, and no more for it.
func TestK7ASourceIsAskedAgainOnceAfterARejection(t *testing.T) {
	s, _ := setup(t, airflowtest.Options{}, nil)
	old, asked := airflowtest.Token(s.Sim, airflowtest.AdminUsername), 0
	s.ExpireTokens()
	newest := func() string { return airflowtest.Token(s.Sim, airflowtest.AdminUsername) }
	c := connect(t, s, by(func(context.Context) (string, error) {
		if asked++; asked == 1 {
			return old, nil
		}
		return newest(), nil
	}, false))
	if _, err := c.Role(ctx, "Admin"); err != nil || asked != 2 {
		t.Errorf("asked %d times, %v", asked, err)
	}
	asked, newest = 0, func() string { return old }
	c = connect(t, s, by(func(context.Context) (string, error) { asked++; return newest(), nil }, false))
	_, err := c.Role(ctx, "Admin")
	if want(t, airflow.CauseUnauthorized, err); asked != 2 {
		t.Errorf("asked %d times, want 2", asked)
	}
}

func TestK7WhatKeepsATokenFromWorkingIsTold(t *testing.T) {
	broken := errors.New("the token URL answered 503")
	elsewhere := func(context.Context) (string, error) { return tokenUntil(noon.Add(time.Hour), 1), nil }
	for name, c := range map[string]struct {
		source     airflow.TokenSource
		exchange   bool
		generation *airflowtest.Generation
		door       airflowtest.Door
		cause      airflow.Cause
		is         func(error) bool
	}{
		"the source fails":          {func(context.Context) (string, error) { return "", broken }, true, nil, airflowtest.Door{}, airflow.CauseNoToken, func(err error) bool { return errors.Is(err, broken) }},
		"the source gives nothing":  {func(context.Context) (string, error) { return "", nil }, false, nil, airflowtest.Door{}, airflow.CauseNoToken, airflow.IsNoToken},
		"the source gives a page":   {func(context.Context) (string, error) { return "<html> page", nil }, false, nil, airflowtest.Door{}, airflow.CauseNoToken, airflow.IsNoToken},
		"no exchange in Airflow":    {elsewhere, true, nil, airflowtest.Door{}, airflow.CauseUnauthorized, airflow.ExchangeDisabled},
		"a token that is refused":   {elsewhere, true, nil, airflowtest.Door{Exchange: func(string) (string, bool) { return "", false }}, airflow.CauseUnauthorized, func(err error) bool { return !airflow.ExchangeDisabled(err) }},
		"an account that is not":    {elsewhere, true, nil, airflowtest.Door{Exchange: func(string) (string, bool) { return "nobody", true }}, airflow.CauseUnauthorized, airflow.IsUnauthorized},
		"Airflow 2 and a token":     {elsewhere, false, &airflowtest.Airflow211, airflowtest.Door{}, airflow.CauseUnsupported, airflow.IsUnsupported},
		"Airflow 2 and an exchange": {elsewhere, true, &airflowtest.Airflow211, airflowtest.Door{}, airflow.CauseUnsupported, airflow.IsUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			s, client := setup(t, airflowtest.Options{Generation: c.generation}, by(c.source, c.exchange))
			s.Door.Store(&c.door)
			_, err := client.Roles(ctx)
			if want(t, c.cause, err); !c.is(err) {
				t.Errorf("it is not told: %v", err)
			}
		})
	}
}

// K7: an Airflow whose people sign in without a password refuses a password in the words in which it refuses a wrong one.
func TestK7APasswordThatOpensNothingIsToldFromAWrongOne(t *testing.T) {
	for name, c := range map[string]struct {
		signIn   airflowtest.SignIn
		later    bool
		status   int
		password string
		disabled bool
	}{
		"OAuth, fab 3.11":                      {airflowtest.SignInOAuth, true, 401, airflowtest.AdminPassword, true},
		"OAuth, a release that answers 400":    {airflowtest.SignInOAuth, true, 400, airflowtest.AdminPassword, true},
		"a remote user, fab 3.11":              {airflowtest.SignInRemoteUser, true, 401, airflowtest.AdminPassword, true},
		"OAuth, fab 3.10, wrong: may be both":  {airflowtest.SignInOAuth, false, 401, "wrong", true},
		"a wrong password of the database":     {airflowtest.SignInDatabase, false, 401, "wrong", false},
		"an account that is not in LDAP":       {airflowtest.SignInDatabase, true, 401, airflowtest.AdminPassword, false},
		"a simulator that nobody set anything": {"", false, 401, "wrong", false},
	} {
		for _, prefix := range []string{"", "/team-a"} {
			t.Run(name+prefix, func(t *testing.T) {
				s, client := setup(t, airflowtest.Options{Prefix: prefix}, func(config *airflow.Config) { config.Credentials.Password = c.password })
				s.Door.Store(&airflowtest.Door{SignIn: c.signIn, NoPassword: c.later, PasswordAnswer: c.status})
				_, err := client.Discover(ctx)
				want(t, airflow.CauseUnauthorized, err)
				if airflow.PasswordLoginDisabled(err) != c.disabled {
					t.Errorf("disabled %t, want %t: %v", !c.disabled, c.disabled, err)
				}
				if status, call, answered := airflow.Answered(err); !answered || status != c.status || call != "POST "+endpointToken {
					t.Errorf("%d to %s, %t", status, call, answered)
				}
			})
		}
	}
	t.Run("a page of a proxy says nothing of Airflow", func(t *testing.T) {
		s, client := setup(t, airflowtest.Options{}, func(config *airflow.Config) { config.Credentials.Password = "wrong" })
		s.Inject(airflowtest.LoginPage().On(http.MethodGet, "/auth/login/"))
		_, err := client.Discover(ctx)
		if want(t, airflow.CauseUnauthorized, err); airflow.PasswordLoginDisabled(err) {
			t.Error(err)
		}
	})
}

// K10: a server that repeats the token in its error gives nothing of it away.
func TestK10ATokenIsHiddenInWhatAServerRepeats(t *testing.T) {
	const secret = "eyJhbGciOiJSUzI1NiJ9.c2VjcmV0LXNlY3JldC1zZWNyZXQ.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
	for _, exchange := range []bool{false, true} {
		s, client := setup(t, airflowtest.Options{}, by(func(context.Context) (string, error) { return secret, nil }, exchange))
		s.Inject(airflowtest.Status(http.StatusUnauthorized, "bad header: Bearer "+secret).On(http.MethodPost, endpointToken))
		s.Inject(airflowtest.Status(http.StatusUnauthorized, "bad header: Bearer "+secret).On(http.MethodGet, endpointRoles))
		_, err := client.Roles(ctx)
		if err == nil || strings.Contains(err.Error(), "c2VjcmV0") {
			t.Errorf("exchange %t: %v", exchange, err)
		}
	}
	config := airflow.Credentials{Username: "u", Bearer: func(context.Context) (string, error) { return secret, nil }}
	if text := fmt.Sprintf("%v %+v %#v", config, config, config); strings.Contains(text, "c2VjcmV0") {
		t.Error(text)
	}
}

func TestK7AnAccountHasOneWayToBeKnown(t *testing.T) {
	source := func(context.Context) (string, error) { return "t", nil }
	for name, credentials := range map[string]airflow.Credentials{
		"a token without an account": {Bearer: source},
		"a token and a password":     {Username: "u", Password: "p", Bearer: source},
		"an exchange of a password":  {Username: "u", Password: "p", Exchange: true},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := airflow.New(airflow.Config{URL: "https://airflow.example.com", Clock: clocktesting.NewFakePassiveClock(noon), Credentials: credentials})
			want(t, airflow.CauseInvalid, err)
		})
	}
}
