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

// keep gives the DAGs whose rights the policy's role keeps although nothing selects them now: while only one list was
// read, while the list cannot be read, and while a mass revocation is held.
func (w *work) keep(c *policyCase, selection dag.Selection, held map[string]bool) []string {
	if len(c.stored) == 0 || !w.ours(c.stored[0]) || len(held) == 0 {
		return nil
	}
	kept, lost := w.missing(c, selection, held)
	if len(lost) > alwaysAllowed && len(lost)*100 > w.limit()*len(held) && w.hold(c, lost) {
		return append(kept, lost...)
	}
	c.desire.Leaving = text.SortedSet(append(c.desire.Leaving, lost...))
	return kept
}

// missing are the DAGs that the role holds and nothing selects now: those that are kept because only one list was read,
// and those that the list has lost. What an edit, somebody else or an adoption left there is neither.
func (w *work) missing(c *policyCase, selection dag.Selection, held map[string]bool) (kept, lost []string) {
	adopted := func(role string) bool { return w.stored[role].Adopted }
	synced := w.syncedDags(c.policy)
	if !w.in.DagList.Readable() {
		return w.unreadable(c, selection, held, synced), nil
	}
	if synced == "" && slices.ContainsFunc(c.stored, adopted) {
		return nil, nil // what was in the role before it was taken over is not ours to guard
	}
	desired, before := sets.New(c.desire.Dags...), w.dagsBefore(c.stored)
	accepted := synced == dag.Digest(c.policy.Spec.Dags)
	for _, id := range slices.Sorted(maps.Keys(held)) {
		listed := w.dags.Has(id)
		byOthers := before != nil && !before[id]
		switch {
		case byOthers && !listed && !desired.Has(id):
			c.desire.Leaving = append(c.desire.Leaving, id) // or a second process of ours knows a newer list
		case desired.Has(id) || byOthers || listed && !accepted || !selection.CouldHaveMatched(id, listed):
		case !listed && w.in.DagList == access.DagListFirst:
			kept = append(kept, id)
		default:
			lost = append(lost, id)
		}
	}
	return kept, lost
}

// unreadable are the DAGs that the role holds, nothing selects now, and a list that cannot be read may have: no right is
// revoked because of what an old list says. What an edit of the selectors excludes goes all the same.
func (w *work) unreadable(c *policyCase, selection dag.Selection, held map[string]bool, synced string) (kept []string) {
	edited := synced != dag.Digest(c.policy.Spec.Dags)
	for _, id := range slices.Sorted(maps.Keys(held)) {
		listed := w.dags.Has(id)
		switch {
		case slices.Contains(c.desire.Dags, id), listed && edited:
		case selection.CouldHaveMatched(id, listed):
			kept = append(kept, id)
		}
	}
	for _, before := range w.in.Instance.Status.Held { // its 24 hours do not begin anew when the list can be read
		if before.Policy == c.name.String() {
			w.out.Held = append(w.out.Held, before)
		}
	}
	return kept
}

// hold records a loss and says whether it still waits.
func (w *work) hold(c *policyCase, lost []string) bool {
	policy := c.name.String()
	shown := lost[:min(len(lost), heldNames)]
	held := v1alpha1.HeldRevocation{
		Policy: policy, Hash: text.Digest(append([]string{policy}, lost...)...), Since: metav1.NewTime(w.in.Now),
		Dags: slices.Clone(shown), Total: int32(min(len(lost), math.MaxInt32)),
	}
	for _, before := range w.in.Instance.Status.Held {
		if before.Policy == policy && sameLoss(before, lost) {
			held.Since = before.Since
		}
	}
	if w.in.Instance.Spec.Release == held.Hash {
		return false
	}
	// The entry stays until the rights are gone, so that a failed write does not start the wait again.
	w.out.Held = append(w.out.Held, held)
	slices.SortFunc(w.out.Held, func(a, b v1alpha1.HeldRevocation) int { return strings.Compare(a.Policy, b.Policy) })
	if w.in.Now.Sub(held.Since.Time) >= heldFor {
		return false
	}
	c.desire.Notes = append(c.desire.Notes, access.Problem{Reason: v1alpha1.ReasonMassRevocationHeld, Message: fmt.Sprintf(
		"%d DAGs are no longer selected, more than %d%% of the policy: %s. Access to them is kept. To let it go, set the instance's release to %s",
		len(lost), w.limit(), text.List(lost, 8), held.Hash)})
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
func (w *work) limit() int {
	text, ok := strings.CutSuffix(w.in.Instance.Spec.MassRevocationLimit, "%")
	limit, err := strconv.Atoi(text)
	if !ok || err != nil || limit < 0 || limit > 100 {
		return defaultLimit
	}
	return limit
}

// dagsBefore are the DAGs that roles held at the end of the previous pass; nil when nobody looked. What came in since
// was declared by nobody.
func (w *work) dagsBefore(roles []string) map[string]bool {
	if w.in.Previous == nil {
		return nil
	}
	var dags map[string]bool
	for _, role := range roles {
		before, ok := w.in.Previous.Roles[role]
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
func (w *work) syncedDags(p *v1alpha1.DagAccessPolicy) string {
	for _, in := range p.Status.Instances {
		if in.Name == w.in.Instance.Name {
			return in.SyncedDags
		}
	}
	return ""
}
