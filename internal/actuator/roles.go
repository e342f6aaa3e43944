package actuator

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
)

// maxNewPairs is how many permissions one write adds at most. A pair that Airflow has not yet stored costs it about
// 14 ms (measured on 3.3.2): so many keep a call within a slice. The next plan adds the rest; nobody is given the role
// before it is complete.
const maxNewPairs = 120

// applyRoles writes roles, and reads back each whose write was begun.
func (p *pass) applyRoles(ctx context.Context, steps []access.Step) error {
	targets := make(map[string][]permission.Pair, len(steps))
	for _, s := range steps {
		targets[s.Role] = p.portion(s)
	}
	crew, results := p.newCrew(), make([]result, len(steps))
	for i, s := range steps {
		results[i].step = s
		before := len(p.snap.roles[s.Role])
		if !crew.begin(ctx, func() error {
			results[i].begun, results[i].written = true, true
			results[i].err = p.writeRole(ctx, s, targets[s.Role], before)
			return results[i].err
		}) {
			break
		}
	}
	stop := p.beside(ctx, crew.wait)
	for _, r := range results {
		if r.step.Kind == access.StepCreateRole && r.begun && (r.err == nil || airflow.MaybeApplied(r.err)) {
			p.maybe[r.step.Role] = true
		}
	}
	if asked(stop) {
		return stop // nothing is asked any more, not even what the writes came to: the next pass finds out
	}
	if err := p.verifyRoles(ctx, results, targets); err != nil && stop == nil {
		stop = err
	}
	return stop
}

func (p *pass) writeRole(ctx context.Context, s access.Step, target []permission.Pair, before int) error {
	var err error
	switch s.Kind {
	case access.StepCreateRole:
		_, err = p.airflow.CreateRole(ctx, role(s.Role, target))
	case access.StepWidenRole, access.StepNarrowRole, access.StepReplaceRole:
		_, err = p.airflow.UpdateRole(ctx, role(s.Role, target), before)
	case access.StepDeleteRole:
		if err = p.airflow.DeleteRole(ctx, s.Role); airflow.IsNotFound(err) {
			err = nil
		}
	case access.StepAddMember, access.StepRemoveMember, access.StepRemoveReplaced, access.StepSwapMember:
	}
	return err
}

// portion is what one write stores of a step: all of it, or so much that the call stays short.
func (p *pass) portion(s access.Step) []permission.Pair {
	whole := p.declared.Capabilities.RoleUpdate == v1alpha1.RoleUpdateRefused // nothing can be added later
	if whole || s.Kind == access.StepNarrowRole || s.Kind == access.StepDeleteRole {
		return s.Permissions
	}
	has := make(map[permission.Pair]bool, len(s.Permissions))
	for _, pair := range p.snap.roles[s.Role] {
		has[pair] = true
	}
	out, added := make([]permission.Pair, 0, len(s.Permissions)), 0
	for _, pair := range s.Permissions {
		if !has[pair] {
			if added++; added > maxNewPairs {
				continue
			}
		}
		out = append(out, pair)
	}
	return out
}

func (p *pass) verifyRoles(ctx context.Context, results []result, targets map[string][]permission.Pair) error {
	var names []string
	for _, r := range results {
		if r.begun {
			names = append(names, r.step.Role)
		}
	}
	if err := p.beside(ctx, func() error { return p.rereadRoles(ctx, names) }); err != nil {
		return err
	}
	for _, r := range results {
		if r.begun {
			if err := p.judgeRole(ctx, r, targets[r.step.Role]); err != nil {
				return err
			}
		}
	}
	return nil
}

// judgeRole says by what was read back whether a write took effect.
func (p *pass) judgeRole(ctx context.Context, r result, target []permission.Pair) error {
	resource, unknown := airflow.UnknownResource(r.err)
	_, exists := p.snap.roles[r.step.Role]
	switch {
	case unknown && p.news(resource):
		return p.learnUnknown(ctx, resource)
	case r.step.Kind == access.StepCreateRole && airflow.IsConflict(r.err) && exists && p.foreign(r.step.Role):
		// Somebody made a role of this name after it was last looked for. It is theirs: the name leaves the inventory,
		// and the next plan, which sees the role, refuses it.
		return p.disown(ctx, r.step.Role)
	case p.effective(r.step, target):
		delete(p.maybe, r.step.Role)
		p.changes = append(p.changes, r.step)
		p.repeated(r.step)
	case r.err != nil:
		p.fail(r.step, r.err)
	default:
		p.fail(r.step, errNotEffective)
	}
	return nil
}

