package actuator

import (
	"maps"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// endings are the moments at which grants were first found not to be live, of those that are not proved gone: a proof must be
// of a later reading.
type endings map[types.UID]time.Time

// note takes in what is declared now.
func (e endings) note(d Declared, now time.Time) {
	open := sets.New[types.UID]()
	for _, g := range d.Grants {
		if _, waits := unproved(g); !waits {
			continue
		}
		open.Insert(g.UID)
		if e[g.UID].IsZero() && !access.Live(g, d.Now, d.CacheTTL) {
			e[g.UID] = now
		}
	}
	maps.DeleteFunc(e, func(uid types.UID, _ time.Time) bool { return !open.Has(uid) })
}

// since is after which moment the user of an activated grant must have been read to prove its state.
func (e endings) since(g *v1alpha1.AccessGrant, d Declared) time.Time {
	if access.Live(g, d.Now, d.CacheTTL) {
		return g.Status.Activation.At.Time
	}
	since := e[g.UID]
	if end := g.Status.End; end != nil && end.At.After(since) {
		since = end.At.Time
	}
	return since
}

// unproved gives the user of a grant that was activated and is not proved gone.
func unproved(g *v1alpha1.AccessGrant) (username string, ok bool) {
	switch a := g.Status.Activation; {
	case a == nil, g.Status.RemovedAt != nil, len(a.Instances) == 0:
		return "", false
	default:
		return a.Instances[0].Username, true
	}
}

// due reports whether a grant ended whose access may be stored still, and gives the users of such grants that were never read.
func (e endings) due(d Declared, r *reader) (due bool, unknown []string) {
	policies, names := d.policies(), sets.New[string]()
	for _, g := range d.Grants {
		name, waits := unproved(g)
		if !waits || access.LiveUnder(g, policies[g.PolicyKey()], d.Now, d.CacheTTL) {
			continue
		}
		due = true
		if text.Unaddressable(name) != "" {
			continue // only a list shows such a user; see pass.prove
		}
		_, found, _ := r.user(name)
		if !found && r.readAt(name).Before(e.since(g, d)) {
			names.Insert(name)
		}
	}
	return due, sets.List(names)
}
