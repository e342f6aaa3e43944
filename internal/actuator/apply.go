package actuator

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

// errNotEffective says that Airflow accepted a write and stored something else.
var errNotEffective = errors.New("Airflow accepted the write, and a reading afterwards shows that it took no effect")

// failure is a step that did not take effect.
type failure struct {
	step access.Step
	err  error
}

// blocked is what failed in this pass, so that steps that build on it are left alone.
type blocked struct {
	roles map[string]bool // the role itself could not be written
	held  map[string]bool // a membership of the role could not be written
	users map[string]bool
}

func stepKey(s access.Step) string {
	return string(s.Kind) + "\x00" + s.Role + "\x00" + s.Username + "\x00" + strings.Join(s.Roles, "\x00")
}

// next gives steps of the first phase that has any to take. Steps inside a phase do not depend on each other.
func (p *pass) next(plan access.Plan) []access.Step {
	for _, phase := range plan.Phases {
		var steps []access.Step
		for _, step := range phase {
			if p.tries[stepKey(step)] < maxTries && p.open(step) {
				steps = append(steps, step)
			}
		}
		if len(steps) > 0 {
			return steps
		}
	}
	return nil
}

// open says whether nothing that failed before stands in the way of a step.
func (p *pass) open(s access.Step) bool {
	switch s.Kind {
	case access.StepRemoveMember:
		return true
	case access.StepCreateRole, access.StepWidenRole, access.StepNarrowRole, access.StepReplaceRole:
		return !p.blocked.held[s.Role]
	case access.StepAddMember, access.StepSwapMember:
		return !p.blocked.users[fold(s.Username)] && p.exist(s.Roles)
	case access.StepRemoveReplaced:
		return !p.blocked.users[fold(s.Username)]
	case access.StepDeleteRole:
		return true
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

func (p *pass) fail(step access.Step, err error) {
	key := stepKey(step)
	if p.tries[key]++; p.tries[key] < maxTries {
		return
	}
	p.failures = append(p.failures, failure{step: step, err: err})
	if p.blocked.roles == nil {
		p.blocked = blocked{roles: map[string]bool{}, held: map[string]bool{}, users: map[string]bool{}}
	}
	if step.Role != "" {
		p.blocked.roles[step.Role] = true
		return
	}
	p.blocked.users[fold(step.Username)] = true
	for _, name := range step.Roles {
		p.blocked.held[name] = true
	}
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

// found says whether the inventory has roles that are not stored yet, although no step makes them: those that are only
// looked at before they are adopted, and those of a lost inventory.
func (p *pass) found() bool {
	known := p.inventory
	if p.isSaved {
		known = p.stored
	}
	return slices.ContainsFunc(p.desired.Inventory, func(entry v1alpha1.ManagedRole) bool {
		return !slices.ContainsFunc(known, func(k v1alpha1.ManagedRole) bool { return k.Name == entry.Name })
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

// apply takes steps of one phase for the time of a slice, and reads back what they wrote.
func (p *pass) apply(ctx context.Context, steps []access.Step) error {
	if steps[0].Username != "" {
		return p.applyMembers(ctx, steps)
	}
	return p.applyRoles(ctx, steps)
}

// fatal says whether an error ends the pass: the server, the account or the network is the cause, not the step.
func fatal(err error) bool {
	return airflow.IsThrottled(err) || airflow.IsUnauthorized(err) || airflow.IsForbidden(err) ||
		airflow.IsNotAirflow(err) || airflow.IsTLS(err) || airflow.IsBlockedAddress(err) || airflow.IsCanceled(err) ||
		errors.Is(err, context.Canceled)
}

// result is what became of one write.
type result struct {
	step    access.Step
	begun   bool
	written bool
	err     error
}

// each runs write for steps, a bounded number at once, and begins none after the time of a slice or a fatal error.
func (p *pass) each(ctx context.Context, steps []access.Step, write func(context.Context, access.Step) (bool, error)) ([]result, error) {
	var (
		begin   = p.clock.Now()
		results = make([]result, len(steps))
		mu      sync.Mutex
		lost    int // writes in a row that met an unavailable server
		stop    error
	)
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(p.concurrency)
	for i, step := range steps {
		results[i].step = step
		mu.Lock()
		stopped := stop != nil
		mu.Unlock()
		if stopped || ctx.Err() != nil || p.clock.Since(begin) > sliceTime {
			break
		}
		results[i].begun = true
		group.Go(func() error {
			written, err := write(groupCtx, step)
			mu.Lock()
			defer mu.Unlock()
			results[i].written, results[i].err = written, err
			switch {
			case err == nil:
				lost = 0
			case airflow.IsUnavailable(err):
				lost++
			}
			if fatal(err) || lost >= 2*p.concurrency {
				stop = err
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return results, err
	}
	for i := range results {
		results[i].step = steps[i]
	}
	return results, stop
}

// applyMembers writes users' roles. Each user is read right before and right after.
func (p *pass) applyMembers(ctx context.Context, steps []access.Step) error {
	slices.SortStableFunc(steps, func(a, b access.Step) int { return p.place(a.Username) - p.place(b.Username) })
	var ahead []access.Step
	if len(steps) > p.batch {
		steps, ahead = steps[:p.batch], steps[p.batch:min(2*p.batch, len(steps))]
	}
	before := p.snap.observed()
	if err := p.readUsers(ctx, p.stale(steps), p.clock.Now(), nil); err != nil {
		return err
	}
	steps = p.same(before, steps)
	current := p.snap.users
	writing := p.clock.Now()
	results, stop := p.each(ctx, steps, func(ctx context.Context, s access.Step) (bool, error) {
		st := current[fold(s.Username)]
		if p.clock.Since(st.at) > sliceTime {
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
		_, err := p.airflow.SetUserRoles(ctx, st.wire, roles)
		return true, err
	})
	p.pace(p.clock.Since(writing), results)
	if err := p.verifyMembers(ctx, results, ahead); err != nil && stop == nil {
		stop = err
	}
	return stop
}

// stale are the users of steps who were not read just now, by the slice before.
func (p *pass) stale(steps []access.Step) []string {
	const fresh = sliceTime / 4
	var names []string
	for _, s := range steps {
		if st, ok := p.snap.users[fold(s.Username)]; !ok || p.clock.Since(st.at) > fresh {
			names = append(names, s.Username)
		}
	}
	return names
}

// same leaves out steps for users who are gone or are another person than the plan was made for; the next plan knows.
func (p *pass) same(before access.Observed, steps []access.Step) []access.Step {
	created := make(map[string]string, len(steps))
	for _, u := range before.Users {
		created[fold(u.Username)] = u.CreatedOn
	}
	out := steps[:0:0]
	for _, s := range steps {
		key := fold(s.Username)
		if st, ok := p.snap.users[key]; ok && st.user.CreatedOn == created[key] {
			out = append(out, s)
		}
	}
	return out
}

// place is where a user stands in Airflow's list; unknown ones come last.
func (p *pass) place(username string) int {
	if i, ok := p.snap.index[fold(username)]; ok {
		return i
	}
	return len(p.snap.order)
}

// pace fits the number of users that are read together to what the rest of a slice can write: what is read and not
// written would be read again.
func (p *pass) pace(spent time.Duration, results []result) {
	const least, most = 50, 800
	begun := 0
	for _, r := range results {
		if r.begun {
			begun++
		}
	}
	if spent <= 0 || begun < least {
		return
	}
	fits := int(0.9 * float64(begun) * float64(sliceTime) / float64(spent))
	p.batch = min(max(fits, least), most)
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

// verifyMembers reads back every user whose write was begun, also those whose answer was an error, and in the same go
// those who are written next.
func (p *pass) verifyMembers(ctx context.Context, results []result, ahead []access.Step) error {
	var names []string
	for _, r := range results {
		if r.begun {
			names = append(names, r.step.Username)
		}
	}
	if len(names) == 0 {
		return nil
	}
	for _, s := range ahead {
		names = append(names, s.Username)
	}
	if err := p.readUsers(ctx, names, p.clock.Now(), nil); err != nil {
		return err
	}
	refresh := false
	for _, r := range results {
		if !r.begun {
			continue
		}
		st, ok := p.snap.users[fold(r.step.Username)]
		effective := !ok || slices.Equal(changed(st.user.Roles, r.step), st.user.Roles)
		switch {
		case effective:
			if r.written {
				p.changes++
			}
		case airflow.UnknownRoles(r.err):
			refresh = true
			p.fail(r.step, r.err)
		case r.err != nil:
			p.fail(r.step, r.err)
		default:
			p.fail(r.step, errNotEffective)
		}
	}
	if refresh {
		return p.readRoles(ctx)
	}
	return nil
}
