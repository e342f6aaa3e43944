package actuator

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// batch is a number of users who stand together in Airflow's list: they are read together, written one by one, and read
// back together.
type batch struct {
	steps   []access.Step
	planned map[string]access.User // by folded name, as the plan knew them
	results []result
	writes  sync.WaitGroup
	read    chan error // of the reading before the writes
}

// ready waits until the users were read.
func (b *batch) ready() error { return <-b.read }

// applyMembers writes users' roles. Each user is read at most sliceTime before, and read back. While one batch is
// written the next is read and the one before is read back, so that no place for a request stays empty.
func (p *pass) applyMembers(ctx context.Context, steps []access.Step) error {
	p.guard.Lock()
	slices.SortStableFunc(steps, func(a, b access.Step) int { return p.place(a.Username) - p.place(b.Username) })
	p.guard.Unlock()
	var (
		crew     = p.newCrew()
		verified sync.WaitGroup
		written  []*batch // and not being read back yet
		rest     = steps
		next     = p.nextBatch(ctx, &rest)
	)
	crew.people = true
	verify := func() {
		group := written
		written = nil
		verified.Go(func() {
			var results []result
			for _, b := range group {
				b.writes.Wait()
				results = append(results, b.results...)
			}
			if crew.throttled() {
				return // the next pass finds out what the writes came to
			}
			if err := p.verifyMembers(ctx, results); err != nil {
				crew.end(err)
			}
		})
	}
	for next != nil {
		now := next
		if err := p.beside(ctx, now.ready); err != nil {
			crew.end(err)
			break
		}
		next = nil
		ahead := max(0, len(now.steps)-2*p.concurrency)
		for i, step := range now.steps {
			if i == ahead {
				next = p.nextBatch(ctx, &rest)
			}
			if !p.writeMember(ctx, crew, now, i, step) {
				if next != nil {
					_ = next.ready() // its goroutine must not outlive the phase
				}
				next = nil
				break
			}
		}
		if written = append(written, now); members(written) >= readBackAtOnce {
			verify()
		}
	}
	if len(written) > 0 {
		verify()
	}
	err := p.beside(ctx, func() error {
		_ = crew.wait()
		verified.Wait()
		return crew.wait()
	})
	p.guard.Lock()
	stale := p.staleRoles
	p.staleRoles = false
	p.guard.Unlock()
	if err != nil || !stale {
		return err
	}
	return p.readRoles(ctx)
}

// nextBatch cuts a batch off the steps that are left, and begins to read its users.
func (p *pass) nextBatch(ctx context.Context, rest *[]access.Step) *batch {
	steps := *rest
	if len(steps) == 0 {
		return nil
	}
	p.guard.Lock()
	defer p.guard.Unlock()
	n := min(len(steps), p.batch)
	page := func(i int) int { return p.place(steps[i].Username) / airflow.PageSize }
	for at := n; n < len(steps) && at > n/2; at-- {
		if page(at) != page(at-1) {
			n = at // end with a page of Airflow's list
			break
		}
	}
	b := &batch{steps: steps[:n], results: make([]result, n), planned: make(map[string]access.User, n), read: make(chan error, 1)}
	*rest = steps[n:]
	var stale []string
	fresh := min(fresh, sliceTime-p.write*5/4) // its writes begin when those under way are done
	for i, s := range b.steps {
		b.results[i].step = s
		key := text.Fold(s.Username)
		st, ok := p.snap.users[key]
		if ok {
			b.planned[key] = st.user
		}
		if !ok || p.clock.Since(st.came) > fresh || len(p.snap.twins[key]) > 0 {
			stale = append(stale, s.Username)
		}
	}
	go func() { b.read <- p.readUsers(ctx, stale, p.clock.Now()) }()
	return b
}

// members is how many steps batches have.
func members(batches []*batch) (n int) {
	for _, b := range batches {
		n += len(b.steps)
	}
	return n
}

// readBackAtOnce is how many people are read back together at least, but for the last ones. A slow server's batches are
// smaller: they would cost it a page each.
const readBackAtOnce = airflow.PageSize / 4

// fresh is how old a reading may be at most when a batch is begun.
const fresh = sliceTime / 4

// writeMember begins the write of one user; false means that no more are begun.
func (p *pass) writeMember(ctx context.Context, crew *crew, b *batch, i int, s access.Step) bool {
	key := text.Fold(s.Username)
	p.guard.Lock()
	st, ok := p.snap.users[key]
	cause := p.unread[key]
	if ok && st.user.Username != s.Username && len(p.snap.twins[key]) > 0 {
		cause = errTwins
	}
	if cause != nil {
		p.giveUp(s, cause)
		ok = false
	}
	p.guard.Unlock()
	planned, known := b.planned[key]
	if !ok || !known || !p.asPlanned(s, planned, st.user) {
		return true // the next plan knows
	}
	b.writes.Add(1)
	done := func() {
		p.isWriting(key, false)
		b.writes.Done()
	}
	p.isWriting(key, true)
	begun := crew.begin(ctx, func() error {
		defer done()
		b.results[i].begun = true
		started := p.clock.Now()
		written, err := p.setRoles(ctx, s, st)
		b.results[i].written, b.results[i].err = written, err
		p.pace(p.clock.Since(started))
		return err
	})
	if !begun {
		done()
	}
	return begun
}

