package access

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

const (
	ownPrefix = "oam."
	// maxBase leaves room for a tilde and a hash below Airflow's 64 characters for a role name.
	maxBase    = 48
	text.DigestLength = 16
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

// PolicyRoleName is the Airflow role that carries a policy: the explicit name where there is one, else
// oam.<namespace>.<policy>, which is cut and ends in a hash over both names when it is longer than 48 characters.
func PolicyRoleName(namespace, policy, explicit string) string {
	if explicit != "" {
		return explicit
	}
	name := ownPrefix + namespace + "." + policy
	if utf8.RuneCountInString(name) <= maxBase {
		return name
	}
	return text.Cut(name, maxBase-1-text.DigestLength) + "-" + text.Digest(namespace, policy)
}

// GrantRoleName is the role of grants that hold less than their policy: <base>~<hash over instance, policy and terms>.
// The base is cut so that the name has at most 64 characters.
func GrantRoleName(base, instanceUID, policyUID string, terms rolename.Terms) string {
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

// digest is a short hash over parts, which are kept apart by their lengths.
func digest(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		h.Write([]byte(strconv.Itoa(len(part)) + ":" + part))
	}
	return hex.EncodeToString(h.Sum(nil))[:text.DigestLength]
}

// grantBase is the base of a name made by GrantRoleName, and whether it looks like one.
func grantBase(role string) (base string, ok bool) {
	base, hash, ok := strings.Cut(role, "~")
	if !ok || len(hash) < text.DigestLength || strings.Trim(hash, "0123456789abcdef") != "" {
		return "", false
	}
	return base, true
}

// checkRoleName refuses explicit role names that cannot or must not be managed. The schema says the same; this holds
// also for objects that the schema never saw.
func checkRoleName(name string) *Problem {
	refuse := func(why string) *Problem {
		return &Problem{v1alpha1.ReasonInvalidRoleName, "role.name " + text.Quoted(name) + " " + why + ": choose another name"}
	}
	switch {
	case rolename.IsReserved(name):
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

func hasFoldedPrefix(text, prefix string) bool {
	return len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix)
}
