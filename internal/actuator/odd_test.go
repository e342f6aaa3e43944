package actuator_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/actuator"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

// TestAnAwaitedNameThatMeansAnotherStopsNobody: a database that ignores accents answers with somebody else.
func TestAnAwaitedNameThatMeansAnotherStopsNobody(t *testing.T) {
	b := newBed(t)
	b.policy()
	b.settled()
	b.sim.Inject(airflowtest.Fault{Path: usersPath + "/jose", Apply: airflowtest.Nothing, Answer: &airflowtest.Answer{
		Status: http.StatusOK, Body: `{"username":"josé","roles":[]}`,
	}})
	b.grant("jose", func(g *v1alpha1.AccessGrant) { g.Status.Activation = nil })
	b.grant("bob")
	b.settled()
	b.wantAccess("bob", "finance_daily", true)
}

// TestARoleOfALikeNameIsAnErrorOfThatRole: a database that ignores accents has a role of that name, and none is found.
func TestARoleOfALikeNameIsAnErrorOfThatRole(t *testing.T) {
	b := newBed(t)
	b.policy()
	b.second().Spec.Members = []v1alpha1.Subject{{Username: "carol"}}
	b.sim.Inject(airflowtest.Fault{Apply: airflowtest.Nothing, Answer: &airflowtest.Answer{
		Status: http.StatusConflict, Body: `{"detail":"Role with name marketing already exists"}`,
	}, If: func(r airflowtest.Request) bool { return strings.Contains(r.Body, `"name":"marketing"`) }}.On(http.MethodPost, rolesPath))
	b.sim.Inject(airflowtest.Fault{Path: rolesPath + "/marketing", Apply: airflowtest.Nothing, Answer: &airflowtest.Answer{
		Status: http.StatusOK, Body: `{"name":"märketing","actions":[]}`,
	}})
	report := b.pass(actuator.LookFull)
	if report.Err != nil || len(report.Failures) != 1 || !strings.Contains(report.Failures[0], "marketing") {
		t.Errorf("error %v, failures %v", report.Err, report.Failures)
	}
	if n := len(b.sim.MutatingRequests()); n > 5 {
		t.Errorf("%d writes", n)
	}
	b.wantAccess("alice", "finance_daily", true)
}

// TestAPersonWhoCannotBeReadIsTheOnlyOneWhoWaits: neither endings nor grants of others do.
func TestAPersonWhoCannotBeReadIsTheOnlyOneWhoWaits(t *testing.T) {
	path := func(r airflowtest.Request) bool { return strings.HasSuffix(r.Path, "/odd") }
	for name, tc := range map[string]struct {
		fault     airflowtest.Fault
		forbidden bool // the account is to be checked
	}{
		"refused as invalid":       {airflowtest.Status(http.StatusUnprocessableEntity, "no"), false},
		"F49 refused by Airflow":   {airflowtest.Status(http.StatusForbidden, "Forbidden"), true},
		"F49 refused by a proxy":   {airflowtest.BadGateway(http.StatusForbidden), false},
		"F29 answered with HTML":   {airflowtest.LoginPage(), false},
		"F19 answered with errors": {airflowtest.Status(http.StatusInternalServerError, "no"), false},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPatch} {
			t.Run(name+" "+method, func(t *testing.T) {
				b := newBed(t)
				b.sim.AddUser(airflowtest.User{Username: "odd", Roles: []string{"Public"}})
				b.policy()
				odd, bob := b.grant("odd"), b.grant("bob")
				b.settled()
				tc.fault.If = path
				b.sim.Inject(tc.fault.On(method, userPath))
				b.clock.Step(time.Hour)
				b.grant("carol")
				report := b.pass(actuator.LookTouched)
				if report.Err != nil || report.Forbidden != tc.forbidden {
					t.Errorf("error %v, forbidden %t", report.Err, report.Forbidden)
				}
				if !slices.ContainsFunc(report.Failures, func(f string) bool { return strings.Contains(f, "user odd") }) {
					t.Errorf("failures %v", report.Failures)
				}
				if report.Grants[odd.UID].Proof.Absent || !report.Grants[bob.UID].Proof.Absent {
					t.Errorf("proofs %+v", report.Grants)
				}
				b.wantAccess("bob", "finance_daily", false)
				b.wantAccess("carol", "finance_daily", true)
				b.sim.Heal()
				b.settled()
				b.wantAccess("odd", "finance_daily", false)
			})
		}
	}
}

