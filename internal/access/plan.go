package access

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// NewPlan gives the steps from what is observed to what is desired. The package documentation says why they are in this
// order.
func NewPlan(in Input, d Desired) Plan { return newRoute(in, d).plan(&in, &d) }

func (r *route) plan(in *Input, d *Desired) Plan {
	b := &builder{route: r, in: in, d: d}
	b.whyEnded()
	phases := [][]Step{
		b.removals(), b.creations(),
		b.moves(beforeWidening), b.edits(widens), b.edits(replaces),
		b.moves(beforeNarrowing), b.edits(narrows),
		b.moves(atLast), b.deletions(),
	}
	plan := Plan{Drift: b.aim.drift}
	for _, steps := range phases {
		if len(steps) > 0 {
			plan.Phases = append(plan.Phases, steps)
		}
	}
	b.markRepaired(&plan)
	return plan
}

// ObservePlan gives the plan that an instance would have if its mode were Enforce. Roles that would be taken over are
// in it as if their first pass, which only reports, were over.
func ObservePlan(in Input) Plan {
	enforced := *in.Instance
	enforced.Spec.Mode = v1alpha1.ModeEnforce
	in.Instance = &enforced
	desired, plan := Decide(in)
	stored := len(enforced.Status.ManagedRoles)
	for _, entry := range desired.Inventory {
		known := slices.ContainsFunc(enforced.Status.ManagedRoles, func(e v1alpha1.ManagedRole) bool { return e.Name == entry.Name })
		if entry.Adopted && !known {
			enforced.Status.ManagedRoles = append(slices.Clip(enforced.Status.ManagedRoles), entry)
		}
	}
	if len(enforced.Status.ManagedRoles) > stored {
		_, plan = Decide(in)
	}
	return plan
}

// builder writes a route down as steps.
type builder struct {
	*route
	in    *Input
	d     *Desired
	ended map[string]string // MemberKey -> why a grant that gave it ended
}

// removals take roles without a cause off users.
func (b *builder) removals() []Step {
	var steps []Step
	for _, u := range b.aim.users {
		if len(u.gone) == 0 {
			continue
		}
		step := Step{Kind: StepRemoveMember, Username: u.name, Roles: u.gone, Why: "nothing gives this access"}
		for _, role := range u.gone {
			if why, ended := b.ended[MemberKey(u.name, role)]; ended {
				step.Ending, step.Why = true, why
				break
			}
		}
		for _, role := range u.gone {
			if key := MemberKey(u.name, role); step.Repair == "" && b.drifted(key) {
				step.Repair = key
			}
		}
		steps = append(steps, step)
	}
	return steps
}

// creations make missing roles, which nobody holds yet, and bridges.
func (b *builder) creations() []Step {
	var steps []Step
	for _, name := range b.aim.names() {
		role := b.aim.roles[name]
		if !role.create {
			continue
		}
		step := Step{Kind: StepCreateRole, Role: name, Permissions: role.want, Why: b.purpose(name)}
		if follows := b.d.Roles[name].Follows; follows != "" {
			step.Why = whySuccessor(b.in, follows, role.want)
		}
		if key := RoleKey(name); b.aim.lost.roles[name] {
			step.Repair, step.Why = key, "the role is gone"
		} else if b.drifted(key) {
			step.Repair = key
		}
		steps = append(steps, step)
	}
	for _, bridge := range b.bridges {
		stored, exists := b.in.Observed.Roles[bridge.role]
		step := Step{Kind: StepCreateRole, Role: bridge.role, Permissions: bridge.permissions, Why: "holds access while roles change"}
		if exists {
			have := b.in.canonical(stored)
			switch {
			case slices.Equal(have, bridge.permissions):
				continue
			case permission.Contains(bridge.permissions, have):
				step.Kind = StepWidenRole
			default:
				step.Kind = StepReplaceRole
			}
		}
		steps = append(steps, step)
	}
	return steps
}

// edits change the permissions of existing roles.
func (b *builder) edits(what change) []Step {
	kinds := map[change]StepKind{widens: StepWidenRole, replaces: StepReplaceRole, narrows: StepNarrowRole}
	var steps []Step
	for _, name := range b.aim.names() {
		if b.changes[name] != what {
			continue
		}
		have, want := b.aim.roles[name].have, b.aim.roles[name].want
		step := Step{Kind: kinds[what], Role: name, Permissions: want, Gained: permission.Minus(want, have), Lost: permission.Minus(have, want), Why: b.purpose(name)}
		if key := RoleKey(name); b.drifted(key) {
			step.Repair, step.Why = key, "somebody else changed the role"
		}
		steps = append(steps, step)
	}
	return steps
}

// moves change the managed roles of users. Users with a bridge go onto it before roles change and off it at last.
func (b *builder) moves(when slot) []Step {
	var steps []Step
	for _, u := range b.aim.users {
		from, to := u.have, u.want
		bridge, bridged := b.bridged[u.name]
		switch {
		case bridged && when == beforeWidening:
			to = append(b.steady(&u), bridge)
		case bridged && when == atLast:
			from = append(b.steady(&u), bridge)
		case bridged || b.slots[u.name] != when:
			continue
		}
		if step, needed := b.move(u.name, from, to); needed {
			steps = append(steps, step)
		}
	}
	return steps
}

