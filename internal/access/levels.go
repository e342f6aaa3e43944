package access

import (
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

const (
	permission.CanRead    = "can_read"
	permission.CanCreate  = "can_create"
	permission.CanEdit    = "can_edit"
	permission.CanDelete  = "can_delete"
	permission.MenuAccess = "menu_access"

	permission.DagPrefix = "DAG:"
	permission.RunPrefix = "DAG Run:"
)

// bundle is what one access level means in Airflow's own permissions.
type bundle struct {
	dag    []string     // actions on DAG:<id>
	run    []string     // actions on DAG Run:<id>
	global []permission.Pair // pairs for all DAGs; each opens nothing without a right on the DAG itself
}

// bundles is the table of levels for Airflow 3.
var bundles = map[v1alpha1.AccessLevel]bundle{
	v1alpha1.AccessView: {dag: []string{permission.CanRead}, global: []permission.Pair{
		{Action: permission.CanRead, Resource: "DAG Runs"}, {Action: permission.CanRead, Resource: "Task Instances"}, {Action: permission.CanRead, Resource: "HITL Detail"}, {Action: permission.CanRead, Resource: "DAG Dependencies"},
		{Action: permission.CanRead, Resource: "DAG Versions"}, {Action: permission.CanRead, Resource: "DAG Warnings"}, {Action: permission.MenuAccess, Resource: "DAGs"},
	}},
	v1alpha1.AccessViewLogs:   {global: []permission.Pair{{Action: permission.CanRead, Resource: "Task Logs"}}},
	v1alpha1.AccessViewCode:   {global: []permission.Pair{{Action: permission.CanRead, Resource: "DAG Code"}}},
	v1alpha1.AccessViewXComs:  {global: []permission.Pair{{Action: permission.CanRead, Resource: "XComs"}}},
	v1alpha1.AccessViewAssets: {global: []permission.Pair{{Action: permission.CanRead, Resource: "Assets"}, {Action: permission.CanRead, Resource: "Asset Aliases"}}},
	v1alpha1.AccessViewAudit:  {global: []permission.Pair{{Action: permission.CanRead, Resource: "Audit Logs"}}},
	v1alpha1.AccessPause:      {dag: []string{permission.CanEdit}},
	v1alpha1.AccessTrigger:    {dag: []string{permission.CanEdit}, run: []string{permission.CanCreate}},
	v1alpha1.AccessEditRuns:   {dag: []string{permission.CanEdit}, run: []string{permission.CanEdit}},
	v1alpha1.AccessDeleteRuns: {dag: []string{permission.CanEdit}, run: []string{permission.CanDelete}},
	v1alpha1.AccessEditTasks: {dag: []string{permission.CanEdit}, global: []permission.Pair{
		{Action: permission.CanEdit, Resource: "DAG Runs"}, {Action: permission.CanEdit, Resource: "Task Instances"},
	}},
	v1alpha1.AccessEditXComs: {dag: []string{permission.CanEdit}, global: []permission.Pair{
		{Action: permission.CanCreate, Resource: "XComs"}, {Action: permission.CanEdit, Resource: "XComs"}, {Action: permission.CanDelete, Resource: "XComs"},
	}},
	v1alpha1.AccessRespondHITL: {dag: []string{permission.CanEdit}, global: []permission.Pair{{Action: permission.CanEdit, Resource: "HITL Detail"}}},
	v1alpha1.AccessDeleteDag:   {dag: []string{permission.CanDelete}},
}

// bundles2 is the table of levels for Airflow 2.10 and later with fab 1.3 and later. What a person may do to task
// instances is asked of the one DAG there, too, so that EditTasks needs no right on the runs of all DAGs. View leaves
// DAG Dependencies out: their page shows all DAGs (seen on 2.11), and no page of one DAG needs them.
var bundles2 = map[v1alpha1.AccessLevel]bundle{
	v1alpha1.AccessView: {dag: []string{permission.CanRead}, run: []string{permission.CanRead}, global: []permission.Pair{
		{Action: permission.CanRead, Resource: "Task Instances"}, permission.Website, {Action: permission.CanRead, Resource: "DAG Warnings"}, {Action: permission.MenuAccess, Resource: "DAGs"},
	}},
	v1alpha1.AccessViewLogs:   {global: []permission.Pair{{Action: permission.CanRead, Resource: "Task Logs"}}},
	v1alpha1.AccessViewCode:   {global: []permission.Pair{{Action: permission.CanRead, Resource: "DAG Code"}}},
	v1alpha1.AccessViewXComs:  {global: []permission.Pair{{Action: permission.CanRead, Resource: "XComs"}}},
	v1alpha1.AccessPause:      {dag: []string{permission.CanEdit}},
	v1alpha1.AccessTrigger:    {dag: []string{permission.CanEdit}, run: []string{permission.CanCreate}},
	v1alpha1.AccessEditRuns:   {dag: []string{permission.CanEdit}, run: []string{permission.CanEdit}},
	v1alpha1.AccessDeleteRuns: {dag: []string{permission.CanEdit}, run: []string{permission.CanDelete}},
	v1alpha1.AccessEditTasks: {dag: []string{permission.CanEdit}, run: []string{permission.CanEdit}, global: []permission.Pair{
		{Action: permission.CanEdit, Resource: "Task Instances"},
	}},
	v1alpha1.AccessDeleteDag: {dag: []string{permission.CanDelete}},
}

// website lets people see the home page of Airflow 2, and nothing on it.
var permission.Website = permission.Pair{Action: permission.CanRead, Resource: "Website"}

// PermissionsFor gives the permissions of levels on DAGs under a permission model, sorted and without doubles; the empty
// model is that of Airflow 3. Every level implies View, and a level that does not exist there gives no more. Without
// DAGs the levels give nothing at all, because what they share between DAGs could combine with rights that other roles
// give; only the home page of Airflow 2 is always there. Extra pairs are added, but for resources that no policy may
// ever name.
func PermissionsFor(model v1alpha1.PermissionModel, levels []v1alpha1.AccessLevel, dags []string, extra []v1alpha1.AirflowPermission) []permission.Pair {
	return release{model: model}.permissions(levels, dags, extra)
}

// permissions is PermissionsFor a release.
func (r release) permissions(levels []v1alpha1.AccessLevel, dags []string, extra []v1alpha1.AirflowPermission) []permission.Pair {
	var out []permission.Pair
	if r.keepsWebsite() {
		out = append(out, permission.Website)
	}
	if len(dags) > 0 {
		all := r.bundleOf(levels)
		out = slices.Grow(out, len(dags)*(len(all.dag)+len(all.run))+len(all.global)+len(extra))
		for _, id := range dags {
			for _, action := range all.dag {
				out = append(out, permission.Pair{Action: action, Resource: permission.DagPrefix + id})
			}
			for _, action := range all.run {
				out = append(out, permission.Pair{Action: action, Resource: permission.RunPrefix + id})
			}
		}
		out = append(out, all.global...)
	}
	for _, pair := range extra {
		if p := (permission.Pair{Action: pair.Action, Resource: pair.Resource}); !p.Forbidden() {
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
func forbidden(p permission.Pair) bool {
	switch p.Resource {
	case "DAGs", "DAG Runs", "Users", "Roles", "Permissions", "Permission Views", "View Menus", "Passwords":
		return true
	}
	return strings.HasPrefix(p.Resource, permission.DagPrefix) || strings.HasPrefix(p.Resource, permission.RunPrefix)
}

// privileged pairs change things that are not tied to a DAG.
func privileged(p permission.Pair) bool {
	return p.Action != permission.CanRead && p.Action != permission.MenuAccess
}
