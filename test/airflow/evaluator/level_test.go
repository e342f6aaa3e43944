package evaluator_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
)

// purposes are what levels are for, by the names of calls; a generation may lack some of them, but not all.
var purposes = map[v1alpha1.AccessLevel][]string{
	v1alpha1.AccessView: {
		"get DAG", "list DAGs", "list tasks", "list runs", "list task instances", "list warnings", "list all warnings", "list versions", "read question",
		"see the list in the UI", "see the grid in the UI", "see the graph in the UI", "see dependencies in the UI", "see the home page", "see DAGs in the menu",
	},
	v1alpha1.AccessViewLogs:    {"read log"},
	v1alpha1.AccessViewCode:    {"read source"},
	v1alpha1.AccessViewXComs:   {"list XComs", "read XCom"},
	v1alpha1.AccessViewAssets:  {"list assets", "list asset events", "list asset aliases", "list queued events"},
	v1alpha1.AccessViewAudit:   {"read event log", "read all of the event log"},
	v1alpha1.AccessPause:       {"pause"},
	v1alpha1.AccessTrigger:     {"trigger", "start backfill", "pause"},
	v1alpha1.AccessEditRuns:    {"clear run", "mark run", "pause"},
	v1alpha1.AccessDeleteRuns:  {"delete run", "pause"},
	v1alpha1.AccessEditTasks:   {"clear tasks", "mark task", "clear run", "pause"},
	v1alpha1.AccessEditXComs:   {"create XCom", "change XCom", "delete XCom", "pause"},
	v1alpha1.AccessRespondHITL: {"respond", "pause"},
	v1alpha1.AccessDeleteDag:   {"delete DAG"},
}

// purposesOf are the calls among those of a generation that a level is for.
func purposesOf(level v1alpha1.AccessLevel, calls []call) []call {
	var out []call
	for _, c := range calls {
		if slices.Contains(purposes[level], c.name) {
			out = append(out, c)
		}
	}
	return out
}

// known are the levels that exist under a model, sorted.
func known(model v1alpha1.PermissionModel) []v1alpha1.AccessLevel {
	view := levelOn(model, v1alpha1.AccessView, dagX)
	return slices.DeleteFunc(slices.Sorted(maps.Keys(purposes)), func(level v1alpha1.AccessLevel) bool {
		return level != v1alpha1.AccessView && slices.Equal(levelOn(model, level, dagX), view)
	})
}

func levelOn(model v1alpha1.PermissionModel, level v1alpha1.AccessLevel, dag string) []permission.Pair {
	return permission.ForLevels(model, []v1alpha1.AccessLevel{level}, []string{dag}, nil)
}

func (w *world) level(level v1alpha1.AccessLevel, dag string) []permission.Pair {
	return levelOn(w.model, level, dag)
}

// part is one permission in the row of a level.
type part struct {
	model      v1alpha1.PermissionModel
	level      v1alpha1.AccessLevel
	permission permission.Pair
	// without is the level without it.
	without []permission.Pair
}

func (p part) String() string { return fmt.Sprintf("%s without %s", p.level, p.permission) }

// parts are all permissions in the table of levels: those of View, and what each other level adds.
func parts(model v1alpha1.PermissionModel) []part {
	view := levelOn(model, v1alpha1.AccessView, dagX)
	var out []part
	for _, level := range known(model) {
		whole := levelOn(model, level, dagX)
		for at, permission := range whole {
			if level == v1alpha1.AccessView || !slices.Contains(view, permission) {
				out = append(out, part{model, level, permission, slices.Delete(slices.Clone(whole), at, at+1)})
			}
		}
	}
	return out
}

// told are the calls that the level allows and would not allow without the permission.
func (p part) told(calls []call) []call {
	with, without := holderOf(p.model, levelOn(p.model, p.level, dagX)), holderOf(p.model, p.without)
	return slices.DeleteFunc(slices.Clone(calls), func(c call) bool { return !c.expect(with, dagX) || c.expect(without, dagX) })
}

var generations = []struct {
	model  v1alpha1.PermissionModel
	column string // of the table in docs/airflow.md
}{
	{v1alpha1.PermissionModelAirflow3, "Permissions in the role"},
	{v1alpha1.PermissionModelAirflow2, "Permissions in the role of Airflow 2"},
}

// No level that docs/airflow.md tells of may be left out of the comparison. Needs no server.
func TestEveryLevelIsToldApart(t *testing.T) {
	for _, generation := range generations {
		model, calls := generation.model, callsOf(generation.model == v1alpha1.PermissionModelAirflow2)
		t.Run(string(model), func(t *testing.T) {
			if table := levelsOfTheTable(t, generation.column); !slices.Equal(table, known(model)) {
				t.Errorf("the table has %v, compared are %v", table, known(model))
			}
			for i, a := range known(model) {
				if len(purposesOf(a, calls)) == 0 {
					t.Errorf("no call tries what %s is for", a)
				}
				for _, b := range known(model)[:i] {
					if !slices.ContainsFunc(calls, func(c call) bool {
						return c.expect(holderOf(model, levelOn(model, a, dagX)), dagX) != c.expect(holderOf(model, levelOn(model, b, dagX)), dagX)
					}) {
						t.Errorf("no call tells %s and %s apart", a, b)
					}
				}
			}
			for _, p := range parts(model) {
				if len(p.told(calls)) == 0 {
					t.Errorf("no call tells %s from %s", p.level, p)
				}
			}
		})
	}
}

// A purpose that is misspelt would be passed over.
func TestEveryPurposeIsACall(t *testing.T) {
	calls := slices.Concat(callsOf(true), callsOf(false))
	for level, names := range purposes {
		for _, name := range names {
			if !slices.ContainsFunc(calls, func(c call) bool { return c.name == name }) {
				t.Errorf("%s: there is no call to %s", level, name)
			}
		}
	}
	for _, calls := range [][]call{callsOf(true), callsOf(false)} {
		names := map[string]bool{}
		for _, c := range calls {
			if names[c.name] {
				t.Errorf("there are two calls to %s", c.name)
			}
			names[c.name] = true
		}
	}
}

// levelsOfTheTable are the levels, sorted, to which the table of docs/airflow.md with this column gives permissions.
func levelsOfTheTable(t *testing.T, column string) []v1alpha1.AccessLevel {
	t.Helper()
	text, err := os.ReadFile("../../../docs/airflow.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n| Level | "+column+" |")
	table, _, _ = strings.Cut(table, "\n\n")
	var out []v1alpha1.AccessLevel
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || strings.TrimSpace(cells[2]) == "-" {
			continue
		}
		if words := strings.Split(cells[1], "`"); len(words) == 3 {
			out = append(out, v1alpha1.AccessLevel(words[1]))
		}
	}
	slices.Sort(out)
	return out
}