func (b *builder) move(username string, from, to []string) (Step, bool) {
	given, taken := without(to, from), without(from, to)
	step := Step{Username: username, Roles: given, Why: "should have this access"}
	switch {
	case len(given) == 0 && len(taken) == 0:
		return Step{}, false
	case len(taken) == 0:
		step.Kind = StepAddMember
	case len(given) == 0:
		step.Kind, step.Roles, step.Why = StepRemoveReplaced, taken, "has this access by another role"
	default:
		step.Kind, step.Replaced, step.Why = StepSwapMember, taken, "has this access by another role now"
	}
	for _, role := range given {
		if key := MemberKey(username, role); step.Repair == "" && b.aim.lost.members[key] {
			step.Repair, step.Why = key, "somebody else took this access"
		}
	}
	return step, true
}

// deletions delete roles that nobody holds any more.
func (b *builder) deletions() []Step {
	var names []string
	for _, name := range b.aim.names() {
		if b.aim.roles[name].drop {
			names = append(names, name)
		}
	}
	for _, bridge := range b.bridges {
		if b.in.deletes() {
			names = append(names, bridge.role)
		}
	}
	heirs := map[rolename.Line]string{}
	for name := range b.d.Roles {
		line, _, ok := rolename.Succession(name)
		if before, known := heirs[line]; ok && (!known || rolename.CompareNewest(name, before) < 0) {
			heirs[line] = name
		}
	}
	var steps []Step
	for _, name := range sortedSet(names) {
		step := Step{Kind: StepDeleteRole, Role: name, Why: "nothing needs the role any more"}
		if heir, ok := heirs[rolename.LineOf(name)]; ok {
			step.Why = text.Plain(heir) + " has taken its place"
		}
		steps = append(steps, step)
	}
	return steps
}

// purpose says what a role is for.
func (b *builder) purpose(name string) string {
	role := b.d.Roles[name]
	if role.Kind == v1alpha1.ManagedRoleGrant {
		return "grants under policy " + role.Policy.String()
	}
	return "policy " + role.Policy.String()
}

func (b *builder) drifted(key string) bool {
	_, found := slices.BinarySearchFunc(b.aim.drift, key, func(d Drift, key string) int { return strings.Compare(d.Key, key) })
	return found
}

// whyEnded finds for every membership that goes whether a grant that gave it ended.
func (b *builder) whyEnded() {
	b.ended = map[string]string{}
	going := map[string]bool{}
	for _, u := range b.aim.users {
		if len(u.gone) > 0 {
			going[u.name] = true
		}
	}
	if len(going) == 0 {
		return
	}
	policies := map[string]*v1alpha1.DagAccessPolicy{}
	for _, p := range b.in.Policies {
		policies[p.Namespace+"/"+p.Name] = p
	}
	people := newPersons(b.in.Observed.Users)
	for _, g := range inOrder(b.in.Grants) {
		pinned := g.In(b.in.Instance)
		if pinned == nil || g.Status.RemovedAt != nil || b.d.Grants[g.UID].Live {
			continue
		}
		holders := slices.DeleteFunc(slices.Clone(people.of(pinned)), func(name string) bool { return !going[name] })
		if len(holders) == 0 {
			continue
		}
		roles := []string{pinned.Role}
		if p := policies[g.PolicyKey().String()]; p != nil {
			roles = carriers(p, b.in.Instance, g.Status.Activation, pinned)
		}
		for _, username := range holders {
			for _, role := range roles {
				b.ended[MemberKey(username, role)] = "grant " + g.Namespace + "/" + g.Name + " ended"
			}
		}
	}
}

// markRepaired says which drifts the steps undo.
func (b *builder) markRepaired(plan *Plan) {
	repaired := map[string]bool{}
	for _, steps := range plan.Phases {
		for _, step := range steps {
			switch step.Kind {
			case StepRemoveMember, StepRemoveReplaced:
				for _, role := range step.Roles {
					repaired[MemberKey(step.Username, role)] = true
				}
			case StepAddMember, StepSwapMember:
				for _, role := range slices.Concat(step.Roles, step.Replaced) {
					repaired[MemberKey(step.Username, role)] = true
				}
			case StepCreateRole, StepWidenRole, StepReplaceRole, StepNarrowRole, StepDeleteRole:
				repaired[RoleKey(step.Role)] = true
			}
		}
	}
	plan.Drift = slices.Clone(plan.Drift)
	for i := range plan.Drift {
		drift := &plan.Drift[i]
		drift.Repaired = repaired[drift.Key] && !b.leftOut(*drift)
	}
}

// leftOut says whether a drift took something away that the plan does not give back.
func (b *builder) leftOut(drift Drift) bool {
	heir := cmp.Or(drift.Successor, drift.Role)
	taken := drift.Username == "" && (b.aim.lost.roles[heir] || len(b.aim.lost.pairs[heir]) > 0)
	return (taken || b.aim.lost.members[drift.Key]) && b.aim.withheld(drift.Key)
}

// without gives the sorted elements of a that b has not.
func without(a, b []string) []string {
	set := make(map[string]bool, len(a))
	for _, x := range a {
		set[x] = true
	}
	for _, x := range b {
		delete(set, x)
	}
	return slices.Sorted(maps.Keys(set))
}

// sortedSet sorts its argument in place and drops doubles.
func sortedSet(values []string) []string {
	slices.Sort(values)
	return slices.Compact(values)
}
