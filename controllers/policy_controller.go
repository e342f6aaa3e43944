package controllers

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/actuator"
	"github.com/airflow-oam/airflow-oam/internal/decision"
	"github.com/airflow-oam/airflow-oam/internal/decision/policy"
	"github.com/airflow-oam/airflow-oam/internal/status"
)

// PolicyReconciler says in the status of policies what became of them, and keeps a deleted policy until what it gave is
// proved gone. It writes their status and finalizer, nothing else. The indexes that it uses are registered by
// GrantReconciler.
type PolicyReconciler struct {
	client.Client
	// APIReader reads the instance of a deleted policy past the cache; nil asks the cache only.
	APIReader client.Reader
	Clock     clock.PassiveClock
	// Recorder of events; nil sends none.
	Recorder events.EventRecorder
	Reports  *Reports

	since time.Time
}

// +kubebuilder:rbac:groups=access.airflow-oam.dev,resources=dagaccesspolicies,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=access.airflow-oam.dev,resources=dagaccesspolicies/status,verbs=patch
// +kubebuilder:rbac:groups=access.airflow-oam.dev,resources=airflowinstances;accessgrants,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile decides about one policy.
func (r *PolicyReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	stored := &v1alpha1.DagAccessPolicy{}
	if err := r.Get(ctx, request.NamespacedName, stored); err != nil {
		if client.IgnoreNotFound(err) == nil {
			return ctrl.Result{}, nil
		}
		return settleOn(err)
	}
	s := &policyScope{PolicyReconciler: r, stored: stored, now: r.Clock.Now()}
	for _, phase := range []func(context.Context) error{
		s.hold,
		s.gather,
		s.store,
		s.tell,
		s.release,
	} {
		if err := phase(ctx); err != nil {
			return settleOn(err)
		}
	}
	return s.result(), nil
}

// policyScope is one pass over one policy.
type policyScope struct {
	*PolicyReconciler
	// stored is the policy as it was read; policy is what it becomes.
	stored, policy *v1alpha1.DagAccessPolicy
	now            time.Time
	verdict        policy.Verdict
	report         *actuator.Report
	gone           bool
}

// hold adds the finalizer.
func (s *policyScope) hold(ctx context.Context) error {
	s.policy = s.stored.DeepCopy()
	if s.stored.DeletionTimestamp != nil || !controllerutil.AddFinalizer(s.policy, v1alpha1.Finalizer) {
		return nil
	}
	if err := s.Patch(ctx, s.policy, client.MergeFromWithOptions(s.stored, client.MergeFromWithOptimisticLock{})); err != nil {
		return err
	}
	s.stored = s.policy.DeepCopy()
	return nil
}

// gather reads all that the decision depends on, and decides.
func (s *policyScope) gather(ctx context.Context) error {
	facts := policy.Facts{Now: s.now, Since: s.since, Policy: s.stored}
	var err error
	if facts.Instance, err = s.findInstance(ctx); err != nil {
		return err
	}
	s.report = s.Reports.Get(s.instanceKey())
	if facts.Instance != nil && s.report != nil && s.report.InstanceUID == facts.Instance.UID {
		facts.View = viewOf(s.report, s.stored)
	}
	grants := &v1alpha1.AccessGrantList{}
	key := client.ObjectKeyFromObject(s.stored).String()
	if err := s.List(ctx, grants, client.MatchingFields{indexGrantPolicy: key}, client.UnsafeDisableDeepCopy); err != nil {
		return err
	}
	for i := range grants.Items {
		grant := &grants.Items[i]
		if grant.Status.Activation != nil && !grant.Terminal() {
			facts.Unended++
		}
		if facts.View == nil {
			continue
		}
		if seen, ok := s.report.Grants[grant.UID]; ok && seen.Desire.Live && seen.Proof.Present && !seen.Proof.Empty {
			facts.Active++
		}
	}
	s.verdict = policy.Decide(facts)
	return nil
}

func (s *policyScope) instanceKey() types.NamespacedName {
	return types.NamespacedName{Namespace: s.stored.Namespace, Name: s.stored.Spec.InstanceRef.Name}
}

// findInstance gives the policy's instance as the cache holds it, which is never changed; nil where there is none. Before
// a deleted policy is let go, the API server itself is asked: whether there is an instance, and what its inventory holds.
func (s *policyScope) findInstance(ctx context.Context) (*v1alpha1.AirflowInstance, error) {
	if s.stored.DeletionTimestamp != nil && s.APIReader != nil {
		instance := &v1alpha1.AirflowInstance{}
		if err := s.APIReader.Get(ctx, s.instanceKey(), instance); err != nil {
			return nil, client.IgnoreNotFound(err)
		}
		return instance, nil
	}
	list := &v1alpha1.AirflowInstanceList{}
	err := s.List(ctx, list, client.MatchingFields{indexKey: s.instanceKey().String()}, client.UnsafeDisableDeepCopy)
	if err != nil || len(list.Items) == 0 {
		return nil, err
	}
	return &list.Items[0], nil
}

// viewOf takes from a report what concerns the policy; its report is empty where the pass did not know it.
func viewOf(report *actuator.Report, p *v1alpha1.DagAccessPolicy) *policy.View {
	view := &policy.View{Reachable: report.Err == nil, ObservedAt: report.ObservedAt, Inventory: report.Inventory}
	seen, ok := report.Policies[client.ObjectKeyFromObject(p)]
	if !ok || seen.UID != p.UID {
		return view
	}
	view.Report = seen
	return view
}

// store writes the status.
func (s *policyScope) store(ctx context.Context) error {
	st := &s.policy.Status
	st.ObservedGeneration = s.stored.Generation
	st.Conditions = status.Conditions(s.stored.Status.Conditions, st.ObservedGeneration, s.now, s.verdict.Conditions...)
	st.Instances = s.verdict.Instances
	st.History = status.History(s.stored.Status.History, s.now, decision.History(s.verdict.Entries)...)
	_, err := status.Patch(ctx, s.Client, s.stored, s.policy)
	return err
}

// tell sends events about what was stored.
func (s *policyScope) tell(ctx context.Context) error {
	for _, entry := range s.verdict.Entries {
		announce(s.Recorder, s.policy, entry)
		log.FromContext(ctx).Info("policy decided", "event", entry.Event, "message", entry.Message)
	}
	return nil
}

// release removes the finalizer of a deleted policy whose roles are proved gone.
func (s *policyScope) release(ctx context.Context) error {
	if s.stored.DeletionTimestamp == nil || !s.verdict.Release {
		return nil
	}
	gone, err := dropFinalizer(ctx, s.Client, s.policy, s.policy.DeepCopy())
	s.gone = gone
	return err
}

// result says when to look again.
func (s *policyScope) result() ctrl.Result {
	switch {
	case s.gone:
		return ctrl.Result{}
	case s.Reports.Get(s.instanceKey()) != s.report:
		return ctrl.Result{RequeueAfter: time.Millisecond}
	case !s.verdict.NextAt.IsZero():
		return ctrl.Result{RequeueAfter: waitUntil(s.now, s.verdict.NextAt)}
	}
	return ctrl.Result{}
}
