package actuator

import (
	"cmp"
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
)

// maxNewPairs is how many permissions one write adds at most. A pair that Airflow has not yet stored costs it about
// 14 ms (measured on 3.3.2): so many keep a call within a slice. The next plan adds the rest; no user gets the role before
// it is complete.
const maxNewPairs = 120

// rolePhase writes roles.
type rolePhase struct {
	*writer
	capabilities v1alpha1.Capabilities
	crew         *crew
	writes       []*roleWrite
}

// roleWrite is the write of one role. begun and err are set by the goroutine of the write, and read after crew.wait.
type roleWrite struct {
	step   access.Step
	target []permission.Pair // what this write stores
	begun  bool
	err    error
}

// run writes roles, and reads back each whose write was begun.
func (ph *rolePhase) run(ctx context.Context, steps []access.Step) error {
	for _, step := range steps {
		if err := ph.reader.unreadRole(step.Role); err != nil {
			ph.ledger.giveUp(step, err)
			continue
		}
		write := &roleWrite{step: step, target: ph.portion(step)}
		ph.writes = append(ph.writes, write)
		if !ph.begin(ctx, write) {
			break
		}
	}
	stop := ph.course.beside(ctx, ph.crew.wait)
	ph.writes = slices.DeleteFunc(ph.writes, func(write *roleWrite) bool { return !write.begun })
	for _, write := range ph.writes {
		if write.mayHaveCreated() {
			ph.inventory.attempt(write.step.Role)
		}
	}
	if askedToWait(stop) {
		return stop // nothing is asked any more, not even what the writes came to: the next pass finds out
	}
	if err := ph.verify(ctx); err != nil && stop == nil {
		stop = err
	}
	return stop
}

// begin begins the write of one role; false means that no more are begun. One that shows a DAG to be unknown ends the phase:
// the others would meet it, too, and the next plan leaves it out.
func (ph *rolePhase) begin(ctx context.Context, write *roleWrite) bool {
	stored, _ := ph.reader.role(write.step.Role)
	return ph.crew.begin(ctx, func() error {
		write.begun = true
		write.err = ph.write(ctx, write, len(stored))
		resource, unknown := airflow.UnknownResource(write.err)
		if _, isDag := permission.DagOf(resource); unknown && isDag && ph.reader.isNews(resource) {
			ph.crew.end(nil)
		}
		return write.err
	})
}

// write makes the request of one write; before is how many permissions the role stores.
func (ph *rolePhase) write(ctx context.Context, write *roleWrite, before int) (err error) {
	wire := role(write.step.Role, write.target)
	switch write.step.Kind {
	case access.StepCreateRole:
		_, err = ph.server.CreateRole(ctx, wire)
	case access.StepWidenRole, access.StepNarrowRole, access.StepReplaceRole:
		_, err = ph.server.UpdateRole(ctx, wire, before)
	case access.StepDeleteRole:
		if err = ph.server.DeleteRole(ctx, wire.Name); airflow.IsNotFound(err) {
			err = nil
		}
	case access.StepAddMember, access.StepRemoveMember, access.StepRemoveReplaced, access.StepSwapMember:
	}
	return err
}

// portion is what one write stores of a step: all of it, or so much that the call stays short.
func (ph *rolePhase) portion(s access.Step) []permission.Pair {
	if !s.Kind.Gives() {
		return s.Permissions
	}
	stored, _ := ph.reader.role(s.Role)
	has := sets.New(stored...)
	out, added := make([]permission.Pair, 0, len(s.Permissions)), 0
	for _, pair := range s.Permissions {
		if !has.Has(pair) {
			added++
		}
		if has.Has(pair) || added <= maxNewPairs {
			out = append(out, pair)
		}
	}
	return out
}

// mayHaveCreated reports whether the role may be there because of a write, whatever was answered.
func (write *roleWrite) mayHaveCreated() bool {
	if write.step.Kind != access.StepCreateRole {
		return false
	}
	return write.err == nil || airflow.MaybeApplied(write.err)
}

// verify reads back the roles that were written and judges the writes.
func (ph *rolePhase) verify(ctx context.Context) error {
	names := make([]string, len(ph.writes))
	for i, write := range ph.writes {
		names[i] = write.step.Role
	}
	read := func() error { return ph.reader.readRoles(ctx, names) }
	if slices.ContainsFunc(names, rolename.IsClaim) { // another instance may have made its own at the same time
		read = func() error { return ph.reader.readWhole(ctx, sets.New(listRoles)) }
	}
	if err := ph.course.beside(ctx, read); err != nil {
		return err
	}
	for _, write := range ph.writes {
		if err := ph.judge(ctx, write); err != nil {
			return err
		}
	}
	return nil
}

// judge decides by what was read back whether a write took effect.
func (ph *rolePhase) judge(ctx context.Context, write *roleWrite) error {
	resource, unknown := airflow.UnknownResource(write.err)
	unread := ph.reader.unreadRole(write.step.Role)
	switch {
	case unread != nil:
		ph.ledger.giveUp(write.step, cmp.Or(write.err, unread))
	case unknown && ph.reader.isNews(resource):
		return ph.reader.learnUnknown(ctx, resource, ph.capabilities.PermissionList)
	case ph.isForeign(write):
		// Another writer made a role of this name after the roles were read. It is theirs: the name leaves the inventory, and
		// the next plan, which sees the role, refuses it.
		return ph.course.disown(ctx, write.step.Role)
	case ph.isEffective(write):
		ph.inventory.confirm(write.step.Role)
		ph.ledger.did(write.step)
	case write.err != nil:
		ph.ledger.fail(write.step, write.err)
	default:
		ph.ledger.fail(write.step, errNotEffective)
	}
	return nil
}

// isForeign reports whether a role could not be created because another writer did so first.
func (ph *rolePhase) isForeign(write *roleWrite) bool {
	if write.step.Kind != access.StepCreateRole || !airflow.IsConflict(write.err) {
		return false
	}
	_, exists := ph.reader.role(write.step.Role)
	return exists && ph.inventory.foreign(write.step.Role)
}

// isEffective reports whether the role is now as the write should have made it.
func (ph *rolePhase) isEffective(write *roleWrite) bool {
	stored, exists := ph.reader.role(write.step.Role)
	kind := write.step.Kind
	if kind == access.StepDeleteRole || !exists {
		return kind == access.StepDeleteRole && !exists
	}
	added := !kind.Gives() || covers(stored, write.target, ph.capabilities.PermissionModel)
	removed := !kind.Takes() || covers(write.target, stored, ph.capabilities.PermissionModel)
	return added && removed
}

// covers reports whether a has everything that b has.
func covers(a, b []permission.Pair, model v1alpha1.PermissionModel) bool {
	has := sets.New(a...)
	if model != v1alpha1.PermissionModelAirflow2 {
		has.Insert(permission.Website)
	}
	return has.HasAll(b...)
}

// roleProgress is how far the roles of a plan are.
type roleProgress struct {
	stored map[string][]permission.Pair
	wanted map[string]access.Role
	model  v1alpha1.PermissionModel
}

// exist reports whether all of some roles are stored.
func (r roleProgress) exist(names []string) bool {
	for _, name := range names {
		if _, stored := r.stored[name]; !stored {
			return false
		}
	}
	return true
}

// complete reports whether each of some roles stores all that it should.
func (r roleProgress) complete(names sets.Set[string]) bool {
	for name := range names {
		if !covers(r.stored[name], r.wanted[name].Permissions, r.model) {
			return false
		}
	}
	return true
}
