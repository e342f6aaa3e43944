package access

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/privilege"
)

// cause is one reason for which a user has a managed role.
type cause struct {
	role            string
	since           time.Time // of the policy's creation, or of the grant's activation
	namespace, name string
	policy          types.NamespacedName
	grant           types.UID // empty for standing members
}

// withholds says whether excess is prevented and not only told.
func withholds(i *v1alpha1.AirflowInstance) bool {
	mode := i.Spec.Mode
	return i.Spec.LeastPrivilege == v1alpha1.LeastPrivilegeEnforce && (mode == "" || mode == v1alpha1.ModeEnforce)
}

// enforceLeastPrivilege takes the newest causes of every user away that would let the user do what neither an older cause
// nor the foreign roles give. Causes are taken in the order of their age and names, so that the decision does not rest
// on what is in Airflow of them by now.
func (w *work) enforceLeastPrivilege() {
	if !withholds(w.in.Instance) {
		return
	}
	h := newHoldings(w.in, &w.out)
	j := privilege.NewJudge(w.in.Capabilities.PermissionModel, h.rights)
	causes := w.causes()
	tallies := map[types.NamespacedName]*privilege.Tally{}
	for at := range w.in.Observed.Users {
		user := &w.in.Observed.Users[at]
		if len(causes[user.Username]) > 0 {
			w.withhold(h, j, user, causes[user.Username], tallies)
		}
	}
	for name, t := range tallies {
		desire := w.out.Policies[name]
		desire.Withheld = sortedSet(desire.Withheld)
		desire.Members = without(desire.Members, desire.Withheld)
		desire.Withholding = &Problem{v1alpha1.ReasonWithheld, t.WithheldMembers(w.in.server().ComesAlong(w.byName[name].policy.Spec.Access))}
		w.out.Policies[name] = desire
	}
}

// causes are all causes by user name.
func (w *work) causes() map[string][]cause {
	out := map[string][]cause{}
	for _, c := range w.cases {
		for _, username := range c.desire.Members {
			if role := w.standingIn(c, username); role != "" {
				out[username] = append(out[username], cause{
					role: role, since: c.policy.CreationTimestamp.Time, namespace: c.name.Namespace, name: c.name.Name, policy: c.name,
				})
			}
		}
	}
	for _, g := range w.in.Grants {
		desire := w.out.Grants[g.UID]
		if desire.Live && desire.Problem == nil && w.members[desire.Username][desire.Role] {
			out[desire.Username] = append(out[desire.Username], cause{
				role: desire.Role, since: g.Status.Activation.At.Time, namespace: g.Namespace, name: g.Name, policy: g.PolicyKey(), grant: g.UID,
			})
		}
	}
	return out
}

// withhold takes roles from one user. A cause that an older one stands against is looked at again when others have been
// added, because what they give by themselves is no excess any more.
func (w *work) withhold(h *holdings, j *privilege.Judge, user *User, causes []cause, tallies map[types.NamespacedName]*privilege.Tally) {
	slices.SortFunc(causes, byAge)
	causes = slices.DeleteFunc(causes, func(c cause) bool { return !h.gives(user, c.role) })
	foreign := h.foreign(user)
	given := []string{}
	for added := true; added; {
		added = false
		for _, c := range causes {
			with := sortedSet(append(slices.Clone(given), c.role))
			if len(with) > len(given) && j.Excess(foreign, with) == nil {
				given, added = with, true
			}
		}
	}
	for _, c := range causes {
		if slices.Contains(given, c.role) {
			continue
		}
		delete(w.members[user.Username], c.role)
		over := j.Excess(foreign, sortedSet(append(slices.Clone(given), c.role)))
		w.sayWithheld(c, user.Username, over, tallies)
	}
	if len(w.members[user.Username]) == 0 {
		delete(w.members, user.Username)
	}
}

// sayWithheld tells the grant that is the cause, or keeps for the policy what stands against it.
func (w *work) sayWithheld(c cause, username string, over *privilege.Excess, tallies map[types.NamespacedName]*privilege.Tally) {
	if c.grant != "" {
		t := newTally(w.in.server(), &w.out, c.policy)
		t.Add(over.By(c.role), 1)
		desire := w.out.Grants[c.grant]
		desire.Problem = &Problem{v1alpha1.ReasonWithheld, t.WithheldGrant()}
		w.out.Grants[c.grant] = desire
		return
	}
	t := tallies[c.policy]
	if t == nil {
		t = newTally(w.in.server(), &w.out, c.policy)
		tallies[c.policy] = t
	}
	t.Add(over.By(c.role), 1)
	desire := w.out.Policies[c.policy]
	desire.Withheld = append(desire.Withheld, username)
	w.out.Policies[c.policy] = desire
}

// byAge orders causes by age. Times are whole seconds: in the same one standing access comes before grants, so that
// making a policy and a grant together has one outcome; then names decide.
func byAge(a, b cause) int {
	return cmp.Or(a.since.Compare(b.since), cmp.Compare(min(len(a.grant), 1), min(len(b.grant), 1)), strings.Compare(a.namespace, b.namespace), strings.Compare(a.name, b.name),
		strings.Compare(string(a.grant), string(b.grant)))
}
