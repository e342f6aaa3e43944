package faults_test

import (
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

// injected strikes with a fault of the simulator: with all requests, with those that write, or with a third of them.
func injected(f airflowtest.Fault) func(*world) func(*world) {
	return func(w *world) func(*world) {
		f := f
		switch w.random.IntN(3) {
		case 0:
			f.Writes = true
		case 1:
			f.If = some(w.random.Uint64(), 3)
		}
		return inject(w, f)
	}
}

// always strikes with a fault as it is.
func always(f airflowtest.Fault) func(*world) func(*world) {
	return func(w *world) func(*world) { return inject(w, f) }
}

func inject(w *world, f airflowtest.Fault) func(*world) {
	in := w.sim.Inject(w.local(f))
	return func(w *world) {
		in.Remove()
		for range in.Hits() {
			w.struck()
		}
	}
}

// local turns a fault of Airflow 3's endpoints into one of the world's Airflow.
func (w *world) local(f airflowtest.Fault) airflowtest.Fault {
	if w.can.PermissionModel == airflow.PermissionModelAirflow2 {
		for _, path := range []*string{&f.Endpoint, &f.Path} {
			*path = strings.NewReplacer("/auth/fab/v1/", "/api/v1/", "/api/v2/", "/api/v1/").Replace(*path)
		}
	}
	return f
}

// some chooses one of n requests.
func some(seed uint64, n int) func(airflowtest.Request) bool {
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, 2))
	return func(airflowtest.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		return random.IntN(n) == 0
	}
}

// hanging makes a few requests take as long as a client waits, of simulated time, and then breaks their connection.
func hanging(wire airflowtest.Wire) func(*world) func(*world) {
	return func(w *world) func(*world) {
		const callTimeout = 30 * time.Second
		f := airflowtest.OverWire(wire)
		f.Before = func() {
			w.blindFor(airflowAway, callTimeout)
			w.clock.SetTime(w.now().Add(callTimeout))
		}
		return inject(w, f.For(1+w.random.IntN(2)))
	}
}

// throttling answers 429 and checks that the operator stays away for as long as it was asked to.
func throttling(w *world) func(*world) {
	const seconds = 7
	f := airflowtest.Throttled("7")
	f.Before = func() {
		w.mu.Lock()
		w.leaveAlone = append(w.leaveAlone, window{from: w.now(), to: w.now().Add(seconds * time.Second)})
		w.mu.Unlock()
		w.blindFor(airflowAway, seconds*time.Second)
	}
	return inject(w, f.For(1+w.random.IntN(3)))
}

// stranger is a server to which a redirect leads. It must see no credentials.
func stranger(w *world) func(*world) {
	var seen atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen.Add(1) }))
	w.ends = append(w.ends, server.Close)
	heal := inject(w, airflowtest.RedirectTo(http.StatusTemporaryRedirect, server.URL+"/auth/token"))
	return func(w *world) {
		heal(w)
		if n := seen.Load(); n > 0 {
			w.wrong("%d requests followed a redirect to another host", n)
		}
	}
}

// refusing closes the port for a while.
func refusing(w *world) func(*world) {
	w.door.close()
	return func(w *world) {
		w.noticed(v1alpha1.ReasonUnreachable)
		w.door.open(w)
	}
}

// forged shows another certificate for a while, and counts who talks to it all the same.
func forged(w *world) func(*world) {
	good, before := w.door.paper, w.sim.RequestCount()
	show := func(w *world, p *paper) {
		w.door.close()
		w.door.paper = p
		w.door.open(w)
	}
	show(w, issue(w.t))
	return func(w *world) {
		w.noticed(v1alpha1.ReasonTLSFailed)
		if n := w.sim.RequestCount() - before; n > 0 {
			w.wrong("I6: %d requests to a server with a certificate that nobody vouches for", n)
		}
		show(w, good)
	}
}

func httpFaults() []fault {
	const while = 30 * time.Second
	spoilt := func(number, title string, f airflowtest.Fault) fault {
		return fault{number: number, title: title, lasts: while, what: airflowAway, strike: injected(f)}
	}
	applied := airflowtest.AppliedThen(504)
	applied.Writes = true
	return []fault{
		{number: "F0", title: "nothing goes wrong", requests: soundRequests, strike: func(w *world) func(*world) { w.struck(); return nil }},
		spoilt("F19", "500", airflowtest.Status(500, "Internal Server Error")),
		spoilt("F20", "502 from a proxy", airflowtest.BadGateway(502)),
		spoilt("F20", "503 from a proxy", airflowtest.BadGateway(503)),
		{number: "F21", title: "504 after the write took effect", lasts: while, what: airflowAway, strike: always(applied)},
		{number: "F22", title: "429 with Retry-After", lasts: while, excuse: "all endings, for as long as was asked", strike: throttling},
		spoilt("F23", "429 without Retry-After", airflowtest.Throttled("")),
		{number: "F24", title: "connection refused", lasts: while, what: airflowAway, strike: refusing},
		spoilt("F24", "connection dropped before an answer", airflowtest.OverWire(airflowtest.Dropped)),
		spoilt("F25", "connection reset in the middle of the body", airflowtest.OverWire(airflowtest.Broken)),
		{number: "F26", title: "no headers until the deadline", lasts: while, excuse: "all endings, until the deadline of the call", strike: hanging(airflowtest.Dropped)},
		{number: "F27", title: "half a body, and nothing more until the deadline", lasts: while, excuse: "all endings, until the deadline of the call", strike: hanging(airflowtest.Broken)},
		spoilt("F28", "truncated JSON", airflowtest.OverWire(airflowtest.Truncated)),
		spoilt("F29", "an HTML login page with 200", airflowtest.LoginPage()),
		{number: "F30", title: "redirect to another host", lasts: while, what: airflowAway, strike: stranger},
		{number: "F31", title: "a certificate that nobody vouches for", lasts: while, what: airflowAway, secure: true, strike: forged},
		{number: "F32", title: "the name does not resolve", lasts: while, what: airflowAway, strike: unresolved, only: []string{"grants", "policies"}},
		{number: "F32", title: "a body of 1 GB", lasts: while, what: airflowAway, strike: always(airflowtest.HugeBody(1 << 30).For(1))},
	}
}

// nowhere is a host that does not resolve, and that no name server is asked for: a label has at most 63 letters.
var nowhere = strings.Repeat("n", 64) + ".invalid"

// unresolved sets the address of such a host.
func unresolved(w *world) func(*world) {
	w.moveTo(strings.Replace(w.url(), "127.0.0.1", nowhere, 1))
	return func(w *world) {
		w.noticed(v1alpha1.ReasonUnreachable)
		w.moveTo(w.url())
	}
}
