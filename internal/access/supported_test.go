package access_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/airflow-oam/airflow-oam/internal/access"

	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
)

func TestLevelsThatAReleaseCannotGiveAreLeftOut(t *testing.T) {
	all := levels(v1alpha1.AccessView, v1alpha1.AccessTrigger, v1alpha1.AccessRespondHITL, v1alpha1.AccessViewAudit, v1alpha1.AccessViewAssets, v1alpha1.AccessEditXComs)
	for name, test := range map[string]struct {
		version string
		model   v1alpha1.PermissionModel
		lacking []string
		without []string // resources
	}{
		"the newest":               {"3.3.2", "", nil, []string{"Website"}},
		"an unknown version":       {"", "", nil, []string{"Website"}},
		"before 3.1":               {"3.0.6", v1alpha1.PermissionModelAirflow2, []string{"RespondHITL"}, []string{"HITL Detail", "DAG Run:none"}},
		"Airflow 2":                {"2.11.2", v1alpha1.PermissionModelAirflow2, []string{"EditXComs", "RespondHITL", "ViewAssets", "ViewAudit"}, []string{"HITL Detail", "XComs", "Assets", "Audit Logs", "DAG Versions", "DAG Runs"}},
		"Airflow 2 by rules alone": {"", v1alpha1.PermissionModelAirflow2, []string{"EditXComs", "RespondHITL", "ViewAssets", "ViewAudit"}, []string{"HITL Detail"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.dags("a")
			w.Version = test.version
			w.Capabilities.PermissionModel = test.model
			w.policy("p", all, []string{"a"})
			d := Desire(w.Input)
			for _, p := range d.Roles["oam.data.p"].Permissions {
				if slices.Contains(test.without, p.Resource) {
					t.Errorf("%s is in the role", p)
				}
			}
			if !slices.Contains(d.Roles["oam.data.p"].Permissions, permission.Pair{Action: permission.CanCreate, Resource: "DAG Run:a"}) {
				t.Error("the other levels are not applied")
			}
			said := strings.Join(notes(d), " ")
			if (said != "") != (test.lacking != nil) {
				t.Errorf("notes: %s", said)
			}
			for _, note := range d.Policies[types.NamespacedName{Namespace: "data", Name: "p"}].Notes {
				for _, level := range test.lacking {
					if !strings.Contains(note.Message, level+" (") {
						t.Errorf("%s is not in %q", level, note.Message)
					}
				}
			}
		})
	}
}

func TestCodeOfFilesWithOtherDagsIsNotGivenBefore33(t *testing.T) {
	name := types.NamespacedName{Namespace: "data", Name: "p"}
	code := permission.Pair{Action: permission.CanRead, Resource: "DAG Code"}
	shared := func(version string, ids ...string) *world {
		w := newWorld()
		w.dags("a", "b", "c")
		for i := range w.Observed.Dags[:2] {
			w.Observed.Dags[i].Path = "both.py"
		}
		w.Version = version
		if strings.HasPrefix(version, "2.") {
			w.Capabilities.PermissionModel = v1alpha1.PermissionModelAirflow2
		}
		w.policy("p", levels("View", "ViewCode"), ids, "alice")
		w.user("alice")
		return w
	}
	for title, test := range map[string]struct {
		version string
		ids     []string
		given   bool
	}{
		"one of two DAGs of a file is covered":       {"3.2.2", []string{"a"}, false},
		"one other file does not help":               {"3.2.2", []string{"a", "c"}, false},
		"both DAGs are covered":                      {"3.2.2", []string{"a", "b"}, true},
		"the file holds one DAG":                     {"3.2.2", []string{"c"}, true},
		"3.3 hides such files":                       {"3.3.0", []string{"a"}, true},
		"Airflow 2 refuses such files":               {"2.11.2", []string{"a"}, true},
		"an unknown version is taken for the newest": {"", []string{"a"}, true},
	} {
		t.Run(title, func(t *testing.T) {
			d := Desire(shared(test.version, test.ids...).Input)
			if given := slices.Contains(d.Roles["oam.data.p"].Permissions, code); given != test.given {
				t.Errorf("given: %v", given)
			}
			message := ""
			for _, note := range d.Policies[name].Notes {
				message += note.Message
			}
			if test.given != (message == "") || !test.given && (!strings.Contains(message, `"both.py"`) || !strings.Contains(message, "the DAG a also defines b")) {
				t.Errorf("message %q", message)
			}
		})
	}
	t.Run("the same path in another bundle is another file", func(t *testing.T) {
		w := shared("3.2.2", "a")
		w.Observed.Dags[1].Bundle = "other"
		if d := Desire(w.Input); !slices.Contains(d.Roles["oam.data.p"].Permissions, code) {
			t.Error("not given")
		}
	})
	t.Run("a grant on one of the two DAGs does not show the other", func(t *testing.T) {
		w := shared("3.2.2", "a", "b")
		g := w.grant("g", w.Policies[0], "alice", "a")
		d := Desire(w.Input)
		role := d.Grants[g.UID].Role
		if role == "oam.data.p" || slices.Contains(d.Roles[role].Permissions, code) || !slices.Contains(d.Roles["oam.data.p"].Permissions, code) {
			t.Errorf("role %s: %v", role, d.Roles[role].Permissions)
		}
		if got := d.Grants[g.UID].Notes; len(got) != 1 || got[0].Reason != v1alpha1.ReasonLevelNotSupported || !strings.Contains(got[0].Message, `"both.py"`) {
			t.Errorf("notes %v", got)
		}
	})
}

