package actuator

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/clock"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/permission"
)

// reader reads Airflow and keeps the snapshot, between passes too. Its methods may be called by any goroutine.
type reader struct {
	server *server
	clock  clock.PassiveClock

	mu   sync.Mutex // guards the snapshot, and nothing else; never held during a request
	snap *snapshot
}

// newReader makes a reader that knows nothing yet.
func newReader(s *server, passive clock.PassiveClock) *reader {
	return &reader{server: s, clock: passive, snap: newSnapshot()}
}

// view is the snapshot at one moment. Nothing in it is changed later.
type view struct {
	Observed access.Observed
	// ObservedAt is the moment of the oldest reading of roles and users that it rests on; zero until both lists were read once.
	ObservedAt time.Time
	// RolesRead is true where the role list was read once: before, a role that is not in it may be there.
	RolesRead bool
	// DagList is what is known of the DAG list.
	DagList access.DagList
	// Unread are the lists that could not be read when they were tried last, by name.
	Unread []*ListError
	// UnknownDags and UnknownResources are those that Airflow said not to know.
	UnknownDags, UnknownResources map[string]bool
}

// complete reports whether roles and users were read at least once: what was never read proves nothing.
func (v view) complete() bool { return !v.ObservedAt.IsZero() }

// presuming gives what is observed to a plan. As long as the role list was never read, all roles that other readings name
// are presumed to be there: no user must leave one because another seems to be missing.
func (v view) presuming(inventory []v1alpha1.ManagedRole) access.Observed {
	if v.RolesRead {
		return v.Observed
	}
	observed := v.Observed
	observed.Roles = maps.Clone(observed.Roles)
	presume := func(role string) {
		if _, known := observed.Roles[role]; !known {
			observed.Roles[role] = nil
		}
	}
	for _, entry := range inventory {
		presume(entry.Name)
	}
	for _, u := range observed.Users {
		for _, role := range u.Roles {
			presume(role)
		}
	}
	return observed
}

// view gives what is known now.
func (r *reader) view() view {
	r.mu.Lock()
	defer r.mu.Unlock()
	return view{
		Observed: r.snap.observed(), ObservedAt: r.snap.oldest(), RolesRead: !r.snap.rolesAt.IsZero(), DagList: r.snap.dagList(), Unread: r.snap.listErrors(),
		UnknownDags: maps.Clone(r.snap.unknownDags), UnknownResources: maps.Clone(r.snap.unknownResources),
	}
}

// begin starts a pass: what one pass alone may rest on is forgotten.
func (r *reader) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.snap.begin()
}

// askAgain forgets which resources Airflow said not to know: each that is still unknown costs one refused write. DAGs become
// resources all the time, others only with another version.
func (r *reader) askAgain(alsoOthers bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.snap.unknownDags)
	if alsoOthers {
		clear(r.snap.unknownResources)
	}
}

// stale gives those of some lists that were not read in this pass.
func (r *reader) stale(lists sets.Set[list]) sets.Set[list] {
	r.mu.Lock()
	defer r.mu.Unlock()
	return lists.Difference(r.snap.fresh)
}

// bereft reports whether a user that stored one of these roles was found to be there no more, and the list was not read
// since: the user may have another name.
func (r *reader) bereft(inventory []v1alpha1.ManagedRole) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(inventory, func(entry v1alpha1.ManagedRole) bool { return r.snap.users.bereft.Has(entry.Name) })
}

// forgetGone forgets which names were not found before a moment: a list was read since.
func (r *reader) forgetGone(before time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.snap.users.gone, func(_ string, last time.Time) bool { return last.Before(before) })
}

// wanted are the lists that a look reads: its own, and those that were never read.
func (r *reader) wanted(look Look) sets.Set[list] {
	r.mu.Lock()
	defer r.mu.Unlock()
	return look.lists().Union(r.snap.missing())
}

// inVain gives those of some lists that were tried in this pass and could not be read.
func (r *reader) inVain(lists sets.Set[list]) sets.Set[list] {
	r.mu.Lock()
	defer r.mu.Unlock()
	return lists.Intersection(r.snap.failed)
}

// listReading is one reading of some lists at once.
type listReading struct {
	at    time.Time
	roles airflow.List[airflow.Role]
	users airflow.List[airflow.User]
	dags  airflow.List[airflow.Dag]

	mu     sync.Mutex // guards failed
	failed map[list]error
}

