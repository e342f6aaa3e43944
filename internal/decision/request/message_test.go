package request_test

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
	"github.com/airflow-oam/airflow-oam/internal/decision/request"
	"github.com/airflow-oam/airflow-oam/internal/status"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestMessages is a page of what users read, to be reviewed: the message of Ready for every state and refusal.
func TestMessages(t *testing.T) {
	page := &strings.Builder{}
	fmt.Fprintln(page, "BEFORE THE ADMISSION")
	for _, name := range slices.Sorted(maps.Keys(notAdmitted)) {
		f := world()
		notAdmitted[name].change(f)
		write(page, name, request.Decide(*f))
	}
	fmt.Fprintln(page, "\nAFTER THE ADMISSION")
	named := func(f *request.Facts) { f.Request.Spec.Dags = []string{"finance_daily"} }
	for name, f := range inOrder(map[string]func() *request.Facts{
		"it waits":                 func() *request.Facts { return waiting(t) },
		"it waits for owners, too": func() *request.Facts { return waiting(t, named) },
		"nobody can decide": func() *request.Facts {
			return waiting(t, func(f *request.Facts) { requests(f).Approvers = &v1alpha1.Approvers{Owners: true} })
		},
		"one of two agreed": func() *request.Facts {
			f := waiting(t, func(f *request.Facts) { requests(f).Approvals = new(int32(2)) })
			vote(f, "carol@example.com", v1alpha1.VoteApprove)
			return f
		},
		"too many without a vote": func() *request.Facts {
			f := world()
			requests(f).Approvals, f.Automatic = new(int32(0)), 4
			return f
		},
		"enough agreed while Airflow is unreachable": func() *request.Facts {
			f := waiting(t)
			f.Observed.Reachable = false
			vote(f, "carol@example.com", v1alpha1.VoteApprove)
			return f
		},
		"enough agreed": func() *request.Facts {
			f := waiting(t)
			vote(f, "carol@example.com", v1alpha1.VoteApprove)
			return f
		},
		"no vote is needed by a rule": func() *request.Facts {
			f := world()
			rules(f, v1alpha1.RequestRule{Name: "trusted", Approvals: new(int32(0))})
			return f
		},
		"no vote is needed": func() *request.Facts { f := world(); requests(f).Approvals = new(int32(0)); return f },
		"an emergency":      func() *request.Facts { f := world(); emergency(f); return f },
		"an emergency that was not reviewed in time": func() *request.Facts { return later(urgent(t), 24*time.Hour) },
		"an emergency that was reviewed": func() *request.Facts {
			f := urgent(t)
			vote(f, "carol@example.com", v1alpha1.VoteReviewed)
			return f
		},
		"denied": func() *request.Facts {
			f := waiting(t)
			vote(f, "carol@example.com", v1alpha1.VoteDeny)
			f.Request.Spec.Votes[0].Comment = "use the report instead"
			return f
		},
		"denied by a rule": func() *request.Facts {
			f := world()
			rules(f, v1alpha1.RequestRule{Name: "freeze", Deny: "no access at weekends; call the duty manager"})
			return f
		},
		"not decided in time": func() *request.Facts { return later(waiting(t), 4*time.Hour) },
		"not admitted in time": func() *request.Facts {
			f := world()
			f.Request.Spec.Reason = "please"
			pass(t, f)
			return later(f, 4*time.Hour)
		},
		"its policy is deleted":        func() *request.Facts { f := waiting(t); f.Policy = nil; return f },
		"its policy is created again":  func() *request.Facts { f := waiting(t); f.Policy.UID = "other"; return f },
		"its policy takes no requests": func() *request.Facts { f := waiting(t); f.Policy.Spec.Grants.Requests = nil; return f },
		"no level is left": func() *request.Facts {
			f := waiting(t, func(f *request.Facts) { f.Request.Spec.Access = []v1alpha1.AccessLevel{v1alpha1.AccessTrigger} })
			f.Policy.Spec.Access = []v1alpha1.AccessLevel{v1alpha1.AccessView}
			vote(f, "carol@example.com", v1alpha1.VoteApprove)
			return f
		},
		"withdrawn":                           func() *request.Facts { f := waiting(t); f.Request.Spec.Withdrawn = true; return f },
		"withdrawn after the decision":        func() *request.Facts { f := agreed(t); f.Request.Spec.Withdrawn = true; return f },
		"its grant was made":                  func() *request.Facts { f := agreed(t); made(f, pass(t, f)); return f },
		"the grant's name is taken":           func() *request.Facts { f := agreed(t); f.Grant = &v1alpha1.AccessGrant{}; return f },
		"its grant comes too late":            func() *request.Facts { return later(agreed(t), 24*time.Hour) },
		"its policy is gone before the grant": func() *request.Facts { f := agreed(t); f.Policy = nil; return f },
		"it is being deleted":                 func() *request.Facts { f := waiting(t); f.Request.DeletionTimestamp = new(at(0)); return f },
	}) {
		v := request.Decide(*f)
		if v.NeedsProof {
			f.Proved = request.Proof{At: f.Now}
			v = request.Decide(*f)
		}
		write(page, name, v)
	}
	file := filepath.Join("testdata", "messages.golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o750); err != nil {
			t.Fatal(err)
		}
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

// inOrder makes facts one after the other, sorted by their name.
func inOrder(cases map[string]func() *request.Facts) func(yield func(string, *request.Facts) bool) {
	return func(yield func(string, *request.Facts) bool) {
		for _, name := range slices.Sorted(maps.Keys(cases)) {
			if !yield(name, cases[name]()) {
				return
			}
		}
	}
}

// write adds to the page what a verdict says: Ready, the other conditions where they say something else, and the entries with
// another text.
func write(page *strings.Builder, name string, v request.Verdict) {
	ready := status.Find(v.Conditions, v1alpha1.ConditionReady)
	fmt.Fprintf(page, "%s\n    %s, Ready=%s/%s: %s\n", name, v.Status.Phase, ready.Status, ready.Reason, ready.Message)
	for _, conditionType := range []string{v1alpha1.ConditionAdmitted, v1alpha1.ConditionApproved, v1alpha1.ConditionReviewed} {
		c := status.Find(v.Conditions, conditionType)
		if c == nil || c.Reason == ready.Reason || c.Reason == v1alpha1.ReasonAdmitted {
			continue
		}
		fmt.Fprintf(page, "    %s=%s/%s: %s\n", c.Type, c.Status, c.Reason, c.Message)
	}
	for _, entry := range v.Entries {
		if entry.Message != ready.Message {
			fmt.Fprintf(page, "    history: %s by %s: %s\n", entry.Event, entry.Actor, entry.Message)
		}
	}
}
