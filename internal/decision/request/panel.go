package request

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/dag"
	"github.com/airflow-oam/airflow-oam/internal/decision"
	"github.com/airflow-oam/airflow-oam/internal/decision/admission"
	"github.com/airflow-oam/airflow-oam/internal/rule"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// Counts says in a word why a vote does not count, as status.ignored does; it is empty for a vote that counts. A vote counts
// if its author is neither the requester nor the subject, by any spelling, and is among those approvers that were pinned
// and that the policy has now. The policy, the instance and the observation may be nil; what they would say is then not
// considered.
func Counts(r *v1alpha1.AccessRequest, p *v1alpha1.DagAccessPolicy, i *v1alpha1.AirflowInstance, o *decision.Observation, vote v1alpha1.Vote) string {
	if r.Status.Terms == nil {
		return v1alpha1.ReasonNotYet
	}
	reviewing := r.Spec.Emergency && r.Status.Phase == v1alpha1.RequestApproved
	for _, ignored := range newPanel(r, r.Status.Terms, p, i, o).tally([]v1alpha1.Vote{vote}, reviewing).ignored {
		return ignored.Why
	}
	return ""
}

// panel is those who decide about one request now.
type panel struct {
	groups, users sets.Set[string]
	// own are the spellings of the requester and of the subject.
	own    sets.Set[string]
	people people
	// ignored are the votes that did not count before, with the reasons. They are of use while Airflow's users are not known.
	ignored map[string]string
}

func newPanel(r *v1alpha1.AccessRequest, terms *v1alpha1.RequestTermsPinned, p *v1alpha1.DagAccessPolicy, i *v1alpha1.AirflowInstance, o *decision.Observation) panel {
	out := panel{
		groups: sets.New(terms.Approvers.Groups...), users: sets.New(terms.Approvers.Users...), people: newPeople(i, o),
	}
	out.own = out.people.named(r.Spec.Requester).Union(out.people.subject(terms.Subject))
	if out.people.users == nil {
		out.ignored = make(map[string]string, len(r.Status.Ignored))
		for _, vote := range r.Status.Ignored {
			out.ignored[vote.By] = vote.Why
		}
	}
	if p == nil {
		return out
	}
	today := approvers(p, i, o, terms.Dags)
	if today == nil {
		return out
	}
	out.groups, out.users = out.groups.Intersection(sets.New(today.Groups...)), out.users.Intersection(sets.New(today.Users...))
	return out
}

// refuse says in a word why a vote does not count; empty where it counts.
func (p panel) refuse(vote v1alpha1.Vote) string {
	switch {
	case p.people.named(vote.By).Intersection(p.own).Len() > 0:
		return v1alpha1.ReasonOwnRequest
	case p.users.Has(vote.By), p.groups.HasAny(vote.Groups...):
		return p.ignored[vote.By]
	}
	return v1alpha1.ReasonNotAnApprover
}

// tally is what the votes of a request say.
type tally struct {
	// approved are the authors of the votes to approve that count, in their order.
	approved []string
	// denied and reviewed are the first such votes that count; nil where there is none.
	denied, reviewed *v1alpha1.Vote
	// ignored are the votes that do not count.
	ignored []v1alpha1.IgnoredVote
}

// tally counts votes. A review counts only once the request is an emergency that was approved. A person with two accounts
// approves once.
func (p panel) tally(votes []v1alpha1.Vote, reviewing bool) tally {
	var out tally
	agreed := sets.New[string]()
	for i := range votes {
		vote := &votes[i]
		why := p.refuse(*vote)
		switch vote.Vote {
		case v1alpha1.VoteReviewed:
			if !reviewing {
				why = v1alpha1.ReasonNotYet
			}
		case v1alpha1.VoteApprove:
			names := p.people.named(vote.By)
			if why == "" && names.Intersection(agreed).Len() > 0 {
				why = v1alpha1.ReasonSamePerson
			}
			if why == "" {
				agreed = agreed.Union(names)
			}
		case v1alpha1.VoteDeny:
		}
		out.count(vote, why)
	}
	return out
}

// count adds a vote, which is ignored for a reason unless that is empty.
func (t *tally) count(vote *v1alpha1.Vote, why string) {
	if why != "" {
		t.ignored = append(t.ignored, v1alpha1.IgnoredVote{By: vote.By, Why: why})
		return
	}
	switch vote.Vote {
	case v1alpha1.VoteApprove:
		t.approved = append(t.approved, vote.By)
	case v1alpha1.VoteDeny:
		t.denied = cmp.Or(t.denied, vote)
	case v1alpha1.VoteReviewed:
		t.reviewed = cmp.Or(t.reviewed, vote)
	}
}

