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
