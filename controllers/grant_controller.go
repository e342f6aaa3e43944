package controllers

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/actuator"
	"github.com/airflow-oam/airflow-oam/internal/decision"
	"github.com/airflow-oam/airflow-oam/internal/decision/grant"
	"github.com/airflow-oam/airflow-oam/internal/metrics"
	"github.com/airflow-oam/airflow-oam/internal/status"
)

// GrantReconciler decides what becomes of grants and writes their status and finalizer, nothing else. Access is given
// and taken away by the instance controller; what that saw is read from Reports.
type GrantReconciler struct {
	client.Client
	// APIReader reads past the cache before something final is decided because an object is missing.
	APIReader client.Reader
	Clock     clock.PassiveClock
	// Recorder of events; nil sends none.
	Recorder events.EventRecorder
	Reports  *Reports
	// Retention is how long a grant that ended stays, unless a Git tool tracks it; 0 is for ever.
	Retention time.Duration

	memory grantMemory
	since  time.Time
}

// +kubebuilder:rbac:groups=access.airflow-oam.dev,resources=accessgrants,verbs=get;list;watch;patch;delete
// +kubebuilder:rbac:groups=access.airflow-oam.dev,resources=accessgrants/status,verbs=patch
// +kubebuilder:rbac:groups=access.airflow-oam.dev,resources=dagaccesspolicies;airflowinstances,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile decides about one grant.
func (r *GrantReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	stored := &v1alpha1.AccessGrant{}
	if err := r.Get(ctx, request.NamespacedName, stored); err != nil {
		if client.IgnoreNotFound(err) == nil {
			r.forget(request.NamespacedName)
			return ctrl.Result{}, nil
		}
		return settleOn(err)
	}
	s := &grantScope{GrantReconciler: r, stored: stored, now: r.Clock.Now()}
	for _, phase := range []func(context.Context) error{
		s.gather,
		s.decide,
		s.hold,
		s.store,
		s.tell,
		s.release,
		s.collect,
	} {
		if err := phase(ctx); err != nil {
			s.latch(err)
			return settleOn(err)
		}
	}
	return s.result(), nil
}

// latch keeps an end that could not be stored, so that a clock that steps back meanwhile does not take it back. After a
// conflict there is something newer to decide from.
func (s *grantScope) latch(err error) {
	if s.verdict.End != nil && s.stored.Status.End == nil && OutcomeOf(err) != OutcomeWaiting {
		s.memory.latch(s.stored, s.verdict.End)
	}
}

// grantScope is one pass over one grant.
type grantScope struct {
	*GrantReconciler
	// stored is the grant as it was read; grant is what it becomes.
	stored, grant *v1alpha1.AccessGrant
	now           time.Time
	facts         grant.Facts
	verdict       grant.Verdict
	// report is the one that the facts rest on.
	report *actuator.Report
	gone   bool
}

// decide asks for the verdict.
func (s *grantScope) decide(context.Context) error {
	s.verdict = grant.Decide(s.facts)
	return nil
}

// hold adds the finalizer and the mark that tells a copy from the grant, before anything is given.
func (s *grantScope) hold(ctx context.Context) error {
	s.grant = s.stored.DeepCopy()
	if !s.verdict.Hold || s.stored.DeletionTimestamp != nil {
		return nil
	}
	marked := s.grant.Annotations[v1alpha1.GivenAsAnnotation] == string(s.grant.UID)
	if !controllerutil.AddFinalizer(s.grant, v1alpha1.Finalizer) && marked {
		return nil
	}
	metav1.SetMetaDataAnnotation(&s.grant.ObjectMeta, v1alpha1.GivenAsAnnotation, string(s.grant.UID))
	patch := client.MergeFromWithOptions(s.stored, client.MergeFromWithOptimisticLock{})
	if err := s.Patch(ctx, s.grant, patch); err != nil {
		return err
	}
	s.stored = s.grant.DeepCopy()
	return nil
}

// store writes the status. Nothing is written of a grant that goes without having been given.
func (s *grantScope) store(ctx context.Context) error {
	v := s.verdict
	if v.Release && v.Activation == nil && v.End == nil {
		return nil
	}
	st := &s.grant.Status
	st.Phase, st.Activation, st.End, st.RemovedAt, st.RevokedAt = v.Phase, v.Activation, v.End, v.RemovedAt, v.RevokedAt
	st.ObservedGeneration = s.facts.Grant.Generation
	st.Conditions = status.Conditions(s.stored.Status.Conditions, st.ObservedGeneration, s.now, v.Conditions...)
	st.History = status.History(s.stored.Status.History, s.now, decision.History(v.Entries)...)
	_, err := status.Patch(ctx, s.Client, s.stored, s.grant)
	return err
}

