package cli

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/story"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// asking is the flags of request.
type asking struct {
	output
	dags, levels, groups []string
	duration             time.Duration
	at, reason, name     string
	emergency, wait      bool
	timeout              time.Duration
}

func newRequest(t *tool) *cobra.Command {
	a := &asking{}
	c := &cobra.Command{
		Use:   "request [POLICY | NAMESPACE/POLICY] --reason TEXT",
		Short: "Ask for the access of a policy for some time",
		Long: paragraphs(`Ask for the access of a policy for some time. You ask under the name by which the cluster knows you, and as a member of those of your
groups that the policy names.

With --dag and without POLICY, the policy is the one of the namespace that takes requests and covers these DAGs. Where several do,
they are listed and nothing is written.`,
			plain(`kubectl create -f - <<EOF
  apiVersion: access.airflow-oam.dev/v1alpha1
  kind: AccessRequest
  metadata: {generateName: finance-operators-}
  spec: {policyRef: {name: finance-operators}, duration: 2h, reason: INC-4711, requester: alice@example.com}
  EOF`), exitCodes),
		Example: examples(
			"kubectl airflow-access request finance-operators --for 2h --reason 'INC-4711 late file'",
			"kubectl airflow-access request finance-operators --dag finance_daily --access View,Trigger --reason INC-4711 --wait",
			"kubectl airflow-access request --dag finance_daily --at 18:00 --reason 'CHG-12 month end'",
			"kubectl airflow-access request finance-operators --emergency --reason 'INC-4711 payments are down' --wait",
		),
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completing(t, policyNames, 1),
		RunE:              func(c *cobra.Command, args []string) error { return a.run(c.Context(), t, args) },
	}
	f := c.Flags()
	f.StringSliceVar(&a.dags, "dag", nil, "DAG by its exact id; may be repeated. All DAGs of the policy when absent")
	f.StringSliceVar(&a.levels, "access", nil, "Access level such as View or Trigger; may be repeated. All levels of the policy when absent")
	f.StringSliceVar(&a.groups, "group", nil, "Group by which you ask; may be repeated. Those of your groups that the policy names when absent")
	f.DurationVar(&a.duration, "for", 0, "How long access lasts, such as 30m or 2h. The policy's default when absent")
	f.StringVar(&a.at, "at", "", "Earliest start: 18:00 or '2026-11-23 18:00' in your time zone, or 2026-11-23T18:00:00Z. At once when absent")
	f.StringVar(&a.reason, "reason", "", "Why access is needed, on one line (required)")
	f.StringVar(&a.name, "name", "", "Name of the AccessRequest; made of the policy's name when absent")
	f.BoolVar(&a.emergency, "emergency", false, "Ask for access at once, to be reviewed afterwards, where the policy allows it")
	f.BoolVar(&a.wait, "wait", false, "Wait until access is active")
	f.DurationVar(&a.timeout, "timeout", 0, "How long to wait with --wait; without end when 0")
	a.addDryRun(c)
	a.addFormat(c, formatYAML, formatJSON, formatName)
	return c
}

var errNoReason = usage("--reason is missing: say why, on one line")

func (a *asking) run(ctx context.Context, t *tool, args []string) error {
	start, err := moment(t, a.at)
	if err != nil {
		return err
	}
	switch {
	case a.reason == "":
		return errNoReason
	case len(args) == 0 && len(a.dags) == 0:
		return usage("name a policy, or the DAGs with --dag")
	}
	s, err := t.identify(ctx)
	if err != nil {
		return err
	}
	key, policy, err := a.policy(ctx, t, s, args)
	if err != nil {
		return err
	}
	if err := a.fits(policy); err != nil {
		return err
	}
	r, err := a.build(s, key, policy, start)
	if err != nil {
		return err
	}
	if err := s.Create(ctx, r, a.creating()...); err != nil {
		return err
	}
	if err := t.show(s, r, &a.output, "created"); err != nil || a.dry() {
		return err
	}
	if a.wait {
		return waitFor(ctx, t, s, r, a.timeout, t.words(&a.output))
	}
	tellNext(ctx, t, s, r, policy, t.words(&a.output))
	return nil
}

