package decision_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/decision"
)

var t0 = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestZeroIsNeverTheEarliestAndNeverTheLatest(t *testing.T) {
	never, later := time.Time{}, t0.Add(time.Hour)
	for name, c := range map[string]struct{ got, want time.Time }{
		"earliest of two":           {decision.Earliest(later, t0), t0},
		"earliest beside never":     {decision.Earliest(never, later), later},
		"earliest of never":         {decision.Earliest(never, never), never},
		"latest of two":             {decision.Latest(later, t0), later},
		"latest beside never":       {decision.Latest(never, t0), t0},
		"earliest and latest alike": {decision.Earliest(t0), decision.Latest(t0)},
	} {
		if !c.got.Equal(c.want) {
			t.Errorf("%s: %s, want %s", name, c.got, c.want)
		}
	}
	v := decision.Verdict{}
	v.Before(later)
	v.Before(never)
	v.Before(t0)
	if !v.NextAt.Equal(t0) {
		t.Errorf("the verdict changes at %s, want %s", v.NextAt, t0)
	}
}

func TestTheModeOfThePolicyComesBeforeThatOfItsInstance(t *testing.T) {
	p, i := &v1alpha1.DagAccessPolicy{}, &v1alpha1.AirflowInstance{}
	if got := decision.PausedBy(p, i); got != nil {
		t.Errorf("paused by %s without a mode", got.Reason)
	}
	for mode, want := range map[v1alpha1.Mode]string{
		v1alpha1.ModeObserve: v1alpha1.ReasonInstanceObserving, v1alpha1.ModeSuspended: v1alpha1.ReasonInstanceSuspended,
	} {
		i.Spec.Mode = mode
		if got := decision.PausedBy(p, i); got == nil || got.Reason != want {
			t.Errorf("mode %s: %+v", mode, got)
		}
	}
	p.Spec.State = v1alpha1.PolicySuspended
	if got := decision.PausedBy(p, i); got == nil || got.Reason != v1alpha1.ReasonPolicySuspended {
		t.Errorf("suspended: %+v", got)
	}
}

func TestAPassReportsOnThePolicyOfTodayOnly(t *testing.T) {
	p := &v1alpha1.DagAccessPolicy{}
	p.Generation = 3
	var none *decision.Observation
	for name, o := range map[string]*decision.Observation{
		"no pass": none, "a pass that did not know it": {}, "a pass over an older one": {Policy: &access.PolicyReport{Generation: 2}},
	} {
		if o.Current(p) != nil {
			t.Errorf("%s reports on it", name)
		}
	}
	report := &access.PolicyReport{Generation: 3}
	if got := (&decision.Observation{Policy: report}).Current(p); got != report {
		t.Errorf("%+v", got)
	}
	if none.Listed() || none.Usable() {
		t.Error("without a pass there are users and DAGs")
	}
}

func TestHistoryHasTheActorOfAnEntry(t *testing.T) {
	got := decision.History([]decision.Entry{{Event: "Active", Message: "confirmed", Warning: true, Actor: v1alpha1.ActorOperator}, {Event: "Revoked"}})
	want := []v1alpha1.HistoryEntry{{Event: "Active", Message: "confirmed", Actor: "airflow-oam"}, {Event: "Revoked"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestExcessIsReportedOnce(t *testing.T) {
	excess := access.Problem{Reason: v1alpha1.ReasonExcessAccess, Message: "too much"}
	found := decision.LeastPrivilege(excess)
	other := decision.Conclusion{State: decision.StateSettled, Reason: v1alpha1.ReasonReady}
	for name, c := range map[string]struct {
		stored, found []metav1.Condition
		c             decision.Conclusion
		want          int
	}{
		"new":                          {nil, found, other, 1},
		"stored":                       {found, found, other, 0},
		"reported by the state":        {nil, found, decision.Conclusion{Reason: excess.Reason}, 0},
		"no excess":                    {nil, decision.LeastPrivilege(access.Problem{Reason: v1alpha1.ReasonAsGranted}), other, 0},
		"nothing was found out so far": {nil, decision.LeastPrivilege(access.Problem{}), other, 0},
	} {
		if got := decision.Excess(c.stored, c.found, c.c); len(got) != c.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
