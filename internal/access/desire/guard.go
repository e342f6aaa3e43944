package desire

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/airflow-oam/airflow-oam/internal/access"

	"k8s.io/apimachinery/pkg/util/sets"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/dag"
	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

const (
	// alwaysAllowed losses of DAGs are never held.
	alwaysAllowed = 5
	// heldFor is how long losses wait for a release.
	heldFor = 24 * time.Hour
	// heldNames bounds the names in an entry.
	heldNames = 32
	// defaultLimit is the percentage when the instance says none that can be read.
	defaultLimit = 25
)

// guard looks after DAGs that are no longer selected: a list that loses many of them at once is not believed at once.
type guard struct {
	in    *access.Input
	dags  *dag.Index
	stock *stock
	held  []v1alpha1.HeldRevocation // losses that wait for a release
}

// keep gives the DAGs whose rights the policy's role keeps although nothing selects them now: while only one list was
// read, while the list cannot be read, and while a mass revocation is held.
func (g *guard) keep(c *policyCase, selection dag.Selection, held map[string]bool) []string {
	switch {
	case len(held) == 0, len(c.stored) == 0, !g.stock.ours(c.stored[0]):
		return nil
	}
	kept, lost := g.missing(c, selection, held)
	if g.tooMany(len(lost), len(held)) && g.hold(c, lost) {
		return append(kept, lost...)
	}
	c.desire.Leaving = text.SortedSet(append(c.desire.Leaving, lost...))
	return kept
}

// tooMany says whether a loss of some of all DAGs of a policy is a mass revocation.
func (g *guard) tooMany(lost, all int) bool { return lost > max(alwaysAllowed, g.limit()*all/100) }

// missing are the DAGs that the role holds and nothing selects now: those that are kept because only one list was read,
// and those that the list has lost. What an edit, somebody else or an adoption left there is neither.
func (g *guard) missing(c *policyCase, selection dag.Selection, held map[string]bool) (kept, lost []string) {
	adopted := func(role string) bool { return g.stock.stored[role].Adopted }
	synced := g.syncedDags(c.policy)
	if !g.in.DagList.Readable() {
		return g.unreadable(c, selection, held, synced), nil
	}
	if synced == "" && slices.ContainsFunc(c.stored, adopted) {
		return nil, nil // what was in the role before it was taken over is not ours to guard
	}
	desired, before := sets.New(c.desire.Dags...), g.dagsBefore(c.stored)
	accepted := synced == dag.Digest(c.policy.Spec.Dags)
	for _, id := range slices.Sorted(maps.Keys(held)) {
		listed := g.dags.Has(id)
		byOthers, edited := before != nil && !before[id], listed && !accepted
		switch {
		case desired.Has(id):
		case byOthers && listed:
		case byOthers:
			c.desire.Leaving = append(c.desire.Leaving, id) // or a second process of ours knows a newer list
		case edited, !selection.CouldHaveMatched(id, listed):
		case g.in.DagList == access.DagListFirst && !listed:
			kept = append(kept, id)
		default:
			lost = append(lost, id)
		}
	}
	return kept, lost
}

// unreadable are the DAGs that the role holds, nothing selects now, and a list that cannot be read may have: no right is
// revoked because of what an old list says. What an edit of the selectors excludes goes all the same.
func (g *guard) unreadable(c *policyCase, selection dag.Selection, held map[string]bool, synced string) (kept []string) {
	edited := synced != dag.Digest(c.policy.Spec.Dags)
	for _, id := range slices.Sorted(maps.Keys(held)) {
		listed := g.dags.Has(id)
		switch {
		case slices.Contains(c.desire.Dags, id), listed && edited:
		case selection.CouldHaveMatched(id, listed):
			kept = append(kept, id)
		}
	}
	for _, before := range g.in.Instance.Status.Held { // its 24 hours do not begin anew when the list can be read
		if before.Policy == c.name.String() {
			g.held = append(g.held, before)
		}
	}
	return kept
}

// hold records a loss and says whether it still waits.
func (g *guard) hold(c *policyCase, lost []string) bool {
	policy := c.name.String()
	shown := lost[:min(len(lost), heldNames)]
	held := v1alpha1.HeldRevocation{
		Policy: policy, Hash: text.Digest(append([]string{policy}, lost...)...), Since: metav1.NewTime(g.in.Now),
		Dags: slices.Clone(shown), Total: int32(min(len(lost), math.MaxInt32)),
	}
	for _, before := range g.in.Instance.Status.Held {
		if before.Policy == policy && sameLoss(before, lost) {
			held.Since = before.Since
		}
	}
	if g.in.Instance.Spec.Release == held.Hash {
		return false
	}
	// The entry stays until the rights are gone, so that a failed write does not start the wait again.
	g.held = append(g.held, held)
	slices.SortFunc(g.held, func(a, b v1alpha1.HeldRevocation) int { return strings.Compare(a.Policy, b.Policy) })
	if g.in.Now.Sub(held.Since.Time) >= heldFor {
		return false
	}
	c.desire.Notes = append(c.desire.Notes, access.Problem{Reason: v1alpha1.ReasonMassRevocationHeld, Message: fmt.Sprintf(
		"%d DAGs are no longer selected, more than %d%% of the policy: %s. Access to them is kept. To let it go, set the instance's release to %s",
		len(lost), g.limit(), text.List(lost, 8), held.Hash)})
	return true
}

// sameLoss says whether a loss is one that waits already, give or take as many DAGs as are never held: a list in which
// something changes every day must not keep access for ever.
func sameLoss(before v1alpha1.HeldRevocation, lost []string) bool {
	if int(before.Total) > len(before.Dags) { // not all names are known
		return len(lost)-int(before.Total) <= alwaysAllowed
	}
	return len(text.Without(lost, before.Dags)) <= alwaysAllowed
}

// limit is the instance's percentage.
func (g *guard) limit() int {
	text, ok := strings.CutSuffix(g.in.Instance.Spec.MassRevocationLimit, "%")
	limit, err := strconv.Atoi(text)
	switch {
	case !ok, err != nil, limit < 0, limit > 100:
		return defaultLimit
	}
	return limit
}

// dagsBefore are the DAGs that roles held at the end of the previous pass; nil when nobody looked. What came in since
// was declared by nobody.
func (g *guard) dagsBefore(roles []string) map[string]bool {
	if g.in.Previous == nil {
		return nil
	}
	var dags map[string]bool
	for _, role := range roles {
		before, ok := g.in.Previous.Roles[role]
		switch {
		case ok && dags == nil:
			dags = permission.DagsIn(before)
		case ok:
			maps.Copy(dags, permission.DagsIn(before))
		}
	}
	return dags
}

// syncedDags identifies the selectors with which Airflow was last in sync; empty before the first time.
func (g *guard) syncedDags(p *v1alpha1.DagAccessPolicy) string {
	for _, in := range p.Status.Instances {
		if in.Name == g.in.Instance.Name {
			return in.SyncedDags
		}
	}
	return ""
}
