package access

import (
	"slices"
	"strings"
)

// String is the pair as people read it.
func (p Permission) String() string { return p.Action + " on " + p.Resource }

// ComparePermissions orders permissions by resource, then action.
func ComparePermissions(a, b Permission) int {
	if order := strings.Compare(a.Resource, b.Resource); order != 0 {
		return order
	}
	return strings.Compare(a.Action, b.Action)
}

// ignored pairs are added by Airflow servers on their own, to every role, and are left out of all comparisons.
func ignored(p Permission) bool { return p.Action == canRead && p.Resource == "Website" }

// sorted sorts its argument in place and drops doubles.
func sorted(ps []Permission) []Permission {
	if !slices.IsSortedFunc(ps, ComparePermissions) {
		slices.SortFunc(ps, ComparePermissions)
	}
	return slices.Compact(ps)
}

// isSet says whether permissions are sorted and without doubles.
func isSet(ps []Permission) bool {
	for i := 1; i < len(ps); i++ {
		if ComparePermissions(ps[i-1], ps[i]) >= 0 {
			return false
		}
	}
	return true
}

// canonical is the sorted set without ignored pairs: the argument itself where it is that already. Nobody changes what
// it gives.
func canonical(ps []Permission) []Permission {
	if isSet(ps) && !slices.ContainsFunc(ps, ignored) {
		return slices.Clip(ps)
	}
	out := make([]Permission, 0, len(ps))
	for _, p := range ps {
		if !ignored(p) {
			out = append(out, p)
		}
	}
	return sorted(out)
}

// minus gives what a has and b has not; both are sorted sets.
func minus(a, b []Permission) []Permission {
	var out []Permission
	merge(a, b, func(p Permission, inA, inB bool) {
		if inA && !inB {
			out = append(out, p)
		}
	})
	return out
}

// intersect gives what both have; both are sorted sets.
func intersect(a, b []Permission) []Permission {
	var out []Permission
	merge(a, b, func(p Permission, inA, inB bool) {
		if inA && inB {
			out = append(out, p)
		}
	})
	return out
}

// union gives what either has; both are sorted sets.
func union(a, b []Permission) []Permission {
	out := make([]Permission, 0, len(a)+len(b))
	merge(a, b, func(p Permission, _, _ bool) { out = append(out, p) })
	return out
}

// contains says whether sorted set a holds all of sorted set b.
func contains(a, b []Permission) bool {
	missing := false
	merge(a, b, func(_ Permission, inA, _ bool) { missing = missing || !inA })
	return !missing
}

// merge walks two sorted sets together.
func merge(a, b []Permission, visit func(p Permission, inA, inB bool)) {
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

func mergeOrder(a, b []Permission) int {
	switch {
	case len(b) == 0:
		return -1
	case len(a) == 0:
		return 1
	}
	return ComparePermissions(a[0], b[0])
}

// dagOf is the DAG of a per-DAG pair, and whether it is one.
func dagOf(p Permission) (id string, ok bool) {
	if id, ok = strings.CutPrefix(p.Resource, dagPrefix); ok {
		return id, true
	}
	return strings.CutPrefix(p.Resource, runPrefix)
}
