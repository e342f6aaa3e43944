package actuator_test

import (
	"context"
	"errors"
	"testing"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/actuator"
)

// unstorable is a bed whose inventory the API server does not take.
type unstorable struct {
	*bed
	err error
}

func (u unstorable) StoreInventory(context.Context, []v1alpha1.ManagedRole, []v1alpha1.HeldRevocation) error {
	return u.err
}

// TestWhatOnlyTakesGoesOnWhileTheInventoryCannotBeStored: one policy that is to be made does not keep another as wide as it
// was.
func TestWhatOnlyTakesGoesOnWhileTheInventoryCannotBeStored(t *testing.T) {
	b := newBed(t)
	b.policy()
	b.settled()
	b.narrow()
	b.second()
	refused := errors.New("the object is too large")
	report := b.act.Pass(t.Context(), unstorable{b, refused}, actuator.LookFull)
	if !errors.Is(report.Err, refused) {
		t.Errorf("the report says %v", report.Err)
	}
	if b.sim.AllowedLevel("alice", "Trigger", "finance_daily") || !b.sim.AllowedLevel("alice", "View", "finance_daily") {
		t.Error("the policy that gives less was not made narrower")
	}
	if b.sim.AllowedLevel("alice", "View", "marketing_report") {
		t.Error("something was given by a role that the inventory does not hold")
	}
	b.settled()
	if !b.sim.AllowedLevel("alice", "View", "marketing_report") {
		t.Error("it is not given when the inventory can be stored")
	}
}

// addingUnstorable is one whose server only adds permissions to roles.
type addingUnstorable struct{ unstorable }

func (u addingUnstorable) Declared(ctx context.Context) (actuator.Declared, error) {
	return adding{u.bed}.Declared(ctx)
}

// TestARoleStaysWhileTheInventoryOfItsSuccessorCannotBeStored: nobody can be moved to a role that is not made.
func TestARoleStaysWhileTheInventoryOfItsSuccessorCannotBeStored(t *testing.T) {
	b := newBed(t)
	b.policy()
	b.settled()
	b.narrow()
	refused := errors.New("the API server does not answer in time")
	report := b.act.Pass(t.Context(), addingUnstorable{unstorable{b, refused}}, actuator.LookFull)
	if !errors.Is(report.Err, refused) {
		t.Errorf("the report says %v", report.Err)
	}
	if !b.sim.AllowedLevel("alice", "View", "finance_daily") {
		t.Error("alice lost what the policy still gives")
	}
	if report := b.act.Pass(t.Context(), adding{b}, actuator.LookFull); report.Err != nil || len(report.Failures) > 0 {
		t.Fatalf("%v %v", report.Err, report.Failures)
	}
	if !b.sim.AllowedLevel("alice", "View", "finance_daily") || b.sim.AllowedLevel("alice", "Trigger", "finance_daily") {
		t.Error("the policy that gives less does not give it")
	}
}
