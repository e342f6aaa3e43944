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

// crowd declares a policy with many standing members.
func (b *bed) crowd(many int) {
	b.Helper()
	p := b.policy()
	p.Spec.Members = nil
	for i := range many {
		name := fmt.Sprintf("user%04d", i)
		b.sim.AddUser(airflowtest.User{Username: name, Email: name + "@example.com", Roles: []string{"Public"}})
		p.Spec.Members = append(p.Spec.Members, v1alpha1.Subject{Username: name})
	}
}

// memberships gives who got or lost a role, in the order in which it was stored.
func (b *bed) memberships() []string {
	var out []string
	for _, c := range b.sim.Changes(func(c airflowtest.Change) bool { return c.User != "" && c.By == airflowtest.AdminUsername }) {
		switch {
		case len(c.RolesAfter) < len(c.RolesBefore):
			out = append(out, "-"+c.User)
		case len(c.RolesAfter) > len(c.RolesBefore):
			out = append(out, "+"+c.User)
		}
	}
	return out
}

// during runs something once, right before a write of a user is served, after skip of them.
func (b *bed) during(skip int, f func()) {
	b.sim.Inject(airflowtest.Fault{Name: "meanwhile", Before: f}.On("PATCH", userPath).After(skip).For(1))
}

func TestAnEndingDuringALongPhaseGoesFirst(t *testing.T) {
	const many = 400
	for title, end := range map[string]func(*bed, *v1alpha1.AccessGrant){
		"its time is over": func(b *bed, _ *v1alpha1.AccessGrant) { b.clock.Step(time.Hour) },
		"it is revoked": func(b *bed, bob *v1alpha1.AccessGrant) {
			b.change(bob, func(g *v1alpha1.AccessGrant) {
				g.Generation, g.Spec.Revoke = 2, &v1alpha1.Revocation{Reason: "laptop lost"}
			})
			b.clock.Step(3 * time.Second)
		},
	} {
		t.Run(title, func(t *testing.T) {
			b := newBed(t)
			b.policy()
			bob := b.grant("bob")
			b.settled()
			b.policies = nil
			b.crowd(many)
			b.during(20, func() { end(b, bob) })
			known := len(b.memberships())
			report := b.settled()
			removed := slices.Index(b.memberships()[known:], "-bob")
			if removed < 0 || removed > many/2 {
				t.Errorf("bob was taken out as change %d of %d", removed, many)
			}
			if !report.Grants[bob.UID].Proof.Absent {
				t.Error("the removal is not proved")
			}
			b.wantAccess("user0399", "finance_daily", true)
		})
	}
}

func TestAUserWhoChangedMeanwhileWaitsForTheNextPlan(t *testing.T) {
	b := newBed(t)
	b.crowd(150)
	b.sim.SetRole("theirs", airflow.Permission{Action: "can_read", Resource: "DAG:marketing_report"})
	// Everybody on the second page is read when most of the first was written.
	b.during(3, func() {
		b.clock.Step(time.Second)
		b.sim.SetUserRoles("user0140", "Public", "theirs")
	})
	report := b.settled()
	if roles, _ := b.sim.UserRoles("user0140"); len(roles) != 3 {
		t.Errorf("user0140 has %v", roles)
	}
	if len(report.Changes) < 150 {
		t.Errorf("%d changes", len(report.Changes))
	}
}

func TestAnUnknownDagStopsThePhase(t *testing.T) {
	b := newBed(t)
	b.sim.SetDag(airflowtest.Dag{ID: "finance_new", Unparsed: true})
	for i := range 100 {
		p := b.policy().DeepCopy()
		b.policies[len(b.policies)-1] = p
		p.Name = fmt.Sprintf("policy-%03d", i)
		p.UID = types.UID(p.Name)
		p.Spec.Role = nil
	}
	report := b.pass(actuator.LookFull)
	refused := 0
	for _, r := range b.sim.MutatingRequests() {
		if r.Status == 400 {
			refused++
		}
	}
	if report.Err != nil || refused == 0 || refused > 16 {
		t.Errorf("%d refused writes for one unknown DAG: %v %v", refused, report.Err, report.Failures)
	}
}

// TestNobodyIsWrittenFromAnOldReading: also where a write takes almost as long as a reading may be old.
func TestNobodyIsWrittenFromAnOldReading(t *testing.T) {
	b := newBed(t)
	b.act = actuator.New(b.connect(), b.clock, actuator.Options{Concurrency: 1})
	b.crowd(30) // all on one page
	b.sim.Inject(airflowtest.Meanwhile(func() { b.clock.Step(1500 * time.Millisecond) }).On(http.MethodPatch, userPath))
	b.settled()
	read, writes := map[string]time.Time{}, 0
	for _, r := range b.sim.Requests(nil) {
		switch {
		case r.Method == http.MethodGet && strings.HasPrefix(r.Path, usersPath):
			read[r.Path] = r.At
		case r.Method == http.MethodPatch:
			writes++
			last := read[r.Path]
			if read[usersPath].After(last) {
				last = read[usersPath]
			}
			if age := r.At.Sub(last); age > 2*time.Second {
				t.Errorf("%s is written %s after a reading", r.Path, age)
			}
		}
	}
	if writes != 30 {
		t.Errorf("%d writes", writes)
	}
}

// TestASlowServerIsReadByPages: when the reading of a batch is too old, those that are left are read anew together.
func TestASlowServerIsReadByPages(t *testing.T) {
	const many = 60 // all on one page
	b := newBed(t)
	b.act = actuator.New(b.connect(), b.clock, actuator.Options{Concurrency: 1})
	b.crowd(many)
	b.sim.Inject(airflowtest.Meanwhile(func() { b.clock.Step(400 * time.Millisecond) }).On(http.MethodPatch, userPath))
	b.settled()
	requests := b.sim.Requests(func(r airflowtest.Request) bool { return strings.HasPrefix(r.Endpoint, usersPath) })
	if used, limit := len(requests), many*3/2; used > limit {
		t.Errorf("%d requests for %d users, limit %d", used, many, limit)
	}
	b.wantAccess("user0059", "finance_daily", true)
}
