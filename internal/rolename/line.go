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
)

// Line is a role and all its successors, under the role's first name, which is cut where that is very long. The name of a
// line that is not cut is the name of a role.
type Line string

// LineOf is the line of a role.
func LineOf(role string) Line {
	if line, _, ok := Succession(role); ok {
		return line
	}
	if len(role) <= maxSuccessorBase || utf8.RuneCountInString(role) <= maxSuccessorBase {
		return Line(role)
	}
	front, hash, ok := strings.Cut(role, "~")
	if !ok || len(hash) != text.DigestLength {
		front, hash = role, text.Digest(role)
	}
	return Line(text.Cut(front, maxSuccessorBase-1-text.DigestLength) + "~" + hash)
}

// SameLine says whether two roles are of one line.
func SameLine(a, b string) bool { return LineOf(a) == LineOf(b) }

// Manageable says whether roles of the line can be managed.
func (l Line) Manageable() bool { return Manageable(string(l)) }

// Successor is the name of the n-th role that takes the place of another one of the line: <line>~g<n>, at most 64
// characters.
func (l Line) Successor(n int) string { return string(l) + successorMark + strconv.Itoa(n) }

// Successor is the name of the n-th successor of a role.
func Successor(base string, n int) string { return LineOf(base).Successor(n) }

// Succession takes the number off the name of a successor; ok is false where the name is none.
func Succession(role string) (line Line, n int, ok bool) {
	at := strings.LastIndex(role, successorMark)
	if at <= 0 {
		return "", 0, false
	}
	digits := role[at+len(successorMark):]
	if digits == "" || len(digits) > 6 || digits[0] == '0' || strings.Trim(digits, "0123456789") != "" {
		return "", 0, false
	}
	if _, _, again := Succession(role[:at]); again {
		return "", 0, false
	}
	n, err := strconv.Atoi(digits)
	return Line(role[:at]), n, err == nil
}

// CompareNewest orders roles of one line, the newest first.
func CompareNewest(a, b string) int {
	_, x, _ := Succession(a)
	_, y, _ := Succession(b)
	return cmp.Or(y-x, strings.Compare(a, b))
}
