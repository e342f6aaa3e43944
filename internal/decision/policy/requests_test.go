package policy_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/decision/policy"
)

// others are the conditions of a verdict besides the one for requests.
func others(v policy.Verdict) []metav1.Condition {
	conditions := slices.Clone(v.Conditions)
	meta.RemoveStatusCondition(&conditions, v1alpha1.ConditionRequestsReady)
	return conditions
}

// What is wrong with requests is reported, and changes nothing else of a policy: not while it is in sync, refused, paused,
// or not observed.
func TestRequestsAreNoMatterOfMembersAndGrants(t *testing.T) {
	broken := map[string]struct {
		change func(*policy.Facts)
		want   string
	}{
		"a rule": {func(f *policy.Facts) { f.Policy.Spec.Grants.Requests.Rules[0].When = "true &&" }, v1alpha1.ReasonInvalidRule},
		"a rule and identity": {func(f *policy.Facts) {
			f.Policy.Spec.Grants.Requests.Rules[0].When, f.Instance.Spec.Identity = "1", nil
		}, v1alpha1.ReasonInvalidRule},
		"no identity":   {func(f *policy.Facts) { f.Instance.Spec.Identity = nil }, v1alpha1.ReasonIdentityMissing},
		"odd identity":  {func(f *policy.Facts) { f.Instance.Spec.Identity.Email = "reason" }, v1alpha1.ReasonInvalidIdentity},
		"both in order": {func(*policy.Facts) {}, ""},
	}
	states := map[string]func(*policy.Facts){
		"in sync":        func(*policy.Facts) {},
		"refused":        func(f *policy.Facts) { f.Policy.Spec.Grants.Reason.Pattern = "(" },
		"suspended":      func(f *policy.Facts) { f.Policy.Spec.State = v1alpha1.PolicySuspended },
		"first pass":     func(f *policy.Facts) { f.View = nil },
		"not observed":   func(f *policy.Facts) { f.Now = t0.Add(30 * time.Minute) },
		"observed again": func(f *policy.Facts) { f.View.Report.Proof.InSync = false },
	}
	for name, test := range broken {
		for state, change := range states {
			t.Run(name+", "+state, func(t *testing.T) {
				f := policyWorld()
				requested(change)(f)
				sound := policy.Decide(*f)
				test.change(f)
				v := settlePolicy(t, f)
				if diff := cmp.Diff(others(sound), others(v)); diff != "" {
					t.Errorf("other conditions changed: %s", diff)
				}
				c := meta.FindStatusCondition(v.Conditions, v1alpha1.ConditionRequestsReady)
				if c == nil {
					t.Fatal("the condition is missing")
				}
				told := 0
				for _, e := range v.Entries {
					if e.Event == test.want && e.Warning {
						told++
					}
				}
				switch {
				case test.want == "":
					if c.Status != metav1.ConditionTrue || c.Reason != v1alpha1.ReasonRequestsReady {
						t.Errorf("%+v", c)
					}
				case c.Status != metav1.ConditionFalse, c.Reason != test.want, strings.ContainsAny(c.Message, "\n\r"), told != 1:
					t.Errorf("%+v, told %d times", c, told)
				}
			})
		}
	}
}

// What is stored is decided anew where the rest of a status is retained.
func TestRequestsAreJudgedWithoutAPass(t *testing.T) {
	f := policyWorld()
	requested(func(f *policy.Facts) { f.Policy.Spec.Grants.Requests.Rules[0].When = "1" })(f)
	f.Since = t0.Add(-time.Minute)
	settlePolicy(t, f)
	f.View = nil
	f.Policy.Spec.Grants.Requests.Rules[0].When = "true"
	v := settlePolicy(t, f)
	if !meta.IsStatusConditionTrue(v.Conditions, v1alpha1.ConditionRequestsReady) || !meta.IsStatusConditionTrue(v.Conditions, v1alpha1.ConditionInSync) {
		t.Errorf("%+v", v.Conditions)
	}
	f.Policy.Spec.Grants.Requests = nil
	if c := meta.FindStatusCondition(settlePolicy(t, f).Conditions, v1alpha1.ConditionRequestsReady); c != nil {
		t.Errorf("without terms for requests there is %+v", c)
	}
}
