package actuator

import (
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// Limits of one pass: Airflow must not be written to without end.
const (
	// maxTries is how often a step is tried in one pass.
	maxTries = 2
	// maxRepeats is how often one role is made, or deleted, in one pass.
	maxRepeats = 3
)

// ledger records what became of the steps of one pass, and which failures stand in the way of others. Its methods may be
// called by any goroutine.
type ledger struct {
	mu sync.Mutex // guards everything below

	changes  []access.Step // carried out and read back, in that order
	failures []failure
	tries    map[string]int   // failed tries, by step key
	repeats  map[string]int   // roles made or deleted, by step key
	waited   sets.Set[string] // steps that were left to the next plan once, by key

	brokenRoles sets.Set[string] // could not be written
	brokenUsers sets.Set[string] // could not be written; by folded name
	// noGain are roles that must not store more: a user could not be removed from one, or Airflow refuses to store more.
	noGain sets.Set[string]

	writing    sets.Set[string] // users whose write is under way, by folded name
	rolesMoved bool             // Airflow answered that a role of a user is not there: the role list is old
}

// refused are the causes of errors that say that a write is not allowed.
var refused = sets.New(airflow.CauseForbidden, airflow.CauseProxy)

// failure is a step that did not take effect.
type failure struct {
	step access.Step
	err  error
}

// newLedger makes the ledger of a new pass: what failed before is tried again.
func newLedger() *ledger {
	return &ledger{
		tries: map[string]int{}, repeats: map[string]int{}, waited: sets.New[string](),
		brokenRoles: sets.New[string](), brokenUsers: sets.New[string](), noGain: sets.New[string](), writing: sets.New[string](),
	}
}

// stepKey identifies a step in the plans of one pass.
func stepKey(s access.Step) string {
	return string(s.Kind) + "\x00" + s.Role + "\x00" + s.Username + "\x00" + strings.Join(s.Roles, "\x00")
}

// next gives steps of the first phase that has any to carry out. Steps inside a phase do not depend on each other.
func (l *ledger) next(plan access.Plan, roles roleProgress) []access.Step {
	l.mu.Lock()
	defer l.mu.Unlock()
	waits := sets.New[string]() // roles that a user should have left in an earlier phase, and could not
	occupied := left(plan)
	for _, phase := range plan.Phases {
		var steps []access.Step
		for _, step := range phase {
			switch {
			case waits.Has(step.Role), l.tries[stepKey(step)] >= maxTries:
			case step.Kind == access.StepDeleteRole && occupied.Has(step.Role):
			case l.isOpen(step, roles):
				steps = append(steps, step)
			}
		}
		if len(steps) > 0 {
			return steps
		}
		for _, step := range phase {
			waits.Insert(leaves(step)...)
		}
	}
	return nil
}

// leaves are the roles that a user leaves because others give the access.
func leaves(step access.Step) []string {
	if step.Kind == access.StepRemoveReplaced {
		return step.Roles
	}
	return step.Replaced
}

// left are the roles that a user still has to leave for another one: deleting such a role would revoke the access.
func left(plan access.Plan) sets.Set[string] {
	out := sets.New[string]()
	for _, phase := range plan.Phases {
		for _, step := range phase {
			out.Insert(step.Replaced...)
		}
	}
	return out
}

// isOpen reports whether no earlier failure stands in the way of a step.
func (l *ledger) isOpen(s access.Step, roles roleProgress) bool {
	switch {
	case !s.Kind.OnUser(), s.Kind == access.StepRemoveMember:
		return true
	case l.brokenUsers.Has(text.Fold(s.Username)):
		return false
	case !s.Kind.Gives():
		return true
	case l.brokenRoles.HasAny(s.Roles...), !roles.exist(s.Roles):
		return false
	case s.Kind.Takes(): // no user leaves a role for one that holds less than it should, and gets no more
		return roles.complete(l.noGain.Intersection(sets.New(s.Roles...)))
	}
	return true
}

// did notes a step that took effect. A role that is made and deleted by turns is left to the next pass: whatever the cause
// is, Airflow must not be written to without end.
func (l *ledger) did(step access.Step) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes = append(l.changes, step)
	if step.Kind != access.StepCreateRole && step.Kind != access.StepDeleteRole {
		return
	}
	key := stepKey(step)
	if l.repeats[key]++; l.repeats[key] >= maxRepeats {
		l.block(step, errRepeated)
	}
}

