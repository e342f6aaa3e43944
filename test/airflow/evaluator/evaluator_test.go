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
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/permission"
)

const (
	dagX    = "finance_daily"
	dagY    = "marketing_report"
	scratch = "platform_cleanup" // may be deleted
)

func TestAirflow33(t *testing.T)  { compare(t, "3.3.2") }
func TestAirflow32(t *testing.T)  { compare(t, "3.2.2") }
func TestAirflow211(t *testing.T) { compare(t, "2.11.2") }

// Sets of permissions that are compared, for each release, besides the levels by themselves, whole and without one
// permission.
const (
	mixtures = 45 // of two levels on different DAGs, by two roles
	joined   = 25 // of a level and a role of somebody else
	drawn    = 30 // from all pairs

	callsOfASet = 6 // that are drawn for these
)

// set is what a person has: the permissions of several roles.
type set struct {
	name  string
	roles [][]permission.Pair
	// full sets are compared in all calls, some in calls of their own, others in some that are drawn.
	full bool
	own  []call
}

func (s set) all() []permission.Pair { return slices.Concat(s.roles...) }

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
	held  map[string][]permission.Pair
	// byContent are roles that stay as they were made; made counts all.
	byContent map[string]string
	made      int
	// files are tokens of the files of DAGs (Airflow 2).
	files map[string]string
	// seen are the answers that came.
	seen map[answer]bool
}

type answer struct {
	call    string
	allowed bool
}

func compare(t *testing.T, version string) {
	w := start(t, version)
	sets := w.sets()
	if len(sets) < 130 {
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
		person := holderOf(w.model, s.all())
		for _, c := range w.some(s) {
			for _, dag := range c.dags() {
				want := c.expect(person, dag)
				if c.destroys && want {
					continue
				}
				got := w.try(c, dag)
				w.seen[answer{c.name, got}] = true
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
	for _, c := range w.calls {
		if !w.seen[answer{c.name, false}] || !w.seen[answer{c.name, true}] && !c.destroys {
			t.Errorf("nobody was refused to %s, or nobody allowed", c.name)
		}
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
		held:    map[string][]permission.Pair{}, byContent: map[string]string{}, files: map[string]string{}, seen: map[answer]bool{},
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

// sets are every level by itself, whole and without one permission, everything, mixtures of levels on two DAGs, levels
// beside what others gave, and what chance gives.
func (w *world) sets() []set {
	known, globals := known(w.model), globalsOf(w.server.Airflow2())
	var out []set
	for _, level := range known {
		out = append(out, set{name: string(level), roles: [][]permission.Pair{w.level(level, dagX)}, full: true})
	}
	for _, part := range parts(w.model) {
		own := part.told(w.calls)
		out = append(out, set{name: part.String(), roles: [][]permission.Pair{part.without}, own: own[:min(len(own), 4)]})
	}
	out = append(out, set{name: "everything on " + dagX, roles: w.everything(), full: true})
	for i := range mixtures {
		a := known[i%len(known)]
		b := known[(i+1+i/len(known))%len(known)]
		out = append(out, set{
			name: fmt.Sprintf("%s on %s and %s on %s", a, dagX, b, dagY), roles: [][]permission.Pair{w.level(a, dagX), w.level(b, dagY)},
		})
	}
	for i := range joined {
		level := known[i%len(known)]
		out = append(out, set{
			name: string(level) + " and a role of somebody else", roles: [][]permission.Pair{w.level(level, dagX), w.pairs(1+w.draw.IntN(5), globals)},
		})
	}
	for i := range drawn {
		all := slices.Concat(globals, []string{"DAG:" + dagX, "DAG:" + dagX, "DAG:" + dagX, "DAG:" + dagX, "DAG Run:" + dagX, "DAG Run:" + dagX, "DAG:" + dagY, "DAG Run:" + dagY})
		out = append(out, set{name: fmt.Sprintf("drawn %d", i), roles: [][]permission.Pair{w.pairs(4+w.draw.IntN(18), all)}})
	}
	return out
}

// everything is all levels on one DAG, and all that no level gives but rights on all DAGs.
func (w *world) everything() [][]permission.Pair {
	var others []permission.Pair
	for _, resource := range globalsOf(w.server.Airflow2()) {
		for _, action := range []string{read, create, edit, remove} {
			if resource != "DAGs" {
				others = append(others, permission.Pair{Action: action, Resource: resource})
			}
		}
	}
	slices.SortFunc(others, permission.Compare)
	return [][]permission.Pair{permission.ForLevels(w.model, known(w.model), []string{dagX}, nil), slices.Compact(others)}
}

// globalsOf are resources for all DAGs that a generation has.
func globalsOf(airflow2 bool) []string {
	both := []string{
		"DAGs", "DAG Runs", "DAG Runs", "Task Instances", "Task Instances", "Task Logs", "XComs", "DAG Code", "DAG Warnings", "Audit Logs",
		"DAG Dependencies",
	}
	if airflow2 {
		return append(both, "Website", "Datasets")
	}
	return append(both, "HITL Detail", "DAG Versions", "Assets", "Asset Aliases")
}

func (w *world) pairs(count int, resources []string) []permission.Pair {
	actions := []string{read, read, edit, edit, create, remove}
	var out []permission.Pair
	for range count {
		p := permission.Pair{Action: actions[w.draw.IntN(len(actions))], Resource: resources[w.draw.IntN(len(resources))]}
		// The right to delete all DAGs would leave none to compare.
		if p != (permission.Pair{Action: remove, Resource: "DAGs"}) {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, permission.Compare)
	return slices.Compact(out)
}

// some are the calls that a set is compared in.
func (w *world) some(s set) []call {
	if s.full {
		return w.calls
	}
	if len(s.own) > 0 {
		return s.own
	}
	var out []call
	for _, at := range w.draw.Perm(len(w.calls))[:callsOfASet] {
		out = append(out, w.calls[at])
	}
	return out
}

// levelsAreEnough tries of every level what it is for, on its DAG and on another.
func (w *world) levelsAreEnough() {
	for _, level := range known(w.model) {
		w.give(set{roles: [][]permission.Pair{w.level(level, dagX)}})
		for _, c := range purposesOf(level, w.calls) {
			if c.destroys {
				continue // see deletes
			}
			if !w.try(c, dagX) {
				w.Errorf("%s is not enough to %s", level, c.name)
			}
			if !c.all && w.try(c, dagY) {
				w.Errorf("%s on %s is enough to %s on %s", level, dagX, c.name, dagY)
			}
		}
	}
}

// deletes tries the one call that cannot be tried without its effect.
func (w *world) deletes() {
	remove := w.named("delete DAG")
	w.give(set{roles: [][]permission.Pair{w.level(v1alpha1.AccessDeleteDag, scratch)}})
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
	w.give(set{roles: [][]permission.Pair{view}})
	for _, page := range pages {
		if code, _ := w.page(page); code != 200 {
			w.Errorf("View is not enough for %s: %d", page, code)
		}
	}
	for _, page := range pages[1:] {
		if code, _ := w.page(strings.ReplaceAll(page, dagX, dagY)); code == 200 {
			w.Errorf("View on %s shows %s", dagX, strings.ReplaceAll(page, dagX, dagY))
		}
	}
	for _, page := range []string{"/dagrun/list/", "/taskinstance/list/", "/dag-dependencies"} {
		if code, _ := w.page(page); code == 200 {
			w.Errorf("View shows %s, which is of all DAGs", page)
		}
	}
}
