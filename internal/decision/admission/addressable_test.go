package admission_test

import (
	"testing"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/decision"
	"github.com/airflow-oam/airflow-oam/internal/decision/admission"
)

// TestK1SubjectsThatCannotBeAddressedAreRefused: by name before anything was observed, by e-mail as soon as users are known.
func TestK1SubjectsThatCannotBeAddressedAreRefused(t *testing.T) {
	known := &decision.Observation{Users: access.NewDirectory([]access.User{{Username: "assumed-role/dana", Email: "dana@example.com"}}, "")}
	for name, tc := range map[string]struct {
		subject  v1alpha1.Subject
		observed *decision.Observation
		refused  bool
	}{
		"by name, not observed":   {v1alpha1.Subject{Username: "assumed-role/dana"}, nil, true},
		"by name":                 {v1alpha1.Subject{Username: "assumed-role/dana"}, known, true},
		"by e-mail, not observed": {v1alpha1.Subject{Email: "dana@example.com"}, nil, false},
		"by e-mail":               {v1alpha1.Subject{Email: "dana@example.com"}, known, true},
		"another user":            {v1alpha1.Subject{Username: "dana"}, known, false},
	} {
		t.Run(name, func(t *testing.T) {
			var problem *access.Problem
			for _, check := range admission.Checks() {
				if check.Name == "the subject may have access" {
					problem = check.Refuse(admission.Asked{Subject: tc.subject, Observed: tc.observed})
				}
			}
			if refused := problem != nil; refused != tc.refused {
				t.Fatalf("problem %+v", problem)
			}
			if problem != nil && problem.Reason != v1alpha1.ReasonSubjectNotAddressable {
				t.Errorf("problem %+v", problem)
			}
		})
	}
}
