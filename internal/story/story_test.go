package story

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

var noon = time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)

// at is a time so many seconds after noon.
func at(seconds int) metav1.Time {
	return metav1.NewTime(noon.Add(time.Duration(seconds) * time.Second))
}

// request is one that two of the finance leads approved.
func request() *v1alpha1.AccessRequest {
	return &v1alpha1.AccessRequest{
		ObjectMeta: metav1.ObjectMeta{Name: "r", Namespace: "data", UID: "1", CreationTimestamp: at(0)},
		Spec: v1alpha1.AccessRequestSpec{
			PolicyRef: v1alpha1.PolicyReference{Name: "finance"}, Dags: []string{"daily"}, Reason: "INC-1", Requester: "alice",
			Groups: []string{"oncall"}, StartsAt: new(at(60)),
			Votes: []v1alpha1.Vote{
				{By: "bob", Groups: []string{"leads"}, Vote: v1alpha1.VoteApprove, Comment: "saw it"},
				{By: "eve", Vote: v1alpha1.VoteApprove},
				{By: "dora", Vote: v1alpha1.VoteApprove},
			},
		},
		Status: v1alpha1.AccessRequestStatus{
			Phase: v1alpha1.RequestApproved, Given: 2,
			Terms: &v1alpha1.RequestTermsPinned{
				Access: []v1alpha1.AccessLevel{"View", "Trigger"}, Duration: metav1.Duration{Duration: 90 * time.Minute}, Approvals: 2, Rule: "two",
			},
			Ignored:  []v1alpha1.IgnoredVote{{By: "eve", Why: v1alpha1.ReasonNotAnApprover}},
			Decision: &v1alpha1.RequestDecision{Outcome: v1alpha1.RequestApproved, Reason: v1alpha1.ReasonAgreed, By: []string{"bob", "dora"}, At: at(30), Message: "rule two"},
			Grant:    &v1alpha1.RequestGrant{Name: "g"},
			History: []v1alpha1.HistoryEntry{
				{Sequence: 1, At: at(1), Actor: "airflow-oam", Event: v1alpha1.ReasonAwaitingApproval, Message: "0 of 2"},
				{Sequence: 2, At: at(30), Actor: "bob", Event: "Approve", Message: "saw it"},
				{Sequence: 3, At: at(30), Actor: "airflow-oam", Event: v1alpha1.ReasonAgreed, Message: "agreed"},
			},
		},
	}
}

// grant is the one of request, which was revoked and proved gone.
func grant() *v1alpha1.AccessGrant {
	return &v1alpha1.AccessGrant{
		ObjectMeta: metav1.ObjectMeta{Name: "g", Namespace: "data", CreationTimestamp: at(30)},
		Spec: v1alpha1.AccessGrantSpec{
			PolicyRef: v1alpha1.PolicyReference{Name: "finance"}, Subject: v1alpha1.Subject{Email: "alice@example.com"}, Dags: []string{"daily"},
			Duration: &metav1.Duration{Duration: 90 * time.Minute}, RequestRef: &v1alpha1.RequestReference{Name: "r", UID: "1"},
			Revoke: &v1alpha1.Revocation{Reason: "laptop lost", By: "carol"},
		},
		Status: v1alpha1.AccessGrantStatus{
			Phase: v1alpha1.GrantRevoked,
			Activation: &v1alpha1.Activation{
				At: at(60), ExpiresAt: at(5460), Access: []v1alpha1.AccessLevel{"View", "Trigger"}, Dags: []string{"daily"},
				Instances: []v1alpha1.GrantInstance{{Name: "prod", Namespace: "data", Username: "alice", Role: "oam.g"}},
			},
			End: &v1alpha1.End{Reason: v1alpha1.EndRevoked, At: at(600)}, RemovedAt: new(at(603)), RevokedAt: new(at(633)),
			History: []v1alpha1.HistoryEntry{
				{Sequence: 1, At: at(60), Actor: "airflow-oam", Event: v1alpha1.ReasonActivating, Message: "writing"},
				{Sequence: 2, At: at(62), Actor: "airflow-oam", Event: v1alpha1.ReasonActive, Message: "confirmed in Airflow"},
				{Sequence: 3, At: at(600), Event: string(v1alpha1.EndRevoked), Message: "the grant was revoked"},
				{Sequence: 4, At: at(603), Actor: "airflow-oam", Event: v1alpha1.ReasonRemoved, Message: "removal confirmed"},
			},
		},
	}
}

