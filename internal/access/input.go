package access

import (
	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
)

// server is what levels and permissions mean in this Airflow.
func (in *Input) Server() permission.Server {
	return permission.Server{Model: in.Capabilities.PermissionModel, Version: in.Version}
}

// canonical is the sorted set without ignored pairs, for comparisons.
func (in *Input) Canonical(ps []permission.Pair) []permission.Pair { return in.Server().Canonical(ps) }

// adds says whether roles can get permissions and never lose any.
func (in *Input) OnlyAdds() bool { return in.Capabilities.RoleUpdate == v1alpha1.RoleUpdateAdd }

// deletes says whether roles can be deleted.
func (in *Input) Deletes() bool { return in.Capabilities.RoleDelete != v1alpha1.RoleDeleteFails }
