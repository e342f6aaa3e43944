package faults_test

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/dag"
	"github.com/airflow-oam/airflow-oam/internal/permission"
)

// lead is how long before the end of a grant its access is taken away, beside the cache of Airflow; and how long after
// any ending Airflow may store it still. docs/architecture.md promises both.
const lead = time.Second

// facts are what people did, kept apart from what the operator made of it: who may have what, from when until when.
type facts struct {
	world    *world
	policies map[string][]policyVersion
	grants   []*grantFact
	others   []cause
}

type policyVersion struct {
	at         time.Time
	spec       *v1alpha1.DagAccessPolicySpec // nil: there is no such policy
	generation int64
}

type grantFact struct {
	name, person, policy string
	uid                  types.UID
	created              time.Time
	terms                []termsVersion
	dags                 []string
	// ended is when people ended it, or the person ended to be the same; zero when nobody did.
	ended time.Time
}

type termsVersion struct {
	at        time.Time
	starts    time.Time // zero: at its activation
	duration  time.Duration
	expiresAt time.Time // instead of a duration
}

func (v termsVersion) end(a *v1alpha1.Activation) time.Time {
	switch {
	case !v.expiresAt.IsZero():
		return v.expiresAt
	case !v.starts.IsZero():
		return v.starts.Add(v.duration)
	}
	return a.At.Add(v.duration)
}

// cause is why somebody may have access, in a stretch of time.
type cause struct {
	// origin is the object that it comes from.
	origin      string
	person      string // empty: everybody
	permissions []airflow.Permission
	// generation of the policy that it is of, policy the origin of what members of that policy have, for a grant, and first
	// that the grant was made under this generation.
	generation int64
	policy     string
	first      bool
	// from is when it may begin, due when it ends (zero: it lasts), and bound until when Airflow may store it.
	from, due, bound time.Time
	// sure is when it ends for an operator that could not see what people asked for; due, where it is zero.
	sure time.Time
}

// kept is until when a cause must give what it gives; zero: it lasts.
func (c cause) kept() time.Time {
	if c.sure.IsZero() {
		return c.due
	}
	return c.sure
}

func newFacts(w *world) *facts { return &facts{world: w, policies: map[string][]policyVersion{}} }

func (f *facts) grant(name string) *grantFact {
	for _, g := range slices.Backward(f.grants) {
		if g.name == name {
			return g
		}
	}
	f.world.t.Fatalf("no grant %s", name)
	return nil
}

// deleted says whether a policy is not there any more.
func (f *facts) deleted(policy string) bool {
	versions := f.policies[policy]
	return len(versions) == 0 || versions[len(versions)-1].spec == nil
}

// end notes that people ended a grant; what came first counts.
func (g *grantFact) end(at time.Time) {
	if g.ended.IsZero() || at.Before(g.ended) {
		g.ended = at
	}
}

// causes gives all causes there ever were.
func (f *facts) causes() []cause {
	out := slices.Clone(f.others)
	for _, c := range f.others {
		for _, v := range f.policies[c.policy] {
			if v.spec != nil {
				c.permissions = f.cause(c.origin, c.person, v.spec.Access, v.spec, nil, c.from, c.due, byOthers).permissions
				out = append(out, c)
			}
		}
	}
	for i := range out {
		if !out[i].due.IsZero() {
			out[i].bound = f.bound(out[i].from, out[i].due, byOthers)
		}
	}
	for _, name := range sortedKeys(f.policies) {
		versions := f.policies[name]
		for i, v := range versions {
			if v.spec == nil {
				continue
			}
			var until time.Time
			var next *v1alpha1.DagAccessPolicySpec
			if i+1 < len(versions) {
				until, next = versions[i+1].at, versions[i+1].spec
			}
			for _, member := range v.spec.Members {
				c := f.cause("policy "+name, member.Username, v.spec.Access, v.spec, nil, v.at, until, keeps(next, member.Username))
				c.generation = v.generation
				out = append(out, c)
			}
		}
	}
	activations := f.world.record.activations()
	for _, g := range f.grants {
		if a := activations[g.uid]; a != nil {
			out = append(out, f.ofGrant(g, a)...)
		}
	}
	return out
}

// ofGrant gives the causes of an activated grant: one for each version of its policy.
func (f *facts) ofGrant(g *grantFact, a *v1alpha1.Activation) []cause {
	from := g.created
	if start := g.terms[0].starts; start.After(from) {
		from = start
	}
	until, ending := f.endOf(g, a, processAway)
	sure, _ := f.endOf(g, a, processAway, kubernetesAway)
	var out []cause
	versions := f.policies[g.policy]
	for i, v := range versions {
		begin, end, how := from, until, ending
		if v.at.After(begin) {
			begin = v.at
		}
		if i+1 < len(versions) && (end.IsZero() || versions[i+1].at.Before(end)) {
			end, how = versions[i+1].at, byPolicy
			if next := versions[i+1].spec; next != nil && next.Grants != nil {
				how = byNarrowing
			}
		}
		if v.spec == nil {
			break // and for good: a policy that comes again is another one
		}
		if !end.IsZero() && f.bound(end, end, how).Before(begin) && begin.After(from) {
			continue // else the change may be seen before the end
		}
		var levels []v1alpha1.AccessLevel
		for _, level := range a.Access {
			if level == v1alpha1.AccessView || slices.Contains(v.spec.Access, level) {
				levels = append(levels, level)
			}
		}
		c := f.cause("grant "+g.name+" "+string(g.uid), g.person, levels, v.spec, g.dags, begin, end, how)
		c.generation, c.policy, c.first = v.generation, "policy "+g.policy, begin.Equal(from)
		if sure.Before(end) {
			c.sure = sure
		}
		out = append(out, c)
		if v.spec.Grants == nil {
			break
		}
	}
	return out
}