// told writes a timeline as a person would read it.
func told(moments []Moment) []string {
	var out []string
	for _, m := range moments {
		when := "   "
		if !m.At.IsZero() {
			when = m.At.Sub(noon).String()
		}
		text := strings.Join([]string{when, m.By, m.What}, " | ")
		if m.Note != "" {
			text += " | " + m.Note
		}
		out = append(out, text)
	}
	return out
}

func TestOneTimelineFromTheAskToTheProof(t *testing.T) {
	want := []string{
		"0s | alice | asked for View, Trigger on daily under policy finance for 1h30m from 2026-11-23 12:01:00 UTC, as a member of oncall | INC-1",
		"1s | airflow-oam | AwaitingApproval: 0 of 2",
		"    | bob | approved, as a member of leads | saw it",
		"    | eve | approved (does not count: NotAnApprover)",
		"    | dora | approved",
		"30s | airflow-oam | approved: bob and dora agreed by rule two",
		"30s | airflow-oam | created grant g",
		"1m0s | airflow-oam | activated: View, Trigger on daily under policy finance, until 2026-11-23 13:31:00 UTC, for Airflow user alice in data/prod, role oam.g",
		"1m2s | airflow-oam | Active: confirmed in Airflow",
		"    | carol | revoked the grant | laptop lost",
		"10m0s |  | access ended: it was revoked",
		"10m3s | airflow-oam | removal confirmed: Airflow no longer stores this access",
		"10m33s | airflow-oam | latest moment at which it can have worked, with Airflow's cache of permissions",
	}
	r, g := request(), grant()
	if diff := cmp.Diff(want, told(Tell(r, g))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]any{request(), grant()}, []any{r, g}); diff != "" {
		t.Errorf("the objects were changed:\n%s", diff)
	}
	if got := told(Tell(r, nil)); len(got) != 6 {
		t.Errorf("the request alone: %q", got)
	}
	if Tell(nil, nil) == nil || len(Tell(nil, nil)) != 0 {
		t.Error("of nothing there is something to tell")
	}
}

