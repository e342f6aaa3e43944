package grant

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/controllers/kind"
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
	if facts.Request, err = requestOf(ctx, pass); err != nil {
		return facts, err
	}
	if facts.NamespaceAllowed, err = kind.NamespaceAllowed(ctx, pass.Client, g.Namespace, facts.Policy); err != nil {
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

// requestOf gives the request that the grant was made for; nil where nobody asked, or it is gone. That a request is gone ends
// the grant for good, and is not decided from a cache that may be behind.
func requestOf(ctx context.Context, pass *kind.Pass[object]) (*v1alpha1.AccessRequest, error) {
	key, asked := pass.Object.RequestKey()
	if !asked {
		return nil, nil //nolint:nilnil // nobody asked
	}
	uid := types.UID(pass.Object.Spec.RequestRef.UID)
	for _, reader := range []client.Reader{pass.Client, pass.APIReader} {
		found, err := kind.Read(ctx, reader, key, &v1alpha1.AccessRequest{})
		if err != nil {
			return nil, err
		}
		if found != nil && found.UID == uid {
			return found, nil
		}
		if pass.Object.Status.End != nil {
			return nil, nil //nolint:nilnil // it ended, whatever became of the request
		}
	}
	return nil, nil //nolint:nilnil // it is gone
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

// observe adds to the facts what a pass over the instance reported.
func observe(f *grant.Facts, report *kind.Report, reports *kind.Reports) {
	f.CacheTTL = report.CacheTTL
	f.Observed = reports.Observation(report, f.Policy)
	if found, known := report.Grants[f.Grant.UID]; known {
		f.Report = &found
	}
}
