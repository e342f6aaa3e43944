package policy_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/decision"
	"github.com/airflow-oam/airflow-oam/internal/decision/policy"
	"github.com/airflow-oam/airflow-oam/internal/status"
)

// told is the warning of an event among entries; its message is empty where there is none.
func told(entries []decision.Entry, event string) string {
	for _, e := range entries {
		if e.Event == event && e.Warning {
			return e.Message
		}
	}
	return ""
}

// matching sets what a pass found the selectors to match.
func matching(f *policy.Facts, m access.Matching, dags ...string) {
	f.View.Report.Desire.Matching, f.View.Report.Desire.Dags = m, dags
}

// TestK4APolicyThatMatchesNothingSaysSo, with a warning, once.
func TestK4APolicyThatMatchesNothingSaysSo(t *testing.T) {
	f := policyWorld()
	matching(f, access.MatchingNone)
	v := settlePolicy(t, f)
	c := status.Find(v.Conditions, v1alpha1.ConditionDagsMatched)
	if c == nil || c.Status != metav1.ConditionFalse || c.Reason != v1alpha1.ReasonNothingMatched || !strings.Contains(c.Message, "compare ids, tags, exclude with") {
		t.Fatalf("%+v", c)
	}
	if warning := told(v.Entries, v1alpha1.ReasonNothingMatched); warning == "" || strings.Contains(warning, "lost") {
		t.Errorf("warning %q", warning)
	}
	if ready := status.Find(v.Conditions, v1alpha1.ConditionReady); ready.Status != metav1.ConditionTrue {
		t.Errorf("it waits for its DAGs: %+v", ready)
	}
	if again := policy.Decide(*f); len(again.Entries) != 0 {
		t.Errorf("told again: %v", again.Entries)
	}
	matching(f, access.MatchingSome, "a")
	if c := status.Find(settlePolicy(t, f).Conditions, v1alpha1.ConditionDagsMatched); c.Status != metav1.ConditionTrue {
		t.Errorf("%+v", c)
	}
}

// TestK4LosingAllDagsIsSaidWhateverTheirNumber: also where the guard against mass revocation holds nothing.
func TestK4LosingAllDagsIsSaidWhateverTheirNumber(t *testing.T) {
	for _, count := range []int{1, 4, 40} {
		f := policyWorld()
		matching(f, access.MatchingSome, make([]string, count)...)
		settlePolicy(t, f)
		matching(f, access.MatchingNone)
		v := settlePolicy(t, f)
		if warning := told(v.Entries, v1alpha1.ReasonNothingMatched); !strings.HasPrefix(warning, fmt.Sprintf("the policy has lost all of its DAGs (it covered %d)", count)) {
			t.Errorf("warning %q", warning)
		}
	}
}

// TestK4NothingIsSaidOfSelectorsBeforeAList: it is not known.
func TestK4NothingIsSaidOfSelectorsBeforeAList(t *testing.T) {
	f := policyWorld()
	matching(f, access.MatchingUnknown)
	v := settlePolicy(t, f)
	if c := status.Find(v.Conditions, v1alpha1.ConditionDagsMatched); c != nil || told(v.Entries, v1alpha1.ReasonNothingMatched) != "" {
		t.Errorf("%+v %v", c, v.Entries)
	}
}

// TestK4DagsAwaySaysWhichAndUntilWhen, of many the first; such DAGs are covered.
func TestK4DagsAwaySaysWhichAndUntilWhen(t *testing.T) {
	f := policyWorld()
	matching(f, access.MatchingSome, "a")
	f.View.Report.Desire.Away = []access.AwayDag{{ID: "b", Until: metav1.NewTime(t0.Add(time.Hour + time.Second))}, {ID: "c\nd", Until: metav1.NewTime(t0.Add(2 * time.Hour))}}
	v := settlePolicy(t, f)
	c := status.Find(v.Conditions, v1alpha1.ConditionDagsAway)
	want := fmt.Sprintf("b until %s, c", t0.Add(time.Hour+time.Minute).Format("2006-01-02 15:04Z"))
	if c == nil || c.Status != metav1.ConditionTrue || !strings.Contains(c.Message, want) || strings.Contains(c.Message, "\n") {
		t.Errorf("%+v, want %q", c, want)
	}
	if warning := told(v.Entries, v1alpha1.ReasonDagsStaleOrMissing); !strings.Contains(warning, "b, c") || strings.Contains(warning, "until") {
		t.Errorf("warning %q", warning)
	}
	if dags := v.Instances[0].Dags; dags != 3 {
		t.Errorf("%d DAGs", dags)
	}
	for i := range 40 {
		f.View.Report.Desire.Away = append(f.View.Report.Desire.Away, access.AwayDag{ID: strconv.Itoa(i), Until: metav1.NewTime(t0)})
	}
	again := settlePolicy(t, f)
	if c := status.Find(again.Conditions, v1alpha1.ConditionDagsAway); !strings.Contains(c.Message, "and 34 more") {
		t.Errorf("%s", c.Message)
	}
	if len(again.Entries) != 0 {
		t.Errorf("told again: %v", again.Entries)
	}
	f.View.Report.Desire.Away = nil
	if c := status.Find(settlePolicy(t, f).Conditions, v1alpha1.ConditionDagsAway); c != nil {
		t.Errorf("%+v", c)
	}
}

// TestK4AHeldLossIsAWarning: a user has to act, or the access goes.
func TestK4AHeldLossIsAWarning(t *testing.T) {
	f := policyWorld()
	f.View.Report.Desire.Notes = []access.Problem{{Reason: v1alpha1.ReasonMassRevocationHeld, Message: "held"}}
	if v := settlePolicy(t, f); told(v.Entries, v1alpha1.ReasonMassRevocationHeld) == "" {
		t.Errorf("%+v", v.Entries)
	}
}
