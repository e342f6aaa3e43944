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

// elements are a list in an answer. It is decoded one by one: a body of a few bytes an item would otherwise take many times its
// size in memory before anybody looks at it.
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
	// page takes an answer apart. It fails where the answer is not of Airflow's.
	page func(W) (items []T, total *int, err error)
	key  func(T) string
}

// read reads the whole list. Where items are seen twice, pages are short or the
// total changes, the list has shifted under the reader: it is read again, and
// after maxReads readings given back as incomplete.
func (l listing[W, T]) read(ctx context.Context, c *Client) (List[T], error) {
	var list List[T]
	for range maxReads {
		var err error
		if list, err = l.readOnce(ctx, c); err != nil || list.Complete {
			return list, err
		}
	}
	return list, nil
}

// readOnce reads the pages that the list had last time, at once; of one that is
// not known the first page, then the others where they are if every page is as
// long as that. Where a page turns out to be shorter, the list goes on after it.
func (l listing[W, T]) readOnce(ctx context.Context, c *Client) (List[T], error) {
	pages := map[int]onePage[T]{}
	var taken atomic.Int64
	before := c.extents.of(l.name)
	if err := l.readPages(ctx, c, &taken, pages, max(before.size, 1), max(before.total, 1)); err != nil {
		return List[T]{}, err
	}
	size, total := len(pages[0].items), pages[0].total
	if size > 0 && total/size >= maxPages {
		return List[T]{}, l.tooMany()
	}
	if err := l.readPages(ctx, c, &taken, pages, size, total); err != nil {
		return List[T]{}, err
	}
	list := List[T]{Complete: true, Total: total}
	seen := make(map[string]bool, total)
	for count, offset := 0, 0; ; count++ {
		page, known := pages[offset]
		if !known {
			var err error
			if page.items, page.total, err = l.readPage(ctx, c, &taken, pageSize, offset); err != nil {
				return List[T]{}, err
			}
		}
		fresh := list.add(page, seen, l.key)
		if offset += len(page.items); !fresh || offset >= list.Total {
			break // at the end, or nothing new any more
		}
		if count == maxPages {
			return List[T]{}, l.tooMany()
		}
	}
	list.Complete = list.Complete && len(list.Items) == list.Total
	if list.Complete {
		c.extents.set(l.name, extent{size: size, total: total})
	}
	return list, nil
}

func (l listing[W, T]) tooMany() error {
	return &Error{Cause: CauseNotAirflow, Detail: "the list is too long"}
}

// onePage is what one answer holds.
type onePage[T any] struct {
	items []T
	total int
}

// add takes in one page, and says whether anything on it was new.
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

// readPages reads the pages of a list of so many items that are not there yet,
// some at once.
func (l listing[W, T]) readPages(ctx context.Context, c *Client, taken *atomic.Int64, pages map[int]onePage[T], size, total int) error {
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(pagesAtOnce)
	for offset := 0; offset < total && size > 0; offset += size {
		mu.Lock()
		_, known := pages[offset]
		mu.Unlock()
		if known {
			continue
		}
		group.Go(func() error {
			select {
			case c.pages <- struct{}{}:
				defer func() { <-c.pages }()
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			items, count, err := l.readPage(ctx, c, taken, pageSize, offset)
			mu.Lock()
			defer mu.Unlock()
			pages[offset] = onePage[T]{items, count}
			return err
		})
	}
	return group.Wait()
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
		now.size = pageSize // one page does not tell
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

// readPage reads one page. A server may give fewer items than asked for. Where so many are too large for one answer,
// fewer are asked for.
func (l listing[W, T]) readPage(ctx context.Context, c *Client, taken *atomic.Int64, limit, offset int) ([]T, int, error) {
	items, total, err := l.ask(ctx, c, taken, limit, offset)
	for errors.Is(err, errTooLarge) && limit > 1 {
		limit /= 2
		items, total, err = l.ask(ctx, c, taken, limit, offset)
	}
	if err == nil && taken.Load() > maxListBytes {
		return nil, 0, l.tooMany()
	}
	return items, total, err
}

// ask makes one request for a page, and adds the bytes of its answer to those that were taken.
func (l listing[W, T]) ask(ctx context.Context, c *Client, taken *atomic.Int64, limit, offset int) ([]T, int, error) {
	d, err := c.speak(ctx)
	if err != nil {
		return nil, 0, err
	}
	query := url.Values{"limit": {strconv.Itoa(limit)}, "offset": {strconv.Itoa(offset)}, "order_by": {l.orderBy}}
	if l.query != nil {
		maps.Copy(query, l.query(d))
	}
	var (
		answer W
		items  []T
		count  int
	)
	err = c.call(ctx, request{
		method: http.MethodGet, endpoint: l.endpoint(d), path: l.endpoint(d), query: query, taken: taken,
		check: func() error {
			var total *int
			var err error
			if items, total, err = l.page(answer); err != nil {
				return err
			}
			switch {
			case total == nil || *total < 0:
				return errors.New("the list has no total")
			case *total > maxItems:
				return errors.New("the list has more than " + strconv.Itoa(maxItems) + " items")
			}
			count = *total
			return nil
		},
	}, &answer)
	if err != nil {
		return nil, 0, err // an answer that was refused holds nothing
	}
	return items, count, nil
}
