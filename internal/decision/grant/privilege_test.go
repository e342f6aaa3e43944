package grant_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/decision"
	"github.com/airflow-oam/airflow-oam/internal/status"
)

func finding(reason string) access.Problem {
	return access.Problem{Reason: reason, Message: "about " + reason}
}

// words are the events of entries.
func words(entries []decision.Entry) []string {
	var out []string
	for _, entry := range entries {
		out = append(out, entry.Event)
	}
	return out
}

func TestAGrantSaysWhetherItsSubjectHasMore(t *testing.T) {
	withheld := finding(v1alpha1.ReasonWithheld)
	for name, c := range map[string]struct {
		least   access.Problem
		problem *access.Problem
		want    string
		ready   string
		told    []string
	}{
		"as granted":        {finding(v1alpha1.ReasonAsGranted), nil, "True/AsGranted", "True/Active", nil},
		"more than granted": {finding(v1alpha1.ReasonExcessAccess), nil, "False/ExcessAccess", "True/Active", []string{"ExcessAccess"}},
		"withheld":          {withheld, &withheld, "False/Withheld", "False/Withheld", []string{"Withheld"}},
		"nothing is given now, where somebody chose no such mode": {access.Problem{}, &access.Problem{Reason: v1alpha1.ReasonInstanceNotReady, Message: "its conditions say why"}, "-", "False/InstanceNotReady", []string{"InstanceNotReady"}},
		"it gives nothing for a trouble":                          {access.Problem{}, &access.Problem{Reason: v1alpha1.ReasonPolicyRefused, Message: "refused"}, "-", "False/PolicyRefused", []string{"PolicyRefused"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := live(t)
			seen(f, 5*time.Second, c.problem == nil)
			f.Report.Desire.Live, f.Report.Desire.Problem, f.Report.Proof.Problem = true, c.problem, c.problem
			f.Report.Proof.LeastPrivilege = c.least
			v := settle(t, f)
			if got := said(f.Grant, v1alpha1.ConditionLeastPrivilege); got != c.want {
				t.Errorf("it says %q, want %q", got, c.want)
			}
			if got := said(f.Grant, v1alpha1.ConditionReady); got != c.ready {
				t.Errorf("ready is %q, want %q", got, c.ready)
			}
			if diff := cmp.Diff(c.told, words(v.Entries)); diff != "" {
				t.Errorf("it tells: %s", diff)
			}
			f.Observed, f.Report = nil, nil
			settle(t, f)
			if got := said(f.Grant, v1alpha1.ConditionLeastPrivilege); got != c.want {
				t.Errorf("without a pass it says %q, want %q", got, c.want)
			}
		})
	}
}

func TestAGrantSaysWhichLevelsCannotBeGiven(t *testing.T) {
	f := live(t)
	seen(f, 5*time.Second, true)
	f.Report.Desire.Notes = []access.Problem{finding(v1alpha1.ReasonLevelNotSupported)}
	settle(t, f)
	if got := said(f.Grant, v1alpha1.ConditionLevelsSupported); got != "False/LevelNotSupported" {
		t.Errorf("it says %q", got)
	}
	if got := said(f.Grant, v1alpha1.ConditionReady); got != "True/Active" {
		t.Errorf("ready is %q", got)
	}
}

func TestK11AGrantIsActiveWithoutItsContestedDags(t *testing.T) {
	for name, c := range map[string]struct{ pending, contested []string }{
		"one DAG":                {nil, []string{"finance_x"}},
		"another one is pending": {[]string{"finance_new"}, []string{"finance_x"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := live(t)
			f.Grant.Status.Phase = v1alpha1.GrantPending // it was never seen in Airflow with all its DAGs
			seen(f, 5*time.Second, true)
			f.Report.Desire.Pending, f.Report.Proof.Contested = c.pending, c.contested
			settle(t, f)
			expect(t, f.Grant, v1alpha1.GrantActive, "True/Active", "True/Admitted", "True/Active")
			if got := said(f.Grant, v1alpha1.ConditionDagsPending); got != "True/Contested" {
				t.Errorf("DagsPending is %s", got)
			}
			message := status.Find(f.Grant.Status.Conditions, v1alpha1.ConditionDagsPending).Message
			for _, want := range append(c.pending, "finance_x: its file sets access_control") {
				if !strings.Contains(message, want) {
					t.Errorf("%q does not say %q", message, want)
				}
			}
		})
	}
}

func TestALiveGrantSaysWhichDagsItDoesNotGive(t *testing.T) {
	for name, c := range map[string]struct {
		pending []string
		empty   bool
		ready   string
		active  string
		dags    string
	}{
		"all are given":             {nil, false, "True/Active", "True/Active", "-"},
		"some are not":              {[]string{"finance_daily"}, false, "True/Active", "True/Active", "True/DagPending"},
		"none is":                   {[]string{"finance_daily"}, true, "True/DagPending", "False/DagPending", "True/DagPending"},
		"its policy covers nothing": {nil, true, "True/DagPending", "False/DagPending", "-"},
	} {
		t.Run(name, func(t *testing.T) {
			f := live(t)
			if c.empty { // from the start: it was never seen to give anything
				f.Grant.Status.Phase = v1alpha1.GrantPending
			}
			seen(f, 5*time.Second, true)
			f.Report.Desire.Pending, f.Report.Proof.Empty = c.pending, c.empty
			for _, passed := range []bool{true, false} { // what was said stays until a pass says something
				if !passed {
					f.Observed, f.Report = nil, nil
				}
				settle(t, f)
				for condition, want := range map[string]string{
					v1alpha1.ConditionReady: c.ready, v1alpha1.ConditionActive: c.active, v1alpha1.ConditionInSync: "True/" + strings.TrimPrefix(c.ready, "True/"), v1alpha1.ConditionDagsPending: c.dags,
				} {
					if got := said(f.Grant, condition); got != want {
						t.Errorf("%s is %s, want %s (seen: %t)", condition, got, want, passed)
					}
				}
			}
		})
	}
}