// TestAPersonWhoCannotBeWrittenKeepsNothingFromGoing: the role loses what its policy does not give any more although
// somebody who should leave it is still in it, and holds no more than it did.
func TestAPersonWhoCannotBeWrittenKeepsNothingFromGoing(t *testing.T) {
	for name, edit := range map[string][]v1alpha1.AccessLevel{
		"it only loses":      {v1alpha1.AccessView},
		"it loses and gains": {v1alpha1.AccessView, v1alpha1.AccessDeleteDag},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPatch} {
			t.Run(name+" "+method, func(t *testing.T) {
				b := newBed(t)
				b.sim.AddUser(airflowtest.User{Username: "odd", Roles: []string{"Public"}})
				p := b.policy()
				b.grant("odd")
				b.settled()
				fault := airflowtest.Status(http.StatusUnprocessableEntity, "no")
				fault.If = func(r airflowtest.Request) bool { return strings.HasSuffix(r.Path, "/odd") }
				b.sim.Inject(fault.On(method, userPath))
				b.clock.Step(time.Hour)
				edited := p.DeepCopy()
				edited.Generation, edited.Spec.Access = 2, edit
				b.policies[0] = edited
				report := b.pass(actuator.LookTouched)
				b.wantAccess("alice", "finance_daily", false)
				for _, person := range []string{"alice", "odd"} {
					if !b.can(person, "View", "finance_daily") || b.can(person, "DeleteDag", "finance_daily") {
						t.Errorf("%s: the role lost more, or got more while odd is in it", person)
					}
				}
				if proof := report.Policies[types.NamespacedName{Namespace: "data", Name: "finance"}].Proof; proof.InSync {
					t.Error("the policy is in sync")
				}
				b.sim.Heal()
				b.settled()
				if got := b.can("alice", "DeleteDag", "finance_daily"); got != (len(edit) > 1) {
					t.Errorf("alice may delete the DAG: %t", got)
				}
				if b.can("odd", "View", "finance_daily") {
					t.Error("odd keeps it")
				}
			})
		}
	}
}

// TestAResourceThatAirflowLacksKeepsNothingFromGoing: a name in airflowPermissions that this Airflow does not know is left
// out, and told.
func TestAResourceThatAirflowLacksKeepsNothingFromGoing(t *testing.T) {
	for _, adds := range []bool{false, true} {
		t.Run(fmt.Sprintf("role updates only add: %t", adds), func(t *testing.T) {
			b := newBed(t)
			var source actuator.Source = b
			if adds {
				source = adding{b}
			}
			pass := func(look actuator.Look) *actuator.Report {
				report := b.act.Pass(t.Context(), source, look)
				if report.Err != nil || len(report.Failures) > 0 {
					t.Fatalf("pass: %v %v", report.Err, report.Failures)
				}
				return report
			}
			typo := v1alpha1.AirflowPermission{Action: "can_read", Resource: "Pool"}
			pools := v1alpha1.AirflowPermission{Action: "can_read", Resource: "Pools"}
			b.instance.Spec.AllowedPermissions = []v1alpha1.AirflowPermission{typo, pools}
			p := b.policy()
			pass(actuator.LookFull)
			b.wantAccess("alice", "finance_daily", true)
			edited := p.DeepCopy()
			edited.Generation, edited.Spec.Access = 2, []v1alpha1.AccessLevel{v1alpha1.AccessView, v1alpha1.AccessDeleteDag}
			edited.Spec.AirflowPermissions = []v1alpha1.AirflowPermission{pools, typo}
			b.policies[0] = edited
			report := pass(actuator.LookFull)
			b.wantAccess("alice", "finance_daily", false)
			if !b.can("alice", "DeleteDag", "finance_daily") {
				t.Error("the rest is not given")
			}
			told := report.Policies[types.NamespacedName{Namespace: "data", Name: "finance"}]
			if notes := told.Desire.Notes; len(notes) != 1 || !strings.Contains(notes[0].Message, "can_read on Pool;") || !told.Proof.InSync {
				t.Errorf("it says %v, in sync %t", notes, told.Proof.InSync)
			}
			before := len(b.sim.MutatingRequests())
			for range 3 {
				b.clock.Step(time.Second)
				pass(actuator.LookTouched)
			}
			if n := len(b.sim.MutatingRequests()) - before; n > 0 {
				t.Errorf("%d writes although nothing changed", n)
			}
		})
	}
}

