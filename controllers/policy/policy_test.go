package policy

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/controllers/kind"
	"github.com/airflow-oam/airflow-oam/internal/access"
)

func TestAReportWakesThePoliciesAboutWhichItSaysSomethingElse(t *testing.T) {
	away := func(until time.Time) *kind.Report {
		report := &kind.Report{Policies: map[types.NamespacedName]access.PolicyReport{}}
		for _, name := range []string{"same", "other"} {
			report.Policies[types.NamespacedName{Name: name}] = access.PolicyReport{Desire: access.PolicyDesire{
				Away: []access.AwayDag{{ID: "finance_daily", Until: metav1.NewTime(time.Unix(1000, 0))}},
			}}
		}
		report.Policies[types.NamespacedName{Name: "other"}].Desire.Away[0].Until = metav1.NewTime(until)
		return report
	}
	_, woken := wakes(nil, away(time.Unix(1000, 0)), away(time.Unix(2000, 0)))
	if len(woken) != 1 || woken[0].Name != "other" {
		t.Errorf("woken: %v", woken)
	}
}
