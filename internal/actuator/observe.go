package actuator

import (
	"context"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// observe reads what the pass rests on.
func (p *pass) observe(ctx context.Context, look Look) error {
	if !p.snap.complete() {
		look = LookFull
	}
	if look >= LookDags {
		clear(p.unknown) // asked again; what is still unknown costs one refused write
	}
	if look == LookFull {
		clear(p.lacking)
	}
	switch look {
	case LookFull:
		if err := p.observeAll(ctx); err != nil {
			return err
		}
		p.full = true
	case LookDags:
		if err := p.observeDags(ctx); err != nil {
			return err
		}
	case LookTouched:
	}
	return p.observeAwaited(ctx)
}

func (p *pass) observeAll(ctx context.Context) error {
	var (
		roles airflow.List[airflow.Role]
		users airflow.List[airflow.User]
		dags  airflow.List[airflow.Dag]
	)
	at := p.clock.Now()
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() (err error) { roles, err = p.airflow.Roles(groupCtx); return err })
	group.Go(func() (err error) { users, err = p.airflow.Users(groupCtx); return err })
	group.Go(func() (err error) { dags, err = p.airflow.Dags(groupCtx); return err })
	if err := p.beside(ctx, group.Wait); err != nil {
		return err
	}
	p.snap.setRoles(roles, at)
	p.snap.setUsers(users, at, p.clock.Now())
	p.setDags(dags, at)
	maps.DeleteFunc(p.gone, func(_ string, last time.Time) bool { return last.Before(p.started) })
	clear(p.maybe)
	if !p.snap.complete() {
		return ErrListShifted
	}
	return nil
}

func (p *pass) observeDags(ctx context.Context) error {
	var dags airflow.List[airflow.Dag]
	at := p.clock.Now()
	err := p.beside(ctx, func() (err error) { dags, err = p.airflow.Dags(ctx); return err })
	if err != nil {
		return err
	}
	p.setDags(dags, at)
	return nil
}

func (p *pass) observeRoles(ctx context.Context) error {
	return p.beside(ctx, func() error { return p.readRoles(ctx) })
}

func (p *pass) observeUsers(ctx context.Context) error {
	var users airflow.List[airflow.User]
	at := p.clock.Now()
	err := p.beside(ctx, func() (err error) { users, err = p.airflow.Users(ctx); return err })
	if err != nil {
		return err
	}
	p.snap.setUsers(users, at, p.clock.Now())
	p.vanished = false
	return nil
}

func (p *pass) setDags(dags airflow.List[airflow.Dag], at time.Time) {
	p.snap.setDags(dags, at)
	p.listed = true
}

// observeAwaited looks for users that grants and policies wait for: at once when they are named for the first time,
// then every dagInterval.
func (p *pass) observeAwaited(ctx context.Context) error {
	now, interval := p.clock.Now(), p.declared.Instance.Spec.DagInterval.Duration
	maps.DeleteFunc(p.looked, func(_ string, last time.Time) bool { return p.started.Sub(last) >= interval })
	names, email := p.awaited()
	pages := (len(p.snap.order) + airflow.PageSize - 1) / airflow.PageSize
	if len(names) > max(pages, 1) || email && p.started.Sub(p.emailLook) >= interval {
		if err := p.observeUsers(ctx); err != nil {
			return err
		}
		p.emailLook = p.started
		for _, name := range names {
			p.looked[text.Fold(name)] = p.started
		}
		return nil
	}
	err := p.beside(ctx, func() error { return p.readUsers(ctx, names, now) })
	for _, name := range names {
		if cause := p.unread[text.Fold(name)]; err == nil && (cause == nil || ofName(cause)) {
			p.looked[text.Fold(name)] = p.started
		}
	}
	return err
}

