package status_test

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/status"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func condition(conditionType string, s metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{Type: conditionType, Status: s, Reason: reason, Message: message}
}

func TestTransitionTimesChangeOnlyWithTheStatus(t *testing.T) {
	first := status.Conditions(nil, 1, now, condition("Ready", metav1.ConditionTrue, "A", "a"))
	second := status.Conditions(first, 2, now.Add(time.Hour), condition("Ready", metav1.ConditionTrue, "B", "b"))
	want := metav1.Condition{Type: "Ready", Status: metav1.ConditionTrue, Reason: "B", Message: "b", ObservedGeneration: 2, LastTransitionTime: metav1.NewTime(now)}
	if diff := cmp.Diff([]metav1.Condition{want}, second); diff != "" {
		t.Error(diff)
	}
	third := status.Conditions(second, 2, now.Add(time.Hour), condition("Ready", metav1.ConditionFalse, "B", "b"))
	if !third[0].LastTransitionTime.Equal(new(metav1.NewTime(now.Add(time.Hour)))) {
		t.Errorf("the status changed at %s", third[0].LastTransitionTime)
	}
	if first[0].Reason != "A" {
		t.Error("the stored conditions were changed")
	}
}

func TestReconcilingAndStalledAreThereOnlyWhileTheyAreTrue(t *testing.T) {
	stored := status.Conditions(nil, 1, now, condition("Ready", metav1.ConditionFalse, "A", ""), condition("Reconciling", metav1.ConditionTrue, "A", ""))
	if len(stored) != 2 {
		t.Fatalf("stored %v", stored)
	}
	got := status.Conditions(stored, 1, now, condition("Ready", metav1.ConditionTrue, "A", ""),
		condition("Reconciling", metav1.ConditionFalse, "A", ""), condition("Stalled", metav1.ConditionUnknown, "A", ""))
	if len(got) != 1 || got[0].Type != "Ready" {
		t.Errorf("got %v", got)
	}
}

func TestConditionsThatAreNotWantedGo(t *testing.T) {
	stored := status.Conditions(nil, 1, now, condition("Ready", metav1.ConditionTrue, "A", ""), condition("Old", metav1.ConditionTrue, "A", ""))
	if got := status.Conditions(stored, 1, now, condition("Ready", metav1.ConditionTrue, "A", "")); status.Find(got, "Old") != nil {
		t.Errorf("got %v", got)
	}
}

func TestHistoryRetainsTheFirst4AndTheLast12Entries(t *testing.T) {
	var history []v1alpha1.HistoryEntry
	for range 10 {
		before := slices.Clone(history)
		stored := history
		history = status.History(history, now, v1alpha1.HistoryEntry{Event: "A"}, v1alpha1.HistoryEntry{Event: "B", Message: strings.Repeat("x", 300)})
		if diff := cmp.Diff(before, stored); diff != "" {
			t.Fatalf("the stored history was changed:\n%s", diff)
		}
	}
	var sequences []int64
	for i, entry := range history {
		sequences = append(sequences, entry.Sequence)
		if len(entry.Message) > status.MaxEntry {
			t.Errorf("entry %d is too long", i)
		}
	}
	if diff := cmp.Diff([]int64{1, 2, 3, 4, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}, sequences); diff != "" {
		t.Error(diff)
	}
	if got := status.History(history, now.Add(time.Hour)); len(got) != len(history) {
		t.Error("no entries change the history")
	}
}

func TestALineIsOneBoundedLine(t *testing.T) {
	cases := map[string]struct {
		text  string
		limit int
		want  string
	}{
		"short text stays":               {"a b", 10, "a b"},
		"F76: line breaks become spaces": {"a\r\nb\tc\u2028d", 20, "a  b c d"},
		"long text is cut and says so":   {"abcdefghij", 8, "abcde..."},
		"letters are not cut in two":     {"ääääää", 8, "ää..."},
		"bytes that are no text go":      {"a\xffb", 10, "ab"},
		"spaces at the ends go":          {" a ", 10, "a"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := status.Line(c.text, c.limit)
			if got != c.want || !utf8.ValidString(got) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func FuzzALineIsOneBoundedLine(f *testing.F) {
	f.Add("a\nb", 3)
	f.Add("\xff\u2029ä", 4)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit = 3 + limit&1023
		got := status.Line(text, limit)
		if len(got) > limit || !utf8.ValidString(got) || strings.ContainsAny(got, "\r\n\u2028\u2029\x00") {
			t.Errorf("Line(%q, %d) = %q", text, limit, got)
		}
	})
}
