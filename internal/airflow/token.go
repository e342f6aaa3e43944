package airflow

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/utils/clock"
)

const (
	// renewMargin is how long before its end a token is renewed, at most; of
	// short-lived tokens it is a tenth of the life.
	renewMargin = time.Minute
	// unknownLifetime is assumed of tokens that do not say.
	unknownLifetime = 5 * time.Minute
	// renewPause is how long a token that was rejected from the start is kept,
	// so that an Airflow that rejects every token is not asked for one per call.
	renewPause = 2 * time.Second
)

// token is how the account makes itself known: a header with a bearer token, a
// session's cookie or a password, and what is known about it.
type token struct {
	header, value string
	secrets       []string // in value, to be kept out of texts
	// session: an Airflow 2 gave it, which says 403 both where it rejects the
	// session and where a permission is missing.
	session  bool
	made     time.Time
	lifetime time.Duration
	// accepted: Airflow took it at least once. replaces: it was made in place of
	// one that Airflow rejected.
	accepted atomic.Bool
	replaces bool
}

// judge concludes from the outcome of a call made with t what Airflow thinks of t.
func (s *tokens) judge(t *token, outcome error) {
	switch CauseOf(outcome) {
	case "", CauseNotFound, CauseConflict, CauseInvalid:
		t.accepted.Store(true)
	case CauseForbidden:
		if !t.session {
			t.accepted.Store(true)
		}
	case CauseUnavailable:
		// So an Airflow 2 answers a session whose user was deleted.
		if t.session && errorOf(outcome).Status == http.StatusInternalServerError {
			s.drop(t)
		}
	case CauseUnauthorized, CauseThrottled, CauseNotAirflow, CauseProxy, CauseTLS, CauseBlockedAddress, CauseUnsupported, CauseNoToken, CauseCanceled:
		// Airflow need not have checked it.
	}
}

// drop makes the next call log in anew, unless t is younger than renewPause.
func (s *tokens) drop(t *token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == t && !s.young(t) {
		s.current = nil
	}
}

// young says whether t was made less than renewPause ago.
func (s *tokens) young(t *token) bool {
	age := s.clock.Since(t.made)
	return age >= 0 && age < renewPause
}

// forget drops what the server issued.
func (s *tokens) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current, s.flight, s.replacing = nil, nil, false
}

// fresh says whether t can be used at now. A clock that was set back makes it
// unusable, since its end can then not be known.
func (t *token) fresh(now time.Time) bool {
	margin := min(renewMargin, t.lifetime/10)
	return !now.Before(t.made) && now.Before(t.made.Add(t.lifetime-margin))
}

// neverAccepted says whether t was made in place of a token that Airflow rejected, and was itself not accepted yet.
func (t *token) neverAccepted() bool { return t.replaces && !t.accepted.Load() }

// tokens holds the current token. At most one is asked for at a time; all
// calls that wait for it share the outcome.
type tokens struct {
	clock clock.PassiveClock
	fetch func(context.Context, Credentials) (*token, error)

	credentials Credentials

	mu        sync.Mutex
	current   *token
	flight    *flight
	replacing bool // the next token is made in place of a rejected one
}

// flight is one call for a token.
type flight struct {
	done chan struct{}
	t    *token
	err  error
	// gaveUp: it failed because its caller's context ended.
	gaveUp bool
}

// known says whether there are credentials to get a token with.
func (s *tokens) known() bool { return s.credentials.Username != "" }

func (s *tokens) username() string { return s.credentials.Username }

// renew replaces a token that was rejected by rejection, unless another call
// has replaced it already. A replacement that was never accepted is not
// replaced within renewPause: then rejection is returned.
func (s *tokens) renew(ctx context.Context, rejected *token, rejection error) (*token, error) {
	s.mu.Lock()
	if s.current == rejected {
		if s.young(rejected) && rejected.neverAccepted() {
			s.mu.Unlock()
			return nil, rejection
		}
		s.current, s.replacing = nil, true
	}
	s.mu.Unlock()
	return s.get(ctx)
}

// get returns a token that can be used now, and asks for one where there is none.
func (s *tokens) get(ctx context.Context) (*token, error) {
	for {
		s.mu.Lock()
		if s.current != nil && s.current.fresh(s.clock.Now()) {
			t := s.current
			s.mu.Unlock()
			return t, nil
		}
		f := s.flight
		if f == nil {
			f = &flight{done: make(chan struct{})}
			s.flight = f
			s.mu.Unlock()
			s.fly(ctx, f)
			return f.t, f.err
		}
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, transportError(ctx, ctx.Err())
		case <-f.done:
		}
		if f.err == nil {
			return f.t, nil
		}
		if !f.gaveUp {
			return nil, f.err
		}
	}
}

// fly asks for a token, and hands it to all that wait for it.
func (s *tokens) fly(ctx context.Context, f *flight) {
	f.t, f.err = s.fetch(ctx, s.credentials)
	f.gaveUp = f.err != nil && ctx.Err() != nil
	s.mu.Lock()
	if s.flight == f { // else the server was replaced meanwhile
		s.flight = nil
		if f.err == nil {
			f.t.replaces, s.replacing = s.replacing, false
			s.current = f.t
		}
	}
	s.mu.Unlock()
	close(f.done)
}

// moments are when a JWT was issued and when it ends, in seconds as JSON has them; 0 where it does not say.
type moments struct {
	IssuedAt float64 `json:"iat"`
	Expires  float64 `json:"exp"`
}

// momentsOf reads the claims of a JWT. The signature is Airflow's business.
func momentsOf(t string) moments {
	var claims moments
	parts := strings.Split(t, ".")
	if len(parts) != 3 {
		return claims
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return moments{}
	}
	return claims
}

// lifetime reads how long a JWT lives from its own claims, so that the clocks
// of both sides need not agree. Airflow just made it.
func lifetime(t string) time.Duration {
	claims := momentsOf(t)
	if claims.IssuedAt <= 0 {
		return unknownLifetime
	}
	return bounded(claims.Expires - claims.IssuedAt)
}

// remaining reads how long a JWT lives from now on: it may have been made long ago. One that has ended by our clock is used
// all the same; the server decides.
func remaining(t string, now time.Time) time.Duration {
	return bounded(momentsOf(t).Expires - float64(now.UnixMilli())/1000)
}

// bounded is a life of that many seconds, where it can be believed.
func bounded(seconds float64) time.Duration {
	if seconds <= 0 || seconds > (30*24*time.Hour).Seconds() {
		return unknownLifetime
	}
	return time.Duration(seconds * float64(time.Second))
}
