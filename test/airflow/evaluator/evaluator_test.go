// Package evaluator_test compares what internal/access says that people can do with what real Airflows let them do.
package evaluator_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/hack/airflow/server"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

const (
	dagX    = "finance_daily"
	dagY    = "marketing_report"
	scratch = "platform_cleanup" // may be deleted
)

func TestAirflow33(t *testing.T)  { compare(t, "3.3.2") }
func TestAirflow32(t *testing.T)  { compare(t, "3.2.2") }
func TestAirflow211(t *testing.T) { compare(t, "2.11.2") }

// Sets of permissions that are compared, for each release.
const (
	mixtures = 90 // of two levels on different DAGs, by two roles
	joined   = 50 // of a level and a role of somebody else
	drawn    = 60 // from all pairs
)

// set is what a person has: the permissions of several roles.
type set struct {
	name  string
	roles [][]access.Permission
	// full sets are compared in all calls, others in some that are drawn.
	full bool
}

func (s set) all() []access.Permission { return slices.Concat(s.roles...) }

// world is one server and one person in it.
type world struct {
	*testing.T
	server  *server.Server
	model   v1alpha1.PermissionModel
	calls   []call
	draw    *rand.Rand
	admin   string
	person  server.User
	token   string
	replace bool
	// roles are the names of those that are replaced, held is what they hold now.
	roles []string
	held  map[string][]access.Permission
	// byContent are roles that stay as they were made; made counts all.
	byContent map[string]string
	made      int
	// files are tokens of the files of DAGs (Airflow 2).
	files map[string]string
}

func compare(t *testing.T, version string) {
	w := start(t, version)
	sets := w.sets()
	if len(sets) < 200 {
		t.Fatalf("only %d sets", len(sets))
	}
	if w.server.Airflow2() {
		w.viewIsEnoughForThePages()
	}
	w.levelsAreEnough()
	compared, allowed := 0, 0
	for i, s := range sets {
		if i%50 == 0 {
			t.Logf("set %d of %d", i, len(sets))
		}
		w.give(s)
		effect := access.Effective(w.model, s.all())
		for _, c := range w.some(s) {
			for _, dag := range []string{dagX, dagY} {
				want := c.expect(effect, dag)
				if c.destroys && want {
					continue
				}
				got := w.try(c, dag)
				if compared++; got {
					allowed++
				}
				if got != want {
					t.Errorf("%s: %s on %s: the server allows it: %v, access says %v; the permissions are %v", s.name, c.name, dag, got, want, s.all())
				}
			}
		}
	}
	t.Logf("%d sets, %d calls compared, %d of them allowed", len(sets), compared, allowed)
	if allowed < compared/10 || allowed > compared*9/10 {
		t.Errorf("the sets say little: %d of %d calls are allowed", allowed, compared)
	}
	w.deletes()
}

