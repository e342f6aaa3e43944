package airflow_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

// short makes calls give up soon.
func short(config *airflow.Config) { config.CallTimeout = 500 * time.Millisecond }

// small bounds bodies so that reading up to the bound takes no time.
func small(config *airflow.Config) { config.MaxBody = 1 << 20 }

// The same faults befall a read and a write: the write must tell where it may
// have taken effect, and must not be sent twice.
func TestFaultsOfHTTP(t *testing.T) {
	for name, tc := range map[string]struct {
		fault  airflowtest.Fault
		change func(*airflow.Config)
		cause  airflow.Cause
		maybe  bool // the write may have taken effect
	}{
		"F19 500":                             {airflowtest.Status(500, "Internal Server Error"), nil, airflow.CauseUnavailable, true},
		"F20 502 from a proxy":                {airflowtest.BadGateway(502), nil, airflow.CauseUnavailable, true},
		"F20 503 from a proxy":                {airflowtest.BadGateway(503), nil, airflow.CauseUnavailable, true},
		"F21 504 after it took effect":        {airflowtest.AppliedThen(504), nil, airflow.CauseUnavailable, true},
		"F22 429 with Retry-After":            {airflowtest.Throttled("7"), nil, airflow.CauseThrottled, false},
		"F23 429 without":                     {airflowtest.Throttled(""), nil, airflow.CauseThrottled, false},
		"F25 connection ends before answer":   {airflowtest.OverWire(airflowtest.Dropped), nil, airflow.CauseUnavailable, true},
		"F25 connection ends mid-body":        {airflowtest.OverWire(airflowtest.Broken), nil, airflow.CauseUnavailable, true},
		"F26 slow headers":                    {airflowtest.OverWire(airflowtest.HeldBack), short, airflow.CauseUnavailable, true},
		"F27 slow body":                       {airflowtest.OverWire(airflowtest.Stuck), short, airflow.CauseUnavailable, true},
		"F28 truncated JSON":                  {airflowtest.OverWire(airflowtest.Truncated), nil, airflow.CauseUnavailable, true},
		"F29 HTML login page with 200":        {airflowtest.LoginPage(), nil, airflow.CauseNotAirflow, true},
		"F34 half applied, then 500":          {airflowtest.HalfThen(500), nil, airflow.CauseUnavailable, true},
		"F49 403 for an administrator":        {airflowtest.Status(403, "Forbidden"), nil, airflow.CauseForbidden, false},
		"F52 404 that is HTML is no proof":    {airflowtest.BadGateway(404), nil, airflow.CauseNotAirflow, false},
		"F52 404 of a route is no proof":      {airflowtest.Status(404, "Not Found"), nil, airflow.CauseUnsupported, false},
		"405":                                 {airflowtest.Status(405, "Method Not Allowed"), nil, airflow.CauseUnsupported, false},
		"408":                                 {airflowtest.Status(408, "Timeout"), nil, airflow.CauseUnavailable, true},
		"422":                                 {airflowtest.Status(422, "no"), nil, airflow.CauseInvalid, false},
		"418":                                 {airflowtest.Status(418, "teapot"), nil, airflow.CauseNotAirflow, false},
		"JSON of another kind":                {answer(200, "application/json", `{"hello":"world"}`), nil, airflow.CauseNotAirflow, true},
		"JSON of another type":                {answer(200, "application/json", `[1]`), nil, airflow.CauseNotAirflow, true},
		"a role of another name":              {answer(200, "application/json", `{"name":"other","actions":[]}`), nil, airflow.CauseNotAirflow, true},
		"a role without actions":              {answer(200, "application/json", `{"name":"r"}`), nil, airflow.CauseNotAirflow, true},
		"204 where a body is due":             {answer(204, "", ""), nil, airflow.CauseNotAirflow, true},
		"JSON that says to be text":           {answer(200, "text/plain", `{"name":"r","actions":[]}`), nil, airflow.CauseNotAirflow, true},
		"a body of 1 GB is not read":          {airflowtest.HugeBody(1 << 30), small, airflow.CauseNotAirflow, true},
		"a body of 1 GB with an error is not": {huge(503), nil, airflow.CauseUnavailable, true},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := setup(t, airflowtest.Options{}, tc.change)
			s.SetRole("r", pair("can_read", "Pools"))
			s.Inject(tc.fault.On("GET", endpointRole))
			s.Inject(tc.fault.On("PATCH", endpointRole))
			_, err := c.Role(ctx, "r")
			want(t, tc.cause, err)
			if airflow.MaybeApplied(err) {
				t.Error("a read may have been applied")
			}
			_, err = c.UpdateRole(ctx, airflow.Role{Name: "r", Permissions: []airflow.Permission{pair("can_read", "XComs")}}, 1)
			want(t, tc.cause, err)
			if airflow.MaybeApplied(err) != tc.maybe {
				t.Errorf("maybe applied: %v, want %v", airflow.MaybeApplied(err), tc.maybe)
			}
			if n := requests(s, "PATCH", endpointRole); n != 1 {
				t.Errorf("the write was sent %d times", n)
			}
			if n := requests(s, "POST", endpointToken); n != 1 {
				t.Errorf("%d tokens were asked for", n)
			}
		})
	}
}

