package instance

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/controllers/kind"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/actuator"
)

// state is what is remembered of one instance between passes. One goroutine at a time uses it: the one that reconciles the
// instance.
type state struct {
	uid types.UID
	connection
	schedule
	cacheGate
	drifts driftLog
}

// asks reports whether something is asked of the API server before the next pass.
func (s *state) asks(afi *v1alpha1.AirflowInstance, now time.Time) bool {
	if !controllerutil.ContainsFinalizer(afi, v1alpha1.Finalizer) {
		return true
	}
	return s.uncached || !s.secretsFresh(afi, now)
}

// states are those of all instances. It is safe for concurrent use.
type states struct {
	mu   sync.Mutex
	byID map[types.NamespacedName]*state
}

// of finds or makes the state of an instance. A re-created instance begins anew.
func (s *states) of(afi *v1alpha1.AirflowInstance) *state {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil {
		s.byID = map[types.NamespacedName]*state{}
	}
	known := s.byID[afi.Key()]
	if known != nil && known.uid == afi.UID {
		return known
	}
	if known != nil {
		known.close()
	}
	known = &state{uid: afi.UID, cacheGate: cacheGate{uncached: true}}
	s.byID[afi.Key()] = known
	return known
}

// drop closes the connection of an instance that is gone and forgets the instance.
func (s *states) drop(key types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.byID[key]; known != nil {
		known.close()
	}
	delete(s.byID, key)
}

// schedule is when something of an instance was read or tried last, and when it may be next. Generations say for which text
// of an object that was.
type schedule struct {
	// secretsAt and secretsFor are when, and for which generation of the spec, the Secrets were read. They are read again every
	// dagInterval, and at once where refused says that Airflow did not accept them.
	secretsAt  time.Time
	secretsFor int64
	refused    bool

	// checkedAt is when the server and its account were checked; zero asks for a check.
	checkedAt time.Time

	// fullAt and dagsAt are when everything, and when the list of DAGs, was read; nextFull is the jittered interval.
	fullAt, dagsAt time.Time
	nextFull       time.Duration
	// comparedFor is the generation of the spec, and asked the value of the reconcile-at annotation, of the last full
	// comparison.
	comparedFor int64
	asked       string
	// relapsing is until when another writer is expected to undo a repair: everything is compared every dagInterval.
	relapsing time.Time
	// claimed is true where the last pass found the claim of another instance: everything is read each time until that is gone.
	claimed bool

	// failures in a row, and notBefore, until which the server asked for no more requests.
	failures  int
	notBefore time.Time
	// doubted is true where Airflow refused something for lack of a permission since the account was checked.
	doubted bool

	// granted are generations of policies at the end of the last pass that did everything; revoked are those of the last one
	// that revoked everything that was to go.
	granted, revoked generations
}

// generations of policies.
type generations map[types.UID]int64

// checked reports whether the server was checked within the interval.
func (c *schedule) checked(afi *v1alpha1.AirflowInstance, now time.Time) bool {
	return !c.checkedAt.IsZero() && now.Sub(c.checkedAt) < afi.Spec.Interval.Duration
}

// secretsFresh reports whether the Secrets need not be read again.
func (c *schedule) secretsFresh(afi *v1alpha1.AirflowInstance, now time.Time) bool {
	if c.refused || c.secretsFor != afi.Generation {
		return false
	}
	return now.Sub(c.secretsAt) < afi.Spec.DagInterval.Duration
}

// secretsRead notes that the Secrets were read.
func (c *schedule) secretsRead(afi *v1alpha1.AirflowInstance, now time.Time) {
	c.secretsAt, c.secretsFor, c.refused = now, afi.Generation, false
}

// look is how much the next pass must read.
func (c *schedule) look(afi *v1alpha1.AirflowInstance, now time.Time) actuator.Look {
	switch {
	case c.claimed, c.fullAt.IsZero(), now.Sub(c.fullAt) >= c.fullWithin(afi, now):
		return actuator.LookFull
	case c.asked != afi.Annotations[v1alpha1.ReconcileAtAnnotation], c.comparedFor != afi.Generation:
		return actuator.LookFull
	case now.Sub(c.dagsAt) >= afi.Spec.DagInterval.Duration:
		return actuator.LookDags
	}
	return actuator.LookTouched
}

// fullWithin is how long after a full comparison the next one is due.
func (c *schedule) fullWithin(afi *v1alpha1.AirflowInstance, now time.Time) time.Duration {
	if now.Before(c.relapsing) {
		return min(c.nextFull, afi.Spec.DagInterval.Duration)
	}
	return c.nextFull
}

