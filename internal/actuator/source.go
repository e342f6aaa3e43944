package actuator

import (
	"context"

	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// Source gives the Kubernetes side of an instance and stores what must be stored before a write to Airflow. Only the
// goroutine that called Pass or RevokeDue calls it, one call at a time.
type Source interface {
	// Declared gives what is declared now. It is asked at the start of a pass, before each plan, and twice a second while
	// requests are under way, so that what ended meanwhile is revoked first: it reads a cache, and costs no more than the
	// objects of this one instance. Two calls between which nothing changed give equal values, in any order of the lists.
	// A pass ends with the error of a call that fails before a plan.
	Declared(ctx context.Context) (Declared, error)
	// StoreInventory writes the inventory and held losses to the instance's status and returns when they are stored.
	// Nothing is created in Airflow before that. It fails with a conflict (apierrors.IsConflict) where another writer changed
	// the object since it was read: the pass ends then. After any other error the pass goes on, and only revokes.
	StoreInventory(ctx context.Context, inventory []v1alpha1.ManagedRole, held []v1alpha1.HeldRevocation) error
}

// Look is how much a pass reads before it plans.
type Look int

const (
	// LookTouched reads only what is about to change, and users that grants wait for.
	LookTouched Look = iota
	// LookDags reads the DAG list, too.
	LookDags
	// LookFull reads roles, users and DAGs.
	LookFull
)

// lists are the lists that a pass reads before it plans.
func (l Look) lists() sets.Set[list] {
	switch l {
	case LookFull:
		return sets.New(listRoles, listUsers, listDags)
	case LookDags:
		return sets.New(listDags)
	case LookTouched:
	}
	return nil
}
