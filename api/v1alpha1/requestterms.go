package v1alpha1

import (
	"slices"
	"time"
)

// RequestTerms are the policy's terms for requests; nil where nobody can request, and for a policy that is nil.
func (p *DagAccessPolicy) RequestTerms() *RequestTerms {
	switch {
	case p == nil, p.Spec.Grants == nil:
		return nil
	}
	return p.Spec.Grants.Requests
}

// ActivationTime is grants.activateWithin; 24h for an object that no schema completed, and for a policy that is nil.
func (p *DagAccessPolicy) ActivationTime() time.Duration {
	const unset = 24 * time.Hour
	switch {
	case p == nil, p.Spec.Grants == nil, p.Spec.Grants.ActivateWithin.Duration <= 0:
		return unset
	}
	return p.Spec.Grants.ActivateWithin.Duration
}

// RequestedTime is the time of access of a request that names none. The terms for requests are set.
func (t *GrantTerms) RequestedTime(emergency bool) time.Duration {
	longest, usual := t.MaxDuration.Duration, time.Hour
	if e := t.Requests.Emergency; emergency && e != nil {
		longest = min(longest, e.MaxDuration.Duration)
	}
	if d := t.Requests.DefaultDuration; d != nil {
		usual = d.Duration
	}
	return min(longest, usual)
}

// Needed is how many approvers must agree where no rule says something else: 1 where nothing is set.
func (t *RequestTerms) Needed() int32 {
	if t.Approvals == nil {
		return 1
	}
	return *t.Approvals
}

// Include reports whether a user is one of the people, by the own name or by one of some groups.
func (p *People) Include(user string, groups []string) bool {
	return include(p.Users, p.Groups, user, groups)
}

// Include reports whether a user may declare an emergency, by the own name or by one of some groups.
func (e *EmergencyTerms) Include(user string, groups []string) bool {
	return include(e.Users, e.Groups, user, groups)
}

func include(users, named []string, user string, groups []string) bool {
	return slices.Contains(users, user) || slices.ContainsFunc(groups, func(group string) bool { return slices.Contains(named, group) })
}

// ReviewTime is reviewWithin; 24h for an object that no schema completed.
func (e *EmergencyTerms) ReviewTime() time.Duration {
	if e.ReviewWithin.Duration > 0 {
		return e.ReviewWithin.Duration
	}
	return 24 * time.Hour
}
