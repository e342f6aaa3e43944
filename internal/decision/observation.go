package decision

import (
	"time"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/dag"
)

// Observation is what the last pass over an instance reported, as far as it concerns one policy and the objects that name
// it. A nil Observation is that of an instance without a pass since the operator started.
type Observation struct {
	// Reachable is false when the last pass failed to observe Airflow or was aborted.
	Reachable bool
	// Endpoint of the Airflow that was observed.
	Endpoint string
	// Giving is how much may be done in that Airflow now.
	Giving access.Giving
	// Behind is how much later than by the operator's clock a start is due by the slowest of the clocks.
	Behind time.Duration
	// Users of that Airflow; nil until users and DAGs were read once.
	Users *access.Directory
	// Dags of that Airflow, sorted by id.
	Dags []dag.Dag
	// Policy is what the pass made of the policy; nil where the pass did not know it.
	Policy *access.PolicyReport
}

// Listed reports whether the users and DAGs of that Airflow were ever read.
func (o *Observation) Listed() bool { return o != nil && o.Users != nil }

// Usable reports whether something may be decided for good from the users and DAGs: they were read, and the last pass
// did not fail.
func (o *Observation) Usable() bool { return o.Listed() && o.Reachable }

// Current is what the last pass made of a policy; nil until a pass has read the generation of today.
func (o *Observation) Current(p *v1alpha1.DagAccessPolicy) *access.PolicyReport {
	switch {
	case o == nil, o.Policy == nil:
		return nil
	case o.Policy.Generation != p.Generation:
		return nil
	}
	return o.Policy
}
