// Package status computes the parts of a status that every kind has, and writes a status at most once a pass.
//
// Conditions, History and Line are pure. Patch is the only writer: it writes a status whose meaning changed, under the
// condition that no other writer came in between, and nothing otherwise.
package status

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

const (
	// MaxMessage is the greatest length of a condition's message in bytes.
	MaxMessage = 1024
	// MaxHistory is the number of history entries that are retained: the first firstEntries, which say how the object began,
	// and the newest ones.
	MaxHistory   = 16
	firstEntries = 4
	// MaxEntry is the greatest length of a history entry's message in bytes.
	MaxEntry = 256
	// maxActor is the greatest length of a history entry's actor in bytes.
	maxActor = 128
)

// Conditions returns the conditions that replace the stored ones: exactly the wanted ones, in their order, each of this
// generation. Of a wanted condition only type, status, reason and message are read. The transition time is now where
// the status changed and stays otherwise. Reconciling and Stalled are left out unless they are True. The inputs are
// not changed.
func Conditions(stored []metav1.Condition, generation int64, now time.Time, wanted ...metav1.Condition) []metav1.Condition {
	result := make([]metav1.Condition, 0, len(wanted))
	for _, want := range wanted {
		if want.Status != metav1.ConditionTrue && momentary.Has(want.Type) {
			continue
		}
		condition := metav1.Condition{
			Type: want.Type, Status: want.Status, Reason: want.Reason, Message: Line(want.Message, MaxMessage),
			ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now).Rfc3339Copy(),
		}
		if meta.IsStatusConditionPresentAndEqual(stored, want.Type, want.Status) {
			condition.LastTransitionTime = Find(stored, want.Type).LastTransitionTime
		}
		result = append(result, condition)
	}
	return result
}

// momentary conditions are there only while they are True.
var momentary = sets.New(v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled)

// Find returns the condition of a type; nil where there is none.
func Find(conditions []metav1.Condition, conditionType string) *metav1.Condition {
	return meta.FindStatusCondition(conditions, conditionType)
}

// IsTrue reports whether there is a condition of that type and its status is True.
func IsTrue(conditions []metav1.Condition, conditionType string) bool {
	return meta.IsStatusConditionTrue(conditions, conditionType)
}

// History returns the history with entries added at its end: the first 4 and the newest 12 are retained. Of an entry only
// actor, event and message are read; the sequence goes on from the newest one, so that a gap in it shows how many entries
// between were dropped. The inputs are not changed.
func History(stored []v1alpha1.HistoryEntry, now time.Time, entries ...v1alpha1.HistoryEntry) []v1alpha1.HistoryEntry {
	if len(entries) == 0 {
		return stored
	}
	result := make([]v1alpha1.HistoryEntry, 0, len(stored)+len(entries))
	result = append(result, stored...)
	var sequence int64
	if len(stored) > 0 {
		sequence = stored[len(stored)-1].Sequence
	}
	for _, entry := range entries {
		sequence++
		result = append(result, v1alpha1.HistoryEntry{
			Sequence: sequence, At: metav1.NewTime(now).Rfc3339Copy(),
			Actor: Line(entry.Actor, maxActor), Event: entry.Event, Message: Line(entry.Message, MaxEntry),
		})
	}
	if dropped := len(result) - MaxHistory; dropped > 0 {
		result = slices.Delete(result, firstEntries, firstEntries+dropped)
	}
	return result
}

// Line returns text as one line of at most limit bytes: control characters become spaces, invalid bytes go, and what is
// cut off is shown by "...".
func Line(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError:
			return -1
		case unicode.IsControl(r), r == '\u2028', r == '\u2029':
			return ' '
		}
		return r
	}, text)
	text = strings.TrimSpace(text)
	if len(text) <= limit {
		return text
	}
	const mark = "..."
	cut := max(0, limit-len(mark))
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + mark
}
