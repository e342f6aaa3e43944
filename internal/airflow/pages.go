package airflow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

const (
	pageSize = 100
	// maxReads is how often a list that shifts is read from its beginning.
	maxReads = 3
	// pagesAtOnce is how many pages are asked for at once, over all lists of a
	// client.
	pagesAtOnce = 8
	// maxItems bounds what is held in memory of one list, maxPages the requests
	// of one reading.
	maxItems = 200_000
	maxPages = maxItems/pageSize + 100
	// maxListBytes bounds what is read of one list, maxInner how many values a list inside an item has, such as the
	// permissions of a role.
	maxListBytes = 256 << 20
	maxInner     = 200_000
)

// elements are a list in an answer. It is decoded one by one: a body of a few bytes an item would otherwise need many times its
// size in memory before it is checked.
type elements[T any] []T

// UnmarshalJSON stops at the first that is too many.
func (l *elements[T]) UnmarshalJSON(body []byte) error {
	return decodeElements((*[]T)(l), body, 4*pageSize)
}

// inner is a list inside an item.
type inner[T any] []T

// UnmarshalJSON stops at the first that is too many.
func (l *inner[T]) UnmarshalJSON(body []byte) error { return decodeElements((*[]T)(l), body, maxInner) }

var errTooMany = errors.New("the list has too many items")

