// Package rolename names the Airflow roles that carry policies and grants, and recognises the names that it made.
//
// Names are all that Airflow stores about a role besides its permissions, so that ownership is read from them. Each policy
// has a role, ForPolicy. A grant whose pinned terms are less than its policy has a role of its own, ForGrant, whose name is a
// hash over the terms, so that equal grants share a role and a role never changes its meaning.
//
// A role is known by its first name, and carried by one Airflow role at a time: the one of that name or a successor, which
// replaces it. All of them together are its Line.
//
// The package is pure.
package rolename

import (
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/airflow-oam/airflow-oam/internal/text"
)

const (
	// ownPrefix begins names that are reserved for the operator.
	ownPrefix = "oam."
	// maxBase is how many characters the role of a policy may have.
	maxBase = 48
	// maxGrantBase leaves room for a tilde and a hash below Airflow's 64 characters for a role name.
	maxGrantBase = maxBase - 1
)

// builtin are Airflow's own roles.
var builtin = []string{"Admin", "Op", "User", "Viewer", "Public"}

// IsReserved reports whether a role is one of Airflow's own, in any case. Such roles are never managed.
func IsReserved(role string) bool {
	role = strings.TrimSpace(role)
	return slices.ContainsFunc(builtin, func(own string) bool { return strings.EqualFold(role, own) })
}

// Manageable reports whether a role of this name can ever be managed: it is none of Airflow's own, and its name fits into a
// path of Airflow's API.
func Manageable(role string) bool {
	switch {
	case role == "":
		return false
	case IsReserved(role):
		return false
	}
	return !strings.Contains(role, "/")
}

// ForPolicy returns the Airflow role that carries a policy: the explicit name where there is one, otherwise
// oam.<namespace>.<policy>, which is cut and ends in a hash over both names when it is longer than 48 characters.
func ForPolicy(namespace, policy, explicit string) string {
	if explicit != "" {
		return explicit
	}
	name := ownPrefix + namespace + "." + policy
	if utf8.RuneCountInString(name) <= maxBase {
		return name
	}
	return text.Cut(name, maxBase-1-text.DigestLength) + "-" + text.Digest(namespace, policy)
}

// Check refuses explicit role names that cannot or must not be managed. The schema refuses them, too; this check also covers
// objects that were stored before the schema had the rule. The text of its error is for the author of the policy.
func Check(name string) error {
	refuse := func(why string) error {
		return errors.New("role.name " + text.Quoted(name) + " " + why + ": choose another name")
	}
	switch {
	case IsReserved(name):
		return refuse("is one of Airflow's own roles")
	case hasFoldedPrefix(name, ownPrefix):
		return refuse("begins with oam., which names roles made by the operator")
	case utf8.RuneCountInString(name) > maxBase:
		return refuse("is longer than 48 characters")
	case strings.ContainsFunc(name, isForbidden):
		return refuse("contains a slash, a tilde or a control character")
	case strings.TrimSpace(name) != name:
		return refuse("begins or ends with a space")
	}
	return nil
}

// isForbidden reports whether an explicit role name must not contain a character: a slash does not fit into a path of Airflow's
// API, and a tilde separates the parts of names that the operator makes.
func isForbidden(r rune) bool {
	switch r {
	case '/', '~':
		return true
	}
	return unicode.IsControl(r)
}

// hasFoldedPrefix reports whether a name begins with a prefix, in any case.
func hasFoldedPrefix(name, prefix string) bool {
	return strings.EqualFold(name[:min(len(name), len(prefix))], prefix)
}
