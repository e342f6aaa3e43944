// Package locks holds the pinned environments in which a real Airflow runs.
//
// A lock is a file airflow-<version>-fab-<version>.txt in this folder: pip
// requirements with a hash for every file, and no index address. To renew one,
// or to add another, write the versions you want into a file and run
//
//	uv pip compile --universal --python-version 3.11 --generate-hashes \
//	    --no-header --no-annotate wanted.txt -o hack/airflow/locks/<name>.txt
//
// The versions of what is to be run together go into that file, so that the lock
// holds what was tried. A lock in the folder needs no further registration: its
// version works with the flag --version and with server.Options at once.
package locks

import (
	"embed"
	"fmt"
	"sort"
	"strings"
)

// Default is the lock that is used when no version is named.
const Default = "airflow-3.3.2-fab-3.10.2"

// Installer is the name of the lock of uv, which installs the others.
const Installer = "uv"

//go:embed *.txt
var files embed.FS

// Read returns the requirements of a lock. The error of an unknown name lists
// the names there are.
func Read(name string) ([]byte, error) {
	content, err := files.ReadFile(name + ".txt")
	if err != nil {
		return nil, fmt.Errorf("no lock named %q, there are: %s", name, strings.Join(Names(), ", "))
	}
	return content, nil
}

// Names returns the locks of Airflow environments, sorted.
func Names() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic("locks: the embedded folder cannot be read: " + err.Error())
	}
	var names []string
	for _, entry := range entries {
		name := strings.TrimSuffix(entry.Name(), ".txt")
		if name != Installer {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}
