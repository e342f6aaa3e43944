package decision

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// Digest identifies the terms of a grant under its name: 64 hexadecimal digits over namespace, name, the immutable
// terms and the asked end. The order of DAGs and levels does not matter; reason and revocation are no terms.
func Digest(g *v1alpha1.AccessGrant) string {
	terms := struct {
		Namespace, Name, PolicyNamespace, Policy string
		Username, Email                          string
		Dags                                     []string
		Access                                   []v1alpha1.AccessLevel
		StartsAt, ExpiresAt, Duration            string
	}{
		Namespace: g.Namespace, Name: g.Name, PolicyNamespace: g.Spec.PolicyRef.Namespace, Policy: g.Spec.PolicyRef.Name,
		Username: g.Spec.Subject.Username, Email: g.Spec.Subject.Email,
		Dags: slices.Sorted(slices.Values(g.Spec.Dags)), Access: slices.Sorted(slices.Values(g.Spec.Access)),
		StartsAt: moment(g.Spec.StartsAt), ExpiresAt: moment(g.Spec.ExpiresAt),
	}
	if terms.PolicyNamespace == "" {
		terms.PolicyNamespace = g.Namespace
	}
	if g.Spec.Duration != nil {
		terms.Duration = g.Spec.Duration.Duration.String()
	}
	text, err := json.Marshal(terms)
	if err != nil {
		panic("decision: terms are plain strings: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func moment(t *metav1.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// SpentEntry gives what an instance keeps of a grant that is ended early, so that a twin which is created after its
// deletion stays ended; false where nothing has to be kept. The grant's finalizer stays until the entry is stored or
// its time is over.
func SpentEntry(g *v1alpha1.AccessGrant) (v1alpha1.SpentGrant, bool) {
	end := g.Status.End
	if end == nil {
		return v1alpha1.SpentGrant{}, false
	}
	switch end.Reason {
	case v1alpha1.EndExpired, v1alpha1.EndNeverActivated, v1alpha1.EndAlreadySpent:
		return v1alpha1.SpentGrant{}, false
	}
	until := asked(&g.Spec, end.At.Time)
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
