package access

import (
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// PolicyReport is what one pass made of a policy: what it should come to, and what the last reading proves of that.
type PolicyReport struct {
	// UID and Generation of the policy that the pass read. Another UID is another policy of the same name; generation 0 is
	// a policy that the pass did not know.
	UID        types.UID
	Generation int64
	Desire     PolicyDesire
	Proof      PolicyProof
	// Failures of steps of this policy's roles, as sentences without secrets, bounded.
	Failures []string
	// Refusal is set where something in front of Airflow refuses a write for this policy.
	Refusal *Problem
}

// GrantReport is what one pass made of a grant: what it should give, and what the last reading of its user proves.
type GrantReport struct {
	Desire GrantDesire
	Proof  GrantProof
	// ObservedAt is when the user of this grant was read last: the proof is of that moment. It is zero where the pass did
	// not know an activation of the grant.
	ObservedAt time.Time
}

// Awaited reports whether the grant is live, its access was not read in Airflow, and nothing is known to stand in the way.
func (r GrantReport) Awaited() bool {
	switch {
	case !r.Desire.Live, r.Proof.Present, r.Desire.Problem != nil:
		return false
	}
	return r.Proof.Problem == nil
}

// Confirmed reports whether the grant is live and its access was read in Airflow.
func (r GrantReport) Confirmed() bool { return r.Desire.Live && r.Proof.Present }
