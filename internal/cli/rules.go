package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	syaml "sigs.k8s.io/yaml"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/rule"
	"github.com/airflow-oam/airflow-oam/internal/story"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// trial is the flags of rules test: a policy in a file, and a request that is not made.
type trial struct {
	file, policy, requester, reason, at, now string
	groups, levels                           []string
	duration                                 time.Duration
	emergency                                bool
	dags, tags, owners                       []string
	path                                     string
}

func newRules(t *tool) *cobra.Command {
	c := &cobra.Command{
		Use:   "rules",
		Short: "Try the rules of a policy without a cluster",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newRulesTest(t))
	return c
}

func newRulesTest(t *tool) *cobra.Command {
	a := &trial{}
	c := &cobra.Command{
		Use:   "test -f FILE --requester NAME",
		Short: "Say what the rules of a policy decide about a request",
		Long: paragraphs(`Say what the rules of a policy in a file decide about a request that is not made. No cluster is asked. It is the code by which the
operator decides. Tags, owners and path are those of every DAG of --dag; in the cluster, Airflow says them.`,
			"With kubectl alone: there is no such line; a request with --dry-run=server is not evaluated by rules.",
			`Exit codes:
  0  the policy lets the request through, with or without approvals
  1  an error: a rule does not compile, or fails for this request, and then no approval is possible
  2  wrong usage
  3  the policy refuses the request`),
		Example: examples(
			"kubectl airflow-access rules test -f policy.yaml --requester alice@example.com --group oncall-data --for 30m",
			"kubectl airflow-access rules test -f policy.yaml --requester alice@example.com --now 2026-11-28T10:00:00Z",
			"kubectl airflow-access rules test -f policy.yaml --requester alice@example.com --dag finance_daily --tag pci",
		),
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.run(t) },
	}
	f := c.Flags()
	f.StringVarP(&a.file, "filename", "f", "", "File with the DagAccessPolicy, and the AirflowInstance if you like; - for the standard input (required)")
	f.StringVar(&a.policy, "policy", "", "Name of the policy, where the file has several")
	f.StringVar(&a.requester, "requester", "", "Name by which the cluster knows the requester (required)")
	f.StringSliceVar(&a.groups, "group", nil, "Group of the requester; may be repeated")
	f.DurationVar(&a.duration, "for", 0, "How long access lasts; the policy's default when absent")
	f.StringSliceVar(&a.levels, "access", nil, "Access level; all levels of the policy when absent")
	f.StringSliceVar(&a.dags, "dag", nil, "DAG by its exact id; may be repeated")
	f.StringSliceVar(&a.tags, "tag", nil, "Tag of the DAGs; may be repeated")
	f.StringSliceVar(&a.owners, "owner", nil, "Owner of the DAGs; may be repeated")
	f.StringVar(&a.path, "path", "", "Path of the DAGs' file")
	f.StringVar(&a.reason, "reason", "", "Reason of the request")
	f.StringVar(&a.at, "at", "", "Start, as for request")
	f.StringVar(&a.now, "now", "", "When the request is made, as for --at; now when absent")
	f.BoolVar(&a.emergency, "emergency", false, "A declared emergency")
	return c
}

func (a *trial) run(t *tool) error {
	if a.file == "" || a.requester == "" {
		return usage("-f and --requester are required")
	}
	now, err := moment(t, a.now)
	if err != nil {
		return err
	}
	start, err := moment(t, a.at)
	if err != nil {
		return err
	}
	policy, instances, err := a.read(t)
	if err != nil {
		return err
	}
	for _, i := range instances {
		line(t.Out, "Airflow user: %s", text.Visible(mapped(i, a.requester)))
	}
	return a.judge(t, policy, a.input(t, policy, now, start))
}

// judge says what the policy decides.
func (a *trial) judge(t *tool, p *v1alpha1.DagAccessPolicy, in rule.Input) error {
	terms := p.RequestTerms()
	if who := terms.Requesters; who != nil && !who.Include(a.requester, a.groups) {
		return a.refuse(t, v1alpha1.ReasonRequesterNotAllowed, "%s is not among the requesters of policy %s", a.requester, p.Name)
	}
	if why := a.tooMuch(p, in); why != nil {
		return a.refuse(t, why.reason, "%s", why.said)
	}
	rules, err := rule.RulesOf(terms.Rules)
	if err != nil {
		return fmt.Errorf("%s: %w", v1alpha1.ReasonInvalidRule, err)
	}
	fits, err := rules.First(a.groups, in)
	if err != nil {
		return fmt.Errorf("%s: %w", v1alpha1.ReasonRuleFailed, err)
	}
	approvals := terms.Needed()
	switch {
	case fits == nil && a.emergency:
	case fits == nil:
		line(t.Out, "No rule fits: spec.grants.requests.approvals applies")
	case fits.Deny != "":
		return a.refuse(t, v1alpha1.ReasonDeniedByRule, "rule %s denies: %s", fits.Name, fits.Deny)
	case fits.Approvals == nil:
		return fmt.Errorf("%s: rule %s has neither approvals nor deny: write one of them", v1alpha1.ReasonInvalidRule, text.Visible(fits.Name))
	default:
		line(t.Out, "Rule %s fits", text.Visible(fits.Name))
		approvals = *fits.Approvals
	}
	if a.emergency {
		line(t.Out, "Approved at once: an emergency, to be reviewed within %s", story.Duration(metav1.Duration{Duration: terms.Emergency.ReviewTime()}))
		return nil
	}
	if approvals == 0 {
		line(t.Out, "Approved at once: no approval is needed")
		return nil
	}
	line(t.Out, "Approvals needed: %d; %s", approvals, text.Visible(deciders(terms.Approvers)))
	return nil
}

