package cli

import (
	"context"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// change changes the request that waits, as approvers and the operator do.
func (w *world) change(t *testing.T, edit func(*v1alpha1.AccessRequest)) {
	t.Helper()
	r := &v1alpha1.AccessRequest{}
	if err := w.Get(t.Context(), types.NamespacedName{Namespace: "data", Name: "waits"}, r); err != nil {
		t.Error(err)
		return
	}
	edit(r)
	status := r.Status
	if err := w.Update(t.Context(), r); err != nil {
		t.Error(err)
	}
	r.Status = status
	if err := w.Status().Update(t.Context(), r); err != nil {
		t.Error(err)
	}
}

// decided is the status of a request that was decided.
func decided(r *v1alpha1.AccessRequest, outcome v1alpha1.RequestPhase, reason string) {
	r.Status.Phase = outcome
	r.Status.Decision = &v1alpha1.RequestDecision{Outcome: outcome, Reason: reason, By: []string{"dora"}, At: metav1.NewTime(now)}
}

func TestWaitTellsEachChange(t *testing.T) {
	w := newWorld(t, "alice@example.com")
	w.onWatch = func() {
		w.change(t, func(r *v1alpha1.AccessRequest) {
			r.Spec.Votes = append(r.Spec.Votes, v1alpha1.Vote{By: "dora", Vote: v1alpha1.VoteApprove, Comment: "fine"})
			r.Status.Given = 1
		})
		w.change(t, func(r *v1alpha1.AccessRequest) {
			decided(r, v1alpha1.RequestApproved, v1alpha1.ReasonAgreed)
			r.Status.Given = 2
		})
		w.change(t, func(r *v1alpha1.AccessRequest) {
			until := metav1.NewTime(now.Add(2 * time.Hour))
			r.Status.Grant = &v1alpha1.RequestGrant{Name: "waits-r1", Phase: v1alpha1.GrantActive, ExpiresAt: &until}
		})
	}
	golden(t, "wait", w.run(t.Context(), "wait", "waits"))
}

func TestWaitEndsWithAnExitCode(t *testing.T) {
	granted := func(phase v1alpha1.GrantPhase) func(*v1alpha1.AccessRequest) {
		return func(r *v1alpha1.AccessRequest) {
			decided(r, v1alpha1.RequestApproved, v1alpha1.ReasonAgreed)
			r.Status.Grant = &v1alpha1.RequestGrant{Name: "waits-r1", Phase: phase}
		}
	}
	for sentence, c := range map[string]struct {
		edit func(*v1alpha1.AccessRequest)
		want []string
	}{
		"access is active":       {granted(v1alpha1.GrantActive), []string{"exit 0", "access is active"}},
		"access begins later":    {granted(v1alpha1.GrantScheduled), []string{"exit 0", "access begins later"}},
		"access is over already": {granted(v1alpha1.GrantExpired), []string{"exit 3", "error: request waits: access ended: its time was over"}},
		"denied": {func(r *v1alpha1.AccessRequest) { decided(r, v1alpha1.RequestDenied, v1alpha1.ReasonDenied) },
			[]string{"exit 3", "error: request waits: denied: dora refused"}},
		"not approved in time": {func(r *v1alpha1.AccessRequest) { decided(r, v1alpha1.RequestNotApproved, v1alpha1.ReasonTimedOut) },
			[]string{"exit 3", "not approved in time: 0 of 2 approvals"}},
		"withdrawn": {func(r *v1alpha1.AccessRequest) { decided(r, v1alpha1.RequestWithdrawn, v1alpha1.ReasonWithdrawn) },
			[]string{"exit 3", "withdrawn by its requester"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t, "alice@example.com")
			w.change(t, c.edit)
			expect(t, w.run(t.Context(), "wait", "waits"), c.want...)
		})
	}
	t.Run("deleted", func(t *testing.T) {
		w := newWorld(t, "alice@example.com")
		w.onWatch = func() {
			r := &v1alpha1.AccessRequest{ObjectMeta: metav1.ObjectMeta{Namespace: "data", Name: "waits"}}
			if err := w.Delete(t.Context(), r); err != nil {
				t.Error(err)
			}
		}
		expect(t, w.run(t.Context(), "wait", "waits"), "exit 3", "error: request waits was deleted")
	})
	t.Run("time over", func(t *testing.T) {
		expect(t, newWorld(t, "alice@example.com").run(t.Context(), "wait", "waits", "--timeout", "20ms"),
			"exit 4", "timed out after 20ms: request waits stays; to withdraw it: kubectl airflow-access withdraw waits -n data")
	})
	t.Run("interrupted after the request was made", func(t *testing.T) {
		w := newWorld(t, "alice@example.com")
		ctx, cancel := context.WithCancel(t.Context())
		w.onWatch = cancel
		expect(t, w.run(ctx, "request", "finance-operators", "--reason", "INC-1", "--wait"),
			"exit 130", "interrupted: request finance-operators-x7k2p stays; to withdraw it: kubectl airflow-access withdraw finance-operators-x7k2p -n data")
		if err := w.Get(t.Context(), types.NamespacedName{Namespace: "data", Name: "finance-operators-x7k2p"}, &v1alpha1.AccessRequest{}); err != nil {
			t.Errorf("the request is gone: %v", err)
		}
	})
}

func expect(t *testing.T, got string, want ...string) {
	t.Helper()
	for _, text := range want {
		if !strings.Contains(got, text) {
			t.Errorf("no %q in\n%s", text, got)
		}
	}
}

// TestVotesOfTwoAtATimeAreBothStored proves that a vote is added to those that are there, and not written over them.
func TestVotesOfTwoAtATimeAreBothStored(t *testing.T) {
	w := newWorld(t, "bob@example.com")
	w.onPatch = func() {
		w.onPatch = nil
		w.change(t, func(r *v1alpha1.AccessRequest) {
			r.Spec.Votes = append(r.Spec.Votes, v1alpha1.Vote{By: "dora", Vote: v1alpha1.VoteApprove})
		})
	}
	expect(t, w.run(t.Context(), "approve", "waits"), "exit 0")
	r := &v1alpha1.AccessRequest{}
	if err := w.Get(t.Context(), client.ObjectKey{Namespace: "data", Name: "waits"}, r); err != nil {
		t.Fatal(err)
	}
	if len(r.Spec.Votes) != 2 || r.Spec.Votes[0].By != "dora" || r.Spec.Votes[1].By != "bob@example.com" {
		t.Errorf("votes: %+v", r.Spec.Votes)
	}
}
