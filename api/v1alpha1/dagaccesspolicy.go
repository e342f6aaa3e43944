package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Key is the namespace and name of the policy.
func (p *DagAccessPolicy) Key() types.NamespacedName {
	return types.NamespacedName{Namespace: p.Namespace, Name: p.Name}
}

// InstanceKey names the instance of the policy. Both are in one namespace.
func (p *DagAccessPolicy) InstanceKey() types.NamespacedName {
	return types.NamespacedName{Namespace: p.Namespace, Name: p.Spec.InstanceRef.Name}
}

// Of reports whether the policy names an instance.
func (p *DagAccessPolicy) Of(i *AirflowInstance) bool { return p.InstanceKey() == i.Key() }

// Suspended reports whether the policy grants nothing new.
func (p *DagAccessPolicy) Suspended() bool { return p.Spec.State == PolicySuspended }

// Orphans reports whether the policy is being deleted and leaves its role in Airflow.
func (p *DagAccessPolicy) Orphans() bool {
	return p.DeletionTimestamp != nil && p.Spec.Deletion == PolicyDeletionOrphan
}

// Condition is a condition of the status; nil where there is none of that type.
func (p *DagAccessPolicy) Condition(conditionType string) *metav1.Condition {
	return meta.FindStatusCondition(p.Status.Conditions, conditionType)
}

// Name is the user name of the subject, or its e-mail.
func (s *Subject) Name() string {
	if s.Username != "" {
		return s.Username
	}
	return s.Email
}

// LevelNames are access levels as texts, in their order.
func LevelNames(levels []AccessLevel) []string {
	names := make([]string, 0, len(levels))
	for _, level := range levels {
		names = append(names, string(level))
	}
	return names
}
