package airflowtest

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
)

// Apply says what becomes of a request that a fault befalls.
type Apply int

const (
	// Through: it is served as usual.
	Through Apply = iota
	// Nothing: it does not reach Airflow.
	Nothing
	// Half: a change that Airflow stores in several commits stops in its middle.
	Half
	// RollBack: it is answered as usual, and nothing is stored.
	RollBack
)

// Wire says how the answer goes over the connection.
type Wire int

const (
	// Whole: as it should.
	Whole Wire = iota
	// Dropped: the connection ends before an answer.
	Dropped
	// Broken: the connection ends in the middle of the body.
	Broken
	// Truncated: half of the body is sent as if it were all.
	Truncated
	// HeldBack: nothing is sent until the client gives up.
	HeldBack
	// Stuck: half of the body is sent, and then nothing until the client gives up.
	Stuck
)

// Answer is an answer in the stead of Airflow's.
type Answer struct {
	Status      int
	ContentType string // application/json by default
	Header      http.Header
	Body        string
}

// Fault is a rule that spoils requests.
type Fault struct {
	// Name is what the history shows.
	Name string
	// Method, Endpoint (a template), Path (decoded) and User choose the requests
	// where they are not empty, Writes those that write, If what is left.
	Method, Endpoint, Path, User string
	Writes                       bool
	If                           func(Request) bool
	// Skip lets that many of them pass before; Times is how many are spoilt, and
	// 0 means all that follow.
	Skip, Times int

	// Before is called before the request is served, without a lock: it may
	// change the state.
	Before func()
	// Query changes the request's parameters.
	Query func(url.Values)
	// Apply says what becomes of the request.
	Apply Apply
	// Answer is sent instead of Airflow's answer.
	Answer *Answer
	// Wire says how the answer is sent.
	Wire Wire
	// Padding makes the body longer by that many spaces.
	Padding int64
}

// On gives the fault for requests of a method to an endpoint; "" is any.
func (f Fault) On(method, endpoint string) Fault {
	f.Method, f.Endpoint = method, endpoint
	return f
}

// After gives the fault with n matching requests let pass before.
func (f Fault) After(n int) Fault {
	f.Skip = n
	return f
}

// For gives the fault for n requests.
func (f Fault) For(n int) Fault {
	f.Times = n
	return f
}

// Status answers with a status and Airflow's form of a detail, and nothing is done.
func Status(status int, text string) Fault {
	return Fault{Name: strconv.Itoa(status), Apply: Nothing, Answer: &Answer{Status: status, Body: fmt.Sprintf(`{"detail":%q}`, text)}}
}

// BadGateway answers as a proxy does that cannot reach Airflow.
func BadGateway(status int) Fault {
	return Fault{Name: "proxy " + strconv.Itoa(status), Apply: Nothing, Answer: &Answer{
		Status: status, ContentType: "text/html", Body: "<html><body>" + http.StatusText(status) + "</body></html>",
	}}
}

// BrokenItem answers 500 to each page of a list that contains the item at an offset, as Airflow does for a DAG without a
// file location (apache/airflow#69110).
func BrokenItem(offset int) Fault {
	f := Status(http.StatusInternalServerError, "Internal Server Error")
	f.Name = "broken item"
	f.If = func(r Request) bool {
		query, err := url.ParseQuery(r.Query)
		if err != nil {
			return false
		}
		from, _ := strconv.Atoi(query.Get("offset"))
		limit, err := strconv.Atoi(query.Get("limit"))
		if err != nil {
			limit = 100
		}
		return from <= offset && offset < from+limit
	}
	return f
}

// FrontDoor answers as something in front of Airflow does that refuses requests whose body is longer than a number of
// bytes, up to 4 KiB: 403 with HTML, as a web application firewall does, or 413.
func FrontDoor(status, most int) Fault {
	f := BadGateway(status)
	f.Name, f.Writes = "front door "+strconv.Itoa(status), true
	f.If = func(r Request) bool { return len(r.Body) > most }
	return f
}

