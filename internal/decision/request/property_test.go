package request_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/decision/request"
)

// persons are the people behind the names that the cluster knows, by what the instance's identity and Airflow's users say.
var persons = map[string]string{
	"alice@example.com": "alice", "ALICE@example.com": "alice", "alice": "alice",
	"bob@example.com": "bob", "Bob@example.com": "bob", "bob": "bob",
	"carol@example.com": "carol", "frank@example.com": "frank", "system:serviceaccount:bots:voter": "voter", "eve@example.com": "eve",
}

var (
	names  = []string{"alice@example.com", "ALICE@example.com", "alice", "bob@example.com", "Bob@example.com", "bob", "carol@example.com", "frank@example.com", "system:serviceaccount:bots:voter", "eve@example.com"}
	groups = []string{"leads", "finance-leads", "others"}
)

// run is a random life of one request.
type run struct {
	*request.Facts
	t *rapid.T
	// decision is the first that was stored; seen is true once a pass saw the grant.
	decision *v1alpha1.RequestDecision
	seen     bool
}

// mayDecide is the rule of votes, in words of its own.
func (r *run) mayDecide(vote v1alpha1.Vote) bool {
	if persons[vote.By] == "alice" {
		return false
	}
	terms, pinned := r.Policy.Spec.Grants.Requests, r.Request.Status.Terms
	today := v1alpha1.PinnedApprovers{}
	if terms.Approvers != nil {
		today.Users, today.Groups = slices.Clone(terms.Approvers.Users), slices.Clone(terms.Approvers.Groups)
		if terms.Approvers.Owners && slices.Equal(pinned.Dags, []string{"finance_daily"}) {
			today.Users, today.Groups = append(today.Users, "frank@example.com"), append(today.Groups, "finance-leads")
		}
	}
	if slices.Contains(today.Users, vote.By) && slices.Contains(pinned.Approvers.Users, vote.By) {
		return true
	}
	return slices.ContainsFunc(vote.Groups, func(g string) bool {
		return slices.Contains(today.Groups, g) && slices.Contains(pinned.Approvers.Groups, g)
	})
}

// step makes a pass, sometimes loses what was decided, and checks what must always be so.
func (r *run) step() {
	r.Proved = request.Proof{At: r.Proved.At, Err: r.Proved.Err}
	if rapid.IntRange(0, 9).Draw(r.t, "crash") == 0 {
		request.Decide(*r.Facts) // and nothing is stored
		return
	}
	before := r.Request.DeepCopy()
	policy, instance := r.Policy.DeepCopy(), r.Instance.DeepCopy()
	v := pass(r.t, r.Facts)
	if diff := cmp.Diff([]any{policy, instance}, []any{r.Policy, r.Instance}); diff != "" {
		r.t.Fatalf("the facts changed: %s", diff)
	}
	r.checkDecision(before, v)
	r.checkGrant(before, v)
}

func (r *run) checkDecision(before *v1alpha1.AccessRequest, v request.Verdict) {
	st := r.Request.Status
	if before.Status.Terms != nil {
		if diff := cmp.Diff(before.Status.Terms, st.Terms); diff != "" {
			r.t.Fatalf("the terms changed: %s", diff)
		}
	}
	if r.decision != nil {
		if diff := cmp.Diff(r.decision, st.Decision); diff != "" {
			r.t.Fatalf("the decision changed: %s", diff)
		}
		return
	}
	if st.Phase == v1alpha1.RequestPending {
		if st.DecideBy == nil || !r.Now.Before(st.DecideBy.Time) {
			r.t.Fatalf("it is pending at %s although it is decided by %s", r.Now, st.DecideBy)
		}
		if v.NextAt.IsZero() || v.NextAt.After(st.DecideBy.Time) {
			r.t.Fatalf("it is decided again at %s, after its end at %s", v.NextAt, st.DecideBy)
		}
		return
	}
	r.decision = st.Decision.DeepCopy()
	if st.Decision.Outcome != v1alpha1.RequestApproved {
		return
	}
	r.checkApproval()
}

