package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/decision/grant"
	"github.com/airflow-oam/airflow-oam/internal/metrics"
	"github.com/airflow-oam/airflow-oam/internal/status"
)

const (
	maxDrift = 16
	maxHeld  = 256
)

// sameButPass leaves out what changes in every pass and is no reason to write.
func sameButPass(afi *v1alpha1.AirflowInstance) { afi.Status.LastPass = nil }

// describe computes the status from what this reconcile knows.
func (s *instanceScope) describe() {
	st := &s.afi.Status
	st.ObservedGeneration = s.afi.Generation
	st.Spent = grant.Spent(st.Spent, s.grants, s.r.Clock.Now()) // also without a pass: deleted grants wait for it
	if s.report != nil && s.report.Err == nil {
		s.describeReport()
	}
	if s.report != nil {
		if found := slices.Concat(s.drift, s.conn.unstored); len(found) > 0 {
			st.Drift = drifts(st.Drift, found, s.report.StartedAt)
		}
	}
	if s.conn != nil && s.conn.server.Version != "" {
		st.Airflow = &v1alpha1.AirflowServer{Version: s.conn.server.Version, AuthManager: string(s.conn.server.AuthManager), FABProvider: s.conn.server.FABProvider}
		st.Capabilities = nil
		if found := Capabilities(s.conn.server); found != (v1alpha1.Capabilities{}) {
			st.Capabilities = &found
		}
	}
	st.Conditions = status.Conditions(st.Conditions, s.afi.Generation, s.r.Clock.Now(), s.conditions()...)
}

// describeReport takes in what the pass saw.
func (s *instanceScope) describeReport() {
	st, report := &s.afi.Status, s.report
	st.Endpoint, st.Account = report.Endpoint, report.Account
	counts := report.Counts
	st.Counts = &counts
	st.ManagedRoles, st.Held, st.Plan = report.Inventory, bounded(report.Held), report.Plan
	st.LastPass = &v1alpha1.Pass{
		StartedAt: &metav1.Time{Time: report.StartedAt}, FinishedAt: &metav1.Time{Time: report.FinishedAt},
		Requests: int32(min(s.requests, 1<<30)), Changes: int32(min(len(report.Changes), 1<<30)), //nolint:gosec // bounded
	}
	name := s.afi.Namespace + "/" + s.afi.Name
	metrics.ObservePass(name, report.FinishedAt.Sub(report.StartedAt), report.FinishedAt)
	metrics.SetClockSkew(name, s.conn.skew.Ahead(s.r.Clock))
}

// bounded keeps as many held losses as a status can hold. Those beyond are held, too; their 24 hours begin when there is
// room for them.
func bounded(entries []v1alpha1.HeldRevocation) []v1alpha1.HeldRevocation {
	return entries[:min(len(entries), maxHeld)]
}

// drifts puts new drifts before the stored ones.
func drifts(stored []v1alpha1.Drift, found []access.Drift, at time.Time) []v1alpha1.Drift {
	var out []v1alpha1.Drift
	for _, d := range found {
		out = append(out, v1alpha1.Drift{
			At: metav1.NewTime(at).Rfc3339Copy(), Role: d.Role, What: status.Line(d.What, status.MaxEntry), Cause: d.Cause, Repaired: d.Repaired,
		})
	}
	out = append(out, stored...)
	return out[:min(len(out), maxDrift)]
}

// conditions are the instance's conditions in the order in which a person reads them.
func (s *instanceScope) conditions() []metav1.Condition {
	ready := s.ready()
	out := []metav1.Condition{ready}
	if ready.Status != metav1.ConditionTrue {
		kind := v1alpha1.ConditionReconciling
		if s.trouble != nil && s.trouble.stalled {
			kind = v1alpha1.ConditionStalled
		}
		out = append(out, metav1.Condition{Type: kind, Status: metav1.ConditionTrue, Reason: ready.Reason, Message: ready.Message})
	}
	out = append(out, s.health()...)
	out = append(out, s.inSync())
	if ttl, assumed := s.afi.CacheTTL(); assumed {
		out = append(out, metav1.Condition{Type: v1alpha1.ConditionCacheTTLAssumed, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAssumed,
			Message: fmt.Sprintf("permissionCacheTTL is not set: %s is assumed, the default of Airflow's [fab] cache_ttl; grants are taken away this much before their end", ttl)})
	}
	return out
}