// endOf is when a grant is to be taken away, and what ends it, where what people ask for cannot be seen in windows of
// some kinds.
func (f *facts) endOf(g *grantFact, a *v1alpha1.Activation, blinds ...blind) (due time.Time, how ending) {
	early := f.world.ttl + lead
	due = g.terms[0].end(a).Add(-early)
	for _, v := range g.terms[1:] {
		next := v.end(a).Add(-early)
		switch {
		case !v.at.Before(due) || f.unseen(v.at, due, blinds): // too late
		case next.Before(v.at):
			due, how = v.at, byPeople
		default:
			due, how = next, byTime
		}
	}
	if !g.ended.IsZero() && g.ended.Before(due) {
		return g.ended, byPeople
	}
	return due, how
}

// unseen says whether no process need have seen what people did at a moment until another one. What is asked for after a
// grant's end does not count, and to a process that starts then, this looks the same.
func (f *facts) unseen(from, until time.Time, blinds []blind) bool {
	return slices.ContainsFunc(f.world.blindness, func(w window) bool {
		return slices.Contains(blinds, w.what) && !w.from.After(from) && !w.to.Before(until)
	})
}

func (f *facts) cause(origin, person string, levels []v1alpha1.AccessLevel, p *v1alpha1.DagAccessPolicySpec, only []string, from, due time.Time, how ending) cause {
	var ids []string
	for _, id := range f.world.dags {
		if covers(p, id) && (len(only) == 0 || slices.Contains(only, id)) {
			ids = append(ids, id)
		}
	}
	c := cause{origin: origin, person: person, from: from, due: due, permissions: wire(permission.ForLevels(v1alpha1.PermissionModel(f.world.can.PermissionModel), levels, ids, nil))}
	if !due.IsZero() {
		c.bound = f.bound(due, due, how)
	}
	return c
}

// ending is what ends a cause.
type ending int

const (
	// byTime: the time of a grant is over.
	byTime ending = iota
	// byPeople: a grant is revoked, deleted or shortened.
	byPeople
	// byPolicy: a policy is changed or deleted.
	byPolicy
	// byNarrowing: a policy is changed, and its user keeps it.
	byNarrowing
	// byOthers: what others gave by hand is found in the next full comparison.
	byOthers
)

// longestWait is the longest back-off while nothing is known to be overdue. What others did by hand does not make it
// shorter.
const longestWait = time.Minute

// bound is until when Airflow may store what is due to be taken away: a second longer, but where something stood in the
// operator's way since it could first be done.
func (f *facts) bound(since, due time.Time, how ending) time.Time {
	bound := due.Add(lead)
	for again := true; again; {
		again = false
		for _, w := range f.world.blindness {
			later := w.to.Add(grace[w.what])
			if how == byOthers {
				later = w.to.Add(longestWait + lead)
			}
			if !f.excuses(w.what, how) || w.from.After(bound) || w.to.Before(since) || !later.After(bound) {
				continue
			}
			bound, again = later, true
		}
	}
	return bound
}

// excuses says whether what stands in the operator's way delays an ending.
func (f *facts) excuses(what blind, how ending) bool {
	switch what {
	case kubernetesAway:
		return how != byTime
	case onlyRevoking:
		return how == byNarrowing && f.world.can.RoleUpdate == airflow.RoleUpdateAdd
	case airflowAway, processAway:
	}
	return true
}

// keeps is how a version of a policy ends for a member: the next may keep it.
func keeps(next *v1alpha1.DagAccessPolicySpec, person string) ending {
	if next != nil && slices.ContainsFunc(next.Members, func(m v1alpha1.Subject) bool { return sameName(m.Username, person) }) {
		return byNarrowing
	}
	return byPolicy
}

// covers says whether a policy selects a DAG; the policies here select by pattern.
func covers(p *v1alpha1.DagAccessPolicySpec, id string) bool {
	ids, _ := dag.Match(p.Dags, []dag.Dag{{ID: id}})
	return len(ids) > 0
}

func wire(in []permission.Pair) []airflow.Permission {
	out := make([]airflow.Permission, len(in))
	for i, p := range in {
		out[i] = airflow.Permission{Action: p.Action, Resource: p.Resource}
	}
	return out
}

// activations gives what each grant was given, as it was stored first.
func (r *record) activations() map[types.UID]*v1alpha1.Activation {
	out := map[types.UID]*v1alpha1.Activation{}
	for _, v := range r.all() {
		if g, ok := v.object.(*v1alpha1.AccessGrant); ok && g.Status.Activation != nil && out[g.UID] == nil {
			out[g.UID] = g.Status.Activation
		}
	}
	return out
}

// sameName compares names of people as Airflow does.
func sameName(a, b string) bool { return strings.EqualFold(a, b) }
