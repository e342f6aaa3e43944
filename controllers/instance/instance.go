// Package instance is the controller of AirflowInstances. It alone talks to Airflow, in passes over one instance at a time,
// and publishes what a pass saw in memory; the controllers of all other kinds read that.
//
// Reconcile is the table of contents of a pass. What is remembered between passes is the state of an instance: the
// connection, the schedule, the cache gate and the drift log. What one pass knows is its scope, from which the status
// is computed and written once, at the end.
package instance

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/controllers/kind"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/metrics"
)

// Reconciler brings each Airflow to what is declared. The key of its queue is the instance, so that one Airflow has one
// writer and a slow one delays only itself.
type Reconciler struct {
	kind.Env
	Settings

	known states
}

// Settings of the controller.
type Settings struct {
	// KubernetesClock measures the API server's clock; nil counts as ours.
	KubernetesClock *Skew
	// Namespaces whose instances are served; empty means all. Of others nothing is read but the objects.
	Namespaces []string
	// AllowHTTPHosts are hosts that may be called without TLS, AllowedAddresses addresses that are blocked otherwise.
	AllowHTTPHosts   []string
	AllowedAddresses []netip.Prefix
	// ServiceAccount is the operator's own account in Kubernetes, and Tokens issues tokens of it; both may be empty, and
	// then no instance can use such tokens.
	ServiceAccount types.NamespacedName
	Tokens         corev1client.ServiceAccountsGetter
	// TokenAudiences are the addresses to which tokens of an audience may be sent, by audience. Tokens whose audience is
	// the address itself may always be sent there.
	TokenAudiences map[string][]string
	// AllowPrivileged permits write actions on global resources in airflowPermissions.
	AllowPrivileged bool
	// Concurrency is how many requests to one Airflow are under way at once; 0 means the actuator's default.
	Concurrency int
}

// New makes the reconciler of instances.
func New(env kind.Env, settings Settings) *Reconciler {
	return &Reconciler{Env: env, Settings: settings}
}

// workers is how many Airflows are worked on at once: more than there are, since a hung one must not hold up the others. An
// idle worker costs a few KiB.
const workers = 1024

// SetupWithManager registers the controller.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	byUsers := builder.WithPredicates(kind.ChangedByUsers())
	return ctrl.NewControllerManagedBy(mgr).
		Named("airflowinstance").
		For(&v1alpha1.AirflowInstance{}, byUsers).
		Watches(&v1alpha1.DagAccessPolicy{}, kind.Wake(func(_ context.Context, p *v1alpha1.DagAccessPolicy) []types.NamespacedName {
			return []types.NamespacedName{p.InstanceKey()}
		}), byUsers).
		Watches(&v1alpha1.AccessGrant{}, kind.Wake(func(ctx context.Context, g *v1alpha1.AccessGrant) []types.NamespacedName {
			return ofGrant(ctx, r.Cache(), g)
		}), builder.WithPredicates(grantMatters())).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers, RateLimiter: kind.BackOff()}).
		Complete(r)
}

// +kubebuilder:rbac:groups=access.airflow-oam.dev,resources=airflowinstances,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=access.airflow-oam.dev,resources=airflowinstances/status,verbs=patch
// +kubebuilder:rbac:groups=access.airflow-oam.dev,resources=dagaccesspolicies;accessgrants,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile makes one pass over one instance.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	afi := &v1alpha1.AirflowInstance{}
	if err := r.Get(ctx, request.NamespacedName, afi); err != nil {
		if client.IgnoreNotFound(err) == nil {
			r.forget(request.NamespacedName)
			r.Reports.Forget(request.NamespacedName)
			return ctrl.Result{}, nil
		}
		return kind.Settle(err)
	}
	s := newScope(r, afi)
	r.revokeFirst(ctx, s)
	if s.uncached {
		// What an earlier process stored last may not be in the cache yet, and the inventory says which roles are ours.
		if s.read(ctx); s.gone {
			return ctrl.Result{}, nil
		}
	}
	return s.close(ctx, r.phases(ctx, s))
}

// phases go on until one is done or fails.
func (r *Reconciler) phases(ctx context.Context, s *scope) error {
	for _, phase := range []func(context.Context, *scope) (done bool, err error){
		r.abandon,
		r.serve,
		r.unique,
		r.hold,
		r.open,
		r.catchUp,
		r.inspect,
		r.pass,
		r.release,
	} {
		done, err := phase(ctx, s)
		if err != nil {
			return err
		}
		if done {
			break
		}
	}
	return r.dismiss(ctx, s)
}

// forget drops what is remembered of an instance that is gone.
func (r *Reconciler) forget(key client.ObjectKey) {
	r.known.drop(key)
	metrics.ForgetInstance(key.String())
}

// abandon lets a deleted instance go at once where its spec says so: Airflow stays as it is.
func (r *Reconciler) abandon(ctx context.Context, s *scope) (bool, error) {
	if !s.afi.Abandoned() {
		return false, nil
	}
	log.FromContext(ctx).Info("abandoning an Airflow: its roles stay", "endpoint", s.afi.Status.Endpoint, "roles", len(s.afi.Status.ManagedRoles))
	releaseClaim(ctx, s)
	return true, s.removeFinalizer(ctx)
}

