package permission

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// Server is what the meaning of levels and permissions depends on: the rules by which an Airflow decides, and its version
// where that is known. Empty fields mean the newest.
type Server struct {
	// Model names the rules: those of Airflow 2 (fab 1.3 to 2.4.1), or those of Airflow 3 (fab 2.4.2 and later).
	Model v1alpha1.PermissionModel
	// Version is that of Airflow, as the server reports it.
	Version string
}

// Airflow2 reports whether the server has the resources of Airflow 2. Early versions of Airflow 3 decide by the rules of
// Airflow 2 about the resources of Airflow 3, so that a known version decides this, and the model only in its place.
func (s Server) Airflow2() bool {
	if s.Version == "" {
		return s.Model == v1alpha1.PermissionModelAirflow2
	}
	return strings.HasPrefix(s.Version, "2.")
}

// before reports whether the version is known and comes before major.minor.
func (s Server) before(major, minor int) bool {
	var x, y int
	if n, _ := fmt.Sscanf(s.Version, "%d.%d", &x, &y); n != 2 {
		return false
	}
	return cmp.Or(cmp.Compare(x, major), cmp.Compare(y, minor)) < 0
}

// table returns the meaning of levels on the server.
func (s Server) table() map[v1alpha1.AccessLevel]bundle {
	if s.Airflow2() {
		return bundles2
	}
	return bundles
}

// HasLevel reports whether a level means something on the server's generation of Airflow.
func (s Server) HasLevel(level v1alpha1.AccessLevel) bool {
	_, known := s.table()[level]
	return known
}

// Lacks returns the reason why the server cannot grant a level; empty where it can.
func (s Server) Lacks(level v1alpha1.AccessLevel) string {
	if !s.HasLevel(level) {
		if level == v1alpha1.AccessViewAudit {
			return "its event log shows all DAGs"
		}
		return "it has nothing like it"
	}
	if level == v1alpha1.AccessRespondHITL && !s.Knows(hitlDetail) {
		return "that came with 3.1"
	}
	if level == v1alpha1.AccessViewAudit && s.leaksAudit() {
		return "a row of its event log can be read for every DAG before Airflow 3.2.2 (CVE-2026-46764): upgrade Airflow"
	}
	return ""
}

// leaksAudit reports whether the version is known and comes before 3.2.2: one row of the event log is shown without a look at
// its DAG.
func (s Server) leaksAudit() bool {
	var x, y, z int
	n, _ := fmt.Sscanf(s.Version, "%d.%d.%d", &x, &y, &z)
	return n >= 2 && x == 3 && (y < 2 || y == 2 && z < 2)
}

// Knows reports whether the server has a resource that levels name.
func (s Server) Knows(resource string) bool { return resource != hitlDetail || !s.before(3, 1) }

// KeepsWebsite reports whether Website is a permission like others. Servers that decide by the rules of Airflow 3 add it to
// every role by themselves; on Airflow 2 the UI's home page needs it, so that every managed role contains it.
func (s Server) KeepsWebsite() bool { return s.Model == v1alpha1.PermissionModelAirflow2 }

// Canonical returns a set for comparisons, without the pair that the server adds by itself. The result is the argument
// where that is such a set already, so that it must not be changed.
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

// ShowsWholeFiles reports whether the source of one DAG shows the other DAGs of its file to users who may not read them.
// Airflow 3.3 hides such files, Airflow 2 refuses them.
func (s Server) ShowsWholeFiles() bool { return !s.Airflow2() && s.before(3, 3) }

// ForLevels returns the permissions of levels on DAGs under a permission model; see Server.ForLevels.
func ForLevels(model v1alpha1.PermissionModel, levels []v1alpha1.AccessLevel, dags []string, extra []v1alpha1.AirflowPermission) []Pair {
	return Server{Model: model}.ForLevels(levels, dags, extra)
}

// ForLevels returns the permissions of levels on DAGs as a set. Every level implies View, and a level that does not exist
// on the server adds nothing to it. Without DAGs the levels mean nothing at all, because the pairs that they share between
// DAGs could combine with rights of other roles; only the home page of Airflow 2 is always there. Extra pairs are added,
// except for resources that no policy may ever name.
func (s Server) ForLevels(levels []v1alpha1.AccessLevel, dags []string, extra []v1alpha1.AirflowPermission) []Pair {
	var out []Pair
	if s.KeepsWebsite() {
		out = append(out, Website)
	}
	if len(dags) > 0 {
		all := s.bundleOf(levels)
		out = slices.Grow(out, len(dags)*(len(all.dag)+len(all.run))+len(all.global)+len(extra))
		for _, id := range dags {
			for _, action := range all.dag {
				out = append(out, Pair{action, DagPrefix + id})
			}
			for _, action := range all.run {
				out = append(out, Pair{action, RunPrefix + id})
			}
		}
		out = append(out, all.global...)
	}
	for _, pair := range extra {
		if p := (Pair{pair.Action, pair.Resource}); !p.Forbidden() {
			out = append(out, p)
		}
	}
	return SetOf(out)
}

// bundleOf joins the bundles of levels and of View. Its actions are sorted and without doubles.
func (s Server) bundleOf(levels []v1alpha1.AccessLevel) bundle {
	var all bundle
	table := s.table()
	for _, level := range WithView(levels) {
		b := table[level]
		all.dag = append(all.dag, b.dag...)
		all.run = append(all.run, b.run...)
		all.global = append(all.global, b.global...)
	}
	slices.Sort(all.dag)
	all.dag = slices.Compact(all.dag)
	slices.Sort(all.run)
	all.run = slices.Compact(all.run)
	return all
}
