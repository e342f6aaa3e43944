package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/internal/access"

	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// NewPlan gives the steps from what is observed to what is desired. The package documentation says why they are in this
// order.
func New(in access.Input, d access.Desired) access.Plan {
	b := &builder{order: newOrder(newAim(&in, &d)), in: &in, d: &d}
	b.ended = findEnded(&in, &d, b.aim.users)
	phases := [][]access.Step{
		b.creations(rolename.IsClaim),
		b.removals(),
		b.creations(carries),
		b.widenings(false), b.moves(beforeWidening), b.widenings(true),
		b.moves(beforeNarrowing), b.replacements(), b.narrowings(), b.moves(afterNarrowing),
		b.deletions(),
	}
	plan := access.Plan{Drift: b.aim.drift}
	for _, steps := range phases {
		if len(steps) > 0 {
			plan.Phases = append(plan.Phases, steps)
		}
	}
	b.markRepaired(&plan)
	return plan
}

// builder writes the changes down as steps.
type builder struct {
	*order
	in    *access.Input
	d     *access.Desired
	ended map[string][]access.Cause // MemberKey -> grants that gave it and ended
}

// removals take roles without a cause off users.
func (b *builder) removals() []access.Step {
	var steps []access.Step
	for _, u := range b.aim.users {
		if len(u.gone) == 0 {
			continue
		}
		step := access.Step{Kind: access.StepRemoveMember, Username: u.name, Roles: u.gone}
		for _, role := range u.gone {
			step.Ended = append(step.Ended, b.ended[access.MemberKey(u.name, role)]...)
		}
		step.Ended = access.SortCauses(step.Ended)
		step.Repair = firstKey(u.name, u.gone, b.drifted)
		steps = append(steps, step)
	}
	return steps
}

// carries reports whether a role is one that can carry access.
func carries(role string) bool { return !rolename.IsClaim(role) }

// creations make missing roles of one kind, which no user has yet.
func (b *builder) creations(which func(role string) bool) []access.Step {
	var steps []access.Step
	for _, name := range b.aim.names() {
		role := b.aim.roles[name]
		if !role.create {
			continue
		}
		if !which(name) {
			continue
		}
		desired := b.d.Roles[name]
		step := access.Step{
			Kind: access.StepCreateRole, Role: name, Permissions: b.wide[name], Policy: desired.Policy, RoleKind: desired.Kind, Follows: desired.Follows,
		}
		if step.Follows != "" {
			step.Lost = permission.Minus(b.in.Canonical(b.in.Observed.Roles[step.Follows]), role.want)
		}
		if step.Repair = b.driftOf(name); b.aim.lost.roles[name] {
			step.Repair = access.RoleKey(name)
		}
		steps = append(steps, step)
	}
	return steps
}

// widenings give roles what they lack: those that a user leaves before that, or the others.
func (b *builder) widenings(left bool) []access.Step {
	var steps []access.Step
	for _, name := range b.aim.names() {
		role := b.aim.roles[name]
		if b.left[name] != left || role.create {
			continue
		}
		if !permission.Contains(role.have, b.wide[name]) {
			steps = append(steps, b.edit(access.StepWidenRole, name, role.have, b.wide[name]))
		}
	}
	return steps
}

// replacements change roles that gain and lose in one write, where no user has to have both for a moment.
func (b *builder) replacements() []access.Step {
	var steps []access.Step
	for _, name := range b.aim.names() {
		if role := b.aim.roles[name]; !permission.Contains(b.wide[name], role.want) {
			steps = append(steps, b.edit(access.StepReplaceRole, name, role.have, role.want))
		}
	}
	return steps
}

// narrowings take from roles what they should not have.
func (b *builder) narrowings() []access.Step {
	var steps []access.Step
	for _, name := range b.aim.names() {
		role := b.aim.roles[name]
		wide := b.wide[name]
		if !permission.Contains(wide, role.want) {
			continue // it is replaced
		}
		if !permission.Contains(role.want, wide) {
			steps = append(steps, b.edit(access.StepNarrowRole, name, wide, role.want))
		}
	}
	return steps
}

// edit changes the permissions of an existing role.
func (b *builder) edit(kind access.StepKind, name string, from, to []permission.Pair) access.Step {
	step := access.Step{
		Kind: kind, Role: name, Permissions: to, Gained: permission.Minus(to, from), Lost: permission.Minus(from, to),
		Policy: b.d.Roles[name].Policy, RoleKind: b.d.Roles[name].Kind,
	}
	step.Repair = b.driftOf(name)
	return step
}

// moves change the managed roles of users.
func (b *builder) moves(at moment) []access.Step {
	var steps []access.Step
	for i := range b.aim.users {
		u := &b.aim.users[i]
		if b.when(u) != at {
			continue
		}
		if step, needed := b.move(u.name, u.have, u.want); needed {
			steps = append(steps, step)
		}
	}
	return steps
}

