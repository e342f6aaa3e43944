package dag

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/internal/text"
)

// filesOf returns the sorted ids of the DAGs of every file that defines more than one.
func filesOf(dags []Dag) map[file][]string {
	out := map[file][]string{}
	for i := range dags {
		at := dags[i].file()
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

// Shared returns the reason why the code of some DAGs cannot be shown without the code of others: a file of theirs also
// defines DAGs that are not among them. It is empty where there is no such file. The ids are a sorted set; those that are not in
// the list have no file.
func (x *Index) Shared(ids []string) string {
	first, count := "", 0
	for _, id := range ids {
		others := x.besides(id, ids)
		if len(others) == 0 {
			continue
		}
		if count++; first == "" {
			path := x.dags[x.byID[id]].Path
			first = fmt.Sprintf("the file %s of the DAG %s also defines %s", text.Quoted(path), text.Plain(id), text.List(others, 4))
		}
	}
	switch {
	case count == 2:
		first += ", and 1 more DAG shares its file with others"
	case count > 2:
		first += fmt.Sprintf(", and %d more DAGs share their files with others", count-1)
	}
	return first
}

// besides returns the sorted ids of the DAGs that share the file of a DAG and are not among some ids.
func (x *Index) besides(id string, ids []string) []string {
	if x.files == nil {
		x.files = filesOf(x.dags)
	}
	at, listed := x.byID[id]
	if !listed {
		return nil
	}
	together := x.files[x.dags[at].file()]
	if len(together) == 0 {
		return nil
	}
	return sets.List(sets.New(together...).Delete(ids...))
}
