package actuator_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/actuator"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

const dagsPath = "/api/v2/dags"

// edit replaces a policy by a changed copy of the next generation.
func (b *bed) edit(name string, f func(*v1alpha1.DagAccessPolicySpec)) {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, p := range b.policies {
		if p.Name == name {
			p = p.DeepCopy()
			p.Generation++
			f(&p.Spec)
			b.policies[i] = p
		}
	}
}

// held is how many permissions the role of policy finance has on a DAG.
func (b *bed) held(dag string) int {
	stored, _ := b.sim.Role("finance")
	return len(slices.DeleteFunc(slices.Clone(stored.Permissions), func(p airflow.Permission) bool { return p.Resource != "DAG:"+dag }))
}

// TestK1ADagListThatCannotBeRead stops what needs a newer list, and nothing else.
func TestK1ADagListThatCannotBeRead(t *testing.T) {
	for name, restart := range map[string]bool{"in one process": false, "after a start": true} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.policy()
			b.second().Spec.Members = []v1alpha1.Subject{{Username: "carol"}}
			third := b.policy()
			third.Name, third.UID, third.Spec.Role.Name = "third", "third-uid", "third"
			b.settled()
			b.settled()
			if restart {
				b.restart()
			}
			b.sim.Inject(airflowtest.BrokenItem(1).On(http.MethodGet, dagsPath))
			b.sim.SetDag(airflowtest.Dag{ID: "finance_new"})
			b.sim.RemoveDag("finance_weekly")
			b.edit("finance", func(p *v1alpha1.DagAccessPolicySpec) { p.Members = []v1alpha1.Subject{{Username: "bob"}} })
			b.edit("marketing", func(p *v1alpha1.DagAccessPolicySpec) { p.Access = []v1alpha1.AccessLevel{v1alpha1.AccessView} })
			b.policies = b.policies[:2] // the third is deleted
			for range 3 {
				report := b.pass(actuator.LookFull)
				if report.Err != nil || report.Full || len(report.Unread) != 1 || len(report.Failures) > 0 {
					t.Fatalf("error %v, unread %v, failures %v", report.Err, report.Unread, report.Failures)
				}
				problem := report.Unread[0].Problem()
				for _, want := range []string{"list of DAGs", "(500)", "offset 1 "} {
					if problem.Reason != v1alpha1.ReasonDagListUnreadable || !strings.Contains(problem.Message, want) {
						t.Errorf("%s: %s", problem.Reason, problem.Message)
					}
				}
			}
			b.wantAccess("alice", "finance_daily", false)
			b.wantAccess("bob", "finance_daily", true)
			if b.can("carol", "Trigger", "marketing_report") || !b.can("carol", "View", "marketing_report") {
				t.Error("the level was not revoked, or more than that")
			}
			if _, there := b.sim.Role("third"); there {
				t.Error("the role of the deleted policy is there")
			}
			if b.held("finance_weekly") == 0 || b.held("finance_new") > 0 {
				t.Error("an old list decides about DAGs that came or went since")
			}
			b.sim.Heal()
			b.settled()
			report := b.settled()
			if b.held("finance_weekly") > 0 || b.held("finance_new") == 0 || len(report.Unread) > 0 {
				t.Error("what waited for the list does not follow")
			}
		})
	}
}

// TestK1ARoleListThatCannotBeRead: a role is narrowed after it was read by name.
func TestK1ARoleListThatCannotBeRead(t *testing.T) {
	b := newBed(t)
	b.policy()
	b.second()
	b.settled()
	b.sim.Inject(airflowtest.LoginPage().On(http.MethodGet, rolesPath))
	b.edit("marketing", func(p *v1alpha1.DagAccessPolicySpec) { p.Access = []v1alpha1.AccessLevel{v1alpha1.AccessView} })
	report := b.pass(actuator.LookFull)
	if report.Err != nil || len(report.Unread) != 1 || report.Unread[0].Problem().Reason != v1alpha1.ReasonRoleListUnreadable {
		t.Errorf("error %v, unread %v", report.Err, report.Unread)
	}
	b.wantAccess("alice", "marketing_report", false)
	b.wantAccess("alice", "finance_daily", true)
}

// TestK1AServerThatAnswersNothingIsNoListThatCannotBeRead: its error ends the pass.
func TestK1AServerThatAnswersNothingIsNoListThatCannotBeRead(t *testing.T) {
	for name, fault := range map[string]airflowtest.Fault{
		"F19 500": airflowtest.Status(http.StatusInternalServerError, "no"), "F20 503": airflowtest.BadGateway(http.StatusServiceUnavailable),
		"F24 dropped": airflowtest.OverWire(airflowtest.Dropped), "F29 HTML": airflowtest.LoginPage(),
	} {
		for _, look := range []actuator.Look{actuator.LookDags, actuator.LookFull} {
			t.Run(name, func(t *testing.T) {
				b := newBed(t)
				b.policy()
				b.settled()
				b.sim.Inject(fault)
				report := b.pass(look)
				if unread := new(actuator.ListError); report.Err == nil || errors.As(report.Err, &unread) || len(report.Unread) > 0 {
					t.Errorf("error %v, unread %v", report.Err, report.Unread)
				}
			})
		}
	}
}

// TestK1AStepThatMeetsASilentServerIsTheServers: no list is read in such a pass.
func TestK1AStepThatMeetsASilentServerIsTheServers(t *testing.T) {
	b := newBed(t)
	b.policy()
	b.settled()
	b.grant("bob")
	b.sim.Inject(airflowtest.BadGateway(http.StatusServiceUnavailable))
	if report := b.pass(actuator.LookTouched); !airflow.IsUnavailable(report.Err) {
		t.Errorf("error %v, failures %v", report.Err, report.Failures)
	}
}

