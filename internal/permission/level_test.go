package permission

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

func levels(names ...v1alpha1.AccessLevel) []v1alpha1.AccessLevel { return names }

func TestPermissionsOfAirflow3(t *testing.T) {
	view := []Pair{
		{CanRead, "DAG Dependencies"}, {CanRead, "DAG Runs"}, {CanRead, "DAG Versions"}, {CanRead, "DAG Warnings"}, {CanRead, "DAG:x"},
		{MenuAccess, "DAGs"}, {CanRead, "HITL Detail"}, {CanRead, "Task Instances"},
	}
	edit := Pair{CanEdit, "DAG:x"}
	for level, more := range map[v1alpha1.AccessLevel][]Pair{
		v1alpha1.AccessView:        nil,
		v1alpha1.AccessViewLogs:    {{CanRead, "Task Logs"}},
		v1alpha1.AccessViewCode:    {{CanRead, "DAG Code"}},
		v1alpha1.AccessViewXComs:   {{CanRead, "XComs"}},
		v1alpha1.AccessViewAssets:  {{CanRead, "Assets"}, {CanRead, "Asset Aliases"}},
		v1alpha1.AccessViewAudit:   {{CanRead, "Audit Logs"}},
		v1alpha1.AccessPause:       {edit},
		v1alpha1.AccessTrigger:     {edit, {CanCreate, "DAG Run:x"}},
		v1alpha1.AccessEditRuns:    {edit, {CanEdit, "DAG Run:x"}},
		v1alpha1.AccessDeleteRuns:  {edit, {CanDelete, "DAG Run:x"}},
		v1alpha1.AccessEditTasks:   {edit, {CanEdit, "DAG Runs"}, {CanEdit, "Task Instances"}},
		v1alpha1.AccessEditXComs:   {edit, {CanCreate, "XComs"}, {CanEdit, "XComs"}, {CanDelete, "XComs"}},
		v1alpha1.AccessRespondHITL: {edit, {CanEdit, "HITL Detail"}},
		v1alpha1.AccessDeleteDag:   {{CanDelete, "DAG:x"}},
	} {
		t.Run(string(level)+" implies View and adds its own", func(t *testing.T) {
			want := slices.SortedFunc(slices.Values(slices.Concat(view, more)), Compare)
			if diff := cmp.Diff(want, ForLevels("", levels(level), []string{"x"}, nil)); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("every level of the API is in the table", func(t *testing.T) {
		if len(bundles) != 14 {
			t.Errorf("got %d levels", len(bundles))
		}
	})
	t.Run("without DAGs only the extra pairs are left, and forbidden ones are dropped", func(t *testing.T) {
		got := ForLevels("", levels(v1alpha1.AccessEditTasks), nil, []v1alpha1.AirflowPermission{
			{Action: CanRead, Resource: "Pools"}, {Action: CanEdit, Resource: "DAGs"}, {Action: CanRead, Resource: "DAG:x"}, {Action: CanRead, Resource: "Users"},
		})
		if diff := cmp.Diff([]Pair{{CanRead, "Pools"}}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestPermissionsOfAirflow2(t *testing.T) {
	const model = v1alpha1.PermissionModelAirflow2
	view := []Pair{
		{CanRead, "DAG Run:x"},
		{CanRead, "DAG Warnings"}, {CanRead, "DAG:x"}, {MenuAccess, "DAGs"}, {CanRead, "Task Instances"}, {CanRead, "Website"},
	}
	edit := Pair{CanEdit, "DAG:x"}
	table := map[v1alpha1.AccessLevel][]Pair{
		v1alpha1.AccessView:       nil,
		v1alpha1.AccessViewLogs:   {{CanRead, "Task Logs"}},
		v1alpha1.AccessViewCode:   {{CanRead, "DAG Code"}},
		v1alpha1.AccessViewXComs:  {{CanRead, "XComs"}},
		v1alpha1.AccessPause:      {edit},
		v1alpha1.AccessTrigger:    {edit, {CanCreate, "DAG Run:x"}},
		v1alpha1.AccessEditRuns:   {edit, {CanEdit, "DAG Run:x"}},
		v1alpha1.AccessDeleteRuns: {edit, {CanDelete, "DAG Run:x"}},
		v1alpha1.AccessEditTasks:  {edit, {CanEdit, "DAG Run:x"}, {CanEdit, "Task Instances"}},
		v1alpha1.AccessDeleteDag:  {{CanDelete, "DAG:x"}},
	}
	for level, more := range table {
		t.Run(string(level)+" implies View and adds its own", func(t *testing.T) {
			want := slices.SortedFunc(slices.Values(slices.Concat(view, more)), Compare)
			if diff := cmp.Diff(want, ForLevels(model, levels(level), []string{"x"}, nil)); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("no level needs a right on all DAGs or their runs", func(t *testing.T) {
		for level := range bundles {
			for _, p := range ForLevels(model, levels(level), []string{"x"}, nil) {
				if (p.Resource == "DAGs" && p.Action != MenuAccess) || p.Resource == "DAG Runs" {
					t.Errorf("%s gives %s", level, p)
				}
			}
		}
	})
	t.Run("other levels give no more than View", func(t *testing.T) {
		for level := range bundles {
			if _, known := table[level]; known {
				continue
			}
			if diff := cmp.Diff(ForLevels(model, nil, []string{"x"}, nil), ForLevels(model, levels(level), []string{"x"}, nil)); diff != "" {
				t.Errorf("%s: %s", level, diff)
			}
		}
	})
	t.Run("without DAGs only the home page and the extra pairs are left", func(t *testing.T) {
		got := ForLevels(model, levels(v1alpha1.AccessEditTasks), nil, []v1alpha1.AirflowPermission{{Action: CanRead, Resource: "Pools"}})
		if diff := cmp.Diff([]Pair{{CanRead, "Pools"}, {CanRead, "Website"}}, got); diff != "" {
			t.Error(diff)
		}
	})
}
