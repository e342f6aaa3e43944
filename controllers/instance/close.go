package instance

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/controllers/kind"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/decision/grant"
	"github.com/airflow-oam/airflow-oam/internal/metrics"
	"github.com/airflow-oam/airflow-oam/internal/status"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

const (
	// maxDrift is how many drifts a status has room for, maxHeld how many held losses.
	maxDrift = 16
	maxHeld  = 256
	// maxUsername is how many characters of a user name a drift has room for.
	maxUsername = 256
)

// close writes the status, once, unless a phase failed, and says when to reconcile again.
func (s *scope) close(ctx context.Context, err error) (ctrl.Result, error) {
	if s.gone {
		s.r.forget(s.afi.Key())
		return kind.Settle(err)
	}
	if err == nil && ctx.Err() == nil {
		err = s.conclude(ctx)
	}
	if err == nil {
		return ctrl.Result{RequeueAfter: s.next()}, nil
	}
	result, err := kind.Settle(err)
	result.RequeueAfter = min(result.RequeueAfter, maxOverdueBackoff)
	return result, err
}

// conclude computes the status from what this reconcile knows, writes it and announces what is new.
func (s *scope) conclude(ctx context.Context) error {
	s.countOverdue(ctx)
	s.describe()
	err := s.write(ctx)
	s.announce(ctx)
	if outcome := kind.OutcomeOf(err); outcome == kind.OutcomeDone || outcome == kind.OutcomeWaiting {
		return err
	}
	// Returned as an error it would discard the wait, and the next ending with it.
	log.FromContext(ctx).Error(err, "the status could not be stored; it is retried")
	s.waitUntil(s.r.Clock.Now().Add(min(s.next(), maxOverdueBackoff)))
	return nil
}

// countOverdue counts grants that should have been revoked and were not proved to be.
func (s *scope) countOverdue(ctx context.Context) {
	if s.report == nil {
		d, err := declaredFor(ctx, s.r.Cache(), s.afi)
		if err != nil {
			return
		}
		s.declared = d
	}
	for _, grant := range s.declared.due(s.r.Clock.Now()) {
		if s.report == nil || !s.report.Grants[grant.UID].Proof.Absent {
			s.overdue++
		}
	}
	metrics.SetEndingsOverdue(s.afi.Key().String(), s.overdue)
}

// describe computes the status.
func (s *scope) describe() {
	st, now := &s.afi.Status, s.r.Clock.Now()
	st.ObservedGeneration = s.afi.Generation
	st.Spent = grant.Spent(st.Spent, s.declared.grants, now) // also without a pass: deleted grants wait for it
	if s.passed() {
		s.describeReport()
	}
	if s.report != nil {
		st.Drift = drifts(st.Drift, slices.Concat(s.news, s.drifts.unstored), s.report.DriftAt)
	}
	if s.server.Version != "" {
		st.Airflow = &v1alpha1.AirflowServer{Version: s.server.Version, AuthManager: string(s.server.AuthManager), FABProvider: s.server.FABProvider}
		st.Capabilities = nil
		if found := Capabilities(s.server); found != (v1alpha1.Capabilities{}) {
			st.Capabilities = &found
		}
	}
	st.Conditions = status.Conditions(st.Conditions, s.afi.Generation, now, s.view().conditions()...)
}

// describeReport adopts what the pass saw.
func (s *scope) describeReport() {
	st, report := &s.afi.Status, s.report
	counts := report.Counts
	st.Endpoint, st.Account, st.Counts = report.Endpoint, report.Account, &counts
	st.ManagedRoles, st.Held, st.Plan = report.Inventory, bounded(report.Held), report.Plan
	describeClaim(s.afi, report.Claim)
	st.LastPass = &v1alpha1.Pass{
		StartedAt: &metav1.Time{Time: report.StartedAt}, FinishedAt: &metav1.Time{Time: report.FinishedAt},
		Requests: int32(min(s.used, 1<<30)), Changes: int32(min(len(report.Changes), 1<<30)), //nolint:gosec // bounded
	}
	name := s.afi.Key().String()
	metrics.ObservePass(name, report.FinishedAt.Sub(report.StartedAt), report.FinishedAt)
	metrics.SetClockSkew(name, s.skew.Ahead(s.r.Clock))
}

// view is what the conditions are made of.
func (s *scope) view() view {
	return view{
		afi: s.afi, server: s.server, problem: s.problem, report: s.report, giving: s.giving(), contestedUntil: s.drifts.contestedUntil(),
	}
}

// bounded are as many held losses as a status has room for. Those beyond are held, too; their 24 hours begin when there is
// room for them.
func bounded(entries []v1alpha1.HeldRevocation) []v1alpha1.HeldRevocation {
	return entries[:min(len(entries), maxHeld)]
}

