package grant

import (
	"time"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/decision"
)

// Facts is everything that a decision about one grant depends on. Nothing in it is changed.
type Facts struct {
	// Now by the operator's clock.
	Now time.Time
	// Since is when this process started. The stored status is believed until there was time for an observation.
	Since time.Time
	// Grant to decide about.
	Grant *v1alpha1.AccessGrant
	// Policy that the grant names; nil where there is none.
	Policy *v1alpha1.DagAccessPolicy
	// NamespaceAllowed is true when the policy's terms allow grants of the grant's namespace.
	NamespaceAllowed bool
	// Request that the grant was made for; nil where there is none, or it is another one of the same name.
	Request *v1alpha1.AccessRequest
	// Instance that the grant was activated in, else that of its policy; nil where there is none.
	Instance *v1alpha1.AirflowInstance
	// CacheTTL is how much earlier than its end a grant is revoked in Airflow.
	CacheTTL time.Duration
	// Observed is what the last pass over that instance reported; nil before the first.
	Observed *decision.Observation
	// Report is what that pass proved about the grant; nil where the pass did not know the grant.
	Report *access.GrantReport
	// Latched is an end that this process decided and perhaps failed to store: it is final, also when a clock steps back.
	Latched *v1alpha1.End
}

// lost reports whether nothing can be proved about the grant's Airflow any more: the instance is gone, is another one of
// the same name, or was abandoned.
func (f *Facts) lost() bool {
	switch {
	case f.Instance == nil:
		return true
	case f.Grant.Pinned() != nil && f.Grant.In(f.Instance) == nil:
		return true
	}
	return f.Instance.Abandoned()
}

// removal is when a grant that ends at a moment is revoked in Airflow.
func (f *Facts) removal(end time.Time) time.Time { return end.Add(-access.Lead(f.CacheTTL)) }

// reached reports whether a moment has come by the operator's clock.
func (f *Facts) reached(moment time.Time) bool { return !f.Now.Before(moment) }

// now is the present in whole seconds, in which times are stored.
func (f *Facts) now() time.Time { return f.Now.Truncate(time.Second) }

// policyGone reports whether the policy is missing or being deleted.
func (f *Facts) policyGone() bool { return f.Policy == nil || f.Policy.DeletionTimestamp != nil }

// withdrawn reports whether the grant was made for a request that was withdrawn, or is gone.
func (f *Facts) withdrawn() bool {
	switch r := f.Request; {
	case f.Grant.Spec.RequestRef == nil:
		return false
	case r == nil, r.DeletionTimestamp != nil:
		return true
	default:
		return r.Spec.Withdrawn
	}
}

// proof is what a pass reported of the activated grant; nil where it rests on an observation before the activation, which
// proves nothing.
func (f *Facts) proof() *access.GrantReport {
	switch a := f.Grant.Status.Activation; {
	case a == nil, f.Report == nil:
		return nil
	case f.Report.ObservedAt.Before(a.At.Time):
		return nil
	}
	return f.Report
}

// liveProof is the proof of a pass for which the grant was live; nil where there is none.
func (f *Facts) liveProof() *access.GrantReport {
	proof := f.proof()
	if proof == nil || !proof.Desire.Live {
		return nil
	}
	return proof
}

// revokedElsewhere reports whether a pass that knew the activation did not grant it and proved it absent: by another clock
// its time is over, or the pass knew a change that these facts do not have.
func (f *Facts) revokedElsewhere() bool {
	proof := f.proof()
	return proof != nil && absent(proof)
}

// absent reports whether Airflow was proved not to store a grant by a pass that did not grant it.
func absent(r *access.GrantReport) bool { return r.Proof.Absent && !r.Desire.Live }

// problems are the reasons for which a live grant is not stored in Airflow, the cause before the finding.
func problems(r *access.GrantReport) []access.Problem {
	var out []access.Problem
	for _, p := range []*access.Problem{r.Desire.Problem, r.Proof.Problem} {
		if p != nil {
			out = append(out, *p)
		}
	}
	return out
}
