package docs

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/airflow-oam/airflow-oam"

func TestPackageDiagramIsTrue(t *testing.T) {
	drawn := diagram(t)
	if difference := cmp.Diff(imports(t), drawn); difference != "" {
		t.Errorf("the diagram of docs/architecture.md differs from the imports (- code, + page):\n%s", difference)
	}
}

// imports gives what the packages of our programs import of each other, from the programs down. What only tests,
// tools and the demo use is left out.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	type listed struct {
		ImportPath string   `json:"ImportPath"`
		Name       string   `json:"Name"`
		Imports    []string `json:"Imports"`
	}
	command := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Name,Imports", "./...")
	command.Dir = root(t)
	output, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := map[string]listed{}
	var next []string
	for decoder := json.NewDecoder(strings.NewReader(string(output))); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
		if short := name(p.ImportPath); p.Name == "main" && !strings.HasPrefix(short, "hack/") && !strings.HasPrefix(short, "test/") {
			next = append(next, p.ImportPath)
		}
	}
	found := map[string][]string{}
	for len(next) > 0 {
		p := all[next[0]]
		next = next[1:]
		if _, done := found[name(p.ImportPath)]; done {
			continue
		}
		ours := []string{}
		for _, path := range p.Imports {
			if strings.HasPrefix(path, module) {
				ours = append(ours, name(path))
				next = append(next, path)
			}
		}
		slices.Sort(ours)
		found[name(p.ImportPath)] = ours
	}
	return found
}

// name is how the page calls a package.
func name(importPath string) string {
	if importPath == module {
		return "main.go"
	}
	return strings.TrimPrefix(importPath, module+"/")
}

// diagram reads the flowchart: nodes like id["label"], arrows like id --> id & id.
func diagram(t *testing.T) map[string][]string {
	t.Helper()
	p := read(t, "docs/architecture.md")
	i := slices.IndexFunc(p.blocks, func(b block) bool {
		return b.language == "mermaid" && strings.HasPrefix(b.text, "flowchart")
	})
	if i < 0 {
		t.Fatal("docs/architecture.md has no flowchart")
	}
	labels, drawn := map[string]string{}, map[string][]string{}
	for line := range strings.Lines(p.blocks[i].text) {
		line = strings.TrimSpace(line)
		if id, label, node := strings.Cut(line, `["`); node {
			labels[id] = strings.TrimSuffix(label, `"]`)
			drawn[labels[id]] = []string{}
		}
		from, to, arrow := strings.Cut(line, " --> ")
		if !arrow {
			continue
		}
		for id := range strings.SplitSeq(to, " & ") {
			if labels[id] == "" || labels[from] == "" {
				t.Errorf("the arrow %q has an end that is no node", line)
			}
			drawn[labels[from]] = append(drawn[labels[from]], labels[id])
		}
		slices.Sort(drawn[labels[from]])
	}
	return drawn
}

// TestDiagramOfAPassHasTheStepsOfTheList compares the second flowchart with the numbered list below it: the same steps
// in the same order, and every arrow between nodes that are there.
func TestDiagramOfAPassHasTheStepsOfTheList(t *testing.T) {
	p := read(t, "docs/architecture.md")
	charts := slices.DeleteFunc(p.blocks, func(b block) bool { return !strings.HasPrefix(b.text, "flowchart") })
	if len(charts) != 2 {
		t.Fatalf("docs/architecture.md has %d flowcharts, want one of the packages and one of a pass", len(charts))
	}
	var listed []string
	for _, line := range p.prose {
		if match := regexp.MustCompile(`^(\d+)\. \*{0,2}([A-Z]\w+)`).FindStringSubmatch(line); match != nil {
			listed = append(listed, match[1]+" "+match[2])
		}
	}
	var drawn []string
	nodes, used := map[string]bool{}, map[string]bool{}
	for line := range strings.Lines(charts[1].text) {
		if match := regexp.MustCompile(`"(\d+ [A-Z]\w+)`).FindStringSubmatch(line); match != nil {
			drawn = append(drawn, match[1])
		}
		if node := regexp.MustCompile(`^ *(\w+)\["`).FindStringSubmatch(line); node != nil {
			nodes[node[1]] = true
		}
		if arrow := regexp.MustCompile(`^ *(\w+) -->(?:\|"[^"]+"\|)? (\w+)$`).FindStringSubmatch(strings.TrimRight(line, "\n")); arrow != nil {
			used[arrow[1]], used[arrow[2]] = true, true
		}
	}
	number := func(step string) int { n, _ := strconv.Atoi(strings.Fields(step)[0]); return n }
	slices.SortFunc(drawn, func(a, b string) int { return number(a) - number(b) }) // the arrow back stands below the nodes
	if difference := cmp.Diff(listed, drawn); difference != "" {
		t.Errorf("the steps differ (- list, + diagram):\n%s", difference)
	}
	if difference := cmp.Diff(nodes, used); difference != "" || len(nodes) == 0 {
		t.Errorf("the ends of arrows differ from the nodes (- nodes, + arrows):\n%s", difference)
	}
}
