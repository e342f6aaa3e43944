package decision

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/dag"
)

// Facts is all that a decision about one grant depends on.
type Facts struct {
	// Now by our clock.
	Now time.Time
	// Since is when this process began to look. What was stored before is believed until there was time for a look.
	Since time.Time
	// Grant to decide about.
	Grant *v1alpha1.AccessGrant
	// Policy that it names; nil where there is none.
	Policy *v1alpha1.DagAccessPolicy
	// NamespaceAllowed is true when the policy takes grants from the grant's namespace.
	NamespaceAllowed bool
	// Instance that it was activated in, else that of its policy; nil where there is none.
	Instance *v1alpha1.AirflowInstance
	// Sight is what the last pass over that instance saw; nil before the first.
	Sight *Sight
	// CacheTTL is how much earlier than its end a grant is taken away.
	CacheTTL time.Duration
	// Latched is an end that this process decided and perhaps could not store: it is never taken back, also when a clock
	// steps back.
	Latched *v1alpha1.End
}

// Sight is what a pass saw of an instance, as far as one grant is concerned.
type Sight struct {
	// Reachable is false when the last pass could not observe or not finish.
	Reachable bool
	// Endpoint at which the pass was made.
	Endpoint string
	// StartsAllowed is false while the instance gives nothing and only takes.
	StartsAllowed bool
	// Behind is how much later than by our clock a start comes by the slowest of the clocks.
	Behind time.Duration
	// Users of that Airflow; nil until users and DAGs were read once.
	Users *access.Directory
	// Dags of that Airflow, sorted.
	Dags []dag.Dag
	// Policy is what the pass made of the grant's policy; nil where it did not know that policy.
	Policy *PolicySight
	// Grant is what the pass proved about the grant; nil where it did not know it.
	Grant *GrantSight
}

// PolicySight is what a pass made of a policy.
type PolicySight struct {
	// Generation that the pass read.
	Generation int64
	// Refused is set when the policy gives nothing.
	Refused *access.Problem
}

// GrantSight is what a pass proved about a grant.
type GrantSight struct {
	Desire access.GrantDesire
	Proof  access.GrantProof
	// ObservedAt is the moment of the proof; zero where the pass did not know the grant's activation.
	ObservedAt time.Time
}

// Verdict is what becomes of a grant.
type Verdict struct {
	// Phase, Activation, End, RemovedAt and RevokedAt as they should be stored.
	Phase                v1alpha1.GrantPhase
	Activation           *v1alpha1.Activation
	End                  *v1alpha1.End
	RemovedAt, RevokedAt *metav1.Time
	// Conditions by type, status, reason and message, in the order in which they are stored.
	Conditions []metav1.Condition
	// Entries are new lines of the story: history and events.
	Entries []Entry
	// NextAt is when time alone changes the verdict; zero where it never does.
	NextAt time.Time
	// Urgent is true while the grant is to be taken away, or is about to be.
	Urgent bool
	// Awaiting is true while the verdict depends on the directory of the instance.
	Awaiting bool
	// Hold is true when the grant needs its finalizer before this verdict is stored.
	Hold bool
	// Release is true when a grant that is being deleted may go.
	Release bool
}

// shown is how many names a message lists at most.
const shown = 8

// Entry is one line of an object's story.
type Entry struct {
	// Event is the reason word.
	Event string
	// Message says more, on one line without secrets or times.
	Message string
	// Warning is true when somebody should look.
	Warning bool
}

// instanceLost is true when nothing can be proved about the grant's Airflow any more: its instance is gone, is another
// one of the same name, or was given up.
func (f Facts) instanceLost() bool {
	if f.Instance == nil {
		return true
	}
	if a := f.Grant.Status.Activation; a != nil && len(a.Instances) > 0 && a.Instances[0].UID != string(f.Instance.UID) {
		return true
	}
	return f.Instance.DeletionTimestamp != nil && f.Instance.Spec.Deletion == v1alpha1.InstanceDeletionAbandon
}

// removal is the moment at which a grant that ends at expiresAt is taken away.
func (f Facts) removal(expiresAt time.Time) time.Time { return expiresAt.Add(-access.Lead(f.CacheTTL)) }

// ceil rounds up to whole seconds, in which times are stored: what is claimed is never earlier than what was seen.
func ceil(t time.Time) metav1.Time {
	whole := t.Truncate(time.Second)
	if whole.Before(t) {
		whole = whole.Add(time.Second)
	}
	return metav1.NewTime(whole)
}

// earliest gives the first of two moments; zero is never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// latest gives the last of some moments.
func latest(first time.Time, others ...time.Time) time.Time {
	for _, t := range others {
		if t.After(first) {
			first = t
		}
	}
	return first
}