// fail notes a try of a step that did not take effect. One that was refused, by Airflow or by something in front of it,
// is not tried again: the same answer would come.
func (l *ledger) fail(step access.Step, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := stepKey(step)
	l.tries[key]++
	if refused.Has(airflow.CauseOf(err)) {
		l.tries[key] = maxTries
	}
	if l.tries[key] >= maxTries {
		l.block(step, err)
	}
}

// giveUp leaves a step to the next pass.
func (l *ledger) giveUp(step access.Step, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.block(step, err)
}

// block notes that a step failed for this pass, and what that stands in the way of. The caller holds the lock.
func (l *ledger) block(step access.Step, err error) {
	l.tries[stepKey(step)] = maxTries
	l.failures = append(l.failures, failure{step: step, err: err})
	if !step.Kind.OnUser() {
		l.brokenRoles.Insert(step.Role)
		if step.Kind == access.StepReplaceRole {
			l.noGain.Insert(step.Role)
		}
		return
	}
	l.brokenUsers.Insert(text.Fold(step.Username))
	if step.Kind == access.StepRemoveMember {
		l.noGain.Insert(step.Roles...)
	}
}

// mayGoOn reports whether a step is to be carried out although its user changed since it was planned: not at once, since the
// next plan is made for the changed user, and then all the same.
func (l *ledger) mayGoOn(step access.Step) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := stepKey(step)
	waited := l.waited.Has(key)
	l.waited.Insert(key)
	return waited
}

// beginWriting notes that the write of a user is under way: no other phase writes that user.
func (l *ledger) beginWriting(username string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writing.Insert(text.Fold(username))
}

// endWriting notes that the write of a user was answered, or was not begun.
func (l *ledger) endWriting(username string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writing.Delete(text.Fold(username))
}

// isWriting reports whether the write of a user is under way.
func (l *ledger) isWriting(username string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.writing.Has(text.Fold(username))
}

// noteRolesMoved notes that Airflow does not have a role any more that the last reading found.
func (l *ledger) noteRolesMoved() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rolesMoved = true
}

// rolesHaveMoved reports once that the role list is to be read again.
func (l *ledger) rolesHaveMoved() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	moved := l.rolesMoved
	l.rolesMoved = false
	return moved
}

// withoutGain are the roles that must not store more in this pass.
func (l *ledger) withoutGain() map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]bool{}
	for name := range l.noGain {
		out[name] = true
	}
	return out
}

// failed gives the steps that did not take effect so far. The value is never changed.
func (l *ledger) failed() []failure {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clip(l.failures)
}

// changed gives the steps that took effect so far, in that order. The value is never changed.
func (l *ledger) changed() []access.Step {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clip(l.changes)
}

// first is the first failure of some kind; nil where there is none.
func (l *ledger) first(kind func(error) bool) error {
	for _, f := range l.failed() {
		if kind(f.err) {
			return f.err
		}
	}
	return nil
}

// roles are the roles that a failed step is about.
func (f failure) roles() []string {
	if f.step.Kind.OnUser() {
		return f.step.Roles
	}
	return []string{f.step.Role}
}

// sentence says which step failed and why. Errors of the client are bounded and free of secrets.
func (f failure) sentence() string {
	what := "role " + f.step.Role
	if f.step.Kind.OnUser() {
		what = "user " + f.step.Username
	}
	return string(f.step.Kind) + " of " + what + ": " + f.err.Error()
}
