package request_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/dag"
	"github.com/airflow-oam/airflow-oam/internal/decision/request"
)

// requests are the policy's terms for requests.
func requests(f *request.Facts) *v1alpha1.RequestTerms { return f.Policy.Spec.Grants.Requests }

// emergency makes the request an emergency of the group on call.
func emergency(f *request.Facts) {
	f.Request.Spec.Emergency, f.Request.Spec.Groups, f.Request.Spec.Duration = true, []string{"oncall"}, span(time.Hour)
}

const (
	ready, stalled, working = "True", "Stalled", "Reconciling"
)

// notAdmitted are requests that are not admitted, with the reason and what stands beside Ready.
var notAdmitted = map[string]struct {
	change func(*request.Facts)
	reason string
	is     string
}{
	"its policy does not exist":     {func(f *request.Facts) { f.Policy = nil }, v1alpha1.ReasonPolicyNotFound, working},
	"its policy is being deleted":   {func(f *request.Facts) { f.Policy.DeletionTimestamp = new(at(0)) }, v1alpha1.ReasonPolicyNotFound, working},
	"its policy takes no grants":    {func(f *request.Facts) { f.Policy.Spec.Grants = nil }, v1alpha1.ReasonRequestsNotAllowed, stalled},
	"its policy takes no requests":  {func(f *request.Facts) { f.Policy.Spec.Grants.Requests = nil }, v1alpha1.ReasonRequestsNotAllowed, stalled},
	"its namespace is not allowed":  {func(f *request.Facts) { f.NamespaceAllowed = false }, v1alpha1.ReasonNamespaceNotAllowed, stalled},
	"its requester may not ask":     {func(f *request.Facts) { requests(f).Requesters = &v1alpha1.People{Users: []string{"bob@example.com"}} }, v1alpha1.ReasonRequesterNotAllowed, stalled},
	"its requester says no group":   {func(f *request.Facts) { requests(f).Requesters = &v1alpha1.People{Groups: []string{"data"}} }, v1alpha1.ReasonRequesterNotAllowed, stalled},
	"there are no emergencies":      {func(f *request.Facts) { emergency(f); requests(f).Emergency = nil }, v1alpha1.ReasonEmergencyNotAllowed, stalled},
	"its emergency is by no group":  {func(f *request.Facts) { emergency(f); f.Request.Spec.Groups = nil }, v1alpha1.ReasonEmergencyNotAllowed, stalled},
	"its emergency is too long":     {func(f *request.Facts) { emergency(f); f.Request.Spec.Duration = span(61 * time.Minute) }, v1alpha1.ReasonTooLong, stalled},
	"an earlier review is overdue":  {func(f *request.Facts) { emergency(f); f.Overdue = []string{"page-1"} }, v1alpha1.ReasonReviewOverdue, stalled},
	"there is no instance":          {func(f *request.Facts) { f.Instance = nil }, v1alpha1.ReasonInstanceNotFound, working},
	"its instance is being deleted": {func(f *request.Facts) { f.Instance.DeletionTimestamp = new(at(0)) }, v1alpha1.ReasonInstanceNotReady, working},
	"nobody is mapped":              {func(f *request.Facts) { f.Instance.Spec.Identity = nil }, v1alpha1.ReasonSubjectUnmapped, stalled},
	"its requester is not mapped":   {func(f *request.Facts) { f.Request.Spec.Requester = "alice" }, v1alpha1.ReasonSubjectUnmapped, stalled},
	"the identity does not compile": {func(f *request.Facts) { f.Instance.Spec.Identity.Email = "requester +" }, v1alpha1.ReasonInvalidIdentity, stalled},
	"it is too long":                {func(f *request.Facts) { f.Request.Spec.Duration = span(9 * time.Hour) }, v1alpha1.ReasonTooLong, stalled},
	"it is too short":               {func(f *request.Facts) { f.Request.Spec.Duration = span(59 * time.Second) }, v1alpha1.ReasonTooShort, stalled},
	"it starts too far ahead":       {func(f *request.Facts) { f.Request.Spec.StartsAt = new(at(169 * time.Hour)) }, v1alpha1.ReasonTooFarAhead, stalled},
	"its reason does not match":     {func(f *request.Facts) { f.Request.Spec.Reason = "please" }, v1alpha1.ReasonReasonMismatch, stalled},
	"its levels are not covered":    {func(f *request.Facts) { f.Request.Spec.Access = []v1alpha1.AccessLevel{"DeleteDag"} }, v1alpha1.ReasonAccessNotCovered, stalled},
	"its DAG is not covered":        {func(f *request.Facts) { f.Request.Spec.Dags = []string{"finance_payroll"} }, v1alpha1.ReasonDagsNotCovered, stalled},
	"its DAG is not known":          {func(f *request.Facts) { f.Request.Spec.Dags = []string{"finance_new"} }, v1alpha1.ReasonDagPending, ready},
	"its policy is refused":         {func(f *request.Facts) { f.Observed.Policy.Desire.Refused = &access.Problem{Reason: "RoleNameTaken"} }, v1alpha1.ReasonPolicyRefused, stalled},
	"its policy is suspended":       {func(f *request.Facts) { f.Policy.Spec.State = v1alpha1.PolicySuspended }, v1alpha1.ReasonPolicySuspended, ready},
	"its instance only observes":    {func(f *request.Facts) { f.Instance.Spec.Mode = v1alpha1.ModeObserve }, v1alpha1.ReasonInstanceObserving, ready},
	"its instance is suspended":     {func(f *request.Facts) { f.Instance.Spec.Mode = v1alpha1.ModeSuspended }, v1alpha1.ReasonInstanceSuspended, ready},
	"Airflow was not observed":      {func(f *request.Facts) { f.Observed = nil }, v1alpha1.ReasonInstanceNotReady, working},
	"Airflow is unreachable":        {func(f *request.Facts) { f.Observed.Reachable = false }, v1alpha1.ReasonInstanceNotReady, working},
	"its policy was changed":        {func(f *request.Facts) { f.Policy.Generation = 4 }, v1alpha1.ReasonInstanceNotReady, working},
	"its subject is the operator":   {func(f *request.Facts) { f.Request.Spec.Requester = "operator@example.com" }, v1alpha1.ReasonSubjectReserved, stalled},
	"its subject is no name in a path": {func(f *request.Facts) {
		f.Observed.Users = access.NewDirectory([]access.User{{Username: "assumed/alice", Email: "alice@example.com"}}, "operator")
	}, v1alpha1.ReasonSubjectNotAddressable, stalled},
	"its subject is ambiguous": {func(f *request.Facts) {
		f.Observed.Users = access.NewDirectory([]access.User{{Username: "a", Email: "alice@example.com"}, {Username: "b", Email: "Alice@example.com"}}, "operator")
	}, v1alpha1.ReasonSubjectAmbiguous, stalled},
	"ten others are pending": {func(f *request.Facts) { f.Open = 10 }, v1alpha1.ReasonTooManyOpen, stalled},
	"names are not proved":   {func(f *request.Facts) { f.Proved.Err = errors.New("the policy is not bound") }, v1alpha1.ReasonAdmissionNotProved, stalled},
	"a rule does not compile": {func(f *request.Facts) {
		rules(f, v1alpha1.RequestRule{Name: "odd", When: "duration <=", Approvals: new(int32(0))})
	}, v1alpha1.ReasonInvalidRule, stalled},
	"a rule fails": {func(f *request.Facts) {
		rules(f, v1alpha1.RequestRule{Name: "odd", When: "dags[0].id == 'a'", Approvals: new(int32(0))})
	}, v1alpha1.ReasonRuleFailed, stalled},
}