// tell says what was stored: events, figures, and memory for the wakers.
func (s *grantScope) tell(ctx context.Context) error {
	for _, entry := range s.verdict.Entries {
		announce(s.Recorder, s.grant, entry)
		log.FromContext(ctx).Info("grant decided", "event", entry.Event, "message", entry.Message)
	}
	instance := s.instanceKey()
	s.memory.stored(s.grant, instance, s.verdict)
	metrics.SetGrant(s.grant.UID, instance.String(), string(s.grant.Status.Phase))
	before := s.facts.Grant.Status
	if s.verdict.Phase == v1alpha1.GrantActive && before.Phase != v1alpha1.GrantActive && s.facts.Report != nil {
		could := s.grant.CreationTimestamp.Time
		if start := s.grant.Spec.StartsAt; start != nil && start.After(could) {
			could = start.Time
		}
		metrics.ObserveActivation(s.facts.Report.ObservedAt.Sub(could))
	}
	if s.verdict.RemovedAt != nil && before.RemovedAt == nil {
		planned := s.verdict.End.At.Time
		if s.verdict.End.Reason == v1alpha1.EndExpired {
			planned = s.verdict.Activation.ExpiresAt.Add(-access.Lead(s.facts.CacheTTL))
		}
		metrics.ObserveEnding(s.facts.Report.ObservedAt.Sub(planned))
	}
	return nil
}

// announce sends one event.
func announce(recorder events.EventRecorder, object client.Object, entry decision.Entry) {
	if recorder == nil {
		return
	}
	kind := corev1.EventTypeNormal
	if entry.Warning {
		kind = corev1.EventTypeWarning
	}
	recorder.Eventf(object, nil, kind, entry.Event, "Decide", "%s", status.Line(entry.Message, status.MaxMessage))
}

// release removes the finalizer of a deleted grant whose access is proved gone, or was never given.
func (s *grantScope) release(ctx context.Context) error {
	if s.stored.DeletionTimestamp == nil || !s.verdict.Release {
		return nil
	}
	gone, err := dropFinalizer(ctx, s.Client, s.grant, s.grant.DeepCopy())
	s.gone = gone
	return err
}

// collect deletes a grant long after its end, unless a Git tool tracks it: that would only make it again.
func (s *grantScope) collect(ctx context.Context) error {
	end := s.grant.Status.End
	if s.gone || s.grant.DeletionTimestamp != nil || !s.grant.Terminal() || end == nil || s.Retention <= 0 || tracked(s.grant) {
		return nil
	}
	if s.now.Before(end.At.Add(s.Retention)) {
		return nil
	}
	s.gone = true
	log.FromContext(ctx).Info("deleting a grant that ended long ago", "reason", end.Reason)
	only := client.Preconditions{UID: &s.grant.UID, ResourceVersion: &s.grant.ResourceVersion}
	return client.IgnoreNotFound(s.Delete(ctx, s.grant, only))
}

// collectWait is how often a grant that ended is looked at for its retention; nobody waits for that moment.
const collectWait = time.Hour

// result says when to look again: exactly when time changes the verdict, and before others where the grant is being
// taken away then.
func (s *grantScope) result() ctrl.Result {
	priority := priorityNormal
	if s.verdict.Urgent || access.Live(s.grant, s.now, s.facts.CacheTTL) && !access.Live(s.grant, s.now.Add(maxWait), s.facts.CacheTTL) {
		priority = priorityEnding
	}
	switch next := s.verdict.NextAt; {
	case s.gone:
		return ctrl.Result{}
	case s.facts.Instance != nil && s.Reports.Get(client.ObjectKeyFromObject(s.facts.Instance)) != s.report:
		// It came in while we decided, and may not have woken us.
		return ctrl.Result{RequeueAfter: time.Millisecond, Priority: &priority}
	case !next.IsZero():
		return ctrl.Result{RequeueAfter: waitUntil(s.now, next), Priority: &priority}
	case s.grant.Terminal() && s.Retention > 0 && !tracked(s.grant):
		left := s.grant.Status.End.At.Add(s.Retention).Sub(s.now)
		return ctrl.Result{RequeueAfter: max(time.Second, min(left, collectWait)), Priority: &priority}
	}
	return ctrl.Result{Priority: &priority}
}

// marks are labels and annotations by which tools know what they would make again.
var marks = []string{
	"argocd.argoproj.io/instance", "argocd.argoproj.io/tracking-id", "app.kubernetes.io/instance", // Argo CD
	"kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name", // Flux
	"meta.helm.sh/release-name",
	"applyset.kubernetes.io/part-of", // kubectl apply --prune --applyset
	"kapp.k14s.io/app",
	"configmanagement.gke.io/managed", "config.k8s.io/owning-inventory", // Config Sync, kpt
}

// tracked is true for objects that a Git tool or Helm would make again.
func tracked(object client.Object) bool {
	labels, annotations := object.GetLabels(), object.GetAnnotations()
	return labels["app.kubernetes.io/managed-by"] == "Helm" || slices.ContainsFunc(marks, func(mark string) bool {
		_, label := labels[mark]
		_, annotation := annotations[mark]
		return label || annotation
	})
}
