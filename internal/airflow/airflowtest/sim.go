package airflowtest

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/utils/clock"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

// The account that a new simulator has, with the role Admin.
const (
	AdminUsername = "operator"
	AdminPassword = "operator-password"
)

// Options say what is simulated. The zero value is an Airflow 3.3.2 with the
// FAB auth manager that answers at once and caches nothing.
type Options struct {
	// Clock is the server's clock; the real one by default.
	Clock clock.PassiveClock
	// Generation is Airflow33 by default.
	Generation *Generation
	// AuthManager is AuthManagerFAB by default; AuthManagerSimple has no API to
	// manage anything.
	AuthManager airflow.AuthManager
	// Prefix is a path before all others, for example "/team-a".
	Prefix string
	// CacheTTL is how long a worker remembers a user's permissions, by Clock.
	CacheTTL time.Duration
	// TokenLifetime is of tokens for programs; 1 h by default.
	TokenLifetime time.Duration
	// Latency is how long, in real time, a request takes, from its arrival to its
	// answer. What it changes is stored half way. Optional.
	Latency func(method, endpoint string) time.Duration
}

// Latency is a latency profile of one duration for every request.
func Latency(d time.Duration) func(method, endpoint string) time.Duration {
	return func(string, string) time.Duration { return d }
}

// Sim is a simulated Airflow. It is an http.Handler, safe for concurrent use.
type Sim struct {
	// Door is how users and programs come in. Store another one to change it.
	Door atomic.Pointer[Door]

	options    Options
	generation Generation
	clock      clock.PassiveClock
	routes     []route

	mu      sync.RWMutex // state and its history
	store   *store
	changes []Change

	lastToken, expiredTokens, rejectedTokens int

	log      sync.Mutex // requests
	requests []*Request

	faultLock sync.Mutex
	faults    []*Injected

	cacheLock sync.Mutex
	cache     map[int]cached
	cacheTTL  atomic.Int64
	skew      atomic.Int64
}

// New makes a simulator with Airflow's built-in roles, their permissions and
// one account.
func New(options Options) *Sim {
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	if options.Generation == nil {
		options.Generation = &Airflow33
	}
	if options.AuthManager == "" {
		options.AuthManager = airflow.AuthManagerFAB
	}
	if options.TokenLifetime <= 0 {
		options.TokenLifetime = time.Hour
	}
	s := &Sim{options: options, generation: *options.Generation, clock: options.Clock, store: newStore(), cache: map[int]cached{}}
	s.cacheTTL.Store(int64(options.CacheTTL))
	s.Door.Store(&Door{})
	s.routes = s.table()
	t := s.begin(ByOutside, 0)
	pairs, roles := s.generation.seedOf()
	for _, p := range pairs {
		t.addPair(p)
	}
	for _, action := range actionOf {
		s.store.actions[action] = true
	}
	for _, name := range builtinRoles {
		t.addRole(name, roles[name])
	}
	t.addUser(&user{
		username: AdminUsername, email: "operator@example.com", first: "Access", last: "Operator",
		password: AdminPassword, active: true, roles: []*role{s.store.roleByName["Admin"]},
	})
	return s
}

// Server is a simulator that listens on a free port of 127.0.0.1.
type Server struct {
	*Sim
	// URL is the address, with the prefix.
	URL string
	// CABundle is the PEM certificate of a server with TLS.
	CABundle []byte

	http *httptest.Server
}

// Start runs a simulator over plain HTTP until the test ends.
func Start(tb testing.TB, options Options) *Server {
	tb.Helper()
	return start(tb, New(options), false)
}

// StartTLS runs a simulator over TLS until the test ends.
func StartTLS(tb testing.TB, options Options) *Server {
	tb.Helper()
	return start(tb, New(options), true)
}

// Serve runs s over plain HTTP until the test ends; a simulator that was served
// before keeps its state, as a server that comes back.
func Serve(tb testing.TB, s *Sim) *Server {
	tb.Helper()
	return start(tb, s, false)
}

func start(tb testing.TB, s *Sim, secure bool) *Server {
	tb.Helper()
	out := &Server{Sim: s, http: httptest.NewUnstartedServer(s)}
	out.http.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // broken connections are on purpose
	if secure {
		out.http.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
		out.http.StartTLS()
		out.CABundle = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: out.http.Certificate().Raw})
	} else {
		out.http.Start()
	}
	out.URL = out.http.URL + s.options.Prefix
	tb.Cleanup(out.Stop)
	return out
}

// Stop closes the port and every connection; what is asked after it is refused.
func (s *Server) Stop() {
	s.http.CloseClientConnections()
	s.http.Close()
}

// Config gives a configuration of a client of this server as its administrator.
func (s *Server) Config() airflow.Config {
	host := strings.TrimPrefix(s.http.URL, "http://")
	return airflow.Config{
		URL: s.URL, Credentials: airflow.Credentials{Username: AdminUsername, Password: AdminPassword},
		CABundle: s.CABundle, AllowHTTPHosts: []string{host},
		AllowedAddresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Clock: s.clock,
	}
}

// SetSkew sets the server's Date header off its clock.
func (s *Sim) SetSkew(d time.Duration) { s.skew.Store(int64(d)) }

// incoming is a request on its way through the simulator.
type incoming struct {
	*http.Request
	record *Request
	route  *route
	args   map[string]string
	body   []byte
	user   *user // set where the route needs a token
	tx     *tx   // set where the route writes
}