func (b *builder) move(username string, from, to []string) (access.Step, bool) {
	given, taken := text.Without(to, from), text.Without(from, to)
	step := access.Step{Username: username, Roles: given}
	switch {
	case len(given)+len(taken) == 0:
		return access.Step{}, false
	case len(taken) == 0:
		step.Kind = access.StepAddMember
	case len(given) == 0:
		step.Kind, step.Roles = access.StepRemoveReplaced, taken
	default:
		step.Kind, step.Replaced = access.StepSwapMember, taken
	}
	served := given
	if step.Kind == access.StepRemoveReplaced {
		served = b.heirs(taken, to)
	}
	for _, role := range served {
		step.For = append(step.For, b.d.Members.Causes(username, role)...)
	}
	step.For = access.SortCauses(step.For)
	step.Repair = firstKey(username, given, func(key string) bool { return b.aim.lost.members[key] })
	return step, true
}

// firstKey is the first membership (Drift.Key) of a user in some roles of which something is so.
func firstKey(username string, roles []string, so func(key string) bool) string {
	for _, role := range roles {
		if key := access.MemberKey(username, role); so(key) {
			return key
		}
	}
	return ""
}

// heirs are those of some roles that carry the same policies as the ones that a user leaves.
func (b *builder) heirs(left, roles []string) []string {
	policies := map[string]bool{}
	for _, entry := range b.d.Inventory {
		if slices.Contains(left, entry.Name) {
			policies[entry.Policy] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(roles), func(role string) bool { return !policies[b.d.Roles[role].Policy.String()] })
}

// deletions delete roles that nobody holds any more.
func (b *builder) deletions() []access.Step {
	var names []string
	for _, name := range b.aim.names() {
		if b.aim.roles[name].drop {
			names = append(names, name)
		}
	}
	heirs := map[rolename.Line]string{}
	for name := range b.d.Roles {
		line, _, ok := rolename.Succession(name)
		if !ok {
			continue
		}
		if before, known := heirs[line]; !known || rolename.CompareNewest(name, before) < 0 {
			heirs[line] = name
		}
	}
	var steps []access.Step
	for _, name := range names {
		steps = append(steps, access.Step{
			Kind: access.StepDeleteRole, Role: name, Lost: b.aim.roles[name].have, Successor: heirs[rolename.LineOf(name)],
		})
	}
	return steps
}

func (b *builder) drifted(key string) bool {
	_, found := slices.BinarySearchFunc(b.aim.drift, key, func(d access.Drift, key string) int { return strings.Compare(d.Key, key) })
	return found
}

// driftOf is the key of the first drift of a role that is not contested; empty where there is none.
func (b *builder) driftOf(role string) string {
	for _, d := range b.aim.drift {
		if ofRole(d) && access.RoleKey(d.Role) == access.RoleKey(role) && !b.in.Contested[d.Key] {
			return d.Key
		}
	}
	return ""
}

// ofRole reports whether a drift is of a role, or of its rights on a DAG, and not of a user.
func ofRole(d access.Drift) bool { return d.Username == "" }

// findEnded finds for every membership that goes (MemberKey) the grants that gave it and ended.
func findEnded(in *access.Input, d *access.Desired, users []userAim) map[string][]access.Cause {
	ended, going := map[string][]access.Cause{}, map[string]bool{}
	for i := range users {
		if len(users[i].gone) > 0 {
			going[users[i].name] = true
		}
	}
	if len(going) == 0 {
		return ended
	}
	objects, people := newObjects(in), access.NewPersons(in.Observed.Users)
	for _, g := range in.Grants {
		pinned := unproved(in, d, g)
		if pinned == nil {
			continue
		}
		holders := slices.DeleteFunc(slices.Clone(people.Of(pinned)), func(name string) bool { return !going[name] })
		if len(holders) == 0 {
			continue
		}
		cause := access.Granted(g)
		for _, role := range objects.carriers(cause) {
			for _, username := range holders {
				key := access.MemberKey(username, role)
				ended[key] = append(ended[key], cause)
			}
		}
	}
	return ended
}

// markRepaired says which drifts the steps undo.
func (b *builder) markRepaired(plan *access.Plan) {
	repaired := map[string]bool{}
	for _, step := range slices.Concat(plan.Phases...) {
		if !step.Kind.OnUser() {
			repaired[access.RoleKey(step.Role)] = true
			continue
		}
		for _, role := range slices.Concat(step.Roles, step.Replaced) {
			repaired[access.MemberKey(step.Username, role)] = true
		}
	}
	plan.Drift = slices.Clone(plan.Drift)
	for i := range plan.Drift {
		drift := &plan.Drift[i]
		key := drift.Key
		if ofRole(*drift) {
			key = access.RoleKey(drift.Role)
		}
		if repaired[key] {
			drift.Repaired = !b.leftOut(*drift)
		}
	}
}

// leftOut says whether a drift took something away that the plan does not give back.
func (b *builder) leftOut(drift access.Drift) bool {
	if !ofRole(drift) {
		return b.aim.lost.members[drift.Key] && b.in.LeavesOut(drift.Key)
	}
	heir := cmp.Or(drift.Successor, drift.Role)
	taken := b.aim.lost.roles[heir] || len(b.aim.lost.pairs[heir]) > 0
	return taken && (b.in.LeavesOut(drift.Key) || b.in.Contested[access.RoleKey(drift.Role)])
}