func start(t *testing.T, version string) *world {
	t.Helper()
	s, err := server.Start(t.Context(), server.Options{Home: t.TempDir(), Version: version, NoScheduler: true, Log: os.Stderr})
	if err != nil {
		t.Fatalf("no Airflow to test against: %v\n\"go run ./hack/airflow start --home DIR --version %s\" shows what is missing", err, version)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := s.WaitForDAGs(t.Context(), dagX, dagY, scratch); err != nil {
		t.Fatal(err)
	}
	capabilities := airflow.CapabilitiesOf(airflow.Server{Version: s.Version, FABProvider: s.FABProvider})
	w := &world{
		T: t, server: s, model: v1alpha1.PermissionModel(capabilities.PermissionModel), calls: callsOf(s.Airflow2()),
		draw:    rand.New(rand.NewPCG(20261123, 4)), // the same sets in every run
		replace: capabilities.RoleUpdate == airflow.RoleUpdateReplace,
		held:    map[string][]access.Permission{}, byContent: map[string]string{}, files: map[string]string{},
	}
	w.admin = w.login(s.AdminUsername, s.AdminPassword)
	if w.person, err = s.CreateUser(t.Context(), server.User{Username: "evaluated"}); err != nil {
		t.Fatal(err)
	}
	w.token = w.login(w.person.Username, w.person.Password)
	for _, dag := range []string{dagX, dagY} {
		w.prepare(dag)
	}
	return w
}

func (w *world) login(username, password string) string {
	w.Helper()
	token, err := w.server.Token(w.Context(), username, password)
	if err != nil {
		w.Fatal(err)
	}
	return token
}

// known are the levels that exist under the model.
func (w *world) known() []v1alpha1.AccessLevel {
	view := w.level(v1alpha1.AccessView, dagX)
	return slices.DeleteFunc(slices.Clone(levels), func(level v1alpha1.AccessLevel) bool {
		return level != v1alpha1.AccessView && slices.Equal(w.level(level, dagX), view)
	})
}

var levels = []v1alpha1.AccessLevel{
	v1alpha1.AccessView, v1alpha1.AccessViewLogs, v1alpha1.AccessViewCode, v1alpha1.AccessViewXComs, v1alpha1.AccessViewAssets,
	v1alpha1.AccessViewAudit, v1alpha1.AccessPause, v1alpha1.AccessTrigger, v1alpha1.AccessEditRuns, v1alpha1.AccessDeleteRuns,
	v1alpha1.AccessEditTasks, v1alpha1.AccessEditXComs, v1alpha1.AccessRespondHITL, v1alpha1.AccessDeleteDag,
}

func (w *world) level(level v1alpha1.AccessLevel, dag string) []access.Permission {
	return access.PermissionsFor(w.model, []v1alpha1.AccessLevel{level}, []string{dag}, nil)
}

// sets are every level by itself, mixtures of levels on two DAGs, levels beside what others gave, and what chance gives.
func (w *world) sets() []set {
	known := w.known()
	var out []set
	for _, level := range known {
		out = append(out, set{name: string(level), roles: [][]access.Permission{w.level(level, dagX)}, full: true})
	}
	for i := range mixtures {
		a := known[i%len(known)]
		b := known[(i+1+i/len(known))%len(known)]
		out = append(out, set{
			name: fmt.Sprintf("%s on %s and %s on %s", a, dagX, b, dagY), roles: [][]access.Permission{w.level(a, dagX), w.level(b, dagY)},
		})
	}
	for i := range joined {
		level := known[i%len(known)]
		out = append(out, set{
			name: string(level) + " and a role of somebody else", roles: [][]access.Permission{w.level(level, dagX), w.pairs(1+w.draw.IntN(4), globals)},
		})
	}
	for i := range drawn {
		all := slices.Concat(globals, []string{"DAG:" + dagX, "DAG:" + dagX, "DAG:" + dagX, "DAG:" + dagX, "DAG Run:" + dagX, "DAG Run:" + dagX, "DAG:" + dagY, "DAG Run:" + dagY})
		out = append(out, set{name: fmt.Sprintf("drawn %d", i), roles: [][]access.Permission{w.pairs(4+w.draw.IntN(14), all)}})
	}
	return out
}

// globals are resources for all DAGs that every release has.
var globals = []string{
	"DAGs", "DAG Runs", "DAG Runs", "Task Instances", "Task Instances", "Task Logs", "XComs", "DAG Code", "DAG Warnings", "Audit Logs",
}

func (w *world) pairs(count int, resources []string) []access.Permission {
	actions := []string{"can_read", "can_read", "can_edit", "can_edit", "can_create", "can_delete"}
	var out []access.Permission
	for range count {
		p := access.Permission{Action: actions[w.draw.IntN(len(actions))], Resource: resources[w.draw.IntN(len(resources))]}
		// The right to delete all DAGs would leave none to compare.
		if p != (access.Permission{Action: "can_delete", Resource: "DAGs"}) {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, access.ComparePermissions)
	return slices.Compact(out)
}

// some are the calls that a set is compared in.
func (w *world) some(s set) []call {
	if s.full {
		return w.calls
	}
	var out []call
	for _, at := range w.draw.Perm(len(w.calls))[:5] {
		out = append(out, w.calls[at])
	}
	return out
}

// levelsAreEnough tries of every level what it is for, on its DAG and on another.
func (w *world) levelsAreEnough() {
	for _, level := range w.known() {
		w.give(set{roles: [][]access.Permission{w.level(level, dagX)}})
		for _, name := range purposes[level] {
			at := slices.IndexFunc(w.calls, func(c call) bool { return c.name == name })
			if at < 0 {
				continue // what this release does not have
			}
			if !w.try(w.calls[at], dagX) {
				w.Errorf("%s is not enough to %s", level, name)
			}
			if !w.calls[at].all && w.try(w.calls[at], dagY) {
				w.Errorf("%s on %s is enough to %s on %s", level, dagX, name, dagY)
			}
		}
	}
}

var purposes = map[v1alpha1.AccessLevel][]string{
	v1alpha1.AccessView:        {"get DAG", "list DAGs", "list tasks", "list runs", "list task instances", "list versions", "see the list in the UI"},
	v1alpha1.AccessViewLogs:    {"read log"},
	v1alpha1.AccessViewCode:    {"read source"},
	v1alpha1.AccessViewXComs:   {"list XComs"},
	v1alpha1.AccessViewAudit:   {"read event log"},
	v1alpha1.AccessPause:       {"pause"},
	v1alpha1.AccessTrigger:     {"trigger", "pause"},
	v1alpha1.AccessEditRuns:    {"clear run", "mark run", "pause"},
	v1alpha1.AccessDeleteRuns:  {"delete run", "pause"},
	v1alpha1.AccessEditTasks:   {"clear tasks", "mark task", "clear run", "pause"},
	v1alpha1.AccessEditXComs:   {"create XCom", "pause"},
	v1alpha1.AccessRespondHITL: {"respond", "pause"},
}

// deletes tries the one call that cannot be tried without its effect.
func (w *world) deletes() {
	remove := w.named("delete DAG")
	w.give(set{roles: [][]access.Permission{w.level(v1alpha1.AccessDeleteDag, scratch)}})
	if w.try(remove, dagX) {
		w.Errorf("DeleteDag on %s deletes %s", scratch, dagX)
	}
	if !w.try(remove, scratch) {
		w.Error("DeleteDag is not enough to delete")
	}
}

// viewIsEnoughForThePages looks at the pages of Airflow 2, which ask for more than its REST API.
func (w *world) viewIsEnoughForThePages() {
	pages := []string{
		"/home", "/dags/" + dagX + "/grid", "/object/grid_data?dag_id=" + dagX, "/object/graph_data?dag_id=" + dagX,
	}
	view := w.level(v1alpha1.AccessView, dagX)
	w.give(set{roles: [][]access.Permission{view}})
	for _, page := range pages {
		if code := w.page(page); code != 200 {
			w.Errorf("View is not enough for %s: %d", page, code)
		}
	}
	for _, page := range pages[1:] {
		if code := w.page(strings.ReplaceAll(page, dagX, dagY)); code == 200 {
			w.Errorf("View on %s shows %s", dagX, strings.ReplaceAll(page, dagX, dagY))
		}
	}
	if code := w.page("/dag-dependencies"); code == 200 {
		w.Error("View shows the dependencies of all DAGs")
	}
	website := access.Permission{Action: "can_read", Resource: "Website"}
	w.give(set{roles: [][]access.Permission{slices.DeleteFunc(view, func(p access.Permission) bool { return p == website })}})
	if code := w.page("/home"); code == 200 {
		w.Error("the home page does not need Website")
	}
}