// checkApproval judges an approval that was just stored.
func (r *run) checkApproval() {
	st := r.Request.Status
	if r.Proved.Err != nil || r.Now.Sub(r.Proved.At) >= time.Minute {
		r.t.Fatalf("it is approved without a proof: %+v at %s", r.Proved, r.Now)
	}
	if r.Policy == nil || r.Policy.Suspended() || string(r.Policy.UID) != st.Terms.PolicyUID || !r.Instance.Enforces() || !r.Observed.Usable() {
		r.t.Fatalf("it is approved under %+v", r.Policy)
	}
	if r.Request.Spec.Withdrawn {
		r.t.Fatalf("it is approved although it was withdrawn")
	}
	agreed := map[string]bool{}
	for _, vote := range r.Request.Spec.Votes {
		counted := slices.Contains(st.Decision.By, vote.By)
		switch {
		case vote.Vote == v1alpha1.VoteDeny && r.mayDecide(vote):
			r.t.Fatalf("it is approved although %s denied", vote.By)
		case counted && vote.Vote != v1alpha1.VoteApprove:
			r.t.Fatalf("the vote %s of %s approved", vote.Vote, vote.By)
		case counted && !r.mayDecide(vote):
			r.t.Fatalf("the vote of %s counts: %+v, %+v", vote.By, st.Terms, r.Policy.Spec.Grants.Requests.Approvers)
		case counted && agreed[persons[vote.By]]:
			r.t.Fatalf("%s approved twice", persons[vote.By])
		case counted:
			agreed[persons[vote.By]] = true
		}
	}
	if len(agreed) < int(st.Terms.Approvals) || int(st.Given) != len(agreed) {
		r.t.Fatalf("it is approved by %d of %d, given %d", len(agreed), st.Terms.Approvals, st.Given)
	}
	if st.Terms.Approvals == 0 && !r.Request.Spec.Emergency && r.Automatic >= 4 && len(agreed) == 0 {
		r.t.Fatalf("it is approved without a vote, after %d others", r.Automatic)
	}
}

func (r *run) checkGrant(before *v1alpha1.AccessRequest, v request.Verdict) {
	if v.Make != nil {
		switch d := before.Status.Decision; {
		case d == nil, d.Outcome != v1alpha1.RequestApproved:
			r.t.Fatalf("a grant is made without a stored approval: %+v", d)
		case r.Grant != nil, r.seen:
			r.t.Fatalf("a second grant is made")
		case r.Request.Spec.Withdrawn:
			r.t.Fatalf("a grant is made of a request that was withdrawn")
		}
		for _, level := range v.Make.Spec.Access {
			if !slices.Contains(r.Policy.Spec.Access, level) || !slices.Contains(r.Request.Status.Terms.Access, level) {
				r.t.Fatalf("the grant has %s, which was not asked for or is not given", level)
			}
		}
		if rapid.Bool().Draw(r.t, "created") {
			made(r.Facts, v)
		}
	} else if r.Grant != nil {
		r.seen = true
	}
	if g := r.Request.Status.Grant; g != nil && g.Name != request.GrantName(r.Request) {
		r.t.Fatalf("the grant is %s", g.Name)
	}
}

// change changes something at random.
func (r *run) change() {
	t := r.t
	changes := []func(){
		func() { r.Now = r.Now.Add(time.Duration(rapid.IntRange(1, 90).Draw(t, "minutes")) * time.Minute) },
		func() { r.Now = r.Now.Add(time.Duration(rapid.IntRange(1, 90).Draw(t, "seconds")) * time.Second) },
		r.cast, r.cast, r.cast,
		func() { r.Proved.Err = nil },
		func() { r.Proved.Err = errors.New("the policy is not bound") },
		func() { r.Automatic = rapid.IntRange(0, 5).Draw(t, "automatic") },
		func() { r.Observed = r.otherObservation() },
		func() {
			r.Instance = r.Instance.DeepCopy()
			r.Instance.Spec.Mode = rapid.SampledFrom([]v1alpha1.Mode{v1alpha1.ModeEnforce, v1alpha1.ModeEnforce, v1alpha1.ModeSuspended}).Draw(t, "mode")
		},
		r.edit, r.edit,
		func() {
			if rapid.IntRange(0, 4).Draw(t, "withdraw") == 0 {
				r.Request = r.Request.DeepCopy()
				r.Request.Spec.Withdrawn = true
				r.Request.Generation++
			}
		},
		r.live,
	}
	rapid.SampledFrom(changes).Draw(t, "change")()
}

func (r *run) otherObservation() (o *observation) {
	o = world().Observed
	switch rapid.IntRange(0, 4).Draw(r.t, "observation") {
	case 0:
		return nil
	case 1:
		o.Reachable = false
	}
	return o
}

// cast adds a vote as the API server accepts it: of another than the requester, while the request is pending, and by somebody
// whom the pinned terms name. Sometimes it is one that the API server would not accept.
func (r *run) cast() {
	t := r.t
	by := rapid.SampledFrom(names).Draw(t, "by")
	if slices.ContainsFunc(r.Request.Spec.Votes, func(v v1alpha1.Vote) bool { return v.By == by }) || len(r.Request.Spec.Votes) > 10 {
		return
	}
	kind := rapid.SampledFrom([]v1alpha1.VoteKind{
		v1alpha1.VoteApprove, v1alpha1.VoteApprove, v1alpha1.VoteApprove, v1alpha1.VoteDeny, v1alpha1.VoteReviewed,
	}).Draw(t, "kind")
	vote(r.Facts, by, kind, rapid.SliceOfNDistinct(rapid.SampledFrom(groups), 0, 2, rapid.ID).Draw(t, "groups")...)
}