// awaited are subjects that nobody stored answers to, and which were not looked for within the interval.
func (p *pass) awaited() (names []string, email bool) {
	users := p.snap.observed().Users
	index := access.NewDirectory(users, p.declared.Account)
	seen := map[string]bool{}
	ask := func(s v1alpha1.Subject) {
		if _, problem := index.Resolve(s); problem == nil || problem.Reason != v1alpha1.ReasonUserNotFound {
			return
		}
		if s.Username == "" {
			email = true
			return
		}
		key := text.Fold(s.Username)
		if _, looked := p.looked[key]; seen[key] || looked {
			return
		}
		seen[key] = true
		names = append(names, s.Username)
	}
	for _, policy := range p.declared.Policies {
		for _, member := range policy.Spec.Members {
			ask(member)
		}
	}
	for _, grant := range p.declared.Grants {
		if grant.Status.Activation == nil && grant.Status.End == nil && grant.DeletionTimestamp.IsZero() {
			ask(grant.Spec.Subject)
		}
	}
	return names, email
}

// prove reads the users of grants whose state rests on a reading that is too old to prove it. It says whether something
// was read, so that the plan is made again.
func (p *pass) prove(ctx context.Context) (bool, error) {
	var stale []string
	now, seen := p.clock.Now(), map[string]bool{}
	for _, grant := range p.declared.Grants {
		name, waits := unproved(grant)
		if !waits {
			continue
		}
		since := p.since(grant)
		key := text.Fold(name)
		if p.proved[key] && since.After(now) || p.unread[key] != nil {
			continue // no reading of this pass can be late enough, since a clock went back, or there is none
		}
		if !seen[key] && p.readAt(name).Before(since) {
			seen[key], p.proved[key] = true, true
			stale = append(stale, name)
		}
	}
	if len(stale) == 0 {
		return false, nil
	}
	return true, p.beside(ctx, func() error { return p.readUsers(ctx, stale, now) })
}

// readAt is when a user was read last, or was asked for by name and not found. That a list lacks somebody proves nothing: one
// who goes and one who comes while it is read can hide a third.
func (p *pass) readAt(username string) time.Time {
	key := text.Fold(username)
	if st, ok := p.snap.users[key]; ok {
		return st.at
	}
	return p.gone[key]
}

// readUsers reads users anew, by pages where many stand on one page, else one by one. A page that cannot be read, by chance
// or because of one of the people on it, is read in parts before each of them is read alone. Whom it cannot read is noted,
// with the reason; it fails only with what concerns everybody. It asks for no more after such an error, and after as many
// failures in a row as a server has that answers nobody.
func (p *pass) readUsers(ctx context.Context, names []string, at time.Time) error {
	if len(names) == 0 {
		return nil
	}
	crew := &crew{p: p, people: true}
	broken, alone := p.readPages(ctx, crew, names, airflow.PageSize, at)
	still, more := p.readPages(ctx, crew, broken, airflow.PageSize/partsOfPage, at)
	p.readSingle(ctx, crew, slices.Concat(alone, still, more), at)
	return crew.wait()
}

// partsOfPage is in how many parts a page is read that could not be read at once.
const partsOfPage = 4

// readPages reads users by pages of so many. It gives the names on pages that could not be read, and those that are to be
// read alone: few stand on their page, or they are not on it any more.
func (p *pass) readPages(ctx context.Context, crew *crew, names []string, size int, at time.Time) (broken, alone []string) {
	p.guard.Lock()
	pages, alone := p.byPage(names, size)
	p.guard.Unlock()
	var group errgroup.Group
	group.SetLimit(p.concurrency)
	for _, page := range pages {
		group.Go(func() error {
			page.err = p.inPlace(ctx, func() (err error) {
				if crew.over() {
					return nil // nothing is read, and nobody is judged by that
				}
				page.read, err = p.airflow.UsersPage(ctx, page.offset, size)
				page.came = p.clock.Now()
				crew.count(err)
				return err
			})
			return nil
		})
	}
	_ = group.Wait()
	for _, page := range pages {
		if page.err != nil {
			broken = append(broken, page.names...)
		} else {
			alone = append(alone, p.takeIn(page, at)...)
		}
	}
	return broken, alone
}

// takeIn stores a page that was read, and gives the names that were not found where they stood before.
func (p *pass) takeIn(page *userPage, at time.Time) (missing []string) {
	p.guard.Lock()
	defer p.guard.Unlock()
	found := map[string]bool{}
	for _, u := range page.read {
		p.takeUser(u, at, page.came)
		found[text.Fold(u.Username)] = true
	}
	for _, name := range page.names {
		if !found[text.Fold(name)] {
			missing = append(missing, name)
		}
	}
	return missing
}

