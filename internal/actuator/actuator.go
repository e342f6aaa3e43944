package actuator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/airflow-oam/airflow-oam/internal/access/desire"
	"github.com/airflow-oam/airflow-oam/internal/access/plan"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
)

const (
	// sliceTime is how long steps are begun before what is declared is looked at again, and how old a reading of a user
	// may be when that user is written, or one of the roles when somebody loses something.
	sliceTime = 2 * time.Second
	// defaultConcurrency is how many requests to one Airflow are under way at once.
	defaultConcurrency = 8
	// maxTries is how often a step is tried in one pass.
	maxTries = 2
	// maxRepeats is how often one role is made, or deleted, in one pass.
	maxRepeats = 3
	// contestedAfter is how many times in a row what others took away is restored before it is left in peace for a while.
	contestedAfter = 3
	// maxSlices bounds a pass; what is left is done by the next.
	maxSlices = 2000
)

// ErrListShifted says that a list changed while it was read, three times over.
var ErrListShifted = errors.New("a list of Airflow kept changing while it was read")

// Actuator brings one Airflow to what is declared. It keeps the last snapshot between passes. Pass may be called from
// one goroutine at a time; a lock sees to it.
type Actuator struct {
	mu          sync.Mutex
	airflow     Airflow
	clock       clock.PassiveClock
	concurrency int
	places      chan struct{} // one for each request under way

	// guard is of what the goroutines of one phase share: the snapshot, and what the pass notes about its steps.
	guard     sync.Mutex
	snap      *snapshot
	previous  *access.Observed
	inventory []v1alpha1.ManagedRole
	loaded    bool
	unknown   map[string]bool      // DAGs that are no resource yet
	lacking   map[string]bool      // other resources that Airflow does not know
	gone      map[string]time.Time // folded names of users that a reading did not find
	looked    map[string]time.Time // folded names of awaited users, when they were looked for
	ended     map[types.UID]time.Time
	contested map[string]contest
	maybe     map[string]bool // roles whose creation took effect, or may have, and was not read back
	batch     int             // users that are read together before they are written
	write     time.Duration   // mean time of a write
	emailLook time.Time
}

type contest struct {
	times int
	until time.Time
}

// Options of an Actuator. Zero values mean the defaults.
type Options struct {
	// Concurrency is how many requests are under way at once: 8 by default.
	Concurrency int
}

// New makes an actuator for one Airflow.
func New(server Airflow, passive clock.PassiveClock, options Options) *Actuator {
	if options.Concurrency <= 0 {
		options.Concurrency = defaultConcurrency
	}
	return &Actuator{
		airflow: server, clock: passive, concurrency: options.Concurrency, places: make(chan struct{}, options.Concurrency),
		snap: newSnapshot(), unknown: map[string]bool{}, lacking: map[string]bool{}, gone: map[string]time.Time{}, looked: map[string]time.Time{},
		ended: map[types.UID]time.Time{}, contested: map[string]contest{}, maybe: map[string]bool{}, batch: 2 * options.Concurrency,
	}
}

// Use replaces the connection, after credentials or certificates changed. What was read stays.
func (a *Actuator) Use(server Airflow) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.airflow = server
}

// Pass observes, plans, applies and verifies until nothing is left to do, and reports. It returns early where Airflow
// cannot be used; the report then says so and holds what is still known. Only what was read after a write counts.
func (a *Actuator) Pass(ctx context.Context, source Source, look Look) *Report {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.newPass(source)
	err := p.run(ctx, look)
	if err == nil {
		err = p.trouble()
	}
	return p.report(err)
}

// TakeDue takes away what has ended and nothing else. It needs no list and no look at what the server can do; what came of
// it is told by the pass that follows.
func (a *Actuator) TakeDue(ctx context.Context, source Source) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.newPass(source)
	if err := p.declare(ctx); err != nil {
		return err
	}
	return p.takeDue(ctx)
}

func (a *Actuator) newPass(source Source) *pass {
	return &pass{
		Actuator: a, source: source, started: a.clock.Now(), tries: map[string]int{}, repeats: map[string]int{}, waited: map[string]bool{},
		writing: map[string]bool{}, proved: map[string]bool{}, unread: map[string]error{},
	}
}