func answer(status int, contentType, body string) airflowtest.Fault {
	return airflowtest.Fault{Name: "answer", Apply: airflowtest.Nothing, Answer: &airflowtest.Answer{Status: status, ContentType: contentType, Body: body}}
}

func huge(status int) airflowtest.Fault {
	f := answer(status, "application/json", `{"detail":"x`)
	f.Padding = 1 << 30
	return f
}

func TestACompressedBodyIsBoundedToo(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(bytes.Repeat([]byte(" "), 4<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	s, c := setup(t, airflowtest.Options{}, small)
	f := answer(200, "application/json", packed.String())
	f.Answer.Header = http.Header{"Content-Encoding": {"gzip"}}
	s.Inject(f.On("GET", endpointRole))
	_, err := c.Role(ctx, "r")
	want(t, airflow.CauseNotAirflow, err)
	if !strings.Contains(err.Error(), "larger") {
		t.Errorf("another reason: %v", err)
	}
}

func TestRetryAfter(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		value  string
		want   time.Duration
	}{
		"F22 seconds":                          {429, "7", 7 * time.Second},
		"F22 a date, by the server's own Date": {429, noon.Add(-time.Hour + 90*time.Second).Format(http.TimeFormat), 90 * time.Second},
		"F22 a date that is over":              {429, noon.Add(-2 * time.Hour).Format(http.TimeFormat), 0},
		"F20 with 503":                         {503, "30", 30 * time.Second},
		"F23 none":                             {429, "", 0},
		"garbage":                              {429, "soon", 0},
		"negative":                             {429, "-5", 0},
		"longer than a day":                    {429, "999999999999", 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := setup(t, airflowtest.Options{}, nil)
			s.SetSkew(-time.Hour)
			f := airflowtest.Status(tc.status, "later")
			f.Answer.Header = http.Header{"Retry-After": {tc.value}}
			s.Inject(f.On("GET", endpointRole))
			_, err := c.Role(ctx, "r")
			got, ok := airflow.RetryAfter(err)
			if got != tc.want || ok != (tc.want > 0) {
				t.Errorf("got %v, %v, want %v: %v", got, ok, tc.want, err)
			}
		})
	}
}

