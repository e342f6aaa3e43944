package dag

import (
	"encoding/json"
	"slices"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// Match returns the sorted ids of the DAGs that at least one selector matches, and the sorted ids that are named
// exactly, without a wildcard, but are not in the list. A selector matches when all of its fields do.
func Match(selectors []v1alpha1.DagSelector, dags []Dag) (ids, pendingExact []string) {
	return NewSelection(selectors).Match(NewIndex(dags))
}

// Selection is the compiled form of a policy's selectors.
type Selection []compiledSelector

// compiledSelector is one selector. It matches a DAG when its patterns for ids fit and every condition is fulfilled.
type compiledSelector struct {
	anyID   bool     // it has no patterns for ids
	exact   []string // ids without a wildcard
	ids     []glob   // patterns with one
	exclude []glob
	paths   []glob
	// conditions are its other fields: what a DAG can change while its id stays.
	conditions []func(*Dag) bool
}

// NewSelection compiles selectors, which Validate has not refused. It retains them.
func NewSelection(selectors []v1alpha1.DagSelector) Selection {
	out := make(Selection, 0, len(selectors))
	for i := range selectors {
		out = append(out, compile(&selectors[i]))
	}
	return out
}

// compile compiles one selector.
func compile(s *v1alpha1.DagSelector) compiledSelector {
	c := compiledSelector{anyID: len(s.IDs) == 0, exclude: globs(s.Exclude, false), paths: globs(s.Paths, true)}
	for _, g := range globs(s.IDs, false) {
		if g.exact() {
			c.exact = append(c.exact, g.literal)
		} else {
			c.ids = append(c.ids, g)
		}
	}
	if len(s.Tags) > 0 {
		c.conditions = append(c.conditions, func(d *Dag) bool { return meet(s.Tags, d.Tags) })
	}
	if len(s.Owners) > 0 {
		c.conditions = append(c.conditions, func(d *Dag) bool { return meet(s.Owners, d.Owners) })
	}
	if len(s.Bundles) > 0 {
		c.conditions = append(c.conditions, func(d *Dag) bool { return slices.Contains(s.Bundles, d.Bundle) })
	}
	if len(s.Paths) > 0 {
		c.conditions = append(c.conditions, func(d *Dag) bool { return matchesAny(c.paths, d.Path) })
	}
	return c
}

// globs compiles patterns.
func globs(patterns []string, path bool) []glob {
	out := make([]glob, 0, len(patterns))
	for _, pattern := range patterns {
		out = append(out, newGlob(pattern, path))
	}
	return out
}

// meet reports whether two lists have a value in common. Both are short.
func meet(a, b []string) bool {
	return slices.ContainsFunc(a, func(value string) bool { return slices.Contains(b, value) })
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
		for _, at := range c.candidates(x) {
			dag := &x.dags[at]
			if c.fits(dag.ID) && c.matchFields(dag) {
				ids = append(ids, dag.ID)
			}
		}
	}
	return sorted(ids), sorted(pendingExact)
}

// candidates returns the DAGs of a list that the selector may match by a wildcard; some may come twice. The order of the list
// narrows them to the DAGs that begin with the literal of a pattern, which saves most matches in a list of thousands.
func (c *compiledSelector) candidates(x *Index) []int {
	var out []int
	switch {
	case !c.anyID:
		for _, g := range c.ids {
			out = append(out, x.beginning(x.inIDs, g, func(d *Dag) string { return d.ID })...)
		}
	case len(c.paths) > 0:
		for _, g := range c.paths {
			out = append(out, x.beginning(x.inPaths, g, func(d *Dag) string { return d.Path })...)
		}
	default:
		out = x.inIDs
	}
	return out
}

// fits reports whether the selector can match a DAG of this id: its patterns for ids match and none excludes it.
func (c *compiledSelector) fits(id string) bool {
	switch {
	case matchesAny(c.exclude, id):
		return false
	case c.anyID:
		return true
	case slices.Contains(c.exact, id):
		return true
	}
	return matchesAny(c.ids, id)
}

// matchFields reports whether all fields but those for the id match.
func (c *compiledSelector) matchFields(d *Dag) bool {
	for _, fulfilled := range c.conditions {
		if !fulfilled(d) {
			return false
		}
	}
	return true
}

// CouldHaveMatched reports whether a DAG may have matched in an earlier list: its id fits, and it is either gone from the
// list or was selected by something that can change.
func (s Selection) CouldHaveMatched(id string, listed bool) bool {
	for i := range s {
		if listed && len(s[i].conditions) == 0 {
			continue // it would match still
		}
		if s[i].fits(id) {
			return true
		}
	}
	return false
}

// Omits reports whether no selector matches a DAG that is away, by what it was when it was last there. Of a DAG of which only
// the id is known, only the id counts.
func (s Selection) Omits(away *Away) bool {
	for i := range s {
		if s[i].fits(away.ID) && (!away.described() || s[i].matchFields(&away.Dag)) {
			return false
		}
	}
	return true
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
