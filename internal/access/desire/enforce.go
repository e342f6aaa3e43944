package desire

import (
	"cmp"
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/internal/access"

	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/privilege"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// withholds says whether excess is prevented and not only told.
func withholds(i *v1alpha1.AirflowInstance) bool {
	mode := i.Spec.Mode
	return i.Spec.LeastPrivilege == v1alpha1.LeastPrivilegeEnforce && (mode == "" || mode == v1alpha1.ModeEnforce)
}

// enforcer withholds causes of which roles would combine to more than was granted.
type enforcer struct{ *work }

// enforceLeastPrivilege takes the newest causes of every user away that would let the user do what neither an older cause
// nor the foreign roles give. Causes are taken in the order of their age and names, so that the decision does not rest
// on what is in Airflow of them by now.
func (w *enforcer) enforceLeastPrivilege() {
	if !withholds(w.in.Instance) {
		return
	}
	h := access.NewHoldings(w.in, &w.out)
	j := privilege.NewJudge(w.in.Capabilities.PermissionModel, h.Rights)
	tallies := map[types.NamespacedName]*privilege.Tally{}
	for at := range w.in.Observed.Users {
		user := &w.in.Observed.Users[at]
		if claims := w.claims(user.Username); len(claims) > 0 {
			w.withhold(h, j, user, claims, tallies)
		}
	}
	for name, t := range tallies {
		desire := w.out.Policies[name]
		desire.Withheld = text.SortedSet(desire.Withheld)
		desire.Members = text.Without(desire.Members, desire.Withheld)
		desire.Withholding = &access.Problem{Reason: v1alpha1.ReasonWithheld, Message: t.WithheldMembers(w.in.Server().ComesAlong(w.byName[name].policy.Spec.Access))}
		w.out.Policies[name] = desire
	}
}

// claim is a role with one cause for which a user should have it.
type claim struct {
	role  string
	cause access.Cause
}

// claims are all claims of a user, the oldest first.
func (w *enforcer) claims(username string) []claim {
	var out []claim
	for role, causes := range w.members[username] {
		for _, cause := range access.SortCauses(slices.Clone(causes)) {
			out = append(out, claim{role, cause})
		}
	}
	slices.SortFunc(out, func(a, b claim) int {
		return cmp.Or(access.CompareCauses(a.cause, b.cause), strings.Compare(a.role, b.role))
	})
	return out
}

// withhold takes roles from one user. A claim that an older one stands against is looked at again when others have been
// added, because what they give by themselves is no excess any more.
func (w *enforcer) withhold(h *access.Holdings, j *privilege.Judge, user *access.User, claims []claim, tallies map[types.NamespacedName]*privilege.Tally) {
	claims = slices.DeleteFunc(claims, func(c claim) bool { return !h.Gives(user, c.role) })
	foreign := h.Foreign(user)
	given := []string{}
	for added := true; added; {
		added = false
		for _, c := range claims {
			with := text.SortedSet(append(slices.Clone(given), c.role))
			if len(with) > len(given) && j.Excess(foreign, with) == nil {
				given, added = with, true
			}
		}
	}
	for _, c := range claims {
		if slices.Contains(given, c.role) {
			continue
		}
		w.members.Remove(user.Username, c.role)
		over := j.Excess(foreign, text.SortedSet(append(slices.Clone(given), c.role)))
		w.sayWithheld(c, user.Username, over, tallies)
	}
}

// sayWithheld tells the grant that is the cause, or keeps for the policy what stands against it.
func (w *enforcer) sayWithheld(c claim, username string, over *privilege.Excess, tallies map[types.NamespacedName]*privilege.Tally) {
	if c.cause.Kind == access.CauseGrant {
		t := access.NewTally(w.in.Server(), &w.out, c.cause.Policy)
		t.Add(over.By(c.role), 1)
		desire := w.out.Grants[c.cause.UID]
		desire.Problem = &access.Problem{Reason: v1alpha1.ReasonWithheld, Message: t.WithheldGrant()}
		w.out.Grants[c.cause.UID] = desire
		return
	}
	t := tallies[c.cause.Policy]
	if t == nil {
		t = access.NewTally(w.in.Server(), &w.out, c.cause.Policy)
		tallies[c.cause.Policy] = t
	}
	t.Add(over.By(c.role), 1)
	desire := w.out.Policies[c.cause.Policy]
	desire.Withheld = append(desire.Withheld, username)
	w.out.Policies[c.cause.Policy] = desire
}