// ask reads one list. It fails with what concerns the server; what concerns the list alone is noted.
func (l *listReading) ask(ctx context.Context, s *server, which list) (err error) {
	switch which {
	case listRoles:
		l.roles, err = s.Roles(ctx)
	case listUsers:
		l.users, err = s.Users(ctx)
	case listDags:
		l.dags, err = s.Dags(ctx)
	}
	switch {
	case err == nil:
		return nil
	case scopeOf(err, ScopeList) == ScopeServer:
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed[which] = err
	return nil
}

// store takes in a list that was read, or why it was not.
func (l *listReading) store(snap *snapshot, which list, came time.Time) {
	snap.noteList(which, l.failed[which])
	if l.failed[which] != nil {
		return
	}
	switch which {
	case listRoles:
		snap.setRoles(l.roles, l.at)
	case listUsers:
		snap.setUsers(l.users, l.at, came)
	case listDags:
		snap.setDags(l.dags, l.at)
	}
}

// readLists reads whole lists at once, and takes in those that can be read. It fails with what concerns the server: nothing
// is taken in then.
func (r *reader) readLists(ctx context.Context, wanted sets.Set[list]) error {
	reading := &listReading{at: r.clock.Now(), failed: map[list]error{}}
	group, groupCtx := errgroup.WithContext(ctx)
	for which := range wanted {
		group.Go(func() error { return reading.ask(groupCtx, r.server, which) })
	}
	err := group.Wait()
	if err == nil {
		err = reading.silent(ctx, r.server, wanted)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		if wanted.Has(listDags) {
			r.snap.dags.Interrupt()
		}
		return err
	}
	for _, which := range []list{listRoles, listUsers, listDags} {
		if wanted.Has(which) {
			reading.store(r.snap, which, r.clock.Now())
		}
	}
	return nil
}

// silent is the error of a list where the server answers nothing else, either.
func (l *listReading) silent(ctx context.Context, s *server, wanted sets.Set[list]) error {
	failed := slices.Sorted(maps.Keys(l.failed))
	switch {
	case len(failed) == 0, len(failed) < wanted.Len(), s.answers(ctx):
		return nil
	}
	return l.failed[failed[0]]
}

// readWhole reads lists on which something is to rest, and fails where the role list is not complete. A list that cannot be
// read is left out; see inVain.
func (r *reader) readWhole(ctx context.Context, wanted sets.Set[list]) error {
	if err := r.readLists(ctx, wanted); err != nil {
		return err
	}
	if r.stale(wanted).Difference(r.inVain(wanted)).Len() > 0 {
		return ErrListShifted
	}
	return nil
}

// readUsers reads users anew: by pages where several stand on one page, one by one otherwise, as are those on a page that
// cannot be read, by chance or because of one of them. Users that it cannot read are noted with the reason; it fails only
// with what concerns all of them. It asks for no more after such an error, and after as many failures in a row as a server
// has that fails every request.
func (r *reader) readUsers(ctx context.Context, names []string, at time.Time) error {
	if len(names) == 0 {
		return nil
	}
	reading := &userReading{reader: r, at: at, tally: newTally(r.server)}
	reading.alone(ctx, reading.byPage(ctx, names))
	return reading.tally.outcome()
}

// readNew reads users that were never read: many by the list, where that can be read.
func (r *reader) readNew(ctx context.Context, names []string) error {
	at := r.clock.Now()
	if len(names) <= airflow.PageSize/4 {
		return r.readUsers(ctx, names, at)
	}
	users := sets.New(listUsers)
	if r.readLists(ctx, users) == nil && r.inVain(users).Len() == 0 {
		return nil
	}
	return r.readUsers(ctx, names, at)
}

// userPages is how many requests a reading of all users takes, at least one.
func (r *reader) userPages() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(1, (len(r.snap.users.order)+airflow.PageSize-1)/airflow.PageSize)
}

// readRoles reads roles by name: the whole list where that is fewer requests and can be read. Roles that cannot be read are
// noted with the reason; it fails only with what concerns all of them.
func (r *reader) readRoles(ctx context.Context, names []string) error {
	if len(names) > r.rolePages() {
		roles := sets.New(listRoles)
		if err := r.readWhole(ctx, roles); err != nil || r.inVain(roles).Len() == 0 {
			return err
		}
	}
	reading := roleReading{reader: r, tally: newTally(r.server)}
	var group errgroup.Group
	group.SetLimit(r.server.atOnce())
	for _, name := range names {
		group.Go(func() error {
			reading.one(ctx, name)
			return nil
		})
	}
	_ = group.Wait()
	return reading.tally.outcome()
}

