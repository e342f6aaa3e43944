package actuator_test

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/actuator"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
)

// adding declares a server whose role updates only add.
type adding struct{ *bed }

func (a adding) Declared(ctx context.Context) (actuator.Declared, error) {
	d, err := a.bed.Declared(ctx)
	d.Capabilities.RoleUpdate = v1alpha1.RoleUpdateAdd
	return d, err
}

// narrow gives the policy less to give.
func (b *bed) narrow() {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.policies[0].DeepCopy()
	p.Spec.Access = []v1alpha1.AccessLevel{v1alpha1.AccessView}
	p.Generation++
	b.policies[0] = p
}

func TestARoleStaysUntilItsSuccessorHasItsMembers(t *testing.T) {
	for name, fault := range map[string]airflowtest.Fault{
		"the successor cannot be made":    airflowtest.Status(http.StatusInternalServerError, "no").On(http.MethodPost, rolesPath),
		"its member cannot be moved":      airflowtest.Status(http.StatusInternalServerError, "no").On(http.MethodPatch, userPath),
		"the move is accepted and undone": airflowtest.Unstored().On(http.MethodPatch, userPath),
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.policy()
			b.settled()
			b.narrow()
			b.sim.Inject(fault)
			for range 2 {
				if report := b.act.Pass(t.Context(), adding{b}, actuator.LookFull); report.Err == nil && len(report.Failures) == 0 {
					t.Fatal("nothing failed: the test proves nothing")
				}
				b.wantAccess("alice", "finance_daily", true)
			}
			b.sim.Heal()
			report := b.act.Pass(t.Context(), adding{b}, actuator.LookFull)
			if report.Err != nil || len(report.Failures) > 0 {
				t.Fatalf("%v %v", report.Err, report.Failures)
			}
			b.wantAccess("alice", "finance_daily", false) // she may look and no longer trigger
			if _, left := b.sim.Role("finance"); left || !slices.Equal(b.sim.Holders("finance~g1"), []string{"alice"}) {
				t.Errorf("the old role is left: %v; the successor is held by %v", left, b.sim.Holders("finance~g1"))
			}
			if len(report.Inventory) != 1 || report.Inventory[0].Name != "finance~g1" {
				t.Errorf("the inventory is %v", report.Inventory)
			}
		})
	}
}

// two declares a server of Airflow 2.
type two struct{ *bed }

func (t two) Declared(ctx context.Context) (actuator.Declared, error) {
	d, err := t.bed.Declared(ctx)
	d.Capabilities.RoleUpdate, d.Capabilities.PermissionModel = v1alpha1.RoleUpdateAdd, v1alpha1.PermissionModelAirflow2
	return d, err
}

func TestWebsiteIsReadBackLikeOthersOnAirflow2(t *testing.T) {
	b := newBed(t)
	b.policy()
	if report := b.act.Pass(t.Context(), two{b}, actuator.LookFull); report.Err != nil || len(report.Failures) > 0 {
		t.Fatalf("%v %v", report.Err, report.Failures)
	}
	role, _ := b.sim.Role("finance")
	b.sim.SetRole("finance", slices.DeleteFunc(role.Permissions, func(p airflow.Permission) bool { return p.Resource == "Website" })...)
	b.sim.Inject(airflowtest.Unstored().On(http.MethodPatch, rolePath))
	report := b.act.Pass(t.Context(), two{b}, actuator.LookFull)
	if report.Err == nil && len(report.Failures) == 0 {
		t.Error("a write that Airflow did not store counts as done")
	}
	if n := len(b.sim.MutatingRequests()); n > 10 {
		t.Errorf("%d writes in two passes", n)
	}
}

// TestF17SecondProcessTakesNobodyOffASuccessorItDoesNotKnow: the first process made it since the second read the roles.
func TestF17SecondProcessTakesNobodyOffASuccessorItDoesNotKnow(t *testing.T) {
	b := newBed(t)
	b.policy()
	pass := func(act *actuator.Actuator, look actuator.Look) {
		t.Helper()
		if report := act.Pass(t.Context(), adding{b}, look); report.Err != nil || len(report.Failures) > 0 {
			t.Fatalf("%v %v", report.Err, report.Failures)
		}
	}
	pass(b.act, actuator.LookFull)
	first := b.act
	b.restart()
	pass(b.act, actuator.LookFull)
	role, _ := b.sim.Role("finance")
	b.sim.SetRole("finance", append(role.Permissions, airflow.Permission{Action: "can_delete", Resource: "DAG:finance_daily"})...)
	pass(first, actuator.LookFull)
	if holders := b.sim.Holders("finance~g1"); !slices.Equal(holders, []string{"alice"}) {
		t.Fatalf("the successor is held by %v", holders)
	}
	b.clock.Step(3 * time.Second)
	seq := b.sim.LastSeq()
	b.grant("alice", func(g *v1alpha1.AccessGrant) {
		g.Status.Activation.Dags = []string{"finance_daily"}
		g.Status.Activation.Instances[0].Role = rolename.OfActivation(b.instance, b.policies[0], g.Status.Activation)
	})
	if report := b.act.Pass(t.Context(), &conflicted{bed: b, theirs: b.instance.Status.ManagedRoles}, actuator.LookTouched); !apierrors.IsConflict(report.Err) {
		t.Fatalf("the first process stored another inventory meanwhile: %v", report.Err)
	}
	pass(b.act, actuator.LookTouched)
	for _, c := range b.sim.Changes(func(c airflowtest.Change) bool { return c.Seq > seq && c.User == "alice" }) {
		if !slices.Contains(c.RolesAfter, "finance~g1") {
			t.Errorf("alice was taken off the successor: %v", c.RolesAfter)
		}
	}
	if b.sim.LastSeq() == seq {
		t.Error("nothing was given: the test proves nothing")
	}
}
