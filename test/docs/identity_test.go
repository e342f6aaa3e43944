package docs

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/rule"
)

const identityPage = "docs/identity.md"

// TestIdentityExamples evaluates every expression on the page with the name beside it.
func TestIdentityExamples(t *testing.T) {
	p := read(t, identityPage)
	tried := 0
	for _, table := range p.tables {
		names, identities, users := table.column("Kubernetes user name"), table.column("`spec.identity`"), table.column("Airflow user")
		for i := range identities {
			tried++
			t.Run(names[i]+" "+identities[i], func(t *testing.T) {
				tryIdentity(t, quoted(t, names[i]), quoted(t, identities[i]), users[i])
			})
		}
	}
	if tried < 20 {
		t.Errorf("%s: found %d examples only", identityPage, tried)
	}
}

// tryIdentity checks that an expression makes a user of a name, or nobody where the user is "none".
func tryIdentity(t *testing.T, requester, shown, user string) {
	t.Helper()
	field, expression, _ := strings.Cut(shown, ": ")
	identity, want := &v1alpha1.Identity{Username: expression}, v1alpha1.Subject{}
	if field == "email" {
		identity = &v1alpha1.Identity{Email: expression}
	}
	switch {
	case user == "none":
	case field == "email":
		want.Email = quoted(t, user)
	case field == "username":
		want.Username = quoted(t, user)
	default:
		t.Fatalf("%s is no field of spec.identity", field)
	}
	compiled, err := rule.CompileIdentity(identity)
	if err != nil {
		t.Fatal(err)
	}
	got, err := compiled.Subject(requester)
	if (err != nil) != (user == "none") {
		t.Errorf("error %v, want the user %s", err, user)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// quoted is the one text between backticks in a cell.
func quoted(t *testing.T, cell string) string {
	t.Helper()
	spans := code(cell)
	if len(spans) != 1 {
		t.Fatalf("%s: %d texts between backticks, want one", cell, len(spans))
	}
	return spans[0]
}
