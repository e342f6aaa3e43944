package grant

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/decision"
)

// Digest identifies the terms of a grant under its name: 64 hexadecimal digits over namespace, name, the immutable
// terms and the asked end. The order of DAGs and levels does not matter; reason and revocation are no terms.
func Digest(g *v1alpha1.AccessGrant) string {
	policy, duration := g.PolicyKey(), ""
	if g.Spec.Duration != nil {
		duration = g.Spec.Duration.Duration.String()
	}
	h := sha256.New()
	for _, part := range [][]string{
		{g.Namespace, g.Name, policy.Namespace, policy.Name, g.Spec.Subject.Username, g.Spec.Subject.Email},
		sorted(g.Spec.Dags), sorted(g.Spec.Access),
		{moment(g.Spec.StartsAt), moment(g.Spec.ExpiresAt), duration},
	} {
		// Quotes separate texts, line breaks separate lists.
		fmt.Fprintf(h, "%q\n", part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// sorted returns words in a fixed order, whatever the order of the spec.
func sorted[T ~string](words []T) []string {
	out := make([]string, 0, len(words))
	for _, word := range words {
		out = append(out, string(word))
	}
	slices.Sort(out)
	return out
}

func moment(t *metav1.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// MaxSpent is how many spent grants the status of an instance has room for.
const MaxSpent = 1024

// Spent returns the terms that an instance retains of grants that ended early and are being deleted, sorted by their time.
// Stored entries stay until their time is over, since nothing else is left of those grants; new entries are added while
// there is room, those first that would wait longest. A grant that is not deleted needs none: it is its own record.
func Spent(stored []v1alpha1.SpentGrant, grants []*v1alpha1.AccessGrant, now time.Time) []v1alpha1.SpentGrant {
	var retained, added []v1alpha1.SpentGrant
	known := sets.New[string]()
	for _, entry := range stored {
		if entry.Until.After(now) {
			retained = append(retained, entry)
			known.Insert(entry.UID)
		}
	}
	for _, grant := range grants {
		if grant.DeletionTimestamp == nil {
			continue
		}
		entry, early := SpentEntry(grant)
		if early && !known.Has(entry.UID) && entry.Until.After(now) {
			added = append(added, entry)
		}
	}
	slices.SortFunc(added, func(a, b v1alpha1.SpentGrant) int { return byTime(b, a) })
	retained = append(retained, added[:min(len(added), max(0, MaxSpent-len(retained)))]...)
	slices.SortFunc(retained, byTime)
	return retained
}

// byTime orders spent grants by the end of their time.
func byTime(a, b v1alpha1.SpentGrant) int {
	return cmp.Or(a.Until.Compare(b.Until.Time), strings.Compare(a.UID, b.UID))
}

// notEarly are the ends after which a twin of the grant needs no record to stay ended: its time is over, or the record is
// that of another twin.
var notEarly = sets.New(v1alpha1.EndExpired, v1alpha1.EndNeverActivated, v1alpha1.EndAlreadySpent)

// SpentEntry returns the terms that an instance retains of a grant that is ended early, so that a twin which is created
// after its deletion stays ended; false where none have to be retained. The grant's finalizer stays until the entry is
// stored or its time is over.
func SpentEntry(g *v1alpha1.AccessGrant) (v1alpha1.SpentGrant, bool) {
	end := g.Status.End
	if end == nil || notEarly.Has(end.Reason) {
		return v1alpha1.SpentGrant{}, false
	}
	until := unspentUntil(g)
	if !end.At.Time.Before(until) {
		return v1alpha1.SpentGrant{}, false
	}
	return v1alpha1.SpentGrant{
		UID: string(g.UID), Grant: g.Namespace + "/" + g.Name, Digest: Digest(g), Until: metav1.NewTime(until),
	}, true
}

// unspentUntil is when the time of an ended grant would have been over, by its spec or by the end that was pinned,
// whichever is later: a twin with these terms could be activated until then. A duration counts as it was pinned.
func unspentUntil(g *v1alpha1.AccessGrant) time.Time {
	asked := g.AskedEnd(g.Status.End.At.Time)
	a := g.Status.Activation
	switch {
	case a == nil:
		return asked
	case g.Spec.ExpiresAt == nil:
		return a.ExpiresAt.Time
	}
	return decision.Latest(asked, a.ExpiresAt.Time)
}
