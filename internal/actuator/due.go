package actuator

import (
	"context"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// takeDue takes away what is due. It waits for no list: an ending needs only its user, who is read right before. What
// cannot be read or written now is left to the plans that follow.
func (p *pass) takeDue(ctx context.Context) error {
	due, unknown := p.due()
	if !due {
		return nil
	}
	if err := p.readUnknown(ctx, unknown); err != nil {
		return err
	}
	for range maxSlices {
		plan, err := p.decide(ctx)
		if err != nil {
			return err
		}
		steps := p.endings(plan)
		if len(steps) == 0 {
			return nil
		}
		if err := p.apply(ctx, steps); err != nil {
			return err
		}
	}
	return nil
}

// readUnknown reads users who were never read: many by the list, where that can be read.
func (p *pass) readUnknown(ctx context.Context, names []string) error {
	at := p.clock.Now()
	if len(names) > airflow.PageSize/4 {
		if list, err := p.airflow.Users(ctx); err == nil {
			p.guard.Lock()
			defer p.guard.Unlock()
			p.snap.setUsers(list, at, p.clock.Now())
			return nil
		}
	}
	return p.readUsers(ctx, names, at)
}

// endings are the steps of a plan that take away what ended, but for users who are being written.
func (p *pass) endings(plan access.Plan) []access.Step {
	steps := p.next(plan)
	p.guard.Lock()
	defer p.guard.Unlock()
	return slices.DeleteFunc(steps, func(s access.Step) bool {
		return s.Kind != access.StepRemoveMember || !s.Ending() || p.writing[text.Fold(s.Username)]
	})
}

// due says whether a grant ended whose access may be stored still, and which users of such grants were never read.
func (p *pass) due() (due bool, unknown []string) {
	policies := byName(p.declared.Policies)
	p.guard.Lock()
	defer p.guard.Unlock()
	for _, g := range p.declared.Grants {
		name, waits := unproved(g)
		if !waits || access.LiveUnder(g, policies[g.PolicyKey()], p.declared.Now, p.declared.CacheTTL) {
			continue
		}
		due = true
		if _, known := p.snap.users[text.Fold(name)]; !known && p.readAt(name).Before(p.since(g)) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	return due, slices.Compact(unknown)
}

// unproved gives the user of a grant that was activated and is not proved gone.
func unproved(g *v1alpha1.AccessGrant) (username string, ok bool) {
	a := g.Status.Activation
	if a == nil || g.Status.RemovedAt != nil || len(a.Instances) == 0 {
		return "", false
	}
	return a.Instances[0].Username, true
}

// since is after which moment the user of an activated grant must have been read to prove its state.
func (p *pass) since(g *v1alpha1.AccessGrant) time.Time {
	if access.Live(g, p.declared.Now, p.declared.CacheTTL) {
		return g.Status.Activation.At.Time
	}
	since := p.ended[g.UID]
	if end := g.Status.End; end != nil && end.At.After(since) {
		since = end.At.Time
	}
	return since
}

// beside waits for requests, and takes away meanwhile what comes due: nobody keeps access because an answer to something
// else is late. It decides by what was known before; what wait reads must not be stored before it returns, but under the
// guard.
func (p *pass) beside(ctx context.Context, wait func() error) error {
	done := make(chan error, 1)
	go func() { done <- wait() }()
	tick := clock.RealClock{}.NewTicker(sliceTime / 4) // of wall time: what is due is what our clock says
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-tick.C():
		}
		if changed, err := p.changed(ctx, p.seen); !changed || err != nil {
			continue
		}
		if p.declare(ctx) == nil && p.takeDue(ctx) != nil {
			return <-done // what the server says to the others decides
		}
	}
}

// look gives the snapshot to the planner. As long as the roles were never read, all that we know of by other ways are
// taken to be there: nobody must leave one because another is thought to be missing.
func (p *pass) look() access.Observed {
	p.guard.Lock()
	defer p.guard.Unlock()
	observed := p.snap.observed()
	if !p.snap.rolesAt.IsZero() {
		return observed
	}
	observed.Roles = maps.Clone(observed.Roles)
	presume := func(role string) {
		if _, known := observed.Roles[role]; !known {
			observed.Roles[role] = nil
		}
	}
	for _, entry := range p.declared.Instance.Status.ManagedRoles {
		presume(entry.Name)
	}
	for _, u := range observed.Users {
		for _, role := range u.Roles {
			presume(role)
		}
	}
	return observed
}

func byName(policies []*v1alpha1.DagAccessPolicy) map[types.NamespacedName]*v1alpha1.DagAccessPolicy {
	out := make(map[types.NamespacedName]*v1alpha1.DagAccessPolicy, len(policies))
	for _, p := range policies {
		out[types.NamespacedName{Namespace: p.Namespace, Name: p.Name}] = p
	}
	return out
}
