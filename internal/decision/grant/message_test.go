package grant_test

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

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/decision/grant"
	"github.com/airflow-oam/airflow-oam/internal/status"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestMessages is a page of what users read, to be reviewed: the message of Ready for every state and refusal.
func TestMessages(t *testing.T) {
	waiting := map[string]func(*grant.Facts){
		"activated":                      func(*grant.Facts) {},
		"a copy from a backup":           func(f *grant.Facts) { f.Grant.Annotations = map[string]string{v1alpha1.GivenAsAnnotation: "first"} },
		"no policy":                      func(f *grant.Facts) { f.Policy = nil },
		"a policy without terms":         func(f *grant.Facts) { f.Policy.Spec.Grants = nil },
		"another namespace":              func(f *grant.Facts) { f.NamespaceAllowed = false },
		"too long":                       func(f *grant.Facts) { f.Grant.Spec.Duration = span(9 * time.Hour) },
		"too far ahead":                  func(f *grant.Facts) { f.Grant.Spec.StartsAt = new(at(200 * time.Hour)) },
		"an end before the start":        func(f *grant.Facts) { f.Grant.Spec.Duration = span(-time.Hour) },
		"too short":                      func(f *grant.Facts) { f.Grant.Spec.Duration = span(30 * time.Second) },
		"another reason":                 func(f *grant.Facts) { f.Grant.Spec.Reason = "because" },
		"another reason, without a hint": func(f *grant.Facts) { f.Grant.Spec.Reason, f.Policy.Spec.Grants.Reason.Hint = "because", "" },
		"a pattern that is none":         func(f *grant.Facts) { f.Policy.Spec.Grants.Reason.Pattern = "(" },
		"more than the policy's access":  func(f *grant.Facts) { f.Grant.Spec.Access = []v1alpha1.AccessLevel{"EditTasks", "Pause"} },
		"a refused policy":               func(f *grant.Facts) { f.Observed.Policy.Desire.Refused = &access.Problem{Reason: "RoleNameTaken"} },
		"more than the policy's DAGs": func(f *grant.Facts) {
			f.Grant.Spec.Dags = []string{"finance_daily", "finance_payroll", "marketing_report"}
		},
		"a start in the future":                  func(f *grant.Facts) { f.Grant.Spec.StartsAt = new(at(time.Hour)) },
		"no instance":                            func(f *grant.Facts) { f.Instance = nil },
		"an instance that is deleted":            func(f *grant.Facts) { f.Instance.DeletionTimestamp = new(at(0)) },
		"mode Observe":                           func(f *grant.Facts) { f.Instance.Spec.Mode = v1alpha1.ModeObserve },
		"mode Suspended":                         func(f *grant.Facts) { f.Instance.Spec.Mode = v1alpha1.ModeSuspended },
		"a suspended policy":                     func(f *grant.Facts) { f.Policy.Spec.State = v1alpha1.PolicySuspended },
		"no observation":                         func(f *grant.Facts) { f.Observed = nil },
		"an Airflow in which nothing is granted": func(f *grant.Facts) { f.Observed.Giving = access.OnlyRevoking("ClockSkew", "clocks differ") },
		"a policy that was changed":              func(f *grant.Facts) { f.Observed.Policy.Generation = 2 },
		"a DAG that is not there":                func(f *grant.Facts) { f.Grant.Spec.Dags = []string{"finance_new"} },
		"a deletion before the activation":       func(f *grant.Facts) { f.Grant.DeletionTimestamp = new(at(0)) },
		"a twin that was ended early": func(f *grant.Facts) {
			expires(f)
			f.Instance.Status.Spent = []v1alpha1.SpentGrant{{Digest: grant.Digest(f.Grant), Until: at(time.Hour)}}
		},
		"an end in the past":      func(f *grant.Facts) { expires(f); f.Grant.Spec.ExpiresAt = new(at(-time.Minute)) },
		"a start in the past":     func(f *grant.Facts) { f.Grant.Spec.StartsAt = new(at(-2 * time.Hour)) },
		"a user who is not there": func(f *grant.Facts) { f.Grant.Spec.Subject.Username = "zoe" },
		"a user who did not come in time": func(f *grant.Facts) {
			f.Now, f.Observed.Users = t0.Add(25*time.Hour), access.NewDirectory(nil, "operator")
		},
	}
	after := map[string]func(*grant.Facts){
		"confirmed":                  func(*grant.Facts) {},
		"missing":                    func(f *grant.Facts) { f.Report.Proof.Present = false },
		"no DAG at present":          func(f *grant.Facts) { f.Report.Proof.Empty, f.Report.Desire.Pending = true, []string{"finance_daily"} },
		"no DAG of a whole policy":   func(f *grant.Facts) { f.Report.Proof.Empty = true },
		"not observed for too long":  func(f *grant.Facts) { f.Now = t0.Add(30 * time.Minute) },
		"its time is over":           func(f *grant.Facts) { f.Now = t0.Add(time.Hour) },
		"revoked":                    func(f *grant.Facts) { f.Grant.Spec.Revoke = &v1alpha1.Revocation{Reason: "laptop lost"} },
		"deleted":                    func(f *grant.Facts) { f.Grant.DeletionTimestamp = new(at(0)) },
		"its policy is deleted":      func(f *grant.Facts) { f.Policy = nil },
		"its policy has no terms":    func(f *grant.Facts) { f.Policy.Spec.Grants = nil },
		"its user is another":        func(f *grant.Facts) { f.Report.Desire.Problem = &access.Problem{Reason: v1alpha1.ReasonSubjectChanged} },
		"its instance is gone":       func(f *grant.Facts) { f.Instance, f.Observed, f.Report = nil, nil, nil },
		"a longer time than allowed": func(f *grant.Facts) { f.Grant.Spec.Duration = span(20 * time.Hour) },
		"a later end while suspended": func(f *grant.Facts) {
			f.Grant.Spec.Duration, f.Policy.Spec.State = span(2*time.Hour), v1alpha1.PolicySuspended
		},
		"its removal is confirmed": func(f *grant.Facts) { f.Now = t0.Add(time.Hour); seen(f, time.Hour, false) },
		"its end is moved after it": func(f *grant.Facts) {
			f.Now = t0.Add(time.Hour)
			settle(t, f)
			f.Grant.Spec.Duration, f.Grant.Generation = span(5*time.Hour), 2
		},
	}
	page := &strings.Builder{}
	fmt.Fprintln(page, "BEFORE THE ACTIVATION")
	for _, name := range slices.Sorted(maps.Keys(waiting)) {
		f := world()
		waiting[name](f)
		write(page, name, grant.Decide(*f))
	}
	fmt.Fprintln(page, "\nAFTER THE ACTIVATION")
	for _, name := range slices.Sorted(maps.Keys(after)) {
		f := live(t)
		after[name](f)
		write(page, name, grant.Decide(*f))
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

// write adds to the page what a verdict says: Ready, Admitted where it says something else, and the entries with another text.
func write(page *strings.Builder, name string, v grant.Verdict) {
	ready := status.Find(v.Conditions, v1alpha1.ConditionReady)
	fmt.Fprintf(page, "%s\n    %s, Ready=%s/%s: %s\n", name, v.Phase, ready.Status, ready.Reason, ready.Message)
	admitted := status.Find(v.Conditions, v1alpha1.ConditionAdmitted)
	if said := []string{ready.Reason, v1alpha1.ReasonAdmitted}; !slices.Contains(said, admitted.Reason) {
		fmt.Fprintf(page, "    Admitted=%s/%s: %s\n", admitted.Status, admitted.Reason, admitted.Message)
	}
	for _, entry := range v.Entries {
		if entry.Message != ready.Message {
			fmt.Fprintf(page, "    history: %s: %s\n", entry.Event, entry.Message)
		}
	}
}
