package privilege

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
)

// byPrefix is the origin of roles that are named after it.
func byPrefix(role string) Origin {
	switch {
	case strings.HasPrefix(role, "own"):
		return OwnPolicy
	case strings.HasPrefix(role, "other"):
		return OtherPolicy
	}
	return Foreign
}

func TestK11ExcessOnAllDagsSaysAllDags(t *testing.T) {
	logs := verb(methodRead, EntityTaskLogs)
	for name, c := range map[string]struct {
		dags []string
		want string
	}{
		"all":                       {[]string{""}, "ViewLogs on all DAGs, which"},
		"all, and one of them":      {[]string{"", "a"}, "ViewLogs on all DAGs, which"},
		"some, and one is too many": {[]string{"a", "b", "c", "d"}, "ViewLogs on a, b, c; and more on 1 other DAG, which"},
	} {
		tally := NewTally(permission.Server{}, byPrefix)
		for _, dag := range c.dags {
			tally.Add(Excess{{dag: dag, verbs: logs, roles: []string{"own", "theirs"}}}, 1)
		}
		if message := tally.ExcessOfGrant(); !strings.Contains(message, "its subject also has "+c.want) {
			t.Errorf("%s: %s", name, message)
		}
	}
}

func TestAMessageNamesLevelsDagsAndRoles(t *testing.T) {
	tally := NewTally(permission.Server{}, byPrefix)
	logs, tasks := verb(methodRead, EntityTaskLogs), verb(methodEdit, EntityTaskInstance)
	tally.Add(Excess{
		{dag: "", verbs: logs, roles: []string{"own", "theirs"}},
		{dag: "a", verbs: logs | tasks, roles: []string{"other 1", "own"}},
		{dag: "b", verbs: logs, roles: []string{"own", "theirs"}},
	}, 1)
	const what = "EditTasks on a; ViewLogs on all DAGs, which no role grants by itself: " +
		"the role own and the managed role other 1 and the foreign role theirs combine. "
	for message, want := range map[string]string{
		tally.ExcessOfGrant():           "its subject also has " + what,
		tally.ExcessOfMembers(" More."): "1 user with this policy's access also has " + what,
		tally.WithheldGrant():           "it grants nothing, because its subject would also have " + what,
		tally.WithheldMembers(""):       "1 standing member gets nothing, because it would also have " + what,
	} {
		if !strings.HasPrefix(message, want) {
			t.Errorf("got %s\nwant %s...", message, want)
		}
	}
	tally.Add(Excess{{dag: "c", verbs: logs, roles: []string{"other 2", "other 3", "other 4"}}}, 2)
	message := tally.ExcessOfMembers(" More.")
	for _, part := range []string{"3 users", "on all DAGs, which", "the managed roles other 1, other 2, other 3 and 1 more", "Remove members", " More."} {
		if !strings.Contains(message, part) {
			t.Errorf("it does not contain %q: %s", part, message)
		}
	}
}

func TestTheLongestMessageFitsAndNamesAllKinds(t *testing.T) {
	tally := NewTally(permission.Server{}, byPrefix)
	// The first DAGs have levels of their own, all others the same.
	without := []v1alpha1.AccessLevel{v1alpha1.AccessView, v1alpha1.AccessViewLogs, v1alpha1.AccessViewCode}
	for i := range 20 {
		role := fmt.Sprintf("%02d%s", i, strings.Repeat("ä", 62))
		over := usable
		for _, known := range levelVerbs {
			if known.level == without[min(i, 2)] {
				over &^= known.verbs
			}
		}
		tally.Add(Excess{{
			dag: fmt.Sprintf("%02d%s", i, strings.Repeat("\U0001F600", 60)), verbs: over, roles: []string{"own" + role, "other" + role, "their" + role},
		}}, 1000)
	}
	more := permission.Server{}.ComesAlong([]v1alpha1.AccessLevel{
		v1alpha1.AccessTrigger, v1alpha1.AccessDeleteRuns, v1alpha1.AccessEditTasks, v1alpha1.AccessEditXComs, v1alpha1.AccessRespondHITL,
		v1alpha1.AccessViewAssets, v1alpha1.AccessViewAudit,
	})
	for _, message := range []string{tally.ExcessOfMembers(more), tally.WithheldMembers(more)} {
		if len(message) > room || !utf8.ValidString(message) {
			t.Errorf("%d bytes: %q", len(message), message)
		}
		for _, part := range []string{" on 00\U0001F600", " on 01\U0001F600", " on 02\U0001F600", "17 other DAGs", "own00ä", "own02ä", "other00ä", "other02ä", "their00ä", "their02ä", "and 17 more combine", "narrow one", "What comes along: Pause with"} {
			if !strings.Contains(message, part) {
				t.Errorf("it does not contain %q: %s", part, message)
			}
		}
	}
	if message := tally.ExcessOfMembers(strings.Repeat("more ", 400)); len(message) != room {
		t.Errorf("%d bytes: %s", len(message), message)
	}
}