// same reports whether a status has these numbers already.
func (t *tally) same(s *v1alpha1.AccessRequestStatus) bool {
	return int(s.Given) == len(t.approved) && slices.Equal(s.Ignored, t.ignored)
}

// store writes the numbers into a status.
func (t *tally) store(s *v1alpha1.AccessRequestStatus) {
	s.Given, s.Ignored = int32(len(t.approved)), t.ignored //nolint:gosec // the schema allows 16 votes
}

// people finds the names by which one person may be known: to the cluster, by the instance's identity, and to Airflow. All
// are folded, as Airflow compares names.
type people struct {
	identity *rule.Identity
	users    *access.Directory
}

func newPeople(i *v1alpha1.AirflowInstance, o *decision.Observation) people {
	var out people
	if o.Listed() {
		out.users = o.Users
	}
	if i == nil || i.Spec.Identity == nil {
		return out
	}
	if identity, err := rule.IdentityOf(i.Spec.Identity); err == nil {
		out.identity = identity
	}
	return out
}

// named are the spellings of a person whom the cluster knows by a name.
func (p people) named(name string) sets.Set[string] {
	out := p.subject(v1alpha1.Subject{Username: name}).Union(p.subject(v1alpha1.Subject{Email: name}))
	if p.identity == nil {
		return out
	}
	if mapped, err := p.identity.Subject(name); err == nil {
		out = out.Union(p.subject(mapped))
	}
	return out
}

// subject are the spellings of the Airflow user whom a subject means.
func (p people) subject(s v1alpha1.Subject) sets.Set[string] {
	names := []string{s.Username, s.Email}
	if p.users != nil {
		if user, problem := p.users.Resolve(s); problem == nil {
			names = append(names, user.Username, user.Email)
		}
	}
	out := sets.New[string]()
	for _, name := range names {
		if name != "" {
			out.Insert(text.Fold(name))
		}
	}
	return out
}

// Bounds of the schema.
const (
	maxPinnedGroups = 64
	maxPinnedUsers  = 256
)

// approvers are those who decide by the policy and the instance of today about a request for some DAGs. They are nil where
// that depends on the owners of DAGs, and these are not known.
func approvers(p *v1alpha1.DagAccessPolicy, i *v1alpha1.AirflowInstance, o *decision.Observation, ids []string) *v1alpha1.PinnedApprovers {
	terms, out := p.RequestTerms(), &v1alpha1.PinnedApprovers{}
	if terms == nil || terms.Approvers == nil {
		return out
	}
	out.Groups, out.Users = slices.Clone(terms.Approvers.Groups), slices.Clone(terms.Approvers.Users)
	if !terms.Approvers.Owners || len(ids) == 0 {
		return out
	}
	if i == nil || !o.Listed() {
		return nil
	}
	groups, users := owners(i.Spec.Owners, admission.Listed(o.Dags, ids), len(ids))
	out.Groups = appended(out.Groups, groups, maxPinnedGroups)
	out.Users = appended(out.Users, users, maxPinnedUsers)
	return out
}

// owners are the groups and users whom an instance names for the owner of every one of so many DAGs, sorted. A DAG without an
// owner whom the instance names has nobody, and so has a DAG that is not listed.
func owners(known []v1alpha1.DagOwner, dags []dag.Dag, count int) (groups, users []string) {
	if len(dags) < count {
		return nil, nil
	}
	var every [2]sets.Set[string]
	for n, d := range dags {
		these := [2]sets.Set[string]{sets.New[string](), sets.New[string]()}
		for _, owner := range known {
			if slices.Contains(d.Owners, owner.Owner) {
				these[0].Insert(owner.Groups...)
				these[1].Insert(owner.Users...)
			}
		}
		if n == 0 {
			every = these
			continue
		}
		every[0], every[1] = every[0].Intersection(these[0]), every[1].Intersection(these[1])
	}
	return sets.List(every[0]), sets.List(every[1])
}

// appended adds names that are not there yet, up to a bound.
func appended(names, others []string, limit int) []string {
	for _, other := range others {
		if len(names) < limit && !slices.Contains(names, other) {
			names = append(names, other)
		}
	}
	return names
}
