package instance

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/controllers/kind"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/actuator"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

// scope is what one reconcile of an instance knows; its status is written once, from it, at the end.
type scope struct {
	*state
	r *Reconciler
	// afi is the object; before is as it was read or last written.
	afi, before *v1alpha1.AirflowInstance
	// unread is why the object could not be read past the cache, where it was to be.
	unread error
	// problem is why the instance cannot be governed; nil where it can.
	problem *problem
	// rivalry says that another instance governs the Airflow that the spec names; unusable, that the server is not known to be
	// usable, so that only endings are served.
	rivalry, unusable *problem
	// report of the pass; nil where none was made. used is how many requests it took, news its drift that is to be announced.
	report *actuator.Report
	used   int64
	news   []access.Drift
	// declared is what the pass read last.
	declared declared
	// until is the moment at which a phase asked for the next reconcile; zero where none did.
	until time.Time
	// overdue is how many grants should have been revoked and were not proved to be.
	overdue int
	// gone is true once the object is.
	gone bool
}

func newScope(r *Reconciler, afi *v1alpha1.AirflowInstance) *scope {
	return &scope{state: r.known.of(afi), r: r, afi: afi, before: afi.DeepCopy(), declared: declared{afi: afi}}
}

// read reads the object past the cache. Where that fails, what is due is revoked by what the cache has.
func (s *scope) read(ctx context.Context) {
	ctx, cancel := asking(ctx, s, storeTimeout)
	defer cancel()
	fresh := &v1alpha1.AirflowInstance{}
	switch err := s.r.APIReader.Get(ctx, client.ObjectKeyFromObject(s.afi), fresh); {
	case err == nil:
		s.afi, s.before, s.declared.afi = fresh, fresh.DeepCopy(), fresh
	case apierrors.IsNotFound(err):
		s.gone = true
	default:
		s.unread = err
	}
}

// asking bounds a call to the API server, which may hang: it has less time than there is until the next ending.
func asking(ctx context.Context, s *scope, most time.Duration) (context.Context, context.CancelFunc) {
	now := s.clocks().latest()
	if d, err := declaredFor(ctx, s.r.Cache(), s.afi); err == nil {
		if next := d.nextEnding(now); !next.IsZero() {
			most = min(most, max(next.Sub(now), shortestCall))
		}
	}
	return context.WithTimeout(ctx, most)
}

// stored adopts that the object was written in the middle of a reconcile.
func (s *scope) stored() { s.before = s.afi.DeepCopy() }

// passed reports whether a pass observed everything.
func (s *scope) passed() bool { return s.report != nil && s.report.Err == nil }

// blame notes why the instance cannot be governed; nil is no reason. What only a user can solve stays before what comes
// after it, which may be of credentials and certificates that the spec does not name any more.
func (s *scope) blame(p *problem) {
	if p != nil && !s.problem.first() {
		s.problem = p
	}
}

// waitUntil asks for a reconcile at a moment.
func (s *scope) waitUntil(at time.Time) {
	if s.until.IsZero() || at.Before(s.until) {
		s.until = at
	}
}

// mustWait reports whether the server asked for no requests at present, and notes that.
func (s *scope) mustWait() bool {
	if !s.r.Clock.Now().Before(s.notBefore) {
		return false
	}
	s.waitUntil(s.notBefore)
	throttled := remedies[airflow.CauseThrottled]
	s.blame(&problem{condition: throttled.condition, reason: throttled.reason, message: throttled.text, outcome: throttled.outcome})
	return true
}

// clocks are the differences of clocks at this moment.
func (s *scope) clocks() clocks {
	ours := s.r.Clock
	return clocks{now: ours.Now(), airflow: s.skew.Ahead(ours), kubernetes: s.r.KubernetesClock.Ahead(ours)}
}

// giving is how much may be done in the Airflow that is served, and why no more. It is computed here and nowhere else.
func (s *scope) giving() access.Giving {
	differing := s.clocks().differing()
	switch {
	case s.unusable != nil:
		return access.OnlyRevoking(s.unusable.reason, s.unusable.message)
	case s.rivalry != nil:
		return access.OnlyRevoking(s.rivalry.reason, s.rivalry.message)
	case !airflow.SameOrigin(s.endpoint, s.afi.Spec.URL):
		return access.OnlyRevoking(v1alpha1.ReasonEndpointChanged, "access was granted in another Airflow than the one that spec.url names")
	case differing != "":
		return access.OnlyRevoking(v1alpha1.ReasonClockSkew, differing+":"+
			" nothing is granted until they agree; access is revoked by whichever clock is ahead")
	}
	return access.Giving{}
}

// lasting is how many failures in a row are no passing problem.
const lasting = 3

// revokes reports whether a pass is to be made that only revokes, although the server is not known to be usable: when that
// lasts, to prove that grants are gone, and for what policies granted before they were changed or deleted. Not before, since
// no user can be moved then who keeps a part of it.
func (s *scope) revokes(ctx context.Context) bool {
	if s.failures < lasting {
		return false
	}
	d, err := declaredFor(ctx, s.r.Cache(), s.afi)
	switch {
	case err != nil:
		return false
	case s.revoked == nil, len(d.policies) != len(s.revoked), !s.afi.DeletionTimestamp.IsZero():
		return true
	}
	return d.changedSince(s.revoked) || len(d.due(s.clocks().latest())) > 0
}

// due reports whether a grant is to be revoked now.
func (s *scope) due(ctx context.Context) bool {
	d, err := declaredFor(ctx, s.r.Cache(), s.afi)
	return err == nil && len(d.due(s.clocks().latest())) > 0
}

func (s *scope) addFinalizer(ctx context.Context) error {
	ctx, cancel := asking(ctx, s, storeTimeout)
	defer cancel()
	before := s.afi.DeepCopy()
	controllerutil.AddFinalizer(s.afi, v1alpha1.Finalizer)
	err := kind.Patch(ctx, s.r.Client, before, s.afi)
	if err == nil {
		s.stored()
	}
	return err
}

func (s *scope) removeFinalizer(ctx context.Context) error {
	ctx, cancel := asking(ctx, s, storeTimeout)
	defer cancel()
	_, err := kind.RemoveFinalizer(ctx, s.r.Client, s.afi)
	s.gone = err == nil
	return err
}