const maxRequestBody = 32 << 20

// ServeHTTP answers as Airflow does, or as an injected fault says.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	arrived := clock.RealClock{}.Now()
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequestBody))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	in := &incoming{Request: r, body: body}
	path, known := strings.CutPrefix(r.URL.Path, s.options.Prefix)
	in.route, in.args = s.match(r.Method, path)
	in.record = s.record(in, path)
	fault := s.pick(in)
	var latency time.Duration
	if s.options.Latency != nil {
		latency = s.options.Latency(r.Method, in.record.Endpoint)
	}
	waitUntil(r, arrived.Add(latency/2))
	if fault.Before != nil {
		fault.Before()
	}
	var answer *response
	switch {
	case !known:
		answer = html(http.StatusNotFound)
	case fault.Answer != nil && fault.Apply == Nothing:
		answer = fault.Answer.response()
	default:
		if fault.Query != nil {
			query := r.URL.Query()
			fault.Query(query)
			r.URL.RawQuery = query.Encode()
		}
		answer = s.serve(in, path, fault.Apply)
		if fault.Answer != nil {
			answer = fault.Answer.response()
		}
	}
	waitUntil(r, arrived.Add(latency))
	s.write(w, in, answer, fault)
}

// serve lets the route answer, under the lock.
func (s *Sim) serve(in *incoming, path string, apply Apply) *response {
	if in.route == nil {
		return s.unknown(in.Method, path)
	}
	two := s.generation.two()
	if in.route.mutating || in.route.locked || s.syncs(in.route) || two {
		s.mu.Lock()
		defer s.mu.Unlock()
	} else {
		s.mu.RLock()
		defer s.mu.RUnlock()
	}
	if two && s.orphan(in.Request) {
		return broken()
	}
	if two {
		answer := translate(s.answer(in, apply))
		s.loggedIn(in, answer)
		return answer
	}
	return s.answer(in, apply)
}

// syncs says whether a call adds a permission to roles by the way.
func (s *Sim) syncs(r *route) bool {
	return s.generation.AddsWebsite && strings.HasPrefix(r.endpoint, "/auth/fab/")
}

// answer asks whether the request may be, and lets the route do its work.
func (s *Sim) answer(in *incoming, apply Apply) *response {
	if in.route.allowed != nil {
		u, refusal := s.authenticate(in.Request)
		if refusal != nil {
			return refusal
		}
		in.user = u
		if !in.route.allowed(s.heldBy(u), in.args, in.URL.Query()) {
			return detail(http.StatusForbidden, "Forbidden")
		}
	}
	if refusal := s.generation.refuses(in.route); refusal != nil {
		return refusal
	}
	if s.syncs(in.route) {
		s.addWebsite()
	}
	return s.commit(in, apply)
}

// commit lets the route do its work, as far as a fault lets it.
func (s *Sim) commit(in *incoming, apply Apply) *response {
	if in.route.mutating {
		by := "(nobody)"
		if in.user != nil {
			by = in.user.username
		}
		in.tx = s.begin(by, in.record.ID)
		in.tx.half = apply == Half
	}
	answer := in.route.serve(s, in)
	if in.tx != nil && apply == RollBack {
		in.tx.rollback()
	}
	if s.generation.fails(in.route, answer) {
		return detail(http.StatusInternalServerError, "Internal Server Error")
	}
	return answer
}

// record writes the request into the history.
func (s *Sim) record(in *incoming, path string) *Request {
	r := &Request{
		At: s.clock.Now(), Method: in.Method, Path: path, Query: in.URL.RawQuery, User: s.sender(in.Request), Body: summary(in.body),
		Mutating: in.Method != http.MethodGet && in.Method != http.MethodHead,
	}
	if in.route != nil {
		r.Endpoint, r.Mutating = in.route.endpoint, in.route.mutating
	}
	s.log.Lock()
	defer s.log.Unlock()
	r.ID = len(s.requests) + 1
	s.requests = append(s.requests, r)
	return r
}

// summary is a request's body for the history.
func summary(body []byte) string {
	const limit = 4 << 10
	if bytes.Contains(body, []byte(`"password"`)) {
		var fields map[string]any
		if json.Unmarshal(body, &fields) != nil {
			return "(unreadable)"
		}
		fields["password"] = "(hidden)"
		body, _ = json.Marshal(fields)
	}
	return string(body[:min(len(body), limit)])
}

// late is how much later than asked for timers fire on this machine: a part of a millisecond, measured once, that would
// make every answer later than its latency says.
var late = sync.OnceValue(func() time.Duration {
	const tries, most = 9, time.Millisecond
	over := make([]time.Duration, tries)
	for i := range over {
		begin := clock.RealClock{}.Now()
		clock.RealClock{}.Sleep(most)
		over[i] = min(max(clock.RealClock{}.Since(begin)-most, 0), most)
	}
	slices.Sort(over)
	return over[tries/2]
})

// waitUntil waits for a moment, and gives up when the client went away before.
func waitUntil(r *http.Request, at time.Time) {
	if !at.After(clock.RealClock{}.Now()) {
		return
	}
	ctx, cancel := context.WithDeadline(r.Context(), at.Add(-late()))
	defer cancel()
	<-ctx.Done()
	if r.Context().Err() != nil {
		panic(http.ErrAbortHandler)
	}
}
