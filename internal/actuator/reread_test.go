package actuator_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/actuator"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

// fickle declares policies and none by turns.
type fickle struct {
	*bed
	turns int
}

func (f *fickle) Declared(ctx context.Context) (actuator.Declared, error) {
	d, err := f.bed.Declared(ctx)
	if f.turns++; f.turns%2 == 0 {
		d.Policies = nil
	}
	return d, err
}

func TestWhatIsMadeAndDeletedByTurnsEndsAPass(t *testing.T) {
	b := newBed(t)
	b.policy()
	report := b.act.Pass(t.Context(), &fickle{bed: b}, actuator.LookFull)
	if report.Err == nil && len(report.Failures) == 0 {
		t.Error("the pass claims that all went well")
	}
	if n := len(b.sim.MutatingRequests()); n < 4 || n > 20 {
		t.Errorf("%d writes in one pass", n)
	}
}

// TestDagThatIsBackKeepsItsRights: what an earlier pass saw in the DAG list is looked at once more before rights go.
func TestDagThatIsBackKeepsItsRights(t *testing.T) {
	b := newBed(t)
	b.policy()
	b.settled()
	lists := func() int {
		return len(b.sim.Requests(func(r airflowtest.Request) bool { return r.Path == "/api/v2/dags" }))
	}
	b.sim.RemoveDag("finance_weekly")
	refused := b.sim.Inject(airflowtest.Status(http.StatusInternalServerError, "no").On(http.MethodPatch, "/auth/fab/v1/roles/{name}"))
	for range 2 {
		b.pass(actuator.LookDags) // gone after two lists
	}
	refused.Remove()
	b.sim.SetDag(airflowtest.Dag{ID: "finance_weekly"})
	before := lists()
	b.pass(actuator.LookTouched)
	b.wantAccess("alice", "finance_weekly", true)
	if n := lists() - before; n != 1 {
		t.Errorf("the DAG list was read %d times", n)
	}
	b.pass(actuator.LookTouched)
	if n := lists() - before; n != 1 {
		t.Errorf("the DAG list was read %d times more although nothing is about to go", n-1)
	}
	b.sim.RemoveDag("finance_weekly")
	for range 2 {
		b.pass(actuator.LookDags)
	}
	b.wantAccess("alice", "finance_weekly", false)
}

// TestF17SecondProcessTakesNothingThatTheFirstGaveSince: what it knows of a role and of the DAG list is old by then.
func TestF17SecondProcessTakesNothingThatTheFirstGaveSince(t *testing.T) {
	b := newBed(t)
	b.policy()
	b.settled()
	first := b.act
	b.restart()
	second := b.act
	b.settled()
	b.sim.SetDag(airflowtest.Dag{ID: "finance_new"})
	b.clock.Step(3 * time.Second)
	b.act = first
	b.grant("bob")
	b.settled()
	b.wantAccess("alice", "finance_new", true)
	b.mu.Lock()
	p := b.policies[0].DeepCopy()
	p.Spec.Access = []v1alpha1.AccessLevel{v1alpha1.AccessView, v1alpha1.AccessEditRuns}
	p.Generation++
	b.policies[0] = p
	b.mu.Unlock()
	seq := b.sim.LastSeq()
	b.act = second
	b.pass(actuator.LookTouched)
	b.wantAccess("bob", "finance_new", false) // his grant gives what both versions of the policy do: a role of its own
	if !b.can("bob", "View", "finance_new") || !slices.ContainsFunc(b.sim.Changes(func(c airflowtest.Change) bool { return c.Seq > seq && c.User == "bob" }),
		func(airflowtest.Change) bool { return true }) {
		t.Error("bob did not move, or lost the new DAG by it")
	}
	for _, c := range b.sim.Changes(func(c airflowtest.Change) bool {
		return c.Seq > seq && c.User == "" && c.Kind == airflowtest.RolePermissions
	}) {
		if !slices.ContainsFunc(c.PermissionsAfter, func(p airflow.Permission) bool { return p.Resource == "DAG:finance_new" }) {
			t.Errorf("%s %s took the new DAG away", c.Kind, c.Role)
		}
	}
	if b.can("alice", "Trigger", "finance_new") || !b.can("alice", "EditRuns", "finance_new") {
		t.Error("the policy is not as it was edited")
	}
}

