package actuator

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/airflow-oam/airflow-oam/internal/access/desire"
	"github.com/airflow-oam/airflow-oam/internal/access/plan"
	"github.com/airflow-oam/airflow-oam/internal/access/proof"

	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/dag"
)

// Report is what one pass saw and did. It is never changed after it was handed out.
type Report struct {
	// Instance and InstanceUID say which AirflowInstance.
	Instance    types.NamespacedName
	InstanceUID types.UID
	// Endpoint and Account at which and with which the pass was made.
	Endpoint, Account string
	// CacheTTL is how long Airflow's workers may go on using what was taken away.
	CacheTTL time.Duration
	// StartsAllowed is false where the pass could only take, as its source said.
	StartsAllowed bool
	// Behind is how much the slowest of the clocks is behind ours, at least 0.
	Behind time.Duration
	// StartedAt and FinishedAt of the pass, by our clock. ObservedAt is the time of the oldest look that the
	// directory below rests on; it stays where a pass could not look.
	StartedAt, FinishedAt, ObservedAt time.Time
	// Users and Dags are the directory of that Airflow, sorted; empty until it was read once.
	Users []access.User
	Dags  []dag.Dag
	// Policies and Grants have an entry for each object that the pass knew.
	Policies map[types.NamespacedName]PolicyReport
	Grants   map[types.UID]GrantReport
	// Inventory is what is managed now: roles that were proved gone are no longer in it.
	Inventory []v1alpha1.ManagedRole
	// Held are losses of access that wait for a release.
	Held []v1alpha1.HeldRevocation
	// Drift that this pass found.
	Drift []access.Drift
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
	// Failures are steps that did not take effect, as sentences without secrets, bounded.
	Failures []string
}

// PolicyReport is what a pass made of one policy.
type PolicyReport struct {
	// UID and Generation of the policy that the pass read.
	UID        types.UID
	Generation int64
	Desire     access.PolicyDesire
	Proof      access.PolicyProof
	// Failures of steps of this policy's roles.
	Failures []string
}

// GrantReport is what a pass proved about one grant.
type GrantReport struct {
	Desire access.GrantDesire
	Proof  access.GrantProof
	// ObservedAt is when the user of this grant was read last; a proof is of that moment.
	ObservedAt time.Time
}

// maxFailures bounds the sentences of a report.
const maxFailures = 16

// report makes the report of a pass, and keeps what the next one compares with.
func (p *pass) report(err error) *Report {
	d := p.declared
	r := &Report{
		Endpoint: d.Endpoint, Account: d.Account, CacheTTL: d.CacheTTL, StartsAllowed: d.StartsAllowed, Behind: d.Behind,
		StartedAt: p.started, ObservedAt: p.snap.oldest(), Observed: p.observed, Full: p.full, Changes: p.changes, Err: err,
		Policies: map[types.NamespacedName]PolicyReport{}, Grants: map[types.UID]GrantReport{},
		Inventory: p.inventory,
	}
	if d.Instance != nil {
		r.Instance = types.NamespacedName{Namespace: d.Instance.Namespace, Name: d.Instance.Name}
		r.InstanceUID = d.Instance.UID
	}
	if p.snap.complete() {
		observed := p.snap.observed()
		r.Users, r.Dags = observed.Users, observed.Dags
	}
	if p.decided && p.snap.complete() { // what was never read proves nothing
		p.fill(r)
	}
	for _, f := range p.failures[:min(len(p.failures), maxFailures)] {
		r.Failures = append(r.Failures, f.sentence())
	}
	r.FinishedAt = p.clock.Now()
	return r
}

// fill judges the last observation against what is desired. What was declared since the last decision is in no entry: nothing
// was compared with it.
func (p *pass) fill(r *Report) {
	p.input.Observed = p.snap.observed()
	grants, policies, gone := proof.Assess(p.input, p.desired)
	for key, desire := range p.desired.Policies {
		r.Policies[key] = PolicyReport{Desire: desire, Proof: policies[key], Failures: p.failuresOf(key)}
	}
	for _, policy := range p.input.Policies {
		key := types.NamespacedName{Namespace: policy.Namespace, Name: policy.Name}
		if entry, ok := r.Policies[key]; ok {
			entry.UID, entry.Generation = policy.UID, policy.Generation
			r.Policies[key] = entry
		}
	}
	for _, grant := range p.input.Grants {
		entry := GrantReport{Desire: p.desired.Grants[grant.UID], Proof: grants[grant.UID]}
		if a := grant.Status.Activation; a != nil && len(a.Instances) > 0 {
			entry.ObservedAt = p.readAt(a.Instances[0].Username)
		}
		r.Grants[grant.UID] = entry
	}
	inventory := p.inventory
	if p.isSaved {
		inventory = p.stored
	}
	r.Inventory = without(inventory, gone)
	p.inventory = r.Inventory
	r.Held = p.desired.Held
	if p.planned {
		p.plan.Drift = p.outcome()
		p.contest(p.plan.Drift)
		p.previous = plan.Remember(p.input, p.plan, p.input.Observed)
	}
	r.Drift = p.plan.Drift
	r.Contested = slices.Sorted(maps.Keys(p.givenUp()))
	if mode := p.input.Instance.Spec.Mode; mode == v1alpha1.ModeObserve {
		r.Plan = access.Render(plan.New(desire.Enforced(p.input)))
	}
	r.Counts = counts(p.input.Observed, r.Inventory)
}

// outcome says of what others changed whether it is undone now: a plan that is made of the last reading must not find it any
// more. What others added and nothing takes away again is no harm.
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

func without(inventory []v1alpha1.ManagedRole, gone []string) []v1alpha1.ManagedRole {
	drop := make(map[string]bool, len(gone))
	for _, name := range gone {
		drop[name] = true
	}
	out := make([]v1alpha1.ManagedRole, 0, len(inventory))
	for _, entry := range inventory {
		if !drop[entry.Name] {
			out = append(out, entry)
		}
	}
	return out
}

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

func size[T any](items []T) int32 { return int32(min(len(items), math.MaxInt32)) }

// failuresOf are the sentences about the roles of one policy.
func (p *pass) failuresOf(key types.NamespacedName) []string {
	var out []string
	for _, f := range p.failures {
		names := f.step.Roles
		if f.step.Role != "" {
			names = []string{f.step.Role}
		}
		for _, name := range names {
			if role, ok := p.desired.Roles[name]; ok && role.Policy == key && len(out) < maxFailures {
				out = append(out, f.sentence())
				break
			}
		}
	}
	return out
}

// sentence says which step failed and why. Errors of the client are bounded and free of secrets.
func (f failure) sentence() string {
	what := "role " + f.step.Role
	if f.step.Role == "" {
		what = "user " + f.step.Username
	}
	return string(f.step.Kind) + " of " + what + ": " + f.err.Error()
}

// oldest is the moment of the oldest reading that the snapshot rests on; zero until everything was read.
func (s *snapshot) oldest() time.Time {
	if !s.complete() {
		return time.Time{}
	}
	if s.usersAt.Before(s.rolesAt) {
		return s.usersAt
	}
	return s.rolesAt
}
