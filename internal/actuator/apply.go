package actuator

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// errNotEffective says that Airflow accepted a write and stored something else.
var errNotEffective = errors.New("Airflow accepted the write, and a reading afterwards shows that it took no effect")

// errRepeated says that a step took effect and was needed again, as often as a pass may take it.
var errRepeated = errors.New("the role was made and deleted again and again")

// errTwins says that a name does not tell who is meant.
var errTwins = errors.New("Airflow has several users whose names differ only in case: remove or rename all but one")

// failure is a step that did not take effect.
type failure struct {
	step access.Step
	err  error
}

// blocked is what failed in this pass, so that steps that build on it are left alone.
type blocked struct {
	roles map[string]bool // the role itself could not be written
	gains map[string]bool // the role must not hold more: somebody could not be taken off it, or Airflow refuses to store more
	users map[string]bool
}

func stepKey(s access.Step) string {
	return string(s.Kind) + "\x00" + s.Role + "\x00" + s.Username + "\x00" + strings.Join(s.Roles, "\x00")
}

// next gives steps of the first phase that has any to take. Steps inside a phase do not depend on each other.
func (p *pass) next(plan access.Plan) []access.Step {
	p.guard.Lock()
	defer p.guard.Unlock()
	left := leaving(plan)
	waits := map[string]bool{} // roles that somebody should have left in an earlier phase, and could not
	for _, phase := range plan.Phases {
		var steps []access.Step
		for _, step := range phase {
			if step.Kind == access.StepDeleteRole && left[step.Role] || waits[step.Role] {
				continue
			}
			if p.tries[stepKey(step)] < maxTries && p.open(step) {
				steps = append(steps, step)
			}
		}
		if len(steps) > 0 {
			return steps
		}
		for _, step := range phase {
			for _, role := range leaves(step) {
				waits[role] = true
			}
		}
	}
	return nil
}

// leaves are the roles that a user leaves because of others that give the access.
func leaves(step access.Step) []string {
	if step.Kind == access.StepRemoveReplaced {
		return step.Roles
	}
	return step.Replaced
}

// leaving are the roles that somebody still has to leave for another one: deleting such a role would take the access away.
func leaving(plan access.Plan) map[string]bool {
	left := map[string]bool{}
	for _, phase := range plan.Phases {
		for _, step := range phase {
			for _, role := range step.Replaced {
				left[role] = true
			}
		}
	}
	return left
}

// open says whether nothing that failed before stands in the way of a step.
func (p *pass) open(s access.Step) bool {
	if p.unstored != nil && gives([]access.Step{s}) {
		return false
	}
	switch s.Kind {
	case access.StepRemoveMember, access.StepCreateRole, access.StepWidenRole, access.StepNarrowRole, access.StepReplaceRole,
		access.StepDeleteRole:
		return true
	case access.StepSwapMember:
		return !p.blocked.users[text.Fold(s.Username)] && p.exist(s.Roles) && p.complete(s.Roles)
	case access.StepAddMember:
		return !p.blocked.users[text.Fold(s.Username)] && p.exist(s.Roles)
	case access.StepRemoveReplaced:
		return !p.blocked.users[text.Fold(s.Username)]
	}
	return false
}

// exist says whether roles are stored and none of them failed.
func (p *pass) exist(roles []string) bool {
	for _, name := range roles {
		if _, ok := p.snap.roles[name]; !ok || p.blocked.roles[name] {
			return false
		}
	}
	return true
}

// complete says whether roles that get nothing more now hold all that they should: nobody leaves another one for less.
func (p *pass) complete(roles []string) bool {
	return !slices.ContainsFunc(roles, func(name string) bool {
		return p.blocked.gains[name] && !p.covers(p.snap.roles[name], p.desired.Roles[name].Permissions)
	})
}

func (p *pass) fail(step access.Step, err error) {
	key := stepKey(step)
	if airflow.IsForbidden(err) {
		p.tries[key] = maxTries // the same answer would come again
	} else if p.tries[key]++; p.tries[key] < maxTries {
		return
	}
	p.failures = append(p.failures, failure{step: step, err: err})
	if p.blocked.roles == nil {
		p.blocked = blocked{roles: map[string]bool{}, gains: map[string]bool{}, users: map[string]bool{}}
	}
	if step.Role != "" {
		p.blocked.roles[step.Role] = true
		if step.Kind == access.StepReplaceRole {
			p.blocked.gains[step.Role] = true
		}
		return
	}
	p.blocked.users[text.Fold(step.Username)] = true
	if step.Kind == access.StepRemoveMember {
		for _, name := range step.Roles {
			p.blocked.gains[name] = true
		}
	}
}

