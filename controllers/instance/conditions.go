package instance

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/actuator"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/decision"
	"github.com/airflow-oam/airflow-oam/internal/rule"
	"github.com/airflow-oam/airflow-oam/internal/status"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// view is what the conditions of an instance are made of. It is a value: nothing in it is changed.
type view struct {
	afi    *v1alpha1.AirflowInstance
	server airflow.Server
	// problem is why the instance cannot be governed; nil where it can.
	problem *problem
	// report of the pass; nil where none was made.
	report *actuator.Report
	// giving is how much may be done.
	giving access.Giving
	// contestedUntil is when what another writer keeps reverting is retried.
	contestedUntil time.Time
}

// passed reports whether a pass observed everything.
func (v view) passed() bool { return v.report != nil && v.report.Err == nil }

// conditions are the instance's conditions in the order in which they are read.
func (v view) conditions() []metav1.Condition {
	out := v.conclusion().Conditions()
	out = append(out, v.health()...)
	out = append(out, v.inSync())
	out = append(out, identity(v.afi)...)
	if ttl, assumed := v.afi.CacheTTL(); assumed {
		out = append(out, metav1.Condition{Type: v1alpha1.ConditionCacheTTLAssumed, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAssumed,
			Message: fmt.Sprintf("permissionCacheTTL is not set: %s is assumed, the default of Airflow's [fab] cache_ttl; grants are revoked this much before their end", ttl)})
	}
	return out
}

// entries are what is new beside the stored conditions.
func (v view) entries(stored []metav1.Condition) []decision.Entry {
	news := v.conclusion().News(stored)
	for _, c := range identity(v.afi) {
		if c.Status == metav1.ConditionFalse && !decision.HasReason(stored, c.Type, c.Reason) {
			news = append(news, decision.Entry{Event: c.Reason, Message: c.Message, Warning: true, Actor: v1alpha1.ActorOperator})
		}
	}
	return news
}

// identity is the condition that reports whether the instance's identity can be used. Nothing but requests depends on it.
func identity(afi *v1alpha1.AirflowInstance) []metav1.Condition {
	if afi.Spec.Identity == nil {
		return nil
	}
	c := metav1.Condition{
		Type: v1alpha1.ConditionIdentityReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonIdentityReady,
		Message: "the Airflow user of a requester can be determined",
	}
	if _, err := rule.IdentityOf(afi.Spec.Identity); err != nil {
		c.Status, c.Reason = metav1.ConditionFalse, v1alpha1.ReasonInvalidIdentity
		c.Message = err.Error() + "; no request is admitted until then; policies and grants are not affected"
	}
	return []metav1.Condition{c}
}

// conclusion sums up.
func (v view) conclusion() decision.Conclusion {
	working := func(reason, message string) decision.Conclusion {
		return decision.Conclusion{State: decision.StateWorking, Reason: reason, Message: message, Warning: true}
	}
	switch {
	case v.problem.stalled():
		return decision.Conclusion{State: decision.StateStalled, Reason: v.problem.reason, Message: v.problem.message, Warning: true}
	case v.problem != nil:
		return working(v.problem.reason, v.problem.message)
	case v.report == nil:
		return decision.Conclusion{State: decision.StateWorking, Reason: v1alpha1.ReasonProgressing, Message: "the first pass is under way"}
	case !v.afi.DeletionTimestamp.IsZero():
		return decision.Conclusion{State: decision.StateWorking, Reason: v1alpha1.ReasonDeleting,
			Message: "all access is being revoked: " + text.Count(len(v.report.Inventory), "role") + " left"}
	case len(v.report.Failures) > 0:
		return working(v1alpha1.ReasonStepsFailed, failures(v.report.Failures))
	case len(v.report.Unread) > 0:
		p := v.report.Unread[0].Problem()
		return working(p.Reason, p.Message)
	case !v.giving.All():
		return working(v.giving.RevokeOnly.Reason, v.giving.RevokeOnly.Message)
	}
	return v.settled()
}

// settled is the conclusion where nothing is wrong.
func (v view) settled() decision.Conclusion {
	c := decision.Conclusion{State: decision.StateSettled}
	switch v.afi.Spec.Mode {
	case v1alpha1.ModeObserve:
		c.Reason, c.Message = v1alpha1.ReasonObserved, "mode Observe: nothing is granted; status.plan has "+text.Count(len(v.report.Plan), "line")
		if v.report.Claim.Taken() {
			c.Message += "; " + foreignClaim(v.report.Claim)
		}
	case v1alpha1.ModeSuspended:
		c.Reason, c.Message = v1alpha1.ReasonSuspended, "mode Suspended: nothing is granted and nothing is repaired; endings go on"
	case v1alpha1.ModeEnforce:
		c.Reason, c.Message = v1alpha1.ReasonReady, fmt.Sprintf("Airflow %s at %s is governed", v.server.Version, v.report.Endpoint)
	}
	return c
}

