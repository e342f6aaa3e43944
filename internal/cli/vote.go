package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/story"
)

// ballot is what differs between the commands that vote.
type ballot struct {
	use, short, long, done string
	vote                   v1alpha1.VoteKind
	names                  nameSource
}

var (
	approve = ballot{
		use: "approve NAME...", short: "Agree to requests", done: "approved", vote: v1alpha1.VoteApprove,
		long: `Agree to requests, under your own name and as a member of those of your groups that decide. When enough approvers agreed, access
begins. A vote is on record and cannot be changed.`,
		names: namesToDecide,
	}
	deny = ballot{
		use: "deny NAME...", short: "Refuse requests", done: "denied", vote: v1alpha1.VoteDeny,
		long: `Refuse requests, under your own name and as a member of those of your groups that decide. One refusal ends a request. To end access
that is active already, revoke its grant.`,
		names: namesToDecide,
	}
	reviewed = ballot{
		use: "reviewed NAME...", short: "Record that you reviewed emergency access", done: "reviewed", vote: v1alpha1.VoteReviewed,
		long: `Record that you reviewed access that was given in an emergency. An approver who is not the requester has to. While a review is
overdue, further emergencies of its requester under the same policy wait.`,
		names: namesToReview,
	}
)

// casting is the flags of a command that votes.
type casting struct {
	output
	comment string
}

func newVote(t *tool, b ballot) *cobra.Command {
	v := &casting{}
	c := &cobra.Command{
		Use:   b.use,
		Short: b.short,
		Long: paragraphs(b.long, plain(fmt.Sprintf(`kubectl patch accessrequest NAME --type=json \
    -p '[{"op":"add","path":"/spec/votes/-","value":{"by":"bob@example.com","groups":["finance-leads"],"vote":%q}}]'`, b.vote))),
		Example: examples(
			"kubectl airflow-access get --to-decide",
			"kubectl airflow-access "+b.command()+" finance-operators-x7k2p --comment 'read the ticket'",
		),
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: completing(t, b.names, 0),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := t.identify(c.Context())
			if err != nil {
				return err
			}
			return each(args, func(name string) error { return v.cast(c.Context(), t, s, b, name) })
		},
	}
	c.Flags().StringVar(&v.comment, "comment", "", "Comment on one line, kept on record")
	v.addDryRun(c)
	v.addFormat(c, formatYAML, formatJSON, formatName)
	return c
}

// command is the name of the command.
func (b ballot) command() string {
	name, _, _ := strings.Cut(b.use, " ")
	return name
}

// cast votes on one request.
func (v *casting) cast(ctx context.Context, t *tool, s *session, b ballot, name string) error {
	var r *v1alpha1.AccessRequest
	var there bool
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() (err error) {
		if r, err = s.request(ctx, name); err != nil {
			return err
		}
		vote := v1alpha1.Vote{By: s.user.Username, Vote: b.vote, Comment: v.comment}
		if vote.Groups, err = mayVote(s, b.vote, r); err != nil {
			return err
		}
		if there = slices.ContainsFunc(r.Spec.Votes, func(o v1alpha1.Vote) bool { return o.By == vote.By && o.Vote == vote.Vote }); there {
			return nil
		}
		patch, err := json.Marshal([]map[string]any{{"op": "add", "path": "/spec/votes/-", "value": vote}})
		if err != nil {
			return fmt.Errorf("write the vote: %w", err)
		}
		return s.Patch(ctx, r, client.RawPatch(types.JSONPatchType, patch), v.patching()...)
	})
	if err != nil {
		return fmt.Errorf("%s %s: %w", b.command(), name, err)
	}
	if there {
		line(t.words(&v.output), "%s: you %s it already", r.Name, b.done)
		return nil
	}
	if err := t.show(s, r, &v.output, b.done); err != nil || v.dry() {
		return err
	}
	before := *r.Status.DeepCopy()
	latest := settle(ctx, t, s, r, func(r *v1alpha1.AccessRequest) bool { return progressed(&before, r) })
	said := t.outlook(story.Ahead(latest, nil))
	if !progressed(&before, latest) {
		said = "the operator has not counted this vote yet: " + said
	}
	line(t.words(&v.output), "%s", said)
	return nil
}

// progressed reports whether the operator counted a vote.
func progressed(before *v1alpha1.AccessRequestStatus, r *v1alpha1.AccessRequest) bool {
	now := &r.Status
	return now.Given != before.Given || now.Phase != before.Phase || len(now.Ignored) != len(before.Ignored) || now.Review != nil && now.Review.By != ""
}

// mayVote returns the groups by which a user decides about a request. The error says why the user may not; the API server checks it again.
func mayVote(s *session, kind v1alpha1.VoteKind, r *v1alpha1.AccessRequest) ([]string, error) {
	me := s.user.Username
	if r.Spec.Requester == me {
		return nil, fmt.Errorf("it is your own request: another approver decides; to take it back, withdraw it")
	}
	if r.Status.Terms == nil {
		return nil, fmt.Errorf("it is not open for votes: %s", story.Ahead(r, nil).Text)
	}
	approvers := r.Status.Terms.Approvers
	groups := common(approvers.Groups, s.user.Groups)
	if len(groups) == 0 && !slices.Contains(approvers.Users, me) {
		return nil, fmt.Errorf("you are not among its approvers: %s can decide", story.Deciders(approvers))
	}
	for _, vote := range r.Spec.Votes {
		if vote.By == me && vote.Vote != kind {
			return nil, fmt.Errorf("your vote %s is on record and cannot be changed", vote.Vote)
		}
		if vote.By == me {
			return vote.Groups, nil
		}
	}
	if !waiting(kind, r) {
		return nil, fmt.Errorf("there is nothing to vote on: %s", story.Ahead(r, nil).Text)
	}
	return groups[:min(len(groups), mostGroups)], nil
}

// waiting reports whether a request waits for a vote of a kind.
func waiting(kind v1alpha1.VoteKind, r *v1alpha1.AccessRequest) bool {
	if kind == v1alpha1.VoteReviewed {
		return r.Spec.Emergency && r.Status.Phase == v1alpha1.RequestApproved && (r.Status.Review == nil || r.Status.Review.By == "")
	}
	return r.Status.Phase == v1alpha1.RequestPending && !r.Spec.Withdrawn
}