// repeated notes that a role was made or deleted. What is made and deleted by turns is left to the next pass: whatever the
// cause is, Airflow must not be written to without end.
func (p *pass) repeated(step access.Step) {
	if step.Kind != access.StepCreateRole && step.Kind != access.StepDeleteRole {
		return
	}
	key := stepKey(step)
	if p.repeats[key]++; p.repeats[key] >= maxRepeats {
		p.giveUp(step, errRepeated)
	}
}

// giveUp leaves a step to the next pass.
func (p *pass) giveUp(step access.Step, err error) {
	p.tries[stepKey(step)] = maxTries - 1
	p.fail(step, err)
}

// gives says whether steps make or give anything: only those need the inventory to be stored before. Taking away never
// waits for Kubernetes.
func gives(steps []access.Step) bool {
	if len(steps) == 0 {
		return false
	}
	switch steps[0].Kind {
	case access.StepCreateRole, access.StepWidenRole, access.StepReplaceRole, access.StepAddMember, access.StepSwapMember:
		return true
	case access.StepRemoveMember, access.StepRemoveReplaced, access.StepNarrowRole, access.StepDeleteRole:
	}
	return false
}

// found says whether the inventory has entries that are not stored yet, although no step makes their roles: those that
// are only looked at before they are adopted, those of a lost inventory, and those that were let go of or retired.
func (p *pass) found() bool {
	known := p.inventory
	if p.isSaved {
		known = p.stored
	}
	return slices.ContainsFunc(p.desired.Inventory, func(entry v1alpha1.ManagedRole) bool {
		return !slices.Contains(known, entry)
	})
}

// store saves the inventory before the first write that needs it.
func (p *pass) store(ctx context.Context) error {
	if p.isSaved && slices.Equal(p.stored, p.desired.Inventory) {
		return nil
	}
	if !p.isSaved && slices.Equal(p.inventory, p.desired.Inventory) {
		return nil
	}
	if err := p.source.StoreInventory(ctx, p.desired.Inventory, p.desired.Held); err != nil {
		if apierrors.IsConflict(err) {
			p.loaded = false // somebody else wrote the status: what it holds now counts
		}
		return err
	}
	p.stored, p.isSaved = p.desired.Inventory, true
	return nil
}

// apply takes the steps of one phase until all are taken or something else is more urgent, and reads back what they
// wrote.
func (p *pass) apply(ctx context.Context, steps []access.Step) error {
	if steps[0].Username != "" {
		return p.applyMembers(ctx, steps)
	}
	return p.applyRoles(ctx, steps)
}

// fatal says whether an error ends the pass: the server, the account or the network is the cause, not the step.
func fatal(err error) bool {
	return asked(err) || airflow.IsUnauthorized(err) || airflow.IsForbidden(err) ||
		airflow.IsNotAirflow(err) || airflow.IsTLS(err) || airflow.IsBlockedAddress(err) || airflow.IsCanceled(err) ||
		errors.Is(err, context.Canceled)
}

// asked says whether the server asked to be left alone for a while.
func asked(err error) bool {
	_, wait := airflow.RetryAfter(err)
	return wait || airflow.IsThrottled(err)
}

// ofOne says whether an error may concern one person although it looks like one of the server: a proxy may refuse one path.
func ofOne(err error) bool {
	return (airflow.IsForbidden(err) || airflow.IsNotAirflow(err)) && !asked(err)
}

// ofName says whether an error is about a name alone, which no server can be asked for.
func ofName(err error) bool { return airflow.IsInvalid(err) || errors.Is(err, errTwins) }

// trouble is an error that a person met and that others may meet, too: nothing was left out because of it, and it is for
// the instance to say. Names that cannot be asked for say nothing about the server.
func (p *pass) trouble() error {
	for _, name := range slices.Sorted(maps.Keys(p.unread)) {
		if err := p.unread[name]; !ofName(err) {
			return err
		}
	}
	for _, f := range p.failures {
		if fatal(f.err) {
			return f.err
		}
	}
	return nil
}

// result is what became of one write.
type result struct {
	step    access.Step
	begun   bool
	written bool
	err     error
}
