package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// passwordInArgument finds commands that hand a password over as an argument, where other users of the machine and the
// shell's history see it.
var passwordInArgument = regexp.MustCompile(`--from-literal=password|--password[= ]|curl\b.* (-u|--user)[= ]`)

// TestNoPasswordStandsInAnArgument looks at everything that shows commands to people.
func TestNoPasswordStandsInAnArgument(t *testing.T) {
	shown := []string{".md", ".in", ".txt", ".yaml", ".sh"}
	top, looked := root(t), 0
	for _, folder := range []string{"README.md", "SECURITY.md", "CONTRIBUTING.md", "docs", "charts", "config", "hack"} {
		err := filepath.WalkDir(filepath.Join(top, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !slices.Contains(shown, filepath.Ext(path)) || strings.HasPrefix(path, filepath.Join(top, "hack", "airflow", "locks")) {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			looked++
			for line := range strings.Lines(string(content)) {
				if passwordInArgument.MatchString(line) {
					t.Errorf("%s shows a password in an argument: %s", path, strings.TrimSpace(line))
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if looked < 40 {
		t.Errorf("only %d files were looked at", looked)
	}
	if !passwordInArgument.MatchString("kubectl create secret generic a --from-literal=password='...'") {
		t.Error("the pattern does not find what was shown once")
	}
}
