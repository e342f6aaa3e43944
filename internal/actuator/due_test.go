package actuator_test

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/actuator"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

// lists says whether a request asks for a whole list.
func lists(r airflowtest.Request) bool {
	return r.Method == http.MethodGet && (r.Endpoint == rolesPath || r.Endpoint == usersPath || r.Endpoint == "/api/v2/dags")
}

// TestEndingsComeBeforeEverythingElse: also right after a start, when nothing was read yet.
func TestEndingsComeBeforeEverythingElse(t *testing.T) {
	for _, started := range []bool{false, true} {
		b := newBed(t)
		b.policy()
		bob := b.grant("bob")
		b.settled()
		b.clock.Step(time.Hour)
		if started {
			b.restart()
		}
		b.sim.Inject(airflowtest.Fault{Name: "meanwhile", If: lists, Before: func() {
			if b.can("bob", "Trigger", "finance_daily") {
				t.Errorf("started %t: a list is read before bob's grant is ended", started)
			}
		}})
		if report := b.settled(); !report.Grants[bob.UID].Proof.Absent {
			t.Errorf("started %t: %+v", started, report.Grants[bob.UID])
		}
	}
}

// TestEndingsDoNotWaitForWhatIsLate: neither for a list nor for a write that others need.
func TestEndingsDoNotWaitForWhatIsLate(t *testing.T) {
	for name, late := range map[string]airflowtest.Fault{
		"a list of all":  airflowtest.Fault{}.On(http.MethodGet, usersPath),
		"a write of one": airflowtest.Fault{}.On(http.MethodPost, rolesPath),
		"somebody else":  airflowtest.Fault{Path: usersPath + "/alice"}.On(http.MethodPatch, userPath),
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.policy()
			bob := b.grant("bob")
			b.settled()
			b.second()
			taken := make(chan struct{})
			late.Times, late.Before = 1, func() {
				b.clock.Step(time.Hour)
				select {
				case <-taken:
				case <-time.After(5 * time.Second):
					t.Error("bob's grant waited")
				}
			}
			b.sim.Inject(late)
			b.sim.Inject(airflowtest.Fault{Path: usersPath + "/bob", Times: 1, Before: func() { close(taken) }}.On(http.MethodPatch, userPath))
			if report := b.settled(); !report.Grants[bob.UID].Proof.Absent {
				t.Errorf("%+v", report.Grants[bob.UID])
			}
			b.wantAccess("bob", "finance_daily", false)
			b.wantAccess("alice", "marketing_report", true)
		})
	}
}

// TestNobodyLosesMoreBecauseTheRolesWereNotReadYet: bob's own grant ended; the role that a policy left to him stays.
func TestNobodyLosesMoreBecauseTheRolesWereNotReadYet(t *testing.T) {
	b := newBed(t)
	b.policy()
	second := b.second()
	second.Spec.Members = []v1alpha1.Subject{{Username: "bob"}}
	b.grant("bob")
	b.settled()
	b.wantAccess("bob", "marketing_report", true)
	left := second.DeepCopy()
	left.DeletionTimestamp, left.Spec.Deletion = &metav1.Time{Time: b.clock.Now()}, v1alpha1.PolicyDeletionOrphan
	b.policies[1] = left
	b.clock.Step(time.Hour)
	b.restart()
	b.sim.Inject(airflowtest.Status(http.StatusInternalServerError, "no").On(http.MethodGet, rolesPath))
	b.pass(actuator.LookFull)
	b.wantAccess("bob", "finance_daily", false)
	b.wantAccess("bob", "marketing_report", true)
}

// TestWhatWasEditedInTheMiddleIsNotReportedAsDone: a policy is edited while an answer is late, and then the pass fails.
func TestWhatWasEditedInTheMiddleIsNotReportedAsDone(t *testing.T) {
	b := newBed(t)
	p := b.policy()
	b.settled()
	asked := func() int {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.declared
	}
	edit := func(generation int64, access ...v1alpha1.AccessLevel) {
		b.mu.Lock()
		defer b.mu.Unlock()
		other := p.DeepCopy()
		other.Generation, other.ResourceVersion, other.Spec.Access = generation, strconv.FormatInt(generation, 10), access
		b.policies[0] = other
	}
	edit(2, v1alpha1.AccessView, v1alpha1.AccessTrigger, v1alpha1.AccessEditRuns)
	broken := airflowtest.Throttled("1").On(http.MethodPatch, rolePath)
	edited := false
	broken.Before = func() {
		if edited {
			return
		}
		edited = true
		edit(3, v1alpha1.AccessView)
		before, late := asked(), time.After(10*time.Second)
		for tick := time.Tick(10 * time.Millisecond); asked() < before+2; { // looked at, and taken in
			select {
			case <-tick:
			case <-late:
				t.Error("nobody looks at what is declared")
				return
			}
		}
	}
	b.sim.Inject(broken)
	report := b.pass(actuator.LookFull)
	if report.Err == nil || !edited {
		t.Fatalf("the pass did not fail: %v", report.Err)
	}
	entry, ok := report.Policies[types.NamespacedName{Namespace: "data", Name: "finance"}]
	if !ok || entry.Generation != 2 {
		t.Errorf("it is reported for generation %d, and only 2 was compared", entry.Generation)
	}
}

// TestManyEndingsAfterAStart: they cost no request more than after any other pass, but for one more reading of the list.
func TestManyEndingsAfterAStart(t *testing.T) {
	const many = 300
	b := newBed(t)
	b.policy()
	for i := range many {
		name := fmt.Sprintf("user%04d", i)
		b.sim.AddUser(airflowtest.User{Username: name, Email: name + "@example.com", Roles: []string{"Public"}})
		b.grant(name)
	}
	b.settled()
	b.clock.Step(time.Hour)
	b.restart()
	before := b.sim.RequestCount()
	b.settled()
	pages := many/airflow.PageSize + 1
	if used, limit := b.sim.RequestCount()-before, many+5*pages+6; used > limit {
		t.Errorf("%d requests for %d endings, limit %d", used, many, limit)
	}
	b.wantAccess("user0299", "finance_daily", false)
}
