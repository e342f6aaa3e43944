package controllers

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/actuator"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

const (
	// maxWait caps a wait, so that a stepped clock cannot hide an ending.
	maxWait = 60 * time.Second
	// minBackoff and maxBackoff bound the time between tries while an Airflow cannot be used.
	minBackoff = time.Second
	maxBackoff = 60 * time.Second
	// maxOverdueBackoff bounds it while something should have been taken away.
	maxOverdueBackoff = 5 * time.Second
	// storeTimeout bounds a write to Kubernetes: endings wait behind it.
	storeTimeout = 5 * time.Second
	// settle gives the objects of one kubectl apply the time to arrive, so that one pass serves them.
	settle = 20 * time.Millisecond
)

// InstanceReconciler brings each Airflow to what is declared. It alone talks to Airflow; the key of its queue is the
// instance, so that one Airflow has one writer and a slow one delays only itself.
type InstanceReconciler struct {
	client.Client
	// APIReader reads past the cache: Secrets, and before the first pass after a start what the cache must hold.
	APIReader client.Reader
	Clock     clock.PassiveClock
	Recorder  events.EventRecorder
	Reports   *Reports
	// KubernetesClock is the API server's; nil counts as ours.
	KubernetesClock *Skew

	// Namespaces whose instances are served; empty means all. Nothing of others is read but their objects.
	Namespaces       []string
	AllowHTTPHosts   []string
	AllowedAddresses []netip.Prefix
	AllowPrivileged  bool
	// Concurrency is how many requests to one Airflow are under way at once; 0 means the actuator's default.
	Concurrency int

	mu          sync.Mutex
	connections map[types.NamespacedName]*connection
}

