package access

import (
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/privilege"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// origin is where a role comes from, as a policy sees it.
func (d *Desired) Origin(role string, policy types.NamespacedName) privilege.Origin {
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
func NewTally(server permission.Server, d *Desired, policy types.NamespacedName) *privilege.Tally {
	return privilege.NewTally(server, func(role string) privilege.Origin { return d.Origin(role, policy) })
}

// Holdings are the roles of users in the end: managed ones as desired, foreign ones as observed.
type Holdings struct {
	in      *Input
	d       *Desired
	managed map[string]bool
	cached  map[string]*privilege.Rights
}

// NewHoldings prepares the roles of users for a desired state.
func NewHoldings(in *Input, d *Desired) *Holdings {
	h := &Holdings{in: in, d: d, managed: make(map[string]bool, len(d.Roles)+len(d.Doomed)), cached: map[string]*privilege.Rights{}}
	for name := range d.Roles {
		h.managed[name] = rolename.Manageable(name)
	}
	for _, name := range d.Doomed {
		h.managed[name] = rolename.Manageable(name)
	}
	return h
}

// rights are what a role holds in the end.
func (h *Holdings) Rights(role string) *privilege.Rights {
	r := h.cached[role]
	if r != nil {
		return r
	}
	desired, managed := h.d.Roles[role]
	if h.managed[role] && managed && desired.Giving.All() {
		r = privilege.RightsOf(desired.Permissions)
	} else {
		r = privilege.RightsOf(h.in.Observed.Roles[role])
	}
	h.cached[role] = r
	return r
}

// foreign are the roles of a user that are not ours, sorted.
func (h *Holdings) Foreign(u *User) []string {
	var out []string
	for _, role := range u.Roles {
		if !h.managed[role] {
			out = append(out, role)
		}
	}
	return text.SortedSet(out)
}

// gives says whether a role will be with a user who should have it: while nothing is granted, only those who have it keep it.
func (h *Holdings) Gives(u *User, role string) bool {
	desired, managed := h.d.Roles[role]
	return managed && h.managed[role] && (desired.Giving.All() || slices.Contains(u.Roles, role))
}