// health are Reachable, Authenticated and Compatible: True, False, or as they were where nothing was found out.
func (s *instanceScope) health() []metav1.Condition {
	good := []metav1.Condition{
		{Type: v1alpha1.ConditionReachable, Reason: v1alpha1.ReasonReachable, Message: "the server answers"},
		{Type: v1alpha1.ConditionAuthenticated, Reason: v1alpha1.ReasonAuthenticated, Message: "the account may do what it must"},
		{Type: v1alpha1.ConditionCompatible, Reason: v1alpha1.ReasonCompatible, Message: "this Airflow can be governed"},
	}
	if s.conn != nil {
		if limited := limits(Capabilities(s.conn.server)); limited != "" {
			good[2].Reason, good[2].Message = v1alpha1.ReasonLimited, "this Airflow can be governed, but "+limited+": docs/airflow.md says what that means"
		}
	}
	var out []metav1.Condition
	for _, condition := range good {
		switch old := status.Find(s.afi.Status.Conditions, condition.Type); {
		case s.trouble != nil && s.trouble.condition == condition.Type:
			condition.Status, condition.Reason, condition.Message = metav1.ConditionFalse, s.trouble.reason, s.trouble.message
			out = append(out, condition)
			if s.report == nil || s.report.Err != nil {
				return out // what comes after was not found out
			}
			continue
		case s.report != nil && s.report.Err == nil:
			condition.Status = metav1.ConditionTrue
		case old != nil:
			condition.Status, condition.Reason, condition.Message = old.Status, old.Reason, old.Message
		default:
			continue
		}
		out = append(out, condition)
	}
	return out
}

// ready sums up.
func (s *instanceScope) ready() metav1.Condition {
	no := func(reason, message string) metav1.Condition {
		return metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: reason, Message: message}
	}
	switch {
	case s.trouble != nil:
		return no(s.trouble.reason, s.trouble.message)
	case s.report == nil:
		return no(v1alpha1.ReasonProgressing, "the first pass is under way")
	case !s.afi.DeletionTimestamp.IsZero():
		return no(v1alpha1.ReasonDeleting, fmt.Sprintf("taking all access away: %d roles are left", len(s.report.Inventory)))
	case len(s.report.Failures) > 0:
		return no(v1alpha1.ReasonStepsFailed, failures(s.report.Failures))
	}
	if problem := s.r.skewed(s.conn); problem != nil {
		return no(problem.reason, problem.message)
	}
	yes := metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReady,
		Message: fmt.Sprintf("Airflow %s at %s is governed", s.conn.server.Version, s.report.Endpoint)}
	switch s.afi.Spec.Mode {
	case v1alpha1.ModeObserve:
		yes.Reason, yes.Message = v1alpha1.ReasonObserved, fmt.Sprintf("mode Observe: nothing is given; status.plan holds %d lines", len(s.report.Plan))
	case v1alpha1.ModeSuspended:
		yes.Reason, yes.Message = v1alpha1.ReasonSuspended, "mode Suspended: nothing is given and nothing repaired; endings go on"
	case v1alpha1.ModeEnforce:
	}
	return yes
}