// pass is the state of one pass.
type pass struct {
	*Actuator
	source  Source
	started time.Time

	declared Declared
	input    access.Input
	desired  access.Desired
	plan     access.Plan // the first after what was observed, which knows what others changed
	decided  bool
	observed bool // what the pass rests on was read
	planned  bool
	full     bool
	listed   bool // the DAG list was read in this pass
	reread   bool // roles were read in this pass before anything was taken
	vanished bool // somebody who held a role of ours is not there, and may have another name now

	stored   []v1alpha1.ManagedRole // inventory as it was stored last in this pass
	isSaved  bool
	unstored error // why it could not be: nothing is made or given in this pass any more

	changes  []access.Step
	tries    map[string]int   // by step key
	repeats  map[string]int   // by step key
	waited   map[string]bool  // steps that were left to the next plan once, by key
	writing  map[string]bool  // folded names of users who are being written
	unread   map[string]error // folded names of users who could not be read, and why
	proved   map[string]bool  // folded names of users who were read for a proof
	failures []failure
	blocked  blocked

	seen       uint64 // fingerprint of what is declared
	staleRoles bool   // Airflow said that a role is not there
}

func (p *pass) run(ctx context.Context, look Look) error {
	if err := p.declare(ctx); err != nil {
		return err
	}
	if err := p.takeDue(ctx); fatal(err) {
		return err
	}
	if err := p.observe(ctx, look); err != nil {
		return err
	}
	p.observed = true
	for range maxSlices {
		if err := ctx.Err(); err != nil {
			return err
		}
		plan, err := p.decideFresh(ctx)
		if err != nil {
			return err
		}
		if more, err := p.slice(ctx, p.next(plan)); err != nil || !more {
			return err
		}
	}
	return nil
}

// slice takes steps of a plan, or proves what is there where none is left, and says whether another plan is to follow.
func (p *pass) slice(ctx context.Context, steps []access.Step) (more bool, err error) {
	if p.unstored == nil && (gives(steps) || len(steps) == 0 && p.found()) {
		err := p.store(ctx)
		switch {
		case err == nil:
		case apierrors.IsConflict(err) || len(steps) == 0:
			return false, err
		default:
			p.unstored = err
			return true, nil // what only takes goes on
		}
	}
	if len(steps) > 0 {
		return true, p.apply(ctx, steps)
	}
	more, err = p.prove(ctx)
	if !more {
		err = cmp.Or(err, p.unstored)
	}
	return more, err
}

// decideFresh decides, and again where that showed that something had to be read anew: what people have is not taken
// away because of an old reading, since another process of ours may have written meanwhile.
func (p *pass) decideFresh(ctx context.Context) (access.Plan, error) {
	plan, err := p.decide(ctx)
	if err == nil && !p.reread && p.takes(plan) {
		p.reread = true
		if p.clock.Since(p.snap.rolesAt) > sliceTime {
			plan, err = p.decideAfter(ctx, p.observeRoles)
		}
	}
	if err == nil && p.losesDags() {
		plan, err = p.decideAfter(ctx, p.observeDags)
	}
	if err == nil && p.vanished {
		plan, err = p.decideAfter(ctx, p.observeUsers)
	}
	return plan, err
}

func (p *pass) decideAfter(ctx context.Context, read func(context.Context) error) (access.Plan, error) {
	if err := read(ctx); err != nil {
		return access.Plan{}, err
	}
	return p.decide(ctx)
}

// takes says whether somebody who has a cause may lose something by a plan, or somebody is in one of our roles that the
// last reading of roles does not know.
func (p *pass) takes(plan access.Plan) bool {
	taking := []access.StepKind{access.StepNarrowRole, access.StepReplaceRole, access.StepSwapMember, access.StepRemoveReplaced}
	unknown := func(role string) bool { _, known := p.snap.roles[role]; return !known }
	return slices.ContainsFunc(plan.Phases, func(steps []access.Step) bool {
		return slices.ContainsFunc(steps, func(s access.Step) bool {
			return slices.Contains(taking, s.Kind) || s.Kind == access.StepRemoveMember && slices.ContainsFunc(s.Roles, unknown)
		})
	})
}

// losesDags says whether rights are about to go because of what an earlier pass saw in the DAG list: it is read again then,
// since the DAG may be back.
func (p *pass) losesDags() bool {
	if p.listed {
		return false
	}
	for _, policy := range p.desired.Policies {
		if len(policy.Leaving) > 0 {
			return true
		}
	}
	return false
}

// declare reads the Kubernetes side. The inventory in memory is newer than a cached status.
func (p *pass) declare(ctx context.Context) error {
	declared, err := p.source.Declared(ctx)
	if err != nil {
		return err
	}
	if !p.loaded {
		p.inventory = declared.Instance.Status.ManagedRoles
		p.loaded = true
	}
	known := make(map[types.UID]bool, len(p.ended))
	for _, grant := range declared.Grants {
		if !p.ended[grant.UID].IsZero() {
			known[grant.UID] = true
		}
		if activation := grant.Status.Activation; activation == nil || grant.Status.RemovedAt != nil {
			delete(p.ended, grant.UID)
		} else if p.ended[grant.UID].IsZero() && !access.Live(grant, declared.Now, declared.CacheTTL) {
			p.ended[grant.UID] = p.clock.Now() // a proof must be of a later reading
			known[grant.UID] = true
		}
	}
	maps.DeleteFunc(p.ended, func(uid types.UID, _ time.Time) bool { return !known[uid] })
	instance := declared.Instance.DeepCopy()
	instance.Status.ManagedRoles = p.owned()
	declared.Instance = instance
	p.declared, p.seen = declared, fingerprint(declared)
	return nil
}

