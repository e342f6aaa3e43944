package policy

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/decision"
	"github.com/airflow-oam/airflow-oam/internal/rule"
)

// requests reports whether access can be requested under a policy: its rules compile, and so does its instance's identity. It
// is a condition of its own, because standing members and grants do not depend on it: neither Ready nor Admitted changes.
func requests(f *Facts, v *Verdict) {
	v.Conditions = without(v.Conditions, v1alpha1.ConditionRequestsReady)
	if f.Policy.RequestTerms() == nil {
		return
	}
	problem := unrequestable(f)
	if problem == nil {
		v.Add(decision.Condition(v1alpha1.ConditionRequestsReady, metav1.ConditionTrue,
			access.Problem{Reason: v1alpha1.ReasonRequestsReady, Message: "access can be requested under the policy's terms"}))
		return
	}
	v.Add(decision.Condition(v1alpha1.ConditionRequestsReady, metav1.ConditionFalse, *problem))
	if !decision.HasReason(f.Policy.Status.Conditions, v1alpha1.ConditionRequestsReady, problem.Reason) {
		v.Record(decision.Entry{Event: problem.Reason, Message: problem.Message, Warning: true, Actor: v1alpha1.ActorOperator})
	}
}

// unrequestable says why no request can be admitted; nil where one can.
func unrequestable(f *Facts) *access.Problem {
	const affects = "no request is admitted until then; members and grants are not affected"
	if _, err := rule.RulesOf(f.Policy.RequestTerms().Rules); err != nil {
		return decision.Problem(v1alpha1.ReasonInvalidRule, "%s; %s", err, affects)
	}
	if f.Instance == nil {
		return decision.Problem(v1alpha1.ReasonInstanceNotFound, "there is no AirflowInstance whose users could be requesters: create it")
	}
	if f.Instance.Spec.Identity == nil {
		return decision.Problem(v1alpha1.ReasonIdentityMissing, "the AirflowInstance does not say which of its users a requester is: set spec.identity there; %s", affects)
	}
	if _, err := rule.IdentityOf(f.Instance.Spec.Identity); err != nil {
		return decision.Problem(v1alpha1.ReasonInvalidIdentity, "%s; %s", err, affects)
	}
	return nil
}

// without returns the conditions of other types. What it is given stays as it is.
func without(conditions []metav1.Condition, conditionType string) []metav1.Condition {
	out := make([]metav1.Condition, 0, len(conditions)+1)
	for _, c := range conditions {
		if c.Type != conditionType {
			out = append(out, c)
		}
	}
	return out
}
