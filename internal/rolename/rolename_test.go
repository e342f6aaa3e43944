package rolename

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNames(t *testing.T) {
	long := strings.Repeat("p", 128)
	names := map[string]bool{}
	for _, policy := range []string{"a", long, long[:127], long[:126] + "xy"} {
		for _, namespace := range []string{"data", strings.Repeat("n", 63)} {
			name := ForPolicy(namespace, policy, "")
			if names[name] || utf8.RuneCountInString(name) > 48 {
				t.Errorf("%s/%s has the name %q: double or longer than 48", namespace, policy, name)
			}
			names[name] = true
			grant := ForGrant(name, "i", "p", Terms{Access: levels("View")})
			if utf8.RuneCountInString(grant) > 64 || !IsOwn(grant, nil) {
				t.Errorf("%q is longer than 64 or not recognised", grant)
			}
		}
	}
	if got := ForPolicy("data", "finance", ""); got != "oam.data.finance" {
		t.Errorf("got %q", got)
	}
	base := strings.Repeat("ü", 48)
	if got := ForGrant(base, "i", "p", Terms{}); utf8.RuneCountInString(got) > 64 || !IsOwn(got, map[Line]bool{Line(base): true}) {
		t.Errorf("%q is longer than 64 or not recognised", got)
	}
	if ForGrant("r", "i", "p", Terms{Dags: []string{"ab"}}) == ForGrant("r", "i", "p", Terms{Dags: []string{"a", "b"}}) {
		t.Error("different terms have one name")
	}
	if !IsReserved("Viewer ") {
		t.Error("a space hides a reserved role")
	}
	for role, reserved := range map[string]bool{"Admin": true, "aDMIN": true, "op": true, "PUBLIC": true, "user": true, "Ops": false, "admins": false} {
		if IsReserved(role) != reserved {
			t.Errorf("%q reserved: %v", role, !reserved)
		}
	}
	if IsOwn("handmade~0123456789abcdef", map[Line]bool{"other": true}) || IsOwn("other~0123", map[Line]bool{"other": true}) {
		t.Error("a foreign name is taken for ours")
	}
}