// policy is the policy that was named, or the one that covers the DAGs. The object is nil where the user may not read it.
func (a *asking) policy(ctx context.Context, t *tool, s *session, args []string) (types.NamespacedName, *v1alpha1.DagAccessPolicy, error) {
	if len(args) == 0 {
		p, err := covering(ctx, s, a)
		if err != nil {
			return types.NamespacedName{}, nil, err
		}
		return p.key(), p.DagAccessPolicy, nil
	}
	key := s.key(args[0])
	p := &v1alpha1.DagAccessPolicy{}
	err := s.find(ctx, key, p, "kubectl get dagaccesspolicies")
	if apierrors.IsForbidden(err) {
		line(t.ErrOut, "You may not read policy %s. The request names only the groups of --group.", key.Name)
		return key, nil, nil
	}
	return key, p, err
}

// fits refuses early what the operator would not admit, where the policy is known.
func (a *asking) fits(p *v1alpha1.DagAccessPolicy) error {
	if p == nil {
		return nil
	}
	terms := p.Spec.Grants
	if p.RequestTerms() == nil {
		return fmt.Errorf("policy %s takes no requests (spec.grants.requests is not set): ask its owner", p.Name)
	}
	if longest := terms.MaxDuration.Duration; a.duration > longest {
		return fmt.Errorf("--for %s is longer than policy %s allows: ask for at most %s", story.Duration(metav1.Duration{Duration: a.duration}), p.Name, story.Duration(terms.MaxDuration))
	}
	if a.emergency && terms.Requests.Emergency == nil {
		return fmt.Errorf("policy %s has no terms for emergencies: ask without --emergency", p.Name)
	}
	return a.reasonFits(p.Name, terms.Reason)
}

func (a *asking) reasonFits(name string, terms *v1alpha1.ReasonTerms) error {
	if terms == nil {
		return nil
	}
	pattern, err := regexp.Compile(terms.Pattern)
	if err != nil || pattern.MatchString(a.reason) {
		return nil //nolint:nilerr // a pattern that does not compile is for the operator to report
	}
	expected := terms.Hint
	if expected == "" {
		expected = "it must match " + terms.Pattern
	}
	return fmt.Errorf("--reason does not fit policy %s: %s", name, text.Visible(expected))
}

// longestPrefix leaves room for the suffix that the API server adds: names of requests have at most 200 characters.
const longestPrefix = 190

// mostGroups is how many groups a request or a vote has at most.
const mostGroups = 16

// build makes the request.
func (a *asking) build(s *session, key types.NamespacedName, p *v1alpha1.DagAccessPolicy, start *metav1.Time) (*v1alpha1.AccessRequest, error) {
	r := &v1alpha1.AccessRequest{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: a.name}}
	if a.name == "" {
		r.GenerateName = text.Cut(key.Name, longestPrefix) + "-"
	}
	r.Spec = v1alpha1.AccessRequestSpec{
		PolicyRef: v1alpha1.PolicyReference{Name: key.Name}, Dags: a.dags, Reason: a.reason, StartsAt: start,
		Requester: s.user.Username, Groups: a.groups, Emergency: a.emergency, Votes: []v1alpha1.Vote{},
	}
	if key.Namespace != s.namespace {
		r.Spec.PolicyRef.Namespace = key.Namespace
	}
	for _, level := range a.levels {
		r.Spec.Access = append(r.Spec.Access, v1alpha1.AccessLevel(level))
	}
	if a.duration != 0 {
		r.Spec.Duration = &metav1.Duration{Duration: a.duration}
	}
	if len(a.groups) == 0 && p != nil {
		r.Spec.Groups = common(groupsOf(p), s.user.Groups)
	}
	if len(r.Spec.Groups) > mostGroups {
		return nil, fmt.Errorf("policy %s names %d of your groups, and a request at most %d: choose with --group", key.Name, len(r.Spec.Groups), mostGroups)
	}
	return r, nil
}