// changed says whether something else is declared now than what a plan was made of, or something came due.
func (p *pass) changed(ctx context.Context, seen uint64) (bool, error) {
	declared, err := p.source.Declared(ctx)
	return err == nil && fingerprint(declared) != seen, err
}

// fingerprint is of all that a plan depends on in what is declared: the versions of objects, and which grants are live. A
// cache lists objects in another order each time, which is no change.
func fingerprint(d Declared) uint64 {
	sum := uint64(0)
	add := func(parts ...any) {
		h := fnv.New64a()
		fmt.Fprintln(h, parts...)
		sum += h.Sum64()
	}
	policies := byName(d.Policies)
	for _, p := range d.Policies {
		add(p.UID, p.ResourceVersion, p.Generation)
	}
	for _, g := range d.Grants {
		live := access.LiveUnder(g, policies[g.PolicyKey()], d.Now, d.CacheTTL)
		add(g.UID, g.ResourceVersion, g.Generation, live)
	}
	add(d.Instance.Generation, d.StartsAllowed, d.Account, d.CacheTTL)
	return sum
}

// owned is the inventory that plans of this pass rest on: what was stored before it and what it stored since, but for
// roles that it began to adopt, which are only looked at in their first pass.
func (p *pass) owned() []v1alpha1.ManagedRole {
	if !p.isSaved {
		return p.inventory
	}
	before := make(map[string]bool, len(p.inventory))
	for _, entry := range p.inventory {
		before[entry.Name] = true
	}
	out := make([]v1alpha1.ManagedRole, 0, len(p.stored))
	for _, entry := range p.stored {
		if before[entry.Name] || !entry.Adopted {
			out = append(out, entry)
		}
	}
	return out
}

// decide asks what should hold and which steps lead there, from what is declared and known at this moment.
func (p *pass) decide(ctx context.Context) (access.Plan, error) {
	if p.decided {
		if err := p.declare(ctx); err != nil {
			return access.Plan{}, err
		}
	}
	d := p.declared
	p.input = access.Input{
		Now: d.Now, CacheTTL: d.CacheTTL, Account: d.Account, Instance: d.Instance,
		Policies: d.Policies, Grants: d.Grants, Observed: p.look(), Previous: p.previous,
		FirstList: p.snap.dagLists < 2, UnknownDags: p.unknown, UnknownResources: p.lacking, NoGain: p.noGain(), Contested: p.givenUp(),
		AllowPrivileged: d.AllowPrivileged, Version: d.Version, Capabilities: d.Capabilities,
	}
	if !d.StartsAllowed {
		p.input.Giving = access.OnlyRevoking(v1alpha1.ReasonInstanceNotReady, "nothing is granted in this Airflow now: the conditions of the AirflowInstance say why")
	}
	p.desired = desire.Of(p.input)
	steps := plan.New(p.input, p.desired)
	if p.observed && !p.planned { // what was read before tells nothing about others
		p.plan, p.planned = steps, true
	}
	p.decided = true
	return steps, nil
}

// noGain are the roles that get nothing more in this pass.
func (p *pass) noGain() map[string]bool {
	p.guard.Lock()
	defer p.guard.Unlock()
	return maps.Clone(p.blocked.gains)
}

// givenUp are the items whose restoration is left alone for now.
func (p *pass) givenUp() map[string]bool {
	out := map[string]bool{}
	for key, c := range p.contested {
		if c.until.After(p.clock.Now()) {
			out[key] = true
		}
	}
	return out
}

// contest counts how often in a row each item had to be restored. What others only add is taken away as often as they do.
func (p *pass) contest(drift []access.Drift) {
	seen := map[string]bool{}
	for _, d := range drift {
		seen[d.Key] = true
		if !d.Repaired || !d.Taken {
			continue
		}
		c := p.contested[d.Key]
		if c.times++; c.times >= contestedAfter {
			c = contest{until: p.clock.Now().Add(p.declared.Instance.Spec.Interval.Duration)}
		}
		p.contested[d.Key] = c
	}
	if !p.full {
		return
	}
	for key, c := range p.contested {
		if !seen[key] && !c.until.After(p.clock.Now()) {
			delete(p.contested, key)
		}
	}
}
