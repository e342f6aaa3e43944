package rolename

import (
	"testing"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
)

func levels(names ...v1alpha1.AccessLevel) []v1alpha1.AccessLevel { return names }

func TestTermsOf(t *testing.T) {
	pools := v1alpha1.AirflowPermission{Action: permission.CanRead, Resource: "Pools"}
	for sentence, c := range map[string]struct {
		pinned v1alpha1.Activation
		today  v1alpha1.DagAccessPolicySpec
		whole  bool
	}{
		"equal terms are carried by the policy's role":          {v1alpha1.Activation{Access: levels("Trigger")}, v1alpha1.DagAccessPolicySpec{Access: levels("View", "Trigger")}, true},
		"a wider policy is not reached":                         {v1alpha1.Activation{Access: levels("View")}, v1alpha1.DagAccessPolicySpec{Access: levels("View", "Trigger")}, false},
		"a narrower policy is":                                  {v1alpha1.Activation{Access: levels("View", "Trigger")}, v1alpha1.DagAccessPolicySpec{Access: levels("View")}, true},
		"a new pair makes the policy wider":                     {v1alpha1.Activation{Access: levels("View")}, v1alpha1.DagAccessPolicySpec{Access: levels("View"), AirflowPermissions: []v1alpha1.AirflowPermission{pools}}, false},
		"narrowed DAGs always have a role of their own":         {v1alpha1.Activation{Access: levels("View"), Dags: []string{"a"}}, v1alpha1.DagAccessPolicySpec{Access: levels("View")}, false},
		"narrowed grants hold no pairs, whatever is pinned":     {v1alpha1.Activation{Access: levels("View"), Dags: []string{"a"}, AirflowPermissions: []v1alpha1.AirflowPermission{pools}}, v1alpha1.DagAccessPolicySpec{Access: levels("View"), AirflowPermissions: []v1alpha1.AirflowPermission{pools}}, false},
		"pinned pairs that the policy still has are carried on": {v1alpha1.Activation{Access: levels("View"), AirflowPermissions: []v1alpha1.AirflowPermission{pools}}, v1alpha1.DagAccessPolicySpec{Access: levels("View"), AirflowPermissions: []v1alpha1.AirflowPermission{pools}}, true},
	} {
		t.Run(sentence, func(t *testing.T) {
			terms := TermsOf(&c.pinned, &v1alpha1.DagAccessPolicy{Spec: c.today})
			if terms.Whole != c.whole {
				t.Errorf("whole is %v", terms.Whole)
			}
			if terms.Dags != nil && terms.AirflowPermissions != nil {
				t.Errorf("narrowed terms hold %v", terms.AirflowPermissions)
			}
		})
	}
}
