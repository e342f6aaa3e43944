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

// The guard believes slowly what the DAG list stops saying, in three steps: a DAG that one list lacks is still there; one that
// is away keeps its rights for dagGracePeriod, unless it was deleted in Airflow; what is lost after that is held where it is
// much at once. What an edit of the selectors excludes goes at once, as does what a live DAG is no longer.

const (
	// alwaysAllowed losses of DAGs are never held.
	alwaysAllowed = 5
	// heldFor is how long losses wait for a release.
	heldFor = 24 * time.Hour
	// heldNames bounds the names in an entry.
	heldNames = 32
	// minute is how messages write moments.
	minute = "2006-01-02 15:04Z"
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
// read, while the list cannot be read, while they are away for less than dagGracePeriod, and while a mass revocation is held.
func (g *guard) keep(c *policyCase, selection dag.Selection, held map[string]bool) []string {
	switch {
	case len(held) == 0, len(c.stored) == 0, !g.stock.ours(c.stored[0]):
		return nil
	}
	kept, lost := g.missing(c, selection, held)
	if len(lost) > 0 && g.tooMany(len(lost)+len(c.desire.Away), len(held)) && g.hold(c, lost) {
		return append(kept, lost...)
	}
	if g.in.DagList == access.DagListFirst {
		g.retain(c)
	}
	c.desire.Leaving = text.SortedSet(append(c.desire.Leaving, lost...))
	return kept
}

// tooMany says whether a loss of some of all DAGs of a policy is a mass revocation. DAGs that are away count: what one cause
// makes stale does not become so in one list.
func (g *guard) tooMany(lost, all int) bool { return lost > max(alwaysAllowed, g.limit()*all/100) }

// missing are the DAGs that the role holds and nothing selects now: those that are kept because only one list was read or
// because they are away, and those that are lost. What an edit, somebody else or an adoption left there is neither.
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
		byOthers, edited := before != nil && !before[id], !accepted && g.excludes(selection, id)
		switch {
		case desired.Has(id):
		case byOthers && listed:
		case byOthers:
			c.desire.Leaving = append(c.desire.Leaving, id) // or a second process of ours knows a newer list
		case edited, !selection.CouldHaveMatched(id, listed):
		case !listed && g.stays(c, id), !listed && g.in.DagList == access.DagListFirst:
			kept = append(kept, id)
		default:
			lost = append(lost, id)
		}
	}
	return kept, lost
}

// excludes says whether the selectors of today match a DAG no more which they may have matched before an edit. One that is
// away counts as it was when it was last there.
func (g *guard) excludes(selection dag.Selection, id string) bool {
	if g.dags.Has(id) {
		return true // it would be desired
	}
	away, known := g.dags.Away(id)
	return known && selection.Omits(&away)
}

// stays says whether a DAG is away for so short a time that access to it stays, and notes until when. The time is counted
// between readings of the list, by our clock. A DAG that was away before the first of them counts from then on, unless its
// loss was held before: its time was over.
func (g *guard) stays(c *policyCase, id string) bool {
	away, known := g.dags.Away(id)
	since, from := g.in.Observed.ListedFrom, g.in.Observed.ListedFrom
	if known {
		since = away.Since
	}
	until := since.Add(g.in.Instance.GracePeriod())
	switch {
	case away.Deleted, !g.in.Observed.ListedAt.Before(until):
		return false
	case !since.After(from) && g.waits(c, id):
		return false
	}
	c.desire.Away = append(c.desire.Away, access.AwayDag{ID: id, Until: metav1.NewTime(until)})
	return true
}

// waits says whether the loss of a DAG is held since an earlier pass.
func (g *guard) waits(c *policyCase, id string) bool {
	return slices.ContainsFunc(g.in.Instance.Status.Held, func(before v1alpha1.HeldRevocation) bool {
		return before.Policy == c.name.String() && (slices.Contains(before.Dags, id) || int(before.Total) > len(before.Dags))
	})
}

// retain keeps what is held of a policy's losses while it is not known whether they are still: the 24 hours do not begin anew,
// and the hash that releases them stays.
func (g *guard) retain(c *policyCase) {
	of := func(entry v1alpha1.HeldRevocation) bool { return entry.Policy == c.name.String() }
	if at := slices.IndexFunc(g.in.Instance.Status.Held, of); at >= 0 && !slices.ContainsFunc(g.held, of) {
		g.held = append(g.held, g.in.Instance.Status.Held[at])
	}
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
	g.retain(c)
	return kept
}

// hold records a loss and says whether it still waits. Its hash covers the moment at which it was held first, so that a
// release counts for this loss and not for the next one of the same DAGs.
func (g *guard) hold(c *policyCase, lost []string) bool {
	policy := c.name.String()
	shown := lost[:min(len(lost), heldNames)]
	held := v1alpha1.HeldRevocation{
		Policy: policy, Since: metav1.NewTime(g.in.Now.Truncate(time.Second)), // as it is stored
		Dags: slices.Clone(shown), Total: int32(min(len(lost), math.MaxInt32)),
	}
	for _, before := range g.in.Instance.Status.Held {
		if before.Policy == policy && sameLoss(before, lost) {
			held.Since = before.Since
		}
	}
	held.Hash = text.Digest(append([]string{policy, held.Since.UTC().Format(time.RFC3339)}, lost...)...)
	// The entry stays until the rights are gone, so that a failed write does not start the wait again.
	g.held = append(g.held, held)
	until := held.Since.Add(heldFor)
	if g.in.Instance.Spec.Release == held.Hash || !g.in.Now.Before(until) {
		return false
	}
	share := "more"
	if away := len(c.desire.Away); away > 0 {
		share = fmt.Sprintf("with %d that are stale or missing more", away)
	}
	c.desire.Notes = append(c.desire.Notes, access.Problem{Reason: v1alpha1.ReasonMassRevocationHeld, Message: fmt.Sprintf(
		"%d DAGs are no longer selected, %s than %d%% of the policy: %s; access to them stays until %s, 24 hours after the loss was seen, and is then revoked:"+
			" correct the DAGs or spec.dags, or set spec.release of the AirflowInstance to %s to revoke it now",
		len(lost), share, g.limit(), text.List(lost, 8), until.UTC().Format(minute), held.Hash)})
	return true
}

// inOrder are the losses that are held, by policy.
func (g *guard) inOrder() []v1alpha1.HeldRevocation {
	slices.SortFunc(g.held, func(a, b v1alpha1.HeldRevocation) int { return strings.Compare(a.Policy, b.Policy) })
	return g.held
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