func TestAGrantWithoutARequest(t *testing.T) {
	g := grant()
	g.Spec.RequestRef, g.Spec.Revoke, g.Spec.Reason = nil, nil, "migration"
	g.Status = v1alpha1.AccessGrantStatus{}
	want := []string{"30s |  | grant g was created: all levels on daily under policy finance for alice@example.com | migration"}
	if diff := cmp.Diff(want, told(Tell(nil, g))); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsNotDecidedComesLast(t *testing.T) {
	r := request()
	r.Status.Decision, r.Status.Phase, r.Status.Grant, r.Status.History = nil, v1alpha1.RequestPending, nil, r.Status.History[:1]
	r.Spec.Withdrawn = true
	got := told(Tell(r, nil))
	if last := got[len(got)-1]; last != "    | alice | withdrew the request" {
		t.Errorf("last: %q of %q", last, got)
	}
}

func TestAReviewStandsWhereItWasSeen(t *testing.T) {
	r := request()
	r.Spec.Emergency = true
	r.Spec.Votes = []v1alpha1.Vote{{By: "bob", Vote: v1alpha1.VoteReviewed, Comment: "all fine"}}
	r.Status.Decision.Reason = v1alpha1.ReasonEmergency
	r.Status.Review = &v1alpha1.RequestReview{Due: at(9000), By: "bob", At: new(at(700))}
	r.Status.History = []v1alpha1.HistoryEntry{{Sequence: 1, At: at(700), Actor: "bob", Event: v1alpha1.ReasonReviewed, Message: "all fine"}}
	got := told(Tell(r, grant()))
	if last := got[len(got)-1]; last != "11m40s | bob | reviewed the emergency | all fine" {
		t.Errorf("last: %q of %q", last, got)
	}
}

func TestOutlook(t *testing.T) {
	status := func(edit func(*v1alpha1.AccessRequest)) *v1alpha1.AccessRequest {
		r := request()
		edit(r)
		return r
	}
	decision := func(outcome v1alpha1.RequestPhase, reason, message string) *v1alpha1.AccessRequest {
		return status(func(r *v1alpha1.AccessRequest) {
			r.Status.Phase, r.Status.Decision.Outcome, r.Status.Decision.Reason, r.Status.Decision.Message = outcome, outcome, reason, message
		})
	}
	pending := func(edit func(*v1alpha1.AccessRequest)) *v1alpha1.AccessRequest {
		return status(func(r *v1alpha1.AccessRequest) {
			r.Status.Phase, r.Status.Decision, r.Status.DecideBy = v1alpha1.RequestPending, nil, new(at(3600))
			edit(r)
		})
	}
	phase := func(p v1alpha1.GrantPhase) *v1alpha1.AccessRequest {
		return status(func(r *v1alpha1.AccessRequest) { r.Status.Grant.Phase, r.Status.Grant.ExpiresAt = p, new(at(5460)) })
	}
	const without = "the request ends without access"
	for sentence, c := range map[string]struct {
		r    *v1alpha1.AccessRequest
		want Outlook
	}{
		"new": {status(func(r *v1alpha1.AccessRequest) { r.Status = v1alpha1.AccessRequestStatus{} }),
			Outlook{StageUnseen, "the operator has not processed this request yet", time.Time{}, ""}},
		"not admitted": {pending(func(r *v1alpha1.AccessRequest) {
			r.Status.Terms = nil
			r.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Reason: v1alpha1.ReasonTooManyOpen, Message: "10 others"}}
		}), Outlook{StageNotAdmitted, "not admitted: TooManyOpen: 10 others", at(3600).Time, without}},
		"for groups and users": {pending(func(r *v1alpha1.AccessRequest) {
			r.Status.Terms.Approvers = v1alpha1.PinnedApprovers{Groups: []string{"a", "b"}, Users: []string{"c"}}
		}), Outlook{StageAwaitingApproval, "2 of 2 approvals; groups a, b or user c can decide", at(3600).Time, without}},
		"for no approver": {pending(func(*v1alpha1.AccessRequest) {}),
			Outlook{StageAwaitingApproval, "2 of 2 approvals; no approver can decide", at(3600).Time, without}},
		"withdrawn, not seen": {pending(func(r *v1alpha1.AccessRequest) { r.Spec.Withdrawn = true }),
			Outlook{StageAwaitingApproval, "it was withdrawn, which the operator has not processed yet", at(3600).Time, without}},
		"approved":  {phase(""), Outlook{StagePreparing, "approved; access is being prepared", time.Time{}, ""}},
		"scheduled": {phase(v1alpha1.GrantScheduled), Outlook{StageScheduled, "approved; access begins later", at(60).Time, "access begins"}},
		"active":    {phase(v1alpha1.GrantActive), Outlook{StageActive, "access is active", at(5460).Time, "access ends"}},
		"ending":    {phase(v1alpha1.GrantEnding), Outlook{StageEnding, "access ended; it is being revoked in Airflow", time.Time{}, ""}},
		"expired":   {phase(v1alpha1.GrantExpired), Outlook{StageEnded, "access ended: its time was over", time.Time{}, ""}},
		"denied": {decision(v1alpha1.RequestDenied, v1alpha1.ReasonDenied, "no"),
			Outlook{StageRefused, "denied: bob and dora refused: no", time.Time{}, ""}},
		"denied by a rule": {decision(v1alpha1.RequestDenied, v1alpha1.ReasonDeniedByRule, "weekend"),
			Outlook{StageRefused, "denied by rule two: weekend", time.Time{}, ""}},
		"too late": {decision(v1alpha1.RequestNotApproved, v1alpha1.ReasonTimedOut, ""),
			Outlook{StageRefused, "not approved in time: 2 of 2 approvals", time.Time{}, ""}},
		"policy gone": {decision(v1alpha1.RequestNotApproved, v1alpha1.ReasonPolicyGone, "it was deleted"),
			Outlook{StageRefused, "ended without access: PolicyGone: it was deleted", time.Time{}, ""}},
		"withdrawn": {decision(v1alpha1.RequestWithdrawn, v1alpha1.ReasonWithdrawn, ""),
			Outlook{StageRefused, "ended: withdrawn by its requester", time.Time{}, ""}},
	} {
		t.Run(sentence, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Ahead(c.r, nil)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTheGrantKnowsMoreThanItsCopy(t *testing.T) {
	g := grant()
	g.Status.Phase, g.Status.Conditions = v1alpha1.GrantPending, []metav1.Condition{{Type: v1alpha1.ConditionReady, Message: "no such user"}}
	want := Outlook{StagePreparing, "approved; access is being prepared: no such user", time.Time{}, ""}
	if diff := cmp.Diff(want, Ahead(request(), g)); diff != "" {
		t.Error(diff)
	}
	g.Status.Phase = v1alpha1.GrantActive
	g.Spec.Duration = &metav1.Duration{Duration: time.Minute} // shortened
	if got := Ahead(request(), g).Until; !got.Equal(at(120).Time) {
		t.Errorf("until %v", got)
	}
}

func TestDurations(t *testing.T) {
	for d, want := range map[time.Duration]string{2 * time.Hour: "2h", 90 * time.Minute: "1h30m", 30 * time.Second: "30s", 24 * time.Hour: "24h",
		time.Hour + time.Second: "1h0m1s", 10 * time.Minute: "10m"} {
		if got := Duration(metav1.Duration{Duration: d}); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
