package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// specPages are the hand-written pages of the kinds.
var specPages = []string{
	"docs/spec/v1alpha1/accessgrant.md", "docs/spec/v1alpha1/accessrequest.md", "docs/spec/v1alpha1/airflowinstance.md", "docs/spec/v1alpha1/dagaccesspolicy.md",
}

// constants gives the string constants of the API whose names begin with a prefix.
func constants(t *testing.T, prefix string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root(t), "api", "v1alpha1", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(node ast.Node) bool {
			spec, ok := node.(*ast.ValueSpec)
			if !ok || !strings.HasPrefix(spec.Names[0].Name, prefix) || len(spec.Values) != 1 {
				return true
			}
			if literal, ok := spec.Values[0].(*ast.BasicLit); ok && literal.Kind == token.STRING {
				value, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				values = append(values, value)
			}
			return true
		})
	}
	if len(values) == 0 {
		t.Fatalf("found no constants %s... in api/v1alpha1", prefix)
	}
	slices.Sort(values)
	return slices.Compact(values)
}

// told gives the words in the first column of all tables with that title.
func told(t *testing.T, title string) []string {
	t.Helper()
	found := map[string]bool{}
	for _, path := range specPages {
		p := read(t, path)
		for _, cell := range p.columns(title) {
			words := code(cell)
			if len(words) != 1 {
				t.Errorf("%s: want one word in backticks in the column %s: %s", path, title, cell)
				continue
			}
			found[words[0]] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func TestEveryReasonIsTold(t *testing.T) {
	want := slices.Concat(
		constants(t, "Reason"), constants(t, "End"),
	)
	slices.Sort(want)
	if difference := cmp.Diff(slices.Compact(want), told(t, "Reason")); difference != "" {
		t.Errorf("the reasons of docs/spec differ from those of the code (- code, + pages):\n%s", difference)
	}
}

func TestEveryConditionPhaseAndCauseIsTold(t *testing.T) {
	for title, want := range map[string][]string{
		"Condition": constants(t, "Condition"),
		"Cause":     constants(t, "DriftCause"),
		"Phase":     phases(t),
	} {
		if difference := cmp.Diff(want, told(t, title)); difference != "" {
			t.Errorf("%s: docs/spec differs from the code (- code, + pages):\n%s", title, difference)
		}
	}
}

// phases are those of grants and of requests.
func phases(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, plural := range []string{"accessgrants", "accessrequests"} {
		all = append(all, definition(t, plural).Properties["status"].words(t, "phase")...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// TestLifeOfAGrantNamesEveryPhase compares the states of the diagram with the phases.
func TestLifeOfAGrantNamesEveryPhase(t *testing.T) {
	p := read(t, "docs/architecture.md")
	states := map[string]bool{}
	for _, b := range p.blocks {
		if b.language != "mermaid" || !strings.HasPrefix(b.text, "stateDiagram") {
			continue
		}
		for line := range strings.Lines(b.text) {
			line, _, _ = strings.Cut(line, ":")
			from, to, arrow := strings.Cut(strings.TrimSpace(line), " --> ")
			if arrow {
				states[from], states[to] = true, true
			}
		}
	}
	delete(states, "[*]")
	want := definition(t, "accessgrants").Properties["status"].words(t, "phase")
	if difference := cmp.Diff(want, slices.Sorted(maps.Keys(states))); difference != "" {
		t.Errorf("the states differ from the phases (- code, + page):\n%s", difference)
	}
}
