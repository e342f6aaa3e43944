package plan

import (
	"slices"

	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// order decides when the changes of a plan take place, so that no user who retains access loses it between two steps.
//
// Roles are widened before users move and narrowed after that. Until a user has moved, the roles that the user leaves hold
// at least what they held; from then on, the roles that the user has hold at least what they should. There is never a
// moment with less than both.
type order struct {
	aim *aim
	// wide is what each role holds from its creation or widening until its narrowing: what it held and what it should hold.
	// Roles that are replaced in one write hold what they held.
	wide map[string][]permission.Pair
	// left are roles that gain permissions and that a user leaves for another one: a holder of a pinned, narrower grant
	// whose policy is widened. They gain nothing before that user has left.
	left map[string]bool
}

// moment is when the roles of a user change, in relation to the permissions of roles.
type moment int

const (
	// beforeWidening: the user leaves a role that gains permissions, which the user must not get.
	beforeWidening moment = iota
	// beforeNarrowing: the user has a role that loses permissions, which the user may have by another role.
	beforeNarrowing
	// afterNarrowing: no role of the user loses anything, so that the user can wait until all roles hold what they should,
	// and does not join one that holds more.
	afterNarrowing
)

func newOrder(a *aim) *order {
	o := &order{aim: a, wide: make(map[string][]permission.Pair, len(a.roles)), left: map[string]bool{}}
	shared := map[string]bool{}
	for i := range a.users {
		for _, role := range o.together(&a.users[i]) {
			shared[role] = true
		}
	}
	for name, role := range a.roles {
		switch {
		case !role.change.loses():
			o.wide[name] = role.want
		case shared[name]:
			o.wide[name] = permission.Union(role.have, role.want)
		default:
			o.wide[name] = role.have
		}
	}
	for i := range a.users {
		u := &a.users[i]
		for _, role := range u.have {
			if o.mustLeave(u, role) {
				o.left[role] = true
				o.takeAlong(u, role)
			}
		}
	}
	return o
}

// takeAlong lets the created role to which a grant moves hold for a moment all that the role which it leaves holds: that
// may come to the user by a third role, which is widened later, since another user has to leave it first.
func (o *order) takeAlong(u *userAim, left string) {
	if o.aim.in.OnlyAdds() {
		return // a role that loses permissions is not widened there, so that nothing is left behind
	}
	for _, role := range u.want {
		if o.aim.roles[role].create && o.aim.d.Roles[role].Policy == o.aim.d.Roles[left].Policy {
			o.wide[role] = permission.Union(o.wide[role], o.aim.roles[left].have)
		}
	}
}

// mustLeave says whether a user leaves a role that gains permissions.
func (o *order) mustLeave(u *userAim, role string) bool {
	return o.aim.roles[role].change.gains() && !slices.Contains(u.want, role)
}

// when says when the roles of a user change.
func (o *order) when(u *userAim) moment {
	when := afterNarrowing
	for _, role := range u.have {
		if o.mustLeave(u, role) {
			return beforeWidening
		}
		if o.aim.roles[role].change.loses() {
			when = beforeNarrowing
		}
	}
	return when
}

// together are the roles that gain and lose and must have both for a moment, because of one user: where the user leaves a
// role, joins such a role, or has several of them, one could lose what another one has yet to gain. A user who only joins
// other roles does so before, and has all of them when such a role is replaced in one write.
func (o *order) together(u *userAim) []string {
	if o.when(u) == afterNarrowing {
		return nil
	}
	var replaced []string
	for _, role := range text.SortedSet(slices.Concat(u.have, u.want)) {
		if o.aim.roles[role].change == replaces {
			replaced = append(replaced, role)
		}
	}
	leaves, joins := text.Without(u.have, u.want), text.Without(replaced, u.have)
	if len(replaced) == 1 && len(leaves)+len(joins) == 0 {
		return nil
	}
	return replaced
}
