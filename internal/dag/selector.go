package dag

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// Match gives the sorted ids of the DAGs that at least one selector matches, and the sorted ids that are named
// exactly, without a wildcard, but are not in the list. A selector matches when all of its fields do.
func Match(selectors []v1alpha1.DagSelector, dags []Dag) (ids, pendingExact []string) {
	return NewSelection(selectors).Match(NewIndex(dags))
}

// Validate refuses patterns that can match nothing or mean nothing. The text of its error is for the author of the policy.
func Validate(selectors []v1alpha1.DagSelector) error {
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

func invalid(i int, field, value, why string) error {
	where := fmt.Sprintf("dags[%d]", i)
	if field != "" {
		where += "." + field + " " + text.Quoted(value)
	}
	return errors.New(where + " " + why)
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

// Index is a DAG list with its ids, its order by id and by path, and the files that several DAGs share.
type Index struct {
	dags           []Dag
	byID           map[string]int
	inIDs, inPaths []int
	files          map[file][]string // filled when first asked for
}

// NewIndex indexes a list of DAGs, in any order, which it retains and does not change.
func NewIndex(dags []Dag) *Index {
	x := &Index{dags: dags, byID: make(map[string]int, len(dags))}
	for i := range dags {
		x.byID[dags[i].ID] = i
		x.inIDs, x.inPaths = append(x.inIDs, i), append(x.inPaths, i)
	}
	slices.SortFunc(x.inIDs, func(a, b int) int { return strings.Compare(dags[a].ID, dags[b].ID) })
	slices.SortFunc(x.inPaths, func(a, b int) int { return strings.Compare(dags[a].Path, dags[b].Path) })
	return x
}

// beginning gives those of an order whose text begins with what a glob begins with.
func (x *Index) beginning(order []int, g glob, field func(*Dag) string) []int {
	from, _ := slices.BinarySearchFunc(order, g.literal, func(at int, literal string) int { return strings.Compare(field(&x.dags[at]), literal) })
	to := from
	for to < len(order) && strings.HasPrefix(field(&x.dags[order[to]]), g.literal) {
		to++
	}
	return order[from:to]
}

// candidates are the DAGs that a selector may match by a wildcard; some may come twice.
func (x *Index) candidates(c *compiledSelector) []int {
	var out []int
	switch {
	case len(c.ids) > 0:
		for _, g := range c.ids {
			out = append(out, x.beginning(x.inIDs, g, func(d *Dag) string { return d.ID })...)
		}
	case c.anyID && len(c.paths) > 0:
		for _, g := range c.paths {
			out = append(out, x.beginning(x.inPaths, g, func(d *Dag) string { return d.Path })...)
		}
	case c.anyID:
		out = x.inIDs
	}
	return out
}

// Has says whether the list has a DAG of this id.
func (x *Index) Has(id string) bool {
	_, listed := x.byID[id]
	return listed
}

// Selection is the compiled form of a policy's selectors.
type Selection []compiledSelector

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

// NewSelection compiles selectors, which Validate has not refused.
func NewSelection(selectors []v1alpha1.DagSelector) Selection {
	out := make(Selection, 0, len(selectors))
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

// Match is the function Match, for selectors and a list that are used more than once.
func (s Selection) Match(x *Index) (ids, pendingExact []string) {
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
	return sorted(ids), sorted(pendingExact)
}

// matchFields says whether everything but the id matches.
func (c *compiledSelector) matchFields(dag *Dag) bool {
	return anyOf(c.tags, dag.Tags) && anyOf(c.owners, dag.Owners) &&
		(len(c.bundles) == 0 || slices.Contains(c.bundles, dag.Bundle)) &&
		(len(c.paths) == 0 || matchesAny(c.paths, dag.Path))
}

// CouldHaveMatched says whether a DAG may have matched in an earlier list: its id fits, and it is either gone from the
// list or was selected by something that can change.
func (s Selection) CouldHaveMatched(id string, listed bool) bool {
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

func matchesAny(globs []glob, value string) bool {
	for _, g := range globs {
		if g.match(value) {
			return true
		}
	}
	return false
}

// sorted sorts its argument in place and drops doubles.
func sorted(values []string) []string {
	slices.Sort(values)
	return slices.Compact(values)
}

// Digest identifies the selectors of a policy, in any order: 16 hexadecimal digits.
func Digest(selectors []v1alpha1.DagSelector) string {
	texts := make([]string, 0, len(selectors))
	for _, selector := range selectors {
		marshaled, err := json.Marshal(selector)
		if err != nil {
			return "" // of lists of texts: cannot be
		}
		texts = append(texts, string(marshaled))
	}
	slices.Sort(texts)
	return text.Digest(texts...)
}