// TestRoleWhoseCreationWasNotReadBackStaysOurs: the next pass finds it in the way, under a name that anybody may give.
func TestRoleWhoseCreationWasNotReadBackStaysOurs(t *testing.T) {
	b := newBed(t)
	b.settled()
	policy := b.policy()
	unread := b.sim.Inject(airflowtest.Status(http.StatusInternalServerError, "no").On(http.MethodGet, rolePath))
	if report := b.pass(actuator.LookTouched); report.Err == nil {
		t.Fatal("a role that could not be read back counts as made")
	}
	unread.Remove()
	if _, made := b.sim.Role("finance"); !made {
		t.Fatal("no role was made: the test proves nothing")
	}
	report := b.pass(actuator.LookTouched)
	key := types.NamespacedName{Namespace: policy.Namespace, Name: policy.Name}
	if refused := report.Policies[key].Desire.Refused; refused != nil || report.Err != nil {
		t.Fatalf("%v %v", refused, report.Err)
	}
	b.wantAccess("alice", "finance_daily", true)
	if len(report.Inventory) != 1 {
		t.Errorf("inventory %v", report.Inventory)
	}
}

func TestNothingIsReadBackAfterAirflowAskedToBeLeftAlone(t *testing.T) {
	for name, endpoint := range map[string][2]string{
		"while a role is made":       {http.MethodPost, "/auth/fab/v1/roles"},
		"while a person is given it": {http.MethodPatch, userPath},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.policy()
			busy := b.sim.Inject(airflowtest.Throttled("30").On(endpoint[0], endpoint[1]))
			report := b.pass(actuator.LookFull)
			if !airflow.IsThrottled(report.Err) {
				t.Fatalf("the pass ended with %v", report.Err)
			}
			requests := b.sim.Requests(nil)
			if last := requests[len(requests)-1]; last.Method != endpoint[0] || last.Status != http.StatusTooManyRequests {
				t.Errorf("after it came %s %s", last.Method, last.Path)
			}
			busy.Remove()
			b.pass(actuator.LookTouched)
			b.wantAccess("alice", "finance_daily", true)
		})
	}
}

// TestAPageThatFailsKeepsNobodyElseFromBeingWritten, whether Airflow cannot give so many at once or cannot give one of them.
func TestAPageThatFailsKeepsNobodyElseFromBeingWritten(t *testing.T) {
	const people, odd = 90, "user0040"
	for name, byOne := range map[string]bool{"too many at once": false, "one of them": true} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.crowd(people)
			place := b.place(odd)
			fault := airflowtest.Status(http.StatusInternalServerError, "no").On(http.MethodGet, "")
			fault.If = func(r airflowtest.Request) bool {
				if len(b.memberships()) < people {
					return false // until all are written
				}
				if r.Endpoint == userPath {
					return byOne && strings.HasSuffix(r.Path, odd)
				}
				offset, limit := span(r)
				return r.Endpoint == usersPath && (byOne && offset <= place && place < offset+limit || !byOne && limit == airflow.PageSize)
			}
			injected := b.sim.Inject(fault)
			report := b.pass(actuator.LookFull)
			if got := len(b.memberships()); got != people || injected.Hits() == 0 {
				t.Errorf("%d people were written, %d readings failed", got, injected.Hits())
			}
			if failed := len(report.Failures) > 0; failed != byOne || report.Err != nil {
				t.Errorf("error %v, failures %v", report.Err, report.Failures)
			}
		})
	}
}

// place is where somebody stands in Airflow's list, of those on its first page.
func (b *bed) place(username string) int {
	b.Helper()
	users, err := b.connect().UsersPage(b.Context(), 0, airflow.PageSize)
	i := slices.IndexFunc(users, func(u airflow.User) bool { return u.Username == username })
	if err != nil || i < 0 {
		b.Fatalf("%s has no place: %v", username, err)
	}
	return i
}

// span is the part of a list that a request asks for.
func span(r airflowtest.Request) (offset, limit int) {
	query, _ := url.ParseQuery(r.Query)
	offset, _ = strconv.Atoi(query.Get("offset"))
	limit, _ = strconv.Atoi(query.Get("limit"))
	return offset, limit
}
