package access

import (
	"fmt"
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// release is what the meaning of levels and permissions depends on: by which rules the server decides, and its version
// where it is known. Empty fields mean the newest.
type release struct {
	model   v1alpha1.PermissionModel
	version string
}

func (in *Input) release() release {
	return release{model: in.Capabilities.PermissionModel, version: in.Version}
}

// airflow2 says whether the server has the resources of Airflow 2. Early releases of Airflow 3 decide by the rules of
// Airflow 2 about the resources of Airflow 3.
func (r release) airflow2() bool {
	return strings.HasPrefix(r.version, "2.") || r.version == "" && r.model == v1alpha1.PermissionModelAirflow2
}

// before says whether the version is known and comes before major.minor.
func (r release) before(major, minor int) bool {
	var x, y int
	n, _ := fmt.Sscanf(r.version, "%d.%d", &x, &y)
	return n == 2 && (x < major || x == major && y < minor)
}

// table is what levels mean there.
func (r release) table() map[v1alpha1.AccessLevel]bundle {
	if r.airflow2() {
		return bundles2
	}
	return bundles
}

// lacks says why the server cannot give a level; empty where it can.
func (r release) lacks(level v1alpha1.AccessLevel) string {
	_, known := r.table()[level]
	switch {
	case !known && level == v1alpha1.AccessViewAudit:
		return "its event log shows all DAGs"
	case !known:
		return "it has nothing like it"
	case level == v1alpha1.AccessRespondHITL && r.before(3, 1):
		return "that came with 3.1"
	}
	return ""
}

// knows says whether the server has a resource that levels name.
func (r release) knows(resource string) bool { return resource != "HITL Detail" || !r.before(3, 1) }

// keepsWebsite says whether (can_read, Website) is a permission like others. Servers that decide by the rules of Airflow
// 3 need it for nothing and add it to every role by themselves; on Airflow 2 the UI's home page needs it, so that every
// managed role holds it.
func (r release) keepsWebsite() bool { return r.model == v1alpha1.PermissionModelAirflow2 }

// canonical is the sorted set without ignored pairs, for comparisons.
func (in *Input) canonical(ps []permission.Pair) []permission.Pair {
	if !in.server().keepsWebsite() {
		return canonical(ps)
	}
	if isSet(ps) {
		return slices.Clip(ps)
	}
	return sorted(slices.Clone(ps))
}

// showsWholeFiles says whether the source of one DAG shows the other DAGs of its file to people who may not read them.
// Airflow 3.3 hides such files, Airflow 2 refuses them.
func (r release) showsWholeFiles() bool { return !r.airflow2() && r.before(3, 3) }

// file is where the code of a DAG is.
type file struct{ bundle, path string }

// fileIndex are the DAGs of every file that holds more than one.
type fileIndex map[file][]string

func newFileIndex(dags []dag.Dag) fileIndex {
	out := fileIndex{}
	for i := range dags {
		at := file{dags[i].Bundle, dags[i].Path}
		out[at] = append(out[at], dags[i].ID)
	}
	for at, ids := range out {
		if len(ids) < 2 {
			delete(out, at)
		}
		slices.Sort(ids)
	}
	return out
}

// shared says why the code of these DAGs, a sorted set, cannot be shown without the code of others; empty where it can.
func (w *work) shared(covered []string) string {
	if w.files == nil {
		w.files = newFileIndex(w.in.Observed.Dags)
	}
	first, count := "", 0
	for _, id := range covered {
		at, listed := w.dags.byID[id]
		if !listed {
			continue
		}
		dag := &w.in.Observed.Dags[at]
		others := without(w.files[file{dag.Bundle, dag.Path}], covered)
		if len(others) == 0 {
			continue
		}
		if count++; first == "" {
			first = fmt.Sprintf("the file %s of the DAG %s also holds %s", text.Quoted(dag.Path), text.Plain(id), text.List(others, 4))
		}
	}
	if count > 1 {
		first += fmt.Sprintf(", and %d more DAGs share their files with others", count-1)
	}
	return first
}

// supported drops the levels that cannot be given on these DAGs, and says why in one note.
func (w *work) supported(levels []v1alpha1.AccessLevel, dags []string) (known []v1alpha1.AccessLevel, note *Problem) {
	r := w.in.server()
	var lacking []string
	for _, level := range levels {
		why := r.lacks(level)
		if level == v1alpha1.AccessViewCode && r.showsWholeFiles() {
			if why = w.shared(dags); why != "" {
				why += ", which is not covered and would be shown: cover it, move it to a file of its own, or use Airflow 3.3"
			}
		}
		if why == "" {
			known = append(known, level)
		} else {
			lacking = append(lacking, fmt.Sprintf("%s (%s)", level, why))
		}
	}
	if len(lacking) > 0 {
		slices.Sort(lacking)
		note = &Problem{v1alpha1.ReasonLevelNotSupported, fmt.Sprintf("Airflow %s cannot give %s; the other levels are applied",
			text.Plain(r.version), strings.Join(lacking, ", "))}
	}
	return known, note
}

// permissions are those of the levels that can be given on these DAGs, without resources that the server does not know.
func (w *work) permissions(levels []v1alpha1.AccessLevel, dags []string, extra []v1alpha1.AirflowPermission) []permission.Pair {
	r := w.in.server()
	known, _ := w.supported(levels, dags)
	return slices.DeleteFunc(r.permissions(known, dags, extra), func(p permission.Pair) bool {
		return !r.knows(p.Resource) || w.in.UnknownResources[p.Resource]
	})
}

// notGiven says in one note which levels, and which global permissions of the others and of airflowPermissions, cannot be
// given on these DAGs.
func (w *work) notGiven(levels []v1alpha1.AccessLevel, dags []string, extra []v1alpha1.AirflowPermission) *Problem {
	known, note := w.supported(levels, dags)
	if len(w.in.UnknownResources) == 0 {
		return note
	}
	var unknown []string
	for _, p := range w.in.server().permissions(known, dags, extra) {
		if w.in.UnknownResources[p.Resource] {
			unknown = append(unknown, p.String())
		}
	}
	if unknown == nil {
		return note
	}
	text := "this Airflow has no resource of that name: " + text.List(unknown, 8) + "; the rest is applied"
	if note != nil {
		text = note.Message + "; " + text
	}
	return &Problem{v1alpha1.ReasonLevelNotSupported, text}
}
