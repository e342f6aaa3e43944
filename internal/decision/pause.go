package decision

import "github.com/airflow-oam/airflow-oam/api/v1alpha1"

// Pause is a mode that a user chose, in which nothing new is granted and nothing is repaired. Endings go on.
type Pause struct {
	// Reason is the reason word.
	Reason string
	// What is a clause: "the policy is suspended".
	What string
	// Remedy is what ends the pause, as an instruction.
	Remedy string
}

// PausedBy returns the pause of a policy or of its instance, the policy's first; nil where neither is paused.
func PausedBy(p *v1alpha1.DagAccessPolicy, i *v1alpha1.AirflowInstance) *Pause {
	switch {
	case p.Suspended():
		return &Pause{Reason: v1alpha1.ReasonPolicySuspended, What: "the policy is suspended", Remedy: "set spec.state to Active there"}
	case i.Spec.Mode == v1alpha1.ModeObserve:
		return &Pause{
			Reason: v1alpha1.ReasonInstanceObserving, What: "the AirflowInstance is in mode Observe", Remedy: "see status.plan there, and set spec.mode to Enforce",
		}
	case i.Spec.Mode == v1alpha1.ModeSuspended:
		return &Pause{
			Reason: v1alpha1.ReasonInstanceSuspended, What: "the AirflowInstance is in mode Suspended", Remedy: "set spec.mode to Enforce there",
		}
	}
	return nil
}
