package faults_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var errDead = errors.New("the process is dead")

// call is a request of the operator to the API server.
type call struct {
	*http.Request
	// verb is get, list, watch, create, patch, update or delete; resource may end in /status.
	verb, resource, name string
}

func (c call) writes() bool { return c.verb != "get" && c.verb != "list" && c.verb != "watch" }

// gate stands between a process and the API server. It counts, and spoils what it is told to.
type gate struct {
	next http.RoundTripper

	mu      sync.Mutex
	dead    bool
	rule    func(call) (*http.Response, error)
	after   func(call)
	stale   map[string][]byte // answers to the lists that fill caches, by resource
	written []string
	asked   int
	held    chan struct{} // not nil while watches are held; closed when they go on
	streams map[*stream]bool
}

func newGate(next http.RoundTripper) *gate { return &gate{next: next, streams: map[*stream]bool{}} }

// RoundTrip is a request on its way.
func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	c := parse(r)
	g.mu.Lock()
	g.asked++
	dead, rule, after := g.dead, g.rule, g.after
	old, stale := g.stale[c.resource]
	stale = stale && c.verb == "list" && r.URL.Query().Get("resourceVersion") == "0" // others ask for what is stored
	if stale {
		delete(g.stale, c.resource)
	}
	g.mu.Unlock()
	switch {
	case dead:
		return nil, errDead
	case c.verb == "watch" && r.URL.Query().Get("sendInitialEvents") == "true":
		return refusal(r, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, 0), nil // so that lists are lists
	case stale:
		return answer(r, http.StatusOK, old), nil
	}
	if rule != nil {
		if response, err := rule(c); response != nil || err != nil {
			return response, err
		}
	}
	response, err := g.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if c.verb == "watch" && response.StatusCode == http.StatusOK {
		response.Body = g.stream(response.Body)
	}
	if c.writes() && response.StatusCode < 300 {
		g.mu.Lock()
		if c.resource != "events" { // they are sent later, and again after a failure, of real time
			g.written = append(g.written, c.verb+" "+c.resource+" "+c.name)
		}
		g.mu.Unlock()
		if after != nil {
			after(c)
		}
		if g.isDead() {
			_ = response.Body.Close()
			return nil, errDead // it was stored, and nobody lives who could read that
		}
	}
	return response, nil
}

func (g *gate) isDead() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.dead
}

// kill ends all that goes through the gate.
func (g *gate) kill() {
	g.mu.Lock()
	g.dead = true
	g.mu.Unlock()
	g.cut()
}

func (g *gate) setRule(rule func(call) (*http.Response, error)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rule = rule
}

func (g *gate) setAfter(after func(call)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.after = after
}

// writes gives what was written from the n-th on.
func (g *gate) writes(from int) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string(nil), g.written[min(from, len(g.written)):]...)
}

// staleLeft is how many old lists nobody asked for yet.
func (g *gate) staleLeft() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.stale)
}

// hold holds back all watch events until release.
func (g *gate) hold() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held == nil {
		g.held = make(chan struct{})
	}
}

func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held != nil {
		close(g.held)
		g.held = nil
	}
}

// cut ends all watches that are open.
func (g *gate) cut() {
	g.mu.Lock()
	open := g.streams
	g.streams = map[*stream]bool{}
	g.mu.Unlock()
	for s := range open {
		_ = s.Close()
	}
}

// stream is the body of a watch.
type stream struct {
	io.ReadCloser
	gate   *gate
	closed chan struct{}
	once   sync.Once
}

func (g *gate) stream(body io.ReadCloser) io.ReadCloser {
	s := &stream{ReadCloser: body, gate: g, closed: make(chan struct{})}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.streams[s] = true
	return s
}

func (s *stream) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	s.gate.mu.Lock()
	held := s.gate.held
	s.gate.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-s.closed:
			return 0, io.EOF
		}
	}
	return n, err
}

func (s *stream) Close() error {
	s.once.Do(func() {
		close(s.closed)
		s.gate.mu.Lock()
		delete(s.gate.streams, s)
		s.gate.mu.Unlock()
	})
	return s.ReadCloser.Close()
}

// parse reads what a request is about from its path.
func parse(r *http.Request) call {
	c := call{Request: r}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	for i, part := range parts {
		if part == "namespaces" && i+2 < len(parts) {
			parts = parts[i+2:]
			break
		}
		if part == "v1" || part == "v1alpha1" {
			if i+1 < len(parts) && parts[i+1] != "namespaces" || i+3 >= len(parts) {
				parts = parts[i+1:]
				break
			}
		}
	}
	if len(parts) > 0 {
		c.resource = parts[0]
	}
	if len(parts) > 1 {
		c.name = parts[1]
	}
	if len(parts) > 2 {
		c.resource += "/" + parts[2]
	}
	switch r.Method {
	case http.MethodGet:
		c.verb = "list"
		if c.name != "" {
			c.verb = "get"
		}
		if r.URL.Query().Get("watch") == "true" {
			c.verb = "watch"
		}
	case http.MethodPost:
		c.verb = "create"
	default:
		c.verb = strings.ToLower(r.Method)
	}
	return c
}

// refusal is an answer of the API server's own kind.
func refusal(r *http.Request, code int, reason metav1.StatusReason, retryAfter int) *http.Response {
	status := metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
		Code: int32(code), Reason: reason, Message: "a fault of the test",
	}
	if retryAfter > 0 {
		status.Details = &metav1.StatusDetails{RetryAfterSeconds: int32(retryAfter)}
	}
	body, err := json.Marshal(status)
	if err != nil {
		panic(err) // cannot happen: plain fields
	}
	response := answer(r, code, body)
	if retryAfter > 0 {
		response.Header.Set("Retry-After", strconv.Itoa(retryAfter))
	}
	return response
}

func answer(r *http.Request, code int, body []byte) *http.Response {
	return &http.Response{
		Status: strconv.Itoa(code) + " " + http.StatusText(code), StatusCode: code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:  http.Header{"Content-Type": {"application/json"}},
		Body:    io.NopCloser(bytes.NewReader(body)),
		Request: r, ContentLength: int64(len(body)),
	}
}

// errRefused is what a client sees of an API server that is away.
var errRefused error = syscall.ECONNREFUSED
