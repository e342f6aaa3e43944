package rolename

import (
	"cmp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/airflow-oam/airflow-oam/internal/text"
)

// MaxSuccessor is the highest number of a successor.
const MaxSuccessor = 999_999

const (
	successorMark = "~g"
	// maxSuccessorBase leaves room for the mark and six digits below Airflow's 64 characters for a role name.
	maxSuccessorBase = 56
	// maxSuccessorFront is the same for the part of a base before its hash.
	maxSuccessorFront = maxSuccessorBase - 1 - text.DigestLength
)

// Line is a role and all its successors. Its value is the role's first name, which is cut and ends in a hash where it is too
// long for a successor. The value of a line that is not cut is the name of a role.
type Line string

// LineOf returns the line that a role belongs to, whether it is the first role of the line or a successor.
func LineOf(role string) Line {
	if line, _, ok := Succession(role); ok {
		return line
	}
	if utf8.RuneCountInString(role) <= maxSuccessorBase {
		return Line(role)
	}
	front, hash, _ := strings.Cut(role, "~")
	if len(hash) != text.DigestLength {
		front, hash = role, text.Digest(role)
	}
	return Line(text.Cut(front, maxSuccessorFront) + "~" + hash)
}

// SameLine reports whether two roles are of one line.
func SameLine(a, b string) bool { return LineOf(a) == LineOf(b) }

// Manageable reports whether roles of the line can be managed.
func (l Line) Manageable() bool { return Manageable(string(l)) }

// Successor returns the name of the n-th role that replaces another one of the line: <line>~g<n>, at most 64 characters.
func (l Line) Successor(n int) string { return string(l) + successorMark + strconv.Itoa(n) }

// Successor returns the name of the n-th successor in the line of a role, which may be a successor itself.
func Successor(base string, n int) string { return LineOf(base).Successor(n) }

// Succession splits the name of a successor into its line and its number, between 1 and MaxSuccessor. ok is false where the
// name is not that of a successor, as that of the first role of a line.
func Succession(role string) (line Line, n int, ok bool) {
	at := strings.LastIndex(role, successorMark)
	if at <= 0 {
		return "", 0, false
	}
	n, ok = successorNumber(role[at+len(successorMark):])
	if !ok {
		return "", 0, false
	}
	if _, _, again := Succession(role[:at]); again {
		return "", 0, false
	}
	return Line(role[:at]), n, true
}

// successorNumber reads the number of a successor, which is written in one way only: without sign or leading zeros.
func successorNumber(digits string) (n int, ok bool) {
	n, err := strconv.Atoi(digits)
	switch {
	case err != nil:
		return 0, false
	case n < 1:
		return 0, false
	case n > MaxSuccessor:
		return 0, false
	}
	return n, strconv.Itoa(n) == digits
}

// CompareNewest orders roles of one line, the newest first. The first role of the line comes last.
func CompareNewest(a, b string) int {
	_, x, _ := Succession(a)
	_, y, _ := Succession(b)
	return cmp.Or(y-x, strings.Compare(a, b))
}
