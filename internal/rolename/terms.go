package rolename

import (
	"cmp"
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// Terms are the access that was granted when a grant was activated, as sorted sets. They never change after activation and
// name its role.
type Terms struct {
	Access []v1alpha1.AccessLevel
	// Dags are ids of a narrowed grant; empty when it follows the policy's selectors.
	Dags []string
	// AirflowPermissions of a grant that is not narrowed.
	AirflowPermissions []v1alpha1.AirflowPermission
	// Whole is true when nothing narrows the terms and the policy grants no more today: the policy's own role carries
	// them. It is not part of the role's name.
	Whole bool
}

// TermsOf reads the terms that an activation pinned and compares them with the policy of today.
func TermsOf(a *v1alpha1.Activation, p *v1alpha1.DagAccessPolicy) Terms {
	t := Terms{Access: permission.WithView(a.Access), Dags: slices.Clone(a.Dags)}
	slices.Sort(t.Dags)
	t.Dags = slices.Compact(t.Dags)
	if len(t.Dags) == 0 {
		t.Dags = nil
		t.AirflowPermissions = sortedPairs(a.AirflowPermissions)
	}
	t.Whole = t.cover(p)
	return t
}

// cover reports whether the terms are at least the whole policy.
func (t Terms) cover(p *v1alpha1.DagAccessPolicy) bool {
	switch {
	case t.Dags != nil:
		return false
	case !subset(permission.WithView(p.Spec.Access), t.Access):
		return false
	}
	return subset(p.Spec.AirflowPermissions, t.AirflowPermissions)
}

// ForGrant returns the role of grants whose terms are less than their policy: <base>~<hash over instance, policy and terms>.
// The base is the role of the policy. It is cut so that the name has at most 64 characters.
func ForGrant(base, instanceUID, policyUID string, terms Terms) string {
	parts := []string{instanceUID, policyUID}
	for _, level := range terms.Access {
		parts = append(parts, "access", string(level))
	}
	for _, dag := range terms.Dags {
		parts = append(parts, "dag", dag)
	}
	for _, pair := range terms.AirflowPermissions {
		parts = append(parts, "pair", pair.Action, pair.Resource)
	}
	return text.Cut(base, maxGrantBase) + "~" + text.Digest(parts...)
}

// OfActivation returns the role that carries an activation under a policy as it is today.
func OfActivation(i *v1alpha1.AirflowInstance, p *v1alpha1.DagAccessPolicy, a *v1alpha1.Activation) string {
	base := OfPolicy(p)
	terms := TermsOf(a, p)
	if terms.Whole {
		return base
	}
	return ForGrant(base, string(i.UID), string(p.UID), terms)
}

// OfPolicy returns the role of a policy.
func OfPolicy(p *v1alpha1.DagAccessPolicy) string {
	explicit := ""
	if p.Spec.Role != nil {
		explicit = p.Spec.Role.Name
	}
	return ForPolicy(p.Namespace, p.Name, explicit)
}

// Today returns the part of pinned levels and pairs that the policy still grants.
func (t Terms) Today(p *v1alpha1.DagAccessPolicy) (levels []v1alpha1.AccessLevel, extra []v1alpha1.AirflowPermission) {
	granted := permission.WithView(p.Spec.Access)
	for _, level := range t.Access {
		if slices.Contains(granted, level) {
			levels = append(levels, level)
		}
	}
	for _, pair := range t.AirflowPermissions {
		if slices.Contains(p.Spec.AirflowPermissions, pair) {
			extra = append(extra, pair)
		}
	}
	return levels, extra
}

// sortedPairs returns a sorted copy without doubles; nil for none.
func sortedPairs(pairs []v1alpha1.AirflowPermission) []v1alpha1.AirflowPermission {
	if len(pairs) == 0 {
		return nil
	}
	out := slices.Clone(pairs)
	slices.SortFunc(out, func(a, b v1alpha1.AirflowPermission) int {
		return cmp.Or(strings.Compare(a.Resource, b.Resource), strings.Compare(a.Action, b.Action))
	})
	return slices.Compact(out)
}

// subset reports whether every element of a is in b; both are small.
func subset[T comparable](a, b []T) bool {
	for _, x := range a {
		if !slices.Contains(b, x) {
			return false
		}
	}
	return true
}
