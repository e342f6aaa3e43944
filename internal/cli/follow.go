package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/story"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

func newWait(t *tool) *cobra.Command {
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "wait NAME",
		Short: "Wait until the access of a request is active",
		Long: paragraphs(`Wait until the access of a request is active, and show each change on the way. A request for a later start has been waited for when it
is approved. Interrupting the wait leaves the request as it is.`,
			plain(`kubectl wait accessrequest NAME --for=jsonpath='{.status.grant.phase}'=Active --timeout=10m`), exitCodes),
		Example:           examples("kubectl airflow-access wait finance-operators-x7k2p --timeout 10m"),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completing(t, requestNames, 1),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := t.open()
			if err != nil {
				return err
			}
			r, err := s.request(c.Context(), args[0])
			if err != nil {
				return err
			}
			return waitFor(c.Context(), t, s, r, timeout, t.Out)
		},
	}
	c.Flags().DurationVar(&timeout, "timeout", 0, "How long to wait; without end when 0")
	return c
}

// waitFor follows a request until its access is active, and prints each change on a line.
func waitFor(ctx context.Context, t *tool, s *session, r *v1alpha1.AccessRequest, timeout time.Duration, out io.Writer) error {
	limited := ctx
	if timeout > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	n := &narrator{tool: t, out: out}
	last := r
	err := follow(limited, t, s, r, func(r *v1alpha1.AccessRequest) bool {
		last = r
		return n.tell(r)
	})
	withdraw := t.hint("withdraw "+r.Name, r.Namespace)
	switch {
	case ctx.Err() != nil:
		return failed(codeInterrupted, fmt.Errorf("interrupted: request %s stays; to withdraw it: %s", r.Name, withdraw))
	case errors.Is(err, context.DeadlineExceeded):
		return failed(codeTimedOut, fmt.Errorf("timed out after %s: request %s stays; to withdraw it: %s", timeout, r.Name, withdraw))
	case err != nil:
		return err
	}
	return outcome(last)
}

// outcome is nil where access is active or begins later, else the error of a request that gives none.
func outcome(r *v1alpha1.AccessRequest) error {
	ahead := story.Ahead(r, nil)
	if ahead.Stage == story.StageActive || ahead.Stage == story.StageScheduled {
		return nil
	}
	return failed(codeRefused, fmt.Errorf("request %s: %s", r.Name, text.Visible(ahead.Text)))
}

// narrator prints what changed since it last looked.
type narrator struct {
	*tool
	out   io.Writer
	told  map[story.Moment]bool
	ahead story.Outlook
}

// tell prints the new moments of a request and its outlook where that is another. It reports whether there is nothing to wait for.
func (n *narrator) tell(r *v1alpha1.AccessRequest) bool {
	first := n.told == nil
	if first {
		n.told = map[story.Moment]bool{}
	}
	for _, m := range story.Tell(r, nil) {
		m.At = time.Time{} // a moment is told once
		if !n.told[m] && !first {
			line(n.out, "%s  %s", n.clockTime(), sentence(m))
		}
		n.told[m] = true
	}
	ahead := story.Ahead(r, nil)
	if ahead != n.ahead {
		line(n.out, "%s  %s", n.clockTime(), n.outlook(ahead))
	}
	n.ahead = ahead
	return settledStages[ahead.Stage]
}

// settledStages are those in which nothing is left to wait for.
var settledStages = map[story.Stage]bool{
	story.StageActive: true, story.StageScheduled: true, story.StageRefused: true, story.StageEnding: true, story.StageEnded: true,
}

func (n *narrator) clockTime() string { return n.Clock.Now().In(n.Zone).Format(time.TimeOnly) }

// settle waits a moment for the operator's answer to a write. It returns the latest state that it saw.
func settle(ctx context.Context, t *tool, s *session, r *v1alpha1.AccessRequest, done func(*v1alpha1.AccessRequest) bool) *v1alpha1.AccessRequest {
	last := r
	if t.Settle == 0 {
		return last
	}
	ctx, cancel := context.WithTimeout(ctx, t.Settle)
	defer cancel()
	// An error is no error here: what was written is written, and the last state that was seen is shown.
	_ = follow(ctx, t, s, r, func(r *v1alpha1.AccessRequest) bool {
		last = r
		return done(r)
	})
	return last
}

// retryAfter is the time before a watch that ended begins again.
const retryAfter = time.Second

// follow calls seen with every state of a request until it reports true. Its error is that of the context, or that the request is
// gone.
func follow(ctx context.Context, t *tool, s *session, r *v1alpha1.AccessRequest, seen func(*v1alpha1.AccessRequest) bool) error {
	for {
		current := &v1alpha1.AccessRequest{}
		err := s.Get(ctx, client.ObjectKeyFromObject(r), current)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case apierrors.IsNotFound(err):
			return gone(r)
		case err != nil:
			return err
		case seen(current):
			return nil
		}
		if done, err := watched(ctx, s, current, seen); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.Clock.After(retryAfter):
		}
	}
}

func gone(r *v1alpha1.AccessRequest) error {
	return failed(codeRefused, fmt.Errorf("request %s was deleted", r.Name))
}

// watched follows a request by one watch. It reports false where the watch ended, or was not possible, and reading again helps.
func watched(ctx context.Context, s *session, r *v1alpha1.AccessRequest, seen func(*v1alpha1.AccessRequest) bool) (done bool, err error) {
	w, err := s.Watch(ctx, &v1alpha1.AccessRequestList{}, &client.ListOptions{
		Namespace: r.Namespace,
		Raw: &metav1.ListOptions{
			FieldSelector: "metadata.name=" + r.Name, ResourceVersion: r.ResourceVersion,
		},
	})
	if err != nil {
		return false, nil // the caller reads again: watching is only faster
	}
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case event, open := <-w.ResultChan():
			current, ok := event.Object.(*v1alpha1.AccessRequest)
			switch {
			case !open, !ok:
				return false, nil
			case current.Name != r.Name:
			case event.Type == watch.Deleted:
				return false, gone(r)
			case seen(current):
				return true, nil
			}
		}
	}
}
