package access

import (
	"time"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// Live says whether a grant is a cause of access: it was activated, nothing has ended it, and the moment of its removal
// has not come.
func Live(g *v1alpha1.AccessGrant, now time.Time, cacheTTL time.Duration) bool {
	return g.Status.Activation != nil && g.Status.End == nil && g.DeletionTimestamp == nil && g.Spec.Revoke == nil &&
		now.Before(RemovalAt(g, cacheTTL))
}

// LiveUnder says whether a grant is a cause of access under its policy of today, which may be nil.
func LiveUnder(g *v1alpha1.AccessGrant, p *v1alpha1.DagAccessPolicy, now time.Time, cacheTTL time.Duration) bool {
	return Live(g, now, cacheTTL) && now.Before(g.EndUnder(p).Add(-Lead(cacheTTL)))
}

// removalTime is what a removal may take: from its moment until Airflow has stored it. On a real Airflow 3.3 it took 0.1
// to 0.3 s. Times in Kubernetes are whole seconds.
const removalTime = time.Second

// Lead is how long before its end a grant is taken away, so that nothing works any more at the end: the time that
// Airflow's workers may use cached permissions, and what the removal itself takes.
func Lead(cacheTTL time.Duration) time.Duration { return cacheTTL + removalTime }

// RemovalAt is when a grant is taken away: its end less the lead. It is zero for a grant that was not activated.
func RemovalAt(g *v1alpha1.AccessGrant, cacheTTL time.Duration) time.Time {
	end := g.EndUnder(nil)
	if end.IsZero() {
		return end
	}
	return end.Add(-Lead(cacheTTL))
}
