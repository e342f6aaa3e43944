// Package permission has Airflow's permissions, their set algebra, and what access levels mean in them.
//
// It is pure. A set is a slice that is sorted by Compare and has no doubles; nothing changes the sets that it is handed.
package permission

import (
	"slices"
	"strings"
)

// Pair is one permission of Airflow's FAB auth manager: an action on a resource.
type Pair struct{ Action, Resource string }

// The actions that Airflow knows. Menus have one of their own.
const (
	CanRead    = "can_read"
	CanCreate  = "can_create"
	CanEdit    = "can_edit"
	CanDelete  = "can_delete"
	MenuAccess = "menu_access"
)

// What the names of resources of one DAG begin with; the DAG's id follows.
const (
	DagPrefix = "DAG:"
	RunPrefix = "DAG Run:"
)

// Website is the right to the home page of Airflow 2, and to nothing on it. Servers of Airflow 3 need it for nothing and
// add it to every role by themselves.
var Website = Pair{CanRead, "Website"}

// String is the pair as people read it.
func (p Pair) String() string { return p.Action + " on " + p.Resource }

// Compare orders permissions by resource, then action.
func Compare(a, b Pair) int {
	if order := strings.Compare(a.Resource, b.Resource); order != 0 {
		return order
	}
	return strings.Compare(a.Action, b.Action)
}

// SetOf makes a set of its argument, in place.
func SetOf(ps []Pair) []Pair {
	if !slices.IsSortedFunc(ps, Compare) {
		slices.SortFunc(ps, Compare)
	}
	return slices.Compact(ps)
}

// isSet says whether permissions are sorted and without doubles.
func isSet(ps []Pair) bool {
	for i := 1; i < len(ps); i++ {
		if Compare(ps[i-1], ps[i]) >= 0 {
			return false
		}
	}
	return true
}

// Minus gives what a has and b has not; both are sorted sets.
func Minus(a, b []Pair) []Pair {
	var out []Pair
	merge(a, b, func(p Pair, inA, inB bool) {
		if inA && !inB {
			out = append(out, p)
		}
	})
	return out
}

// Intersect gives what both have; both are sorted sets.
func Intersect(a, b []Pair) []Pair {
	var out []Pair
	merge(a, b, func(p Pair, inA, inB bool) {
		if inA && inB {
			out = append(out, p)
		}
	})
	return out
}

// Union gives what either has; both are sorted sets.
func Union(a, b []Pair) []Pair {
	out := make([]Pair, 0, len(a)+len(b))
	merge(a, b, func(p Pair, _, _ bool) { out = append(out, p) })
	return out
}

// Contains says whether sorted set a holds all of sorted set b.
func Contains(a, b []Pair) bool {
	missing := false
	merge(a, b, func(_ Pair, inA, _ bool) { missing = missing || !inA })
	return !missing
}

// merge walks two sorted sets together.
func merge(a, b []Pair, visit func(p Pair, inA, inB bool)) {
	for len(a) > 0 || len(b) > 0 {
		switch order := mergeOrder(a, b); {
		case order < 0:
			visit(a[0], true, false)
			a = a[1:]
		case order > 0:
			visit(b[0], false, true)
			b = b[1:]
		default:
			visit(a[0], true, true)
			a, b = a[1:], b[1:]
		}
	}
}

func mergeOrder(a, b []Pair) int {
	switch {
	case len(b) == 0:
		return -1
	case len(a) == 0:
		return 1
	}
	return Compare(a[0], b[0])
}

// DagOf is the DAG that a resource is about, that of its runs included, and whether there is one.
func DagOf(resource string) (id string, ok bool) {
	if id, ok = strings.CutPrefix(resource, DagPrefix); ok {
		return id, true
	}
	return strings.CutPrefix(resource, RunPrefix)
}

// DagsIn are the DAGs on which permissions hold a right of the DAG itself, not only of its runs.
func DagsIn(ps []Pair) map[string]bool {
	out := map[string]bool{}
	for _, p := range ps {
		if id, ok := strings.CutPrefix(p.Resource, DagPrefix); ok {
			out[id] = true
		}
	}
	return out
}