// +kubebuilder:rbac:groups=access.airflow-oam.dev,resources=airflowinstances,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=access.airflow-oam.dev,resources=airflowinstances/status,verbs=patch
// +kubebuilder:rbac:groups=access.airflow-oam.dev,resources=dagaccesspolicies;accessgrants,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile makes one pass over one instance.
func (r *InstanceReconciler) Reconcile(ctx context.Context, request ctrl.Request) (result ctrl.Result, err error) {
	afi := &v1alpha1.AirflowInstance{}
	if err := r.Get(ctx, request.NamespacedName, afi); err != nil {
		if client.IgnoreNotFound(err) == nil {
			r.disconnect(request.NamespacedName)
			r.Reports.Forget(request.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	scope := newInstanceScope(r, afi)
	if r.connection(request.NamespacedName, afi.UID).first {
		// What a process before this one stored last may not be in the cache yet, and its inventory says what is ours.
		if scope.refresh(ctx); scope.gone {
			return ctrl.Result{}, nil
		}
	}
	defer func() { result, err = scope.close(ctx, result, err) }()

	for _, phase := range []func(context.Context, *instanceScope) (done bool, err error){
		r.abandon,
		r.serve,
		r.unique,
		r.finalize,
		r.open,
		r.catchUp,
		r.inspect,
		r.pass,
		r.letGo,
	} {
		done, err := phase(ctx, scope)
		if err != nil {
			return ctrl.Result{}, err
		}
		if done {
			break
		}
	}
	return ctrl.Result{}, r.dismiss(ctx, scope)
}

// abandon lets a deleted instance go at once where that is asked for: Airflow stays as it is.
func (r *InstanceReconciler) abandon(ctx context.Context, s *instanceScope) (bool, error) {
	if s.afi.DeletionTimestamp.IsZero() || s.afi.Spec.Deletion != v1alpha1.InstanceDeletionAbandon {
		return false, nil
	}
	log.FromContext(ctx).Info("abandoning an Airflow: its roles stay", "endpoint", s.afi.Status.Endpoint, "roles", len(s.afi.Status.ManagedRoles))
	return true, s.removeFinalizer(ctx)
}

// serve stops instances in namespaces that are not served: whoever may write there decides about no Airflow, and what was
// given while it was served waits for somebody who acts.
func (r *InstanceReconciler) serve(_ context.Context, s *instanceScope) (bool, error) {
	if r.serves(s.afi.Namespace) {
		return false, nil
	}
	s.trouble = &trouble{condition: v1alpha1.ConditionReady, reason: v1alpha1.ReasonNamespaceNotServed, stalled: true,
		message: "the operator does not serve AirflowInstances in namespace " + s.afi.Namespace +
			", so nothing is given and nothing ends: list it in the chart's value instanceNamespaces (flag --instance-namespaces), or use a namespace that is listed"}
	return true, nil
}

func (r *InstanceReconciler) serves(namespace string) bool {
	return len(r.Namespaces) == 0 || slices.Contains(r.Namespaces, namespace)
}

// unique stops the younger of two instances for one Airflow. What it gave before is still taken away where it was given.
func (r *InstanceReconciler) unique(ctx context.Context, s *instanceScope) (bool, error) {
	list := &v1alpha1.AirflowInstanceList{}
	if err := r.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return false, err
	}
	for i := range list.Items {
		other := &list.Items[i]
		if other.UID == s.afi.UID || !r.serves(other.Namespace) || !airflow.SameOrigin(other.Spec.URL, s.afi.Spec.URL) || !older(other, s.afi) {
			continue
		}
		s.taken = true
		s.trouble = &trouble{condition: v1alpha1.ConditionReady, reason: v1alpha1.ReasonEndpointTaken, stalled: true,
			message: "AirflowInstance " + other.Namespace + "/" + other.Name + " governs this Airflow already: two would fight over it; delete one of them"}
		switch {
		case len(s.afi.Status.ManagedRoles) > 0:
			return false, nil
		case !s.afi.DeletionTimestamp.IsZero():
			return true, s.removeFinalizer(ctx)
		}
		return true, nil
	}
	return false, nil
}

// older says which of two instances came first to an Airflow: the one that manages roles there, else by age, else by
// name.
func older(a, b *v1alpha1.AirflowInstance) bool {
	if first, second := settled(a), settled(b); first != second {
		return first
	}
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return a.Namespace+"/"+a.Name < b.Namespace+"/"+b.Name
}

// settled says whether an instance manages roles in the Airflow that its spec names.
func settled(afi *v1alpha1.AirflowInstance) bool {
	return len(afi.Status.ManagedRoles) > 0 && airflow.SameOrigin(afi.Status.Endpoint, afi.Spec.URL)
}

// finalize keeps the object until what we made in Airflow is gone: before the first write there.
func (r *InstanceReconciler) finalize(ctx context.Context, s *instanceScope) (bool, error) {
	if !s.afi.DeletionTimestamp.IsZero() || controllerutil.ContainsFinalizer(s.afi, v1alpha1.Finalizer) {
		return false, nil
	}
	return false, s.addFinalizer(ctx)
}

// open connects, and looks once an interval at what server this is. A problem with the Secret does not stop endings
// while a good connection is in memory.
func (r *InstanceReconciler) open(ctx context.Context, s *instanceScope) (bool, error) {
	conn, problem := r.connect(ctx, s.afi, s.taken)
	s.conn = conn
	s.blame(problem)
	if conn.client == nil {
		conn.failures++
		return true, nil
	}
	if r.Clock.Now().Before(conn.notBefore) {
		s.waitUntil(conn.notBefore)
		s.blame(conn.throttled())
		return true, nil
	}
	return false, nil
}

// inspect looks once an interval at what server this is, and whether the account may do what it must. What has ended goes
// before that, and what is to go does not wait for a right that it does not need, or for a version that can do more.
func (r *InstanceReconciler) inspect(ctx context.Context, s *instanceScope) (bool, error) {
	conn := s.conn
	if conn.checked(s.afi, r.Clock.Now()) {
		return false, nil
	}
	if r.takeDue(ctx, s); r.Clock.Now().Before(conn.notBefore) {
		s.waitUntil(conn.notBefore)
		s.blame(conn.throttled())
		return true, nil
	}
	if problem := r.check(ctx, s); problem != nil {
		s.blame(problem)
		conn.refused = problem.credentials
		conn.failures++
		conn.notBefore = r.Clock.Now().Add(problem.wait)
		s.limited = conn.account != "" && problem.reason != v1alpha1.ReasonBadCredentials
		return !s.limited || problem.wait > 0 || !s.takes(ctx), nil
	}
	return false, nil
}

// takeDue takes away what has ended, where nothing else can be done yet. A pass tells what came of it.
func (r *InstanceReconciler) takeDue(ctx context.Context, s *instanceScope) {
	if s.conn.account == "" || !s.due(ctx) {
		return
	}
	err := s.conn.actuator.TakeDue(ctx, &instanceSource{r: r, conn: s.conn, afi: s.afi, scope: s})
	if wait, asked := airflow.RetryAfter(err); asked {
		s.conn.notBefore = r.Clock.Now().Add(wait)
	}
}

// takeLate does the same where that was done long before, since a server is slow.
func (r *InstanceReconciler) takeLate(ctx context.Context, s *instanceScope, since time.Time) {
	if r.Clock.Since(since) > time.Second {
		r.takeDue(ctx, s)
	}
}

// pass runs the actuator and takes in its report.
func (r *InstanceReconciler) pass(ctx context.Context, s *instanceScope) (bool, error) {
	conn := s.conn
	source := &instanceSource{r: r, conn: conn, afi: s.afi, scope: s}
	look := r.look(s)
	before := conn.requests.Load()
	report := conn.actuator.Pass(ctx, source, look)
	s.report, s.requests = report, conn.requests.Load()-before
	for _, step := range report.Changes {
		log.FromContext(ctx).Info("changed in Airflow, and read back", "step", access.Describe(step))
	}
	if s.drift = repaired(report.Drift); !apierrors.IsConflict(report.Err) {
		s.drift = conn.untold(report.Drift)
	}
	switch {
	case report.Err == nil:
		conn.first = s.unread != nil
		if len(report.Failures) > 0 {
			conn.fell(len(report.Changes) > 0 && !s.limited) // that things can be taken says nothing of what is missing
		} else {
			conn.serve(report, s.limited)
		}
		r.looked(s, look, report)
	case apierrors.IsConflict(report.Err):
		s.tellDrift(ctx) // no later pass finds it again
		s.conn.keep(s.drift)
		conn.first = true // somebody changed the object; tried again at once, from what the API server holds
		return true, report.Err
	case ctx.Err() == nil:
		conn.fell(len(report.Changes) > 0)
		if !report.Observed && airflow.MaybeReplaced(report.Err) {
			conn.checkedAt = time.Time{}
		}
		problem := passTrouble(report.Err)
		log.FromContext(ctx).Error(report.Err, "a pass could not be finished; it is tried again", "reason", problem.reason)
		s.blame(problem)
		if problem.credentials {
			conn.checkedAt, conn.refused = time.Time{}, true
		}
		conn.notBefore = r.Clock.Now().Add(problem.wait)
	}
	if !report.ObservedAt.IsZero() && report.InstanceUID == s.afi.UID {
		r.Reports.Publish(report)
	}
	return report.Err != nil, nil
}

// look says how much the pass must read.
func (r *InstanceReconciler) look(s *instanceScope) actuator.Look {
	now, conn := r.Clock.Now(), s.conn
	asked := s.afi.Annotations[v1alpha1.ReconcileAtAnnotation]
	switch {
	case conn.lastFull.IsZero() || now.Sub(conn.lastFull) >= conn.nextFull || asked != conn.asked || s.afi.Generation != conn.generation:
		return actuator.LookFull
	case now.Sub(conn.lastDags) >= s.afi.Spec.DagInterval.Duration:
		return actuator.LookDags
	}
	return actuator.LookTouched
}

// looked notes what was read, and when it is to be read again: intervals of many instances are spread.
func (r *InstanceReconciler) looked(s *instanceScope, look actuator.Look, report *actuator.Report) {
	conn := s.conn
	if look == actuator.LookFull || report.Full {
		conn.lastFull, conn.lastDags = report.StartedAt, report.StartedAt
		interval := s.afi.Spec.Interval.Duration
		conn.nextFull = interval - time.Duration(rand.Int64N(int64(interval)/10+1)) //nolint:gosec // spreads load, protects nothing
		conn.generation = s.afi.Generation
		conn.asked = s.afi.Annotations[v1alpha1.ReconcileAtAnnotation]
	}
	if look == actuator.LookDags {
		conn.lastDags = report.StartedAt
	}
}

// dismiss lets a deleted instance go whose Airflow cannot be looked at, where nothing can be there: the inventory is
// stored before the first role is made.
func (r *InstanceReconciler) dismiss(ctx context.Context, s *instanceScope) error {
	if s.gone || s.afi.DeletionTimestamp.IsZero() || s.report != nil && s.report.Err == nil || len(s.afi.Status.ManagedRoles) > 0 {
		return nil
	}
	if last := r.Reports.Get(client.ObjectKeyFromObject(s.afi)); last != nil && last.InstanceUID == s.afi.UID && len(last.Inventory) > 0 {
		return nil // the status lost it
	}
	return r.releaseUnlessGranted(ctx, s)
}

// letGo removes the finalizer of a deleted instance when nothing that we gave is left.
func (r *InstanceReconciler) letGo(ctx context.Context, s *instanceScope) (bool, error) {
	if s.afi.DeletionTimestamp.IsZero() || len(s.report.Inventory) > 0 || len(s.report.Failures) > 0 {
		return false, nil
	}
	return true, r.releaseUnlessGranted(ctx, s)
}

// releaseUnlessGranted removes the finalizer unless a grant waits for its proof.
func (r *InstanceReconciler) releaseUnlessGranted(ctx context.Context, s *instanceScope) error {
	_, grants, err := r.declared(ctx, s.afi)
	if err != nil {
		return err
	}
	for _, grant := range grants {
		if grant.UnprovedIn(s.afi) {
			return nil // where there is a proof, its controller has it now and stores it
		}
	}
	return s.removeFinalizer(ctx)
}