// groupsOf are the groups of requesters that a policy names.
func groupsOf(p *v1alpha1.DagAccessPolicy) []string {
	terms := p.RequestTerms()
	var out []string
	if terms.Requesters != nil {
		out = append(out, terms.Requesters.Groups...)
	}
	for i := range terms.Rules {
		out = append(out, terms.Rules[i].Groups...)
	}
	if terms.Emergency != nil {
		out = append(out, terms.Emergency.Groups...)
	}
	return out
}

// tellNext prints what happens next with a request: the operator's first answer, or without one what the policy says. The policy may
// be nil.
func tellNext(ctx context.Context, t *tool, s *session, r *v1alpha1.AccessRequest, p *v1alpha1.DagAccessPolicy, out io.Writer) {
	before := story.Ahead(r, nil)
	latest := settle(ctx, t, s, r, func(r *v1alpha1.AccessRequest) bool { return story.Ahead(r, nil) != before })
	ahead := story.Ahead(latest, nil)
	line(out, "%s", t.outlook(ahead))
	if ahead.Stage == story.StageUnseen && p != nil {
		line(out, "%s", text.Visible(expected(p)))
	}
	if !final(latest) {
		line(out, "To follow it: %s", t.hint("wait "+r.Name, r.Namespace))
	}
}

// expected says who decides about a request, and in which time, by its policy alone.
func expected(p *v1alpha1.DagAccessPolicy) string {
	terms := p.RequestTerms()
	approvals := fmt.Sprintf("%d approvals", terms.Needed())
	if terms.Needed() == 1 {
		approvals = "1 approval"
	}
	said := fmt.Sprintf("By policy %s it needs %s within %s", p.Name, approvals, story.Duration(terms.Timeout))
	said += "; " + deciders(terms.Approvers)
	if len(terms.Rules) > 0 {
		said += "; rules of the policy may change that"
	}
	return said
}

// deciders says who decides by the terms of a policy.
func deciders(people *v1alpha1.Approvers) string {
	if people == nil {
		return "it has no approvers"
	}
	pinned := v1alpha1.PinnedApprovers{Groups: people.Groups, Users: people.Users}
	switch {
	case !people.Owners:
		return story.Deciders(pinned) + " can decide"
	case len(pinned.Groups)+len(pinned.Users) == 0:
		return "the owners of its DAGs can decide"
	}
	return story.Deciders(pinned) + " or the owners of its DAGs can decide"
}

// final reports whether nothing more happens with a request.
func final(r *v1alpha1.AccessRequest) bool {
	stage := story.Ahead(r, nil).Stage
	return stage == story.StageRefused || stage == story.StageEnded
}

// moment reads a time: with a date and a zone, or of the user's zone.
func moment(t *tool, written string) (*metav1.Time, error) {
	if written == "" {
		return nil, nil //nolint:nilnil // no time is no error
	}
	if at, err := time.Parse(time.RFC3339, written); err == nil {
		return &metav1.Time{Time: at.UTC()}, nil
	}
	if at, err := time.ParseInLocation("2006-01-02 15:04", strings.Replace(written, "T", " ", 1), t.Zone); err == nil {
		return &metav1.Time{Time: at.UTC()}, nil
	}
	clock, err := time.Parse("15:04", written)
	if err != nil {
		return nil, usage("--at %q is no time: write 18:00, '2026-11-23 18:00' or 2026-11-23T18:00:00Z", written)
	}
	now := t.Clock.Now().In(t.Zone)
	at := time.Date(now.Year(), now.Month(), now.Day(), clock.Hour(), clock.Minute(), 0, 0, t.Zone)
	if !at.After(now) {
		at = time.Date(now.Year(), now.Month(), now.Day()+1, clock.Hour(), clock.Minute(), 0, 0, t.Zone)
	}
	return &metav1.Time{Time: at.UTC()}, nil
}
