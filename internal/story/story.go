// Package story tells one access from the request to the proof that it is gone, out of an AccessRequest and its AccessGrant: one
// list of moments, and an outlook. It is pure, so that the plugin, reports and a console tell the same.
//
// Texts of users are in Moment.Note as they were written. Names of users and groups come from identity providers. A program that
// shows either escapes it.
package story

import (
	"cmp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// Source is the object that contains a moment.
type Source string

const (
	// SourceRequest is the AccessRequest.
	SourceRequest Source = "AccessRequest"
	// SourceGrant is the AccessGrant.
	SourceGrant Source = "AccessGrant"
)

// Moment is one entry of the timeline.
type Moment struct {
	// At is when it happened; zero where no object says when, as for votes. Its place in the list is right all the same.
	At time.Time
	// By is the user who acted, or v1alpha1.ActorOperator. It is empty where no object says by which user.
	By string
	// What happened, in a sentence without a full stop. It continues the name in By.
	What string
	// Note is the text that a user wrote about it, unchanged.
	Note string
	// Source is the object that contains it.
	Source Source
}

// Tell returns the timeline of a request, of its grant, or of both, oldest first. Either may be nil: a request need not have a
// grant yet, and a grant need not have a request.
func Tell(r *v1alpha1.AccessRequest, g *v1alpha1.AccessGrant) []Moment {
	t := &teller{}
	if r != nil {
		tellRequest(t, r)
	}
	if g != nil {
		tellGrant(t, g)
	}
	slices.SortStableFunc(t.told, func(a, b placed) int { return cmp.Or(a.place.Compare(b.place), cmp.Compare(a.rank, b.rank)) })
	out := make([]Moment, 0, len(t.told))
	for _, p := range t.told {
		out = append(out, p.Moment)
	}
	return out
}

// never is the place of what has no time and comes last.
var never = time.Date(9999, time.December, 31, 0, 0, 0, 0, time.UTC)

// The ranks order moments of the same time: objects store whole seconds.
const (
	rankMade = iota
	rankBefore
	rankDecided
	rankGranted
	rankGiven
	rankLive
	rankEnd
	rankProof
)

// placed is a moment with its place in the timeline.
type placed struct {
	Moment
	place time.Time
	rank  int
}

// teller collects moments in any order.
type teller struct{ told []placed }

// at adds a moment whose time is known.
func (t *teller) at(when time.Time, rank int, m Moment) {
	m.At = when.UTC()
	t.told = append(t.told, placed{m, when, rank})
}

// around adds a moment whose own time is not known, at the place of another one; nil means the end of the timeline.
func (t *teller) around(place *metav1.Time, rank int, m Moment) {
	when := never
	if place != nil {
		when = place.Time
	}
	t.told = append(t.told, placed{m, when, rank})
}

// history adds the entries that no other moment covers: the status stores the first and the last ones only.
func (t *teller) history(source Source, entries []v1alpha1.HistoryEntry, rank int, covered map[string]bool) {
	for _, e := range entries {
		if covered[e.Event] {
			continue
		}
		what := e.Event
		if e.Message != "" {
			what += ": " + e.Message
		}
		t.at(e.At.Time, rank, Moment{By: e.Actor, What: what, Source: source})
	}
}
