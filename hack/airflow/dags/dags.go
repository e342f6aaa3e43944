// Package dags holds the sample DAGs of the demo and of the tests: three teams
// with a folder, an owner and tags each. They have no schedule, and their tasks
// end within a second.
package dags

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

//go:embed finance/*.py marketing/*.py platform/*.py
var files embed.FS

// IDs returns the ids of the sample DAGs, sorted.
func IDs() []string {
	return []string{
		"finance_daily",
		"finance_month_end",
		"finance_payroll",
		"finance_reconcile",
		"finance_weekly",
		"marketing_campaign",
		"marketing_report",
		"platform_backup",
		"platform_cleanup",
	}
}

// CopyTo writes the samples below folder, which is created where it is missing.
// Files that are already there are replaced; others stay.
func CopyTo(folder string) error {
	return fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(folder, filepath.FromSlash(path))
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		content, err := files.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read the sample %s: %w", path, err)
		}
		return os.WriteFile(target, content, 0o600)
	})
}
