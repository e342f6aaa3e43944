package airflow

import (
	"context"
	"sync/atomic"
)

// PageSize is how many items Airflow gives in one answer at most.
const PageSize = pageSize

// UsersPage reads users, oldest first, from offset on: at most limit of them, and at most [PageSize]. The page may have
// shifted since another answer was read: look for the users you want by name, and read those that are not there one by one.
func (c *Client) UsersPage(ctx context.Context, offset, limit int) ([]User, error) {
	users, _, err := listUsers.readPage(ctx, c, new(atomic.Int64), min(limit, pageSize), offset)
	return users, err
}
