package actuator

import (
	"context"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

// Airflow is what the actuator needs of a server. Every call may be made twice: reads have no effect, and a write whose
// answer was lost is followed by a read that tells whether it took effect. An answer to a write proves nothing.
type Airflow interface {
	// Roles, Users and Dags read whole lists; an incomplete list proves nothing about what is absent.
	Roles(ctx context.Context) (airflow.List[airflow.Role], error)
	Users(ctx context.Context) (airflow.List[airflow.User], error)
	Dags(ctx context.Context) (airflow.List[airflow.Dag], error)
	// Dag fails with airflow.IsNotFound for a DAG that is not stored any more; one whose file is broken or gone is.
	Dag(ctx context.Context, id string) (airflow.Dag, error)
	// Permissions reads every pair that Airflow has stored: which DAGs are resources.
	Permissions(ctx context.Context) (airflow.List[airflow.Permission], error)
	// UsersPage reads one page of users by the order of Users, or a part of one.
	UsersPage(ctx context.Context, offset, limit int) ([]airflow.User, error)
	// Role and User fail with airflow.IsNotFound for what is not there.
	Role(ctx context.Context, name string) (airflow.Role, error)
	User(ctx context.Context, username string) (airflow.User, error)
	// CreateRole fails with airflow.IsConflict for a role that exists.
	CreateRole(ctx context.Context, role airflow.Role) (airflow.Role, error)
	// UpdateRole replaces a role's permissions; before is how many it had.
	UpdateRole(ctx context.Context, role airflow.Role, before int) (airflow.Role, error)
	// DeleteRole removes the role from its members, too.
	DeleteRole(ctx context.Context, name string) error
	// SetUserRoles replaces all roles of a user, foreign ones included: the caller has read the user right before, and retains roles that are not ours.
	SetUserRoles(ctx context.Context, user airflow.User, roles []string) (airflow.User, error)
}
