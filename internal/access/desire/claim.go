package desire

import (
	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
)

// claiming is the claim of an instance, and what it means for a decision.
type claiming struct {
	access.Claim
	// wanted is true where the instance is to have a claim; own, where names that only the operator gives prove that a role is
	// the instance's.
	wanted, own bool
}

func newClaiming(in *access.Input) claiming {
	c := in.Claim()
	return claiming{Claim: c, wanted: in.Claims(c), own: in.Own(c)}
}

// first reports whether the instance makes its claim in an Airflow that it takes over from no other instance.
func (c claiming) first() bool {
	switch {
	case !c.wanted, c.Stands:
		return false
	}
	return c.Superseded == ""
}

// limit is how much may be done under a claim: before it stands, nothing is granted.
func (c claiming) limit(giving access.Giving) access.Giving {
	if c.Mine() || !giving.All() {
		return giving
	}
	return access.OnlyRevoking(v1alpha1.ReasonInstanceNotReady, "the AirflowInstance has no claim on this Airflow: see its conditions")
}
