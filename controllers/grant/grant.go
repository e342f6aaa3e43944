// Package grant is the controller of AccessGrants: it decides when a grant begins and ends, and records what was seen of it.
// The instance controller grants and revokes its access in Airflow; what came of that is read from reports.
package grant

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/controllers/kind"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/decision"
	"github.com/airflow-oam/airflow-oam/internal/decision/grant"
	"github.com/airflow-oam/airflow-oam/internal/metrics"
	"github.com/airflow-oam/airflow-oam/internal/status"
)

// object is what the package is about, in short for signatures.
type object = *v1alpha1.AccessGrant

// Reconciler of grants.
type Reconciler = kind.Reconciler[object, grant.Facts]

// +kubebuilder:rbac:groups=access.airflow-oam.dev,resources=accessgrants,verbs=get;list;watch;patch;delete
// +kubebuilder:rbac:groups=access.airflow-oam.dev,resources=accessgrants/status,verbs=patch
// +kubebuilder:rbac:groups=access.airflow-oam.dev,resources=dagaccesspolicies;airflowinstances,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// New makes the reconciler of grants.
func New(env kind.Env) *Reconciler {
	return kind.New(env, kind.Kind[object, grant.Facts]{
		Name:    "accessgrant",
		Noun:    "grant",
		Workers: 8,
		New:     func() object { return &v1alpha1.AccessGrant{} },
		Status: func(g object) kind.Status {
			return kind.Status{ObservedGeneration: &g.Status.ObservedGeneration, Conditions: &g.Status.Conditions, History: &g.Status.History}
		},
		Gather:  gather,
		Decide:  decide,
		Watches: watches,
		Wakes:   wakes,
		Ends:    ends,
		Mark:    mark,
		EndedAt: endedAt,
		Measure: measure,
		Tell:    func(teller kind.Teller, f grant.Facts, before, after object) { teller.Grant(f.Request, before, after) },
		Forget:  metrics.ForgetGrant,
	})
}

// decide asks for the verdict.
func decide(f grant.Facts) kind.Verdict[object] {
	v := grant.Decide(f)
	return kind.Verdict[object]{
		Verdict: v.Verdict,
		Record: func(g object) {
			st := &g.Status
			st.Phase, st.Activation, st.End, st.RemovedAt, st.RevokedAt = v.Phase, v.Activation, v.End, v.RemovedAt, v.RevokedAt
		},
		Interest:  interest(f, v),
		Final:     v.End != nil && f.Grant.Status.End == nil,
		Traceless: v.Release && v.Activation == nil && v.End == nil,
	}
}

// interest is which news wake a grant.
func interest(f grant.Facts, v grant.Verdict) kind.Interest {
	return kind.Interest{
		Instance: instanceKey(f), Directory: v.Awaiting, Proof: awaitsProof(v), Closed: v.Phase.Terminal(), Leaving: !f.Grant.DeletionTimestamp.IsZero(),
	}
}

// awaitsProof reports whether an activated grant is neither confirmed in Airflow nor proved gone.
func awaitsProof(v grant.Verdict) bool {
	if v.Activation == nil || v.Phase.Terminal() {
		return false
	}
	return !status.IsTrue(v.Conditions, v1alpha1.ConditionActive)
}

// endingSoon is the longest permission cache: access that ends within it may have to be revoked already.
const endingSoon = 5 * time.Minute

// ends reports whether a grant is being revoked, or is to be at once or soon.
func ends(g object, now time.Time) bool {
	deleting := !g.DeletionTimestamp.IsZero()
	switch {
	case g.Terminal():
		return deleting
	case deleting, g.Status.End != nil, g.Spec.Revoke != nil:
		return true
	case g.Status.Activation == nil:
		return false
	}
	return !access.Live(g, now, endingSoon)
}

// mark makes a grant distinguishable from copies of it.
func mark(g object) bool {
	if g.Annotations[v1alpha1.GivenAsAnnotation] == string(g.UID) {
		return false
	}
	metav1.SetMetaDataAnnotation(&g.ObjectMeta, v1alpha1.GivenAsAnnotation, string(g.UID))
	return true
}

// endedAt is when a grant in its final phase ended.
func endedAt(g object) *metav1.Time {
	if !g.Terminal() || g.Status.End == nil {
		return nil
	}
	return &g.Status.End.At
}

// measure counts grants by phase, and how late they began and ended.
func measure(f grant.Facts, before, after object) {
	metrics.SetGrant(after.UID, instanceKey(f).String(), string(after.Status.Phase))
	if f.Report == nil {
		return
	}
	observed := f.Report.ObservedAt
	if after.Status.Phase == v1alpha1.GrantActive && before.Status.Phase != v1alpha1.GrantActive {
		metrics.ObserveActivation(observed.Sub(decision.Latest(after.CreationTimestamp.Time, after.Begin())))
	}
	if after.Status.RemovedAt != nil && before.Status.RemovedAt == nil {
		metrics.ObserveEnding(observed.Sub(plannedRemoval(after, f.CacheTTL)))
	}
}

// plannedRemoval is when an ended grant was to be revoked.
func plannedRemoval(g object, ttl time.Duration) time.Time {
	if g.Status.End.Reason == v1alpha1.EndExpired {
		return g.Status.Activation.ExpiresAt.Add(-access.Lead(ttl))
	}
	return g.Status.End.At.Time
}