// looked notes what was read, and when it is to be read again: intervals of many instances are spread.
func (c *schedule) looked(afi *v1alpha1.AirflowInstance, look actuator.Look, report *actuator.Report) {
	c.claimed = report.Claim.Taken()
	if slices.ContainsFunc(report.Drift, func(d access.Drift) bool { return d.Repaired && d.ComesBack() }) {
		c.relapsing = report.StartedAt.Add(afi.Interval())
	}
	if look == actuator.LookDags {
		c.dagsAt = report.StartedAt
	}
	if look != actuator.LookFull && !report.Full {
		return
	}
	c.dagsAt = report.StartedAt
	if report.Partial() {
		return // roles or users are tried again by the next pass, DAGs after dagInterval
	}
	c.fullAt = report.StartedAt
	interval := afi.Spec.Interval.Duration
	c.nextFull = interval - time.Duration(rand.Int64N(int64(interval)/10+1)) //nolint:gosec // spreads load, protects nothing
	c.comparedFor, c.asked = afi.Generation, afi.Annotations[v1alpha1.ReconcileAtAnnotation]
}

// failed notes what a problem means for the next try.
func (c *schedule) failed(p *problem, now time.Time) {
	if p.rereadsSecrets() {
		c.refused = true
	}
	c.notBefore = now.Add(p.wait)
}

// stumbled counts a pass that failed. One that changed something is the first in a row: the server works, if only now and
// then.
func (c *schedule) stumbled(works bool) {
	if works {
		c.failures = 0
	}
	c.failures++
}

// served notes which policies a pass applied; all is true where nothing kept it from granting.
func (c *schedule) served(report *actuator.Report, all bool) {
	c.revoked = make(generations, len(report.Policies))
	for _, policy := range report.Policies {
		c.revoked[policy.UID] = policy.Generation
	}
	if all {
		c.granted, c.failures = c.revoked, 0
	}
}

// servedBut notes which policies a pass applied that did not do everything: retries for one policy do not wait less because
// of another.
func (c *schedule) servedBut(report *actuator.Report) {
	if c.granted == nil {
		return
	}
	granted := maps.Clone(c.granted)
	for _, policy := range report.Policies {
		if len(policy.Failures) == 0 || policy.Refusal != nil { // nothing but time helps against a refusal
			granted[policy.UID] = policy.Generation
		}
	}
	c.granted = granted
}

// doubt asks for a check of the account where Airflow begins to refuse something to it: a permission may be missing, or one
// role or user is refused for another reason.
func (c *schedule) doubt(forbidden bool) {
	if forbidden && !c.doubted {
		c.checkedAt = time.Time{}
	}
	c.doubted = forbidden
}

// backoff grows with every failure in a row, up to a bound.
func (c *schedule) backoff(most time.Duration) time.Duration {
	wait := minBackoff
	for range c.failures {
		if wait *= 2; wait >= most {
			return most
		}
	}
	return wait
}

// driftLog is which drift was announced and which is still to be stored. What is not repaired is found again in every pass;
// what was repaired is found once.
type driftLog struct {
	// announced drift that is not repaired: its key, and what it is.
	announced map[string]string
	// unstored drift was announced and could not be stored yet.
	unstored []access.Drift
	// contested is until when an item that another writer keeps reverting is not retried.
	contested map[string]time.Time
}

// news gives the drift that was not announced before.
func (l *driftLog) news(found []access.Drift) []access.Drift {
	var out []access.Drift
	announced := map[string]string{}
	for _, d := range found {
		if !d.Repaired {
			announced[d.Key] = d.What
		}
		if d.Repaired || l.announced[d.Key] != d.What {
			out = append(out, d)
		}
	}
	l.announced = announced
	return out
}

// keep retains drift that was announced until it can be stored.
func (l *driftLog) keep(found []access.Drift) {
	l.unstored = append(slices.Clone(found), l.unstored...)
	l.unstored = l.unstored[:min(len(l.unstored), maxDrift)]
}

// contest notes which items are not retried, and until when those that are new among them are not.
func (l *driftLog) contest(items []string, until time.Time) {
	contested := make(map[string]time.Time, len(items))
	for _, item := range items {
		contested[item] = until
		if known, old := l.contested[item]; old {
			contested[item] = known
		}
	}
	l.contested = contested
}

// contestedUntil is when the first of the items is retried; zero where there are none.
func (l *driftLog) contestedUntil() time.Time {
	first := time.Time{}
	for _, until := range l.contested {
		if first.IsZero() || until.Before(first) {
			first = until
		}
	}
	return first
}

func repaired(found []access.Drift) []access.Drift {
	return slices.DeleteFunc(slices.Clone(found), func(d access.Drift) bool { return !d.Repaired })
}

// rereadsSecrets reports whether the Secrets may have the remedy of a problem.
func (p *problem) rereadsSecrets() bool {
	return p.outcome == kind.OutcomeCredentials || p.outcome == kind.OutcomeDenied
}