func TestConnectionsThatCannotBeMade(t *testing.T) {
	t.Run("F24 refused", func(t *testing.T) {
		s, c := setup(t, airflowtest.Options{}, nil)
		if _, err := c.Roles(ctx); err != nil { // with a token
			t.Fatal(err)
		}
		s.Stop()
		c.Close() // else it may find out on a connection that was open
		_, err := c.CreateRole(ctx, airflow.Role{Name: "r"})
		want(t, airflow.CauseUnavailable, err)
		if airflow.MaybeApplied(err) {
			t.Error("a request that found no server may have been applied")
		}
	})
	t.Run("F32 name does not resolve", func(t *testing.T) {
		_, c := setup(t, airflowtest.Options{}, func(config *airflow.Config) {
			config.URL, config.ConnectTimeout = "https://airflow.invalid", 5*time.Second
		})
		_, err := c.Roles(ctx)
		want(t, airflow.CauseUnavailable, err)
	})
	t.Run("the caller goes away", func(t *testing.T) {
		s, c := setup(t, airflowtest.Options{}, nil)
		canceled, cancel := context.WithCancel(ctx)
		s.Inject(airflowtest.Fault{Wire: airflowtest.HeldBack, Before: cancel}.On("POST", endpointRoles))
		_, err := c.CreateRole(canceled, airflow.Role{Name: "r"})
		want(t, airflow.CauseCanceled, err)
		if !errors.Is(err, context.Canceled) || !airflow.MaybeApplied(err) {
			t.Errorf("canceled %v, maybe applied %v", errors.Is(err, context.Canceled), airflow.MaybeApplied(err))
		}
	})
	t.Run("the caller's deadline passes", func(t *testing.T) {
		s, c := setup(t, airflowtest.Options{}, nil)
		s.Inject(airflowtest.OverWire(airflowtest.HeldBack))
		late, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		_, err := c.Roles(late)
		want(t, airflow.CauseUnavailable, err)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("not told as a deadline: %v", err)
		}
	})
}

func TestCallsHaveTimeForTheirPairs(t *testing.T) {
	s, c := setup(t, airflowtest.Options{Latency: func(method, _ string) time.Duration {
		if method == http.MethodPatch {
			return 800 * time.Millisecond
		}
		return 0
	}}, func(config *airflow.Config) {
		config.CallTimeout, config.PairTimeout = 400*time.Millisecond, 500*time.Millisecond
	})
	s.SetRole("r")
	_, err := c.UpdateRole(ctx, airflow.Role{Name: "r"}, 0)
	want(t, airflow.CauseUnavailable, err)
	if _, err := c.UpdateRole(ctx, airflow.Role{Name: "r"}, 20); err != nil {
		t.Errorf("removing many: %v", err)
	}
	var many []airflow.Permission
	for resource := range strings.SplitSeq("abcdefghijklmnopqrst", "") {
		s.SetRole("seed", pair("can_read", resource))
		many = append(many, pair("can_read", resource))
	}
	if _, err := c.UpdateRole(ctx, airflow.Role{Name: "r", Permissions: many}, 0); err != nil {
		t.Errorf("adding many: %v", err)
	}
}

func TestF30RedirectToAnotherHostIsNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		s, c := setup(t, airflowtest.Options{}, nil)
		thief := airflowtest.Start(t, airflowtest.Options{})
		s.Inject(airflowtest.RedirectTo(status, thief.URL+"/auth/fab/v1/roles/r"))
		_, err := c.Role(ctx, "r")
		want(t, airflow.CauseNotAirflow, err)
		_, err = c.Discover(ctx)
		want(t, airflow.CauseNotAirflow, err)
		s.Heal()
		if _, err = c.Roles(ctx); err != nil {
			t.Fatal(err)
		}
		s.Inject(airflowtest.RedirectTo(status, thief.URL+"/auth/fab/v1/roles/r"))
		_, err = c.CreateRole(ctx, airflow.Role{Name: "r"})
		want(t, airflow.CauseNotAirflow, err)
		if airflow.MaybeApplied(err) {
			t.Error("a write that was sent elsewhere may have been applied")
		}
		if n := thief.RequestCount(); n != 0 {
			t.Errorf("%d: %d requests went to the other host", status, n)
		}
	}
}

