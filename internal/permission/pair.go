// Package permission defines Airflow's permissions, their set algebra, and the meaning of access levels in them.
//
// A permission is a pair of an action and a resource. The rights of a role are a set of pairs: a slice that is sorted by
// Compare and has no doubles, so that sets of thousands of pairs are compared in one walk and equal sets are equal slices.
// Server knows by which rules an Airflow decides; the same level is another set of pairs on Airflow 2 and on Airflow 3.
//
// The package is pure. No function changes a set that it receives, except SetOf, which makes one.
package permission

import (
	"slices"
	"strings"
)

// Pair is one permission of Airflow's FAB auth manager: an action on a resource.
type Pair struct{ Action, Resource string }

// The actions that Airflow defines. Menus have one of their own.
const (
	CanRead    = "can_read"
	CanCreate  = "can_create"
	CanEdit    = "can_edit"
	CanDelete  = "can_delete"
	MenuAccess = "menu_access"
)

// The prefixes of resources of one DAG, which the DAG's id follows: the DAG itself, and its runs.
const (
	DagPrefix = "DAG:"
	RunPrefix = "DAG Run:"
)

// hitlDetail is the resource of human-in-the-loop tasks, which came with Airflow 3.1.
const hitlDetail = "HITL Detail"

// DagCode is the resource of the code of DAGs.
const DagCode = "DAG Code"

// Website is the right to the home page of Airflow 2, and to nothing on it. Servers of Airflow 3 need it for nothing and
// add it to every role by themselves.
var Website = Pair{CanRead, "Website"}

// String returns the pair as messages show it, such as "can_read on DAG:finance".
func (p Pair) String() string { return p.Action + " on " + p.Resource }

// Compare orders permissions by resource, then action.
func Compare(a, b Pair) int {
	if order := strings.Compare(a.Resource, b.Resource); order != 0 {
		return order
	}
	return strings.Compare(a.Action, b.Action)
}

// SetOf turns its argument into a set, in place, and returns it.
func SetOf(ps []Pair) []Pair {
	if !slices.IsSortedFunc(ps, Compare) {
		slices.SortFunc(ps, Compare)
	}
	return slices.Compact(ps)
}

// isSet reports whether permissions are sorted and without doubles.
func isSet(ps []Pair) bool {
	for i := 1; i < len(ps); i++ {
		if Compare(ps[i-1], ps[i]) >= 0 {
			return false
		}
	}
	return true
}

// Minus returns the pairs of a that b lacks; both are sets.
func Minus(a, b []Pair) []Pair {
	var out []Pair
	merge(a, b, func(p Pair, found side) {
		if found == inFirst {
			out = append(out, p)
		}
	})
	return out
}

// Intersect returns the pairs that a and b have in common; both are sets.
func Intersect(a, b []Pair) []Pair {
	var out []Pair
	merge(a, b, func(p Pair, found side) {
		if found == inBoth {
			out = append(out, p)
		}
	})
	return out
}

// Union returns the pairs that a or b has; both are sets.
func Union(a, b []Pair) []Pair {
	out := make([]Pair, 0, len(a)+len(b))
	merge(a, b, func(p Pair, _ side) { out = append(out, p) })
	return out
}

// Contains reports whether a has all pairs of b; both are sets.
func Contains(a, b []Pair) bool {
	missing := false
	merge(a, b, func(_ Pair, found side) {
		if found == inSecond {
			missing = true
		}
	})
	return !missing
}

// side names the sets of a merge that have a pair.
type side int

const (
	inFirst side = iota
	inSecond
	inBoth
)

// merge walks two sets together and visits every pair once, in order.
func merge(a, b []Pair, visit func(p Pair, found side)) {
	for len(a)+len(b) > 0 {
		switch order := mergeOrder(a, b); {
		case order < 0:
			visit(a[0], inFirst)
			a = a[1:]
		case order > 0:
			visit(b[0], inSecond)
			b = b[1:]
		default:
			visit(a[0], inBoth)
			a, b = a[1:], b[1:]
		}
	}
}

// mergeOrder compares the first pairs of two sets, of which at least one is not empty. An empty set comes last.
func mergeOrder(a, b []Pair) int {
	switch {
	case len(b) == 0:
		return -1
	case len(a) == 0:
		return 1
	}
	return Compare(a[0], b[0])
}

// DagOf returns the DAG that a resource belongs to, or whose runs it is; ok is false for a resource of no DAG.
func DagOf(resource string) (id string, ok bool) {
	if id, ok = strings.CutPrefix(resource, DagPrefix); ok {
		return id, true
	}
	return strings.CutPrefix(resource, RunPrefix)
}

// DagsIn returns the DAGs on which permissions contain a right on the DAG itself, and not only on its runs.
func DagsIn(ps []Pair) map[string]bool {
	out := map[string]bool{}
	for _, p := range ps {
		if id, ok := strings.CutPrefix(p.Resource, DagPrefix); ok {
			out[id] = true
		}
	}
	return out
}
