package dag

import (
	"slices"
	"strings"
)

// Index is a DAG list with its ids, its order by id and by path, and the files that several DAGs share.
type Index struct {
	dags           []Dag
	byID           map[string]int
	away           map[string]*Away
	inIDs, inPaths []int             // positions in dags, in the order of ids and of paths
	files          map[file][]string // filled by its first use
}

// NewIndex indexes a list of DAGs, in any order, and those that are away; it retains both and does not change them.
func NewIndex(dags []Dag, away ...Away) *Index {
	x := &Index{dags: dags, byID: make(map[string]int, len(dags)), away: make(map[string]*Away, len(away))}
	for i := range away {
		x.away[away[i].ID] = &away[i]
	}
	for i := range dags {
		x.byID[dags[i].ID] = i
		x.inIDs, x.inPaths = append(x.inIDs, i), append(x.inPaths, i)
	}
	slices.SortFunc(x.inIDs, func(a, b int) int { return strings.Compare(dags[a].ID, dags[b].ID) })
	slices.SortFunc(x.inPaths, func(a, b int) int { return strings.Compare(dags[a].Path, dags[b].Path) })
	return x
}

// Has reports whether the list has a DAG of this id.
func (x *Index) Has(id string) bool {
	_, listed := x.byID[id]
	return listed
}

// Away returns what is known of a DAG that is away, and whether something is.
func (x *Index) Away(id string) (Away, bool) {
	if away := x.away[id]; away != nil {
		return *away, true
	}
	return Away{}, false
}

// beginning returns the part of an order whose DAGs begin, in a field, with the literal of a glob.
func (x *Index) beginning(order []int, g glob, field func(*Dag) string) []int {
	from, _ := slices.BinarySearchFunc(order, g.literal, func(at int, literal string) int { return strings.Compare(field(&x.dags[at]), literal) })
	rest := order[from:]
	end := slices.IndexFunc(rest, func(at int) bool { return !strings.HasPrefix(field(&x.dags[at]), g.literal) })
	if end < 0 {
		return rest
	}
	return rest[:end]
}
