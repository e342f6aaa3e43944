// Command chart generates what the Helm chart shares with other sources, so that it is written once: the
// CustomResourceDefinitions from config/crd/bases, the operator's rules from config/rbac/role.yaml, the admission policies
// from config/admission, and the README from the comments in values.yaml. Run it at the top of the repository.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

func main() {
	root := flag.String("root", ".", "top `folder` of the repository")
	flag.Parse()
	if err := run(*root); err != nil {
		fmt.Fprintln(os.Stderr, "chart:", err)
		os.Exit(1)
	}
}

// run writes the generated files and removes those that are no longer generated.
func run(root string) error {
	wanted, err := generate(root)
	if err != nil {
		return err
	}
	stale, err := leftovers(root, wanted)
	if err != nil {
		return err
	}
	for _, path := range stale {
		if err := os.Remove(filepath.Join(root, path)); err != nil {
			return fmt.Errorf("remove a stale file: %w", err)
		}
	}
	for path, content := range wanted {
		file := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return fmt.Errorf("make a folder: %w", err)
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
	return nil
}

// Folders and files of the chart, relative to the top of the repository.
const (
	chartFolder     = "charts/airflow-oam"
	crdFolder       = chartFolder + "/templates/crds"
	admissionFolder = chartFolder + "/templates/admission"
	roleFile        = chartFolder + "/templates/clusterrole.yaml"
	readmeFile      = chartFolder + "/README.md"
)

// generate returns the content of every generated file by its path from the top of the repository.
func generate(root string) (map[string][]byte, error) {
	files := map[string][]byte{}
	sources := []struct {
		pattern, folder string
		template        func([]byte) ([]byte, error)
	}{
		{"config/crd/bases/*.yaml", crdFolder, crdTemplate},
		{"config/admission/*.yaml", admissionFolder, admissionTemplate},
		{"config/admission/names/*.yaml", admissionFolder, namesTemplate},
	}
	for _, source := range sources {
		paths, err := filepath.Glob(filepath.Join(root, source.pattern))
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", source.pattern, err)
		}
		for _, path := range paths {
			name := filepath.Base(path)
			if name == "kustomization.yaml" {
				continue
			}
			if files[source.folder+"/"+name], err = from(path, source.template); err != nil {
				return nil, err
			}
		}
	}
	var err error
	if files[roleFile], err = from(filepath.Join(root, "config", "rbac", "role.yaml"), roleTemplate); err != nil {
		return nil, err
	}
	if files[readmeFile], err = from(filepath.Join(root, chartFolder, "values.yaml"), readme); err != nil {
		return nil, err
	}
	return files, nil
}

// from reads a source and makes one generated file of it.
func from(path string, template func([]byte) ([]byte, error)) ([]byte, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read a source: %w", err)
	}
	made, err := template(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return made, nil
}

// leftovers lists the files in the generated folders that are not generated any more.
func leftovers(root string, wanted map[string][]byte) ([]string, error) {
	var stale []string
	for _, folder := range []string{crdFolder, admissionFolder} {
		entries, err := os.ReadDir(filepath.Join(root, folder))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("list %s: %w", folder, err)
		}
		for _, entry := range entries {
			path := folder + "/" + entry.Name()
			if _, ok := wanted[path]; !ok {
				stale = append(stale, path)
			}
		}
	}
	slices.Sort(stale)
	return stale, nil
}
