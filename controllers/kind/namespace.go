package kind

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// NamespaceAllowed reports whether a policy, which may be nil, takes grants and requests from a namespace.
func NamespaceAllowed(ctx context.Context, reader client.Reader, namespace string, policy *v1alpha1.DagAccessPolicy) (bool, error) {
	if policy == nil || policy.Spec.Grants == nil {
		return false, nil
	}
	switch terms := policy.Spec.Grants; terms.From {
	case v1alpha1.GrantsFromAll:
		return true, nil
	case v1alpha1.GrantsFromSelector:
		return selected(ctx, reader, namespace, terms.NamespaceSelector)
	case v1alpha1.GrantsFromSame:
	}
	return namespace == policy.Namespace, nil
}

// selected reports whether a selector matches the labels of a namespace. A selector that cannot be understood matches none:
// the policy reports that.
func selected(ctx context.Context, reader client.Reader, name string, by *metav1.LabelSelector) (bool, error) {
	selector, err := metav1.LabelSelectorAsSelector(by)
	if err != nil {
		return false, nil //nolint:nilerr // the policy says so itself, and takes no grants meanwhile
	}
	namespace := NamespaceMetadata()
	switch err := reader.Get(ctx, types.NamespacedName{Name: name}, namespace); {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, err
	}
	return selector.Matches(labels.Set(namespace.Labels)), nil
}

// NamespaceMetadata is what is read of namespaces: no more than metadata.
func NamespaceMetadata() *metav1.PartialObjectMetadata {
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	return namespace
}