func rules(f *request.Facts, rules ...v1alpha1.RequestRule) { requests(f).Rules = rules }

func TestARequestThatMayNotBeWaitsUntilSomethingChanges(t *testing.T) {
	for name, c := range notAdmitted {
		t.Run(name, func(t *testing.T) {
			f := world()
			c.change(f)
			v := pass(t, f)
			beside := map[string]string{ready: "True/", stalled: "False/", working: "False/"}[c.is]
			expect(t, f.Request, v1alpha1.RequestPending, beside+c.reason, "False/"+c.reason, "Unknown/"+c.reason)
			if got := said(f.Request, c.is); c.is != ready && got != "True/"+c.reason {
				t.Errorf("%s is %s", c.is, got)
			}
			if f.Request.Status.Terms != nil {
				t.Errorf("terms are pinned: %+v", f.Request.Status.Terms)
			}
			if diff := cmp.Diff([]string{c.reason + " by airflow-oam"}, told(f.Request)); diff != "" {
				t.Errorf("history: %s", diff)
			}
			if v.Make != nil || v.NextAt.IsZero() {
				t.Errorf("makes %v, decided again at %s", v.Make, v.NextAt)
			}
			allowed := world()
			allowed.Request.Status = f.Request.Status
			pass(t, allowed)
			if allowed.Request.Status.Terms == nil {
				t.Errorf("when all is well, it is %+v", allowed.Request.Status.Conditions)
			}
		})
	}
}

