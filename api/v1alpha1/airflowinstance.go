package v1alpha1

import (
	"cmp"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// defaultCacheTTL is the default of [fab] cache_ttl in Airflow.
	defaultCacheTTL = 30 * time.Second
	// defaultInterval is the default of spec.interval, for objects that no schema completed.
	defaultInterval = 10 * time.Minute
	// defaultGracePeriod is the default of spec.dagGracePeriod, likewise.
	defaultGracePeriod = time.Hour
)

// Key is the namespace and name of the instance.
func (i *AirflowInstance) Key() types.NamespacedName {
	return types.NamespacedName{Namespace: i.Namespace, Name: i.Name}
}

// CacheTTL is how long Airflow's workers may use permissions that were revoked, and whether that is an assumption.
func (i *AirflowInstance) CacheTTL() (ttl time.Duration, assumed bool) {
	if ttl := i.Spec.PermissionCacheTTL; ttl != nil {
		return ttl.Duration, false
	}
	if c := i.Status.Capabilities; c != nil && c.PermissionCache == PermissionCacheNone {
		return 0, false
	}
	return defaultCacheTTL, true
}

// GracePeriod is how long access to a DAG stays that the DAG list marks stale or lacks.
func (i *AirflowInstance) GracePeriod() time.Duration {
	if period := i.Spec.DagGracePeriod; period != nil {
		return period.Duration
	}
	return defaultGracePeriod
}

// Interval is the time between two full comparisons. It is the default for a nil instance.
func (i *AirflowInstance) Interval() time.Duration {
	if i == nil || i.Spec.Interval.Duration <= 0 {
		return defaultInterval
	}
	return i.Spec.Interval.Duration
}

// Enforces reports whether the mode is Enforce, the default.
func (i *AirflowInstance) Enforces() bool {
	return i.Spec.Mode == "" || i.Spec.Mode == ModeEnforce
}

// Abandoned reports whether the instance is being deleted and leaves everything in Airflow as it is.
func (i *AirflowInstance) Abandoned() bool {
	return i.DeletionTimestamp != nil && i.Spec.Deletion == InstanceDeletionAbandon
}

// Revoking reports whether the instance is being deleted and revokes everything.
func (i *AirflowInstance) Revoking() bool {
	return i.DeletionTimestamp != nil && i.Spec.Deletion != InstanceDeletionAbandon
}

// Way is how the operator makes itself known to Airflow: Password by default.
func (c *Credentials) Way() CredentialsType {
	return cmp.Or(c.Type, CredentialsPassword)
}

// Audience is that of the tokens of the operator's ServiceAccount; empty where none are used.
func (i *AirflowInstance) Audience() string {
	if source := i.Spec.Credentials.ServiceAccountToken; source != nil {
		return cmp.Or(source.Audience, i.Spec.URL)
	}
	return ""
}

// Condition is a condition of the status; nil where there is none of that type.
func (i *AirflowInstance) Condition(conditionType string) *metav1.Condition {
	return meta.FindStatusCondition(i.Status.Conditions, conditionType)
}
