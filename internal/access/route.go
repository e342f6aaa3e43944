package access

import (
	"slices"
	"strconv"
	"strings"

	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/privilege"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// slot is when a user's roles change, in relation to the permissions of roles.
type slot int

const (
	beforeWidening slot = iota
	beforeNarrowing
	atLast
	slots
)

const bridgePrefix = "oam.bridge~"

// isBridge says whether a role is named like a bridge.
func isBridge(role string) bool { return strings.HasPrefix(role, bridgePrefix) }

// bridge is a short-lived role that holds exactly what some users have, while the roles that they are in change.
type bridge struct {
	role        string
	permissions []permission.Pair
}

// route is how every user gets from where they are to where they should be.
type route struct {
	aim     *aim
	slots   map[string]slot   // user -> when the roles change
	bridged map[string]string // user -> bridge role
	bridges []bridge          // by name

	changes map[string]change
	rights  map[rightsKey]*privilege.Rights
	steps   map[string]crossing // group -> decision
}

type rightsKey struct {
	role  string
	which int
}

const (
	asObserved = iota
	asDesired
	atLeast // what a role has while it is replaced, whatever the order: both
	atMost  // and either
)

// crossing is the decision for all users with the same roles.
type crossing struct {
	when   slot
	bridge bool
}

// newRoute decides when the roles of each user change. See the package documentation for the reasons.
func newRoute(in Input, d Desired) *route {
	a := newAim(&in, &d)
	r := &route{
		aim: a, slots: map[string]slot{}, bridged: map[string]string{},
		changes: make(map[string]change, len(a.roles)), rights: map[rightsKey]*privilege.Rights{}, steps: map[string]crossing{},
	}
	for name, role := range a.roles {
		r.changes[name] = role.change()
	}
	bridges := map[string][]permission.Pair{}
	for i := range a.users {
		u := &a.users[i]
		step := r.cross(u)
		r.slots[u.name] = step.when
		if step.bridge {
			ps := r.union(without(u.have, r.steady(u)))
			name := r.bridgeFor(bridgeName(string(in.Instance.UID), d.Members[u.name], ps), ps)
			bridges[name] = ps
			r.bridged[u.name] = name
		}
	}
	for name, ps := range bridges {
		r.bridges = append(r.bridges, bridge{name, ps})
	}
	slices.SortFunc(r.bridges, func(x, y bridge) int { return strings.Compare(x.role, y.role) })
	return r
}

// bridgeName is a hash over what a bridge holds and the roles that its users should have, so that a bridge is known to
// be out of date when one of these ends.
func bridgeName(instanceUID string, wanted []string, ps []permission.Pair) string {
	parts := append([]string{instanceUID, strconv.Itoa(len(wanted))}, wanted...)
	for _, p := range ps {
		parts = append(parts, p.Action, p.Resource)
	}
	return bridgePrefix + text.Digest(parts...)
}

// bridgeFor is a bridge that holds what it should, or can be made to: others may have written to one that is there.
func (r *route) bridgeFor(base string, ps []permission.Pair) string {
	name := base
	for n := 1; r.aim.in.adds() && !permission.Contains(ps, r.aim.in.canonical(r.aim.in.Observed.Roles[name])); n++ {
		name = rolename.Successor(base, n)
	}
	return name
}

// steady are the roles that a user has and keeps as they are; they are left in place beside a bridge, also because a
// frozen role could not be given back.
func (r *route) steady(u *userAim) []string {
	var out []string
	for _, role := range u.have {
		if r.changes[role] == unchanged && slices.Contains(u.want, role) {
			out = append(out, role)
		}
	}
	return out
}

// union is what roles hold as observed.
func (r *route) union(roles []string) []permission.Pair {
	var out []permission.Pair
	for _, role := range roles {
		out = permission.Union(out, r.aim.roles[role].have)
	}
	return out
}

// cross decides for one user. One change that concerns a user is atomic; only several can meet half way.
func (r *route) cross(u *userAim) crossing {
	moves := !slices.Equal(u.have, u.want)
	count, same := 0, true
	first := unchanged
	for _, role := range u.have {
		if c := r.changes[role]; c != unchanged {
			if count == 0 {
				first = c
			}
			count, same = count+1, same && c == first
		}
	}
	switch {
	case count == 0, count == 1 && !moves, count > 1 && !moves && same && first != replaces:
		return crossing{when: atLast}
	}
	key := strings.Join(u.foreign, "\n") + "\n\n" + strings.Join(u.have, "\n") + "\n\n" + strings.Join(u.want, "\n")
	step, known := r.steps[key]
	if !known {
		step = r.decide(u, moves)
		r.steps[key] = step
	}
	return step
}

// decide tries the slots for users who are concerned by more than one change.
func (r *route) decide(u *userAim, moves bool) crossing {
	t := r.newTrial(u)
	for when := range slots {
		if t.safe(when) {
			return crossing{when: when}
		}
		if !moves {
			break
		}
	}
	return crossing{when: atLast, bridge: true}
}

// rightsIn gives the rights of one role in one state.
func (r *route) rightsIn(role string, which int) *privilege.Rights {
	key := rightsKey{role, which}
	if got := r.rights[key]; got != nil {
		return got
	}
	var ps []permission.Pair
	switch m := r.aim.roles[role]; {
	case m == nil:
		ps = r.aim.in.Observed.Roles[role]
	case which == asObserved && !m.create:
		ps = m.have
	case which == atLeast:
		ps = permission.Intersect(m.have, m.want)
	case which == atMost:
		ps = permission.Union(m.have, m.want)
	default:
		ps = m.want
	}
	got := privilege.RightsOf(ps)
	r.rights[key] = got
	return got
}

// trial walks one user's permission set through the phases.
type trial struct {
	r             *route
	u             *userAim
	on            map[string]bool // the DAGs that have to be looked at
	before, after privilege.Reach
}

func (r *route) newTrial(u *userAim) *trial {
	t := &trial{r: r, u: u, on: map[string]bool{}}
	globals := false
	for _, role := range slices.Concat(u.have, u.want) {
		have, want := r.rightsIn(role, asObserved), r.rightsIn(role, asDesired)
		differs := slices.Contains(u.have, role) != slices.Contains(u.want, role)
		for id := range have.Dags {
			if differs || have.Dags[id] != want.Dags[id] {
				t.on[id] = true
			}
		}
		for id := range want.Dags {
			if differs || have.Dags[id] != want.Dags[id] {
				t.on[id] = true
			}
		}
		globals = globals || differs || !sameKeys(have.Global, want.Global)
	}
	if globals {
		for _, role := range slices.Concat(u.foreign, u.have, u.want) {
			for id := range r.rightsIn(role, asObserved).Dags {
				t.on[id] = true
			}
		}
	}
	t.before = t.at(u.have, func(string) int { return asObserved })
	t.after = t.at(u.want, func(string) int { return asDesired })
	return t
}

// at is what the user can do with these roles in these states.
func (t *trial) at(roles []string, state func(role string) int) privilege.Reach {
	flat := privilege.NewRights()
	for _, role := range t.u.foreign {
		part := t.r.rightsIn(role, asObserved)
		flat.Join(part, t.on)
		flat.Some |= part.Some
	}
	for _, role := range roles {
		which := state(role)
		part := t.r.rightsIn(role, which)
		flat.Join(part, t.on)
		some := part.Some
		if which == atLeast {
			// Some DAG can be read or edited all the time, although it need not be the same one.
			some = t.r.rightsIn(role, asObserved).Some & t.r.rightsIn(role, asDesired).Some
		}
		flat.Some |= some
	}
	return privilege.ReachOf(t.r.aim.in.Capabilities.PermissionModel, flat, t.on)
}

// safe says whether the user never can do more than before or after, and always at least what is allowed both before
// and after, when the roles are changed in this slot. Widening and narrowing pass between two checked points one way;
// replacing is bounded by the least and the most of every role.
func (t *trial) safe(when slot) bool {
	state := func(done change, replacing int) func(string) int {
		return func(role string) int {
			switch c := t.r.changes[role]; {
			case c == replaces && replacing >= 0:
				return replacing
			case c != unchanged && c <= done:
				return asDesired
			}
			return asObserved
		}
	}
	roles := t.u.have
	ok := true
	check := func(done change, replacing int, less, more bool) {
		e := t.at(roles, state(done, replacing))
		ok = ok && (!more || e.Within(t.before, t.after)) && (!less || e.Covers(t.before, t.after))
	}
	move := func(now slot) {
		if when == now {
			roles = t.u.want
		}
	}
	move(beforeWidening)
	check(unchanged, -1, true, true)
	check(widens, -1, true, true)
	check(widens, atLeast, true, false)
	check(widens, atMost, false, true)
	check(replaces, -1, true, true)
	move(beforeNarrowing)
	check(replaces, -1, true, true)
	check(narrows, -1, true, true)
	move(atLast)
	return ok
}

func sameKeys(a, b map[permission.Pair]bool) bool {
	if len(a) != len(b) {
		return false
	}
	for p := range a {
		if !b[p] {
			return false
		}
	}
	return true
}
