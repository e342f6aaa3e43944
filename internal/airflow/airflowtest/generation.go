package airflowtest

import (
	"bufio"
	_ "embed"
	"strings"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

//go:embed seed.txt
var seed string

// Generation is a version set of Airflow and its FAB provider with the
// behaviour that belongs to it.
type Generation struct {
	// Version is Airflow's, FABProvider that of the FAB provider.
	Version     string
	FABProvider string
	// updateRole says what PATCH of a role makes of the permissions it has and
	// those in the request.
	updateRole func(has, asked []airflow.Permission) []airflow.Permission
}

// Airflow33 is Airflow 3.3.2 with FAB provider 3.10.2: updating a role replaces
// its permissions.
var Airflow33 = Generation{
	Version: "3.3.2", FABProvider: "3.10.2",
	updateRole: func(_, asked []airflow.Permission) []airflow.Permission { return asked },
}

// The roles that Airflow makes itself, in the order of their ids.
var builtinRoles = []string{"Admin", "Public", "Viewer", "User", "Op"}

// readSeed gives the pairs of a new Airflow and the roles that hold them.
func readSeed() (pairs []airflow.Permission, roles map[string][]airflow.Permission) {
	roles = map[string][]airflow.Permission{}
	for lines := bufio.NewScanner(strings.NewReader(seed)); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		f := strings.Split(lines.Text(), "|")
		p := airflow.Permission{Action: strings.TrimSpace(f[0]), Resource: strings.TrimSpace(f[1])}
		pairs = append(pairs, p)
		for name := range strings.FieldsSeq(f[2]) {
			roles[name] = append(roles[name], p)
		}
	}
	return pairs, roles
}
