package policy_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/decision/policy"
)

var update = flag.Bool("update", false, "write the golden files anew")

// requested are facts of a policy under which access can be requested, changed.
func requested(change func(*policy.Facts)) func(*policy.Facts) {
	return func(f *policy.Facts) {
		none := int32(0)
		f.Policy.Spec.Grants.Requests = &v1alpha1.RequestTerms{
			Approvers: &v1alpha1.Approvers{Groups: []string{"finance-leads"}}, Approvals: new(int32(1)),
			Rules: []v1alpha1.RequestRule{{Name: "on-call", When: "duration <= duration('30m')", Approvals: &none}},
		}
		f.Instance.Spec.Identity = &v1alpha1.Identity{Email: "requester"}
		change(f)
	}
}

// TestMessages is a page of what users read, to be reviewed: the messages of a policy in every state.
func TestMessages(t *testing.T) {
	deleted := func(change func(*policy.Facts)) func(*policy.Facts) {
		return func(f *policy.Facts) {
			f.Policy.DeletionTimestamp = new(at(0))
			change(f)
		}
	}
	cases := map[string]func(*policy.Facts){
		"in sync":                     func(*policy.Facts) {},
		"a pattern that is none":      func(f *policy.Facts) { f.Policy.Spec.Grants.Reason.Pattern = "(" },
		"a selector that is none":     func(f *policy.Facts) { f.Policy.Spec.Dags = []v1alpha1.DagSelector{{}} },
		"no instance":                 func(f *policy.Facts) { f.Instance, f.View = nil, nil },
		"not compared yet":            func(f *policy.Facts) { f.View = nil },
		"the instance is unreachable": func(f *policy.Facts) { f.View = &policy.View{} },
		"not observed for too long":   func(f *policy.Facts) { f.Now = t0.Add(30 * time.Minute) },
		"suspended":                   func(f *policy.Facts) { f.Policy.Spec.State = v1alpha1.PolicySuspended },
		"mode Observe":                func(f *policy.Facts) { f.Instance.Spec.Mode = v1alpha1.ModeObserve },
		"not applied yet":             func(f *policy.Facts) { f.View.Report.Proof = access.PolicyProof{} },
		"DAGs are unknown and members missing": func(f *policy.Facts) {
			f.View.Report.Desire.Pending = []string{"finance_new"}
			f.View.Report.Desire.Unresolved = []access.Problem{{Reason: v1alpha1.ReasonUserNotFound, Message: "there is no user zoe"}, {Reason: v1alpha1.ReasonUserNotFound}}
		},
		"its selectors match nothing (K4)": func(f *policy.Facts) { matching(f, access.MatchingNone) },
		"its selectors match something":    func(f *policy.Facts) { matching(f, access.MatchingSome, "a") },
		"DAGs are stale or missing (K4)": func(f *policy.Facts) {
			matching(f, access.MatchingSome, "a")
			f.View.Report.Desire.Away = []access.AwayDag{{ID: "finance_daily", Until: metav1.NewTime(t0.Add(time.Hour))}, {ID: "finance_weekly", Until: metav1.NewTime(t0.Add(90 * time.Minute))}}
		},
		"refused in front of Airflow (K1)": func(f *policy.Facts) {
			f.View.Report.Proof = access.PolicyProof{Differences: []string{"role finance is missing"}}
			f.View.Report.Failures = []string{"CreateRole of role finance: refused"}
			f.View.Report.Refusal = &access.Problem{Reason: v1alpha1.ReasonRefusedInFront, Message: "CreateRole of role finance: refused, to a request of 9012 bytes"}
		},
		"no role and no DAG list (K1)": func(f *policy.Facts) {
			f.View.Report.Proof = access.PolicyProof{}
			f.View.Report.Desire.Notes = []access.Problem{{Reason: v1alpha1.ReasonDagListUnreadable, Message: "the DAG list of Airflow cannot be read"}}
		},
		"requests":                     requested(func(*policy.Facts) {}),
		"a rule that does not compile": requested(func(f *policy.Facts) { f.Policy.Spec.Grants.Requests.Rules[0].When = "requester in groups" }),
		"an instance without identity": requested(func(f *policy.Facts) { f.Instance.Spec.Identity = nil }),
		"an identity that is none":     requested(func(f *policy.Facts) { f.Instance.Spec.Identity.Email = "request.user" }),
		"deleted, its grants remain":   deleted(func(f *policy.Facts) { f.Unended = 1 }),
		"deleted, its role remains":    deleted(func(*policy.Facts) {}),
		"deleted, confirmed":           deleted(func(f *policy.Facts) { f.View.Inventory = nil }),
		"deleted, never applied":       deleted(func(f *policy.Facts) { f.View = &policy.View{} }),
		"deleted, without an instance": deleted(func(f *policy.Facts) { f.Instance, f.View = nil, nil }),
	}
	page := &strings.Builder{}
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		f := policyWorld()
		cases[name](f)
		fmt.Fprintln(page, name)
		said := ""
		for _, c := range policy.Decide(*f).Conditions {
			if c.Message != said || c.Status != metav1.ConditionTrue {
				fmt.Fprintf(page, "    %s=%s/%s: %s\n", c.Type, c.Status, c.Reason, c.Message)
			}
			said = c.Message
		}
	}
	file := filepath.Join("testdata", "messages.golden")
	if *update {
		if err := os.WriteFile(file, []byte(page.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), page.String()); diff != "" {
		t.Errorf("run the test with -update when this is right:\n%s", diff)
	}
}
