package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/story"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

func newDescribe(t *tool) *cobra.Command {
	return &cobra.Command{
		Use:   "describe NAME",
		Short: "Tell one access from the request to the proof of its end",
		Long: paragraphs(`Tell one access from the request to the proof of its end, out of the AccessRequest and its AccessGrant. NAME is that of either. A vote
has no time of its own: it stands before the decision.`,
			plain(`kubectl get accessrequest NAME -o yaml
  kubectl get accessgrant "$(kubectl get accessrequest NAME -o jsonpath='{.status.grant.name}')" -o yaml`)),
		Example: examples(
			"kubectl airflow-access describe finance-operators-x7k2p",
			"kubectl airflow-access describe accessgrant/carol-friday",
		),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completing(t, requestOrGrantNames, 1),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := t.open()
			if err != nil {
				return err
			}
			r, g, err := s.both(c.Context(), args[0])
			if err != nil {
				return err
			}
			tellStory(t, r, g)
			return nil
		},
	}
}

// both reads the request or the grant of a name, and the other of the two; one of them may be nil.
func (s *session) both(ctx context.Context, name string) (*v1alpha1.AccessRequest, *v1alpha1.AccessGrant, error) {
	if bare(name, grantKinds) == name {
		r, err := s.request(ctx, name)
		if err == nil {
			g, err := s.grantOf(ctx, r)
			return r, g, err
		}
		if bare(name, requestKinds) != name || !errors.Is(err, errMissing) {
			return nil, nil, err
		}
	}
	g := &v1alpha1.AccessGrant{}
	err := s.find(ctx, s.key(bare(name, grantKinds)), g, "kubectl get accessgrants")
	switch {
	case errors.Is(err, errMissing) && bare(name, grantKinds) == name:
		return nil, nil, fmt.Errorf("there is %w AccessRequest or AccessGrant %s in namespace %s: kubectl get airflow-access lists them", errMissing, name, s.namespace)
	case err != nil:
		return nil, nil, err
	}
	key, ok := g.RequestKey()
	if !ok {
		return nil, g, nil
	}
	r := &v1alpha1.AccessRequest{}
	err = s.Get(ctx, key, r)
	if err != nil || string(r.UID) != g.Spec.RequestRef.UID {
		r = nil
	}
	return r, g, ignoreUnreadable(err)
}

// grantOf reads the grant of a request; nil where there is none, or the user may not read it.
func (s *session) grantOf(ctx context.Context, r *v1alpha1.AccessRequest) (*v1alpha1.AccessGrant, error) {
	if r.Status.Grant == nil {
		return nil, nil //nolint:nilnil // no grant is no error
	}
	g := &v1alpha1.AccessGrant{}
	if err := s.Get(ctx, types.NamespacedName{Namespace: r.Namespace, Name: r.Status.Grant.Name}, g); err != nil {
		return nil, ignoreUnreadable(err)
	}
	return g, nil
}

// ignoreUnreadable drops the error about an object that is gone or that the user may not read.
func ignoreUnreadable(err error) error {
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return nil
	}
	return err
}

// tellStory prints a request and its grant; one of them may be nil.
func tellStory(t *tool, r *v1alpha1.AccessRequest, g *v1alpha1.AccessGrant) {
	w := tabwriter.NewWriter(t.Out, 0, 0, 2, ' ', 0)
	if r != nil {
		requestFields(w, r)
	}
	if g != nil {
		grantFields(w, g, r == nil)
	}
	_ = w.Flush() // of a writer to a terminal: no reader is left
	line(t.Out, "\nTimeline (UTC):")
	for _, m := range story.Tell(r, g) {
		at := strings.Repeat(" ", len("2006-01-02 15:04:05"))
		if !m.At.IsZero() {
			at = strings.TrimSuffix(story.Stamp(m.At), " UTC")
		}
		line(t.Out, "  %s  %s", at, sentence(m))
	}
	if r == nil {
		line(t.Out, "\nNow: %s", t.outlook(story.AheadOfGrant(g)))
		return
	}
	if g == nil && r.Status.Grant != nil {
		line(t.Out, "\nThe rest of the story is on AccessGrant %s, which is gone, or which you may not read.", r.Status.Grant.Name)
	}
	line(t.Out, "\nNow: %s", t.outlook(story.Ahead(r, g)))
	tellDuties(t, r)
}

func requestFields(w io.Writer, r *v1alpha1.AccessRequest) {
	field(w, "Request", r.Namespace+"/"+r.Name)
	field(w, "Requester", r.Spec.Requester)
	if r.Status.Terms != nil {
		field(w, "Airflow user", r.Status.Terms.Subject.Name())
	}
	field(w, "Access", story.Terms(r))
	field(w, "Reason", r.Spec.Reason)
	field(w, "Phase", string(r.Status.Phase))
	if terms := r.Status.Terms; terms != nil {
		if terms.Rule != "" {
			field(w, "Rule", terms.Rule)
		}
		field(w, "Approvals", approvals(r))
		field(w, "Approvers", story.Deciders(terms.Approvers))
	}
}

func grantFields(w io.Writer, g *v1alpha1.AccessGrant, alone bool) {
	field(w, "Grant", g.Namespace+"/"+g.Name)
	if alone {
		field(w, "Airflow user", g.Spec.Subject.Name())
		field(w, "Policy", g.PolicyKey().String())
		field(w, "Reason", g.Spec.Reason)
	}
	field(w, "Grant phase", string(g.Status.Phase))
}

// approvals counts the approvals of a request with terms.
func approvals(r *v1alpha1.AccessRequest) string {
	if r.Status.Terms.Approvals == 0 {
		return "none needed"
	}
	return fmt.Sprintf("%d of %d", r.Status.Given, r.Status.Terms.Approvals)
}

// tellDuties prints what an approver has to do about a request.
func tellDuties(t *tool, r *v1alpha1.AccessRequest) {
	if review := r.Status.Review; review != nil && review.By == "" {
		line(t.Out, "To be reviewed before %s: %s", t.when(review.Due.Time), t.hint("reviewed "+r.Name, r.Namespace))
	}
}

// field prints one field of a description.
func field(w io.Writer, name, value string) {
	if value != "" {
		fmt.Fprintf(w, "%s:\t%s\n", name, text.Visible(value))
	}
}

// sentence is a moment in one line.
func sentence(m story.Moment) string {
	said := text.Visible(m.What)
	if m.By != "" {
		said = text.Visible(m.By) + " " + said
		if m.By == v1alpha1.ActorOperator {
			said = text.Visible(m.By + ": " + m.What)
		}
	}
	if m.Note != "" {
		said += ": \"" + text.Visible(m.Note) + "\""
	}
	return said
}