func TestAGroupThatTheRequesterSaysCounts(t *testing.T) {
	f := world()
	requests(f).Requesters, f.Request.Spec.Groups = &v1alpha1.People{Groups: []string{"data"}}, []string{"other", "data"}
	if pass(t, f); f.Request.Status.Terms == nil {
		t.Errorf("it is not admitted: %+v", f.Request.Status.Conditions)
	}
}

func TestAUserWhoDoesNotExistYetMayAsk(t *testing.T) {
	f := world()
	f.Request.Spec.Requester = "zoe@example.com"
	if pass(t, f); f.Request.Status.Terms == nil {
		t.Errorf("it is not admitted: %+v", f.Request.Status.Conditions)
	}
}

func TestTheDurationIsThatOfTheRequestElseOfThePolicy(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*request.Facts)
		want   time.Duration
	}{
		"of the request": {func(*request.Facts) {}, 2 * time.Hour},
		"of the policy": {func(f *request.Facts) {
			f.Request.Spec.Duration = nil
			requests(f).DefaultDuration = span(3 * time.Hour)
		}, 3 * time.Hour},
		"an hour": {func(f *request.Facts) { f.Request.Spec.Duration = nil }, time.Hour},
		"no longer than allowed": {func(f *request.Facts) {
			f.Request.Spec.Duration = nil
			f.Policy.Spec.Grants.MaxDuration = *span(time.Minute)
		}, time.Minute},
		"of a shorter emergency": {func(f *request.Facts) {
			emergency(f)
			f.Request.Spec.Duration = nil
			requests(f).Emergency.MaxDuration = *span(10 * time.Minute)
		}, 10 * time.Minute},
		"of an emergency that says": {func(f *request.Facts) { emergency(f); f.Request.Spec.Duration = span(20 * time.Minute) }, 20 * time.Minute},
	} {
		f := waiting(t, c.change)
		if got := f.Request.Status.Terms.Duration.Duration; got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestTheFirstRuleThatFitsIsPinnedByName(t *testing.T) {
	all := []v1alpha1.RequestRule{
		{Name: "short", Groups: []string{"oncall"}, When: "duration <= duration('30m')", Approvals: new(int32(0))},
		{Name: "deletes", When: "access.exists(a, a == 'DeleteDag')", Deny: "nobody deletes DAGs"},
		{Name: "long", When: "duration > duration('4h')", Approvals: new(int32(2))},
	}
	for name, c := range map[string]struct {
		change    func(*request.Facts)
		rule      string
		approvals int32
	}{
		"none fits": {func(*request.Facts) {}, "", 1},
		"the first, by a group": {func(f *request.Facts) {
			f.Request.Spec.Groups, f.Request.Spec.Duration = []string{"oncall"}, span(30*time.Minute)
		}, "short", 0},
		"the first, but not this group": {func(f *request.Facts) { f.Request.Spec.Duration = span(30 * time.Minute) }, "", 1},
		"the last":                      {func(f *request.Facts) { f.Request.Spec.Duration = span(5 * time.Hour) }, "long", 2},
	} {
		t.Run(name, func(t *testing.T) {
			f := world()
			rules(f, all...)
			c.change(f)
			pass(t, f)
			got := f.Request.Status.Terms
			if got == nil || got.Rule != c.rule || got.Approvals != c.approvals {
				t.Fatalf("terms: %+v", got)
			}
			rules(f, v1alpha1.RequestRule{Name: "later", Approvals: new(int32(4))})
			pass(t, f)
			if diff := cmp.Diff(got, f.Request.Status.Terms); diff != "" {
				t.Errorf("a later edit of the rules changes the terms: %s", diff)
			}
		})
	}
}

func TestARuleDeniesAtFirstSightOnceNamesAreProved(t *testing.T) {
	f := world()
	rules(f, v1alpha1.RequestRule{Name: "freeze", When: "now.getDayOfWeek() == 1", Deny: "not on Mondays"})
	f.Proved.Err = errors.New("the policy is not bound")
	pass(t, f)
	expect(t, f.Request, v1alpha1.RequestPending, "False/AdmissionNotProved", "False/AdmissionNotProved", "Unknown/AdmissionNotProved")
	f.Proved.Err = nil
	pass(t, f)
	expect(t, f.Request, v1alpha1.RequestDenied, "True/DeniedByRule", "True/Admitted", "False/DeniedByRule")
	want := &v1alpha1.RequestDecision{Outcome: v1alpha1.RequestDenied, Reason: v1alpha1.ReasonDeniedByRule, At: at(0), Message: "not on Mondays"}
	if diff := cmp.Diff(want, f.Request.Status.Decision); diff != "" {
		t.Error(diff)
	}
}

func TestARuleKnowsTheDagsThatAreNamed(t *testing.T) {
	f := world()
	f.Request.Spec.Dags = []string{"finance_close", "finance_daily"}
	f.Observed.Dags[0].Tags, f.Observed.Dags[0].Path = []string{"closing"}, "finance/close.py"
	rules(f, v1alpha1.RequestRule{
		Name: "closing", When: "dags.size() == 2 && dags.exists(d, 'closing' in d.tags && 'team-close' in d.owners && d.path == 'finance/close.py')", Approvals: new(int32(2)),
	})
	pass(t, f)
	if got := f.Request.Status.Terms; got == nil || got.Rule != "closing" {
		t.Errorf("terms: %+v", got)
	}
}

// TestOwnersOfEveryDagDecide: authors of DAGs choose owners, and the instance says whom they mean.
func TestOwnersOfEveryDagDecide(t *testing.T) {
	for name, c := range map[string]struct {
		dags          []string
		change        func(*request.Facts)
		groups, users []string
	}{
		"of one DAG":              {[]string{"finance_daily"}, nil, []string{"leads", "finance-leads"}, []string{"carol@example.com", "frank@example.com"}},
		"of two DAGs":             {[]string{"finance_daily", "finance_close"}, nil, []string{"leads", "finance-leads"}, []string{"carol@example.com"}},
		"of a DAG nobody owns":    {[]string{"finance_daily", "finance_orphan"}, nil, []string{"leads"}, []string{"carol@example.com"}},
		"without a named DAG":     {nil, nil, []string{"leads"}, []string{"carol@example.com"}},
		"where owners decide not": {[]string{"finance_daily"}, func(f *request.Facts) { requests(f).Approvers.Owners = false }, []string{"leads"}, []string{"carol@example.com"}},
		"of a DAG with two owners": {[]string{"finance_daily"}, func(f *request.Facts) { f.Observed.Dags[1].Owners = []string{"team-finance", "team-close"} },
			[]string{"leads", "finance-leads"}, []string{"carol@example.com", "frank@example.com", "grace@example.com"}},
		"and nobody else": {[]string{"finance_daily"}, func(f *request.Facts) { requests(f).Approvers = &v1alpha1.Approvers{Owners: true} },
			[]string{"finance-leads"}, []string{"frank@example.com"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := waiting(t, func(f *request.Facts) {
				f.Request.Spec.Dags = c.dags
				f.Observed.Dags = append([]dag.Dag(nil), f.Observed.Dags...)
				if c.change != nil {
					c.change(f)
				}
			})
			want := v1alpha1.PinnedApprovers{Groups: c.groups, Users: c.users}
			if diff := cmp.Diff(want, f.Request.Status.Terms.Approvers); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAProofIsAskedForJustBeforeTheAdmissionAndAgainAMinuteLater(t *testing.T) {
	f := world()
	f.Proved = request.Proof{}
	if v := request.Decide(*f); !v.NeedsProof || v.Status.Terms != nil {
		t.Errorf("without a proof: %+v", v)
	}
	f.Request.Spec.Reason = "please"
	if v := request.Decide(*f); v.NeedsProof {
		t.Error("a proof is asked for a request that is not admitted anyway")
	}
	f = world()
	f.Proved = request.Proof{At: t0, Err: errors.New("the policy is not bound")}
	if v := pass(t, f); !v.NextAt.Equal(t0.Add(time.Minute)) {
		t.Errorf("decided again at %s", v.NextAt)
	}
	if v := request.Decide(*later(f, time.Minute)); !v.NeedsProof {
		t.Error("no proof is asked for a minute later")
	}
	if v := request.Decide(*later(f, -time.Second)); !v.NeedsProof {
		t.Error("a proof of the future is believed")
	}
}
