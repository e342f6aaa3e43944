package permission

import (
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// addition is a right that levels bring although they do not name it, because Airflow has no smaller permission.
type addition struct {
	what string
	// level is set where the right is that of another level: with this one it is named.
	level v1alpha1.AccessLevel
	// with are the levels that bring it.
	with []v1alpha1.AccessLevel
	// airflow3 is true where Airflow 2 has nothing like it.
	airflow3 bool
}

// along is the table of additions, in the order in which messages name them.
var along = []addition{
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

// ComesAlong returns a sentence about the rights that levels bring and do not name; empty where there are none. It begins
// with a space, to follow another sentence.
func (s Server) ComesAlong(levels []v1alpha1.AccessLevel) string {
	var parts []string
	for _, right := range along {
		if right.airflow3 && s.Airflow2() {
			continue
		}
		if with := s.bringing(right, levels); len(with) > 0 {
			parts = append(parts, right.what+" with "+strings.Join(with, ", "))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " What comes along: " + strings.Join(parts, "; ")
}

// bringing returns those of the levels that bring an addition on the server; none where the levels name it.
func (s Server) bringing(right addition, levels []v1alpha1.AccessLevel) []string {
	if slices.Contains(levels, right.level) {
		return nil
	}
	var out []string
	for _, level := range s.supported(right.with) {
		if slices.Contains(levels, level) {
			out = append(out, string(level))
		}
	}
	return out
}

// supported returns those of some levels that the server can grant.
func (s Server) supported(levels []v1alpha1.AccessLevel) []v1alpha1.AccessLevel {
	return slices.DeleteFunc(slices.Clone(levels), func(level v1alpha1.AccessLevel) bool { return s.Lacks(level) != "" })
}
