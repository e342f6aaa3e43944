package v1alpha1

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Key is the namespace and name of the request.
func (r *AccessRequest) Key() types.NamespacedName {
	return types.NamespacedName{Namespace: r.Namespace, Name: r.Name}
}

// PolicyKey names the policy of the request. The namespace is the request's own where spec.policyRef has none.
func (r *AccessRequest) PolicyKey() types.NamespacedName {
	key := types.NamespacedName{Namespace: r.Spec.PolicyRef.Namespace, Name: r.Spec.PolicyRef.Name}
	if key.Namespace == "" {
		key.Namespace = r.Namespace
	}
	return key
}

// Decided reports whether the decision about the request is stored, and never changes again.
func (r *AccessRequest) Decided() bool { return r.Status.Decision != nil }

// Begin is when access is meant to begin: the start that was asked for, else the request's creation.
func (r *AccessRequest) Begin() time.Time {
	if r.Spec.StartsAt != nil {
		return r.Spec.StartsAt.Time
	}
	return r.CreationTimestamp.Time
}

// Condition is a condition of the status; nil where there is none of that type.
func (r *AccessRequest) Condition(conditionType string) *metav1.Condition {
	return meta.FindStatusCondition(r.Status.Conditions, conditionType)
}

// RequestKey names the request for which the grant was made; ok is false for a grant that nobody asked for.
func (g *AccessGrant) RequestKey() (key types.NamespacedName, ok bool) {
	if g.Spec.RequestRef == nil {
		return types.NamespacedName{}, false
	}
	return types.NamespacedName{Namespace: g.Namespace, Name: g.Spec.RequestRef.Name}, true
}
