package actuator

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
)

// Source gives the Kubernetes side of an instance and stores what must be stored before a write to Airflow.
type Source interface {
	// Declared gives what is declared now. It is asked at the start of a pass and again between slices, so that what
	// ended meanwhile is taken away first. It reads a cache and costs nothing.
	Declared(ctx context.Context) (Declared, error)
	// StoreInventory writes the inventory and held losses to the instance's status and returns when they are stored.
	// Nothing is created in Airflow before that.
	StoreInventory(ctx context.Context, inventory []v1alpha1.ManagedRole, held []v1alpha1.HeldRevocation) error
}

// Declared is the Kubernetes side of an instance. Its objects are never changed.
type Declared struct {
	// Now is the latest of our clock, the API server's and Airflow's.
	Now time.Time
	// Behind is how much the slowest of these clocks is behind ours, at least 0: a start waits for it.
	Behind time.Duration
	// Giving is how much the pass may do: only revoke while clocks differ, while the account is not known to have the
	// permissions it needs (ReasonMissingPermissions), or where this is not the Airflow that the instance names.
	Giving   access.Giving
	Instance *v1alpha1.AirflowInstance
	Policies []*v1alpha1.DagAccessPolicy
	// Grants of these policies, and grants that were activated in this instance.
	Grants []*v1alpha1.AccessGrant
	// Endpoint and Account of the server.
	Endpoint, Account string
	// CacheTTL is how much before its end a grant is taken away.
	CacheTTL time.Duration
	// Version of Airflow, where it is known.
	Version string
	// Capabilities of the server; empty fields mean the newest behaviour.
	Capabilities v1alpha1.Capabilities
	// AllowPrivileged permits write actions on global resources in airflowPermissions.
	AllowPrivileged bool
}

// Look says what a pass must read before it plans.
type Look int

const (
	// LookTouched reads only what is about to change and whom grants wait for.
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