func TestTheHomePageOfAirflow2IsInEveryRoleAndInNoLoop(t *testing.T) {
	w := newWorld()
	w.Capabilities.PermissionModel = v1alpha1.PermissionModelAirflow2
	w.dags("a")
	w.user("alice")
	w.policy("p", levels("View"), []string{"a"}, "alice")
	w.policy("none", levels("View"), []string{"absent"}, "alice")
	w.pass(t)
	for _, role := range []string{"oam.data.p", "oam.data.none"} {
		if !slices.Contains(w.Observed.Roles[role], permission.Website) {
			t.Errorf("%s: %v", role, w.Observed.Roles[role])
		}
	}
	if again := NewPlan(w.Input, Desire(w.Input)); len(again.Phases)+len(again.Drift) > 0 {
		t.Errorf("a second pass is not empty:\n%s", transcript(Desire(w.Input), again))
	}
	w.setRole("oam.data.p", dropped(w.Observed.Roles["oam.data.p"], permission.Website))
	plan := NewPlan(w.Input, Desire(w.Input))
	if len(plan.Drift) != 1 || len(plan.Phases) != 1 || plan.Phases[0][0].Kind != access.StepWidenRole {
		t.Errorf("what others took is not restored:\n%s", transcript(Desire(w.Input), plan))
	}
}

func dropped(ps []permission.Pair, p permission.Pair) []permission.Pair {
	return slices.DeleteFunc(slices.Clone(ps), func(q permission.Pair) bool { return p == q })
}

func TestWhatAnAirflowLacksIsToldAndLeftOut(t *testing.T) {
	w := newWorld()
	w.UnknownResources = map[string]bool{"Pools": true, "Task Logs": true}
	w.AllowPrivileged = true
	w.Instance.Spec.AllowedPermissions = somePairs
	w.dags("a")
	w.user("bob")
	p := w.policy("finance", levels("View", "ViewLogs"), []string{"a"})
	p.Spec.AirflowPermissions = somePairs
	g := w.grant("g", p, "bob")
	d, _ := w.pass(t)
	for what, notes := range map[string][]access.Problem{"the policy": d.Policies[types.NamespacedName{Namespace: "data", Name: "finance"}].Notes, "the grant": d.Grants[g.UID].Notes} {
		if len(notes) != 1 || notes[0].Reason != v1alpha1.ReasonLevelNotSupported ||
			!strings.Contains(notes[0].Message, "can_edit on Pools, can_read on Pools, can_read on Task Logs;") {
			t.Errorf("%s says %v", what, notes)
		}
	}
	for _, pair := range d.Roles[d.Grants[g.UID].Role].Permissions {
		if w.UnknownResources[pair.Resource] {
			t.Errorf("the role should hold %v", pair)
		}
	}
}
