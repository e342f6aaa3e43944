package access

import (
	"slices"
	"strings"
)

// String is the pair as people read it.
func (p permission.Pair) String() string { return p.Action + " on " + p.Resource }

// ComparePermissions orders permissions by resource, then action.
func ComparePermissions(a, b permission.Pair) int {
	if order := strings.Compare(a.Resource, b.Resource); order != 0 {
		return order
	}
	return strings.Compare(a.Action, b.Action)
}

// ignored pairs are added by Airflow servers on their own, to every role, and are left out of all comparisons.
func ignored(p permission.Pair) bool { return p.Action == permission.CanRead && p.Resource == "Website" }

// sorted sorts its argument in place and drops doubles.
func sorted(ps []permission.Pair) []permission.Pair {
	if !slices.IsSortedFunc(ps, permission.Compare) {
		slices.SortFunc(ps, permission.Compare)
	}
	return slices.Compact(ps)
}

// isSet says whether permissions are sorted and without doubles.
func isSet(ps []permission.Pair) bool {
	for i := 1; i < len(ps); i++ {
		if permission.Compare(ps[i-1], ps[i]) >= 0 {
			return false
		}
	}
	return true
}

// canonical is the sorted set without ignored pairs: the argument itself where it is that already. Nobody changes what
// it gives.
func canonical(ps []permission.Pair) []permission.Pair {
	if isSet(ps) && !slices.ContainsFunc(ps, ignored) {
		return slices.Clip(ps)
	}
	out := make([]permission.Pair, 0, len(ps))
	for _, p := range ps {
		if !ignored(p) {
			out = append(out, p)
		}
	}
	return sorted(out)
}

// minus gives what a has and b has not; both are sorted sets.
func minus(a, b []permission.Pair) []permission.Pair {
	var out []permission.Pair
	merge(a, b, func(p permission.Pair, inA, inB bool) {
		if inA && !inB {
			out = append(out, p)
		}
	})
	return out
}

// intersect gives what both have; both are sorted sets.
func intersect(a, b []permission.Pair) []permission.Pair {
	var out []permission.Pair
	merge(a, b, func(p permission.Pair, inA, inB bool) {
		if inA && inB {
			out = append(out, p)
		}
	})
	return out
}

// union gives what either has; both are sorted sets.
func union(a, b []permission.Pair) []permission.Pair {
	out := make([]permission.Pair, 0, len(a)+len(b))
	merge(a, b, func(p permission.Pair, _, _ bool) { out = append(out, p) })
	return out
}

// contains says whether sorted set a holds all of sorted set b.
func contains(a, b []permission.Pair) bool {
	missing := false
	merge(a, b, func(_ permission.Pair, inA, _ bool) { missing = missing || !inA })
	return !missing
}

// merge walks two sorted sets together.
func merge(a, b []permission.Pair, visit func(p permission.Pair, inA, inB bool)) {
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

func mergeOrder(a, b []permission.Pair) int {
	switch {
	case len(b) == 0:
		return -1
	case len(a) == 0:
		return 1
	}
	return permission.Compare(a[0], b[0])
}

// dagOf is the DAG of a per-DAG pair, and whether it is one.
func dagOf(p permission.Pair) (id string, ok bool) {
	if id, ok = strings.CutPrefix(p.Resource, permission.DagPrefix); ok {
		return id, true
	}
	return strings.CutPrefix(p.Resource, permission.RunPrefix)
}
