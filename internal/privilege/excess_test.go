package privilege

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
)

const airflow2 = v1alpha1.PermissionModelAirflow2

// judge judges roles, whose permissions are written as they are printed, separated by commas.
func judge(t *testing.T, model v1alpha1.PermissionModel, roles map[string]string) *Judge {
	t.Helper()
	return NewJudge(model, func(role string) *Rights {
		var ps []permission.Pair
		for text := range strings.SplitSeq(roles[role], ", ") {
			action, resource, ok := strings.Cut(text, " on ")
			if !ok {
				t.Fatalf("role %s: %q is no permission", role, text)
			}
			ps = append(ps, permission.Pair{Action: action, Resource: resource})
		}
		return RightsOf(ps)
	})
}

// lines are an excess, one line for a DAG: its levels, the DAG and the roles that contribute.
func lines(model v1alpha1.PermissionModel, e *Excess) []string {
	if e == nil {
		return nil
	}
	var out []string
	for _, o := range *e {
		out = append(out, fmt.Sprintf("%s on %q by %s", strings.Join(levelsOf(permission.Server{Model: model}, o.verbs), ", "), o.dag, strings.Join(o.roles, ", ")))
	}
	return out
}

func TestJudge(t *testing.T) {
	// tasksA and triggerB are EditTasks on a and Trigger on b without View.
	const (
		tasksA   = "can_edit on DAG:a, can_edit on DAG Runs, can_edit on Task Instances"
		triggerB = "can_edit on DAG:b, can_create on DAG Run:b"
	)
	for sentence, c := range map[string]struct {
		model            v1alpha1.PermissionModel
		roles            map[string]string
		foreign, managed []string
		want             []string
	}{
		"one managed role cannot combine": {
			"", map[string]string{"tasks": tasksA}, nil, []string{"tasks"}, nil,
		},
		"foreign roles alone are not judged": {
			"", map[string]string{"dag": "can_read on DAG:a", "logs": "can_read on Task Logs"}, []string{"dag", "logs"}, nil, nil,
		},
		"global pairs of one managed role combine with the DAG of another": {
			"", map[string]string{"tasks": tasksA, "trigger": triggerB}, nil, []string{"tasks", "trigger"},
			[]string{`EditRuns, EditTasks on "b" by tasks, trigger`},
		},
		"a foreign role combines with a managed one": {
			"", map[string]string{"logs": "can_read on Task Logs", "view": "can_read on DAG:a"}, []string{"logs"}, []string{"view"},
			[]string{`ViewLogs on "a" by logs, view`},
		},
		"a role without a part in it is not named": {
			"", map[string]string{"logs": "can_read on Task Logs", "pools": "can_edit on Pools", "view": "can_read on DAG:a"}, []string{"logs", "pools"}, []string{"view"},
			[]string{`ViewLogs on "a" by logs, view`},
		},
		"what one of the roles grants by itself is no excess": {
			"", map[string]string{"both": "can_read on DAG:a, can_read on Task Logs", "logs": "can_read on Task Logs", "view": "can_read on DAG:a"}, nil, []string{"both", "logs", "view"}, nil,
		},
		"what foreign roles grant together is no excess": {
			"", map[string]string{"dag": "can_read on DAG:a", "logs": "can_read on Task Logs", "view": "can_read on DAG:a"}, []string{"dag", "logs"}, []string{"view"}, nil,
		},
		"a right on all DAGs is excess on those that no role names, too": {
			"", map[string]string{"all": "can_read on DAGs", "logs": "can_read on DAG:a, can_read on Task Logs"}, []string{"all"}, []string{"logs"},
			[]string{`ViewLogs on "" by all, logs`},
		},
		"three roles can be needed": {
			"", map[string]string{"dag": "can_edit on DAG:a", "runs": "can_edit on DAG Runs", "tasks": "can_edit on Task Instances"}, nil, []string{"dag", "runs", "tasks"},
			[]string{`EditRuns, EditTasks on "a" by dag, runs, tasks`},
		},
		"what no call requires is no excess": {
			"", map[string]string{"logs": "can_edit on Task Logs", "pause": "can_edit on DAG:a"}, []string{"logs"}, []string{"pause"}, nil,
		},
		"on Airflow 2 rights on the runs of one DAG do not combine with Trigger": {
			airflow2, map[string]string{"tasks": "can_edit on DAG:a, can_edit on DAG Run:a, can_edit on Task Instances", "trigger": triggerB}, nil, []string{"tasks", "trigger"}, nil,
		},
		"on Airflow 2 they combine with rights to edit the runs of another": {
			airflow2, map[string]string{"runs": "can_edit on DAG:c, can_edit on DAG Run:c", "tasks": "can_edit on DAG:a, can_edit on DAG Run:a, can_edit on Task Instances"}, nil, []string{"runs", "tasks"},
			[]string{`EditTasks on "c" by runs, tasks`},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			j := judge(t, c.model, c.roles)
			got := j.Excess(c.foreign, c.managed)
			if diff := cmp.Diff(c.want, lines(c.model, got)); diff != "" {
				t.Error(diff)
			}
			if again := j.Excess(slices.Clone(c.foreign), slices.Clone(c.managed)); again != got {
				t.Error("equal roles yield another pointer")
			}
		})
	}
}

func TestExcessIsDividedByRole(t *testing.T) {
	j := judge(t, "", map[string]string{
		"logs": "can_read on Task Logs", "view a": "can_read on DAG:a", "view b": "can_read on DAG:b",
	})
	e := *j.Excess([]string{"logs"}, []string{"view a", "view b"})
	if a, all := e.By("view a"), e.By("logs"); len(a) != 1 || a[0].dag != "a" || len(all) != 2 {
		t.Errorf("%+v and %+v", a, all)
	}
	if b := e.Among(func(role string) bool { return role == "view b" }); len(b) != 1 || b[0].dag != "b" {
		t.Errorf("%+v", b)
	}
	if other := e.By("other"); other != nil {
		t.Errorf("%+v", other)
	}
}
