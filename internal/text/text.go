// Package text makes texts for messages out of names that others chose: bounded, on one line, without control characters. It
// also folds names of users as Airflow compares them, and hashes texts into names.
package text

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Fold makes names of users comparable: two names belong to one user where their folded forms are equal. Airflow compares
// names and e-mail addresses without regard to case.
func Fold(name string) string {
	for i := range len(name) {
		if name[i] >= utf8.RuneSelf {
			return strings.ToLower(strings.ToUpper(name)) // some letters have two lower-case forms
		}
	}
	return strings.ToLower(name)
}

// placeholder ends the addresses that Airflow makes up for users whose identity provider gives none.
const placeholder = "@email.notfound"

// Placeholder reports whether an e-mail is one that Airflow made up, which belongs to no user.
func Placeholder(email string) bool { return strings.HasSuffix(Fold(email), placeholder) }

// longestName is how many bytes a name in a path of Airflow's API has at most.
const longestName = 1024

// Unaddressable says why Airflow's API, whose paths have a name in one segment, cannot address something of this name; empty
// where it can. Airflow stores such names all the same, and decodes an escaped slash before it reads the path.
func Unaddressable(name string) string {
	switch {
	case name == "":
		return "is empty"
	case strings.Contains(name, "/"):
		return "contains a slash"
	case strings.ContainsFunc(name, noneOfAPath):
		return "contains control characters or is not UTF-8"
	case len(name) > longestName:
		return "is too long"
	}
	return ""
}

func noneOfAPath(r rune) bool {
	switch r {
	case 0x7f, utf8.RuneError:
		return true
	}
	return r < ' '
}

// Cut shortens text to at most limit characters, which may be up to four bytes each.
func Cut(text string, limit int) string {
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	return string([]rune(text)[:limit])
}

// Quoted returns text between quotes, with control characters escaped, in at most 100 characters.
func Quoted(text string) string { return Cut(fmt.Sprintf("%q", text), 100) }

// Plain returns text with a space in place of each control character of ASCII, so that it stays on one line.
func Plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}

// List joins at most limit names and counts the others: "a, b and 3 more".
func List(names []string, limit int) string {
	if len(names) <= limit {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:limit], ", "), len(names)-limit)
}

// Count is a number of things in words: "1 step", "3 steps".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Short is a duration without units at its end that are zero: 8h, 1m30s.
func Short(d time.Duration) string {
	printed := d.String()
	if strings.HasSuffix(printed, "m0s") {
		printed = strings.TrimSuffix(printed, "0s")
	}
	if strings.HasSuffix(printed, "h0m") {
		printed = strings.TrimSuffix(printed, "0m")
	}
	return printed
}

// DigestLength is how many characters a Digest has.
const DigestLength = 16

// Digest returns a short hash over texts, as hexadecimal digits. The length of each text is part of the input, so that two
// different lists of texts are never the same input.
func Digest(texts ...string) string {
	h := sha256.New()
	for _, part := range texts {
		h.Write([]byte(strconv.Itoa(len(part)) + ":" + part))
	}
	return hex.EncodeToString(h.Sum(nil))[:DigestLength]
}

// SortedSet sorts names in place and drops doubles.
func SortedSet(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

// Without is the sorted set of the names that others do not hold.
func Without(names, others []string) []string {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	for _, other := range others {
		delete(set, other)
	}
	return slices.Sorted(maps.Keys(set))
}

// Visible returns text on one line, with an escape sequence in place of each character that a terminal or a browser would obey and not
// show, such as line breaks, controls and marks of direction.
func Visible(text string) string {
	text = strings.ToValidUTF8(text, string(utf8.RuneError))
	if !strings.ContainsFunc(text, invisible) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if invisible(r) {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// invisible reports whether a character is none that is shown as itself. The only space is that of ASCII.
func invisible(r rune) bool { return !unicode.IsPrint(r) }

// OneLine returns text that others wrote as one line of at most limit characters: control characters and line breaks become
// spaces; characters that change the direction of text, or that nobody sees, and invalid bytes go; and what is cut off is
// shown by "…".
func OneLine(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError, unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs):
			return -1
		case unicode.IsControl(r), unicode.IsSpace(r), r == '\u2028', r == '\u2029':
			return ' '
		}
		return r
	}, text)
	text = strings.TrimSpace(text)
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	return Cut(text, max(0, limit-1)) + "…"
}
