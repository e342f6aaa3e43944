package v1alpha1

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// PolicyKey names the policy of the grant. The namespace is the grant's own where spec.policyRef has none.
func (g *AccessGrant) PolicyKey() types.NamespacedName {
	key := types.NamespacedName{Namespace: g.Spec.PolicyRef.Namespace, Name: g.Spec.PolicyRef.Name}
	if key.Namespace == "" {
		key.Namespace = g.Namespace
	}
	return key
}

// Terminal reports whether the grant is in a phase that never changes again.
func (g *AccessGrant) Terminal() bool { return g.Status.Phase.Terminal() }

// Terminal reports whether the phase never changes again.
func (p GrantPhase) Terminal() bool { return p == GrantExpired || p == GrantRevoked }

// Pinned is the instance in which the grant was activated; nil before its activation. There is one today.
func (g *AccessGrant) Pinned() *GrantInstance {
	if g.Status.Activation == nil || len(g.Status.Activation.Instances) == 0 {
		return nil
	}
	return &g.Status.Activation.Instances[0]
}

// In is the entry of an instance in status.activation.instances; nil where the grant was not activated in it. An
// instance of the same name with another UID is another instance.
func (g *AccessGrant) In(i *AirflowInstance) *GrantInstance {
	if g.Status.Activation == nil {
		return nil
	}
	for at := range g.Status.Activation.Instances {
		if pinned := &g.Status.Activation.Instances[at]; pinned.UID == string(i.UID) {
			return pinned
		}
	}
	return nil
}

// UnprovedIn reports whether the grant was activated in an instance and is not proved to be gone from it.
func (g *AccessGrant) UnprovedIn(i *AirflowInstance) bool {
	return g.Status.RemovedAt == nil && g.In(i) != nil
}

// Begin is when the grant is meant to begin: its start, else its creation.
func (g *AccessGrant) Begin() time.Time {
	if g.Spec.StartsAt != nil {
		return g.Spec.StartsAt.Time
	}
	return g.CreationTimestamp.Time
}

// AskedEnd is the end that the spec asks for where the grant is activated at a moment. It is that moment for a spec that
// has neither expiresAt nor duration.
func (g *AccessGrant) AskedEnd(activated time.Time) time.Time {
	switch {
	case g.Spec.ExpiresAt != nil:
		return g.Spec.ExpiresAt.Time
	case g.Spec.Duration == nil:
		return activated
	case g.Spec.StartsAt != nil:
		return g.Spec.StartsAt.Add(g.Spec.Duration.Duration)
	}
	return activated.Add(g.Spec.Duration.Duration)
}

// EndUnder is the end of an activated grant: the earliest of what was pinned, what its spec says, and what its policy
// allows. The policy may be nil. It is zero for a grant that was not activated.
func (g *AccessGrant) EndUnder(p *DagAccessPolicy) time.Time {
	a := g.Status.Activation
	if a == nil {
		return time.Time{}
	}
	end := a.ExpiresAt.Time
	if g.Spec.ExpiresAt != nil {
		end = earlier(end, g.Spec.ExpiresAt.Time)
	}
	if g.Spec.Duration != nil {
		end = earlier(end, g.AskedEnd(a.At.Time))
	}
	if p != nil && p.Spec.Grants != nil {
		end = earlier(end, a.At.Add(p.Spec.Grants.MaxDuration.Duration))
	}
	return end
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// Condition is a condition of the status; nil where there is none of that type.
func (g *AccessGrant) Condition(conditionType string) *metav1.Condition {
	return meta.FindStatusCondition(g.Status.Conditions, conditionType)
}
