package airflowtest

import (
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

// Request is one recorded HTTP request.
type Request struct {
	// ID counts requests from 1 in the order of their arrival.
	ID int
	// At is the simulated time of arrival.
	At     time.Time
	Method string
	// Path is decoded, without the prefix; Endpoint is its template, empty where
	// Airflow has no such path.
	Path     string
	Endpoint string
	Query    string
	// User is whose token it carries, be it still valid or not; empty without.
	User string
	// Status is what was answered; 0 while it is under way or where the
	// connection was broken before an answer.
	Status int
	// Mutating says that its method writes; asking for a token does not count.
	Mutating bool
	// Body is what was sent, cut to 4 KiB, without passwords.
	Body string
	// Fault is the name of the fault that was injected into it.
	Fault string
}

// ChangeKind is a kind of change of state.
type ChangeKind string

// The kinds of changes.
const (
	RoleCreated     ChangeKind = "RoleCreated"
	RolePermissions ChangeKind = "RolePermissions"
	RoleRenamed     ChangeKind = "RoleRenamed"
	RoleDeleted     ChangeKind = "RoleDeleted"
	UserCreated     ChangeKind = "UserCreated"
	UserRoles       ChangeKind = "UserRoles"
	UserEdited      ChangeKind = "UserEdited"
	UserDeleted     ChangeKind = "UserDeleted"
	DagAdded        ChangeKind = "DagAdded"
	DagChanged      ChangeKind = "DagChanged"
	DagRemoved      ChangeKind = "DagRemoved"
	RunTriggered    ChangeKind = "RunTriggered"
)

// Change is one recorded change of state. What was rolled back is not recorded.
type Change struct {
	// Seq counts changes from 1.
	Seq int
	// At is the simulated time.
	At time.Time
	// By is the username of who sent the request, ByOutside or ByParsing.
	By string
	// Request is the ID of the request, or 0.
	Request int
	Kind    ChangeKind
	// Role, User or Dag is what changed.
	Role string
	User string
	Dag  string
	// NewName is the name after a RoleRenamed.
	NewName                             string
	RolesBefore, RolesAfter             []string
	PermissionsBefore, PermissionsAfter []airflow.Permission
}

// The actors of changes that no request made.
const (
	// ByOutside: a test, in the place of another writer or of the server's start.
	ByOutside = "(outside)"
	// ByParsing: the DAG processor.
	ByParsing = "(parsing)"
)

// Requests gives the recorded requests that keep says true to; all for nil.
func (s *Sim) Requests(keep func(Request) bool) []Request {
	s.log.Lock()
	defer s.log.Unlock()
	var out []Request
	for _, r := range s.requests {
		if keep == nil || keep(*r) {
			out = append(out, *r)
		}
	}
	return out
}

// MutatingRequests gives the recorded requests that write.
func (s *Sim) MutatingRequests() []Request {
	return s.Requests(func(r Request) bool { return r.Mutating })
}

// RequestCount is the number of requests so far.
func (s *Sim) RequestCount() int {
	s.log.Lock()
	defer s.log.Unlock()
	return len(s.requests)
}

// Changes gives the recorded changes that keep says true to; all for nil.
func (s *Sim) Changes(keep func(Change) bool) []Change {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []Change
	for _, c := range s.changes {
		if keep == nil || keep(c) {
			out = append(out, c)
		}
	}
	return out
}

// LastSeq is the sequence number of the last change.
func (s *Sim) LastSeq() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.changes)
}

// Span is a stretch of history, from a change to the change that ended it.
type Span struct {
	// FromSeq and From are of the change that began it.
	FromSeq int
	From    time.Time
	// ToSeq and To are of the change that ended it; 0 and zero while it lasts.
	ToSeq int
	To    time.Time
}

// Spans gives the stretches of history in which what the server stored let the
// user pass the check. It looks at every single change: a grant that was there
// between two requests is found, too. Whether the user was switched off does not
// matter.
func (s *Sim) Spans(username string, c Check) []Span {
	s.mu.RLock()
	defer s.mu.RUnlock()
	users := s.store.everByName[strings.ToLower(username)]
	var (
		out []Span
		on  bool
	)
	for _, seq := range turningPoints(users) {
		now := s.heldAt(users, seq).allows(c)
		at := s.changes[seq-1].At
		if now && !on {
			out = append(out, Span{FromSeq: seq, From: at})
		} else if !now && on {
			out[len(out)-1].ToSeq, out[len(out)-1].To = seq, at
		}
		on = now
	}
	return out
}

// AllowedBetween says whether there was a moment, not before from and before
// to, at which what the server stored let the user pass the check. A grant that
// came and went at one moment of simulated time counts.
func (s *Sim) AllowedBetween(username string, c Check, from, to time.Time) bool {
	for _, span := range s.Spans(username, c) {
		if span.From.Before(to) && (span.ToSeq == 0 || span.To.After(from) || span.From.Equal(span.To) && !span.To.Before(from)) {
			return true
		}
	}
	return false
}

// EffectiveAt gives the permissions that the user had after the change seq,
// sorted.
func (s *Sim) EffectiveAt(username string, seq int) []airflow.Permission {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return airflow.SortPermissions(slices.Concat(s.heldAt(s.store.everByName[strings.ToLower(username)], seq).roles...))
}

// turningPoints gives the sequence numbers at which the users' permissions may
// have changed.
func turningPoints(users []*user) []int {
	var out []int
	seen := map[*role]bool{}
	for _, u := range users {
		for _, v := range u.past {
			out = append(out, v.seq)
			for _, r := range v.roles {
				if seen[r] {
					continue
				}
				seen[r] = true
				for _, p := range r.past {
					out = append(out, p.seq)
				}
			}
		}
	}
	sort.Ints(out)
	return slices.Compact(out)
}

// heldAt gives what the users of one name, of whom one at a time exists, had
// after the change seq.
func (s *Sim) heldAt(users []*user, seq int) held {
	out := held{model: s.generation.Does.PermissionModel}
	for _, u := range users {
		at := sort.Search(len(u.past), func(i int) bool { return u.past[i].seq > seq })
		if at == 0 || !u.past[at-1].exists {
			continue
		}
		for _, r := range u.past[at-1].roles {
			if i := sort.Search(len(r.past), func(i int) bool { return r.past[i].seq > seq }); i > 0 {
				out.roles = append(out.roles, r.past[i-1].permissions)
			}
		}
	}
	return out
}
