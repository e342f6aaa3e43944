package notify_test

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func at(after time.Duration) metav1.Time { return metav1.NewTime(noon.Add(after)) }

func pointer(after time.Duration) *metav1.Time {
	moment := at(after)
	return &moment
}

// asked is a request that nobody looked at yet.
func asked(changes ...func(*v1alpha1.AccessRequest)) *v1alpha1.AccessRequest {
	r := &v1alpha1.AccessRequest{
		ObjectMeta: metav1.ObjectMeta{Namespace: "data-platform", Name: "alice-x7k2p", UID: "11111111-2222"},
		Spec: v1alpha1.AccessRequestSpec{
			PolicyRef: v1alpha1.PolicyReference{Name: "finance-operators"}, Requester: "Alice@example.com", Reason: "INC-4711 late file",
			Duration: &metav1.Duration{Duration: 2 * time.Hour},
		},
	}
	for _, change := range changes {
		change(r)
	}
	return r
}

// admitted has its terms pinned.
func admitted(r *v1alpha1.AccessRequest) {
	r.Status.Phase = v1alpha1.RequestPending
	r.Status.Terms = &v1alpha1.RequestTermsPinned{
		PolicyUID: "p", Subject: v1alpha1.Subject{Email: "alice@example.com"},
		Access: []v1alpha1.AccessLevel{"View", "Trigger"}, Dags: []string{"finance_daily"}, Duration: metav1.Duration{Duration: 2 * time.Hour},
		Approvals: 1, Approvers: v1alpha1.PinnedApprovers{Groups: []string{"finance-leads"}, Users: []string{"bob@example.com"}},
	}
	r.Status.DecideBy = pointer(4 * time.Hour)
}

// decided gives a decision.
func decided(outcome v1alpha1.RequestPhase, reason, message string, by ...string) func(*v1alpha1.AccessRequest) {
	return func(r *v1alpha1.AccessRequest) {
		r.Status.Phase = outcome
		r.Status.Decision = &v1alpha1.RequestDecision{Outcome: outcome, Reason: reason, By: by, Message: message, At: at(time.Minute)}
	}
}

// urgent declares an emergency, whose review is due after a time.
func urgent(due time.Duration) func(*v1alpha1.AccessRequest) {
	return func(r *v1alpha1.AccessRequest) {
		r.Spec.Emergency = true
		admitted(r)
		r.Status.Terms.Approvals = 0
		decided(v1alpha1.RequestApproved, v1alpha1.ReasonEmergency, "")(r)
		r.Status.Review = &v1alpha1.RequestReview{Due: at(due)}
		r.Status.Grant = &v1alpha1.RequestGrant{Name: "alice-x7k2p-11111111"}
	}
}

// given is a grant of two hours that is active from noon on.
func given(changes ...func(*v1alpha1.AccessGrant)) *v1alpha1.AccessGrant {
	g := &v1alpha1.AccessGrant{
		ObjectMeta: metav1.ObjectMeta{Namespace: "data-platform", Name: "alice-x7k2p-11111111", UID: "33333333-4444"},
		Spec: v1alpha1.AccessGrantSpec{
			PolicyRef: v1alpha1.PolicyReference{Name: "finance-operators", Namespace: "data-platform"}, Subject: v1alpha1.Subject{Email: "alice@example.com"},
			Reason: "INC-4711 late file", RequestRef: &v1alpha1.RequestReference{Name: "alice-x7k2p", UID: "11111111-2222"},
		},
		Status: v1alpha1.AccessGrantStatus{
			Phase: v1alpha1.GrantActive,
			Activation: &v1alpha1.Activation{
				At: at(0), ExpiresAt: at(2 * time.Hour), Access: []v1alpha1.AccessLevel{"View", "Trigger"}, Dags: []string{"finance_daily"},
				Instances: []v1alpha1.GrantInstance{{Name: "prod", Namespace: "data-platform", Username: "alice"}},
			},
		},
	}
	for _, change := range changes {
		change(g)
	}
	return g
}

// pending was activated and is not confirmed.
func pending(g *v1alpha1.AccessGrant) { g.Status.Phase = v1alpha1.GrantPending }

// over ended.
func over(phase v1alpha1.GrantPhase, why v1alpha1.EndReason) func(*v1alpha1.AccessGrant) {
	return func(g *v1alpha1.AccessGrant) {
		g.Status.Phase = phase
		g.Status.End = &v1alpha1.End{Reason: why, At: at(time.Hour)}
		g.Status.RemovedAt, g.Status.RevokedAt = pointer(time.Hour), pointer(time.Hour+30*time.Second)
	}
}
