package instance

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/airflow-oam/airflow-oam/controllers/kind"
	"github.com/airflow-oam/airflow-oam/internal/actuator"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

// catchUp waits before the first pass until the cache has what an earlier process stored: the list at a start, and the
// watch of a process that waited for the Lease, may be behind (F2). Meanwhile nothing is granted; what is due is revoked
// by what the cache says, where the API server does not answer or the cache stays behind.
func (r *Reconciler) catchUp(ctx context.Context, s *scope) (bool, error) {
	now, open, err := r.Clock.Now(), false, s.unread
	if err == nil {
		bounded, cancel := asking(ctx, s, kind.MaxWait)
		open, err = s.opens(bounded, r.APIReader, r.Cache(), s.afi)
		cancel()
	}
	switch {
	case err != nil:
		s.blame(problemOf(err))
		s.failures++
	case open:
		return false, nil
	case s.patient(now):
		return true, &kind.LaterError{After: behindWait, Why: "the cache is behind the API server"}
	default:
		s.waitUntil(now.Add(behindWait))
	}
	r.revokeDue(ctx, s)
	return true, nil
}

// inspect finds out once an interval which server this is, and whether the account has all required permissions. What has
// ended goes before that, and what is to go does not wait for a permission that it does not need, or for a version that can
// do more.
func (r *Reconciler) inspect(ctx context.Context, s *scope) (bool, error) {
	if s.checked(s.afi, r.Clock.Now()) {
		return false, nil
	}
	if r.revokeDue(ctx, s); s.mustWait() {
		return true, nil
	}
	problem := r.check(ctx, s)
	if problem == nil {
		return false, nil
	}
	refused := problem.credentials()
	if refused && s.proven != nil {
		problem.message += "; access is revoked with the credentials that worked last, and none is granted"
	}
	s.blame(problem)
	s.failed(problem, r.Clock.Now())
	s.failures++
	if s.account == "" || refused && s.proven == nil {
		return true, nil
	}
	s.unusable = problem
	withhold(s)
	return problem.wait > 0 || !s.revokes(ctx), nil
}

// withhold publishes that nothing is granted at present: it may be long until a pass says so, and no grant must be activated
// by a report from before.
func withhold(s *scope) {
	last := s.r.Reports.Get(s.afi.Key())
	switch {
	case last == nil, last.InstanceUID != s.afi.UID, !last.Giving.All():
		return
	}
	report := *last
	report.Giving = s.giving()
	s.r.Reports.Publish(&report)
}

// check finds out which server this is and what its account may do. What comes due meanwhile does not wait for all of it.
func (r *Reconciler) check(ctx context.Context, s *scope) *problem {
	began := r.Clock.Now()
	if problem := s.discover(ctx); problem != nil {
		return problem
	}
	r.revokeLate(ctx, s, began)
	if err := s.client.CheckAccount(ctx); err != nil {
		return accountProblem(err)
	}
	r.revokeLate(ctx, s, began)
	account, err := s.client.Account(ctx)
	if err != nil {
		return problemOf(err)
	}
	if s.afi.Enforces() && s.afi.DeletionTimestamp.IsZero() {
		if err := s.probe(ctx); err != nil {
			return problemOf(err)
		}
		if problem := incompatible(s.server); problem != nil {
			return problem
		}
	}
	s.account, s.checkedAt = account.Username, began
	s.prove()
	return nil
}

// revokeDue revokes what has ended, where nothing else can be done yet. The next pass reports what came of it.
func (r *Reconciler) revokeDue(ctx context.Context, s *scope) {
	if s.account == "" || !s.due(ctx) {
		return
	}
	err := s.actuator.RevokeDue(ctx, source{s})
	if airflow.IsUnauthorized(err) {
		s.lose()
	}
	if wait, asked := airflow.RetryAfter(err); asked {
		s.notBefore = r.Clock.Now().Add(wait)
	}
}

// revokeFirst does that before anything is asked of the API server: an ending needs nothing from there that is not known.
func (r *Reconciler) revokeFirst(ctx context.Context, s *scope) {
	now := r.Clock.Now()
	switch {
	case s.actuator == nil, now.Before(s.notBefore), !s.asks(s.afi, now):
	case s.afi.Abandoned(), !r.serves(s.afi.Namespace):
	default:
		r.revokeDue(ctx, s)
	}
}

// revokeLate does the same where that was done long before, since a server is slow.
func (r *Reconciler) revokeLate(ctx context.Context, s *scope, since time.Time) {
	if r.Clock.Since(since) > time.Second {
		r.revokeDue(ctx, s)
	}
}

// pass runs the actuator and adopts its report.
func (r *Reconciler) pass(ctx context.Context, s *scope) (bool, error) {
	look := s.look(s.afi, r.Clock.Now())
	before := s.requests.Load()
	report := s.actuator.Pass(ctx, source{s}, look)
	s.report, s.used = report, s.requests.Load()-before
	logChanges(ctx, s)
	if apierrors.IsConflict(report.Err) {
		return true, r.conflict(ctx, s)
	}
	s.news = s.drifts.news(report.Drift)
	switch {
	case report.Err == nil:
		r.finished(s, look)
	case ctx.Err() == nil:
		r.aborted(ctx, s)
	}
	if !report.ObservedAt.IsZero() && report.InstanceUID == s.afi.UID {
		r.Reports.Publish(report)
	}
	return report.Err != nil, nil
}

// conflict ends a pass in which another writer changed the object. It is tried again at once, from what the API server
// holds. Drift that was repaired is announced now, since no later pass finds it again.
func (r *Reconciler) conflict(ctx context.Context, s *scope) error {
	s.news = repaired(s.report.Drift)
	s.announceDrift(ctx)
	s.drifts.keep(s.news)
	s.uncached = true
	return s.report.Err
}

// finished notes what a pass did that was not aborted.
func (r *Reconciler) finished(s *scope, look actuator.Look) {
	s.uncached = false
	s.doubt(s.report.Forbidden)
	s.blame(claimedBy(s.afi, s.report.Claim))
	switch {
	case len(s.report.Failures) > 0, s.report.Partial():
		s.stumbled(changed(s.report) && s.unusable == nil) // that access can be revoked says nothing of what is missing
		s.servedBut(s.report)
	default:
		s.served(s.report, s.unusable == nil)
	}
	s.looked(s.afi, look, s.report)
	s.drifts.contest(s.report.Contested, s.report.StartedAt.Add(s.afi.Interval()))
}

// aborted notes why a pass could not be finished.
func (r *Reconciler) aborted(ctx context.Context, s *scope) {
	s.stumbled(changed(s.report))
	problem := passProblem(s.report.Err)
	if problem.credentials() {
		s.lose()
	}
	log.FromContext(ctx).Error(s.report.Err, "a pass could not be finished; it is retried", "reason", problem.reason)
	s.blame(problem)
	s.failed(problem, r.Clock.Now())
	if s.refused || replaced(s.report) {
		s.checkedAt = time.Time{}
	}
}

// replaced reports whether a pass failed in a way that another server at the address explains.
func replaced(report *actuator.Report) bool {
	return !report.Observed && airflow.MaybeReplaced(report.Err)
}

// changed reports whether a pass changed something in Airflow.
func changed(report *actuator.Report) bool { return len(report.Changes) > 0 }
