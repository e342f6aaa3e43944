package story

import (
	"fmt"
	"strings"
	"time"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// Stage is where an access is between the request and the proof of its end.
type Stage string

const (
	// StageUnseen: the operator has not processed the request yet.
	StageUnseen Stage = "Unseen"
	// StageNotAdmitted: no vote is possible; the conditions of the request say why.
	StageNotAdmitted Stage = "NotAdmitted"
	// StageAwaitingApproval: approvers decide.
	StageAwaitingApproval Stage = "AwaitingApproval"
	// StageRefused: denied, not approved in time, or withdrawn. Final.
	StageRefused Stage = "Refused"
	// StagePreparing: approved, and access is not confirmed in Airflow.
	StagePreparing Stage = "Preparing"
	// StageScheduled: approved, and access begins later.
	StageScheduled Stage = "Scheduled"
	// StageActive: access is confirmed in Airflow.
	StageActive Stage = "Active"
	// StageEnding: access ended, and its removal is not confirmed.
	StageEnding Stage = "Ending"
	// StageEnded: access ended. Final.
	StageEnded Stage = "Ended"
)

// Outlook says where an access is, and what comes next.
type Outlook struct {
	Stage Stage
	// Text is a sentence without a full stop. It has no times and may contain texts of users.
	Text string
	// Until is when the stage ends by itself; zero where it does not.
	Until time.Time
	// Then is what happens at Until, as in "the request ends undecided".
	Then string
}

// Ahead returns the outlook of a request. Its own copy of the grant's state is used where the grant is nil.
func Ahead(r *v1alpha1.AccessRequest, g *v1alpha1.AccessGrant) Outlook {
	switch r.Status.Phase {
	case v1alpha1.RequestPending:
		return pending(r)
	case v1alpha1.RequestApproved:
		if g != nil {
			return AheadOfGrant(g)
		}
		return approved(r)
	case v1alpha1.RequestDenied, v1alpha1.RequestNotApproved, v1alpha1.RequestWithdrawn:
		return refused(r)
	}
	return Outlook{Stage: StageUnseen, Text: "the operator has not processed this request yet"}
}

// pending is the outlook of a request that is not decided.
func pending(r *v1alpha1.AccessRequest) Outlook {
	out := Outlook{Stage: StageAwaitingApproval, Then: "the request ends without access"}
	if r.Status.DecideBy != nil {
		out.Until = r.Status.DecideBy.Time
	}
	switch ready := r.Condition(v1alpha1.ConditionReady); {
	case r.Spec.Withdrawn:
		out.Text = "it was withdrawn, which the operator has not processed yet"
	case r.Status.Terms != nil:
		out.Text = fmt.Sprintf("%d of %d approvals; %s can decide", r.Status.Given, r.Status.Terms.Approvals, Deciders(r.Status.Terms.Approvers))
	case ready != nil:
		out.Stage, out.Text = StageNotAdmitted, "not admitted: "+ready.Reason+": "+ready.Message
	default:
		out.Stage, out.Text = StageNotAdmitted, "not admitted yet"
	}
	return out
}

// Deciders names approvers: "the groups a, b and the user c".
func Deciders(p v1alpha1.PinnedApprovers) string {
	var parts []string
	for _, kind := range []struct {
		one, many string
		names     []string
	}{{"group", "groups", p.Groups}, {"user", "users", p.Users}} {
		switch len(kind.names) {
		case 0:
		case 1:
			parts = append(parts, kind.one+" "+kind.names[0])
		default:
			parts = append(parts, kind.many+" "+strings.Join(kind.names, ", "))
		}
	}
	if len(parts) == 0 {
		return "no approver"
	}
	return strings.Join(parts, " or ")
}

// refused is the outlook of a request that ended without access.
func refused(r *v1alpha1.AccessRequest) Outlook {
	out := Outlook{Stage: StageRefused, Text: "ended without access"}
	if d := r.Status.Decision; d != nil {
		out.Text = decided(r, d)
		if d.Reason == v1alpha1.ReasonDenied && d.Message != "" {
			out.Text += ": " + d.Message
		}
	}
	return out
}

// approved is the outlook of a request by its own copy of the grant's state.
func approved(r *v1alpha1.AccessRequest) Outlook {
	grant := r.Status.Grant
	if grant == nil {
		return Outlook{Stage: StagePreparing, Text: "approved; the grant is being created"}
	}
	live := v1alpha1.AccessGrant{}
	live.Status.Phase = grant.Phase
	out := byPhase(&live)
	switch {
	case out.Stage == StageActive && grant.ExpiresAt != nil:
		out.Until = grant.ExpiresAt.Time
	case out.Stage == StageScheduled && r.Spec.StartsAt != nil:
		out.Until = r.Spec.StartsAt.Time
	}
	return out
}

// AheadOfGrant returns the outlook of a grant.
func AheadOfGrant(g *v1alpha1.AccessGrant) Outlook {
	out := byPhase(g)
	ready := g.Condition(v1alpha1.ConditionReady)
	switch {
	case out.Stage == StageActive:
		out.Until = g.EndUnder(nil)
	case out.Stage == StageScheduled && g.Spec.StartsAt != nil:
		out.Until = g.Spec.StartsAt.Time
	case out.Stage == StagePreparing && ready != nil:
		out.Text += ": " + ready.Message
	}
	return out
}

// byPhase is the outlook by the phase of a grant alone.
func byPhase(g *v1alpha1.AccessGrant) Outlook {
	switch g.Status.Phase {
	case v1alpha1.GrantScheduled:
		return Outlook{Stage: StageScheduled, Text: "approved; access begins later", Then: "access begins"}
	case v1alpha1.GrantActive:
		return Outlook{Stage: StageActive, Text: "access is active", Then: "access ends"}
	case v1alpha1.GrantEnding:
		return Outlook{Stage: StageEnding, Text: "access ended; it is being revoked in Airflow"}
	case v1alpha1.GrantExpired:
		return Outlook{Stage: StageEnded, Text: "access ended: its time was over"}
	case v1alpha1.GrantRevoked:
		return Outlook{Stage: StageEnded, Text: "access ended early"}
	case v1alpha1.GrantPending:
	}
	return Outlook{Stage: StagePreparing, Text: "approved; access is being prepared"}
}