// roleReading is one reading of roles by their names.
type roleReading struct {
	*reader
	tally *tally
}

// one reads one role.
func (r roleReading) one(ctx context.Context, name string) {
	var answer airflow.Role
	err := r.server.inSlot(ctx, func() (err error) {
		if !r.tally.over() {
			answer, err = r.server.Role(ctx, name)
		}
		return err
	})
	if r.tally.over() {
		return // nothing is stored of a reading that was given up
	}
	missing := airflow.IsNotFound(err)
	if !missing {
		r.tally.count(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case missing:
		r.snap.dropRole(name)
	case err != nil:
		r.snap.unreadRoles[name] = err
	default:
		r.snap.setRole(answer)
	}
}

// unreadRole is why a role could not be read by name in this pass; nil where it could, or was not asked for.
func (r *reader) unreadRole(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.snap.unreadRoles[name]
}

// rolePages is how many requests a reading of all roles takes.
func (r *reader) rolePages() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.snap.roles)/airflow.PageSize + 1
}

// role gives the permissions that a role stores, and whether there is such a role.
func (r *reader) role(name string) (pairs []permission.Pair, exists bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	pairs, exists = r.snap.roles[name]
	return pairs, exists
}

// user gives the last reading of a user. It fails where the user could not be read in this pass or the name does not
// identify one; found is false where there is no such user.
func (r *reader) user(name string) (last reading, found bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.snap.users.of(name)
}

// readAt is when the last reading was begun that shows the state of a user; zero where none does.
func (r *reader) readAt(username string) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.snap.users.readAt(username)
}

// unreadUsers are the users that could not be read in this pass, and why. Names that no server can be asked for do not count.
func (r *reader) unreadUsers() []userError {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []userError
	for _, name := range slices.Sorted(maps.Keys(r.snap.users.unread)) {
		if err := r.snap.users.unread[name]; !ofName(err) {
			out = append(out, userError{name, err})
		}
	}
	return out
}

// userError is why a user could not be read.
type userError struct {
	username string
	err      error
}

// sentence says it.
func (e userError) sentence() string { return "reading of user " + e.username + ": " + e.err.Error() }

// sortByPlace sorts steps on users by where these stand in Airflow's list.
func (r *reader) sortByPlace(steps []access.Step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.SortStableFunc(steps, func(a, b access.Step) int {
		return r.snap.users.place(a.Username) - r.snap.users.place(b.Username)
	})
}

// batchEnd is how many of some steps, sorted by place, make the next batch: at most a page, and up to the end of one of
// Airflow's pages where that is more than half of it.
func (r *reader) batchEnd(steps []access.Step) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(steps) <= airflow.PageSize {
		return len(steps)
	}
	page := func(i int) int { return r.snap.users.place(steps[i].Username) / airflow.PageSize }
	for end := airflow.PageSize; end > airflow.PageSize/2; end-- {
		if page(end) != page(end-1) {
			return end
		}
	}
	return airflow.PageSize
}

// learnUnknown notes a resource that Airflow does not know, and whether that is news. From the second DAG on, all that are
// listed and unknown are found by one reading of the permission list, where the server has one that shows them; otherwise
// one by one, each by a refused write.
func (r *reader) learnUnknown(ctx context.Context, resource string, how v1alpha1.PermissionList) error {
	if !r.noteUnknown(resource) {
		return nil
	}
	if how != "" && how != v1alpha1.PermissionListPairs {
		return nil
	}
	pairs, err := r.server.Permissions(ctx)
	switch {
	case fatal(err):
		return err
	case err != nil, !pairs.Complete:
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.snap.learnKnown(pairs.Items)
	return nil
}

// noteUnknown notes a resource that Airflow does not know, and reports whether it is a DAG and not the first.
func (r *reader) noteUnknown(resource string) (another bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, isDag := permission.DagOf(resource)
	others := len(r.snap.unknownDags)
	r.snap.learnUnknown(resource)
	return isDag && others > 0
}

// isNews reports whether it was not known that Airflow does not know a resource.
func (r *reader) isNews(resource string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.snap.isNews(resource)
}