func decodeElements[T any](out *[]T, body []byte, most int) error {
	if string(body) == "null" {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if start, err := d.Token(); err != nil || start != json.Delim('[') {
		return errNoList
	}
	*out = []T{}
	for d.More() {
		if len(*out) == most {
			return errTooMany
		}
		var item T
		if err := d.Decode(&item); err != nil {
			return err
		}
		*out = append(*out, item)
	}
	return nil
}

// listing is how to read one of Airflow's lists. W is the answer of one page.
type listing[W, T any] struct {
	name     string
	endpoint func(*dialect) string
	orderBy  string                    // a key that changes as little as may be
	query    func(*dialect) url.Values // further parameters; optional
	// parse reads the items of an answer. It fails where the answer is not of Airflow's.
	parse func(W) (items []T, total *int, err error)
	key   func(T) string
}

// lists reads Airflow's lists, page by page and some pages at once.
type lists struct {
	*caller

	extents extents
	places  places
	slots   chan struct{} // holds the readings of pages that are under way, over all lists
}

func newLists(c *caller) *lists { return &lists{caller: c, slots: make(chan struct{}, pagesAtOnce)} }

// reading is one reading of a list from its beginning. Pages may be read concurrently.
type reading[W, T any] struct {
	listing[W, T]

	from     *lists
	received atomic.Int64 // bytes of the answers

	mu     sync.Mutex
	pages  map[int]onePage[T] // by offset
	failed *failedPage        // the first page that could not be read
	once   bool               // requests are not repeated
}

func (l listing[W, T]) begin(from *lists) *reading[W, T] {
	return &reading[W, T]{listing: l, from: from, pages: map[int]onePage[T]{}}
}

// read reads the whole list. Where items are seen twice, pages are short or the
// total changes, the list has shifted under the reader: it is read again, and
// after maxReads readings returned as incomplete.
func (l listing[W, T]) read(ctx context.Context, from *lists) (List[T], error) {
	var list List[T]
	for range maxReads {
		reading := l.begin(from)
		var err error
		if list, err = reading.whole(ctx); err != nil {
			return list, reading.explain(ctx, err)
		}
		if list.Complete {
			return list, nil
		}
	}
	return list, nil
}

// explain says which item is the cause of an error, where one is.
func (r *reading[W, T]) explain(ctx context.Context, err error) error {
	if r.failed == nil || !errors.Is(err, r.failed.err) {
		return err
	}
	return r.locate(ctx, *r.failed)
}

// whole reads the pages that the list had last time, at once; of one that is
// not known the first page, then the others where they are if every page is as
// long as that. Where a page turns out to be shorter, the list goes on after it.
func (r *reading[W, T]) whole(ctx context.Context) (List[T], error) {
	before := r.from.extents.of(r.name)
	if err := r.fetch(ctx, max(before.size, 1), max(before.total, 1)); err != nil {
		return List[T]{}, err
	}
	size, total := len(r.pages[0].items), r.pages[0].total
	if size > 0 && total/size >= maxPages {
		return List[T]{}, r.tooMany()
	}
	if err := r.fetch(ctx, size, total); err != nil {
		return List[T]{}, err
	}
	list, err := r.join(ctx, total)
	if err != nil {
		return List[T]{}, err
	}
	if len(list.Items) != list.Total {
		list.Complete = false
	}
	if list.Complete {
		r.from.extents.set(r.name, extent{size: size, total: total})
	}
	return list, nil
}

// fetch reads the pages of a list of so many items that are not there yet, some
// at once. Of a list whose pages are empty there is nothing to read.
func (r *reading[W, T]) fetch(ctx context.Context, size, total int) error {
	if size == 0 {
		return nil
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(pagesAtOnce)
	for offset := 0; offset < total; offset += size {
		if _, known := r.at(offset); known {
			continue
		}
		group.Go(func() error {
			select {
			case r.from.slots <- struct{}{}:
				defer func() { <-r.from.slots }()
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			page, err := r.page(ctx, pageSize, offset)
			r.mu.Lock()
			defer r.mu.Unlock()
			r.pages[offset] = page
			return r.note(offset, err)
		})
	}
	return group.Wait()
}

// note remembers the first page that could not be read. Others fail after it only because it did. The caller holds the lock,
// or is alone.
func (r *reading[W, T]) note(offset int, err error) error {
	if err != nil && r.failed == nil {
		r.failed = &failedPage{offset, err}
	}
	return err
}

func (r *reading[W, T]) at(offset int) (onePage[T], bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	page, known := r.pages[offset]
	return page, known
}

// join puts the pages one behind the other, and reads those that are missing
// because one before them was short. It ends where nothing new comes any more.
func (r *reading[W, T]) join(ctx context.Context, total int) (List[T], error) {
	list := List[T]{Complete: true, Total: total}
	seen := make(map[string]bool, total)
	offset := 0
	for range maxPages + 1 {
		page, known := r.at(offset)
		if !known {
			var err error
			if page, err = r.page(ctx, pageSize, offset); err != nil {
				return List[T]{}, r.note(offset, err)
			}
		}
		fresh := list.add(page, seen, r.key)
		offset += len(page.items)
		if !fresh || offset >= list.Total {
			return list, nil
		}
	}
	return List[T]{}, r.tooMany()
}

func (l listing[W, T]) tooMany() error {
	return &Error{Cause: CauseNotAirflow, Detail: "the list is too long"}
}

// onePage is what one answer holds.
type onePage[T any] struct {
	items []T
	total int
}

// add appends one page, and reports whether anything on it was new.
func (list *List[T]) add(page onePage[T], seen map[string]bool, key func(T) string) bool {
	if page.total != list.Total {
		list.Complete, list.Total = false, page.total
	}
	before := len(list.Items)
	for _, item := range page.items {
		if name := key(item); seen[name] {
			list.Complete = false
		} else {
			seen[name] = true
			list.Items = append(list.Items, item)
		}
	}
	return len(list.Items) > before
}

// extent is how many items a list had, and how many of them a page holds.
type extent struct{ size, total int }

// extents remembers those of lists by name. It is safe for concurrent use.
type extents struct {
	mu    sync.Mutex
	lists map[string]extent
}

func (e *extents) of(list string) extent {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.lists[list]
}

func (e *extents) set(list string, now extent) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.lists == nil {
		e.lists = map[string]extent{}
	}
	if now.size == now.total {
		now.size = pageSize // one page says nothing about the size of a full one
	}
	e.lists[list] = now
}

// grow notes that so many items came to a list that is remembered.
func (e *extents) grow(list string, by int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now, known := e.lists[list]; known {
		now.total += by
		e.lists[list] = now
	}
}

// page reads one page. A server may answer with fewer items than asked for. Where so many are too large for one answer,
// fewer are asked for.
func (r *reading[W, T]) page(ctx context.Context, limit, offset int) (onePage[T], error) {
	page, err := r.ask(ctx, limit, offset)
	for errors.Is(err, errTooLarge) && limit > 1 {
		limit /= 2
		page, err = r.ask(ctx, limit, offset)
	}
	if err != nil {
		return onePage[T]{}, err // an answer that was refused holds nothing
	}
	if r.received.Load() > maxListBytes {
		return onePage[T]{}, r.tooMany()
	}
	return page, nil
}

// ask makes one request for a page.
func (r *reading[W, T]) ask(ctx context.Context, limit, offset int) (onePage[T], error) {
	d, err := r.from.speak(ctx)
	if err != nil {
		return onePage[T]{}, err
	}
	query := url.Values{"limit": {strconv.Itoa(limit)}, "offset": {strconv.Itoa(offset)}, "order_by": {r.orderBy}}
	if r.query != nil {
		maps.Copy(query, r.query(d))
	}
	var (
		answer W
		page   onePage[T]
	)
	err = r.from.call(ctx, request{
		method: http.MethodGet, endpoint: r.endpoint(d), path: r.endpoint(d), query: query, received: &r.received, once: r.once,
		check: func() error {
			items, total, err := r.parse(answer)
			switch {
			case err != nil:
				return err
			case total == nil, *total < 0:
				return errors.New("the list has no total")
			case *total > maxItems:
				return errors.New("the list has more than " + strconv.Itoa(maxItems) + " items")
			}
			page = onePage[T]{items, *total}
			return nil
		},
	}, &answer)
	return page, err
}
