package controllers

import (
	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

// capabilities are what a server can do, as status shows it and the planner reads it.
func capabilities(server airflow.Server) v1alpha1.Capabilities {
	c := server.Capabilities
	return v1alpha1.Capabilities{
		Authentication: v1alpha1.Authentication(c.Authentication), RoleUpdate: v1alpha1.RoleUpdate(c.RoleUpdate),
		RoleDelete: v1alpha1.RoleDelete(c.RoleDelete), PermissionList: v1alpha1.PermissionList(c.PermissionList),
		PermissionModel: v1alpha1.PermissionModel(c.PermissionModel),
	}
}
