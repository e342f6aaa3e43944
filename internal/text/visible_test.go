package text

import "testing"

func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"plain text, ünïcode 漢字 \"quotes\" 'too'": "plain text, ünïcode 漢字 \"quotes\" 'too'",
		"a\nb\tc":           `a\nb\tc`,
		"\x1b[31mred":       `\x1b[31mred`,
		"a\u202eb\u2066c":   `a\u202eb\u2066c`,
		"a\u2028b\u00a0c":   `a\u2028b\u00a0c`,
		"bad \xff end":      "bad \ufffd end",
		"":                  "",
		"it's \\n as typed": `it's \n as typed`,
	} {
		if got := Visible(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
