package permission

import (
	"fmt"
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// Server is what the meaning of levels and permissions depends on: by which rules an Airflow decides, and its version
// where that is known. Empty fields mean the newest.
type Server struct {
	Model   v1alpha1.PermissionModel
	Version string
}

// Airflow2 says whether the server has the resources of Airflow 2. Early versions of Airflow 3 decide by the rules of
// Airflow 2 about the resources of Airflow 3.
func (s Server) Airflow2() bool {
	return strings.HasPrefix(s.Version, "2.") || s.Version == "" && s.Model == v1alpha1.PermissionModelAirflow2
}

// before says whether the version is known and comes before major.minor.
func (s Server) before(major, minor int) bool {
	var x, y int
	n, _ := fmt.Sscanf(s.Version, "%d.%d", &x, &y)
	return n == 2 && (x < major || x == major && y < minor)
}

// table is what levels mean there.
func (s Server) table() map[v1alpha1.AccessLevel]bundle {
	if s.Airflow2() {
		return bundles2
	}
	return bundles
}

// HasLevel says whether a level means something there.
func (s Server) HasLevel(level v1alpha1.AccessLevel) bool {
	_, known := s.table()[level]
	return known
}

// Lacks says why the server cannot give a level; empty where it can.
func (s Server) Lacks(level v1alpha1.AccessLevel) string {
	known := s.HasLevel(level)
	switch {
	case !known && level == v1alpha1.AccessViewAudit:
		return "its event log shows all DAGs"
	case !known:
		return "it has nothing like it"
	case level == v1alpha1.AccessRespondHITL && s.before(3, 1):
		return "that came with 3.1"
	}
	return ""
}

// Knows says whether the server has a resource that levels name.
func (s Server) Knows(resource string) bool { return resource != "HITL Detail" || !s.before(3, 1) }

// KeepsWebsite says whether Website is a permission like others. Servers that decide by the rules of Airflow 3 add it to
// every role by themselves; on Airflow 2 the UI's home page needs it, so that every managed role holds it.
func (s Server) KeepsWebsite() bool { return s.Model == v1alpha1.PermissionModelAirflow2 }

// Canonical is a set for comparisons, without the pair that the server adds by itself. It is the argument where that is
// one already, so that the result is not to be changed.
func (s Server) Canonical(ps []Pair) []Pair {
	added := func(p Pair) bool { return p == Website }
	switch {
	case !s.KeepsWebsite() && slices.ContainsFunc(ps, added):
		return SetOf(slices.DeleteFunc(slices.Clone(ps), added))
	case isSet(ps):
		return slices.Clip(ps)
	}
	return SetOf(slices.Clone(ps))
}

// ShowsWholeFiles says whether the source of one DAG shows the other DAGs of its file to users who may not read them.
// Airflow 3.3 hides such files, Airflow 2 refuses them.
func (s Server) ShowsWholeFiles() bool { return !s.Airflow2() && s.before(3, 3) }
