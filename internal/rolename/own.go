package rolename

import (
	"strings"
	"unicode/utf8"

	"github.com/airflow-oam/airflow-oam/internal/text"
)

// This file recognises names that the operator makes.

const hexDigits = "0123456789abcdef"

// HasOwnPrefix reports whether a name begins with the prefix that is reserved for the operator.
func HasOwnPrefix(role string) bool { return strings.HasPrefix(role, ownPrefix) }

// IsForGrant reports whether a name has the form of one by ForGrant, or of its successor.
func IsForGrant(role string) bool {
	_, ok := grantBase(string(LineOf(role)))
	return ok
}

// grantBase returns the base of a name by ForGrant; ok is false where the name has another form.
func grantBase(role string) (base string, ok bool) {
	base, hash, _ := strings.Cut(role, "~")
	switch {
	case len(hash) < text.DigestLength:
		return "", false
	case strings.Trim(hash, hexDigits) != "":
		return "", false
	}
	return base, true
}

// IsOwn reports whether a role of this name can only have been made by the operator. The bases are the lines of its policies'
// roles: their successors, and the roles of their grants, are its own, too, whatever name the policy has chosen. Which operator it
// was, only a claim proves. A claim itself is no such role: it carries nothing.
func IsOwn(role string, bases map[Line]bool) bool {
	switch {
	case !Manageable(role), IsClaim(role):
		return false
	case HasOwnPrefix(role):
		return true
	}
	line, _, succeeds := Succession(role)
	switch {
	case !succeeds:
		return isGrantOf(bases, role, maxGrantBase)
	case bases[line]:
		return true
	}
	return isGrantOf(bases, string(line), maxSuccessorFront)
}

// isGrantOf reports whether a name has the form of one by ForGrant for one of the bases. A base that is at least as long as the
// limit may have been cut there, as that of a grant of a policy with a long name, and once more in the name of its successor.
func isGrantOf(bases map[Line]bool, role string, limit int) bool {
	base, ok := grantBase(role)
	switch {
	case !ok:
		return false
	case bases[Line(base)]:
		return true
	case len(base) < limit:
		return false
	}
	length := utf8.RuneCountInString(base)
	for name := range bases {
		if text.Cut(string(name), length) == base {
			return true
		}
	}
	return false
}
