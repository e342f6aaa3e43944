package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestChartIsGeneratedFromItsSources(t *testing.T) {
	const root = "../.."
	wanted, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range wanted {
		stored, err := os.ReadFile(filepath.Join(root, path))
		if err != nil || !bytes.Equal(stored, content) {
			t.Errorf("%s is not what its source says (%v): run `make generate`", path, err)
		}
	}
	stale, err := leftovers(root, wanted)
	if err != nil || len(stale) > 0 {
		t.Errorf("files without a source: %v, %v: run `make generate`", stale, err)
	}
}

func TestRunRemovesWhatHasNoSource(t *testing.T) {
	root := t.TempDir()
	for _, folder := range []string{"config", "charts"} {
		if err := os.CopyFS(filepath.Join(root, folder), os.DirFS(filepath.Join("..", "..", folder))); err != nil {
			t.Fatal(err)
		}
	}
	stale := filepath.Join(root, crdFolder, "old.yaml")
	if err := os.WriteFile(stale, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(root); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stale); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("stat %s: %v, want that it is gone", stale, err)
	}
	wanted, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	for path := range wanted {
		if _, err := os.Stat(filepath.Join(root, path)); err != nil {
			t.Errorf("%s was not written: %v", path, err)
		}
	}
}

func TestSourcesInAnUnknownFormAreRefused(t *testing.T) {
	tests := map[string]struct {
		template func([]byte) ([]byte, error)
		source   string
	}{
		"a definition with Helm's braces":         {crdTemplate, "metadata:\n  annotations:\n    a: '{{ x }}'\n"},
		"a definition without annotations":        {crdTemplate, "metadata:\n  name: x\n"},
		"a policy without a binding":              {admissionTemplate, "kind: x\nmetadata:\n  name: airflow-oam-x\n"},
		"a policy whose binding names another":    {admissionTemplate, "a\n  name: airflow-oam-x\nb\n  name: airflow-oam-x\n"},
		"rules of a namespace beside the cluster": {roleTemplate, "\nkind: ClusterRole\nrules:\n- a\n---\nkind: Role\n"},
		"a role without rules":                    {roleTemplate, "\nkind: ClusterRole\n"},
		"a value that nobody describes":           {readme, "a: 1\n"},
		"a value whose comment is no description": {readme, "# a is good\na: 1\n"},
		"a nested value that nobody describes":    {readme, "a:\n  b: {}\n"},
		"no values":                               {readme, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := test.template([]byte(test.source)); !errors.Is(err, errSource) {
				t.Errorf("error = %v, want errSource", err)
			}
		})
	}
}

func TestReadmeShowsValuesWithTheirDefaults(t *testing.T) {
	made, err := readme([]byte("a:\n  # -- First line\n  # and | second.\n  b: [1]\n\n# -- Whole.\nc: {x: y}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{"| `a.b` | `[1]` | First line and \\| second. |", "| `c` | `{\"x\":\"y\"}` | Whole. |"} {
		if !strings.Contains(string(made), row) {
			t.Errorf("the README has no row %s", row)
		}
	}
}
