package controllers

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/actuator"
	"github.com/airflow-oam/airflow-oam/internal/decision"
	"github.com/airflow-oam/airflow-oam/internal/decision/grant"
)

// gather reads all that the decision depends on. Policy and instance, whose status may be large, are those of the cache
// itself: they are never changed.
func (s *grantScope) gather(ctx context.Context) error {
	s.facts = grant.Facts{Now: s.now, Since: s.since, Grant: s.stored, Latched: s.memory.latched(s.stored.UID)}
	// What ends a grant for good is not decided from a cache that may be behind.
	final := s.stored.Status.Activation != nil && s.stored.Status.End == nil
	var err error
	if s.facts.Policy, err = s.findPolicy(ctx, final); err != nil {
		return err
	}
	if s.facts.Policy != nil {
		if s.facts.NamespaceAllowed, err = s.namespaceAllowed(ctx, s.facts.Policy); err != nil {
			return err
		}
	}
	if s.stored.DeletionTimestamp != nil {
		// Before the instance is read: its terms may be stored while we decide.
		s.memory.deleted(s.stored, s.instanceKey())
	}
	if s.facts.Instance, err = s.findInstance(ctx, final); err != nil {
		return err
	}
	if s.facts.Instance != nil {
		s.facts.CacheTTL, _ = s.facts.Instance.CacheTTL()
		s.report = s.Reports.Get(client.ObjectKeyFromObject(s.facts.Instance))
		s.look(s.report)
	}
	return nil
}

// findPolicy gives the grant's policy; nil where there is none. A final answer comes from the API server itself.
func (s *grantScope) findPolicy(ctx context.Context, final bool) (*v1alpha1.DagAccessPolicy, error) {
	key := s.stored.PolicyKey()
	list := &v1alpha1.DagAccessPolicyList{}
	if err := s.List(ctx, list, client.MatchingFields{indexKey: key.String()}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	if len(list.Items) > 0 {
		return &list.Items[0], nil
	}
	if !final {
		return nil, nil
	}
	policy := &v1alpha1.DagAccessPolicy{}
	if err := s.APIReader.Get(ctx, key, policy); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	return policy, nil
}

// instanceKey names the instance that the grant was activated in, else that of its policy.
func (s *grantScope) instanceKey() types.NamespacedName {
	if a := s.stored.Status.Activation; a != nil && len(a.Instances) > 0 {
		return types.NamespacedName{Namespace: a.Instances[0].Namespace, Name: a.Instances[0].Name}
	}
	if s.facts.Policy != nil {
		return types.NamespacedName{Namespace: s.facts.Policy.Namespace, Name: s.facts.Policy.Spec.InstanceRef.Name}
	}
	return types.NamespacedName{}
}

// findInstance gives the instance; nil where there is none. A final answer comes from the API server itself.
func (s *grantScope) findInstance(ctx context.Context, final bool) (*v1alpha1.AirflowInstance, error) {
	key := s.instanceKey()
	if key.Name == "" {
		return nil, nil
	}
	list := &v1alpha1.AirflowInstanceList{}
	if err := s.List(ctx, list, client.MatchingFields{indexKey: key.String()}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	pinned := ""
	if a := s.stored.Status.Activation; a != nil && len(a.Instances) > 0 {
		pinned = a.Instances[0].UID
	}
	if len(list.Items) > 0 && (!final || string(list.Items[0].UID) == pinned) {
		return &list.Items[0], nil
	}
	if !final {
		return nil, nil
	}
	instance := &v1alpha1.AirflowInstance{}
	if err := s.APIReader.Get(ctx, key, instance); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	return instance, nil
}

// namespaceAllowed asks the policy's terms whether grants may live in the grant's namespace.
func (s *grantScope) namespaceAllowed(ctx context.Context, policy *v1alpha1.DagAccessPolicy) (bool, error) {
	terms := policy.Spec.Grants
	if terms == nil {
		return false, nil
	}
	switch terms.From {
	case v1alpha1.GrantsFromAll:
		return true, nil
	case v1alpha1.GrantsFromSelector:
		selector, err := metav1.LabelSelectorAsSelector(terms.NamespaceSelector)
		if err != nil {
			return false, nil //nolint:nilerr // the policy says so itself, and takes no grants meanwhile
		}
		namespace := namespaceMetadata()
		if err := s.Get(ctx, types.NamespacedName{Name: s.stored.Namespace}, namespace); err != nil {
			if apierrors.IsNotFound(err) {
				return false, nil
			}
			return false, err
		}
		return selector.Matches(labels.Set(namespace.Labels)), nil
	case v1alpha1.GrantsFromSame:
	}
	return s.stored.Namespace == policy.Namespace, nil
}

// namespaceMetadata is what is read of namespaces: no more than metadata.
func namespaceMetadata() *metav1.PartialObjectMetadata {
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	return namespace
}

// look takes from a report what concerns the grant. Reports about an earlier instance of the same name do not count.
func (s *grantScope) look(report *actuator.Report) {
	if report == nil || report.InstanceUID != s.facts.Instance.UID {
		return
	}
	s.facts.CacheTTL = report.CacheTTL
	sight := &decision.Observation{Reachable: report.Err == nil, Endpoint: report.Endpoint, Giving: report.Giving, Behind: report.Behind, Dags: report.Dags}
	if !report.ObservedAt.IsZero() {
		sight.Users = s.Reports.Directory(report)
	}
	if policy := s.facts.Policy; policy != nil {
		if seen, ok := report.Policies[client.ObjectKeyFromObject(policy)]; ok && seen.UID == policy.UID {
			sight.Policy = &seen
		}
	}
	if seen, ok := report.Grants[s.stored.UID]; ok {
		s.facts.Report = &seen
	}
	s.facts.Observed = sight
}
