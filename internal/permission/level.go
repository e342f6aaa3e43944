package permission

import (
	"slices"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// bundle is what one access level means in Airflow's own permissions.
type bundle struct {
	dag    []string // actions on DAG:<id>
	run    []string // actions on DAG Run:<id>
	global []Pair   // pairs for all DAGs; each opens nothing without a right on the DAG itself
}

// bundles is the table of levels for Airflow 3.
var bundles = map[v1alpha1.AccessLevel]bundle{
	v1alpha1.AccessView: {dag: []string{CanRead}, global: []Pair{
		{CanRead, "DAG Runs"}, {CanRead, "Task Instances"}, {CanRead, "HITL Detail"}, {CanRead, "DAG Dependencies"},
		{CanRead, "DAG Versions"}, {CanRead, "DAG Warnings"}, {MenuAccess, "DAGs"},
	}},
	v1alpha1.AccessViewLogs:   {global: []Pair{{CanRead, "Task Logs"}}},
	v1alpha1.AccessViewCode:   {global: []Pair{{CanRead, "DAG Code"}}},
	v1alpha1.AccessViewXComs:  {global: []Pair{{CanRead, "XComs"}}},
	v1alpha1.AccessViewAssets: {global: []Pair{{CanRead, "Assets"}, {CanRead, "Asset Aliases"}}},
	v1alpha1.AccessViewAudit:  {global: []Pair{{CanRead, "Audit Logs"}}},
	v1alpha1.AccessPause:      {dag: []string{CanEdit}},
	v1alpha1.AccessTrigger:    {dag: []string{CanEdit}, run: []string{CanCreate}},
	v1alpha1.AccessEditRuns:   {dag: []string{CanEdit}, run: []string{CanEdit}},
	v1alpha1.AccessDeleteRuns: {dag: []string{CanEdit}, run: []string{CanDelete}},
	v1alpha1.AccessEditTasks: {dag: []string{CanEdit}, global: []Pair{
		{CanEdit, "DAG Runs"}, {CanEdit, "Task Instances"},
	}},
	v1alpha1.AccessEditXComs: {dag: []string{CanEdit}, global: []Pair{
		{CanCreate, "XComs"}, {CanEdit, "XComs"}, {CanDelete, "XComs"},
	}},
	v1alpha1.AccessRespondHITL: {dag: []string{CanEdit}, global: []Pair{{CanEdit, "HITL Detail"}}},
	v1alpha1.AccessDeleteDag:   {dag: []string{CanDelete}},
}

// bundles2 is the table of levels for Airflow 2.10 and later with fab 1.3 and later. What a person may do to task
// instances is asked of the one DAG there, too, so that EditTasks needs no right on the runs of all DAGs. View leaves
// DAG Dependencies out: their page shows all DAGs (seen on 2.11), and no page of one DAG needs them.
var bundles2 = map[v1alpha1.AccessLevel]bundle{
	v1alpha1.AccessView: {dag: []string{CanRead}, run: []string{CanRead}, global: []Pair{
		{CanRead, "Task Instances"}, Website, {CanRead, "DAG Warnings"}, {MenuAccess, "DAGs"},
	}},
	v1alpha1.AccessViewLogs:   {global: []Pair{{CanRead, "Task Logs"}}},
	v1alpha1.AccessViewCode:   {global: []Pair{{CanRead, "DAG Code"}}},
	v1alpha1.AccessViewXComs:  {global: []Pair{{CanRead, "XComs"}}},
	v1alpha1.AccessPause:      {dag: []string{CanEdit}},
	v1alpha1.AccessTrigger:    {dag: []string{CanEdit}, run: []string{CanCreate}},
	v1alpha1.AccessEditRuns:   {dag: []string{CanEdit}, run: []string{CanEdit}},
	v1alpha1.AccessDeleteRuns: {dag: []string{CanEdit}, run: []string{CanDelete}},
	v1alpha1.AccessEditTasks: {dag: []string{CanEdit}, run: []string{CanEdit}, global: []Pair{
		{CanEdit, "Task Instances"},
	}},
	v1alpha1.AccessDeleteDag: {dag: []string{CanDelete}},
}

// ForLevels gives the permissions of levels on DAGs under a permission model; see Server.ForLevels.
func ForLevels(model v1alpha1.PermissionModel, levels []v1alpha1.AccessLevel, dags []string, extra []v1alpha1.AirflowPermission) []Pair {
	return Server{Model: model}.ForLevels(levels, dags, extra)
}

// ForLevels gives the permissions of levels on DAGs as a set. Every level implies View, and a level that does not exist
// on the server gives no more. Without DAGs the levels give nothing at all, because what they share between DAGs could
// combine with rights that other roles give; only the home page of Airflow 2 is always there. Extra pairs are added, but
// for resources that no policy may ever name.
func (s Server) ForLevels(levels []v1alpha1.AccessLevel, dags []string, extra []v1alpha1.AirflowPermission) []Pair {
	var out []Pair
	if s.KeepsWebsite() {
		out = append(out, Website)
	}
	if len(dags) > 0 {
		all := s.bundleOf(levels)
		out = slices.Grow(out, len(dags)*(len(all.dag)+len(all.run))+len(all.global)+len(extra))
		for _, id := range dags {
			for _, action := range all.dag {
				out = append(out, Pair{action, DagPrefix + id})
			}
			for _, action := range all.run {
				out = append(out, Pair{action, RunPrefix + id})
			}
		}
		out = append(out, all.global...)
	}
	for _, pair := range extra {
		if p := (Pair{pair.Action, pair.Resource}); !p.Forbidden() {
			out = append(out, p)
		}
	}
	return SetOf(out)
}

// bundleOf joins the bundles of levels and View.
func (s Server) bundleOf(levels []v1alpha1.AccessLevel) bundle {
	var all bundle
	table := s.table()
	for _, level := range WithView(levels) {
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

// WithView is the sorted set of levels with the View that they all imply.
func WithView(levels []v1alpha1.AccessLevel) []v1alpha1.AccessLevel {
	out := append([]v1alpha1.AccessLevel{v1alpha1.AccessView}, levels...)
	slices.Sort(out)
	return slices.Compact(out)
}

// Forbidden says whether a pair may never be given by airflowPermissions: rights on DAGs are said with access, and rights
// on security resources are a way to all others.
func (p Pair) Forbidden() bool {
	switch p.Resource {
	case "DAGs", "DAG Runs", "Users", "Roles", "Permissions", "Permission Views", "View Menus", "Passwords":
		return true
	}
	_, perDag := DagOf(p.Resource)
	return perDag
}

// Privileged says whether a pair changes something. Of a pair that is not Forbidden that is no DAG's.
func (p Pair) Privileged() bool {
	return p.Action != CanRead && p.Action != MenuAccess
}
