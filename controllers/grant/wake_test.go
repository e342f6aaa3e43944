package grant

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/controllers/kind"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/decision"
	"github.com/airflow-oam/airflow-oam/internal/decision/grant"
)

var (
	noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	prod = types.NamespacedName{Namespace: "finance", Name: "prod"}
)

// remember makes a grant known with a verdict.
func remember(memory *kind.Memory, g *v1alpha1.AccessGrant, v grant.Verdict) {
	f := grant.Facts{Grant: g, Policy: &v1alpha1.DagAccessPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: prod.Namespace}}}
	f.Policy.Spec.InstanceRef.Name = prod.Name
	memory.Decided(g, interest(f, v))
}

// thousands gives a memory of n active grants, and a report that saw them.
func thousands(n int) (*kind.Memory, *kind.Report) {
	memory := kind.NewMemory(nil)
	report := &kind.Report{Instance: prod, ObservedAt: noon, Users: []access.User{{Username: "bob"}}, Grants: map[types.UID]access.GrantReport{}}
	for i := range n {
		g := &v1alpha1.AccessGrant{}
		g.Namespace, g.Name, g.UID = "finance", fmt.Sprint("grant-", i), types.UID(fmt.Sprint("uid-", i))
		remember(memory, g, grant.Verdict{
			Phase: v1alpha1.GrantActive, Activation: &v1alpha1.Activation{},
			Verdict: decision.Verdict{Conditions: []metav1.Condition{{Type: v1alpha1.ConditionActive, Status: metav1.ConditionTrue}}},
		})
		report.Grants[g.UID] = access.GrantReport{
			Desire: access.GrantDesire{Live: true, Username: "bob"}, Proof: access.GrantProof{Present: true}, ObservedAt: noon,
		}
	}
	return memory, report
}

// later is the next report: a look a minute later.
func later(report *kind.Report) *kind.Report {
	next := *report
	next.ObservedAt = report.ObservedAt.Add(time.Minute)
	next.Users = slices.Clone(report.Users)
	next.Grants = map[types.UID]access.GrantReport{}
	for uid, entry := range report.Grants {
		entry.ObservedAt = next.ObservedAt
		next.Grants[uid] = entry
	}
	return &next
}

func woken(memory *kind.Memory, before, report *kind.Report) (urgent, others []string) {
	first, second := wakes(memory, before, report)
	names := func(in []types.NamespacedName) []string {
		var out []string
		for _, name := range in {
			out = append(out, name.Name)
		}
		slices.Sort(out)
		return out
	}
	return names(first), names(second)
}

func TestAPassThatSawNothingNewWakesNoneOfThousands(t *testing.T) {
	memory, report := thousands(5000)
	if urgent, others := woken(memory, report, later(report)); len(urgent)+len(others) > 0 {
		t.Errorf("%d and %d are woken", len(urgent), len(others))
	}
	if urgent, others := woken(memory, nil, report); len(urgent) != 0 || len(others) != 5000 {
		t.Errorf("the first report wakes %d and %d", len(urgent), len(others))
	}
}

func TestAPassWakesThoseOfWhomItSaysSomethingElse(t *testing.T) {
	memory, report := thousands(10)
	waiting := &v1alpha1.AccessGrant{}
	waiting.Namespace, waiting.Name, waiting.UID = "finance", "waiting", "uid-waiting"
	remember(memory, waiting, grant.Verdict{Phase: v1alpha1.GrantPending, Awaiting: true})
	ending := &v1alpha1.AccessGrant{}
	ending.Namespace, ending.Name, ending.UID = "finance", "ending", "uid-ending"
	remember(memory, ending, grant.Verdict{Phase: v1alpha1.GrantEnding, Activation: &v1alpha1.Activation{}})
	over := &v1alpha1.AccessGrant{}
	over.Namespace, over.Name, over.UID = "finance", "over", "uid-over"
	remember(memory, over, grant.Verdict{Phase: v1alpha1.GrantExpired})
	report.Grants["uid-ending"], report.Grants["uid-over"] = access.GrantReport{ObservedAt: noon}, access.GrantReport{ObservedAt: noon}

	cases := map[string]struct {
		change         func(*kind.Report)
		urgent, others []string
	}{
		"a new look alone: only who waits for a proof": {func(*kind.Report) {}, []string{"ending"}, nil},
		"a proof is lost": {func(n *kind.Report) {
			n.Grants["uid-3"] = access.GrantReport{Desire: access.GrantDesire{Live: true}, ObservedAt: n.ObservedAt}
		}, []string{"ending"}, []string{"grant-3"}},
		"a user came: who waits": {func(n *kind.Report) { n.Users = append(n.Users, access.User{Username: "zoe"}) }, []string{"ending"}, []string{"waiting"}},
		"Airflow went":           {func(n *kind.Report) { n.Err = fmt.Errorf("down") }, []string{"ending"}, []string{"waiting"}},
		"a policy was compared": {func(n *kind.Report) {
			n.Policies = map[types.NamespacedName]access.PolicyReport{prod: {Generation: 1}}
		}, []string{"ending"}, []string{"waiting"}},
		"the permission cache is shorter: who is too short may fit": {func(n *kind.Report) { n.CacheTTL = time.Second }, []string{"ending"}, []string{"waiting"}},
		"the operator has another account: who was reserved is not": {func(n *kind.Report) { n.Account = "robot" }, []string{"ending"}, []string{"waiting"}},
		"another instance": {func(n *kind.Report) { n.Instance.Name = "other" }, nil, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			next := later(report)
			c.change(next)
			urgent, others := woken(memory, report, next)
			if diff := cmp.Diff([][]string{c.urgent, c.others}, [][]string{urgent, others}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestEndingsAreUrgent: they go before the thousands of grants that are only reconciled again after a start.
func TestEndingsAreUrgent(t *testing.T) {
	cases := map[string]struct {
		change func(*v1alpha1.AccessGrant)
		want   bool
	}{
		"calm":      {func(*v1alpha1.AccessGrant) {}, false},
		"by time":   {func(g *v1alpha1.AccessGrant) { g.Status.Activation.ExpiresAt = metav1.NewTime(noon.Add(endingSoon)) }, true},
		"by spec":   {func(g *v1alpha1.AccessGrant) { g.Spec.Duration.Duration = time.Minute }, true},
		"revoked":   {func(g *v1alpha1.AccessGrant) { g.Spec.Revoke = &v1alpha1.Revocation{} }, true},
		"deleted":   {func(g *v1alpha1.AccessGrant) { g.DeletionTimestamp = new(metav1.NewTime(noon)) }, true},
		"written":   {func(g *v1alpha1.AccessGrant) { g.Status.End = &v1alpha1.End{} }, true},
		"not begun": {func(g *v1alpha1.AccessGrant) { g.Status.Activation = nil }, false},
		"over":      {func(g *v1alpha1.AccessGrant) { g.Status.Phase, g.Status.End = v1alpha1.GrantRevoked, &v1alpha1.End{} }, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			g := &v1alpha1.AccessGrant{}
			g.Spec.Duration = &metav1.Duration{Duration: time.Hour}
			g.Status.Phase = v1alpha1.GrantActive
			g.Status.Activation = &v1alpha1.Activation{At: metav1.NewTime(noon), ExpiresAt: metav1.NewTime(noon.Add(time.Hour))}
			c.change(g)
			if got := ends(g, noon); got != c.want {
				t.Errorf("urgent: %t", got)
			}
		})
	}
}
