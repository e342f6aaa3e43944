package dag

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/internal/text"
)

// file is where the code of a DAG is.
type file struct{ bundle, path string }

// filesOf are the DAGs, sorted, of every file that holds more than one.
func filesOf(dags []Dag) map[file][]string {
	out := map[file][]string{}
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

// Shared says why the code of some DAGs cannot be shown without the code of others: a file of theirs also holds DAGs that
// are not among them. It is empty where no file does. The ids are a sorted set; those that the list lacks have no file.
func (x *Index) Shared(ids []string) string {
	if x.files == nil {
		x.files = filesOf(x.dags)
	}
	first, count := "", 0
	for _, id := range ids {
		at, listed := x.byID[id]
		if !listed {
			continue
		}
		d := &x.dags[at]
		together := x.files[file{d.Bundle, d.Path}]
		if len(together) == 0 {
			continue
		}
		others := sets.List(sets.New(together...).Delete(ids...))
		if len(others) == 0 {
			continue
		}
		if count++; first == "" {
			first = fmt.Sprintf("the file %s of the DAG %s also holds %s", text.Quoted(d.Path), text.Plain(id), text.List(others, 4))
		}
	}
	if count > 1 {
		first += fmt.Sprintf(", and %d more DAGs share their files with others", count-1)
	}
	return first
}
