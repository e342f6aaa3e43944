package controllers

import (
	"context"
	"errors"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/actuator"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/metrics"
	"github.com/airflow-oam/airflow-oam/internal/status"
)

// instanceScope is what one reconcile of an instance knows; its status is written once, from it, at the end.
type instanceScope struct {
	r *InstanceReconciler
	// afi is the object; before is as it was read or last written.
	afi, before *v1alpha1.AirflowInstance

	unread error // why the object could not be read past the cache, where it should be

	conn     *connection
	trouble  *trouble
	report   *actuator.Report
	policies []*v1alpha1.DagAccessPolicy // as the pass read them last
	grants   []*v1alpha1.AccessGrant
	asOf     time.Time      // the moment for which it read them, by the clock that is ahead
	taken    bool           // another instance governs the Airflow that the spec names
	limited  bool           // only endings are served: the server is not known to be usable
	drift    []access.Drift // that was not told before
	requests int64
	until    time.Time
	overdue  int
	gone     bool
}

func newInstanceScope(r *InstanceReconciler, afi *v1alpha1.AirflowInstance) *instanceScope {
	return &instanceScope{r: r, afi: afi, before: afi.DeepCopy()}
}

// refresh reads the object past the cache. Where that cannot be done, what is due is taken away by what the cache holds.
func (s *instanceScope) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	fresh := &v1alpha1.AirflowInstance{}
	switch err := s.r.APIReader.Get(ctx, client.ObjectKeyFromObject(s.afi), fresh); {
	case err == nil:
		s.afi, s.before = fresh, fresh.DeepCopy()
	case apierrors.IsNotFound(err):
		s.gone = true
	default:
		s.unread = err
	}
}

// stored takes in that the object was written in the middle of a reconcile.
func (s *instanceScope) stored(afi *v1alpha1.AirflowInstance) { s.before = afi.DeepCopy() }

// blame notes why the instance cannot be governed. What only people can mend stays before what comes after it.
func (s *instanceScope) blame(problem *trouble) {
	if problem != nil && (s.trouble == nil || !s.trouble.stalled) {
		s.trouble = problem
	}
}

// elsewhere is true where the Airflow that is served is not the one that the spec names, or not this instance's to
// govern: what was given there is taken away in time, and nothing is given.
func (s *instanceScope) elsewhere() bool {
	return s.taken || !airflow.SameOrigin(s.conn.endpoint, s.afi.Spec.URL)
}

// waitUntil asks for a reconcile at a moment.
func (s *instanceScope) waitUntil(at time.Time) {
	if s.until.IsZero() || at.Before(s.until) {
		s.until = at
	}
}

func (s *instanceScope) addFinalizer(ctx context.Context) error {
	return s.patchMeta(ctx, func() { controllerutil.AddFinalizer(s.afi, v1alpha1.Finalizer) })
}

func (s *instanceScope) removeFinalizer(ctx context.Context) error {
	if !controllerutil.ContainsFinalizer(s.afi, v1alpha1.Finalizer) {
		s.gone = true
		return nil
	}
	err := s.patchMeta(ctx, func() { controllerutil.RemoveFinalizer(s.afi, v1alpha1.Finalizer) })
	s.gone = err == nil || apierrors.IsNotFound(err)
	return client.IgnoreNotFound(err)
}

func (s *instanceScope) patchMeta(ctx context.Context, change func()) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	before := s.afi.DeepCopy()
	change()
	if err := s.r.Patch(ctx, s.afi, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return err
	}
	s.stored(s.afi)
	return nil
}

