package decision

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// Digest identifies the terms of a grant under its name: 64 hexadecimal digits over namespace, name, the immutable
// terms and the asked end. The order of DAGs and levels does not matter; reason and revocation are no terms.
func Digest(g *v1alpha1.AccessGrant) string {
	policyNamespace, duration := g.Spec.PolicyRef.Namespace, ""
	if policyNamespace == "" {
		policyNamespace = g.Namespace
	}
	if g.Spec.Duration != nil {
		duration = g.Spec.Duration.Duration.String()
	}
	h := sha256.New()
	for _, part := range [][]string{
		{g.Namespace, g.Name, policyNamespace, g.Spec.PolicyRef.Name, g.Spec.Subject.Username, g.Spec.Subject.Email},
		sorted(g.Spec.Dags), sorted(g.Spec.Access),
		{moment(g.Spec.StartsAt), moment(g.Spec.ExpiresAt), duration},
	} {
		// Quoting keeps texts apart, the line break lists.
		fmt.Fprintf(h, "%q\n", part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// sorted gives words in an order of their own.
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

// Spent gives what an instance keeps of grants that ended early and are being deleted, sorted by their time: what is stored
// stays until its time is over, since nothing else is left of those grants; new entries come while there is room, those
// first that would wait longest. A grant that is not deleted needs none: it is there itself.
func Spent(stored []v1alpha1.SpentGrant, grants []*v1alpha1.AccessGrant, now time.Time) []v1alpha1.SpentGrant {
	byTime := func(a, b v1alpha1.SpentGrant) int {
		return cmp.Or(a.Until.Compare(b.Until.Time), strings.Compare(a.UID, b.UID))
	}
	var kept, added []v1alpha1.SpentGrant
	known := map[string]bool{}
	for _, entry := range stored {
		if entry.Until.After(now) {
			kept = append(kept, entry)
			known[entry.UID] = true
		}
	}
	for _, grant := range grants {
		entry, early := SpentEntry(grant)
		if early && grant.DeletionTimestamp != nil && !known[entry.UID] && entry.Until.After(now) {
			added = append(added, entry)
		}
	}
	slices.SortFunc(added, func(a, b v1alpha1.SpentGrant) int { return byTime(b, a) })
	kept = append(kept, added[:min(len(added), max(0, MaxSpent-len(kept)))]...)
	slices.SortFunc(kept, byTime)
	return kept
}

// SpentEntry gives what an instance keeps of a grant that is ended early, so that a twin which is created after its
// deletion stays ended; false where nothing has to be kept. The grant's finalizer stays until the entry is stored or
// its time is over.
func SpentEntry(g *v1alpha1.AccessGrant) (v1alpha1.SpentGrant, bool) {
	end := g.Status.End
	if end == nil {
		return v1alpha1.SpentGrant{}, false
	}
	if slices.Contains([]v1alpha1.EndReason{v1alpha1.EndExpired, v1alpha1.EndNeverActivated, v1alpha1.EndAlreadySpent}, end.Reason) {
		return v1alpha1.SpentGrant{}, false
	}
	until := g.AskedEnd(end.At.Time)
	if a := g.Status.Activation; a != nil && (g.Spec.ExpiresAt == nil || until.Before(a.ExpiresAt.Time)) {
		until = a.ExpiresAt.Time
	}
	if !end.At.Time.Before(until) {
		return v1alpha1.SpentGrant{}, false
	}
	return v1alpha1.SpentGrant{
		UID: string(g.UID), Grant: g.Namespace + "/" + g.Name, Digest: Digest(g), Until: metav1.NewTime(until),
	}, true
}