// TestK1OneRoleIsRefusedInFront: the rest of the pass takes place, and that policy alone reports it.
func TestK1OneRoleIsRefusedInFront(t *testing.T) {
	for name, fault := range map[string]airflowtest.Fault{
		"403 with HTML":     airflowtest.FrontDoor(http.StatusForbidden, 2000),
		"413":               airflowtest.FrontDoor(http.StatusRequestEntityTooLarge, 2000),
		"403 of Airflow":    airflowtest.Status(http.StatusForbidden, "Forbidden"),
		"200 with HTML":     airflowtest.LoginPage(),
		"500, again for it": airflowtest.Status(http.StatusInternalServerError, "no"),
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.policy()
			b.second()
			third := b.policy()
			third.Name, third.UID, third.Spec.Role.Name, third.Spec.Members = "third", "third-uid", "third", nil
			b.settled()
			for i := range 60 {
				b.sim.SetDag(airflowtest.Dag{ID: fmt.Sprintf("big_%02d", i)})
			}
			big := b.policy()
			big.Name, big.UID, big.Spec.Role.Name, big.Spec.Dags = "big", "big-uid", "big", []v1alpha1.DagSelector{{IDs: []string{"big_*"}}}
			if fault.If == nil {
				fault.If = func(r airflowtest.Request) bool { return len(r.Body) > 2000 }
			}
			fault.Writes = true
			refused := b.sim.Inject(fault)
			b.grant("bob")
			b.edit("third", func(p *v1alpha1.DagAccessPolicySpec) { p.Members = []v1alpha1.Subject{{Username: "carol"}} })
			b.edit("marketing", func(p *v1alpha1.DagAccessPolicySpec) { p.Access = []v1alpha1.AccessLevel{v1alpha1.AccessView} })
			report := b.pass(actuator.LookFull)
			if report.Err != nil || len(report.Failures) != 1 || refused.Hits() == 0 {
				t.Fatalf("error %v, failures %v, %d refused", report.Err, report.Failures, refused.Hits())
			}
			b.wantAccess("bob", "finance_daily", true)
			b.wantAccess("carol", "finance_daily", true)
			b.wantAccess("alice", "marketing_report", false)
			inFront := strings.HasPrefix(fault.Name, "front door")
			for policy, of := range report.Policies {
				if (of.Refusal != nil) != (inFront && policy.Name == "big") {
					t.Errorf("policy %s: %+v", policy, of.Refusal)
				}
			}
			if refusal := report.Policies[types.NamespacedName{Namespace: "data", Name: "big"}].Refusal; refusal != nil {
				if refusal.Reason != v1alpha1.ReasonRefusedInFront || !strings.Contains(refusal.Message, "role big") || !strings.Contains(refusal.Message, "bytes") {
					t.Errorf("%+v", refusal)
				}
			}
		})
	}
}

// TestK1AnEndingOfAUserThatCannotBeAddressedIsProvedByTheList: an older version may have activated a grant for such a user.
func TestK1AnEndingOfAUserThatCannotBeAddressedIsProvedByTheList(t *testing.T) {
	const name = "assumed-role/dana"
	for what, listed := range map[string]bool{"the user is listed": true, "the user is gone": false} {
		t.Run(what, func(t *testing.T) {
			b := newBed(t)
			b.policy()
			if listed {
				b.sim.AddUser(airflowtest.User{Username: name, Email: "dana@example.com", Roles: []string{"Public"}})
			}
			b.settled()
			dana := b.grant(name, func(g *v1alpha1.AccessGrant) { g.Name = "dana" })
			report := b.pass(actuator.LookTouched)
			if got := report.Grants[dana.UID].Desire.Problem; report.Err != nil || len(report.Failures) > 0 || got == nil || got.Reason != v1alpha1.ReasonSubjectNotAddressable {
				t.Errorf("error %v, failures %v, problem %+v", report.Err, report.Failures, got)
			}
			b.clock.Step(time.Minute)
			b.change(dana, func(g *v1alpha1.AccessGrant) {
				g.Status.End = &v1alpha1.End{Reason: v1alpha1.EndRevoked, At: metav1.NewTime(b.clock.Now())}
			})
			report = b.pass(actuator.LookTouched)
			if proof := report.Grants[dana.UID]; !proof.Proof.Absent || proof.ObservedAt.Before(b.clock.Now()) {
				t.Errorf("%+v", proof)
			}
			before := b.sim.RequestCount()
			if b.pass(actuator.LookTouched); b.sim.RequestCount()-before > 1 {
				t.Errorf("%d requests of a pass that has nothing to do", b.sim.RequestCount()-before)
			}
		})
	}
}

// TestK1AMemberThatCannotBeAddressedIsNamed and gets nothing.
func TestK1AMemberThatCannotBeAddressedIsNamed(t *testing.T) {
	b := newBed(t)
	b.sim.AddUser(airflowtest.User{Username: "assumed-role/dana", Email: "dana@example.com", Roles: []string{"Public"}})
	p := b.policy()
	p.Spec.Members = append(p.Spec.Members, v1alpha1.Subject{Email: "dana@example.com"})
	unresolved := b.settled().Policies[p.Key()].Desire.Unresolved
	if !slices.ContainsFunc(unresolved, func(u access.Problem) bool { return u.Reason == v1alpha1.ReasonSubjectNotAddressable }) {
		t.Errorf("unresolved %v", unresolved)
	}
	b.wantAccess("alice", "finance_daily", true)
}
