package actuator

import (
	"context"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/clock"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/access/desire"
	"github.com/airflow-oam/airflow-oam/internal/access/plan"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// maxSlices bounds a pass; what is left is for the next.
const maxSlices = 2000

// pass is one pass over one Airflow. It belongs to one goroutine; reader, writer and ledger are what others share with it.
type pass struct {
	memory  *memory
	reader  *reader
	writer  *writer
	ledger  *ledger
	clock   clock.PassiveClock
	source  Source
	started time.Time

	declared Declared
	seen     uint64 // fingerprint of declared
	input    access.Input
	desired  access.Desired
	plan     access.Plan // the first after the observation, which shows what other writers changed

	foundAt time.Time // when plan was made: what it shows had been read by then

	decided  bool  // input and desired are set
	observed bool  // what the pass rests on was read
	planned  bool  // plan is set
	full     bool  // every list was read
	unstored error // why the inventory could not be stored: from then on the pass only revokes

	proved sets.Set[string] // folded names of users that were read for a proof
	byName sets.Set[string] // roles that were read by name, because the list cannot be read
}

// newPass makes a pass over what is known. The caller holds a.mu.
func (a *Actuator) newPass(source Source) *pass {
	p := &pass{
		memory: &a.memory, reader: a.reader, ledger: newLedger(), clock: a.clock, source: source,
		started: a.clock.Now(), proved: sets.New[string](), byName: sets.New[string](),
	}
	p.writer = &writer{server: a.server, clock: a.clock, reader: a.reader, inventory: a.memory.inventory, ledger: p.ledger, course: p}
	a.reader.begin()
	a.memory.inventory.begin()
	return p
}

// run is the pass: revoke what is due, observe, then decide and carry out slice by slice until nothing is left to prove.
func (p *pass) run(ctx context.Context, look Look) error {
	if err := p.declare(ctx); err != nil {
		return err
	}
	if err := p.revokeDue(ctx); fatal(err) {
		return err
	}
	if err := p.observe(ctx, look); err != nil {
		return err
	}
	p.observed = true
	for range maxSlices {
		if err := ctx.Err(); err != nil {
			return err
		}
		plan, err := p.decideFresh(ctx)
		if err != nil {
			return err
		}
		if more, err := p.slice(ctx, p.next(plan)); err != nil || !more {
			return err
		}
	}
	return nil
}

// declare reads the Kubernetes side.
func (p *pass) declare(ctx context.Context) error {
	declared, err := p.source.Declared(ctx)
	if err != nil {
		return err
	}
	p.memory.inventory.load(declared.Instance.Status.ManagedRoles)
	p.memory.endings.note(declared, p.clock.Now())
	declared.Instance = declared.Instance.DeepCopy()
	declared.Instance.Status.ManagedRoles = p.memory.inventory.owned()
	p.declared, p.seen = declared, fingerprint(declared)
	return nil
}

// watch gives a check whether something else is declared than the last plan knew, or something came due since.
func (p *pass) watch() func(context.Context) (bool, error) {
	seen := p.seen
	return func(ctx context.Context) (bool, error) {
		declared, err := p.source.Declared(ctx)
		return err == nil && fingerprint(declared) != seen, err
	}
}

// decide asks what should hold and which steps lead there, from what is declared and known at this moment.
func (p *pass) decide(ctx context.Context) (access.Plan, error) {
	if p.decided {
		if err := p.declare(ctx); err != nil {
			return access.Plan{}, err
		}
	}
	d, known := p.declared, p.reader.view()
	p.input = access.Input{
		Now: d.Now, CacheTTL: d.CacheTTL, Account: d.Account, Instance: d.Instance, Policies: d.Policies, Grants: d.Grants,
		Observed: known.presuming(d.Instance.Status.ManagedRoles), Previous: p.memory.previous, DagList: known.DagList,
		UnknownDags: known.UnknownDags, UnknownResources: known.UnknownResources,
		NoGain: p.ledger.withoutGain(), Contested: p.memory.contests.resting(p.clock.Now()),
		AllowPrivileged: d.AllowPrivileged, Version: d.Version, Capabilities: d.Capabilities,
	}
	if !d.Giving.All() { // the instance has the reason, its objects say where to find it
		p.input.Giving = access.OnlyRevoking(v1alpha1.ReasonInstanceNotReady, "nothing is granted in this Airflow at present: see the conditions of the AirflowInstance")
	}
	p.desired, p.decided = desire.Of(p.input), true
	steps := plan.New(p.input, p.desired)
	if p.observed && !p.planned { // what was read before shows nothing of other writers
		p.plan, p.planned, p.foundAt = steps, true, p.clock.Now()
	}
	return steps, nil
}

// decideFresh decides, and again as long as the plan rests on something that has to be read first: whether DAGs that the list
// lacks were deleted, lists, or the roles that the plan's steps are about where the list of roles cannot be read.
func (p *pass) decideFresh(ctx context.Context) (access.Plan, error) {
	for {
		plan, err := p.decide(ctx)
		if err != nil {
			return access.Plan{}, err
		}
		old, read := p.oldLists(plan), inquiry(p.reader, p.desired)
		unreadable := p.reader.inVain(old)
		switch {
		case read != nil:
		case old.Len() > unreadable.Len():
			read = func(ctx context.Context) error { return p.reader.readWhole(ctx, old.Difference(unreadable)) }
		case unreadable.Has(listRoles):
			names := rolesOf(plan).Difference(p.byName)
			if names.Len() == 0 {
				return plan, nil
			}
			p.byName = p.byName.Union(names)
			read = func(ctx context.Context) error { return p.reader.readRoles(ctx, sets.List(names)) }
		default:
			return plan, nil
		}
		if err := p.beside(ctx, func() error { return read(ctx) }); err != nil {
			return access.Plan{}, err
		}
	}
}

// rolesOf are the roles that the steps of a plan are about.
func rolesOf(plan access.Plan) sets.Set[string] {
	out := sets.New[string]()
	for _, step := range slices.Concat(plan.Phases...) {
		out.Insert(step.Roles...)
		out.Insert(step.Replaced...)
		if !step.Kind.OnUser() {
			out.Insert(step.Role)
		}
	}
	return out
}

// oldLists are the lists that must be read before a plan is carried out. The rule: before a plan revokes access of a user
// who has a cause, each list that it rests on was read in this pass, because another process of ours may have written since
// an earlier reading. Any such plan rests on the roles, and one that revokes rights on DAGs that the DAG list lacks rests on
// that list: they may be back. Every plan rests on the users when one of them is there no more: the user may have another
// name, and keep the access under it.
func (p *pass) oldLists(plan access.Plan) sets.Set[list] {
	rests := sets.New[list]()
	if slices.ContainsFunc(slices.Concat(plan.Phases...), p.restsOnRoles) {
		rests.Insert(listRoles)
	}
	for _, policy := range p.desired.Policies {
		if len(policy.Leaving) > 0 {
			rests.Insert(listDags)
		}
	}
	old := p.reader.stale(rests)
	if p.reader.bereft(p.memory.inventory.owned()) {
		old.Insert(listUsers)
	}
	return old
}

// restsOnRoles reports whether a step must not be carried out by an old list of roles: one that may revoke from a user who
// has a cause, and one that makes a claim, since another instance may have made one. Users who are removed from a role have no
// cause for it, unless the role is one that the last reading of roles did not find.
func (p *pass) restsOnRoles(s access.Step) bool {
	switch s.Kind {
	case access.StepCreateRole:
		return rolename.IsClaim(s.Role)
	case access.StepRemoveMember:
		return !p.progress().exist(s.Roles)
	case access.StepDeleteRole: // which no user has
		return false
	case access.StepWidenRole, access.StepAddMember, access.StepRemoveReplaced, access.StepSwapMember, access.StepReplaceRole, access.StepNarrowRole:
	}
	return s.Kind.Takes()
}

// progress is how far the roles are that the last decision is about.
func (p *pass) progress() roleProgress {
	return roleProgress{stored: p.input.Observed.Roles, wanted: p.desired.Roles, model: p.declared.Capabilities.PermissionModel}
}

// next gives the steps of a plan that are to be carried out now. Without a stored inventory only those that give nothing are.
func (p *pass) next(plan access.Plan) []access.Step {
	if p.unstored != nil {
		plan = onlyRevoking(plan)
	}
	return p.ledger.next(plan, p.progress())
}

// onlyRevoking gives a plan without the steps that give anything, and without the deletion of roles that users are to leave
// for others: they cannot, and would lose the access that they keep.
func onlyRevoking(plan access.Plan) access.Plan {
	occupied := left(plan)
	phases := make([][]access.Step, len(plan.Phases))
	for i, phase := range plan.Phases {
		phases[i] = slices.DeleteFunc(slices.Clone(phase), func(s access.Step) bool {
			return s.Kind.Gives() || s.Kind == access.StepDeleteRole && occupied.Has(s.Role)
		})
	}
	plan.Phases = phases
	return plan
}

// slice carries out steps of a plan, or proves what is there where none is left, and reports whether another plan is to
// follow.
func (p *pass) slice(ctx context.Context, steps []access.Step) (more bool, err error) {
	if p.mustStore(steps) {
		switch err := p.memory.inventory.save(ctx, p.source, p.desired.Inventory, p.desired.Held); {
		case err == nil:
		case apierrors.IsConflict(err), len(steps) == 0:
			return false, err
		default:
			p.unstored = err
			return true, nil // revoking goes on
		}
	}
	if len(steps) > 0 {
		return true, p.writer.apply(ctx, steps, p.declared.Capabilities)
	}
	more, err = p.prove(ctx)
	if err == nil && !more {
		err = p.unstored
	}
	return more, err
}

// mustStore reports whether the inventory is to be stored before steps. Only those that give anything need that: revoking
// never waits for Kubernetes.
func (p *pass) mustStore(steps []access.Step) bool {
	switch {
	case p.unstored != nil:
		return false
	case len(steps) == 0:
		return p.memory.inventory.lacks(p.desired.Inventory)
	}
	return slices.ContainsFunc(steps, func(s access.Step) bool { return s.Kind.Gives() })
}

// disown removes a role from the inventory that is another writer's.
func (p *pass) disown(ctx context.Context, role string) error {
	return p.memory.inventory.disown(ctx, p.source, role, p.desired.Held)
}

// observe reads what the pass rests on: what the look asks for, and what was never read. A list that cannot be read stops
// what needs something new from it, and nothing else; without any list of roles or users, nothing is known.
func (p *pass) observe(ctx context.Context, look Look) error {
	wanted := p.reader.wanted(look)
	full := wanted.Equal(LookFull.lists())
	if wanted.Len() > 0 {
		p.reader.askAgain(full)
	}
	if err := p.beside(ctx, func() error { return p.reader.readLists(ctx, wanted) }); err != nil {
		return err
	}
	inVain := p.reader.inVain(wanted)
	if full {
		p.memory.recall(p.reader, inVain, p.started)
	}
	if err := p.unobserved(); err != nil {
		return err
	}
	p.full = full && inVain.Len() == 0
	d := p.declared
	return p.beside(ctx, func() error { return p.memory.awaited.read(ctx, d, p.started) })
}

// unobserved is why too little was ever read to decide anything; nil where enough was.
func (p *pass) unobserved() error {
	if p.reader.wanted(LookTouched).Len() > 0 {
		return ErrListShifted
	}
	known := p.reader.view()
	if known.complete() {
		return nil
	}
	unread := known.Unread
	return unread[len(unread)-1] // by name: after the DAGs
}

// prove reads the users of grants whose state rests on a reading that is too old to prove it. It reports whether any was
// read, so that the plan is made again.
func (p *pass) prove(ctx context.Context) (bool, error) {
	now, names, listed := p.clock.Now(), sets.New[string](), sets.New[string]()
	for _, grant := range p.declared.Grants {
		name, waits := unproved(grant)
		if !waits {
			continue
		}
		since := p.memory.endings.since(grant, p.declared)
		if !p.reader.readAt(name).Before(since) || !p.isProvable(name, since, now) {
			continue
		}
		if text.Unaddressable(name) == "" {
			names.Insert(name)
		} else if !p.proved.Has(text.Fold(name)) {
			listed.Insert(name)
		}
		p.proved.Insert(text.Fold(name))
	}
	switch {
	case listed.Len() > 0:
		return true, p.beside(ctx, func() error { return readListed(ctx, p.reader, sets.List(listed), now) })
	case names.Len() > 0:
		return true, p.beside(ctx, func() error { return p.reader.readUsers(ctx, sets.List(names), now) })
	}
	return false, nil
}

// readListed reads users whose names Airflow cannot be asked for, which only the list shows.
func readListed(ctx context.Context, r *reader, names []string, since time.Time) error {
	if err := r.readLists(ctx, sets.New(listUsers)); err != nil {
		return err
	}
	proveByList(r, names, since)
	return nil
}

// isProvable reports whether another reading of a user can prove a state since a moment: not where one failed in this pass,
// and not where one was made and is still too early, since a clock went back.
func (p *pass) isProvable(name string, since, now time.Time) bool {
	if p.proved.Has(text.Fold(name)) && since.After(now) {
		return false
	}
	_, _, err := p.reader.user(name)
	return err == nil
}

// revokeDue revokes what is due. It waits for no list: an ending needs only its user, who is read right before. What cannot
// be read or written now is left to the plans that follow.
func (p *pass) revokeDue(ctx context.Context) error {
	due, unknown := p.memory.endings.due(p.declared, p.reader)
	if !due {
		return nil
	}
	if err := p.reader.readNew(ctx, unknown); err != nil {
		return err
	}
	for range maxSlices {
		plan, err := p.decide(ctx)
		if err != nil {
			return err
		}
		steps := p.endings(plan)
		if len(steps) == 0 {
			return nil
		}
		if err := p.writer.apply(ctx, steps, p.declared.Capabilities); err != nil {
			return err
		}
	}
	return nil
}

// endings are the steps of a plan that revoke what ended, except for users that are being written.
func (p *pass) endings(plan access.Plan) []access.Step {
	return slices.DeleteFunc(p.next(onlyRevoking(plan)), func(s access.Step) bool {
		return s.Kind != access.StepRemoveMember || !s.Ending() || p.ledger.isWriting(s.Username)
	})
}

// beside waits for requests, and revokes meanwhile what comes due: no user keeps access because an answer to something
// else is late. It decides by what was known before.
func (p *pass) beside(ctx context.Context, wait func() error) error {
	done := make(chan error, 1)
	go func() { done <- wait() }()
	tick := clock.RealClock{}.NewTicker(sliceTime / 4) // of wall time: what is due is what our clock says
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-tick.C():
		}
		if changed, err := p.watch()(ctx); !changed || err != nil {
			continue
		}
		if p.declare(ctx) == nil && p.revokeDue(ctx) != nil {
			return <-done // what the server answers to the others decides
		}
	}
}

// failure is an error that befell single users or steps and is the server's: because of what it is, or because Airflow
// answers nothing else, either.
func (p *pass) failure(ctx context.Context) error {
	errs := []error{p.ledger.first(fatal), p.ledger.first(mayBefallAll)}
	for _, unread := range p.reader.unreadUsers() {
		errs = append(errs, unread.err)
	}
	for _, err := range errs {
		switch {
		case err == nil:
		case fatal(err):
			return err
		case mayBefallAll(err):
			if p.reader.server.answers(ctx) {
				return nil
			}
			return err
		}
	}
	return nil
}