// refuse prints why the policy refuses the request; the exit code is that of a refusal.
func (a *trial) refuse(t *tool, reason, format string, args ...any) error {
	line(t.Out, "Refused: %s: %s", reason, text.Visible(fmt.Sprintf(format, args...)))
	return failed(codeRefused, errSaid)
}

// problem is why a request is not admitted.
type problem struct{ reason, said string }

// tooMuch says why the policy admits no such request, by its terms for time and emergencies.
func (a *trial) tooMuch(p *v1alpha1.DagAccessPolicy, in rule.Input) *problem {
	if longest := p.Spec.Grants.MaxDuration; in.Duration > longest.Duration {
		return &problem{v1alpha1.ReasonTooLong, "policy " + p.Name + " allows at most " + story.Duration(longest)}
	}
	emergency := p.RequestTerms().Emergency
	switch {
	case !a.emergency:
		return nil
	case emergency == nil:
		return &problem{v1alpha1.ReasonEmergencyNotAllowed, "policy " + p.Name + " has no terms for emergencies"}
	case !emergency.Include(a.requester, a.groups):
		return &problem{v1alpha1.ReasonEmergencyNotAllowed, a.requester + " may not declare an emergency under policy " + p.Name}
	case in.Duration > emergency.MaxDuration.Duration:
		return &problem{v1alpha1.ReasonTooLong, "an emergency under policy " + p.Name + " lasts at most " + story.Duration(emergency.MaxDuration)}
	}
	return nil
}

// input is the request as rules see it.
func (a *trial) input(t *tool, p *v1alpha1.DagAccessPolicy, now, start *metav1.Time) rule.Input {
	in := rule.Input{
		Requester: a.requester, Duration: a.duration, Reason: a.reason, Emergency: a.emergency, Access: p.Spec.Access, Now: t.Clock.Now(),
	}
	if now != nil {
		in.Now = now.Time
	}
	if start != nil {
		in.StartsAt = &start.Time
	}
	if in.Duration == 0 {
		in.Duration = p.Spec.Grants.RequestedTime(a.emergency)
	}
	if len(a.levels) > 0 {
		in.Access = nil
		for _, level := range a.levels {
			in.Access = append(in.Access, v1alpha1.AccessLevel(level))
		}
	}
	for _, id := range a.dags {
		in.Dags = append(in.Dags, rule.Dag{ID: id, Tags: a.tags, Owners: a.owners, Path: a.path})
	}
	return in
}

// mostBytes is how much of a file is read.
const mostBytes = 1 << 20

// read reads the policy, and the instances beside it.
func (a *trial) read(t *tool) (*v1alpha1.DagAccessPolicy, []*v1alpha1.AirflowInstance, error) {
	in := t.In
	if a.file != "-" {
		file, err := os.Open(a.file)
		if err != nil {
			return nil, nil, err
		}
		defer func() { _ = file.Close() }() // it was only read
		in = file
	}
	var policies []*v1alpha1.DagAccessPolicy
	var instances []*v1alpha1.AirflowInstance
	limited := &io.LimitedReader{R: in, N: mostBytes}
	for documents := yaml.NewYAMLReader(bufio.NewReader(limited)); ; {
		document, err := documents.Read()
		if limited.N == 0 {
			return nil, nil, fmt.Errorf("%s is larger than %d bytes", a.file, mostBytes)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", a.file, err)
		}
		p, i, err := decode(document)
		switch {
		case err != nil:
			return nil, nil, fmt.Errorf("%s: %w", a.file, err)
		case p != nil:
			policies = append(policies, p)
		case i != nil:
			instances = append(instances, i)
		}
	}
	p, err := a.choose(policies)
	return p, instances, err
}

// decode reads one document; other kinds are none of ours.
func decode(document []byte) (*v1alpha1.DagAccessPolicy, *v1alpha1.AirflowInstance, error) {
	var kind metav1.TypeMeta
	if err := syaml.Unmarshal(document, &kind); err != nil {
		return nil, nil, err
	}
	switch kind.Kind {
	case "DagAccessPolicy":
		p := &v1alpha1.DagAccessPolicy{}
		return p, nil, syaml.UnmarshalStrict(document, p)
	case "AirflowInstance":
		i := &v1alpha1.AirflowInstance{}
		return nil, i, syaml.UnmarshalStrict(document, i)
	}
	return nil, nil, nil
}

// choose is the policy that was named, or the only one.
func (a *trial) choose(policies []*v1alpha1.DagAccessPolicy) (*v1alpha1.DagAccessPolicy, error) {
	var found []*v1alpha1.DagAccessPolicy
	for _, p := range policies {
		if a.policy == "" || p.Name == a.policy {
			found = append(found, p)
		}
	}
	switch {
	case len(found) == 0:
		return nil, fmt.Errorf("%s has no such DagAccessPolicy", a.file)
	case len(found) > 1:
		return nil, usage("%s has %d DagAccessPolicies: choose with --policy", a.file, len(found))
	case found[0].RequestTerms() == nil:
		return nil, fmt.Errorf("policy %s takes no requests: spec.grants.requests is not set", found[0].Name)
	}
	return found[0], nil
}
