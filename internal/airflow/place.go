package airflow

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
)

// placeError marks an error of a list whose cause is one item.
type placeError struct{ offset int }

func (e *placeError) Error() string { return fmt.Sprintf("the item at offset %d", e.offset) }

// Place returns which item, counted from 0 in the order of the list, makes
// Airflow fail to answer for a whole list. Airflow fails for ever over a
// single row that it cannot serialise.
func Place(err error) (offset int, known bool) {
	if e, ok := errors.AsType[*placeError](err); ok {
		return e.offset, true
	}
	return 0, false
}

// places remembers the items that made lists fail, by list: where the same
// item fails again, one request finds it. It is safe for concurrent use.
type places struct {
	mu    sync.Mutex
	lists map[string]int
}

func (p *places) of(list string) (offset int, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	offset, known = p.lists[list]
	return offset, known
}

func (p *places) set(list string, offset int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lists == nil {
		p.lists = map[string]int{}
	}
	p.lists[list] = offset
}

// failedPage is the error of one page of a list.
type failedPage struct {
	offset int
	err    error
}

// locate asks for smaller pages to find the item because of which Airflow failed to answer for a page, and adds its place
// to the error. It claims a place only where another part of the page can be read: else the whole list, or the server,
// fails.
func (r *reading[W, T]) locate(ctx context.Context, failed failedPage) error {
	e := errorOf(failed.err)
	if e.Status != http.StatusInternalServerError || e.RetryAfter != 0 {
		return failed.err
	}
	offset, found := r.search(ctx, failed.offset)
	if !found {
		return failed.err
	}
	r.from.places.set(r.name, offset)
	e.err = &placeError{offset}
	e.Detail = fmt.Sprintf("%s; one item is the cause: asked for alone, the one at offset %d (order_by=%s) fails, too", e.Detail, offset, r.orderBy)
	return &e
}

// search halves a page until one item is left. Whatever fails otherwise ends it without a place.
func (r *reading[W, T]) search(ctx context.Context, first int) (offset int, found bool) {
	r.once = true
	fails := func(limit, offset int) bool {
		_, err := r.ask(ctx, limit, offset)
		return errorOf(err).Status == http.StatusInternalServerError
	}
	if known, ok := r.from.places.of(r.name); ok && known/pageSize == first/pageSize && fails(1, known) {
		return known, true
	}
	if fails(1, first) {
		return first, !fails(1, first+1)
	}
	from, size := first, pageSize // the page fails, and its first item does not
	for size > 1 {
		half := size / 2
		if !fails(half, from) {
			from, half = from+half, size-half
		}
		size = half
	}
	return from, fails(1, from)
}
