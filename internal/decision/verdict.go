package decision

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Verdict is the part of a decision that every kind has. The verdict of a kind embeds it and adds the fields of the
// kind's own status.
type Verdict struct {
	// Conditions by type, status, reason and message, in the order in which they are stored.
	Conditions []metav1.Condition
	// Entries are what is new: each becomes a line of the history and an Event.
	Entries []Entry
	// NextAt is when time alone changes the verdict; zero where it never does.
	NextAt time.Time
	// Urgent is true while access has to be revoked: the object is reconciled before others.
	Urgent bool
	// Hold is true when the object needs its finalizer before this verdict is stored.
	Hold bool
	// Release is true when an object that is being deleted may go: its finalizer is removed once this verdict is stored.
	Release bool
}

// Add appends conditions.
func (v *Verdict) Add(conditions ...metav1.Condition) {
	v.Conditions = append(v.Conditions, conditions...)
}

// Record appends entries.
func (v *Verdict) Record(entries ...Entry) { v.Entries = append(v.Entries, entries...) }

// Before brings NextAt forward to a moment; zero changes nothing.
func (v *Verdict) Before(moment time.Time) { v.NextAt = Earliest(v.NextAt, moment) }

// Earliest returns the first of some moments; zero is never.
func Earliest(moments ...time.Time) time.Time {
	first := time.Time{}
	for _, moment := range moments {
		if moment.IsZero() {
			continue
		}
		if first.IsZero() || moment.Before(first) {
			first = moment
		}
	}
	return first
}

// Latest returns the last of some moments; zero comes before all others.
func Latest(moments ...time.Time) time.Time {
	last := time.Time{}
	for _, moment := range moments {
		if moment.After(last) {
			last = moment
		}
	}
	return last
}
