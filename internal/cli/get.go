package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/story"
)

// getting is the flags of get.
type getting struct {
	output
	toDecide, active, everywhere bool
	dag                          string
}

func newGet(t *tool) *cobra.Command {
	g := &getting{}
	c := &cobra.Command{
		Use:   "get",
		Short: "List your requests, those that you can decide, or live grants",
		Long: paragraphs(`List your own requests, newest first. With --to-decide, list the requests that wait for you, the most urgent first. With --active, list
the grants that are live in Airflow, of all users.`,
			plain(`kubectl get accessrequests --field-selector spec.requester=alice@example.com
  kubectl get accessrequests --field-selector status.phase=Pending
  kubectl get accessgrants --field-selector status.phase=Active`)),
		Example: examples(
			"kubectl airflow-access get",
			"kubectl airflow-access get --to-decide -A",
			"kubectl airflow-access get --active --dag finance_daily -o wide",
		),
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return g.run(c.Context(), t) },
	}
	f := c.Flags()
	f.BoolVar(&g.toDecide, "to-decide", false, "Requests that wait for your vote")
	f.BoolVar(&g.active, "active", false, "Grants that are live in Airflow")
	f.StringVar(&g.dag, "dag", "", "With --active: grants that cover this DAG")
	f.BoolVarP(&g.everywhere, "all-namespaces", "A", false, "In all namespaces")
	g.addFormat(c, formatWide, formatYAML, formatJSON, formatName)
	return c
}

func (g *getting) run(ctx context.Context, t *tool) error {
	switch {
	case g.toDecide && g.active:
		return usage("--to-decide lists requests and --active lists grants: use one of them")
	case g.dag != "" && !g.active:
		return usage("--dag is for --active: kubectl airflow-access get --active --dag %s", g.dag)
	}
	if g.active {
		return g.live(ctx, t)
	}
	s, err := t.identify(ctx)
	if err != nil {
		return err
	}
	if g.toDecide {
		return g.waiting(ctx, t, s)
	}
	return g.mine(ctx, t, s)
}

// within are the options of a list.
func (g *getting) within(s *session, more ...client.ListOption) []client.ListOption {
	if g.everywhere {
		return more
	}
	return append(more, client.InNamespace(s.namespace))
}

// place names where a list looked.
func (g *getting) place(s *session) string {
	if g.everywhere {
		return "any namespace"
	}
	return "namespace " + s.namespace
}

// mine lists the user's requests, newest first.
func (g *getting) mine(ctx context.Context, t *tool, s *session) error {
	found := &v1alpha1.AccessRequestList{}
	if err := s.List(ctx, found, g.within(s, client.MatchingFields{"spec.requester": s.user.Username})...); err != nil {
		return err
	}
	rows := pointers(found.Items)
	slices.SortStableFunc(rows, func(a, b *v1alpha1.AccessRequest) int {
		return b.CreationTimestamp.Compare(a.CreationTimestamp.Time)
	})
	if len(rows) == 0 && g.forPeople() {
		line(t.ErrOut, "%s has no requests in %s.", lines(s.user.Username), g.place(s))
		return nil
	}
	return list(t, s, rows, []column[*v1alpha1.AccessRequest]{
		{name: "Name", cell: func(r *v1alpha1.AccessRequest) string { return r.Name }},
		{name: "Policy", cell: func(r *v1alpha1.AccessRequest) string { return r.Spec.PolicyRef.Name }},
		{name: "For", cell: wanted},
		{name: "Phase", cell: func(r *v1alpha1.AccessRequest) string { return orNone(string(r.Status.Phase)) }},
		{name: "Given", cell: given},
		{name: "Access", cell: func(r *v1alpha1.AccessRequest) string { return orNone(phaseOfGrant(r)) }},
		{name: "Until", cell: until},
		{name: "Age", cell: func(r *v1alpha1.AccessRequest) string { return t.age(r) }},
		{name: "Dags", wide: true, cell: dagsOf},
		{name: "Decide-By", wide: true, cell: func(r *v1alpha1.AccessRequest) string { return stamp(r.Status.DecideBy) }},
		{name: "Reason", wide: true, cell: func(r *v1alpha1.AccessRequest) string { return r.Spec.Reason }},
		{name: "Now", wide: true, cell: func(r *v1alpha1.AccessRequest) string { return story.Ahead(r, nil).Text }},
	}, &g.output, g.everywhere)
}