// TestAResourceThatRolesHoldIsThere: an answer that says otherwise takes nothing off anybody.
func TestAResourceThatRolesHoldIsThere(t *testing.T) {
	b := newBed(t)
	b.policy()
	b.second().Spec.Members = []v1alpha1.Subject{{Username: "carol"}}
	b.settled()
	b.sim.SetDag(airflowtest.Dag{ID: "finance_monthly"})
	b.sim.Inject(airflowtest.Fault{Apply: airflowtest.Nothing, Answer: &airflowtest.Answer{
		Status: http.StatusBadRequest, Body: `{"detail":"The specified resource: 'Task Instances' was not found"}`,
	}}.On(http.MethodPatch, rolePath))
	b.clock.Step(time.Minute)
	report := b.pass(actuator.LookFull)
	if len(report.Failures) != 1 || !strings.Contains(report.Failures[0], "Task Instances") {
		t.Errorf("failures %v", report.Failures)
	}
	for _, name := range []string{"finance", "marketing"} {
		role, _ := b.sim.Role(name)
		if !slices.ContainsFunc(role.Permissions, func(p airflow.Permission) bool { return p.Resource == "Task Instances" }) {
			t.Errorf("role %s lost it: %v", name, role.Permissions)
		}
	}
}

// TestAServerThatAnswersNobodyIsNotAskedForEverybody: many failures in a row are not about each of them.
func TestAServerThatAnswersNobodyIsNotAskedForEverybody(t *testing.T) {
	for status, want := range map[int]struct {
		is   func(error) bool
		most int
	}{
		http.StatusForbidden:           {airflow.IsForbidden, 60},
		http.StatusInternalServerError: {airflow.IsUnavailable, 72}, // a reading is tried three times
	} {
		for _, method := range []string{http.MethodGet, http.MethodPatch} {
			b := newBed(t)
			b.crowd(200)
			b.settled()
			b.policies = nil
			b.clock.Step(time.Minute)
			fault := airflowtest.Status(status, "blocked")
			fault.If = func(r airflowtest.Request) bool { return strings.HasPrefix(r.Endpoint, usersPath) }
			b.sim.Inject(fault.On(method, ""))
			before := b.sim.RequestCount()
			report := b.pass(actuator.LookTouched)
			if used := b.sim.RequestCount() - before; !want.is(report.Err) || used > want.most {
				t.Errorf("%s, %d: error %v, %d requests", method, status, report.Err, used)
			}
		}
	}
}

// TestF23NoPageIsAskedForAfterAnAnswerThatAsksToWait, of the many on which people stand whose grants are to be proved gone.
func TestF23NoPageIsAskedForAfterAnAnswerThatAsksToWait(t *testing.T) {
	const pages, places = 30, 8
	b := newBed(t)
	b.policy()
	name := func(i int) string { return fmt.Sprintf("user%04d", i) }
	for i := range pages * airflow.PageSize {
		b.sim.AddUser(airflowtest.User{Username: name(i), Roles: []string{"Public"}})
	}
	b.settled()
	b.clock.Step(time.Minute)
	for i := range pages * airflow.PageSize {
		b.grant(name(i), func(g *v1alpha1.AccessGrant) {
			g.Status.Activation.ExpiresAt = g.Status.Activation.At
			g.Status.End = &v1alpha1.End{At: g.Status.Activation.At}
		})
	}
	asked := b.sim.Inject(airflowtest.Throttled("5").On(http.MethodGet, usersPath))
	if report := b.pass(actuator.LookTouched); !airflow.IsThrottled(report.Err) || asked.Hits() == 0 || asked.Hits() > 2*places {
		t.Errorf("error %v, %d requests", report.Err, asked.Hits())
	}
}