func TestF31BadCertificate(t *testing.T) {
	s := airflowtest.StartTLS(t, airflowtest.Options{})
	t.Run("of the private CA", func(t *testing.T) {
		if _, err := connect(t, s, nil).Roles(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Run("of an unknown CA", func(t *testing.T) {
		_, err := connect(t, s, func(config *airflow.Config) { config.CABundle = nil }).Roles(ctx)
		want(t, airflow.CauseTLS, err)
	})
	t.Run("for another name", func(t *testing.T) {
		_, err := connect(t, s, func(config *airflow.Config) {
			config.URL = strings.Replace(config.URL, "127.0.0.1", "localhost", 1)
			config.AllowedAddresses = append(config.AllowedAddresses, netip.MustParsePrefix("::1/128"))
		}).Roles(ctx)
		want(t, airflow.CauseTLS, err)
	})
	t.Run("none: the port speaks HTTP", func(t *testing.T) {
		open := airflowtest.Start(t, airflowtest.Options{})
		_, err := connect(t, open, func(config *airflow.Config) { config.URL = strings.Replace(config.URL, "http:", "https:", 1) }).Roles(ctx)
		want(t, airflow.CauseTLS, err)
	})
	t.Run("with a TLS that is too old", func(t *testing.T) {
		old := httptest.NewUnstartedServer(s.Sim)
		old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11}
		old.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		old.StartTLS()
		t.Cleanup(old.Close)
		_, err := connect(t, s, func(config *airflow.Config) { config.URL = old.URL }).Roles(ctx)
		want(t, airflow.CauseTLS, err)
	})
	if n := requests(s, "POST", endpointToken); n != 1 {
		t.Errorf("the password was sent %d times, want once", n)
	}
}

func TestF75LoopbackIsNotCalled(t *testing.T) {
	s := airflowtest.Start(t, airflowtest.Options{})
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]"} {
		c := connect(t, s, func(config *airflow.Config) {
			config.URL = strings.Replace(config.URL, "127.0.0.1", host, 1)
			config.AllowHTTPHosts = []string{"127.0.0.1", "localhost"}
			config.AllowedAddresses = nil
		})
		_, err := c.Discover(ctx)
		want(t, airflow.CauseBlockedAddress, err)
		_, err = c.CreateRole(ctx, airflow.Role{Name: "r"})
		want(t, airflow.CauseBlockedAddress, err)
		if airflow.MaybeApplied(err) {
			t.Error("a request that was not sent may have been applied")
		}
	}
	if n := s.RequestCount(); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestF76MessagesAreOneShortLineWithoutSecrets(t *testing.T) {
	clock := clocktesting.NewFakeClock(noon)
	s, c := setup(t, airflowtest.Options{Clock: clock}, nil)
	if _, err := c.Roles(ctx); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{
		"line breaks":         `{"detail":"one\ntwo\r\nthree\u2028four\u0000five\u001b[31m\u202e"}`,
		"long":                `{"detail":"` + strings.Repeat("ü", 5000) + `"}`,
		"a repeated password": `{"detail":"bad password ` + airflowtest.AdminPassword + `"}`,
		"fields":              `{"detail":[{"loc":["body","pass\nword",3],"msg":"bad\nvalue","input":{"password":"` + airflowtest.AdminPassword + `"}}]}`,
		"no text":             `{"detail":{"x":1}}`,
		"html":                "<html>",
	} {
		t.Run(name, func(t *testing.T) {
			for _, status := range []int{400, 403, 404, 409, 422, 500} {
				s.Heal()
				s.Inject(answer(status, "application/json", body))
				clock.Step(2 * time.Hour) // the password is sent again
				_, err := c.Role(ctx, strings.Repeat("r", 900))
				text := err.Error()
				if len(text) > 512 || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
					t.Errorf("%d: %q", status, text)
				}
				if strings.Contains(text, airflowtest.AdminPassword) {
					t.Errorf("%d: a secret in %q", status, text)
				}
			}
		})
	}
}