// health are Reachable, Authenticated and Compatible, in the order in which they are found out.
func (v view) health() []metav1.Condition {
	good := []metav1.Condition{
		{Type: v1alpha1.ConditionReachable, Reason: v1alpha1.ReasonReachable, Message: "the server answers"},
		{Type: v1alpha1.ConditionAuthenticated, Reason: v1alpha1.ReasonAuthenticated, Message: "the account has all required permissions"},
		{Type: v1alpha1.ConditionCompatible},
	}
	good[2].Reason, good[2].Message = compatible(v.server)
	var out []metav1.Condition
	for _, condition := range good {
		found := v.found(condition)
		if found.Status != "" {
			out = append(out, found)
		}
		if v.problem.of(condition.Type) && !v.passed() {
			break // what comes after was not found out
		}
	}
	return out
}

// found completes a condition of the health: True, False, or as it was stored where nothing was found out. Its status is empty
// where nothing is known.
func (v view) found(condition metav1.Condition) metav1.Condition {
	old := status.Find(v.afi.Status.Conditions, condition.Type)
	switch {
	case v.problem.of(condition.Type):
		condition.Status, condition.Reason, condition.Message = metav1.ConditionFalse, v.problem.reason, v.problem.message
	case v.passed():
		condition.Status = metav1.ConditionTrue
	case old != nil:
		condition.Status, condition.Reason, condition.Message = old.Status, old.Reason, old.Message
	}
	return condition
}

// inSync says whether Airflow stores what is declared.
func (v view) inSync() metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionInSync, Status: metav1.ConditionUnknown}
	switch {
	case v.passed():
		c.Status = metav1.ConditionFalse
		if c.Reason, c.Message = v.difference(); c.Reason == "" {
			c.Status, c.Reason, c.Message = metav1.ConditionTrue, v1alpha1.ReasonInSync, "Airflow stores what is declared"
		}
	case v.problem.of(v1alpha1.ConditionInSync):
		c.Reason, c.Message = v.problem.reason, v.problem.message
	default:
		c.Reason, c.Message = v1alpha1.ReasonNotObserved, "Airflow could not be observed"
	}
	return c
}

// difference is why Airflow does not store what is declared; empty where it does.
func (v view) difference() (reason, message string) {
	report := v.report
	unrepaired := len(report.Drift) - len(repaired(report.Drift))
	switch {
	case len(report.Failures) > 0:
		return v1alpha1.ReasonStepsFailed, failures(report.Failures)
	case len(report.Unread) > 0:
		p := report.Unread[0].Problem()
		return p.Reason, p.Message
	case len(report.Held) > 0:
		return v1alpha1.ReasonMassRevocationHeld, held(report.Held)
	case len(report.Contested) > 0:
		return v1alpha1.ReasonContested, contested(report.Contested, v.contestedUntil)
	case unrepaired > 0:
		return v1alpha1.ReasonDriftReported, "another writer changed what is managed, not repaired: " + text.Count(unrepaired, "change") + "; see status.drift"
	}
	for _, policy := range report.Policies {
		if !policy.Proof.InSync && policy.Desire.Refused == nil {
			return v1alpha1.ReasonNotInSync, "some policies are not in sync: see their conditions"
		}
	}
	return "", ""
}

// contested says what another writer keeps reverting: the DAGs by name, else the first of the items.
func contested(items []string, until time.Time) string {
	var dags []string
	for _, item := range items {
		if id, ok := access.DagOfKey(item); ok {
			dags = append(dags, id)
		}
	}
	message := fmt.Sprintf("another writer reverted %s three times in a row: not retried until %s", text.Count(len(items), "change"), minute(until))
	if len(dags) > 0 {
		return message + "; " + access.SetsAccessControl(text.SortedSet(dags))
	}
	return message + ", such as " + items[0] + "; see status.drift"
}

// minute is a moment in UTC, rounded up.
func minute(at time.Time) string {
	return at.Add(time.Minute - time.Nanosecond).UTC().Format("15:04Z")
}

func failures(lines []string) string {
	const shown = 3
	message := text.Count(len(lines), "step") + " did not take effect: " + strings.Join(lines[:min(len(lines), shown)], "; ")
	if len(lines) > shown {
		message += "; ..."
	}
	return message
}

func held(entries []v1alpha1.HeldRevocation) string {
	parts := make([]string, 0, len(entries))
	for _, h := range entries {
		parts = append(parts, fmt.Sprintf("%s would lose %s (hash %s)", h.Policy, text.Count(int(h.Total), "DAG"), h.Hash))
	}
	return "DAGs disappeared from Airflow's list, and the loss of access is held: " + strings.Join(parts, "; ") +
		"; set spec.release to a hash to apply it, otherwise it is applied 24h after it was held"
}
