package access

import (
	"slices"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/text"
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

// LeavesOut says whether what others took of an item (Drift.Key) is not restored now.
func (in *Input) LeavesOut(key string) bool {
	return in.Contested[key] || in.Instance.Spec.Drift == v1alpha1.DriftReport
}

// Disputed are those permissions of a role that are on DAGs whose rights are contested, and that another set lacks: they
// are neither restored nor missed.
func (in *Input) Disputed(role string, ps, has []permission.Pair) []permission.Pair {
	if len(in.Contested) == 0 {
		return nil
	}
	return slices.DeleteFunc(permission.Minus(ps, has), func(p permission.Pair) bool {
		id, perDag := permission.DagOf(p.Resource)
		return !perDag || !in.Contested[DagKey(role, id)]
	})
}

// IsAccount says whether a user is the operator's own account.
func (in *Input) IsAccount(username string) bool {
	return in.Account != "" && text.Fold(username) == text.Fold(in.Account)
}