// TestAListThatLacksSomebodyProvesNothing: one user goes and one comes while the list is read, which hides a third.
func TestAListThatLacksSomebodyProvesNothing(t *testing.T) {
	b := newBed(t)
	b.policy()
	for i := range 2 * airflow.PageSize {
		b.sim.AddUser(airflowtest.User{Username: fmt.Sprintf("user%04d", i), Roles: []string{"Public"}})
	}
	second, err := b.connect().UsersPage(t.Context(), airflow.PageSize, airflow.PageSize)
	if err != nil {
		t.Fatal(err)
	}
	hidden := second[0].Username
	grant := b.grant(hidden)
	b.settled()
	b.wantAccess(hidden, "finance_daily", true)
	b.clock.Step(time.Hour)
	b.restart()
	b.sim.Inject(airflowtest.Status(http.StatusInternalServerError, "no").On(http.MethodPatch, userPath))
	shift := airflowtest.Meanwhile(func() {
		b.sim.RemoveUser("carol")
		b.sim.AddUser(airflowtest.User{Username: "dave", Roles: []string{"Public"}})
	}).On(http.MethodGet, usersPath).For(1)
	shift.If = func(r airflowtest.Request) bool { return strings.Contains(r.Query, "offset=100") }
	b.sim.Inject(shift)
	if report := b.pass(actuator.LookFull); report.Grants[grant.UID].Proof.Absent {
		t.Error("an end is claimed that is not so")
	}
	b.sim.Heal()
	if report := b.settled(); !report.Grants[grant.UID].Proof.Absent {
		t.Errorf("%+v", report.Grants[grant.UID])
	}
	b.wantAccess(hidden, "finance_daily", false)
}

// TestNamesThatDifferInCaseAlone hide nobody: what each of them has is seen, and no grant is proved gone.
func TestNamesThatDifferInCaseAlone(t *testing.T) {
	for _, found := range []bool{false, true} {
		b := newBed(t)
		b.policy()
		bob := b.grant("bob")
		b.settled()
		twins := func(body string) airflowtest.Fault {
			return airflowtest.Fault{Apply: airflowtest.Nothing, Answer: &airflowtest.Answer{Status: http.StatusOK, Body: body}}
		}
		const first, second = `{"username":"bob","roles":[{"name":"finance"}]}`, `{"username":"Bob","roles":[{"name":"Public"}]}`
		b.sim.Inject(twins(`{"users":[`+first+`,`+second+`],"total_entries":2}`).On(http.MethodGet, usersPath))
		one := airflowtest.Status(http.StatusNotFound, "The User with username `bob` was not found")
		if found {
			one = twins(second)
		}
		b.sim.Inject(one.On(http.MethodGet, userPath))
		b.clock.Step(time.Hour)
		b.restart()
		for range 2 {
			report := b.pass(actuator.LookFull)
			if len(report.Users) != 2 || report.Grants[bob.UID].Proof.Absent && !report.Grants[bob.UID].ObservedAt.IsZero() {
				t.Errorf("found %t: users %v, proof %+v, error %v", found, report.Users, report.Grants[bob.UID], report.Err)
			}
			if writes := b.sim.Requests(func(r airflowtest.Request) bool { return r.Method == http.MethodPatch && r.At.After(start) }); len(writes) > 0 {
				t.Errorf("found %t: %+v", found, writes)
			}
			b.clock.Step(time.Minute)
		}
	}
}
