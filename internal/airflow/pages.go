package airflow

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strconv"
)

const (
	pageSize = 100
	// maxReads is how often a list that shifts is read from its beginning.
	maxReads = 3
	// maxItems bounds what is held in memory of one list, maxPages the requests
	// of one reading.
	maxItems = 200_000
	maxPages = maxItems/pageSize + 100
)

// listing is how to read one of Airflow's lists. W is the answer of one page.
type listing[W, T any] struct {
	endpoint string
	orderBy  string     // a key that changes as little as may be
	query    url.Values // further parameters
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

func (l listing[W, T]) readOnce(ctx context.Context, c *Client) (List[T], error) {
	seen := map[string]bool{}
	list := List[T]{Complete: true}
	for page, offset := 0, 0; ; page++ {
		if page == maxPages {
			return List[T]{}, &Error{Cause: CauseNotAirflow, Method: http.MethodGet, Endpoint: l.endpoint, Detail: "the list has too many pages"}
		}
		items, total, err := l.readPage(ctx, c, pageSize, offset)
		if err != nil {
			return List[T]{}, err
		}
		if page > 0 && total != list.Total {
			list.Complete = false
		}
		list.Total = total
		before := len(list.Items)
		for _, item := range items {
			if key := l.key(item); seen[key] {
				list.Complete = false
			} else {
				seen[key] = true
				list.Items = append(list.Items, item)
			}
		}
		offset += len(items)
		if len(list.Items) == before || offset >= total {
			break // at the end, or nothing new any more
		}
	}
	list.Complete = list.Complete && len(list.Items) == list.Total
	return list, nil
}

// readPage reads one page. A server may give fewer items than asked for.
func (l listing[W, T]) readPage(ctx context.Context, c *Client, limit, offset int) ([]T, int, error) {
	query := url.Values{"limit": {strconv.Itoa(limit)}, "offset": {strconv.Itoa(offset)}, "order_by": {l.orderBy}}
	maps.Copy(query, l.query)
	var (
		answer W
		items  []T
		count  int
	)
	err := c.call(ctx, request{
		method: http.MethodGet, endpoint: l.endpoint, path: l.endpoint, query: query,
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
