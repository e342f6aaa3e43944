package policy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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

func TestAPolicySaysWhetherItsPeopleHaveMore(t *testing.T) {
	for name, c := range map[string]struct {
		least access.Problem
		want  map[string]string
		told  []string
	}{
		"as granted":        {finding(v1alpha1.ReasonAsGranted), map[string]string{"Ready": "True/Ready", "LeastPrivilege": "True/AsGranted"}, []string{"Ready"}},
		"more than granted": {finding(v1alpha1.ReasonExcessAccess), map[string]string{"Ready": "True/Ready", "LeastPrivilege": "False/ExcessAccess"}, []string{"ExcessAccess", "Ready"}},
		"withheld":          {finding(v1alpha1.ReasonWithheld), map[string]string{"Ready": "False/Withheld", "Reconciling": "True/Withheld", "LeastPrivilege": "False/Withheld"}, []string{"Withheld"}},
		"not known":         {access.Problem{}, map[string]string{"Ready": "True/Ready"}, []string{"Ready"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := policyWorld()
			f.View.Report.Proof.LeastPrivilege = c.least
			v := settlePolicy(t, f)
			got := map[string]string{}
			for _, condition := range v.Conditions {
				switch condition.Type {
				case "Ready", "Reconciling", "Stalled", "LeastPrivilege":
					got[condition.Type] = string(condition.Status) + "/" + condition.Reason
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("conditions: %s", diff)
			}
			if diff := cmp.Diff(c.told, words(v.Entries)); diff != "" {
				t.Errorf("it tells: %s", diff)
			}
			if inSync := status.Find(v.Conditions, v1alpha1.ConditionInSync); inSync.Status != metav1.ConditionTrue {
				t.Errorf("in sync: %+v", inSync)
			}
		})
	}
}
