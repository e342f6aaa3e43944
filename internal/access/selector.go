package access

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// MatchDags gives the sorted ids of the DAGs that at least one selector matches, and the sorted ids that are named
// exactly, without a wildcard, but are not in the list. A selector matches when all of its fields do.
func MatchDags(selectors []v1alpha1.DagSelector, dags []dag.Dag) (ids, pendingExact []string) {
	return dag.NewSelection(selectors).match(dag.NewIndex(dags))
}

// ValidateSelectors refuses patterns that can match nothing or mean nothing. The reason is InvalidSelector.
func ValidateSelectors(selectors []v1alpha1.DagSelector) *Problem {
	for i := range selectors {
		s := &selectors[i]
		if len(s.IDs)+len(s.Tags)+len(s.Owners)+len(s.Bundles)+len(s.Paths) == 0 {
			return invalid(i, "", "", "selects by nothing: for every DAG write ids: [\"*\"]")
		}
		fields := []struct {
			name   string
			values []string
		}{
			{"ids", s.IDs}, {"tags", s.Tags}, {"owners", s.Owners}, {"bundles", s.Bundles}, {"paths", s.Paths}, {"exclude", s.Exclude},
		}
		for _, field := range fields {
			for _, value := range field.values {
				if why := badPattern(value, field.name == "paths"); why != "" {
					return invalid(i, field.name, value, why)
				}
			}
		}
	}
	return nil
}

func invalid(i int, field, value, why string) *Problem {
	where := fmt.Sprintf("dags[%d]", i)
	if field != "" {
		where += "." + field + " " + text.Quoted(value)
	}
	return &Problem{v1alpha1.ReasonInvalidSelector, where + " " + why}
}

func badPattern(pattern string, path bool) string {
	switch {
	case pattern == "":
		return "is empty"
	case !utf8.ValidString(pattern) || strings.ContainsFunc(pattern, unicode.IsControl):
		return "holds a control character"
	case !path:
		return ""
	case strings.HasPrefix(pattern, "/"):
		return "begins with a slash: paths are relative to their bundle"
	case strings.Contains(pattern, "***"):
		return "holds three stars: ** crosses folders, * does not"
	}
	for part := range strings.SplitSeq(pattern, "/") {
		if part == "" || part == "." || part == ".." {
			return "holds an empty, . or .. folder, which no path has: for all files of a folder write folder/**"
		}
	}
	return ""
}

// dagIndex is the DAG list with its ids, and its order by id and by path.
type dagIndex struct {
	dags           []Dag
	byID           map[string]int
	inIDs, inPaths []int
}

func newDagIndex(dags []dag.Dag) *dag.Index {
	x := &dagIndex{dags: dags, byID: make(map[string]int, len(dags))}
	for i := range dags {
		x.byID[dags[i].ID] = i
		x.inIDs, x.inPaths = append(x.inIDs, i), append(x.inPaths, i)
	}
	slices.SortFunc(x.inIDs, func(a, b int) int { return strings.Compare(dags[a].ID, dags[b].ID) })
	slices.SortFunc(x.inPaths, func(a, b int) int { return strings.Compare(dags[a].Path, dags[b].Path) })
	return x
}

// beginning gives those of an order whose text begins with what a glob begins with.
func (x *dag.Index) beginning(order []int, g glob, text func(*dag.Dag) string) []int {
	from, _ := slices.BinarySearchFunc(order, g.literal, func(at int, literal string) int { return strings.Compare(text(&x.dags[at]), literal) })
	to := from
	for to < len(order) && strings.HasPrefix(text(&x.dags[order[to]]), g.literal) {
		to++
	}
	return order[from:to]
}

// candidates are the DAGs that a selector may match by a wildcard; some may come twice.
func (x *dag.Index) candidates(c *compiledSelector) []int {
	var out []int
	switch {
	case len(c.ids) > 0:
		for _, g := range c.ids {
			out = append(out, x.beginning(x.inIDs, g, func(d *dag.Dag) string { return d.ID })...)
		}
	case c.anyID && len(c.paths) > 0:
		for _, g := range c.paths {
			out = append(out, x.beginning(x.inPaths, g, func(d *dag.Dag) string { return d.Path })...)
		}
	case c.anyID:
		out = x.inIDs
	}
	return out
}

// selection is the compiled form of a policy's selectors.
type selection []compiledSelector

type compiledSelector struct {
	exact        []string // ids without a wildcard
	ids          []glob   // ids with one
	anyID        bool     // no ids at all
	tags, owners []string
	bundles      []string
	paths        []glob
	exclude      []glob
	moreThanAnID bool // selects by something that a DAG can change
}

func newSelection(selectors []v1alpha1.DagSelector) selection {
	out := make(selection, 0, len(selectors))
	for i := range selectors {
		s := &selectors[i]
		c := compiledSelector{
			anyID: len(s.IDs) == 0, tags: s.Tags, owners: s.Owners, bundles: s.Bundles,
			moreThanAnID: len(s.Tags)+len(s.Owners)+len(s.Bundles)+len(s.Paths) > 0,
		}
		for _, pattern := range s.IDs {
			if g := newGlob(pattern, false); g.exact() {
				c.exact = append(c.exact, pattern)
			} else {
				c.ids = append(c.ids, g)
			}
		}
		for _, pattern := range s.Paths {
			c.paths = append(c.paths, newGlob(pattern, true))
		}
		for _, pattern := range s.Exclude {
			c.exclude = append(c.exclude, newGlob(pattern, false))
		}
		out = append(out, c)
	}
	return out
}

func (s selection) match(x *dag.Index) (ids, pendingExact []string) {
	for i := range s {
		c := &s[i]
		for _, id := range c.exact {
			at, listed := x.byID[id]
			switch {
			case matchesAny(c.exclude, id):
			case !listed:
				pendingExact = append(pendingExact, id)
			case c.matchFields(&x.dags[at]):
				ids = append(ids, id)
			}
		}
		for _, at := range x.candidates(c) {
			dag := &x.dags[at]
			if (c.anyID || matchesAny(c.ids, dag.ID)) && !matchesAny(c.exclude, dag.ID) && c.matchFields(dag) {
				ids = append(ids, dag.ID)
			}
		}
	}
	return sortedSet(ids), sortedSet(pendingExact)
}

// matchFields says whether everything but the id matches.
func (c *compiledSelector) matchFields(dag *dag.Dag) bool {
	return anyOf(c.tags, dag.Tags) && anyOf(c.owners, dag.Owners) &&
		(len(c.bundles) == 0 || slices.Contains(c.bundles, dag.Bundle)) &&
		(len(c.paths) == 0 || matchesAny(c.paths, dag.Path))
}

// couldHaveMatched says whether a DAG may have matched in an earlier list: its id fits, and it is either gone from the
// list or was selected by something that can change.
func (s selection) couldHaveMatched(id string, listed bool) bool {
	for i := range s {
		c := &s[i]
		if listed && !c.moreThanAnID || matchesAny(c.exclude, id) {
			continue
		}
		if c.anyID || slices.Contains(c.exact, id) || matchesAny(c.ids, id) {
			return true
		}
	}
	return false
}

func anyOf(wanted, have []string) bool {
	if len(wanted) == 0 {
		return true
	}
	for _, w := range wanted {
		if slices.Contains(have, w) {
			return true
		}
	}
	return false
}

func matchesAny(globs []glob, text string) bool {
	for _, g := range globs {
		if g.match(text) {
			return true
		}
	}
	return false
}

func sortedSet(values []string) []string {
	slices.Sort(values)
	return slices.Compact(values)
}
