package actuator

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
)

// Report is what one pass saw and did. It is never changed after it was handed out.
type Report struct {
	// Instance and InstanceUID say which AirflowInstance.
	Instance    types.NamespacedName
	InstanceUID types.UID
	// Endpoint and Account at which and with which the pass was made.
	Endpoint, Account string
	// CacheTTL is how long Airflow's workers may go on using what was taken away.
	CacheTTL time.Duration
	// StartedAt and FinishedAt of the pass, by our clock. ObservedAt is the time of the oldest look that the
	// directory below rests on; it stays where a pass could not look.
	StartedAt, FinishedAt, ObservedAt time.Time
	// Users and Dags are the directory of that Airflow, sorted; empty until it was read once.
	Users []access.User
	Dags  []access.Dag
	// Policies and Grants have an entry for each object that the pass knew.
	Policies map[types.NamespacedName]PolicyReport
	Grants   map[types.UID]GrantReport
	// Inventory is what is managed now: roles that were proved gone are no longer in it.
	Inventory []v1alpha1.ManagedRole
	// Held are losses of access that wait for a release.
	Held []v1alpha1.HeldRevocation
	// Drift that this pass found.
	Drift []access.Drift
	// Plan that was not carried out (mode Observe), as text.
	Plan []string
	// Counts of what was seen.
	Counts v1alpha1.InstanceCounts
	// Full is true when everything was compared. Changes are the steps that were written.
	Full    bool
	Changes int
	// Err is why the pass could not observe or not finish; nil where everything was seen and done.
	Err error
	// Failures are steps that did not take effect, as sentences without secrets, bounded.
	Failures []string
}

// PolicyReport is what a pass made of one policy.
type PolicyReport struct {
	// UID and Generation of the policy that the pass read.
	UID        types.UID
	Generation int64
	Desire     access.PolicyDesire
	Proof      access.PolicyProof
	// Failures of steps of this policy's roles.
	Failures []string
}

// GrantReport is what a pass proved about one grant.
type GrantReport struct {
	Desire access.GrantDesire
	Proof  access.GrantProof
	// ObservedAt is when the user of this grant was read last; a proof is of that moment.
	ObservedAt time.Time
}
