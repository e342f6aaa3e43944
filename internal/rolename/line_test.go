package rolename

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSuccessorNames(t *testing.T) {
	long := ForGrant(strings.Repeat("ü", 48), "i", "p", Terms{Access: levels("View")})
	other := ForGrant(strings.Repeat("ü", 48), "i", "q", Terms{Access: levels("View")})
	names := map[string]bool{}
	for _, base := range []string{"people", "oam.data.finance", "a~g", strings.Repeat("p", 48), long, other} {
		for _, n := range []int{1, 2, 10, MaxSuccessor} {
			name := Successor(base, n)
			line, number, ok := Succession(name)
			if names[name] || utf8.RuneCountInString(name) > 64 || !ok || number != n || line != LineOf(base) || LineOf(name) != LineOf(base) {
				t.Errorf("%q, number %d: got %q, of line %q, number %d", base, n, name, line, number)
			}
			names[name] = true
			if Successor(name, n) != name {
				t.Errorf("the successor of %q has another line: %q", name, Successor(name, n))
			}
		}
	}
	for _, name := range []string{"people", "people~g", "people~g0", "people~g01", "people~g+1", "people~g1234567", "~g1", "people~gx", "people~0123456789abcdef", "p~g1~g2"} {
		if _, _, ok := Succession(name); ok {
			t.Errorf("%q is taken for a successor", name)
		}
	}
	bases := map[Line]bool{"people": true, Line(strings.Repeat("ü", 48)): true}
	for name, own := range map[string]bool{
		"people~g1": true, "people~0123456789abcdef~g2": true, Successor(long, 3): true, "oam.data.x~g7": true,
		"others~g1": false, "people~g0": false, "peopl~g1": false, "others~0123456789abcdef~g2": false,
	} {
		if IsOwn(name, bases) != own {
			t.Errorf("%q: ours is %v", name, !own)
		}
	}
}
