// Package status computes the parts of a status that every kind has, and writes a status at most once a pass.
//
// Conditions, History and Line are pure. Patch is the only writer: it writes what changed in meaning, under the
// condition that nobody else wrote in between, and nothing otherwise.
package status

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

const (
	// MaxMessage is the greatest length of a condition's message in bytes.
	MaxMessage = 1024
	// MaxHistory is the number of history entries that are kept.
	MaxHistory = 16
	// MaxEntry is the greatest length of a history entry's message in bytes.
	MaxEntry = 256
	// maxActor is the greatest length of a history entry's actor in bytes.
	maxActor = 128
)

// Conditions gives the conditions that replace the stored ones: exactly the wanted ones, in their order, each of this
// generation. Of a wanted condition only type, status, reason and message are read. The transition time is now where
// the status changed and stays otherwise. Reconciling and Stalled are left out unless they are True. The inputs are
// not changed.
func Conditions(stored []metav1.Condition, generation int64, now time.Time, wanted ...metav1.Condition) []metav1.Condition {
	result := make([]metav1.Condition, 0, len(wanted))
	for _, want := range wanted {
		if momentary(want.Type) && want.Status != metav1.ConditionTrue {
			continue
		}
		condition := metav1.Condition{
			Type: want.Type, Status: want.Status, Reason: want.Reason, Message: Line(want.Message, MaxMessage),
			ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now).Rfc3339Copy(),
		}
		if old := Find(stored, want.Type); old != nil && old.Status == want.Status {
			condition.LastTransitionTime = old.LastTransitionTime
		}
		result = append(result, condition)
	}
	return result
}

// momentary conditions are there only while they are True.
func momentary(conditionType string) bool {
	return conditionType == v1alpha1.ConditionReconciling || conditionType == v1alpha1.ConditionStalled
}

// Find gives the condition of a type; nil where there is none.
func Find(conditions []metav1.Condition, conditionType string) *metav1.Condition {
	for i := range conditions {
		if conditions[i].Type == conditionType {
			return &conditions[i]
		}
	}
	return nil
}

// IsTrue is true when there is a condition of that type and its status is True.
func IsTrue(conditions []metav1.Condition, conditionType string) bool {
	found := Find(conditions, conditionType)
	return found != nil && found.Status == metav1.ConditionTrue
}

// History gives the history with entries added at its end. Of an entry only actor, event and message are read; the
// sequence goes on from the newest one, also where old entries were dropped. The inputs are not changed.
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
	return result[max(0, len(result)-MaxHistory):]
}

// Line gives text as one line of at most limit bytes: control characters become spaces, invalid bytes go, and what is
// cut off is shown by "...".
func Line(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError:
			return -1
		case unicode.IsControl(r) || r == '\u2028' || r == '\u2029':
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
