package docs

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/permission"
)

const airflowPage = "docs/airflow.md"

func TestPermissionsOfTheAccountAreTold(t *testing.T) {
	p := read(t, airflowPage)
	var told []airflow.Permission
	for _, table := range p.tables {
		for i, action := range table.column("Action") {
			told = append(told, airflow.Permission{Action: only(t, action), Resource: only(t, table.column("Resource")[i])})
		}
	}
	if difference := cmp.Diff(airflow.AccountPermissions(), airflow.SortPermissions(told)); difference != "" {
		t.Errorf("%s: the account's permissions differ (- code, + page):\n%s", airflowPage, difference)
	}
}

// The bodies and commands that are shown give the account exactly what it needs.
func TestShownAccountHasWhatItNeeds(t *testing.T) {
	for path, wanted := range map[string]int{"README.md": 1, airflowPage: 2} {
		p := read(t, path)
		found := 0
		for _, b := range p.blocks {
			for how, given := range map[string][]airflow.Permission{"commands": byCommands(b.text), "body": byBody(t, b.text)} {
				if len(given) == 0 {
					continue
				}
				found++
				if difference := cmp.Diff(airflow.AccountPermissions(), given); difference != "" {
					t.Errorf("%s:%d: the %s gives something else (- code, + page):\n%s", path, b.line, how, difference)
				}
			}
		}
		if found != wanted {
			t.Errorf("%s: found commands and bodies that make the account %d times, want %d", path, found, wanted)
		}
	}
}

// byCommands reads airflow roles add-perms.
func byCommands(text string) []airflow.Permission {
	var given []airflow.Permission
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 4 || words[0] != "airflow" || words[2] != "add-perms" {
			continue
		}
		actions, resources := slices.Index(words, "-a"), slices.Index(words, "-r")
		for _, action := range words[actions+1 : resources] {
			for _, resource := range words[resources+1:] {
				given = append(given, airflow.Permission{Action: action, Resource: resource})
			}
		}
	}
	return airflow.SortPermissions(given)
}

// byBody reads the body of a role that a here-document writes into role.json, and sees to it that the user of user.json
// holds that role and no other.
func byBody(t *testing.T, text string) []airflow.Permission {
	t.Helper()
	var role struct {
		Name    string `json:"name"`
		Actions []struct {
			Action struct {
				Name string `json:"name"`
			} `json:"action"`
			Resource struct {
				Name string `json:"name"`
			} `json:"resource"`
		} `json:"actions"`
	}
	var user struct {
		Roles []struct {
			Name string `json:"name"`
		} `json:"roles"`
	}
	for file, body := range map[string]any{"role.json": &role, "user.json": &user} {
		_, below, found := strings.Cut(text, "cat > "+file+" <<'END'\n")
		if !found {
			return nil
		}
		shown, _, _ := strings.Cut(below, "\nEND\n")
		if err := json.Unmarshal([]byte(shown), body); err != nil {
			t.Fatalf("the body of %s: %v", file, err)
		}
	}
	if len(user.Roles) != 1 || user.Roles[0].Name != role.Name {
		t.Errorf("the user of user.json has the roles %v, want %s alone", user.Roles, role.Name)
	}
	var given []airflow.Permission
	for _, pair := range role.Actions {
		given = append(given, airflow.Permission{Action: pair.Action.Name, Resource: pair.Resource.Name})
	}
	return airflow.SortPermissions(given)
}

func TestLevelsAreToldInAirflowsTerms(t *testing.T) {
	const dag = "<id>"
	p := read(t, airflowPage)
	levels := definition(t, "dagaccesspolicies").Properties["spec"].Properties["access"].Items.Schema.Enum
	for column, model := range map[string]v1alpha1.PermissionModel{
		"Permissions in the role": v1alpha1.PermissionModelAirflow3, "Permissions in the role of Airflow 2": v1alpha1.PermissionModelAirflow2,
	} {
		view := permission.ForLevels(model, []v1alpha1.AccessLevel{v1alpha1.AccessView}, []string{dag}, nil)
		told := 0
		for _, table := range p.tables {
			for i, cell := range table.column(column) {
				level := only(t, strings.TrimSuffix(table.column("Level")[i], " ⚠"))
				told++
				want := permission.ForLevels(model, []v1alpha1.AccessLevel{v1alpha1.AccessLevel(level)}, []string{dag}, nil)
				if level != string(v1alpha1.AccessView) {
					want = slices.DeleteFunc(want, func(p permission.Pair) bool { return slices.Contains(view, p) })
				}
				var shown []permission.Pair
				if cell != "-" {
					shown = permissions(t, cell)
				}
				if difference := cmp.Diff(want, shown, cmpopts.EquateEmpty()); difference != "" {
					t.Errorf("%s: %s of %s differs (- code, + page):\n%s", airflowPage, level, model, difference)
				}
				sign := strings.HasSuffix(table.column("Level")[i], "⚠")
				wide := level != string(v1alpha1.AccessView) && opensMore(want)
				if sign != wide {
					t.Errorf("%s: %s of %s has the sign ⚠: %t, want %t", airflowPage, level, model, sign, wide)
				}
			}
		}
		if told != len(levels) {
			t.Errorf("%s tells of %d levels of %s, there are %d", airflowPage, told, model, len(levels))
		}
	}
}

// opensMore is true for permissions that are not tied to a DAG.
func opensMore(ps []permission.Pair) bool {
	return slices.ContainsFunc(ps, func(p permission.Pair) bool {
		return !strings.HasPrefix(p.Resource, "DAG:") && !strings.HasPrefix(p.Resource, "DAG Run:")
	})
}

// permissions reads "`action` on `resource`, ...".
func permissions(t *testing.T, cell string) []permission.Pair {
	t.Helper()
	var ps []permission.Pair
	for part := range strings.SplitSeq(cell, ", ") {
		words := code(part)
		if len(words) != 2 {
			t.Fatalf("want an action and a resource: %s", part)
		}
		ps = append(ps, permission.Pair{Action: words[0], Resource: words[1]})
	}
	slices.SortFunc(ps, permission.Compare)
	return ps
}

func only(t *testing.T, cell string) string {
	t.Helper()
	words := code(cell)
	if len(words) != 1 {
		t.Fatalf("want one word in backticks: %s", cell)
	}
	return words[0]
}
