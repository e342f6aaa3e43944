package permission

import (
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// along is what comes with levels because Airflow has no smaller right.
var along = []struct {
	what string
	// level is set where that is what another level gives.
	level v1alpha1.AccessLevel
	with  []v1alpha1.AccessLevel
	// airflow3 is true for what Airflow 2 does not have.
	airflow3 bool
}{
	{what: "Pause", level: v1alpha1.AccessPause, with: []v1alpha1.AccessLevel{
		v1alpha1.AccessTrigger, v1alpha1.AccessEditRuns, v1alpha1.AccessDeleteRuns, v1alpha1.AccessEditTasks, v1alpha1.AccessEditXComs, v1alpha1.AccessRespondHITL,
	}},
	{what: "EditRuns", level: v1alpha1.AccessEditRuns, with: []v1alpha1.AccessLevel{v1alpha1.AccessEditTasks}},
	{what: "any conf", with: []v1alpha1.AccessLevel{v1alpha1.AccessTrigger}},
	{what: "backfills of any size", with: []v1alpha1.AccessLevel{v1alpha1.AccessTrigger}, airflow3: true},
	{what: "cancelling backfills", with: []v1alpha1.AccessLevel{v1alpha1.AccessEditRuns, v1alpha1.AccessEditTasks}, airflow3: true},
	{what: "assets of all DAGs", with: []v1alpha1.AccessLevel{v1alpha1.AccessViewAssets}, airflow3: true},
	{what: "log rows without a DAG", with: []v1alpha1.AccessLevel{v1alpha1.AccessViewAudit}, airflow3: true},
}

// ComesAlong is a sentence about what the levels bring that they do not name; empty where that is nothing.
func (s Server) ComesAlong(levels []v1alpha1.AccessLevel) string {
	var parts []string
	for _, item := range along {
		if item.level != "" && slices.Contains(levels, item.level) || item.airflow3 && s.Airflow2() {
			continue
		}
		var with []string
		for _, level := range item.with {
			if slices.Contains(levels, level) && s.Lacks(level) == "" {
				with = append(with, string(level))
			}
		}
		if len(with) > 0 {
			parts = append(parts, item.what+" with "+strings.Join(with, ", "))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " What comes along: " + strings.Join(parts, "; ")
}