// waiting lists the requests that wait for the user's vote, the most urgent first.
func (g *getting) waiting(ctx context.Context, t *tool, s *session) error {
	rows, err := undecided(ctx, s, g.within(s)...)
	if err != nil {
		return err
	}
	if len(rows) == 0 && g.forPeople() {
		line(t.ErrOut, "No request waits for %s in %s.", lines(s.user.Username), g.place(s))
		return nil
	}
	return list(t, s, rows, []column[*v1alpha1.AccessRequest]{
		{name: "Name", cell: func(r *v1alpha1.AccessRequest) string { return r.Name }},
		{name: "Requester", cell: func(r *v1alpha1.AccessRequest) string { return r.Spec.Requester }},
		{name: "Policy", cell: func(r *v1alpha1.AccessRequest) string { return r.Spec.PolicyRef.Name }},
		{name: "Dags", cell: dagsOf},
		{name: "For", cell: wanted},
		{name: "Given", cell: given},
		{name: "Decide-By", cell: func(r *v1alpha1.AccessRequest) string { return stamp(r.Status.DecideBy) }},
		{name: "Reason", cell: func(r *v1alpha1.AccessRequest) string { return r.Spec.Reason }},
		{name: "Levels", wide: true, cell: func(r *v1alpha1.AccessRequest) string { return levels(r.Status.Terms.Access) }},
		{name: "Approvers", wide: true, cell: func(r *v1alpha1.AccessRequest) string { return story.Deciders(r.Status.Terms.Approvers) }},
		{name: "Age", wide: true, cell: func(r *v1alpha1.AccessRequest) string { return t.age(r) }},
	}, &g.output, g.everywhere)
}

// undecided lists the requests that a user can approve or deny, the most urgent first.
func undecided(ctx context.Context, s *session, where ...client.ListOption) ([]*v1alpha1.AccessRequest, error) {
	found := &v1alpha1.AccessRequestList{}
	if err := s.List(ctx, found, append(where, client.MatchingFields{"status.phase": string(v1alpha1.RequestPending)})...); err != nil {
		return nil, err
	}
	rows := slices.DeleteFunc(pointers(found.Items), func(r *v1alpha1.AccessRequest) bool { return !waitsFor(s, v1alpha1.VoteApprove, r) })
	slices.SortStableFunc(rows, func(a, b *v1alpha1.AccessRequest) int { return deadline(a).Compare(deadline(b)) })
	return rows, nil
}

// waitsFor reports whether a request waits for such a vote of the user.
func waitsFor(s *session, kind v1alpha1.VoteKind, r *v1alpha1.AccessRequest) bool {
	if slices.ContainsFunc(r.Spec.Votes, func(v v1alpha1.Vote) bool { return v.By == s.user.Username }) {
		return false
	}
	_, err := mayVote(s, kind, r)
	return err == nil
}

func deadline(r *v1alpha1.AccessRequest) time.Time {
	if r.Status.DecideBy == nil {
		return time.Time{}
	}
	return r.Status.DecideBy.Time
}

// live lists the grants that Airflow stores.
func (g *getting) live(ctx context.Context, t *tool) error {
	s, err := t.open()
	if err != nil {
		return err
	}
	rows, err := activated(ctx, s, g.within(s)...)
	if err != nil {
		return err
	}
	scope := &narrowing{session: s, dag: g.dag, policies: map[client.ObjectKey]*v1alpha1.DagAccessPolicy{}}
	var kept []*v1alpha1.AccessGrant
	for _, grant := range rows {
		if scope.covers(ctx, grant) != coveredNot {
			kept = append(kept, grant)
		}
	}
	if len(kept) == 0 && g.forPeople() {
		line(t.ErrOut, "No grant is live in %s%s.", g.place(s), scope.words())
		return nil
	}
	return list(t, s, kept, []column[*v1alpha1.AccessGrant]{
		{name: "Name", cell: func(a *v1alpha1.AccessGrant) string { return a.Name }},
		{name: "User", cell: holder},
		{name: "Policy", cell: func(a *v1alpha1.AccessGrant) string { return a.Spec.PolicyRef.Name }},
		{name: "Access", cell: func(a *v1alpha1.AccessGrant) string { return levels(a.Status.Activation.Access) }},
		{name: "Dags", cell: func(a *v1alpha1.AccessGrant) string { return scope.cell(ctx, a) }},
		{name: "Phase", cell: func(a *v1alpha1.AccessGrant) string { return orNone(string(a.Status.Phase)) }},
		{name: "Until", cell: func(a *v1alpha1.AccessGrant) string { return story.Stamp(a.EndUnder(nil)) }},
		{name: "Instance", wide: true, cell: instance},
		{name: "Request", wide: true, cell: func(a *v1alpha1.AccessGrant) string {
			key, _ := a.RequestKey()
			return orNone(key.Name)
		}},
		{name: "Reason", wide: true, cell: func(a *v1alpha1.AccessGrant) string { return orNone(a.Spec.Reason) }},
	}, &g.output, g.everywhere)
}

