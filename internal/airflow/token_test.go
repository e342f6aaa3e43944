package airflow_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

func TestTokenIsRenewedBeforeItsEnd(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(noon)
	// Airflow's clock is an hour behind: only the token's own length counts.
	server := clocktesting.NewFakePassiveClock(noon.Add(-time.Hour))
	s := airflowtest.Start(t, airflowtest.Options{Clock: server, TokenLifetime: time.Hour})
	c := connect(t, s, func(config *airflow.Config) { config.Clock = clock })
	for _, step := range []struct {
		after  time.Duration
		tokens int
	}{
		{0, 1}, {58 * time.Minute, 1}, {59 * time.Minute, 2}, {117 * time.Minute, 2}, {118 * time.Minute, 3},
		{-2 * time.Hour, 4}, // a clock set back says nothing about the token's age
	} {
		clock.SetTime(noon.Add(step.after))
		if step.after >= 0 {
			server.SetTime(noon.Add(step.after - time.Hour))
		}
		if _, err := c.Role(ctx, "Admin"); err != nil {
			t.Errorf("after %v: %v", step.after, err)
		}
		if n := requests(s, "POST", endpointToken); n != step.tokens {
			t.Errorf("after %v: %d tokens, want %d", step.after, n, step.tokens)
		}
	}
}

func TestF47TokenThatExpiresMidPassIsRenewed(t *testing.T) {
	s, c := setup(t, airflowtest.Options{}, nil)
	if _, err := c.Roles(ctx); err != nil {
		t.Fatal(err)
	}
	s.ExpireTokens()
	if _, err := c.CreateRole(ctx, airflow.Role{Name: "r"}); err != nil {
		t.Fatal(err)
	}
	if n := requests(s, "POST", endpointToken); n != 2 {
		t.Errorf("%d tokens, want 2", n)
	}
	created := s.Changes(func(c airflowtest.Change) bool { return c.Kind == airflowtest.RoleCreated && c.Role == "r" })
	if len(created) != 1 {
		t.Errorf("the role was made %d times", len(created))
	}
}

func TestF48TokensRejectedEitherWayAreRenewedOnce(t *testing.T) {
	t.Run("the server's key was changed", func(t *testing.T) {
		s, c := setup(t, airflowtest.Options{}, nil)
		for range 3 {
			s.RejectTokens()
			if _, err := c.Role(ctx, "Admin"); err != nil {
				t.Fatal(err)
			}
		}
		if n := requests(s, "POST", endpointToken); n > 4 {
			t.Errorf("%d tokens", n)
		}
	})
	t.Run("401 and 403 by turns, for ever", func(t *testing.T) {
		clock := clocktesting.NewFakePassiveClock(noon)
		s, c := setup(t, airflowtest.Options{Clock: clock}, nil)
		turn := 0
		odd := func(airflowtest.Request) bool { turn++; return turn%2 == 1 }
		unauthorized := airflowtest.Status(401, "Token Expired").On("GET", endpointRole)
		unauthorized.If = odd
		s.Inject(unauthorized)
		s.Inject(airflowtest.Status(403, "Invalid JWT token").On("GET", endpointRole))
		for range 20 {
			_, err := c.Role(ctx, "Admin")
			want(t, airflow.CauseUnauthorized, err)
		}
		if n := requests(s, "POST", endpointToken); n != 2 {
			t.Errorf("%d tokens within one moment, want 2", n)
		}
		clock.SetTime(noon.Add(11 * time.Second))
		_, err := c.Role(ctx, "Admin")
		want(t, airflow.CauseUnauthorized, err)
		if n := requests(s, "POST", endpointToken); n != 3 {
			t.Errorf("%d tokens after a pause, want 3", n)
		}
		s.Heal()
		if _, err := c.Role(ctx, "Admin"); err != nil {
			t.Errorf("after it healed: %v", err)
		}
	})
}

