package policy

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/decision"
)

// Facts is everything that a decision about one policy depends on. Nothing in it is changed.
type Facts struct {
	// Now by the operator's clock; Since is when this process started.
	Now, Since time.Time
	// Policy to decide about.
	Policy *v1alpha1.DagAccessPolicy
	// Instance that the policy names; nil where there is none.
	Instance *v1alpha1.AirflowInstance
	// View is what the last pass over that instance reported; nil before the first.
	View *View
	// Unended is the number of its grants that were activated and are not in a final phase.
	Unended int
	// Active is the number of its grants that are confirmed in Airflow.
	Active int
}

// View is what a pass observed and made of a policy.
type View struct {
	// Reachable is false when the pass failed to observe Airflow or was aborted.
	Reachable bool
	// ObservedAt is the time of the oldest reading that the view rests on.
	ObservedAt time.Time
	// FinishedAt is when the pass was over: what it observed last is not newer.
	FinishedAt time.Time
	// Report is what the pass made of the policy; empty where the pass did not know the policy.
	Report access.PolicyReport
	// Inventory is what is managed in that Airflow, of all policies.
	Inventory []v1alpha1.ManagedRole
}

// current is the view of a pass that knew the policy as it is today; nil where there is none.
func (f *Facts) current() *View {
	if f.View == nil || f.View.Report.Generation != f.Policy.Generation {
		return nil
	}
	return f.View
}

// lost reports whether nothing can be proved about the policy's Airflow: its instance is gone or was abandoned.
func (f *Facts) lost() bool { return f.Instance == nil || f.Instance.Abandoned() }

// rolesRemain reports whether the inventory has a role of the policy that is still to be deleted. An entry is stored
// before its role is created; roles that are left there on purpose and empty ones that Airflow cannot delete do not count.
func (f *Facts) rolesRemain() bool {
	inventory := f.Instance.Status.ManagedRoles
	if f.View != nil {
		inventory = slices.Concat(f.View.Inventory, inventory)
	}
	return slices.ContainsFunc(inventory, func(role v1alpha1.ManagedRole) bool {
		switch {
		case role.Orphaned, role.Retired:
			return false
		}
		return role.PolicyUID == string(f.Policy.UID)
	})
}

// failed reports whether the last pass could not observe Airflow, as far as that is known: from the pass, else from the
// instance, whose Ready is False for another reason than a first pass under way.
func (f *Facts) failed() bool {
	if f.View != nil && !f.View.Reachable {
		return true
	}
	return f.instanceFailed()
}

func (f *Facts) instanceFailed() bool {
	ready := f.Instance.Condition(v1alpha1.ConditionReady)
	switch {
	case ready == nil, ready.Reason == v1alpha1.ReasonProgressing:
		return false
	}
	return ready.Status == metav1.ConditionFalse
}

// awaited reports whether a pass over the instance can be expected: the last one did not fail.
func (f *Facts) awaited() bool {
	if f.View != nil {
		return f.View.Reachable
	}
	return !f.instanceFailed()
}

// lastReason is the reason of the stored Ready where it belongs to the policy of today; else empty.
func (f *Facts) lastReason() string {
	ready := f.Policy.Condition(v1alpha1.ConditionReady)
	if ready == nil || f.Policy.Status.ObservedGeneration != f.Policy.Generation {
		return ""
	}
	return ready.Reason
}

// withoutObservation are the reasons that a policy has without an observation of Airflow.
var withoutObservation = sets.New("", v1alpha1.ReasonInstanceNotFound, v1alpha1.ReasonInvalidPattern, v1alpha1.ReasonInvalidSelector,
	v1alpha1.ReasonProgressing, v1alpha1.ReasonInstanceNotReady)

// retained reports whether the stored status belongs to the policy of today and rests on an observation of Airflow.
func (f *Facts) retained() bool { return !withoutObservation.Has(f.lastReason()) }

// blind is when the last observation is too old to believe.
func (f *Facts) blind() time.Time {
	observed := f.Since
	if view := f.current(); view != nil {
		observed = decision.Latest(observed, view.ObservedAt)
	}
	return observed.Add(2 * f.Instance.Interval())
}