// serve stops instances in namespaces that are not served: a user who may write there decides about no Airflow. What was
// granted while the namespace was served waits for an administrator.
func (r *Reconciler) serve(_ context.Context, s *scope) (bool, error) {
	if r.serves(s.afi.Namespace) {
		return false, nil
	}
	s.blame(stalledBy(v1alpha1.ConditionReady, v1alpha1.ReasonNamespaceNotServed, "the operator does not serve AirflowInstances in namespace "+s.afi.Namespace+
		", so access is neither granted nor revoked: list the namespace in the chart's value instanceNamespaces (flag --instance-namespaces), or use one that is listed"))
	s.waitUntil(r.Clock.Now().Add(kind.MaxWait))
	return true, nil
}

func (r *Reconciler) serves(namespace string) bool {
	return len(r.Namespaces) == 0 || slices.Contains(r.Namespaces, namespace)
}

// unique stops the younger of two instances for one Airflow. What it granted before is still revoked where it was granted.
func (r *Reconciler) unique(ctx context.Context, s *scope) (bool, error) {
	rival, err := r.rival(ctx, s.afi)
	if err != nil || rival == nil {
		return false, err
	}
	s.rivalry = stalledBy(v1alpha1.ConditionReady, v1alpha1.ReasonEndpointTaken,
		"AirflowInstance "+rival.Namespace+"/"+rival.Name+" governs this Airflow already, and two would undo each other's changes: delete one of them")
	s.blame(s.rivalry)
	switch {
	case len(s.afi.Status.ManagedRoles) > 0:
		return false, nil
	case !s.afi.DeletionTimestamp.IsZero():
		return true, s.removeFinalizer(ctx)
	}
	s.waitUntil(r.Clock.Now().Add(kind.MaxWait))
	return true, nil
}

// rival gives an instance that came first to the Airflow of this one; nil where there is none.
func (r *Reconciler) rival(ctx context.Context, afi *v1alpha1.AirflowInstance) (*v1alpha1.AirflowInstance, error) {
	list := &v1alpha1.AirflowInstanceList{}
	if err := r.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	for i := range list.Items {
		other := &list.Items[i]
		if other.UID == afi.UID || !r.serves(other.Namespace) {
			continue
		}
		if airflow.SameOrigin(other.Spec.URL, afi.Spec.URL) && older(other, afi) {
			return other, nil
		}
	}
	return nil, nil
}

// older reports which of two instances came first to an Airflow: the one that manages roles there, else by age, else by
// name.
func older(a, b *v1alpha1.AirflowInstance) bool {
	if first, second := settled(a), settled(b); first != second {
		return first
	}
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return a.Key().String() < b.Key().String()
}

// settled reports whether an instance manages roles in the Airflow that its spec names.
func settled(afi *v1alpha1.AirflowInstance) bool {
	return len(afi.Status.ManagedRoles) > 0 && airflow.SameOrigin(afi.Status.Endpoint, afi.Spec.URL)
}

// hold adds the finalizer before the first write to Airflow: the object stays until what we made there is gone.
func (r *Reconciler) hold(ctx context.Context, s *scope) (bool, error) {
	if !s.afi.DeletionTimestamp.IsZero() || controllerutil.ContainsFinalizer(s.afi, v1alpha1.Finalizer) {
		return false, nil
	}
	return false, s.addFinalizer(ctx)
}

// open connects. A problem with the Secret does not stop endings while a good connection is in memory.
func (r *Reconciler) open(ctx context.Context, s *scope) (bool, error) {
	s.blame(connect(ctx, s))
	if s.client == nil {
		s.failures++
		return true, nil
	}
	return s.mustWait(), nil
}

// release removes the finalizer of a deleted instance when nothing is left of what we granted.
func (r *Reconciler) release(ctx context.Context, s *scope) (bool, error) {
	if s.afi.DeletionTimestamp.IsZero() || len(s.report.Inventory) > 0 || len(s.report.Failures) > 0 {
		return false, nil
	}
	return true, r.releaseUnlessGranted(ctx, s)
}

// dismiss lets a deleted instance go whose Airflow cannot be observed, where nothing can be there: the inventory is
// stored before the first role is created.
func (r *Reconciler) dismiss(ctx context.Context, s *scope) error {
	if s.gone || s.passed() || s.afi.DeletionTimestamp.IsZero() {
		return nil
	}
	if len(s.afi.Status.ManagedRoles) > 0 || r.remembersRoles(s.afi) {
		return nil
	}
	return r.releaseUnlessGranted(ctx, s)
}

// remembersRoles reports whether a report of this process has roles of an instance: then its status lost them.
func (r *Reconciler) remembersRoles(afi *v1alpha1.AirflowInstance) bool {
	last := r.Reports.Get(afi.Key())
	return last != nil && last.InstanceUID == afi.UID && len(last.Inventory) > 0
}

// releaseUnlessGranted removes the finalizer unless a grant waits for its proof.
func (r *Reconciler) releaseUnlessGranted(ctx context.Context, s *scope) error {
	d, err := declaredFor(ctx, r.Cache(), s.afi)
	if err != nil {
		return err
	}
	for _, grant := range d.grants {
		if grant.UnprovedIn(s.afi) {
			return nil // where there is a proof, the grant's controller has it now and stores it
		}
	}
	return s.removeFinalizer(ctx)
}

const (
	// minBackoff and maxBackoff bound the time between tries while an Airflow cannot be used.
	minBackoff = time.Second
	maxBackoff = 60 * time.Second
	// maxOverdueBackoff bounds it while access should have been revoked.
	maxOverdueBackoff = 5 * time.Second
	// storeTimeout bounds a call to the API server: endings wait behind it. shortestCall is what one has at least, although an
	// ending is due; it is short beside the lead of endings.
	storeTimeout = 5 * time.Second
	shortestCall = 100 * time.Millisecond
)
