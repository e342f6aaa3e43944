package cli

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/story"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// nameSource gives the names that an argument may have, each with a description.
type nameSource func(ctx context.Context, t *tool) ([]cobra.Completion, error)

// patience is how long the shell waits for names.
const patience = 3 * time.Second

// completing completes arguments, at most so many; 0 means any number. It never fails: without an answer there is nothing to complete.
func completing(t *tool, source nameSource, most int) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if most > 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx := c.Context()
		if ctx == nil {
			ctx = context.Background()
		}
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		found, err := source(ctx, t)
		if err != nil {
			cobra.CompDebugln(err.Error(), false)
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		found = slices.DeleteFunc(found, func(name cobra.Completion) bool { return slices.Contains(args, name) })
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// complete completes the values of a flag.
func complete(c *cobra.Command, flag string, values []string) {
	if err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // of a flag that was just defined: cannot be
	}
}

// described is a name with a description of one line.
func described(name, description string) cobra.Completion {
	return cobra.CompletionWithDesc(name, text.Cut(text.Visible(description), 80))
}

// policyNames are the policies of the namespace that take requests.
func policyNames(ctx context.Context, t *tool) ([]cobra.Completion, error) {
	s, err := t.open()
	if err != nil {
		return nil, err
	}
	found := &v1alpha1.DagAccessPolicyList{}
	if err := s.List(ctx, found, client.InNamespace(s.namespace)); err != nil {
		return nil, err
	}
	var out []cobra.Completion
	for i := range found.Items {
		if p := &found.Items[i]; p.RequestTerms() != nil {
			out = append(out, described(p.Name, levels(p.Spec.Access)))
		}
	}
	return out, nil
}

// requestNames are all requests of the namespace.
func requestNames(ctx context.Context, t *tool) ([]cobra.Completion, error) {
	return requests(ctx, t, func(*session, *v1alpha1.AccessRequest) bool { return true })
}

// ownNames are the user's requests that can be withdrawn.
func ownNames(ctx context.Context, t *tool) ([]cobra.Completion, error) {
	return requests(ctx, t, func(s *session, r *v1alpha1.AccessRequest) bool {
		return r.Spec.Requester == s.user.Username && !r.Spec.Withdrawn && !final(r)
	})
}

// namesToDecide are the requests that wait for the user's vote.
func namesToDecide(ctx context.Context, t *tool) ([]cobra.Completion, error) {
	return requests(ctx, t, func(s *session, r *v1alpha1.AccessRequest) bool { return waitsFor(s, v1alpha1.VoteApprove, r) })
}

// namesToReview are the emergencies that wait for the user's review.
func namesToReview(ctx context.Context, t *tool) ([]cobra.Completion, error) {
	return requests(ctx, t, func(s *session, r *v1alpha1.AccessRequest) bool { return waitsFor(s, v1alpha1.VoteReviewed, r) })
}

// requests are the requests of the namespace that a function wants.
func requests(ctx context.Context, t *tool, wanted func(*session, *v1alpha1.AccessRequest) bool) ([]cobra.Completion, error) {
	s, err := t.identify(ctx)
	if err != nil {
		return nil, err
	}
	found := &v1alpha1.AccessRequestList{}
	if err := s.List(ctx, found, client.InNamespace(s.namespace)); err != nil {
		return nil, err
	}
	var out []cobra.Completion
	for i := range found.Items {
		if r := &found.Items[i]; wanted(s, r) {
			out = append(out, described(r.Name, r.Spec.Requester+": "+story.Terms(r)+": "+r.Spec.Reason))
		}
	}
	return out, nil
}

// liveGrantNames are the grants that are live.
func liveGrantNames(ctx context.Context, t *tool) ([]cobra.Completion, error) {
	s, err := t.open()
	if err != nil {
		return nil, err
	}
	found, err := activated(ctx, s, client.InNamespace(s.namespace))
	var out []cobra.Completion
	for _, g := range found {
		out = append(out, described(g.Name, holder(g)+": "+g.Spec.PolicyRef.Name))
	}
	return out, err
}

// requestOrGrantNames are requests, and live grants.
func requestOrGrantNames(ctx context.Context, t *tool) ([]cobra.Completion, error) {
	out, err := requestNames(ctx, t)
	if err != nil {
		return nil, err
	}
	grants, err := liveGrantNames(ctx, t)
	if err != nil {
		return out, nil //nolint:nilerr // requesters may not read grants
	}
	return append(out, grants...), nil
}
