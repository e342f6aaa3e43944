package actuator

import (
	"maps"
	"math"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/access/desire"
	"github.com/airflow-oam/airflow-oam/internal/access/plan"
	"github.com/airflow-oam/airflow-oam/internal/access/proof"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/dag"
)

// Report is what one pass saw and did. It is never changed after it was handed out.
type Report struct {
	// Instance and InstanceUID say which AirflowInstance.
	Instance    types.NamespacedName
	InstanceUID types.UID
	// Endpoint and Account at which and with which the pass was made.
	Endpoint, Account string
	// CacheTTL is how long Airflow's workers may go on using what was revoked.
	CacheTTL time.Duration
	// Giving is how much the pass was allowed to do, as its source said.
	Giving access.Giving
	// Claim is whose the Airflow is, by the last reading of its roles.
	Claim access.Claim
	// Behind is how much the slowest of the clocks is behind ours, at least 0.
	Behind time.Duration
	// StartedAt and FinishedAt of the pass, by our clock. ObservedAt is the time of the oldest look that the
	// directory below rests on; it stays where a pass could not look.
	StartedAt, FinishedAt, ObservedAt time.Time
	// Users and Dags are the directory of that Airflow, sorted; empty until it was read once.
	Users []access.User
	Dags  []dag.Dag
	// Policies and Grants have an entry for each object that the pass knew.
	Policies map[types.NamespacedName]access.PolicyReport
	Grants   map[types.UID]access.GrantReport
	// Inventory is what is managed now: roles that were proved gone are no longer in it.
	Inventory []v1alpha1.ManagedRole
	// Held are losses of access that wait for a release.
	Held []v1alpha1.HeldRevocation
	// Drift that this pass found, and the moment at which it had been read.
	Drift   []access.Drift
	DriftAt time.Time
	// Plan that was not carried out (mode Observe), as text.
	Plan []string
	// Counts of what was seen.
	Counts v1alpha1.InstanceCounts
	// Observed is true where everything was read that the pass rests on, Full when everything was compared. Changes are
	// the steps that were written and read back, in that order.
	Observed, Full bool
	Changes        []access.Step
	// Err is why the pass could not observe or not finish; nil where everything was seen and done.
	Err error
	// Contested are items that others keep changing and that are left alone for now.
	Contested []string
	// Failures are steps that did not take effect and users that could not be read, as sentences without secrets, bounded.
	Failures []string
	// Unread are lists that could not be read when they were tried last, by name: what needs something new from them waits.
	Unread []*ListError
	// Forbidden is true where Airflow refused something for lack of a permission: the account is to be checked again.
	Forbidden bool
}

// Partial reports whether roles or users could not be read when they were tried last.
func (r *Report) Partial() bool {
	return slices.ContainsFunc(r.Unread, func(unread *ListError) bool { return unread.list != listDags })
}

// maxFailures bounds the sentences of a report.
const maxFailures = 16

// report makes the report of a pass, and keeps what the next one compares with.
func (p *pass) report(err error) *Report {
	d, known, failures := p.declared, p.reader.view(), p.ledger.failed()
	r := &Report{
		Endpoint: d.Endpoint, Account: d.Account, CacheTTL: d.CacheTTL, Giving: d.Giving, Behind: d.Behind,
		StartedAt: p.started, ObservedAt: known.ObservedAt, Observed: p.observed, Full: p.full, Changes: p.ledger.changed(), Err: err,
		Policies: map[types.NamespacedName]access.PolicyReport{}, Grants: map[types.UID]access.GrantReport{},
		Inventory: p.memory.inventory.known,
	}
	if d.Instance != nil {
		r.Instance = types.NamespacedName{Namespace: d.Instance.Namespace, Name: d.Instance.Name}
		r.InstanceUID = d.Instance.UID
	}
	if known.complete() { // what was never read proves nothing
		r.Users, r.Dags = known.Observed.Users, known.Observed.Dags
		if p.decided {
			p.input.Observed = known.Observed
			p.fill(r)
		}
	}
	for _, f := range failures {
		r.Failures = append(r.Failures, f.sentence())
		r.Forbidden = r.Forbidden || airflow.IsForbidden(f.err)
	}
	for _, unread := range p.reader.unreadUsers() {
		r.Failures = append(r.Failures, unread.sentence())
		r.Forbidden = r.Forbidden || airflow.IsForbidden(unread.err)
	}
	r.Failures = r.Failures[:min(len(r.Failures), maxFailures)]
	r.Unread = known.Unread
	r.FinishedAt = p.clock.Now()
	return r
}

