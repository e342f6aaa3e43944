package permission

import (
	"slices"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// bundle is what one access level means in Airflow's own permissions.
type bundle struct {
	// dag are actions on DAG:<id>.
	dag []string
	// run are actions on DAG Run:<id>.
	run []string
	// global are pairs for all DAGs. Each opens nothing without a right on the DAG itself.
	global []Pair
}

// bundles is the table of levels for Airflow 3.
var bundles = map[v1alpha1.AccessLevel]bundle{
	v1alpha1.AccessView: {dag: []string{CanRead}, global: []Pair{
		{CanRead, "DAG Runs"}, {CanRead, "Task Instances"}, {CanRead, hitlDetail}, {CanRead, "DAG Dependencies"},
		{CanRead, "DAG Versions"}, {CanRead, "DAG Warnings"}, {MenuAccess, "DAGs"},
	}},
	v1alpha1.AccessViewLogs:   {global: []Pair{{CanRead, "Task Logs"}}},
	v1alpha1.AccessViewCode:   {global: []Pair{{CanRead, DagCode}}},
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
	v1alpha1.AccessRespondHITL: {dag: []string{CanEdit}, global: []Pair{{CanEdit, hitlDetail}}},
	v1alpha1.AccessDeleteDag:   {dag: []string{CanDelete}},
}

// bundles2 is the table of levels for Airflow 2.10 and later with fab 1.3 and later. There, a right on the runs of one DAG
// also counts for its task instances, so that EditTasks needs no right on the runs of all DAGs. View leaves DAG Dependencies
// out: their page shows all DAGs (observed on 2.11), and no page of one DAG needs them.
var bundles2 = map[v1alpha1.AccessLevel]bundle{
	v1alpha1.AccessView: {dag: []string{CanRead}, run: []string{CanRead}, global: []Pair{
		{CanRead, "Task Instances"}, Website, {CanRead, "DAG Warnings"}, {MenuAccess, "DAGs"},
	}},
	v1alpha1.AccessViewLogs:   {global: []Pair{{CanRead, "Task Logs"}}},
	v1alpha1.AccessViewCode:   {global: []Pair{{CanRead, DagCode}}},
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

// WithView returns the sorted set of levels with the View that they all imply.
func WithView(levels []v1alpha1.AccessLevel) []v1alpha1.AccessLevel {
	out := append([]v1alpha1.AccessLevel{v1alpha1.AccessView}, levels...)
	slices.Sort(out)
	return slices.Compact(out)
}

// Forbidden reports whether airflowPermissions may never grant a pair: rights on DAGs are declared by spec.access, and
// rights on security resources are a way to all others.
func (p Pair) Forbidden() bool {
	switch p.Resource {
	case "DAGs", "DAG Runs", "Users", "Roles", "Permissions", "Permission Views", "View Menus", "Passwords":
		return true
	}
	_, perDag := DagOf(p.Resource)
	return perDag
}

// Privileged reports whether a pair allows a change. A pair that is privileged and not Forbidden allows changes of what
// belongs to no DAG, such as pools.
func (p Pair) Privileged() bool {
	switch p.Action {
	case CanRead, MenuAccess:
		return false
	}
	return true
}