// drifts puts new drifts before the stored ones.
func drifts(stored []v1alpha1.Drift, found []access.Drift, at time.Time) []v1alpha1.Drift {
	if len(found) == 0 {
		return stored
	}
	var out []v1alpha1.Drift
	for _, d := range found {
		out = append(out, v1alpha1.Drift{
			At: metav1.NewTime(at).Rfc3339Copy(), Role: d.Role, Username: text.Cut(d.Username, maxUsername), What: status.Line(d.What, status.MaxEntry), Cause: d.Cause, Repaired: d.Repaired,
		})
	}
	out = append(out, stored...)
	return out[:min(len(out), maxDrift)]
}

// write stores the status where something changed beside the time of the pass, which changes in every pass. Drift that could
// not be stored is stored the next time: no later pass finds it again.
func (s *scope) write(ctx context.Context) error {
	ctx, cancel := asking(ctx, s, storeTimeout)
	defer cancel()
	withoutPass := func(afi *v1alpha1.AirflowInstance) { afi.Status.LastPass = nil }
	_, err := status.Patch(ctx, s.r.Client, s.before, s.afi, withoutPass)
	switch {
	case s.report == nil:
	case err != nil:
		s.drifts.keep(s.news)
	default:
		s.drifts.unstored = nil
	}
	return err
}

// announce makes known what is new: Events, log and metrics.
func (s *scope) announce(ctx context.Context) {
	if s.report != nil || s.problem != nil {
		metrics.SetInstanceUp(s.afi.Key().String(), s.passed())
	}
	announcer := kind.Announcer{Recorder: s.r.Recorder, Noun: "instance", Action: "Govern"}
	announcer.Announce(ctx, s.afi, s.view().entries(s.before.Status.Conditions))
	s.announceDrift(ctx)
}

// announceDrift counts and logs changes by other writers, and sends the first of them as Events.
func (s *scope) announceDrift(ctx context.Context) {
	name := s.afi.Key().String()
	for i, d := range s.news {
		metrics.CountDrift(name, d.Cause, d.Repaired)
		log.FromContext(ctx).Info("another writer changed what is managed", "what", d.What, "role", d.Role, "user", d.Username, "cause", d.Cause, "repaired", d.Repaired)
		if i >= maxDrift {
			continue
		}
		reason := v1alpha1.ReasonDriftReported
		if d.Repaired {
			reason = v1alpha1.ReasonDriftRepaired
		}
		eventf(s, corev1.EventTypeWarning, reason, "Compare", "%s (%s)", d.What, d.Cause)
	}
}

// next is how long to wait: never longer than until the next ending, start, reading or try.
func (s *scope) next() time.Duration {
	now, wait := s.r.Clock.Now(), kind.MaxWait
	soonest := func(at time.Time) {
		if !at.IsZero() {
			wait = min(wait, at.Sub(now))
		}
	}
	if soonest(s.until); !s.until.IsZero() {
		return max(wait, time.Millisecond)
	}
	if s.passed() {
		if !s.report.Partial() { // else a retry compares everything, when the back-off is over
			soonest(s.fullAt.Add(s.nextFull))
		}
		soonest(s.dagsAt.Add(s.afi.Spec.DagInterval.Duration))
	}
	if s.retries() {
		wait = min(wait, s.backoff(s.mostBackoff()))
	}
	soonest(s.ending(now))
	return max(wait, time.Millisecond)
}

// retries reports whether something is left to try.
func (s *scope) retries() bool {
	switch {
	case !s.passed(), s.unusable != nil:
		return true
	}
	return len(s.report.Failures) > 0 || s.report.Partial()
}

// mostBackoff bounds the time between two tries: less while something should have been revoked, or a policy was changed or
// deleted since the last pass that did everything. Before the first such pass that is not known.
func (s *scope) mostBackoff() time.Duration {
	switch {
	case s.overdue > 0:
		return maxOverdueBackoff
	case s.granted == nil:
		return maxBackoff
	case s.declared.changedSince(s.granted), s.declared.deletes():
		return maxOverdueBackoff
	}
	return maxBackoff
}

// ending is when the next grant is to be revoked, by the clock that is ahead. What came due since the pass read last what is
// declared is the next one, too.
func (s *scope) ending(now time.Time) time.Time {
	ahead := s.clocks().ahead()
	from := s.declared.asOf
	if from.IsZero() {
		from = now.Add(ahead)
	}
	if at := s.declared.nextEnding(from); !at.IsZero() {
		return at.Add(-ahead)
	}
	return time.Time{}
}
