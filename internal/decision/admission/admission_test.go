package admission_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/dag"
	"github.com/airflow-oam/airflow-oam/internal/decision"
	"github.com/airflow-oam/airflow-oam/internal/decision/admission"
)

// asked is something that every rule allows.
func asked() admission.Asked {
	p := &v1alpha1.DagAccessPolicy{}
	p.Generation = 3
	p.Spec.Dags = []v1alpha1.DagSelector{{IDs: []string{"finance_*"}, Exclude: []string{"*_payroll"}}}
	p.Spec.Access = []v1alpha1.AccessLevel{v1alpha1.AccessTrigger}
	p.Spec.Grants = &v1alpha1.GrantTerms{
		MaxDuration: metav1.Duration{Duration: 8 * time.Hour}, MaxAhead: &metav1.Duration{Duration: time.Hour},
		Reason: &v1alpha1.ReasonTerms{Pattern: "^INC-"},
	}
	return admission.Asked{
		Policy: p, Namespace: "finance", NamespaceAllowed: true, Subject: v1alpha1.Subject{Username: "bob"},
		Access: []v1alpha1.AccessLevel{v1alpha1.AccessView, v1alpha1.AccessTrigger}, Dags: []string{"finance_daily", "finance_new"},
		Reason: "INC-1", Length: time.Hour, CacheTTL: 30 * time.Second,
		Observed: &decision.Observation{
			Users: access.NewDirectory([]access.User{{Username: "bob"}}, "operator"), Dags: []dag.Dag{{ID: "finance_daily"}},
			Policy: &access.PolicyReport{Generation: 3},
		},
	}
}

func TestEveryCheckRefusesWhatItIsAbout(t *testing.T) {
	for name, change := range map[string]func(*admission.Asked){
		"grants are allowed":                           func(a *admission.Asked) { a.Policy.Spec.Grants = nil },
		"the namespace is allowed":                     func(a *admission.Asked) { a.NamespaceAllowed = false },
		"the time is within the terms":                 func(a *admission.Asked) { a.Length = 9 * time.Hour },
		"the time is longer than the permission cache": func(a *admission.Asked) { a.Length = time.Second },
		"the reason matches":                           func(a *admission.Asked) { a.Reason = "because" },
		"the policy has the levels":                    func(a *admission.Asked) { a.Access = []v1alpha1.AccessLevel{v1alpha1.AccessDeleteDag} },
		"the policy is admitted":                       func(a *admission.Asked) { a.Observed.Policy.Desire.Refused = &access.Problem{Reason: "Refused"} },
		"the policy covers the DAGs":                   func(a *admission.Asked) { a.Dags = []string{"finance_payroll"} },
		"the subject may have access":                  func(a *admission.Asked) { a.Subject.Username = "operator" },
	} {
		if p := admission.Refusal(asked()); p != nil {
			t.Fatalf("refused: %+v", p)
		}
		a := asked()
		change(&a)
		refused := admission.Refusal(a)
		if refused == nil {
			t.Errorf("%s: it is allowed", name)
			continue
		}
		found := false
		for _, check := range admission.Checks() {
			if check.Name != name {
				continue
			}
			found = true
			if diff := cmp.Diff(refused, check.Refuse(a)); diff != "" {
				t.Errorf("%s: another check refuses: %s", name, diff)
			}
		}
		if !found {
			t.Errorf("there is no check %q", name)
		}
	}
}

func TestWhatIsNotKnownYetRefusesNothing(t *testing.T) {
	a := asked()
	a.Observed, a.Length, a.Subject.Username = nil, time.Second, "operator"
	if p := admission.Refusal(a); p != nil {
		t.Errorf("refused without an observation: %+v", p)
	}
	a = asked()
	a.Observed.Policy.Generation, a.Observed.Policy.Desire.Refused = 2, &access.Problem{Reason: "Refused"}
	a.Subject.Username = "zoe"
	if p := admission.Refusal(a); p != nil {
		t.Errorf("refused by an earlier policy, or for a user who may come: %+v", p)
	}
}

func TestOnlyDagsThatAirflowDoesNotListAreAbsent(t *testing.T) {
	a := asked()
	if diff := cmp.Diff([]string{"finance_new"}, admission.Absent(a.Observed.Dags, a.Dags)); diff != "" {
		t.Error(diff)
	}
}