// inSync says whether Airflow stores what is declared.
func (s *instanceScope) inSync() metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionInSync, Status: metav1.ConditionFalse}
	report := s.report
	if report == nil || report.Err != nil {
		c.Status, c.Reason, c.Message = metav1.ConditionUnknown, v1alpha1.ReasonNotObserved, "Airflow could not be looked at"
		if s.trouble != nil && s.trouble.condition == v1alpha1.ConditionInSync {
			c.Reason, c.Message = s.trouble.reason, s.trouble.message
		}
		return c
	}
	switch {
	case len(report.Failures) > 0:
		c.Reason, c.Message = v1alpha1.ReasonStepsFailed, failures(report.Failures)
	case len(report.Held) > 0:
		c.Reason = v1alpha1.ReasonMassRevocationHeld
		c.Message = held(report.Held)
	case len(report.Contested) > 0:
		c.Reason = v1alpha1.ReasonContested
		c.Message = fmt.Sprintf("somebody else keeps undoing what is restored: %d items are left alone until the next interval, such as %s; see status.drift", len(report.Contested), report.Contested[0])
	case unrepaired(report.Drift) > 0:
		c.Reason = v1alpha1.ReasonDriftReported
		c.Message = fmt.Sprintf("somebody else changed what is managed: %d changes are not repaired; see status.drift", unrepaired(report.Drift))
	default:
		for _, policy := range report.Policies {
			if !policy.Proof.InSync && policy.Desire.Refused == nil {
				c.Reason, c.Message = v1alpha1.ReasonNotInSync, "some policies are not in sync: their conditions say which and why"
				return c
			}
		}
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, v1alpha1.ReasonInSync, "Airflow stores what is declared"
	}
	return c
}

func repaired(found []access.Drift) []access.Drift {
	return slices.DeleteFunc(slices.Clone(found), func(d access.Drift) bool { return !d.Repaired })
}

func unrepaired(found []access.Drift) int {
	return len(found) - len(repaired(found))
}

func failures(lines []string) string {
	const shown = 3
	text := fmt.Sprintf("%d steps did not take effect: ", len(lines)) + strings.Join(lines[:min(len(lines), shown)], "; ")
	if len(lines) > shown {
		text += "; ..."
	}
	return text
}

func held(entries []v1alpha1.HeldRevocation) string {
	parts := make([]string, 0, len(entries))
	for _, h := range entries {
		parts = append(parts, fmt.Sprintf("%s would lose %d DAGs (hash %s)", h.Policy, h.Total, h.Hash))
	}
	return "DAGs disappeared from Airflow's list, and the loss of access is held: " + strings.Join(parts, "; ") +
		"; set spec.release to a hash to let it go, otherwise it goes 24h after it was held"
}

// tell logs what a person who watches would want to see, and sends it as Events.
func (s *instanceScope) tell(ctx context.Context) {
	if s.r.Recorder == nil {
		return
	}
	name := s.afi.Namespace + "/" + s.afi.Name
	ready, before := status.Find(s.afi.Status.Conditions, v1alpha1.ConditionReady), status.Find(s.before.Status.Conditions, v1alpha1.ConditionReady)
	if s.report != nil || s.trouble != nil {
		metrics.SetInstanceUp(name, s.report != nil && s.report.Err == nil)
	}
	if ready != nil && (before == nil || before.Reason != ready.Reason) {
		kind := corev1.EventTypeNormal
		if ready.Status != metav1.ConditionTrue && ready.Reason != v1alpha1.ReasonProgressing && ready.Reason != v1alpha1.ReasonDeleting {
			kind = corev1.EventTypeWarning
		}
		s.r.Recorder.Eventf(s.afi, nil, kind, ready.Reason, "Govern", "%s", ready.Message)
		log.FromContext(ctx).Info("the instance says something new", "ready", ready.Status, "reason", ready.Reason, "message", ready.Message)
	}
	s.tellDrift(ctx)
}

// tellDrift counts and logs changes by others, and sends the first of them as Events.
func (s *instanceScope) tellDrift(ctx context.Context) {
	if s.r.Recorder == nil {
		return
	}
	name := s.afi.Namespace + "/" + s.afi.Name
	for i, d := range s.drift {
		metrics.CountDrift(name, d.Cause, d.Repaired)
		log.FromContext(ctx).Info("somebody else changed what is managed", "what", d.What, "role", d.Role, "user", d.Username, "cause", d.Cause, "repaired", d.Repaired)
		if i < maxDrift {
			reason := v1alpha1.ReasonDriftReported
			if d.Repaired {
				reason = v1alpha1.ReasonDriftRepaired
			}
			s.r.Recorder.Eventf(s.afi, nil, corev1.EventTypeWarning, reason, "Compare", "%s (%s)", d.What, d.Cause)
		}
	}
}
