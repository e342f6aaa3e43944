package proof

import (
	"slices"

	"github.com/airflow-oam/airflow-oam/internal/access"

	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/privilege"
)

// findings say of every policy and every live grant whether its people can do more than was given to them.
type findings struct {
	policies map[types.NamespacedName]access.Problem
	grants   map[types.UID]access.Problem
}

// findExcess compares what everybody with a managed role can do in the end with what each role gives by itself. Users
// with the same roles are looked at once.
func findExcess(in *access.Input, d *access.Desired) findings {
	f := findings{policies: map[types.NamespacedName]access.Problem{}, grants: map[types.UID]access.Problem{}}
	h := access.NewHoldings(in, d)
	j := privilege.NewJudge(in.Capabilities.PermissionModel, h.Rights)
	found := map[string]*privilege.Excess{}
	people := map[types.NamespacedName]map[*privilege.Excess]int{}
	for at := range in.Observed.Users {
		user := &in.Observed.Users[at]
		roles := slices.DeleteFunc(d.Members.Roles(user.Username), func(role string) bool { return !h.Gives(user, role) })
		over := j.Excess(h.Foreign(user), roles)
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
			f.policies[name] = policyFinding(in.Server(), d, p, desire, people[name])
		}
	}
	f.findGrants(in, d, found)
	return f
}

// policiesIn are the policies of those of a user's roles that have a part in the excess.
func policiesIn(d *access.Desired, over privilege.Excess, roles []string) map[types.NamespacedName]bool {
	out := map[types.NamespacedName]bool{}
	for _, role := range roles {
		if len(over.By(role)) > 0 {
			out[d.Roles[role].Policy] = true
		}
	}
	return out
}

// policyFinding is what a policy says.
func policyFinding(server permission.Server, d *access.Desired, p *v1alpha1.DagAccessPolicy, desire access.PolicyDesire, people map[*privilege.Excess]int) access.Problem {
	name := types.NamespacedName{Namespace: p.Namespace, Name: p.Name}
	more := server.ComesAlong(p.Spec.Access)
	finding := access.Problem{Reason: v1alpha1.ReasonAsGranted, Message: "nobody can do more than was given to them." + more}
	switch {
	case desire.Withholding != nil:
		finding = *desire.Withholding
	case len(people) > 0:
		t := access.NewTally(server, d, name)
		own := func(role string) bool { return d.Origin(role, name) == privilege.OwnPolicy }
		for over, count := range people {
			t.Add(over.Among(own), count)
		}
		finding = access.Problem{Reason: v1alpha1.ReasonExcessAccess, Message: t.ExcessOfMembers(more)}
	}
	return finding
}

// findGrants says it of live grants, in the words for one subject.
func (f *findings) findGrants(in *access.Input, d *access.Desired, found map[string]*privilege.Excess) {
	type key struct {
		over *privilege.Excess
		role string
	}
	said := map[key]access.Problem{}
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
			finding = access.Problem{Reason: v1alpha1.ReasonAsGranted, Message: "its subject can do no more than was given"}
			if over != nil {
				if part := over.By(desire.Role); len(part) > 0 {
					t := access.NewTally(in.Server(), d, g.PolicyKey())
					t.Add(part, 1)
					finding = access.Problem{Reason: v1alpha1.ReasonExcessAccess, Message: t.ExcessOfGrant()}
				}
			}
			said[key{over, desire.Role}] = finding
		}
		f.grants[g.UID] = finding
	}
}
