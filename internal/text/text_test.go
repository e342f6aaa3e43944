package text_test

import (
	"testing"

	"github.com/airflow-oam/airflow-oam/internal/text"
)

func TestFoldMakesOneNameOfSpellings(t *testing.T) {
	for _, names := range [][2]string{{"Bob", "bOB"}, {"ÉMILE", "émile"}, {"ΣΟΦΟΣ", "σοφος"}, {"ſara", "SARA"}} {
		if text.Fold(names[0]) != text.Fold(names[1]) {
			t.Errorf("%q and %q are two names", names[0], names[1])
		}
	}
	if text.Fold("bob") == text.Fold("rob") {
		t.Error("two names are one")
	}
}

func TestListNamesTheFirstAndCountsTheOthers(t *testing.T) {
	names := []string{"a", "b", "c", "d"}
	if got := text.List(names, 4); got != "a, b, c, d" {
		t.Error(got)
	}
	if got := text.List(names, 2); got != "a, b and 2 more" {
		t.Error(got)
	}
}

func TestCountKnowsOneAndMany(t *testing.T) {
	for n, want := range map[int]string{0: "0 steps", 1: "1 step", 2: "2 steps"} {
		if got := text.Count(n, "step"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestTextIsBoundedAndPlain(t *testing.T) {
	if got := text.Plain("a\nb\x7f"); got != "a b " {
		t.Errorf("%q", got)
	}
	if got := text.Cut("äöü", 2); got != "äö" {
		t.Error(got)
	}
	if got := text.Quoted("a\nb"); got != `"a\nb"` {
		t.Error(got)
	}
}

func TestOneLineShowsNothingThatHides(t *testing.T) {
	for given, want := range map[string]string{
		"a\nb\tc\x00d":                 "a b c d",
		"safe\u202eevil\u2066x\u2069":  "safeevilx",
		"zero\u200bwidth\ufeff\u00ad":  "zerowidth",
		"\u2028line\u2029":             "line",
		"bad\xff bytes":                "bad bytes",
		"tag\U000e0041\U000e0042":      "tag",
		"exactly ten":                  "exactly t…",
		"äöüäöüäöüä":                   "äöüäöüäöüä",
		"  spaces\u00a0\u3000at ends ": "spaces  a…",
	} {
		if got := text.OneLine(given, 10); got != want {
			t.Errorf("%q became %q, want %q", given, got, want)
		}
	}
}
