package actuator

import (
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// roster is what was read of Airflow's users, with the moment of each reading. Keys are folded usernames.
type roster struct {
	byName map[string]reading
	// twins are users whose names differ from that of another one in case alone.
	twins map[string][]access.User
	gone  map[string]time.Time // users that a reading by name did not find, and when it was begun

	// order holds the users in the order of Airflow's list, and index their places: which page to ask for.
	order    []string
	index    map[string]int
	listedAt time.Time // of the last complete list

	// unread are users that could not be read in this pass, and why.
	unread map[string]error
	// bereft are roles of users that were found to be there no more since the list was read: such a user may have another
	// name now.
	bereft sets.Set[string]

	changed bool // since sorted was called
}

// reading is a user as the planner and as the client know it. It proves what was so after at, when it was asked for; its
// age counts from when the answer came.
type reading struct {
	user     access.User
	wire     airflow.User
	at, came time.Time
	twins    bool // the name does not identify one user but for its case: what is written must be read right before
}

// newReading is what an answer says about a user.
func newReading(u airflow.User, at, came time.Time) reading {
	return reading{user: user(u), wire: u, at: at, came: came}
}

// newRoster makes a roster that knows no user yet.
func newRoster() roster {
	return roster{
		byName: map[string]reading{}, twins: map[string][]access.User{}, gone: map[string]time.Time{}, index: map[string]int{},
		unread: map[string]error{}, bereft: sets.New[string](),
	}
}

// begin forgets what is known of the pass before alone. Not which roles users may have under another name: a pass that only
// revokes what is due, or fails, does not look for them.
func (r *roster) begin() { clear(r.unread) }

// setAll replaces all users but those that were read by themselves after the list was begun. Names that an incomplete
// list lacks are kept.
func (r *roster) setAll(list airflow.List[airflow.User], at, came time.Time) {
	later := maps.Clone(r.byName)
	maps.DeleteFunc(later, func(_ string, last reading) bool { return !last.at.After(at) })
	if list.Complete {
		r.byName = make(map[string]reading, len(list.Items))
		r.listedAt = at
	}
	clear(r.twins)
	r.bereft.Clear()
	r.order = make([]string, 0, len(list.Items))
	r.index = make(map[string]int, len(list.Items))
	for i, u := range list.Items {
		key := text.Fold(u.Username)
		r.order = append(r.order, key)
		if _, twice := r.index[key]; twice {
			r.twins[key] = append(r.twins[key], user(u))
			continue
		}
		r.byName[key] = newReading(u, at, came)
		r.index[key] = i
	}
	maps.Copy(r.byName, later)
	r.changed = true
}

// set takes in one user.
func (r *roster) set(u airflow.User, at, came time.Time) {
	key := text.Fold(u.Username)
	r.changed = true
	for i, twin := range r.twins[key] {
		if twin.Username == u.Username {
			r.twins[key][i] = user(u)
			return
		}
	}
	r.byName[key] = newReading(u, at, came)
	if r.listedAt.IsZero() {
		return
	}
	if _, placed := r.index[key]; !placed {
		r.index[key] = len(r.order)
		r.order = append(r.order, key)
	}
}

// dropRole removes a role that is gone from users' lists.
func (r *roster) dropRole(name string) {
	for key, last := range r.byName {
		last.user.Roles = less(last.user.Roles, name)
		r.byName[key] = last
	}
	for _, twins := range r.twins {
		for i := range twins {
			twins[i].Roles = less(twins[i].Roles, name)
		}
	}
	r.changed = true
}

// ambiguous reports whether a name does not identify one user: the one that was found under it has another spelling, and a
// twin.
func (r *roster) ambiguous(username, found string) bool {
	return found != username && r.hasTwins(username)
}

// hasTwins reports whether several users have this name but for case.
func (r *roster) hasTwins(username string) bool { return len(r.twins[text.Fold(username)]) > 0 }

// of gives the last reading of a user. It fails where the user could not be read in this pass or the name does not identify
// one; found is false where there is no such user.
func (r *roster) of(username string) (last reading, found bool, err error) {
	key := text.Fold(username)
	last, found = r.byName[key]
	last.twins = r.hasTwins(username)
	if found && r.ambiguous(username, last.user.Username) {
		return last, true, errTwins
	}
	return last, found, r.unread[key]
}

// readAt is when the last reading of a user was begun, or the last one by name that did not find it. That a list lacks a
// user proves nothing: one that goes and one that comes while it is read can hide a third.
func (r *roster) readAt(username string) time.Time {
	key := text.Fold(username)
	if last, known := r.byName[key]; known {
		return last.at
	}
	return r.gone[key]
}

// overtaken reports whether a user was read since by a reading that was begun after this moment. Two may be under way: users
// stand on the pages on which others are looked up.
func (r *roster) overtaken(username string, at time.Time) bool {
	last, known := r.byName[text.Fold(username)]
	switch {
	case !known:
		return r.gone[text.Fold(username)].After(at)
	case r.ambiguous(username, last.user.Username):
		return false
	}
	return last.at.After(at)
}

// take stores a user that was read, unless that was overtaken.
func (r *roster) take(u airflow.User, at, came time.Time) {
	if r.overtaken(u.Username, at) {
		return
	}
	if !r.hasTwins(u.Username) {
		key := text.Fold(u.Username)
		delete(r.unread, key)
		if last, known := r.byName[key]; known && last.wire.CreatedOn != u.CreatedOn {
			r.bereft.Insert(last.user.Roles...) // another user has this name now
		}
	}
	r.set(u, at, came)
}

// takePage stores a page that was read, and gives the names that were not found where they stood before.
func (r *roster) takePage(page *userPage, at time.Time) (missing []string) {
	found := sets.New[string]()
	for _, u := range page.read {
		r.take(u, at, page.came)
		found.Insert(text.Fold(u.Username))
	}
	for _, name := range page.names {
		if !found.Has(text.Fold(name)) {
			missing = append(missing, name)
		}
	}
	return missing
}

// takeMissing notes that no user has a name.
func (r *roster) takeMissing(username string, at time.Time) {
	key := text.Fold(username)
	switch {
	case r.hasTwins(username):
		r.unread[key] = errTwins // Airflow finds neither
		return
	case r.overtaken(username, at):
		return
	}
	r.bereft.Insert(r.byName[key].user.Roles...)
	delete(r.byName, key)
	delete(r.unread, key)
	r.gone[key] = at
	r.changed = true
}

// proveMissing notes that no user has a name that the last complete list lacks.
func (r *roster) proveMissing(username string) {
	key := text.Fold(username)
	if _, listed := r.byName[key]; !listed {
		r.gone[key] = r.listedAt
	}
}

// takeAnswer stores a user that was read by name, or why that failed.
func (r *roster) takeAnswer(username string, u airflow.User, err error, at, came time.Time) {
	key := text.Fold(username)
	switch {
	case r.overtaken(username, at):
	case err != nil:
		r.unread[key] = err
	case r.ambiguous(username, u.Username):
		r.unread[key] = errTwins
	default:
		delete(r.unread, key)
		r.take(u, at, came)
	}
}

// place is where a user stands in Airflow's list; unknown ones come last.
func (r *roster) place(username string) int {
	if i, known := r.index[text.Fold(username)]; known {
		return i
	}
	return len(r.order)
}

// userPage is a page of Airflow's user list and the wanted users on it.
type userPage struct {
	offset int
	names  []string
	read   []airflow.User
	came   time.Time // when the answer did
	err    error
}

// pages divides names into pages that are worth one request, and names that are read alone.
func (r *roster) pages(names []string) (pages []*userPage, alone []string) {
	const worthwhile = 3
	byOffset := map[int]*userPage{}
	for _, name := range names {
		place, known := r.index[text.Fold(name)]
		if !known || r.hasTwins(name) {
			alone = append(alone, name)
			continue
		}
		offset := place / airflow.PageSize * airflow.PageSize
		if byOffset[offset] == nil {
			byOffset[offset] = &userPage{offset: offset}
		}
		byOffset[offset].names = append(byOffset[offset].names, name)
	}
	for _, offset := range slices.Sorted(maps.Keys(byOffset)) {
		if page := byOffset[offset]; len(page.names) >= worthwhile {
			pages = append(pages, page)
		} else {
			alone = append(alone, page.names...)
		}
	}
	return pages, alone
}

// sorted gives all users by name.
func (r *roster) sorted() []access.User {
	r.changed = false
	users := make([]access.User, 0, len(r.byName))
	for _, last := range r.byName {
		users = append(users, last.user)
	}
	for _, twins := range r.twins {
		users = append(users, twins...)
	}
	slices.SortFunc(users, func(a, b access.User) int { return strings.Compare(a.Username, b.Username) })
	return users
}

// user is a user of the client as the planner reads it.
func user(u airflow.User) access.User {
	return access.User{
		Username: u.Username, Email: u.Email, CreatedOn: u.CreatedOn, LastLogin: u.LastLogin,
		Roles: slices.Clone(u.Roles),
	}
}

// less gives sorted names without one.
func less(names []string, name string) []string {
	if i, ok := slices.BinarySearch(names, name); ok {
		return slices.Delete(slices.Clone(names), i, i+1)
	}
	return names
}