// activated lists the grants that were activated and are not proved to be gone, the first to end first.
func activated(ctx context.Context, s *session, where ...client.ListOption) ([]*v1alpha1.AccessGrant, error) {
	found := &v1alpha1.AccessGrantList{}
	if err := s.List(ctx, found, where...); err != nil {
		return nil, err
	}
	rows := slices.DeleteFunc(pointers(found.Items), func(a *v1alpha1.AccessGrant) bool { return a.Status.Activation == nil || a.Terminal() })
	slices.SortStableFunc(rows, func(a, b *v1alpha1.AccessGrant) int { return a.EndUnder(nil).Compare(b.EndUnder(nil)) })
	return rows, nil
}

// narrowing selects grants by a DAG.
type narrowing struct {
	*session
	dag      string
	policies map[client.ObjectKey]*v1alpha1.DagAccessPolicy
}

// covers reports whether a grant covers the DAG. A grant for all DAGs of its policy covers those of the policy's selectors.
func (n *narrowing) covers(ctx context.Context, g *v1alpha1.AccessGrant) coverage {
	switch pinned := g.Status.Activation.Dags; {
	case n.dag == "", slices.Contains(pinned, n.dag):
		return coveredSurely
	case len(pinned) > 0:
		return coveredNot
	}
	key := g.PolicyKey()
	policy, read := n.policies[key]
	if !read {
		policy = &v1alpha1.DagAccessPolicy{}
		if n.Get(ctx, key, policy) != nil {
			policy = nil
		}
		n.policies[key] = policy
	}
	if policy == nil {
		return coveredMaybe
	}
	return covers(policy.Spec.Dags, []string{n.dag})
}

// cell names the DAGs of a grant, and whether the one that is looked for is sure to be among them.
func (n *narrowing) cell(ctx context.Context, g *v1alpha1.AccessGrant) string {
	if pinned := g.Status.Activation.Dags; len(pinned) > 0 {
		return strings.Join(pinned, ",")
	}
	if n.covers(ctx, g) == coveredMaybe {
		return "of the policy (maybe not " + n.dag + ")"
	}
	return "of the policy"
}

func (n *narrowing) words() string {
	if n.dag == "" {
		return ""
	}
	return " for DAG " + lines(n.dag)
}

// The cells of tables.

func wanted(r *v1alpha1.AccessRequest) string {
	switch {
	case r.Status.Terms != nil:
		return story.Duration(r.Status.Terms.Duration)
	case r.Spec.Duration != nil:
		return story.Duration(*r.Spec.Duration)
	}
	return orNone("")
}

func given(r *v1alpha1.AccessRequest) string {
	if r.Status.Terms == nil {
		return orNone("")
	}
	return fmt.Sprintf("%d/%d", r.Status.Given, r.Status.Terms.Approvals)
}

func phaseOfGrant(r *v1alpha1.AccessRequest) string {
	if r.Status.Grant == nil {
		return ""
	}
	return string(r.Status.Grant.Phase)
}

func until(r *v1alpha1.AccessRequest) string {
	if r.Status.Grant == nil {
		return orNone("")
	}
	return stamp(r.Status.Grant.ExpiresAt)
}

func stamp(at *metav1.Time) string {
	if at == nil {
		return orNone("")
	}
	return story.Stamp(at.Time)
}

func dagsOf(r *v1alpha1.AccessRequest) string {
	if len(r.Spec.Dags) == 0 {
		return "of the policy"
	}
	return strings.Join(r.Spec.Dags, ",")
}

func levels(all []v1alpha1.AccessLevel) string {
	return orNone(strings.Join(v1alpha1.LevelNames(all), ","))
}

func holder(g *v1alpha1.AccessGrant) string {
	if pinned := g.Pinned(); pinned != nil {
		return pinned.Username
	}
	return g.Spec.Subject.Name()
}

func instance(g *v1alpha1.AccessGrant) string {
	pinned := g.Pinned()
	if pinned == nil {
		return orNone("")
	}
	return pinned.Namespace + "/" + pinned.Name
}

// orNone is a text, or what kubectl shows for none.
func orNone(said string) string {
	if said == "" {
		return "<none>"
	}
	return said
}

// pointers are the addresses of the items of a list.
func pointers[T any](items []T) []*T {
	out := make([]*T, 0, len(items))
	for i := range items {
		out = append(out, &items[i])
	}
	return out
}
