package access

import (
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

const (
	canRead    = "can_read"
	canCreate  = "can_create"
	canEdit    = "can_edit"
	canDelete  = "can_delete"
	menuAccess = "menu_access"

	dagPrefix = "DAG:"
	runPrefix = "DAG Run:"
)

// bundle is what one access level means in Airflow's own permissions.
type bundle struct {
	dag    []string     // actions on DAG:<id>
	run    []string     // actions on DAG Run:<id>
	global []Permission // pairs for all DAGs; each opens nothing without a right on the DAG itself
}

// bundles is the table of levels for Airflow 3.
var bundles = map[v1alpha1.AccessLevel]bundle{
	v1alpha1.AccessView: {dag: []string{canRead}, global: []Permission{
		{canRead, "DAG Runs"}, {canRead, "Task Instances"}, {canRead, "HITL Detail"}, {canRead, "DAG Dependencies"},
		{canRead, "DAG Versions"}, {canRead, "DAG Warnings"}, {menuAccess, "DAGs"},
	}},
	v1alpha1.AccessViewLogs:   {global: []Permission{{canRead, "Task Logs"}}},
	v1alpha1.AccessViewCode:   {global: []Permission{{canRead, "DAG Code"}}},
	v1alpha1.AccessViewXComs:  {global: []Permission{{canRead, "XComs"}}},
	v1alpha1.AccessViewAssets: {global: []Permission{{canRead, "Assets"}, {canRead, "Asset Aliases"}}},
	v1alpha1.AccessViewAudit:  {global: []Permission{{canRead, "Audit Logs"}}},
	v1alpha1.AccessPause:      {dag: []string{canEdit}},
	v1alpha1.AccessTrigger:    {dag: []string{canEdit}, run: []string{canCreate}},
	v1alpha1.AccessEditRuns:   {dag: []string{canEdit}, run: []string{canEdit}},
	v1alpha1.AccessDeleteRuns: {dag: []string{canEdit}, run: []string{canDelete}},
	v1alpha1.AccessEditTasks: {dag: []string{canEdit}, global: []Permission{
		{canEdit, "DAG Runs"}, {canEdit, "Task Instances"},
	}},
	v1alpha1.AccessEditXComs: {dag: []string{canEdit}, global: []Permission{
		{canCreate, "XComs"}, {canEdit, "XComs"}, {canDelete, "XComs"},
	}},
	v1alpha1.AccessRespondHITL: {dag: []string{canEdit}, global: []Permission{{canEdit, "HITL Detail"}}},
	v1alpha1.AccessDeleteDag:   {dag: []string{canDelete}},
}

// bundles2 is the table of levels for Airflow 2.10 and later with fab 1.3 and later. What a person may do to task
// instances is asked of the one DAG there, too, so that EditTasks needs no right on the runs of all DAGs. View leaves
// DAG Dependencies out: their page shows all DAGs (seen on 2.11), and no page of one DAG needs them.
var bundles2 = map[v1alpha1.AccessLevel]bundle{
	v1alpha1.AccessView: {dag: []string{canRead}, run: []string{canRead}, global: []Permission{
		{canRead, "Task Instances"}, website, {canRead, "DAG Warnings"}, {menuAccess, "DAGs"},
	}},
	v1alpha1.AccessViewLogs:   {global: []Permission{{canRead, "Task Logs"}}},
	v1alpha1.AccessViewCode:   {global: []Permission{{canRead, "DAG Code"}}},
	v1alpha1.AccessViewXComs:  {global: []Permission{{canRead, "XComs"}}},
	v1alpha1.AccessPause:      {dag: []string{canEdit}},
	v1alpha1.AccessTrigger:    {dag: []string{canEdit}, run: []string{canCreate}},
	v1alpha1.AccessEditRuns:   {dag: []string{canEdit}, run: []string{canEdit}},
	v1alpha1.AccessDeleteRuns: {dag: []string{canEdit}, run: []string{canDelete}},
	v1alpha1.AccessEditTasks: {dag: []string{canEdit}, run: []string{canEdit}, global: []Permission{
		{canEdit, "Task Instances"},
	}},
	v1alpha1.AccessDeleteDag: {dag: []string{canDelete}},
}

// website lets people see the home page of Airflow 2, and nothing on it.
var website = Permission{canRead, "Website"}

// PermissionsFor gives the permissions of levels on DAGs under a permission model, sorted and without doubles; the empty
// model is that of Airflow 3. Every level implies View, and a level that does not exist there gives no more. Without
// DAGs the levels give nothing at all, because what they share between DAGs could combine with rights that other roles
// give; only the home page of Airflow 2 is always there. Extra pairs are added, but for resources that no policy may
// ever name.
func PermissionsFor(model v1alpha1.PermissionModel, levels []v1alpha1.AccessLevel, dags []string, extra []v1alpha1.AirflowPermission) []Permission {
	return release{model: model}.permissions(levels, dags, extra)
}

// permissions is PermissionsFor a release.
func (r release) permissions(levels []v1alpha1.AccessLevel, dags []string, extra []v1alpha1.AirflowPermission) []Permission {
	var out []Permission
	if r.keepsWebsite() {
		out = append(out, website)
	}
	if len(dags) > 0 {
		all := r.bundleOf(levels)
		out = slices.Grow(out, len(dags)*(len(all.dag)+len(all.run))+len(all.global)+len(extra))
		for _, id := range dags {
			for _, action := range all.dag {
				out = append(out, Permission{action, dagPrefix + id})
			}
			for _, action := range all.run {
				out = append(out, Permission{action, runPrefix + id})
			}
		}
		out = append(out, all.global...)
	}
	for _, pair := range extra {
		if p := (Permission{pair.Action, pair.Resource}); !forbidden(p) {
			out = append(out, p)
		}
	}
	return sorted(out)
}

// bundleOf joins the bundles of levels and View.
func (r release) bundleOf(levels []v1alpha1.AccessLevel) bundle {
	var all bundle
	table := r.table()
	for _, level := range withView(levels) {
		b := table[level]
		all.dag = append(all.dag, b.dag...)
		all.run = append(all.run, b.run...)
		all.global = append(all.global, b.global...)
	}
	slices.Sort(all.dag)
	all.dag = slices.Compact(all.dag)
	slices.Sort(all.run)
	all.run = slices.Compact(all.run)
	return all
}

// withView is the sorted set of levels with the View that they all imply.
func withView(levels []v1alpha1.AccessLevel) []v1alpha1.AccessLevel {
	out := append([]v1alpha1.AccessLevel{v1alpha1.AccessView}, levels...)
	slices.Sort(out)
	return slices.Compact(out)
}

// forbidden pairs may never be given by airflowPermissions: rights on DAGs are said with access, and rights on
// security resources are a way to all others.
func forbidden(p Permission) bool {
	switch p.Resource {
	case "DAGs", "DAG Runs", "Users", "Roles", "Permissions", "Permission Views", "View Menus", "Passwords":
		return true
	}
	return strings.HasPrefix(p.Resource, dagPrefix) || strings.HasPrefix(p.Resource, runPrefix)
}

// privileged pairs change things that are not tied to a DAG.
func privileged(p Permission) bool {
	return p.Action != canRead && p.Action != menuAccess
}
