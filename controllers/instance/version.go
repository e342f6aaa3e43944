package instance

import (
	"fmt"
	"strings"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

// Capabilities are what a server can do, as status shows it and the planner reads it.
func Capabilities(server airflow.Server) v1alpha1.Capabilities {
	c := server.Capabilities
	if c == (airflow.Capabilities{}) {
		return v1alpha1.Capabilities{}
	}
	cache := v1alpha1.PermissionCacheNone
	if c.Caches {
		cache = v1alpha1.PermissionCachePerWorker
	}
	return v1alpha1.Capabilities{
		Authentication: v1alpha1.Authentication(c.Authentication), RoleUpdate: v1alpha1.RoleUpdate(c.RoleUpdate),
		RoleDelete: v1alpha1.RoleDelete(c.RoleDelete), PermissionList: v1alpha1.PermissionList(c.PermissionList),
		PermissionModel: v1alpha1.PermissionModel(c.PermissionModel), PermissionCache: cache,
	}
}

// serverOf is a server as status shows it; what status does not tell follows from its version.
func serverOf(known *v1alpha1.AirflowServer, can *v1alpha1.Capabilities) airflow.Server {
	server := airflow.Server{Version: known.Version, AuthManager: airflow.AuthManager(known.AuthManager), FABProvider: known.FABProvider}
	if can != nil {
		server.Capabilities = airflow.CapabilitiesOf(server)
		server.Capabilities.RoleUpdate, server.Capabilities.RoleDelete = string(can.RoleUpdate), string(can.RoleDelete)
	}
	return server
}

// compatible is the reason and the message of Compatible=True.
func compatible(server airflow.Server) (reason, message string) {
	reason, message = v1alpha1.ReasonCompatible, "this Airflow can be governed"
	limited := limits(Capabilities(server))
	if limited != "" {
		reason, message = v1alpha1.ReasonLimited, message+", but "+limited+": see docs/airflow.md"
	}
	if newest := server.Untested(); newest != "" {
		reason, message = v1alpha1.ReasonUntested, fmt.Sprintf("Airflow %s is newer than %s, the newest that was tried, and is governed like it", server.Version, newest)
		if limited != "" {
			message += "; " + limited + ": see docs/airflow.md"
		}
	}
	return reason, message
}

// limits are what a server cannot do and how the operator works without it, in words; empty where it can do everything.
func limits(c v1alpha1.Capabilities) string {
	var parts []string
	if c.RoleUpdate == v1alpha1.RoleUpdateAdd {
		parts = append(parts, "its role updates only add, so permissions are revoked by moving members to a new role")
	}
	if c.RoleDelete == v1alpha1.RoleDeleteFails {
		parts = append(parts, "it cannot delete roles, so those that are not needed remain without members")
	}
	return strings.Join(parts, "; ")
}
