// Package policy is the controller of DagAccessPolicies: it records in their status what a pass made of them, and retains a
// deleted policy until everything that it granted is proved gone from Airflow.
package policy

import (
	"context"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/controllers/kind"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/decision/policy"
)

// object is what the package is about, in short for signatures.
type object = *v1alpha1.DagAccessPolicy

// Reconciler of policies.
type Reconciler = kind.Reconciler[object, policy.Facts]

// +kubebuilder:rbac:groups=access.airflow-oam.dev,resources=dagaccesspolicies,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=access.airflow-oam.dev,resources=dagaccesspolicies/status,verbs=patch
// +kubebuilder:rbac:groups=access.airflow-oam.dev,resources=airflowinstances;accessgrants,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// New makes the reconciler of policies.
func New(env kind.Env) *Reconciler {
	return kind.New(env, kind.Kind[object, policy.Facts]{
		Name:    "dagaccesspolicy",
		Noun:    "policy",
		Workers: 4,
		New:     func() object { return &v1alpha1.DagAccessPolicy{} },
		Status: func(p object) kind.Status {
			return kind.Status{ObservedGeneration: &p.Status.ObservedGeneration, Conditions: &p.Status.Conditions, History: &p.Status.History}
		},
		Gather:  gather,
		Decide:  decide,
		Watches: watches,
		Wakes:   wakes,
	})
}

// gather reads the policy's instance, its grants, and what the last pass saw of them.
func gather(ctx context.Context, pass *kind.Pass[object]) (policy.Facts, error) {
	facts := policy.Facts{Now: pass.Now, Since: pass.Since, Policy: pass.Object}
	var err error
	if facts.Instance, err = instance(ctx, pass); err != nil {
		return facts, err
	}
	var seen map[types.UID]access.GrantReport
	if report := pass.Report(facts.Instance); report != nil {
		seen = report.Grants
		facts.View = &policy.View{Reachable: report.Err == nil, ObservedAt: report.ObservedAt, FinishedAt: report.FinishedAt, Inventory: report.Inventory}
		if found := kind.ReportOf(report, pass.Object); found != nil {
			facts.View.Report = *found
		}
	}
	grants, err := pass.Cache().GrantsOf(ctx, pass.Object.Key())
	if err != nil {
		return facts, err
	}
	for _, grant := range grants {
		if grant.Status.Activation != nil && !grant.Terminal() {
			facts.Unended++
		}
		if active(seen[grant.UID]) {
			facts.Active++
		}
	}
	return facts, nil
}

// instance gives the policy's instance; nil where there is none. For a policy that is deleted the API server itself is asked:
// whether there is an instance and what its inventory holds decides whether the policy may go.
func instance(ctx context.Context, pass *kind.Pass[object]) (*v1alpha1.AirflowInstance, error) {
	if pass.Deleting() {
		return kind.Read(ctx, pass.APIReader, pass.Object.InstanceKey(), &v1alpha1.AirflowInstance{})
	}
	return pass.Cache().Instance(ctx, pass.Object.InstanceKey())
}

// active reports whether a grant was seen to grant something.
func active(r access.GrantReport) bool { return r.Confirmed() && !r.Proof.Empty }

// decide asks for the verdict.
func decide(f policy.Facts) kind.Verdict[object] {
	v := policy.Decide(f)
	return kind.Verdict[object]{
		Verdict: v.Verdict,
		Record:  func(p object) { p.Status.Instances = v.Instances },
	}
}

// watches makes instances and grants wake policies.
func watches(b *builder.Builder, env *kind.Env, _ *kind.Memory) {
	b.Watches(&v1alpha1.AirflowInstance{}, kind.Wake(func(ctx context.Context, i *v1alpha1.AirflowInstance) []types.NamespacedName {
		policies, _ := env.Cache().PoliciesOf(ctx, i.Key()) // see kind.Wake
		return kind.Names(policies, func(object) bool { return true })
	}), builder.WithPredicates(kind.When(instanceMatters)))
	b.Watches(&v1alpha1.AccessGrant{}, kind.Wake(func(ctx context.Context, g *v1alpha1.AccessGrant) []types.NamespacedName {
		found, _ := env.Cache().Policy(ctx, g.PolicyKey()) // see kind.Wake
		return kind.Names([]object{found}, func(p object) bool { return p != nil && p.DeletionTimestamp != nil })
	}), builder.WithPredicates(grantCloses()))
}

// instanceMatters is what of an instance concerns its policies.
func instanceMatters(i *v1alpha1.AirflowInstance) any {
	ready := metav1.Condition{}
	if found := i.Condition(v1alpha1.ConditionReady); found != nil {
		ready = metav1.Condition{Status: found.Status, Reason: found.Reason}
	}
	return []any{i.UID, i.Generation, i.Status.ManagedRoles, ready}
}

// grantCloses lets pass grants that reach their final phase or go: a deleted policy may wait for them.
func grantCloses() predicate.Funcs {
	closes := kind.When(func(g *v1alpha1.AccessGrant) any { return g.Terminal() })
	closes.CreateFunc = func(event.CreateEvent) bool { return false }
	return closes
}

// wakes gives the policies about which a report says something else than the one before. None is urgent.
func wakes(_ *kind.Memory, before, report *kind.Report) (urgent, others []types.NamespacedName) {
	all := concernsAll(before, report)
	for name, now := range report.Policies {
		if all || !equality.Semantic.DeepEqual(before.Policies[name], now) {
			others = append(others, name)
		}
	}
	return nil, others
}

// concernsAll reports whether a report says something new about every policy.
func concernsAll(before, report *kind.Report) bool {
	if before == nil {
		return true
	}
	of := func(r *kind.Report) any { return []any{r.Err == nil, r.InstanceUID, r.Inventory} }
	return !equality.Semantic.DeepEqual(of(before), of(report)) || !confirmed(before).Equal(confirmed(report))
}

// confirmed are the grants that were read in Airflow.
func confirmed(r *kind.Report) sets.Set[types.UID] {
	uids := sets.New[types.UID]()
	for uid, grant := range r.Grants {
		if grant.Confirmed() {
			uids.Insert(uid)
		}
	}
	return uids
}
