package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/decision"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// dags are the conditions about the DAGs of a policy that is not refused: whether its selectors match any, which of them are
// away, and which are pending. What is new of the first two is recorded, as a warning.
func dags(f *Facts, v *Verdict, view *View) []metav1.Condition {
	desire, stored := view.Report.Desire, f.Policy.Status.Conditions
	var out []metav1.Condition
	switch desire.Matching {
	case access.MatchingSome:
		out = append(out, decision.Condition(v1alpha1.ConditionDagsMatched, metav1.ConditionTrue,
			access.Problem{Reason: v1alpha1.ReasonMatched, Message: "spec.dags matches DAGs of this Airflow"}))
	case access.MatchingNone:
		nothing := decision.Problem(v1alpha1.ReasonNothingMatched, "spec.dags matches no DAG of this Airflow, and the policy gives access to none: %s", remedy(f.Policy))
		out = append(out, decision.Condition(v1alpha1.ConditionDagsMatched, metav1.ConditionFalse, *nothing))
		warn(v, stored, v1alpha1.ConditionDagsMatched, access.Problem{Reason: nothing.Reason, Message: lostAll(f.Policy) + nothing.Message})
	case access.MatchingUnknown:
	}
	if away := desire.Away; len(away) > 0 {
		out = append(out, decision.Condition(v1alpha1.ConditionDagsAway, metav1.ConditionTrue,
			*decision.Problem(v1alpha1.ReasonDagsStaleOrMissing, "Airflow's DAG list marks these DAGs stale or lacks them, and access to them stays for"+
				" spec.dagGracePeriod of the AirflowInstance: %s; see the import errors in Airflow", text.List(names(away, true), decision.Shown))))
		warn(v, stored, v1alpha1.ConditionDagsAway, *decision.Problem(v1alpha1.ReasonDagsStaleOrMissing,
			"Airflow's DAG list marks DAGs stale or lacks them, and access to them stays for a time: %s", text.List(names(away, false), decision.Shown)))
	}
	if len(desire.Pending) > 0 {
		out = append(out, decision.Condition(v1alpha1.ConditionDagsPending, metav1.ConditionTrue,
			*decision.Problem(v1alpha1.ReasonDagsUnknown, "Airflow does not know these DAGs yet, everything else is applied: %s", text.List(desire.Pending, decision.Shown))))
	}
	return out
}

// names are the ids of DAGs that are away, with the moments until which access stays if asked for.
func names(away []access.AwayDag, until bool) []string {
	out := make([]string, 0, len(away))
	for _, d := range away {
		name := text.Plain(d.ID)
		if until {
			name += " until " + d.Until.Add(time.Minute-time.Nanosecond).UTC().Format("2006-01-02 15:04Z")
		}
		out = append(out, name)
	}
	return out
}

// warn records a finding that is not stored in its condition yet.
func warn(v *Verdict, stored []metav1.Condition, conditionType string, p access.Problem) {
	if !decision.HasReason(stored, conditionType, p.Reason) {
		v.Record(decision.Entry{Event: p.Reason, Message: p.Message, Warning: true, Actor: v1alpha1.ActorOperator})
	}
}

// lostAll says that a policy lost all of its DAGs, whatever their number; empty where it had none.
func lostAll(p *v1alpha1.DagAccessPolicy) string {
	if len(p.Status.Instances) == 0 || p.Status.Instances[0].Dags == 0 {
		return ""
	}
	return fmt.Sprintf("the policy has lost all of its DAGs (it covered %d): ", p.Status.Instances[0].Dags)
}

// remedy says what a user should compare where the selectors of a policy match nothing.
func remedy(p *v1alpha1.DagAccessPolicy) string {
	var fields []string
	for _, field := range []struct {
		name   string
		values func(*v1alpha1.DagSelector) []string
	}{
		{"ids", func(s *v1alpha1.DagSelector) []string { return s.IDs }},
		{"tags", func(s *v1alpha1.DagSelector) []string { return s.Tags }},
		{"owners", func(s *v1alpha1.DagSelector) []string { return s.Owners }},
		{"bundles", func(s *v1alpha1.DagSelector) []string { return s.Bundles }},
		{"paths", func(s *v1alpha1.DagSelector) []string { return s.Paths }},
		{"exclude", func(s *v1alpha1.DagSelector) []string { return s.Exclude }},
	} {
		if slices.ContainsFunc(p.Spec.Dags, func(s v1alpha1.DagSelector) bool { return len(field.values(&s)) > 0 }) {
			fields = append(fields, field.name)
		}
	}
	return "compare " + strings.Join(fields, ", ") + " with Airflow's DAG list: upper and lower case count, and DAGs whose files have import errors are not active"
}
