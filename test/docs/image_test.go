package docs

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestImageIsBuiltFromEveryPackage sees to it that the Dockerfile copies each package that the operator is compiled from,
// and that .dockerignore lets it through.
func TestImageIsBuiltFromEveryPackage(t *testing.T) {
	var copied, let []string
	for line := range strings.Lines(text(t, "Dockerfile")) {
		words := strings.Fields(line)
		if len(words) > 2 && words[0] == "COPY" && !strings.HasPrefix(words[1], "--") {
			copied = append(copied, words[1:len(words)-1]...)
		}
	}
	for line := range strings.Lines(text(t, ".dockerignore")) {
		if path, through := strings.CutPrefix(strings.TrimSpace(line), "!"); through {
			let = append(let, path)
		}
	}
	needed := append(operatorPackages(t), "go.mod", "go.sum", "LICENSE")
	if len(needed) < 10 {
		t.Fatalf("only these are needed: %v", needed)
	}
	for _, path := range needed {
		for what, paths := range map[string][]string{"the Dockerfile does not copy": copied, ".dockerignore holds back": let} {
			if !slices.ContainsFunc(paths, func(above string) bool { return path == above || strings.HasPrefix(path, above+"/") }) {
				t.Errorf("%s %s", what, path)
			}
		}
	}
	for _, path := range copied {
		if _, err := os.Stat(filepath.Join(root(t), path)); err != nil {
			t.Errorf("the Dockerfile copies what is not there: %v", err)
		}
	}
}

// operatorPackages are the packages that the operator is compiled from. The plugin is no part of the image.
func operatorPackages(t *testing.T) []string {
	t.Helper()
	all, reached := imports(t), map[string]bool{}
	for next := []string{"main.go"}; len(next) > 0; next = next[1:] {
		if !reached[next[0]] {
			reached[next[0]] = true
			next = append(next, all[next[0]]...)
		}
	}
	return slices.Sorted(maps.Keys(reached))
}

// text reads a file of the repository.
func text(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root(t), path))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
