package grant

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/controllers/kind"
	"github.com/airflow-oam/airflow-oam/internal/decision"
	"github.com/airflow-oam/airflow-oam/internal/decision/grant"
)

// gather reads the grant's policy, whether the policy takes grants from this namespace, the instance, and what the last pass
// over it saw.
func gather(ctx context.Context, pass *kind.Pass[object]) (grant.Facts, error) {
	g := pass.Object
	facts := grant.Facts{Now: pass.Now, Since: pass.Since, Grant: g}
	if pass.Latched != nil {
		facts.Latched = pass.Latched.Status.End
	}
	var err error
	if facts.Policy, err = policyOf(ctx, pass); err != nil {
		return facts, err
	}
	if facts.NamespaceAllowed, err = namespaceAllowed(ctx, pass.Client, g, facts.Policy); err != nil {
		return facts, err
	}
	if pass.Deleting() {
		// Before the instance is read: its terms may be stored while we decide.
		pass.Await(kind.Interest{Instance: instanceKey(facts), Leaving: true})
	}
	if facts.Instance, err = instanceOf(ctx, pass, instanceKey(facts)); err != nil {
		return facts, err
	}
	if facts.Instance != nil {
		facts.CacheTTL, _ = facts.Instance.CacheTTL()
	}
	if report := pass.Report(facts.Instance); report != nil {
		observe(&facts, report, pass.Reports)
	}
	return facts, nil
}

// conclusive reports whether a missing policy or instance would end the grant for good. That is not decided from a cache
// that may be behind.
func conclusive(g object) bool { return g.Status.Activation != nil && g.Status.End == nil }

// policyOf gives the grant's policy; nil where there is none.
func policyOf(ctx context.Context, pass *kind.Pass[object]) (*v1alpha1.DagAccessPolicy, error) {
	key := pass.Object.PolicyKey()
	switch policy, err := pass.Cache().Policy(ctx, key); {
	case err != nil, policy != nil, !conclusive(pass.Object):
		return policy, err
	}
	return kind.Read(ctx, pass.APIReader, key, &v1alpha1.DagAccessPolicy{})
}

// instanceKey names the instance in which the grant was activated, else that of its policy; empty where neither is known.
func instanceKey(f grant.Facts) types.NamespacedName {
	if pinned := f.Grant.Pinned(); pinned != nil {
		return types.NamespacedName{Namespace: pinned.Namespace, Name: pinned.Name}
	}
	if f.Policy != nil {
		return f.Policy.InstanceKey()
	}
	return types.NamespacedName{}
}

// instanceOf gives an instance; nil where there is none.
func instanceOf(ctx context.Context, pass *kind.Pass[object], key types.NamespacedName) (*v1alpha1.AirflowInstance, error) {
	if key.Name == "" {
		return nil, nil
	}
	switch instance, err := pass.Cache().Instance(ctx, key); {
	case err != nil, !conclusive(pass.Object), activatedIn(pass.Object, instance):
		return instance, err
	}
	return kind.Read(ctx, pass.APIReader, key, &v1alpha1.AirflowInstance{})
}

// activatedIn reports whether the grant was activated in an instance, which may be nil, and not in another one of its name.
func activatedIn(g object, instance *v1alpha1.AirflowInstance) bool {
	return instance != nil && g.In(instance) != nil
}

// namespaceAllowed reports whether a policy, which may be nil, takes grants from the grant's namespace.
func namespaceAllowed(ctx context.Context, reader client.Reader, g object, policy *v1alpha1.DagAccessPolicy) (bool, error) {
	if policy == nil || policy.Spec.Grants == nil {
		return false, nil
	}
	switch terms := policy.Spec.Grants; terms.From {
	case v1alpha1.GrantsFromAll:
		return true, nil
	case v1alpha1.GrantsFromSelector:
		return selected(ctx, reader, g.Namespace, terms.NamespaceSelector)
	case v1alpha1.GrantsFromSame:
	}
	return g.Namespace == policy.Namespace, nil
}

// selected reports whether a selector matches the labels of a namespace. A selector that cannot be understood matches none:
// the policy reports that.
func selected(ctx context.Context, reader client.Reader, name string, by *metav1.LabelSelector) (bool, error) {
	selector, err := metav1.LabelSelectorAsSelector(by)
	if err != nil {
		return false, nil //nolint:nilerr // the policy says so itself, and takes no grants meanwhile
	}
	namespace := namespaceMetadata()
	switch err := reader.Get(ctx, types.NamespacedName{Name: name}, namespace); {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, err
	}
	return selector.Matches(labels.Set(namespace.Labels)), nil
}

// namespaceMetadata is what is read of namespaces: no more than metadata.
func namespaceMetadata() *metav1.PartialObjectMetadata {
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	return namespace
}

// observe adds to the facts what a pass over the instance reported.
func observe(f *grant.Facts, report *kind.Report, reports *kind.Reports) {
	f.CacheTTL = report.CacheTTL
	f.Observed = &decision.Observation{
		Reachable: report.Err == nil, Endpoint: report.Endpoint, Giving: report.Giving, Behind: report.Behind, Dags: report.Dags,
	}
	if !report.ObservedAt.IsZero() {
		f.Observed.Users = reports.Directory(report)
	}
	if f.Policy != nil {
		f.Observed.Policy = kind.ReportOf(report, f.Policy)
	}
	if found, known := report.Grants[f.Grant.UID]; known {
		f.Report = &found
	}
}