// Throttled answers 429, with Retry-After where retryAfter is not empty.
func Throttled(retryAfter string) Fault {
	f := Status(http.StatusTooManyRequests, "Too many requests")
	if retryAfter != "" {
		f.Answer.Header = http.Header{"Retry-After": {retryAfter}}
	}
	return f
}

// LoginPage answers 200 with HTML, and nothing is done.
func LoginPage() Fault {
	return Fault{Name: "login page", Apply: Nothing, Answer: &Answer{Status: http.StatusOK, ContentType: "text/html; charset=utf-8", Body: page}}
}

// RedirectTo answers with a redirect, and nothing is done.
func RedirectTo(status int, location string) Fault {
	return Fault{Name: "redirect", Apply: Nothing, Answer: &Answer{Status: status, Header: http.Header{"Location": {location}}}}
}

// AppliedThen does what was asked and answers with a status.
func AppliedThen(status int) Fault {
	f := BadGateway(status)
	f.Name, f.Apply = "applied, "+strconv.Itoa(status), Through
	return f
}

// HalfThen does half of what was asked and answers with a status.
func HalfThen(status int) Fault {
	f := Status(status, "Internal Server Error")
	f.Name, f.Apply = "half applied, "+strconv.Itoa(status), Half
	return f
}

// Unstored answers as usual and stores nothing.
func Unstored() Fault { return Fault{Name: "unstored", Apply: RollBack} }

// OverWire serves the request and spoils the answer's way.
func OverWire(w Wire) Fault { return Fault{Name: "wire " + strconv.Itoa(int(w)), Wire: w} }

// HugeBody answers with n bytes more.
func HugeBody(n int64) Fault { return Fault{Name: "huge body", Padding: n} }

// ShortPages gives at most n items a page.
func ShortPages(n int) Fault {
	return Fault{Name: "short pages", Query: func(q url.Values) {
		if limit, err := strconv.Atoi(q.Get("limit")); err != nil || limit > n {
			q.Set("limit", strconv.Itoa(n))
		}
	}}
}

// Meanwhile calls change before the request is served: what another writer
// does between two requests of one reader.
func Meanwhile(change func()) Fault { return Fault{Name: "meanwhile", Before: change} }

// Injected is a fault in force.
type Injected struct {
	fault   Fault
	sim     *Sim
	seen    int
	hits    atomic.Int64
	removed bool
}

// Inject puts a fault in force. Of several that match a request the one
// injected first befalls it.
func (s *Sim) Inject(f Fault) *Injected {
	i := &Injected{fault: f, sim: s}
	s.faultLock.Lock()
	defer s.faultLock.Unlock()
	s.faults = append(s.faults, i)
	return i
}

// Heal removes all faults.
func (s *Sim) Heal() {
	s.faultLock.Lock()
	defer s.faultLock.Unlock()
	s.faults = nil
}

// Remove takes the fault out of force.
func (i *Injected) Remove() {
	i.sim.faultLock.Lock()
	defer i.sim.faultLock.Unlock()
	i.removed = true
}

// Hits is how many requests it has befallen.
func (i *Injected) Hits() int { return int(i.hits.Load()) }

// matches says whether the fault chooses a request: what is empty or not set in it chooses all.
func (f Fault) matches(r Request) bool {
	for _, chosen := range []struct{ want, got string }{
		{f.Method, r.Method}, {f.Endpoint, r.Endpoint}, {f.Path, r.Path}, {f.User, r.User},
	} {
		if chosen.want != "" && chosen.want != chosen.got {
			return false
		}
	}
	if f.Writes && !r.Mutating {
		return false
	}
	return f.If == nil || f.If(r)
}

// pick gives the fault that befalls the request; the zero fault is none.
func (s *Sim) pick(in *incoming) *Fault {
	s.faultLock.Lock()
	defer s.faultLock.Unlock()
	for _, i := range s.faults {
		if i.removed || !i.fault.matches(*in.record) {
			continue
		}
		i.seen++
		if i.seen <= i.fault.Skip || i.fault.Times > 0 && i.seen > i.fault.Skip+i.fault.Times {
			continue
		}
		i.hits.Add(1)
		s.log.Lock()
		in.record.Fault = i.fault.Name
		s.log.Unlock()
		f := i.fault
		return &f
	}
	return &Fault{}
}
