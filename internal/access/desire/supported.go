package desire

import (
	"fmt"
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/dag"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// levels are what access levels come to on the server, for the DAGs that are there.
type levels struct {
	in   *access.Input
	dags *dag.Index
}

// supported drops the levels that cannot be given on these DAGs, and says why in one note.
func (l *levels) supported(levels []v1alpha1.AccessLevel, dags []string) (known []v1alpha1.AccessLevel, note *access.Problem) {
	server := l.in.Server()
	var lacking []string
	for _, level := range levels {
		why := server.Lacks(level)
		if level == v1alpha1.AccessViewCode && server.ShowsWholeFiles() {
			if why = l.dags.Shared(dags); why != "" {
				why += ", which is not covered and would be shown: cover it, move it to a file of its own, or use Airflow 3.3"
			}
		}
		if why == "" {
			known = append(known, level)
		} else {
			lacking = append(lacking, fmt.Sprintf("%s (%s)", level, why))
		}
	}
	if len(lacking) > 0 {
		slices.Sort(lacking)
		note = &access.Problem{Reason: v1alpha1.ReasonLevelNotSupported, Message: fmt.Sprintf("Airflow %s cannot give %s; the other levels are applied",
			text.Plain(server.Version), strings.Join(lacking, ", "))}
	}
	return known, note
}

// permissions are those of the levels that can be given on these DAGs, without resources that the server does not know.
func (l *levels) permissions(levels []v1alpha1.AccessLevel, dags []string, extra []v1alpha1.AirflowPermission) []permission.Pair {
	server := l.in.Server()
	known, _ := l.supported(levels, dags)
	return slices.DeleteFunc(server.ForLevels(known, dags, extra), func(p permission.Pair) bool {
		return !server.Knows(p.Resource) || l.in.UnknownResources[p.Resource]
	})
}

// notGiven says in one note which levels, and which global permissions of the others and of airflowPermissions, cannot be
// given on these DAGs.
func (l *levels) notGiven(levels []v1alpha1.AccessLevel, dags []string, extra []v1alpha1.AirflowPermission) *access.Problem {
	known, note := l.supported(levels, dags)
	if len(l.in.UnknownResources) == 0 {
		return note
	}
	var unknown []string
	for _, p := range l.in.Server().ForLevels(known, dags, extra) {
		if l.in.UnknownResources[p.Resource] {
			unknown = append(unknown, p.String())
		}
	}
	if unknown == nil {
		return note
	}
	message := "this Airflow has no resource of that name: " + text.List(unknown, 8) + "; the rest is applied"
	if note != nil {
		message = note.Message + "; " + message
	}
	return &access.Problem{Reason: v1alpha1.ReasonLevelNotSupported, Message: message}
}