// readSingle reads users one by one.
func (p *pass) readSingle(ctx context.Context, crew *crew, names []string, at time.Time) {
	var group errgroup.Group
	group.SetLimit(p.concurrency)
	for _, name := range names {
		group.Go(func() error {
			var u airflow.User
			var came time.Time
			err := p.inPlace(ctx, func() (err error) {
				if !crew.over() {
					u, err = p.airflow.User(ctx, name)
					came = p.clock.Now()
				}
				return err
			})
			switch {
			case crew.over():
			case airflow.IsNotFound(err):
				p.missing(name, at)
			default:
				crew.count(err)
				p.answered(name, u, err, at, came)
			}
			return nil
		})
	}
	_ = group.Wait()
}

// missing notes that nobody has a name.
func (p *pass) missing(name string, at time.Time) {
	p.guard.Lock()
	defer p.guard.Unlock()
	if len(p.snap.twins[text.Fold(name)]) > 0 {
		p.unread[text.Fold(name)] = errTwins // Airflow finds neither
		return
	}
	if p.overtaken(name, at) {
		return
	}
	p.vanished = p.vanished || p.holdsOurs(name)
	p.snap.dropUser(name)
	p.gone[text.Fold(name)] = at
	delete(p.unread, text.Fold(name))
}

// answered stores a user who was read, or why that failed.
func (p *pass) answered(name string, u airflow.User, err error, at, came time.Time) {
	p.guard.Lock()
	defer p.guard.Unlock()
	if p.overtaken(name, at) {
		return
	}
	if err == nil && u.Username != name && len(p.snap.twins[text.Fold(name)]) > 0 {
		err = errTwins
	}
	if err != nil {
		p.unread[text.Fold(name)] = err
		return
	}
	delete(p.unread, text.Fold(name))
	p.takeUser(u, at, came)
}

// overtaken says whether somebody was read since by a reading that was begun after one of this moment. Two may be under
// way: people stand on the pages on which others are looked for.
func (p *pass) overtaken(name string, at time.Time) bool {
	key := text.Fold(name)
	st, known := p.snap.users[key]
	switch {
	case !known:
		return p.gone[key].After(at)
	case len(p.snap.twins[key]) > 0 && st.user.Username != name:
		return false
	}
	return st.at.After(at)
}

// takeUser stores a user who was read, unless that was overtaken.
func (p *pass) takeUser(u airflow.User, at, came time.Time) {
	key := text.Fold(u.Username)
	if p.overtaken(u.Username, at) {
		return
	}
	if len(p.snap.twins[key]) == 0 {
		delete(p.unread, key)
	}
	if last, known := p.snap.users[key]; known && len(p.snap.twins[key]) == 0 && last.wire.CreatedOn != u.CreatedOn {
		p.vanished = p.vanished || p.holdsOurs(u.Username)
	}
	p.snap.setUser(u, at, came)
}

// holdsOurs says whether somebody had a role of ours when they were read last.
func (p *pass) holdsOurs(username string) bool {
	last, known := p.snap.users[text.Fold(username)]
	return known && slices.ContainsFunc(p.owned(), func(entry v1alpha1.ManagedRole) bool { return slices.Contains(last.user.Roles, entry.Name) })
}

// userPage is a page of Airflow's user list and the wanted users on it.
type userPage struct {
	offset int
	names  []string
	read   []airflow.User
	came   time.Time // when the answer did
	err    error
}

// byPage parts names into pages of so many that are worth one request, and names that are read alone.
func (p *pass) byPage(names []string, size int) (pages []*userPage, single []string) {
	const worthwhile = 3
	byOffset := map[int][]string{}
	var offsets []int
	for _, name := range names {
		place, ok := p.snap.index[text.Fold(name)]
		if !ok || len(p.snap.twins[text.Fold(name)]) > 0 {
			single = append(single, name)
			continue
		}
		offset := place / size * size
		if byOffset[offset] == nil {
			offsets = append(offsets, offset)
		}
		byOffset[offset] = append(byOffset[offset], name)
	}
	for _, offset := range offsets {
		if on := byOffset[offset]; len(on) >= worthwhile {
			pages = append(pages, &userPage{offset: offset, names: on})
		} else {
			single = append(single, on...)
		}
	}
	return pages, single
}