// edit changes the policy.
func (r *run) edit() {
	t := r.t
	if r.Policy == nil {
		r.Policy = world().Policy
		r.Policy.UID = rapid.SampledFrom([]types.UID{"policy-uid", "other-uid"}).Draw(t, "uid")
		return
	}
	r.Policy = r.Policy.DeepCopy()
	requests := r.Policy.Spec.Grants.Requests
	switch rapid.IntRange(0, 12).Draw(t, "edit") {
	case 0:
		r.Policy = nil
	case 1:
		r.Policy.Spec.Grants.Requests = nil
	case 2:
		r.Policy.Spec.State = v1alpha1.PolicySuspended
	case 3, 4:
		r.Policy.Spec.State = v1alpha1.PolicyActive
	case 5, 6:
		r.Policy.Spec.Access = rapid.SliceOfNDistinct(rapid.SampledFrom([]v1alpha1.AccessLevel{
			v1alpha1.AccessView, v1alpha1.AccessTrigger, v1alpha1.AccessDeleteDag,
		}), 1, 3, rapid.ID).Draw(t, "access")
		if !slices.Contains(r.Policy.Spec.Access, v1alpha1.AccessView) {
			r.Policy.Spec.Access = append(r.Policy.Spec.Access, v1alpha1.AccessView)
		}
	default:
		if requests == nil {
			r.Policy.Spec.Grants.Requests = world().Policy.Spec.Grants.Requests
			return
		}
		requests.Approvals = int32(rapid.IntRange(0, 2).Draw(t, "approvals"))
		requests.Approvers = &v1alpha1.Approvers{
			Groups: rapid.SliceOfNDistinct(rapid.SampledFrom(groups), 0, 2, rapid.ID).Draw(t, "approver groups"),
			Users:  rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 4, rapid.ID).Draw(t, "approver users"),
			Owners: rapid.Bool().Draw(t, "owners"),
		}
	}
}

// live lets the grant live, and vanish.
func (r *run) live() {
	if r.Grant == nil {
		return
	}
	phase := rapid.SampledFrom([]v1alpha1.GrantPhase{"", v1alpha1.GrantActive, v1alpha1.GrantExpired}).Draw(r.t, "grant")
	r.Grant = r.Grant.DeepCopy()
	r.Grant.Status.Phase = phase
	if phase == v1alpha1.GrantExpired && r.seen {
		r.Grant = nil
	}
}

// TestWhateverHappensARequestIsDecidedOnceByThoseWhoMayAndInTime draws lives of requests: votes of anybody, edits of the
// policy, outages, crashes and time.
func TestWhateverHappensARequestIsDecidedOnceByThoseWhoMayAndInTime(t *testing.T) {
	outcomes := map[v1alpha1.RequestPhase]int{}
	rapid.Check(t, func(rt *rapid.T) {
		r := &run{Facts: world(), t: rt}
		requests := r.Policy.Spec.Grants.Requests
		requests.Approvals = int32(rapid.IntRange(0, 2).Draw(rt, "approvals"))
		requests.Approvers.Users = append(requests.Approvers.Users, rapid.SampledFrom(names).Draw(rt, "another approver"))
		r.Request.Spec.Groups = []string{"oncall"}
		if rapid.IntRange(0, 4).Draw(rt, "emergency") == 0 {
			r.Request.Spec.Emergency, r.Request.Spec.Duration = true, span(time.Hour)
		}
		if rapid.Bool().Draw(rt, "named") {
			r.Request.Spec.Dags = []string{"finance_daily"}
		}
		if rapid.IntRange(0, 3).Draw(rt, "ahead") == 0 {
			r.Request.Spec.StartsAt = &metav1.Time{Time: t0.Add(time.Duration(rapid.IntRange(0, 200).Draw(rt, "start")) * time.Hour)}
		}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			if rapid.IntRange(0, 3).Draw(rt, "more") > 0 {
				r.change()
			}
			r.step()
		}
		outcomes[r.Request.Status.Phase]++
	})
	for _, phase := range []v1alpha1.RequestPhase{
		v1alpha1.RequestPending, v1alpha1.RequestApproved, v1alpha1.RequestDenied, v1alpha1.RequestNotApproved, v1alpha1.RequestWithdrawn,
	} {
		if outcomes[phase] == 0 {
			t.Errorf("no life ended as %s: %v", phase, outcomes)
		}
	}
}
