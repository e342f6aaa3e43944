package actuator_test

import (
	"net/http"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/actuator"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

const dagPath = "/api/v2/dags/{dag_id}"

// settledGrace is a settled bed with a policy by tag, and a grant of bob.
func settledGrace(t *testing.T, period time.Duration) *bed {
	t.Helper()
	b := newBed(t)
	b.instance.Spec.DagGracePeriod = &metav1.Duration{Duration: period}
	b.policy().Spec.Dags = []v1alpha1.DagSelector{{Tags: []string{"finance_"}}}
	for _, id := range []string{"finance_daily", "finance_weekly"} {
		b.sim.SetDag(airflowtest.Dag{ID: id, Tags: []string{"finance_"}, Path: "finance.py"})
	}
	b.grant("bob")
	b.settled()
	b.settled()
	return b
}

// after makes passes over the DAG list, one a minute, for a while.
func (b *bed) after(passed time.Duration) *actuator.Report {
	b.Helper()
	var report *actuator.Report
	for range passed / time.Minute {
		b.clock.Step(time.Minute)
		if report = b.pass(actuator.LookDags); report.Err != nil || len(report.Failures) > 0 {
			b.Fatalf("error %v, failures %v", report.Err, report.Failures)
		}
	}
	return report
}

// both is whether alice, a member, and bob, with a grant, may trigger a DAG.
func (b *bed) both(dag string, want bool) {
	b.Helper()
	b.wantAccess("alice", dag, want)
	b.wantAccess("bob", dag, want)
}

func (b *bed) away(report *actuator.Report) []access.AwayDag {
	return report.Policies[types.NamespacedName{Namespace: "data", Name: "finance"}].Desire.Away
}

// TestK4ABrokenFileTakesNoRights for as long as the period, and makes no writes; then the rights go.
func TestK4ABrokenFileTakesNoRights(t *testing.T) {
	b := settledGrace(t, 30*time.Minute)
	writes := len(b.sim.MutatingRequests())
	b.sim.BreakDag("finance_daily", true)
	report := b.after(5 * time.Minute)
	b.both("finance_daily", true)
	if away := b.away(report); len(away) != 1 || away[0].ID != "finance_daily" || !away[0].Until.Time.Equal(start.Add(31*time.Minute)) {
		t.Errorf("away %v", away)
	}
	b.sim.BreakDag("finance_daily", false)
	if report := b.after(time.Minute); len(b.away(report)) != 0 {
		t.Errorf("away %v", b.away(report))
	}
	b.sim.BreakDag("finance_daily", true)
	b.after(29 * time.Minute)
	b.both("finance_daily", true)
	if n := len(b.sim.MutatingRequests()) - writes; n != 0 {
		t.Errorf("%d writes", n)
	}
	b.after(3 * time.Minute)
	b.both("finance_daily", false)
	b.both("finance_weekly", true)
}

// TestK4AStaleRowIsAskedForByNoID: the list says enough.
func TestK4AStaleRowIsAskedForByNoID(t *testing.T) {
	b := settledGrace(t, time.Hour)
	b.sim.BreakDag("finance_daily", true)
	b.after(5 * time.Minute)
	if asked := b.sim.Requests(func(r airflowtest.Request) bool { return r.Endpoint == dagPath }); len(asked) != 0 {
		t.Errorf("asked %d times", len(asked))
	}
}

// TestK4ADeletedDagIsGoneAfterTwoLists, also where only a role says after a start that there was one.
func TestK4ADeletedDagIsGoneAfterTwoLists(t *testing.T) {
	for name, restart := range map[string]bool{"in one process": false, "after a start": true} {
		t.Run(name, func(t *testing.T) {
			b := settledGrace(t, time.Hour)
			b.sim.RemoveDag("finance_daily")
			if restart {
				b.restart()
				b.settled()
			} else {
				b.after(time.Minute)
			}
			b.both("finance_daily", true)
			b.after(time.Minute)
			b.both("finance_daily", false)
			b.both("finance_weekly", true)
		})
	}
}

// TestK4ADagThatTheListLacksAndAirflowHas stays for the period, and so does one for which Airflow gives no answer.
func TestK4ADagThatTheListLacksAndAirflowHas(t *testing.T) {
	for name, fault := range map[string]airflowtest.Fault{
		"500": airflowtest.Status(http.StatusInternalServerError, "no"), "403": airflowtest.Status(http.StatusForbidden, "no"), "HTML": airflowtest.LoginPage(),
		"404 of a proxy": airflowtest.BadGateway(http.StatusNotFound),
	} {
		t.Run(name, func(t *testing.T) {
			b := settledGrace(t, 10*time.Minute)
			b.sim.RemoveDag("finance_daily")
			b.sim.Inject(fault.On(http.MethodGet, dagPath))
			report := b.after(5 * time.Minute)
			b.both("finance_daily", true)
			if len(b.away(report)) != 1 {
				t.Errorf("away %v", b.away(report))
			}
			b.after(7 * time.Minute)
			b.both("finance_daily", false)
		})
	}
}

// TestK4ARestartBeginsThePeriodAnew: no right goes early.
func TestK4ARestartBeginsThePeriodAnew(t *testing.T) {
	b := settledGrace(t, 30*time.Minute)
	b.sim.BreakDag("finance_daily", true)
	b.after(25 * time.Minute)
	b.restart()
	b.settled()
	b.after(29 * time.Minute)
	b.both("finance_daily", true)
	b.after(2 * time.Minute)
	b.wantAccess("alice", "finance_daily", false)
}

// TestK4TimeWithoutAListDoesNotCount: the DAG may have been back.
func TestK4TimeWithoutAListDoesNotCount(t *testing.T) {
	for name, fault := range map[string]airflowtest.Fault{
		"no list": airflowtest.BrokenItem(0).On(http.MethodGet, dagsPath), "no server": airflowtest.BadGateway(http.StatusServiceUnavailable),
	} {
		t.Run(name, func(t *testing.T) {
			b := settledGrace(t, 30*time.Minute)
			b.grants = nil
			b.sim.BreakDag("finance_daily", true)
			b.after(10 * time.Minute)
			injected := b.sim.Inject(fault)
			for range 40 {
				b.clock.Step(time.Minute)
				b.pass(actuator.LookDags)
			}
			injected.Remove()
			b.after(15 * time.Minute)
			b.wantAccess("alice", "finance_daily", true)
			b.after(10 * time.Minute)
			b.wantAccess("alice", "finance_daily", false)
		})
	}
}

// TestK4WithoutAPeriodTwoListsDecide, as for a DAG that was deleted.
func TestK4WithoutAPeriodTwoListsDecide(t *testing.T) {
	b := settledGrace(t, 0)
	b.sim.BreakDag("finance_daily", true)
	b.after(time.Minute)
	b.both("finance_daily", true)
	b.after(time.Minute)
	b.both("finance_daily", false)
}

// TestK4OneThatIsStaleFromTheStartGivesNothing to whom it gave nothing before.
func TestK4OneThatIsStaleFromTheStartGivesNothing(t *testing.T) {
	b := newBed(t)
	b.policy()
	b.sim.BreakDag("finance_daily", true)
	b.settled()
	b.settled()
	b.wantAccess("alice", "finance_daily", false)
	b.sim.BreakDag("finance_daily", false)
	b.settled()
	b.wantAccess("alice", "finance_daily", true)
}

// TestK4ManyDagsThatTheListLacksAreAskedForInTurns, and each once after a list.
func TestK4ManyDagsThatTheListLacksAreAskedForInTurns(t *testing.T) {
	b := settledGrace(t, time.Hour)
	b.instance.Spec.MassRevocationLimit = "100%"
	const many = 100
	id := func(i int) string { return "finance_" + string(rune('a'+i/26)) + string(rune('a'+i%26)) }
	for i := range many {
		b.sim.SetDag(airflowtest.Dag{ID: id(i), Tags: []string{"finance_"}})
	}
	b.settled()
	for i := range many {
		b.sim.RemoveDag(id(i))
	}
	asked := func() int {
		return len(b.sim.Requests(func(r airflowtest.Request) bool { return r.Endpoint == dagPath }))
	}
	for minute, want := range []int{0, 64, 100, 100} {
		b.after(time.Minute)
		if asked() != want {
			t.Errorf("after %d lists: asked %d times, want %d", minute+1, asked(), want)
		}
	}
	if left := b.held(id(0)) + b.held(id(many-1)); left != 0 {
		t.Errorf("%d permissions are left", left)
	}
}
