package docs

import (
	"bytes"
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/yaml"

	"github.com/airflow-oam/airflow-oam/internal/cli"
	"github.com/airflow-oam/airflow-oam/internal/options"
)

const operations = "docs/operations.md"

// settings gives the words between backticks in the first column of the tables of the page on operations with that
// title, sorted.
func settings(t *testing.T, title string) []string {
	t.Helper()
	p := read(t, operations)
	var found []string
	for _, cell := range p.columns(title) {
		found = append(found, code(cell)...)
	}
	slices.Sort(found)
	return found
}

func TestEveryFlagIsTold(t *testing.T) {
	help := &bytes.Buffer{}
	if _, err := options.Parse([]string{"--help"}, help); !errors.Is(err, flag.ErrHelp) {
		t.Fatalf("--help: %v", err)
	}
	var want []string
	for _, match := range regexp.MustCompile(`(?m)^ {2}-([a-z-]+)`).FindAllStringSubmatch(help.String(), -1) {
		want = append(want, "--"+match[1])
	}
	slices.Sort(want)
	if difference := cmp.Diff(want, settings(t, "Flag")); difference != "" {
		t.Errorf("%s: the flags differ (- program, + page):\n%s", operations, difference)
	}
}

// Flags that are named anywhere exist.
func TestNamedFlagsExist(t *testing.T) {
	operator, plugin := settings(t, "Flag"), pluginFlags(t)
	for _, p := range pages(t) {
		known := operator
		if p.path == "docs/plugin.md" {
			known = plugin
		}
		for _, line := range p.prose {
			for _, span := range code(line) {
				name, _, _ := strings.Cut(span, "=")
				if strings.HasPrefix(name, "--") && !strings.Contains(name, " ") && !slices.Contains(known, name) {
					t.Errorf("%s: there is no flag %s", p.path, name)
				}
			}
		}
	}
}

// pluginFlags gives the flags of all commands of the plugin, from their help.
func pluginFlags(t *testing.T) []string {
	t.Helper()
	help := func(command ...string) string {
		out := &bytes.Buffer{}
		s := cli.Settings{IOStreams: genericiooptions.IOStreams{In: out, Out: out, ErrOut: out}}
		if code := cli.Run(t.Context(), s, append(command, "--help")); code != 0 {
			t.Fatalf("%s --help: exit code %d: %s", command, code, out)
		}
		return out.String()
	}
	all := help() + help("rules", "test")
	_, commands, _ := strings.Cut(help(), "Available Commands:")
	for _, match := range regexp.MustCompile(`(?m)^ {2}([a-z]+) `).FindAllStringSubmatch(commands, -1) {
		all += help(match[1])
	}
	var flags []string
	for _, match := range regexp.MustCompile(`(?m)^ +(?:-., )?(--[a-z-]+)`).FindAllStringSubmatch(all, -1) {
		flags = append(flags, match[1])
	}
	return flags
}

func TestEveryMetricIsTold(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root(t), "internal", "metrics", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	pattern := regexp.MustCompile(`(?:Name: |NewDesc\(prefix\+)"_?([a-z_]+)"`)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range pattern.FindAllStringSubmatch(string(content), -1) {
			names["airflow_oam_"+match[1]] = true
		}
	}
	if difference := cmp.Diff(slices.Sorted(maps.Keys(names)), settings(t, "Metric")); difference != "" {
		t.Errorf("%s: the metrics differ (- program, + page):\n%s", operations, difference)
	}
	for _, b := range read(t, operations).blocks {
		for _, name := range regexp.MustCompile(`airflow_oam_[a-z_]+`).FindAllString(b.text, -1) {
			if !names[name] {
				t.Errorf("%s:%d: there is no metric %s", operations, b.line, name)
			}
		}
	}
}

func TestNamedValuesOfTheChartExist(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(root(t), "charts", "airflow-oam", "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]any{}
	if err := yaml.Unmarshal(content, &values); err != nil {
		t.Fatal(err)
	}
	exists := func(path string) bool {
		at := any(values)
		for key := range strings.SplitSeq(path, ".") {
			below, ok := at.(map[string]any)
			if at = below[key]; !ok || at == nil {
				return false
			}
		}
		return true
	}
	told := settings(t, "Value")
	for _, path := range told {
		if !exists(path) {
			t.Errorf("%s: the chart has no value %s", operations, path)
		}
	}
	if len(told) < 5 {
		t.Errorf("only %d values were found", len(told))
	}
	set := regexp.MustCompile(`--set '?([a-zA-Z.]+)=`)
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			for _, match := range set.FindAllStringSubmatch(b.text, -1) {
				if !exists(match[1]) {
					t.Errorf("%s:%d: the chart has no value %s", p.path, b.line, match[1])
				}
			}
		}
	}
}

func TestNamedTargetsExist(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(root(t), "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	named := regexp.MustCompile(`(?m)^make ([a-z-]+)`)
	for _, p := range pages(t) {
		var texts []string
		for _, b := range p.blocks {
			texts = append(texts, b.text)
		}
		for _, line := range p.prose {
			texts = append(texts, code(line)...)
		}
		for _, text := range texts {
			for _, match := range named.FindAllStringSubmatch(text, -1) {
				found++
				if !regexp.MustCompile(`(?m)^` + match[1] + `:`).Match(content) {
					t.Errorf("%s: the Makefile has no target %s", p.path, match[1])
				}
			}
		}
	}
	if found < 8 {
		t.Errorf("only %d targets were found", found)
	}
}