func TestF49PlainForbiddenDoesNotRenew(t *testing.T) {
	s, c := setup(t, airflowtest.Options{}, nil)
	s.Inject(airflowtest.Status(403, "Forbidden").On("GET", endpointRole))
	for range 10 {
		_, err := c.Role(ctx, "Admin")
		want(t, airflow.CauseForbidden, err)
	}
	if tokens, calls := requests(s, "POST", endpointToken), requests(s, "GET", endpointRole); tokens != 1 || calls != 10 {
		t.Errorf("%d tokens and %d calls, want 1 and 10", tokens, calls)
	}
}

func TestF50PasswordThatWasChangedIsRefused(t *testing.T) {
	s, c := setup(t, airflowtest.Options{}, nil)
	if _, err := c.Roles(ctx); err != nil {
		t.Fatal(err)
	}
	s.SetPassword(airflowtest.AdminUsername, "new password")
	s.ExpireTokens()
	_, err := c.CreateRole(ctx, airflow.Role{Name: "r"})
	want(t, airflow.CauseUnauthorized, err)
	if airflow.MaybeApplied(err) {
		t.Error("a request without a token may have been applied")
	}
}

func TestF53TokenEndpointFails(t *testing.T) {
	for name, tc := range map[string]struct {
		fault airflowtest.Fault
		cause airflow.Cause
	}{
		"500":                     {airflowtest.Status(500, "Internal Server Error"), airflow.CauseUnavailable},
		"429":                     {airflowtest.Throttled("3"), airflow.CauseThrottled},
		"F52 404":                 {airflowtest.BadGateway(404), airflow.CauseUnsupported},
		"HTML":                    {airflowtest.LoginPage(), airflow.CauseNotAirflow},
		"no token in the answer":  {answer(201, "application/json", `{}`), airflow.CauseNotAirflow},
		"a token of two lines":    {answer(201, "application/json", `{"access_token":"a\r\nX-Evil: 1"}`), airflow.CauseNotAirflow},
		"a token that is no JWT":  {answer(201, "application/json", `{"access_token":"opaque"}`), airflow.CauseUnauthorized},
		"an answer that hangs":    {airflowtest.OverWire(airflowtest.HeldBack), airflow.CauseUnavailable},
		"credentials are refused": {airflowtest.Status(401, "Invalid credentials"), airflow.CauseUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := setup(t, airflowtest.Options{}, short)
			s.Inject(tc.fault.On("POST", endpointToken))
			_, err := c.CreateRole(ctx, airflow.Role{Name: "r"})
			want(t, tc.cause, err)
			if airflow.MaybeApplied(err) || len(s.MutatingRequests()) > 2 {
				t.Errorf("the write was sent, or may have been: %v", err)
			}
			if _, made := s.Role("r"); made {
				t.Error("the role was made")
			}
		})
	}
}

func TestManyCallsShareOneToken(t *testing.T) {
	s, c := setup(t, airflowtest.Options{}, nil)
	for round := range 3 {
		s.ExpireTokens()
		var wait sync.WaitGroup
		for range 50 {
			wait.Go(func() {
				if _, err := c.Role(ctx, "Admin"); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if n := requests(s, "POST", endpointToken); n != round+1 {
			t.Errorf("round %d: %d tokens", round, n)
		}
	}
}

func TestACallerWhoGivesUpDoesNotFailTheOthers(t *testing.T) {
	s, c := setup(t, airflowtest.Options{}, nil)
	first, giveUp := context.WithCancel(ctx)
	second := make(chan error, 1)
	s.Inject(airflowtest.Fault{Wire: airflowtest.HeldBack, Before: func() {
		go func() {
			_, err := c.Role(ctx, "Admin")
			second <- err
		}()
		giveUp()
	}}.On(http.MethodPost, endpointToken).For(1))
	_, err := c.Role(first, "Admin")
	want(t, airflow.CauseCanceled, err)
	if err := <-second; err != nil {
		t.Errorf("the other caller: %v", err)
	}
}