func (p *pass) isWriting(user string, now bool) {
	p.guard.Lock()
	defer p.guard.Unlock()
	p.writing[user] = now
}

// asPlanned says whether a user is still the one that the plan was made for. Access that has no cause is taken off
// whatever other roles have come or gone; for all else a changed user waits for the next plan, once.
func (p *pass) asPlanned(s access.Step, planned, now access.User) bool {
	if now.CreatedOn != planned.CreatedOn {
		return false
	}
	if s.Kind == access.StepRemoveMember || slices.Equal(now.Roles, planned.Roles) {
		return true
	}
	key := stepKey(s)
	waited := p.waited[key]
	p.waited[key] = true
	return waited
}

// setRoles writes the roles of one user after a step, from a reading that is not too old.
func (p *pass) setRoles(ctx context.Context, s access.Step, st stored) (written bool, err error) {
	if p.clock.Since(st.came) > sliceTime {
		u, err := p.airflow.User(ctx, s.Username)
		if err != nil {
			return false, err
		}
		if u.CreatedOn != st.user.CreatedOn {
			return false, nil
		}
		st.user, st.wire = user(u), u
	}
	roles := changed(st.user.Roles, s)
	if slices.Equal(roles, st.user.Roles) {
		return false, nil
	}
	_, err = p.airflow.SetUserRoles(ctx, st.wire, roles)
	return true, err
}

// place is where a user stands in Airflow's list; unknown ones come last.
func (p *pass) place(username string) int {
	if i, ok := p.snap.index[text.Fold(username)]; ok {
		return i
	}
	return len(p.snap.order)
}

// pace fits the size of batches to how many writes are done before a reading is too old: what is read and not written
// would be read again.
func (p *pass) pace(took time.Duration) {
	const weight = 16 // writes that the mean looks back on
	p.guard.Lock()
	defer p.guard.Unlock()
	if p.write == 0 {
		p.write = took
	}
	p.write += (took - p.write) / weight
	if p.write <= 0 {
		p.batch = airflow.PageSize
		return
	}
	fits := int(sliceTime * 3 / 4 * time.Duration(p.concurrency) / p.write)
	least := max(1, p.concurrency-2) // two places are for the next reading and for reading back
	p.batch = min(max(fits, least), airflow.PageSize)
}

// changed gives the roles after a step; what the step does not name stays.
func changed(roles []string, s access.Step) []string {
	var given, taken []string
	switch s.Kind {
	case access.StepAddMember:
		given = s.Roles
	case access.StepSwapMember:
		given, taken = s.Roles, s.Replaced
	case access.StepRemoveMember, access.StepRemoveReplaced:
		taken = s.Roles
	case access.StepCreateRole, access.StepWidenRole, access.StepNarrowRole, access.StepReplaceRole, access.StepDeleteRole:
	}
	out := make([]string, 0, len(roles)+len(given))
	for _, name := range roles {
		if !slices.Contains(taken, name) {
			out = append(out, name)
		}
	}
	out = append(out, given...)
	slices.Sort(out)
	return slices.Compact(out)
}

// verifyMembers reads back every user whose write was begun, also those whose answer was an error.
func (p *pass) verifyMembers(ctx context.Context, results []result) error {
	var names []string
	for _, r := range results {
		if r.begun {
			names = append(names, r.step.Username)
		}
	}
	if len(names) == 0 {
		return nil
	}
	if err := p.readUsers(ctx, names, p.clock.Now()); err != nil {
		return err
	}
	p.guard.Lock()
	defer p.guard.Unlock()
	for _, r := range results {
		if r.begun {
			p.judgeMember(r)
		}
	}
	return nil
}

// judgeMember says by what was read back whether a write took effect.
func (p *pass) judgeMember(r result) {
	key := text.Fold(r.step.Username)
	st, ok := p.snap.users[key]
	switch {
	case p.unread[key] != nil:
		p.giveUp(r.step, p.unread[key])
	case !ok || slices.Equal(changed(st.user.Roles, r.step), st.user.Roles):
		if r.written {
			p.changes = append(p.changes, r.step)
		}
	case r.err != nil:
		p.staleRoles = p.staleRoles || airflow.UnknownRoles(r.err)
		p.fail(r.step, r.err)
	default:
		p.fail(r.step, errNotEffective)
	}
}
