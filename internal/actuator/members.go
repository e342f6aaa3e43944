package actuator

import (
	"context"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

// Sizes of batches. A batch is at most a page of Airflow's list: what is read by one request.
const (
	// recent is how old the reading of a user may be that is not read anew with its batch.
	recent = sliceTime / 4
	// readBackAtOnce is how many users are read back together at least, but for the last ones: batches that are cut short
	// would cost a page each.
	readBackAtOnce = airflow.PageSize / 4
)

// batch is a number of users that stand together in Airflow's list: they are read together, written one by one, and read back
// together.
type batch struct {
	writes  []*memberWrite
	running sync.WaitGroup
	read    chan error // of the reading before the writes
}

// ready waits until the users were read.
func (b *batch) ready() error { return <-b.read }

// memberWrite is the write of one user's roles. Its fields are set by the goroutine of the write, and read after batch.running.
type memberWrite struct {
	step    access.Step
	planned reading // as the plan knew the user
	begun   bool
	written bool // a request was made
	err     error
}

// memberPhase writes the roles of users. While one batch is written the next is read and the one before is read back, so
// that no slot stays empty. Each user is read at most sliceTime before being written.
type memberPhase struct {
	*writer
	crew     *crew
	rest     []access.Step // in no batch yet
	written  []*batch      // and not being read back yet
	verified sync.WaitGroup
}

// run carries out the phase.
func (ph *memberPhase) run(ctx context.Context) error {
	ph.reader.sortByPlace(ph.rest)
	for next := ph.cut(ctx); next != nil; {
		if err := ph.course.beside(ctx, next.ready); err != nil {
			ph.crew.end(err)
			break
		}
		next = ph.write(ctx, next)
	}
	ph.readBack(ctx)
	err := ph.course.beside(ctx, func() error {
		_ = ph.crew.wait()
		ph.verified.Wait()
		return ph.crew.wait()
	})
	if moved := ph.ledger.rolesHaveMoved(); err != nil || !moved {
		return err
	}
	return ph.reader.readWhole(ctx, sets.New(listRoles))
}

// cut cuts a batch off the steps that are left, and begins to read its users; nil when no steps are left.
func (ph *memberPhase) cut(ctx context.Context) *batch {
	if len(ph.rest) == 0 {
		return nil
	}
	end := ph.reader.batchEnd(ph.rest)
	b := &batch{read: make(chan error, 1)}
	var old []string
	for _, step := range ph.rest[:end] {
		known, found, err := ph.reader.user(step.Username)
		b.writes = append(b.writes, &memberWrite{step: step, planned: known})
		if !found || err != nil || known.twins || ph.clock.Since(known.came) > recent {
			old = append(old, step.Username)
		}
	}
	ph.rest = ph.rest[end:]
	go func() { b.read <- ph.reader.readUsers(ctx, old, ph.clock.Now()) }()
	return b
}

// write begins the writes of a batch that was read, and the reading of the next one when few are left; it gives the next one,
// or nil where no more is to be written. A batch ends when its reading is too old: the others are read anew with the next.
func (ph *memberPhase) write(ctx context.Context, b *batch) (next *batch) {
	ahead := max(0, len(b.writes)-2*ph.server.atOnce())
	for i, write := range b.writes {
		if i > 0 && ph.isOld(write) {
			ph.postpone(b, i)
			break
		}
		if i == ahead {
			next = ph.cut(ctx)
		}
		if !ph.begin(ctx, b, write) {
			ph.collect(ctx, b)
			if next != nil {
				_ = next.ready() // its goroutine must not outlive the phase
			}
			return nil
		}
	}
	ph.collect(ctx, b)
	if next == nil {
		next = ph.cut(ctx)
	}
	return next
}

// isOld reports whether the last reading of a user is too old to write it.
func (ph *memberPhase) isOld(write *memberWrite) bool {
	last, found, _ := ph.reader.user(write.step.Username)
	return found && ph.clock.Since(last.came) > sliceTime
}

// postpone leaves the writes of a batch from i on to the next one.
func (ph *memberPhase) postpone(b *batch, i int) {
	steps := make([]access.Step, 0, len(b.writes)-i+len(ph.rest))
	for _, write := range b.writes[i:] {
		steps = append(steps, write.step)
	}
	ph.rest = append(steps, ph.rest...)
	b.writes = b.writes[:i]
}

// collect has a batch read back, when enough are written.
func (ph *memberPhase) collect(ctx context.Context, b *batch) {
	ph.written = append(ph.written, b)
	users := 0
	for _, each := range ph.written {
		users += len(each.writes)
	}
	if users >= readBackAtOnce {
		ph.readBack(ctx)
	}
}

// begin begins the write of one user; false means that no more are begun.
func (ph *memberPhase) begin(ctx context.Context, b *batch, write *memberWrite) bool {
	now, found, err := ph.reader.user(write.step.Username)
	switch {
	case err != nil:
		ph.ledger.giveUp(write.step, err)
		return true
	case !found, !ph.isAsPlanned(write, now):
		return true // the next plan knows
	}
	b.running.Add(1)
	ph.ledger.beginWriting(write.step.Username)
	done := func() {
		ph.ledger.endWriting(write.step.Username)
		b.running.Done()
	}
	begun := ph.crew.begin(ctx, func() error {
		defer done()
		write.begun = true
		write.written, write.err = ph.setRoles(ctx, write.step, now)
		return write.err
	})
	if !begun {
		done()
	}
	return begun
}

// isAsPlanned reports whether a user is still the one that the plan was made for. Access that has no cause is revoked
// whatever other roles have come or gone; for all else a changed user waits for the next plan, once.
func (ph *memberPhase) isAsPlanned(write *memberWrite, now reading) bool {
	planned := write.planned.user
	switch {
	case planned.Username == "", planned.CreatedOn != now.user.CreatedOn:
		return false
	case write.step.Kind == access.StepRemoveMember, slices.Equal(planned.Roles, now.user.Roles):
		return true
	}
	return ph.ledger.mayGoOn(write.step)
}

// setRoles writes the roles of one user after a step, from a reading that is not too old: the write may have waited for a
// slot.
func (ph *memberPhase) setRoles(ctx context.Context, s access.Step, last reading) (written bool, err error) {
	if ph.clock.Since(last.came) > sliceTime {
		u, err := ph.server.User(ctx, s.Username)
		if err != nil {
			return false, err
		}
		if u.CreatedOn != last.user.CreatedOn {
			return false, nil
		}
		last = newReading(u, time.Time{}, time.Time{})
	}
	roles := rolesAfter(last.user.Roles, s)
	if slices.Equal(roles, last.user.Roles) {
		return false, nil
	}
	_, err = ph.server.SetUserRoles(ctx, last.wire, roles)
	return true, err
}

// rolesAfter gives the roles of a user after a step; roles that the step does not name stay.
func rolesAfter(roles []string, s access.Step) []string {
	after := sets.New(roles...).Delete(s.Replaced...)
	if s.Kind.Gives() {
		return sets.List(after.Insert(s.Roles...))
	}
	return sets.List(after.Delete(s.Roles...))
}

// readBack begins to read back every user whose write was begun, also those whose answer was an error.
func (ph *memberPhase) readBack(ctx context.Context) {
	batches := ph.written
	ph.written = nil
	if len(batches) == 0 {
		return
	}
	ph.verified.Go(func() {
		var begun []*memberWrite
		for _, b := range batches {
			b.running.Wait()
			for _, write := range b.writes {
				if write.begun {
					begun = append(begun, write)
				}
			}
		}
		if askedToWait(ph.crew.outcome()) {
			return // the next pass finds out what the writes came to
		}
		if err := ph.verify(ctx, begun); err != nil {
			ph.crew.end(err)
		}
	})
}

// verify reads back the users of some writes and judges them.
func (ph *memberPhase) verify(ctx context.Context, writes []*memberWrite) error {
	names := make([]string, len(writes))
	for i, write := range writes {
		names[i] = write.step.Username
	}
	if err := ph.reader.readUsers(ctx, names, ph.clock.Now()); err != nil {
		return err
	}
	for _, write := range writes {
		ph.judge(write)
	}
	return nil
}

// judge decides by what was read back whether a write took effect.
func (ph *memberPhase) judge(write *memberWrite) {
	now, found, unread := ph.reader.user(write.step.Username)
	switch {
	case unread != nil:
		ph.ledger.giveUp(write.step, unread)
	case !found, slices.Equal(rolesAfter(now.user.Roles, write.step), now.user.Roles):
		if write.written {
			ph.ledger.did(write.step)
		}
	case write.err != nil:
		if airflow.UnknownRoles(write.err) {
			ph.ledger.noteRolesMoved()
		}
		ph.ledger.fail(write.step, write.err)
	default:
		ph.ledger.fail(write.step, errNotEffective)
	}
}
