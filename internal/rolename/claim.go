package rolename

import "strings"

// claimPrefix begins the names of claims. No policy has such a role: a namespace contains no tilde.
const claimPrefix = ownPrefix + "claim~"

// Claim returns the name of the role by which an AirflowInstance claims an Airflow: oam.claim~<uid of the instance>. A UID of
// Kubernetes has 36 characters, which leaves the name below Airflow's 64.
func Claim(uid string) string { return claimPrefix + uid }

// Claimant returns the UID of the instance whose claim a role is. ok is false where the role is no claim.
func Claimant(role string) (uid string, ok bool) {
	uid, ok = strings.CutPrefix(role, claimPrefix)
	return uid, ok && uid != ""
}

// IsClaim reports whether a role is the claim of an instance.
func IsClaim(role string) bool {
	_, ok := Claimant(role)
	return ok
}
