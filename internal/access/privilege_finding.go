package access

import (
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/privilege"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
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
	j := privilege.NewJudge(in.Capabilities.PermissionModel, h.rights)
	found := map[string]*privilege.Excess{}
	people := map[types.NamespacedName]map[*privilege.Excess]int{}
	for at := range in.Observed.Users {
		user := &in.Observed.Users[at]
		roles := slices.DeleteFunc(slices.Clone(d.Members[user.Username]), func(role string) bool { return !h.gives(user, role) })
		over := j.Excess(h.foreign(user), roles)
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
func policiesIn(d *Desired, over privilege.Excess, roles []string) map[types.NamespacedName]bool {
	out := map[types.NamespacedName]bool{}
	for _, role := range roles {
		if len(over.By(role)) > 0 {
			out[d.Roles[role].Policy] = true
		}
	}
	return out
}

// policyFinding is what a policy says.
func policyFinding(server permission.Server, d *Desired, p *v1alpha1.DagAccessPolicy, desire PolicyDesire, people map[*privilege.Excess]int) Problem {
	name := types.NamespacedName{Namespace: p.Namespace, Name: p.Name}
	more := server.ComesAlong(p.Spec.Access)
	finding := Problem{v1alpha1.ReasonAsGranted, "nobody can do more than was given to them." + more}
	switch {
	case desire.Withholding != nil:
		finding = *desire.Withholding
	case len(people) > 0:
		t := newTally(server, d, name)
		own := func(role string) bool { return d.origin(role, name) == privilege.OwnPolicy }
		for over, count := range people {
			t.Add(over.Among(own), count)
		}
		finding = Problem{v1alpha1.ReasonExcessAccess, t.ExcessOfMembers(more)}
	}
	return finding
}

// origin is where a role comes from, as a policy sees it.
func (d *Desired) origin(role string, policy types.NamespacedName) privilege.Origin {
	desired, managed := d.Roles[role]
	switch {
	case !managed:
		return privilege.Foreign
	case desired.Policy == policy:
		return privilege.OwnPolicy
	}
	return privilege.OtherPolicy
}

// newTally is for messages about a policy.
func newTally(server permission.Server, d *Desired, policy types.NamespacedName) *privilege.Tally {
	return privilege.NewTally(server, func(role string) privilege.Origin { return d.origin(role, policy) })
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
				if part := over.By(desire.Role); len(part) > 0 {
					t := newTally(in.server(), d, g.PolicyKey())
					t.Add(part, 1)
					finding = Problem{v1alpha1.ReasonExcessAccess, t.ExcessOfGrant()}
				}
			}
			said[key{over, desire.Role}] = finding
		}
		f.grants[g.UID] = finding
	}
}

// holdings are the roles of users in the end: managed ones as desired, foreign ones as observed.
type holdings struct {
	in      *Input
	d       *Desired
	managed map[string]bool
	cached  map[string]*privilege.Rights
}

func newHoldings(in *Input, d *Desired) *holdings {
	h := &holdings{in: in, d: d, managed: make(map[string]bool, len(d.Roles)+len(d.Doomed)), cached: map[string]*privilege.Rights{}}
	for name := range d.Roles {
		h.managed[name] = rolename.Manageable(name)
	}
	for _, name := range d.Doomed {
		h.managed[name] = rolename.Manageable(name)
	}
	return h
}

// rights are what a role holds in the end.
func (h *holdings) rights(role string) *privilege.Rights {
	r := h.cached[role]
	if r != nil {
		return r
	}
	desired, managed := h.d.Roles[role]
	if h.managed[role] && managed && !desired.Frozen {
		r = privilege.RightsOf(desired.Permissions)
	} else {
		r = privilege.RightsOf(h.in.Observed.Roles[role])
	}
	h.cached[role] = r
	return r
}

// foreign are the roles of a user that are not ours, sorted.
func (h *holdings) foreign(u *User) []string {
	var out []string
	for _, role := range u.Roles {
		if !h.managed[role] && !isBridge(role) {
			out = append(out, role)
		}
	}
	return sortedSet(out)
}

// gives says whether a role will be with a user who should have it: a frozen one is given to nobody new.
func (h *holdings) gives(u *User, role string) bool {
	desired, managed := h.d.Roles[role]
	return managed && h.managed[role] && (!desired.Frozen || slices.Contains(u.Roles, role))
}