// close writes the status, once, and says when to come again.
func (s *instanceScope) close(ctx context.Context, result ctrl.Result, err error) (ctrl.Result, error) {
	if s.gone {
		s.r.disconnect(client.ObjectKeyFromObject(s.afi))
		return ctrl.Result{}, err
	}
	if err == nil && ctx.Err() == nil {
		s.countOverdue(ctx)
		s.describe()
		patchErr := s.write(ctx)
		s.tell(ctx)
		if patchErr != nil && !apierrors.IsConflict(patchErr) && !apierrors.IsNotFound(patchErr) {
			// Returned as an error it would discard the wait, and the next ending with it.
			log.FromContext(ctx).Error(patchErr, "the status could not be stored; it is tried again")
			return ctrl.Result{RequeueAfter: min(s.next(), maxOverdueBackoff)}, nil
		}
		err = client.IgnoreNotFound(patchErr)
	}
	switch {
	case apierrors.IsConflict(err):
		return ctrl.Result{RequeueAfter: settle}, nil
	case errors.Is(err, errBehind):
		return ctrl.Result{RequeueAfter: behindWait}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	if result.RequeueAfter == 0 {
		result.RequeueAfter = s.next()
	}
	return result, nil
}

// write stores the status. Drift that could not be stored is stored the next time: no later pass finds it again.
func (s *instanceScope) write(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	_, err := status.Patch(ctx, s.r.Client, s.before, s.afi, sameButPass)
	switch {
	case s.conn == nil || s.report == nil:
	case err != nil:
		s.conn.keep(s.drift)
	default:
		s.conn.unstored = nil
	}
	return err
}

// next is how long to wait: never longer than until the next ending, start, look or try.
func (s *instanceScope) next() time.Duration {
	now := s.r.Clock.Now()
	wait := maxWait
	soonest := func(at time.Time) {
		if at.IsZero() {
			return
		}
		wait = min(wait, max(at.Sub(now), 0))
	}
	soonest(s.until)
	if s.conn == nil || !s.until.IsZero() {
		return max(wait, time.Millisecond)
	}
	passed := s.report != nil && s.report.Err == nil
	if passed {
		soonest(s.conn.lastFull.Add(s.conn.nextFull))
		soonest(s.conn.lastDags.Add(s.afi.Spec.DagInterval.Duration))
	}
	if !passed || s.limited || len(s.report.Failures) > 0 {
		wait = min(wait, s.backoff())
	}
	soonest(s.ending(now))
	return max(wait, time.Millisecond)
}

// ending is when the next grant is to be taken away, by the clock that is ahead. What came due since the pass looked
// last is the next one, too.
func (s *instanceScope) ending(now time.Time) time.Time {
	ahead := s.ahead()
	from := s.asOf
	if from.IsZero() {
		from = now.Add(ahead)
	}
	ttl, _ := s.afi.CacheTTL()
	if at := nextEnding(s.grants, from, ttl); !at.IsZero() {
		return at.Add(-ahead)
	}
	return time.Time{}
}

// ahead is how far the clock that is ahead of all is ahead of ours.
func (s *instanceScope) ahead() time.Duration {
	return max(0, s.conn.skew.Ahead(s.r.Clock), s.r.KubernetesClock.Ahead(s.r.Clock))
}

// lasting is how many failures in a row are no passing trouble.
const lasting = 3

// takes says whether a pass is to be made that only takes, although the server is not known to be usable: when that lasts,
// to prove that grants are gone, and for what policies gave before they were changed or deleted. Not before, since nobody
// can be moved then who keeps a part of it.
func (s *instanceScope) takes(ctx context.Context) bool {
	policies, grants, err := s.r.declared(ctx, s.afi)
	switch {
	case err != nil || s.conn.failures < lasting:
		return false
	case s.conn.taken == nil || len(policies) != len(s.conn.taken) || !s.afi.DeletionTimestamp.IsZero():
		return true
	}
	return s.ended(grants) || slices.ContainsFunc(policies, func(p *v1alpha1.DagAccessPolicy) bool {
		return s.conn.taken[p.UID] != p.Generation
	})
}

// due says whether a grant is to be taken away now.
func (s *instanceScope) due(ctx context.Context) bool {
	_, grants, err := s.r.declared(ctx, s.afi)
	return err == nil && s.ended(grants)
}

func (s *instanceScope) ended(grants []*v1alpha1.AccessGrant) bool {
	now := s.r.Clock.Now().Add(s.ahead())
	ttl, _ := s.afi.CacheTTL()
	for _, grant := range grants {
		if grant.UnprovedIn(s.afi) && !access.Live(grant, now, ttl) {
			return true
		}
	}
	return false
}

// backoff grows with every failure in a row; less while something should have been taken away.
func (s *instanceScope) backoff() time.Duration {
	most := maxBackoff
	if s.overdue > 0 || s.unserved() {
		most = maxOverdueBackoff
	}
	wait := minBackoff
	for range s.conn.failures {
		if wait *= 2; wait >= most {
			return most
		}
	}
	return wait
}

// unserved says whether a policy was changed or deleted since the last pass that did everything: it may take something
// away. Before the first such pass nobody can say.
func (s *instanceScope) unserved() bool {
	return s.conn.served != nil && slices.ContainsFunc(s.policies, func(p *v1alpha1.DagAccessPolicy) bool {
		return s.conn.served[p.UID] != p.Generation || !p.DeletionTimestamp.IsZero()
	})
}

// countOverdue counts grants that should have been taken away and were not proved to be.
func (s *instanceScope) countOverdue(ctx context.Context) {
	if s.report == nil {
		policies, grants, err := s.r.declared(ctx, s.afi)
		if err != nil {
			return
		}
		s.policies, s.grants = policies, grants
	}
	now := s.r.Clock.Now()
	ttl, _ := s.afi.CacheTTL()
	for _, grant := range s.grants {
		if !grant.UnprovedIn(s.afi) || access.Live(grant, now, ttl) {
			continue
		}
		if s.report == nil || !s.report.Grants[grant.UID].Proof.Absent {
			s.overdue++
		}
	}
	metrics.SetEndingsOverdue(s.afi.Namespace+"/"+s.afi.Name, s.overdue)
}
