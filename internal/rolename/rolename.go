// Package rolename names the Airflow roles that carry policies and grants, and recognises such names.
//
// It is pure. A role that a decision is about is known by its first name, and carried by one Airflow role at a time: the
// one of that name or a successor. All of them together are its Line.
package rolename

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/airflow-oam/airflow-oam/internal/text"
)

const (
	// ownPrefix begins names that only the operator gives.
	ownPrefix = "oam."
	// maxBase leaves room for a tilde and a hash below Airflow's 64 characters for a role name.
	maxBase = 48
)

// IsReserved says whether a role is one of Airflow's own, in any case. Such roles are never managed.
func IsReserved(role string) bool {
	role = strings.TrimSpace(role)
	for _, own := range []string{"Admin", "Op", "User", "Viewer", "Public"} {
		if strings.EqualFold(role, own) {
			return true
		}
	}
	return false
}

// Manageable says whether a role of this name can ever be managed: it is none of Airflow's own, and its name fits into a
// path of Airflow's API.
func Manageable(role string) bool {
	return role != "" && !IsReserved(role) && !strings.Contains(role, "/")
}

// ForPolicy is the Airflow role that carries a policy: the explicit name where there is one, else
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

// ForGrant is the role of grants that hold less than their policy: <base>~<hash over instance, policy and terms>.
// The base is cut so that the name has at most 64 characters.
func ForGrant(base, instanceUID, policyUID string, terms Terms) string {
	parts := []string{instanceUID, policyUID}
	for _, level := range terms.Access {
		parts = append(parts, "access", string(level))
	}
	for _, dag := range terms.Dags {
		parts = append(parts, "dag", dag)
	}
	for _, pair := range terms.AirflowPermissions {
		parts = append(parts, "pair", pair.Action, pair.Resource)
	}
	return text.Cut(base, maxBase-1) + "~" + text.Digest(parts...)
}

// HasOwnPrefix says whether a name begins as only the operator begins names.
func HasOwnPrefix(role string) bool { return strings.HasPrefix(role, ownPrefix) }

// IsForGrant says whether a name looks like one of ForGrant, or of its successor.
func IsForGrant(role string) bool {
	_, ok := grantBase(string(LineOf(role)))
	return ok
}

// grantBase is the base of a name made by ForGrant, and whether it looks like one.
func grantBase(role string) (base string, ok bool) {
	base, hash, ok := strings.Cut(role, "~")
	if !ok || len(hash) < text.DigestLength || strings.Trim(hash, "0123456789abcdef") != "" {
		return "", false
	}
	return base, true
}

// IsOwn says whether only the operator makes roles of this name. The bases are the lines of its policies' roles: their
// successors and the roles of their grants have such names, too.
func IsOwn(role string, bases map[Line]bool) bool {
	if !Manageable(role) {
		return false
	}
	if HasOwnPrefix(role) {
		return true
	}
	line, _, succeeds := Succession(role)
	if succeeds {
		if bases[line] {
			return true
		}
		role = string(line)
	}
	base, ok := grantBase(role)
	if !ok {
		return false
	}
	if bases[Line(base)] {
		return true
	}
	// The base of a grant role is cut when the policy's name is long, and once more in the name of its successor.
	limit := maxBase - 1
	if succeeds {
		limit = maxSuccessorBase - 1 - text.DigestLength
	}
	for name := range bases {
		if len(base) >= limit && text.Cut(string(name), utf8.RuneCountInString(base)) == base {
			return true
		}
	}
	return false
}

// Check refuses explicit role names that cannot or must not be managed. The schema says the same; this holds also for
// objects that the schema never saw. The text of its error is for the author of the policy.
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
	case strings.ContainsAny(name, "/~") || strings.ContainsFunc(name, unicode.IsControl):
		return refuse("holds a slash, a tilde or a control character")
	case strings.TrimSpace(name) != name:
		return refuse("begins or ends with a space")
	}
	return nil
}

func hasFoldedPrefix(name, prefix string) bool {
	return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
}
