// Package text writes what people read: bounded, on one line, without control characters; and compares names as Airflow
// does.
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

// Fold makes names of users comparable: two names are one user's where their folded forms are equal. Airflow compares
// names and e-mails without regard to case.
func Fold(name string) string {
	for i := range len(name) {
		if name[i] >= utf8.RuneSelf {
			return strings.ToLower(strings.ToUpper(name)) // some letters have two lower-case forms
		}
	}
	return strings.ToLower(name)
}

// Cut shortens text to at most limit characters.
func Cut(text string, limit int) string {
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	return string([]rune(text)[:limit])
}

// Quoted is text between quotes, without control characters, in at most 100 characters.
func Quoted(text string) string { return Cut(fmt.Sprintf("%q", text), 100) }

// Plain is text without control characters.
func Plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}

// List joins the first names and says how many more there are.
func List(names []string, limit int) string {
	if len(names) <= limit {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:limit], ", "), len(names)-limit)
}

// DigestLength is how many characters a Digest has.
const DigestLength = 16

// Digest is a short hash over texts, as hexadecimal digits. The texts are kept apart by their lengths, so that no two
// lists of texts run together to the same input.
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
