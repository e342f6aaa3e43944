package actuator

import (
	"fmt"
	"hash/fnv"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
)

// Declared is the Kubernetes side of an instance. Its objects are never changed.
type Declared struct {
	// Now is the latest of our clock, the API server's and Airflow's.
	Now time.Time
	// Behind is how much the slowest of these clocks is behind ours, at least 0: a start waits for it.
	Behind time.Duration
	// Giving is how much the pass may do: only revoke while clocks differ, while the account is not known to have the
	// permissions it needs, or where this is not the Airflow that the instance names.
	Giving   access.Giving
	Instance *v1alpha1.AirflowInstance
	Policies []*v1alpha1.DagAccessPolicy
	// Grants of these policies, and grants that were activated in this instance.
	Grants []*v1alpha1.AccessGrant
	// Endpoint and Account of the server.
	Endpoint, Account string
	// CacheTTL is how much before its end a grant is revoked.
	CacheTTL time.Duration
	// Version of Airflow, where it is known.
	Version string
	// Capabilities of the server; empty fields mean the newest behaviour.
	Capabilities v1alpha1.Capabilities
	// AllowPrivileged permits write actions on global resources in airflowPermissions.
	AllowPrivileged bool
}

// policies of what is declared, by name.
func (d Declared) policies() map[types.NamespacedName]*v1alpha1.DagAccessPolicy {
	out := make(map[types.NamespacedName]*v1alpha1.DagAccessPolicy, len(d.Policies))
	for _, p := range d.Policies {
		out[types.NamespacedName{Namespace: p.Namespace, Name: p.Name}] = p
	}
	return out
}

// fingerprint is of all that a plan depends on in what is declared: the versions of objects, and which grants are live. A
// cache lists objects in another order each time, which is no change.
func fingerprint(d Declared) uint64 {
	sum := uint64(0)
	add := func(parts ...any) {
		h := fnv.New64a()
		fmt.Fprintln(h, parts...)
		sum += h.Sum64()
	}
	policies := d.policies()
	for _, p := range d.Policies {
		add(p.UID, p.ResourceVersion, p.Generation)
	}
	for _, g := range d.Grants {
		live := access.LiveUnder(g, policies[g.PolicyKey()], d.Now, d.CacheTTL)
		add(g.UID, g.ResourceVersion, g.Generation, live)
	}
	add(d.Instance.Generation, reasonOf(d.Giving), d.Account, d.CacheTTL)
	return sum
}

// reasonOf is why only revoking is allowed; empty where everything is.
func reasonOf(g access.Giving) string {
	if g.All() {
		return ""
	}
	return g.RevokeOnly.Reason
}
