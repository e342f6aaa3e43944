package access

import (
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// findings say of every policy and every live grant whether its people can do more than was given to them.
type findings struct {
	policies map[types.NamespacedName]Problem
	grants   map[types.UID]Problem
}

// findExcess compares what everybody with a managed role can do in the end with what each role gives by itself. Users
// with the same roles are looked at once.
func findExcess(in *Input, d *Desired) findings {
	f := findings{policies: map[types.NamespacedName]Problem{}, grants: map[types.UID]Problem{}}
	h := newHoldings(in, d)
	j := newJudge(in.Capabilities.PermissionModel, h.rights)
	found := map[string]*privilege.Excess{}
	people := map[types.NamespacedName]map[*privilege.Excess]int{}
	for at := range in.Observed.Users {
		user := &in.Observed.Users[at]
		roles := slices.DeleteFunc(d.Members.Roles(user.Username), func(role string) bool { return !h.gives(user, role) })
		over := j.judge(h.foreign(user), roles)
		if over == nil {
			continue
		}
		found[user.Username] = over
		for policy := range policiesIn(d, *over, roles) {
			if people[policy] == nil {
				people[policy] = map[*privilege.Excess]int{}
			}
			people[policy][over]++
		}
	}
	for _, p := range in.Policies {
		name := types.NamespacedName{Namespace: p.Namespace, Name: p.Name}
		desire := d.Policies[name]
		if _, managed := d.Roles[desire.Role]; managed && desire.Refused == nil {
			f.policies[name] = policyFinding(in.server(), d, p, desire, people[name])
		}
	}
	f.findGrants(in, d, found)
	return f
}

// policiesIn are the policies of those of a user's roles that have a part in the excess.
func policiesIn(d *Desired, over excess, roles []string) map[types.NamespacedName]bool {
	out := map[types.NamespacedName]bool{}
	for _, role := range roles {
		if len(over.by(role)) > 0 {
			out[d.Roles[role].Policy] = true
		}
	}
	return out
}

// policyFinding is what a policy says.
func policyFinding(r release, d *Desired, p *v1alpha1.DagAccessPolicy, desire PolicyDesire, people map[*privilege.Excess]int) Problem {
	name := types.NamespacedName{Namespace: p.Namespace, Name: p.Name}
	more := comesAlong(r, p.Spec.Access)
	finding := Problem{v1alpha1.ReasonAsGranted, "nobody can do more than was given to them." + more}
	switch {
	case desire.Withholding != nil:
		finding = *desire.Withholding
	case len(people) > 0:
		t := newTally()
		for over, count := range people {
			t.add(over.ofPolicy(d, name), count)
		}
		finding = Problem{v1alpha1.ReasonExcessAccess, t.excessOfMembers(r, d, name, more)}
	}
	return finding
}

// ofPolicy is the part of the excess in which roles of a policy have a part.
func (e excess) ofPolicy(d *Desired, policy types.NamespacedName) excess {
	return slices.DeleteFunc(slices.Clone(e), func(o overlap) bool {
		return !slices.ContainsFunc(o.roles, func(role string) bool {
			desired, managed := d.Roles[role]
			return managed && desired.Policy == policy
		})
	})
}

// findGrants says it of live grants, in the words for one subject.
func (f *findings) findGrants(in *Input, d *Desired, found map[string]*privilege.Excess) {
	type key struct {
		over *privilege.Excess
		role string
	}
	said := map[key]Problem{}
	for _, g := range in.Grants {
		desire := d.Grants[g.UID]
		switch {
		case !desire.Live:
			continue
		case desire.Problem != nil && desire.Problem.Reason == v1alpha1.ReasonWithheld:
			f.grants[g.UID] = *desire.Problem
			continue
		case desire.Problem != nil:
			continue
		}
		over := found[desire.Username]
		finding, known := said[key{over, desire.Role}]
		if !known {
			finding = Problem{v1alpha1.ReasonAsGranted, "its subject can do no more than was given"}
			if over != nil {
				if part := over.by(desire.Role); len(part) > 0 {
					t := newTally()
					t.add(part, 1)
					finding = Problem{v1alpha1.ReasonExcessAccess, t.excessOfGrant(in.server(), d, g.PolicyKey())}
				}
			}
			said[key{over, desire.Role}] = finding
		}
		f.grants[g.UID] = finding
	}
}
