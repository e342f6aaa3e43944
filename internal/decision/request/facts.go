package request

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/decision"
)

// Facts is everything that a decision about one request depends on. Nothing in it is changed.
type Facts struct {
	// Now by the operator's clock.
	Now time.Time
	// Since is when this process started.
	Since time.Time
	// Request to decide about.
	Request *v1alpha1.AccessRequest
	// Policy that the request names; nil where there is none.
	Policy *v1alpha1.DagAccessPolicy
	// Instance of the policy; nil where there is none.
	Instance *v1alpha1.AirflowInstance
	// NamespaceAllowed is true when the policy's terms allow grants, and with them requests, of the request's namespace.
	NamespaceAllowed bool
	// Observed is what the last pass over the instance reported; nil before the first.
	Observed *decision.Observation
	// CacheTTL is how long Airflow may use permissions after their removal.
	CacheTTL time.Duration
	// Proved is whether the API server is proved to check the names on requests; zero where it was not asked yet.
	Proved Proof
	// Open is how many other requests of the same requester in the namespace are pending and older than this one.
	Open int
	// Automatic is how many requests of the requester under the policy were approved within 24 hours without a vote
	// (ReasonRule).
	Automatic int
	// Overdue are the names of the requester's emergencies under the policy whose review is overdue.
	Overdue []string
	// Grant that has the name of the request's grant; nil where there is none.
	Grant *v1alpha1.AccessGrant
}

// Proof is the answer to the question whether the API server checks the names on requests.
type Proof struct {
	// At is when the API server was asked; zero where it was not.
	At time.Time
	// Err is why it is not proved; nil where it is.
	Err error
}

// proofLasts is how long a proof is believed.
const proofLasts = time.Minute

// fresh reports whether the answer is recent enough to decide by.
func (p Proof) fresh(now time.Time) bool {
	age := now.Sub(p.At)
	return age >= 0 && age < proofLasts
}

// holds reports whether names are proved now.
func (p Proof) holds(now time.Time) bool { return p.Err == nil && p.fresh(now) }

// reached reports whether a moment has come by the operator's clock.
func (f *Facts) reached(moment time.Time) bool { return !f.Now.Before(moment) }

// now is the present in whole seconds, in which times are stored.
func (f *Facts) now() metav1.Time { return metav1.NewTime(f.Now.Truncate(time.Second)) }

// terms are the policy's terms for requests; nil where it has none.
func (f *Facts) terms() *v1alpha1.RequestTerms { return f.Policy.RequestTerms() }

// policyGone reports whether the policy is missing or being deleted.
func (f *Facts) policyGone() bool { return f.Policy == nil || f.Policy.DeletionTimestamp != nil }

// made is the grant that was made for the request; nil where there is none. Another object of its name is none.
func (f *Facts) made() *v1alpha1.AccessGrant {
	if f.Grant == nil || f.Grant.Spec.RequestRef == nil {
		return nil
	}
	if f.Grant.Spec.RequestRef.UID != string(f.Request.UID) {
		return nil
	}
	return f.Grant
}

// Defaults of the schema, for objects that no schema completed.
const (
	defaultTimeout   = 4 * time.Hour
	defaultAhead     = 168 * time.Hour
	defaultAutomatic = 4
)

// decideBy is when the request ends undecided: the later of its start and the policy's timeout after its creation. A start
// that is further ahead than the policy allows does not count, since such a request is never admitted.
func (f *Facts) decideBy() *metav1.Time {
	created, timeout, furthest := f.Request.CreationTimestamp.Time, defaultTimeout, defaultAhead
	if f.Policy != nil && f.Policy.Spec.Grants != nil && f.Policy.Spec.Grants.MaxAhead != nil {
		furthest = f.Policy.Spec.Grants.MaxAhead.Duration
	}
	if terms := f.terms(); terms != nil && terms.Timeout.Duration > 0 {
		timeout = terms.Timeout.Duration
	}
	by, start := created.Add(timeout), f.Request.Begin()
	if start.Sub(created) <= furthest {
		by = decision.Latest(by, start)
	}
	return &metav1.Time{Time: by.Truncate(time.Second)}
}