// A reading is tried again where the server failed, a write never.
func TestAReadingIsTriedAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		fault      airflowtest.Fault
		read, sent int
		ok         bool
	}{
		"F19 500 twice":                 {airflowtest.Status(500, "no").For(2), 3, 1, true},
		"F20 503 three times":           {airflowtest.BadGateway(503).For(3), 3, 1, false},
		"F22 503 with Retry-After once": {answerAfter(503, "5").For(1), 1, 1, false},
		"F23 429 once":                  {airflowtest.Throttled("").For(1), 1, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := airflowtest.Start(t, airflowtest.Options{})
			c, ctx := connect(t, s, nil), context.Background()
			if _, err := c.Role(ctx, "Admin"); err != nil {
				t.Fatal(err)
			}
			s.Inject(tc.fault.On(http.MethodGet, endpointRole))
			before := s.RequestCount()
			if _, err := c.Role(ctx, "Admin"); (err == nil) != tc.ok || s.RequestCount()-before != tc.read {
				t.Errorf("reading: %d requests, %v", s.RequestCount()-before, err)
			}
			s.Heal()
			s.Inject(tc.fault.On(http.MethodPost, "/auth/fab/v1/roles"))
			before = s.RequestCount()
			if _, err := c.CreateRole(ctx, airflow.Role{Name: "r"}); err == nil || s.RequestCount()-before != tc.sent {
				t.Errorf("write: %d requests, %v", s.RequestCount()-before, err)
			}
		})
	}
}

// So is one that needs no credentials: what server this is would otherwise hardly be found out where a fifth of all answers
// are errors.
func TestAReadingWithoutCredentialsIsTriedAgain(t *testing.T) {
	for _, generation := range []airflowtest.Generation{airflowtest.Airflow33, airflowtest.Airflow211} {
		s := airflowtest.Start(t, airflowtest.Options{Generation: &generation})
		c := connect(t, s, nil)
		s.Inject(airflowtest.Status(500, "no").On(http.MethodGet, "").For(2))
		if server, err := c.Discover(t.Context()); err != nil || server.Version != generation.Version {
			t.Errorf("%s: %+v, %v", generation.Version, server, err)
		}
	}
}

// What is refused as an answer gives nobody away, and proves nothing about anybody.
func TestAPageThatIsRefusedHoldsNobody(t *testing.T) {
	s := airflowtest.Start(t, airflowtest.Options{})
	c := connect(t, s, nil)
	s.Inject(airflowtest.Fault{Apply: airflowtest.Nothing, Answer: &airflowtest.Answer{
		Status: http.StatusOK, Body: `{"users":[{"username":"bob","roles":[]}]}`,
	}}.On(http.MethodGet, "/auth/fab/v1/users"))
	if users, err := c.UsersPage(t.Context(), 0, airflow.PageSize); !airflow.IsNotAirflow(err) || len(users) > 0 {
		t.Errorf("%v, %v", users, err)
	}
}

// answerAfter refuses with a status and asks to wait.
func answerAfter(status int, seconds string) airflowtest.Fault {
	f := airflowtest.Status(status, "busy")
	f.Answer.Header = http.Header{"Retry-After": {seconds}}
	return f
}

// TestF22TheProbeStopsWhenAskedToWait: nothing is sent after it, not even to clean up. A later probe uses the role again.
func TestF22TheProbeStopsWhenAskedToWait(t *testing.T) {
	busy := airflowtest.BadGateway(http.StatusInternalServerError)
	busy.Answer.Header = http.Header{"Retry-After": {"7"}}
	unknown := airflow.Server{Version: "3.99.0", AuthManager: airflow.AuthManagerFAB, FABProvider: "99.0.0"}
	for name, fault := range map[string]airflowtest.Fault{"429": airflowtest.Throttled(""), "500 with Retry-After": busy} {
		for _, method := range []string{http.MethodPost, http.MethodPatch, http.MethodDelete} {
			s, c := setup(t, airflowtest.Options{}, nil)
			s.Inject(fault.On(method, ""))
			if _, err := c.Probe(ctx, unknown); err == nil {
				t.Errorf("%s %s: no error", name, method)
			}
			all := s.Requests(nil)
			if last := all[len(all)-1]; last.Method != method {
				t.Errorf("%s: %s %s after the server asked to wait", name, last.Method, last.Path)
			}
			s.Heal()
			if _, err := c.Probe(ctx, unknown); err != nil {
				t.Errorf("%s %s: %v", name, method, err)
			}
			if _, left := s.Role(airflow.ProbeRole); left {
				t.Errorf("%s %s: the role is left", name, method)
			}
		}
	}
}
