package airflow

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"
)

const (
	pageSize = 100
	// maxReads is how often a list that shifts is read from its beginning.
	maxReads = 3
	// pagesAtOnce is how many pages are asked for at once, after the first of a
	// list, and over all lists of a client.
	pagesAtOnce = 8
	// maxItems bounds what is held in memory of one list, maxPages the requests
	// of one reading.
	maxItems = 200_000
	maxPages = maxItems/pageSize + 100
)

// listing is how to read one of Airflow's lists. W is the answer of one page.
type listing[W, T any] struct {
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

// readOnce reads the first page, then the others where they are if every page is
// as long as the first, some at once. Where a page turns out to be shorter, the
// list goes on after it.
func (l listing[W, T]) readOnce(ctx context.Context, c *Client) (List[T], error) {
	first, total, err := l.readPage(ctx, c, pageSize, 0)
	if err != nil {
		return List[T]{}, err
	}
	ahead, err := l.readAhead(ctx, c, len(first), total)
	if err != nil {
		return List[T]{}, err
	}
	list := List[T]{Complete: true, Total: total}
	seen := make(map[string]bool, total)
	page := onePage[T]{items: first, total: total}
	for count, offset := 1, 0; ; count++ {
		fresh := list.add(page, seen, l.key)
		if offset += len(page.items); !fresh || offset >= list.Total {
			break // at the end, or nothing new any more
		}
		if count == maxPages {
			return List[T]{}, l.tooMany()
		}
		next, known := ahead[offset]
		if !known {
			if next.items, next.total, err = l.readPage(ctx, c, pageSize, offset); err != nil {
				return List[T]{}, err
			}
		}
		page = next
	}
	list.Complete = list.Complete && len(list.Items) == list.Total
	return list, nil
}

func (l listing[W, T]) tooMany() error {
	return &Error{Cause: CauseNotAirflow, Detail: "the list has too many pages"}
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

// readAhead reads the pages after the first, by their offsets.
func (l listing[W, T]) readAhead(ctx context.Context, c *Client, size, total int) (map[int]onePage[T], error) {
	if size == 0 || size >= total {
		return nil, nil
	}
	if total/size >= maxPages {
		return nil, l.tooMany()
	}
	var (
		mu    sync.Mutex
		pages = make(map[int]onePage[T], total/size)
	)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(pagesAtOnce)
	for offset := size; offset < total; offset += size {
		group.Go(func() error {
			select {
			case c.pages <- struct{}{}:
				defer func() { <-c.pages }()
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			items, count, err := l.readPage(ctx, c, pageSize, offset)
			mu.Lock()
			defer mu.Unlock()
			pages[offset] = onePage[T]{items, count}
			return err
		})
	}
	return pages, group.Wait()
}

// readPage reads one page. A server may give fewer items than asked for.
func (l listing[W, T]) readPage(ctx context.Context, c *Client, limit, offset int) ([]T, int, error) {
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
		method: http.MethodGet, endpoint: l.endpoint(d), path: l.endpoint(d), query: query,
		check: func() error {
			var total *int
			var err error
			if items, total, err = l.page(answer); err != nil {
				return err
			}
			switch {
			case total == nil || *total < 0:
				return errors.New("the list has no total")
			case *total > maxItems || len(items) > maxItems:
				return errors.New("the list has more than " + strconv.Itoa(maxItems) + " items")
			}
			count = *total
			return nil
		},
	}, &answer)
	return items, count, err
}