func (p *pass) effective(s access.Step, target []permission.Pair) bool {
	stored, exists := p.snap.roles[s.Role]
	switch s.Kind {
	case access.StepDeleteRole:
		return !exists
	case access.StepCreateRole, access.StepWidenRole:
		return exists && p.covers(stored, target)
	case access.StepNarrowRole:
		return exists && p.covers(target, stored)
	case access.StepReplaceRole:
		return exists && p.covers(target, stored) && p.covers(stored, target)
	case access.StepAddMember, access.StepRemoveMember, access.StepRemoveReplaced, access.StepSwapMember:
	}
	return false
}

// covers says whether a has everything that b has.
func (p *pass) covers(a, b []permission.Pair) bool {
	has := make(map[permission.Pair]bool, len(a)+1)
	for _, pair := range a {
		has[pair] = true
	}
	if p.declared.Capabilities.PermissionModel != v1alpha1.PermissionModelAirflow2 {
		has[permission.Website] = true
	}
	return !slices.ContainsFunc(b, func(pair permission.Pair) bool { return !has[pair] })
}

// foreign says whether a role that is in the way of a creation was made by somebody else.
func (p *pass) foreign(name string) bool {
	return !p.maybe[name] && !rolename.HasOwnPrefix(name) && !strings.Contains(name, "~")
}

func (p *pass) disown(ctx context.Context, name string) error {
	left := p.inventory
	if p.isSaved {
		left = p.stored // without the names that left it in this pass
	}
	left = without(left, []string{name})
	p.stored, p.isSaved = left, true
	return p.source.StoreInventory(ctx, left, p.desired.Held)
}

// news says whether it was not known that Airflow does not know a resource. One that some role holds is known, whatever
// Airflow said: believed, that would take it off everybody.
func (p *pass) news(resource string) bool {
	if dag, ok := permission.DagOf(resource); ok {
		return !p.unknown[dag]
	}
	for _, pairs := range p.snap.roles {
		if slices.ContainsFunc(pairs, func(pair permission.Pair) bool { return pair.Resource == resource }) {
			return false
		}
	}
	return !p.lacking[resource]
}

// learnUnknown notes a resource that Airflow does not know. From the second DAG on, all that it lists and does not know
// are found out by one reading of the permission list, where the server has one that tells; else one by one.
func (p *pass) learnUnknown(ctx context.Context, resource string) error {
	dag, ok := permission.DagOf(resource)
	if !ok {
		p.lacking[resource] = true
		return nil
	}
	first := len(p.unknown) == 0
	p.unknown[dag] = true
	if list := p.declared.Capabilities.PermissionList; first || list != "" && list != v1alpha1.PermissionListPairs {
		return nil
	}
	list, err := p.airflow.Permissions(ctx)
	if fatal(err) {
		return err
	}
	if err != nil || !list.Complete {
		return nil //nolint:nilerr // then each is found out by a refused write
	}
	known := map[string]bool{}
	for _, pair := range list.Items {
		if id, ok := permission.DagOf(pair.Resource); ok {
			known[id] = true
		}
	}
	for id := range p.snap.dags {
		if !known[id] {
			p.unknown[id] = true
		}
	}
	return nil
}

// rereadRoles reads roles anew: the whole list where that is fewer requests.
func (p *pass) rereadRoles(ctx context.Context, names []string) error {
	p.guard.Lock()
	pages := len(p.snap.roles)/airflow.PageSize + 1
	p.guard.Unlock()
	if len(names) > pages {
		return p.readRoles(ctx)
	}
	answers := make([]airflow.Role, len(names))
	found := make([]bool, len(names))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(p.concurrency)
	for i, name := range names {
		group.Go(func() error {
			err := p.inPlace(groupCtx, func() (err error) {
				answers[i], err = p.airflow.Role(groupCtx, name)
				return err
			})
			found[i] = err == nil
			if airflow.IsNotFound(err) {
				return nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	p.guard.Lock()
	defer p.guard.Unlock()
	for i, name := range names {
		if found[i] {
			p.snap.setRole(answers[i])
		} else {
			p.snap.dropRole(name)
		}
	}
	return nil
}

func (p *pass) readRoles(ctx context.Context) error {
	at := p.clock.Now()
	list, err := p.airflow.Roles(ctx)
	if err != nil {
		return err
	}
	if !list.Complete {
		return ErrListShifted
	}
	p.guard.Lock()
	defer p.guard.Unlock()
	before := p.snap.roles
	p.snap.setRoles(list, at)
	for name := range before {
		if _, ok := p.snap.roles[name]; !ok {
			p.snap.roles[name] = nil
			p.snap.dropRole(name)
		}
	}
	return nil
}
