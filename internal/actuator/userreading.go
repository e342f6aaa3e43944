package actuator

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

// userReading is one reading of users by their names.
type userReading struct {
	*reader
	tally *tally
	at    time.Time // when it was begun: what it finds was so after that
}

// byPage reads users by pages, and gives the names that are to be read alone: few stand on their page, it could not be read,
// or they are not on it any more.
func (u *userReading) byPage(ctx context.Context, names []string) (left []string) {
	u.mu.Lock()
	pages, left := u.snap.users.pages(names)
	u.mu.Unlock()
	var group errgroup.Group
	group.SetLimit(u.server.atOnce())
	for _, page := range pages {
		group.Go(func() error {
			page.err = u.server.inSlot(ctx, func() error { return u.page(ctx, page) })
			return nil
		})
	}
	_ = group.Wait()
	for _, page := range pages {
		left = slices.Concat(left, u.takePage(page))
	}
	return left
}

// page asks for one page.
func (u *userReading) page(ctx context.Context, page *userPage) (err error) {
	if u.tally.over() {
		return nil // no user is judged by a page that was not read
	}
	page.read, err = u.server.UsersPage(ctx, page.offset, airflow.PageSize)
	page.came = u.clock.Now()
	u.tally.count(err)
	return err
}

// takePage stores a page, and gives the names on it that are still to be read.
func (u *userReading) takePage(page *userPage) (left []string) {
	if page.err != nil {
		return page.names
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.snap.users.takePage(page, u.at)
}

// alone reads users one by one.
func (u *userReading) alone(ctx context.Context, names []string) {
	var group errgroup.Group
	group.SetLimit(u.server.atOnce())
	for _, name := range names {
		group.Go(func() error {
			u.one(ctx, name)
			return nil
		})
	}
	_ = group.Wait()
}

// one reads one user.
func (u *userReading) one(ctx context.Context, name string) {
	var (
		found airflow.User
		came  time.Time
	)
	err := u.server.inSlot(ctx, func() (err error) {
		if !u.tally.over() {
			found, err = u.server.User(ctx, name)
			came = u.clock.Now()
		}
		return err
	})
	if u.tally.over() {
		return // whatever it was: nothing is stored of a reading that was given up
	}
	missing := airflow.IsNotFound(err)
	if !missing {
		u.tally.count(err)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if missing {
		u.snap.users.takeMissing(name, u.at)
		return
	}
	u.snap.users.takeAnswer(name, found, err, u.at, came)
}

// proveByList notes that a complete list that was begun at a moment or later lacks users. That is a proof only for names
// that Airflow cannot be asked for: nothing of ours can have been written for them.
func proveByList(r *reader, names []string, since time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.snap.users.listedAt.Before(since) {
		return
	}
	for _, name := range names {
		r.snap.users.proveMissing(name)
	}
}