// fill judges the last observation against what is desired. What was declared since the last decision is in no entry: nothing
// was compared with it.
func (p *pass) fill(r *Report) {
	r.Claim, r.Giving = p.claim()
	grants, policies, gone := proof.Assess(p.input, p.desired)
	for _, policy := range p.input.Policies {
		key := types.NamespacedName{Namespace: policy.Namespace, Name: policy.Name}
		failures, refusal := p.failuresOf(key)
		r.Policies[key] = access.PolicyReport{
			UID: policy.UID, Generation: policy.Generation, Desire: p.desired.Policies[key], Proof: policies[key],
			Failures: failures, Refusal: refusal,
		}
	}
	for _, grant := range p.input.Grants {
		entry := access.GrantReport{Desire: p.desired.Grants[grant.UID], Proof: grants[grant.UID]}
		if entry.Awaited() {
			entry.Proof.Problem = r.Policies[grant.PolicyKey()].Refusal
		}
		if a := grant.Status.Activation; a != nil && len(a.Instances) > 0 {
			entry.ObservedAt = p.reader.readAt(a.Instances[0].Username)
		}
		r.Grants[grant.UID] = entry
	}
	r.Inventory = p.memory.inventory.settle(gone)
	r.Held = p.desired.Held
	if p.planned {
		p.plan.Drift = p.outcome()
		now := p.clock.Now()
		p.memory.contests.count(p.plan.Drift, now.Add(p.declared.Instance.Spec.Interval.Duration))
		if p.full {
			p.memory.contests.forget(p.plan.Drift, now)
		}
		p.memory.previous = plan.Remember(p.input, p.plan, p.input.Observed)
	}
	r.Drift, r.DriftAt = p.plan.Drift, p.foundAt
	r.Contested = slices.Sorted(maps.Keys(p.memory.contests.resting(p.clock.Now())))
	if mode := p.input.Instance.Spec.Mode; mode == v1alpha1.ModeObserve {
		r.Plan = access.Render(plan.New(desire.Enforced(p.input)))
	}
	r.Counts = counts(p.input.Observed, r.Inventory)
}

// claim is whose the Airflow is in the end, and how much may be done for that.
func (p *pass) claim() (access.Claim, access.Giving) {
	claim, giving := p.input.Claim(), p.declared.Giving
	switch {
	case claim.Mine(), !giving.All(), !p.input.Instance.Enforces():
		return claim, giving
	}
	return claim, access.OnlyRevoking(v1alpha1.ReasonInstanceNotReady, "the AirflowInstance has no claim on this Airflow")
}

// outcome is the drift of the pass, with what is undone now: a plan that is made of the last reading must not find it any
// more. What other writers added and no step removes again is no harm.
func (p *pass) outcome() []access.Drift {
	planned := func(d access.Drift) bool { return d.Repaired }
	if !slices.ContainsFunc(p.plan.Drift, planned) {
		return p.plan.Drift
	}
	left := map[string]bool{}
	again := plan.New(p.input, desire.Of(p.input))
	for _, d := range again.Drift {
		left[d.Key] = d.Taken || d.Repaired
	}
	out := slices.Clone(p.plan.Drift)
	for i := range out {
		out[i].Repaired = out[i].Repaired && !left[out[i].Key]
	}
	return out
}

// counts are the numbers of what is observed, and of what of it is managed.
func counts(o access.Observed, inventory []v1alpha1.ManagedRole) v1alpha1.InstanceCounts {
	ours := make(map[string]bool, len(inventory))
	c := v1alpha1.InstanceCounts{Dags: size(o.Dags), Users: size(o.Users), Roles: int32(min(len(o.Roles), math.MaxInt32))}
	for _, entry := range inventory {
		if _, stored := o.Roles[entry.Name]; stored {
			ours[entry.Name] = true
			c.ManagedRoles++
		}
	}
	for _, u := range o.Users {
		for _, name := range u.Roles {
			if ours[name] {
				c.ManagedMemberships++
			}
		}
	}
	return c
}

// size is the length of a list, as far as the API has room for it.
func size[T any](items []T) int32 { return int32(min(len(items), math.MaxInt32)) }

// failuresOf are the sentences about the roles of one policy, and the problem of a policy for which something in front of
// Airflow refuses a write; nil where there is none.
func (p *pass) failuresOf(key types.NamespacedName) (sentences []string, refusal *access.Problem) {
	ofPolicy := func(role string) bool { return p.desired.Roles[role].Policy == key }
	for _, f := range p.ledger.failed() {
		if !slices.ContainsFunc(f.roles(), ofPolicy) {
			continue
		}
		if len(sentences) < maxFailures {
			sentences = append(sentences, f.sentence())
		}
		if refusal == nil && airflow.IsProxy(f.err) {
			refusal = &access.Problem{Reason: v1alpha1.ReasonRefusedInFront, Message: f.sentence() +
				": have the proxy or web application firewall in front of Airflow accept this request, or divide the policy into smaller ones"}
		}
	}
	return sentences, refusal
}
