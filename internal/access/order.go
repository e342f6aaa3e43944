package access

import "slices"

// order decides when the changes of a plan take place, so that no user who retains access loses it between two steps.
//
// Roles are widened before users move and narrowed after that. Until a user has moved, the roles that the user leaves hold
// at least what they held; from then on, the roles that the user has hold at least what they should. There is never a
// moment with less than both.
type order struct {
	aim *aim
	// changes are what happens to the permissions of existing roles.
	changes map[string]change
	// shared are roles that gain and lose and may not do both in one write: they are widened to the union of both first.
	shared map[string]bool
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
	o := &order{aim: a, changes: make(map[string]change, len(a.roles)), shared: map[string]bool{}, left: map[string]bool{}}
	for name, role := range a.roles {
		o.changes[name] = role.change()
	}
	for i := range a.users {
		u := &a.users[i]
		for _, role := range u.have {
			if o.mustLeave(u, role) {
				o.left[role] = true
			}
		}
		for _, role := range o.together(u) {
			o.shared[role] = true
		}
	}
	return o
}

// mustLeave says whether a user leaves a role that gains permissions.
func (o *order) mustLeave(u *userAim, role string) bool {
	change := o.changes[role]
	return (change == widens || change == replaces) && !slices.Contains(u.want, role)
}

// when says when the roles of a user change.
func (o *order) when(u *userAim) moment {
	loses := false
	for _, role := range u.have {
		if o.mustLeave(u, role) {
			return beforeWidening
		}
		loses = loses || o.changes[role] == replaces || o.changes[role] == narrows
	}
	if loses {
		return beforeNarrowing
	}
	return afterNarrowing
}

// together are the roles that gain and lose and must have both for a moment, because of one user: where the user leaves a
// role, joins such a role, or has several of them, one could lose what another one has yet to gain. A user who only joins
// other roles does so before, and has all of them when such a role is replaced in one write.
func (o *order) together(u *userAim) []string {
	if o.when(u) == afterNarrowing {
		return nil
	}
	var replaced []string
	for _, role := range sortedSet(slices.Concat(u.have, u.want)) {
		if o.changes[role] == replaces {
			replaced = append(replaced, role)
		}
	}
	if len(replaced) == 1 && slices.Contains(u.have, replaced[0]) && subset(u.have, u.want) {
		return nil
	}
	return replaced
}
