package decision

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
)

// Shown is how many names a message lists at most.
const Shown = 8

// Problem makes a problem of a reason word and a sentence.
func Problem(reason, format string, args ...any) *access.Problem {
	return &access.Problem{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Condition is the condition of a type that says what a problem says.
func Condition(conditionType string, status metav1.ConditionStatus, p access.Problem) metav1.Condition {
	return metav1.Condition{Type: conditionType, Status: status, Reason: p.Reason, Message: p.Message}
}

// LeastPrivilege is the condition that reports whether users can do no more than was granted to them: True for
// AsGranted, else False. It is nil where a pass found nothing out, which an empty reason means.
func LeastPrivilege(finding access.Problem) []metav1.Condition {
	switch finding.Reason {
	case "":
		return nil
	case v1alpha1.ReasonAsGranted:
		return []metav1.Condition{Condition(v1alpha1.ConditionLeastPrivilege, yes, finding)}
	}
	return []metav1.Condition{Condition(v1alpha1.ConditionLeastPrivilege, no, finding)}
}

// Excess returns the entry that reports users who can do more than was granted to them, where it is new: neither stored nor
// the conclusion itself.
func Excess(stored, found []metav1.Condition, c Conclusion) []Entry {
	var news []Entry
	for _, least := range found {
		switch {
		case least.Status == yes, least.Reason == c.Reason, HasReason(stored, v1alpha1.ConditionLeastPrivilege, least.Reason):
		default:
			news = append(news, Entry{Event: least.Reason, Message: least.Message, Warning: true, Actor: v1alpha1.ActorOperator})
		}
	}
	return news
}
