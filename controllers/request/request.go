package request

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/controllers/kind"
	"github.com/airflow-oam/airflow-oam/internal/decision/request"
)

// object is what the package is about, in short for signatures.
type object = *v1alpha1.AccessRequest

// Reconciler of requests.
type Reconciler = kind.Reconciler[object, request.Facts]

// Prover proves that the API server checks the names on requests.
type Prover interface {
	// Prove gives an error that says in one line why it is not proved for a request.
	Prove(ctx context.Context, request *v1alpha1.AccessRequest) error
}

// New makes the reconciler of requests.
func New(env kind.Env, prover Prover) *Reconciler {
	return kind.New(env, kind.Kind[object, request.Facts]{
		Name:    "accessrequest",
		Noun:    "request",
		Workers: 4,
		New:     func() object { return &v1alpha1.AccessRequest{} },
		Status: func(r object) kind.Status {
			return kind.Status{ObservedGeneration: &r.Status.ObservedGeneration, Conditions: &r.Status.Conditions, History: &r.Status.History}
		},
		Gather: func(ctx context.Context, pass *kind.Pass[object]) (request.Facts, error) {
			facts, err := gather(ctx, pass)
			if err != nil || !request.Decide(facts).NeedsProof {
				return facts, err
			}
			facts.Proved = request.Proof{At: pass.Now, Err: prover.Prove(ctx, pass.Object)}
			return facts, nil
		},
		Decide:  decide,
		Watches: watches,
		Wakes:   wakes,
		EndedAt: endedAt,
		Tell:    func(teller kind.Teller, _ request.Facts, before, after object) { teller.Request(before, after) },
	})
}

// decide asks for the verdict.
func decide(f request.Facts) kind.Verdict[object] {
	v := request.Decide(f)
	verdict := kind.Verdict[object]{
		Verdict:  v.Verdict,
		Record:   func(r object) { v.Status.DeepCopyInto(&r.Status) },
		Interest: kind.Interest{Directory: true, Closed: !unfinished(&v.Status)},
	}
	if f.Policy != nil {
		verdict.Interest.Instance = f.Policy.InstanceKey()
	}
	if v.Make != nil {
		verdict.Create = v.Make
	}
	return verdict
}

// unfinished reports whether news may change what becomes of a request: it is not decided, or was approved and its grant was
// not made yet.
func unfinished(s *v1alpha1.AccessRequestStatus) bool {
	switch {
	case s.Decision == nil:
		return true
	case s.Decision.Outcome != v1alpha1.RequestApproved, s.Grant == nil:
		return false
	}
	return s.Grant.Phase == ""
}

// endedAt is when a request ended for good: when it was decided, and where access was given, when that ended. An emergency
// that nobody reviewed stays.
func endedAt(r object) *metav1.Time {
	decision, grant, review := r.Status.Decision, r.Status.Grant, r.Status.Review
	switch {
	case decision == nil:
		return nil
	case unreviewed(review):
		return nil
	case decision.Outcome != v1alpha1.RequestApproved, grant == nil:
		return &decision.At
	case !grant.Phase.Terminal():
		return nil
	case grant.RevokedAt != nil:
		return grant.RevokedAt
	}
	return &decision.At
}

// automaticWindow is how long a request counts that nobody had to agree to.
const automaticWindow = 24 * time.Hour

// gather reads the request's policy, its instance and what the last pass over it saw, the grant that was made, and the other
// requests of the requester.
func gather(ctx context.Context, pass *kind.Pass[object]) (request.Facts, error) {
	r := pass.Object
	facts := request.Facts{Now: pass.Now, Since: pass.Since, Request: r}
	var err error
	if facts.Policy, err = policyOf(ctx, pass); err != nil {
		return facts, err
	}
	if facts.NamespaceAllowed, err = kind.NamespaceAllowed(ctx, pass.Client, r.Namespace, facts.Policy); err != nil {
		return facts, err
	}
	if facts.Grant, err = grantOf(ctx, pass); err != nil {
		return facts, err
	}
	if err := others(ctx, pass, &facts); err != nil {
		return facts, err
	}
	if facts.Policy == nil {
		return facts, nil
	}
	pass.Await(kind.Interest{Instance: facts.Policy.InstanceKey(), Directory: true})
	if facts.Instance, err = pass.Cache().Instance(ctx, facts.Policy.InstanceKey()); facts.Instance == nil {
		return facts, err
	}
	facts.CacheTTL, _ = facts.Instance.CacheTTL()
	if report := pass.Report(facts.Instance); report != nil {
		facts.CacheTTL = report.CacheTTL
		facts.Observed = pass.Reports.Observation(report, facts.Policy)
	}
	return facts, nil
}

// policyOf gives the request's policy; nil where there is none. That a policy is gone ends a request that was admitted, and
// is not decided from a cache that may be behind.
func policyOf(ctx context.Context, pass *kind.Pass[object]) (*v1alpha1.DagAccessPolicy, error) {
	key, terms := pass.Object.PolicyKey(), pass.Object.Status.Terms
	policy, err := pass.Cache().Policy(ctx, key)
	switch {
	case err != nil, terms == nil, pass.Object.Decided():
		return policy, err
	case policy != nil && string(policy.UID) == terms.PolicyUID:
		return policy, nil
	}
	return kind.Read(ctx, pass.APIReader, key, &v1alpha1.DagAccessPolicy{})
}

// grantOf gives the grant that has the name of the request's grant; nil where there is none. Whether one was made already is
// not decided from a cache that may be behind.
func grantOf(ctx context.Context, pass *kind.Pass[object]) (*v1alpha1.AccessGrant, error) {
	if pass.Object.Status.Grant == nil {
		return nil, nil //nolint:nilnil // none was made
	}
	key := types.NamespacedName{Namespace: pass.Object.Namespace, Name: pass.Object.Status.Grant.Name}
	found, err := kind.Read(ctx, pass.Client, key, &v1alpha1.AccessGrant{})
	switch {
	case err != nil, found != nil, pass.Object.Status.Grant.Phase.Terminal():
		return found, err
	}
	return kind.Read(ctx, pass.APIReader, key, &v1alpha1.AccessGrant{})
}

// others counts the other requests of the requester that limits and reviews are about.
func others(ctx context.Context, pass *kind.Pass[object], facts *request.Facts) error {
	if pass.Object.Decided() {
		return nil
	}
	requests, err := pass.Cache().RequestsBy(ctx, pass.Object.Spec.Requester)
	for _, other := range requests {
		if other.UID != pass.Object.UID {
			count(facts, other)
		}
	}
	return err
}

// count adds another request of the same requester to the facts.
func count(facts *request.Facts, other object) {
	r := facts.Request
	if other.Namespace == r.Namespace && queued(other, r) {
		facts.Open++
	}
	if other.PolicyKey() != r.PolicyKey() {
		return
	}
	if automatic(other, facts.Now) {
		facts.Automatic++
	}
	if overdue(other, facts.Now) {
		facts.Overdue = append(facts.Overdue, other.Name)
	}
}

// queued reports whether another request waits to be decided, and is older than this one.
func queued(other, r object) bool {
	if other.Decided() || other.DeletionTimestamp != nil {
		return false
	}
	return older(other, r)
}

func waits(r object) bool { return unfinished(&r.Status) }

func older(a, b object) bool {
	if a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.Name < b.Name
	}
	return a.CreationTimestamp.Before(&b.CreationTimestamp)
}

// automatic reports whether a request was approved a short time ago without anybody who had to agree.
func automatic(r object, now time.Time) bool {
	decision := r.Status.Decision
	switch {
	case decision == nil, decision.Outcome != v1alpha1.RequestApproved, decision.Reason != v1alpha1.ReasonRule:
		return false
	}
	return now.Sub(decision.At.Time) < automaticWindow
}

// overdue reports whether nobody has reviewed an emergency in time.
func overdue(r object, now time.Time) bool {
	return unreviewed(r.Status.Review) && !now.Before(r.Status.Review.Due.Time)
}

// unreviewed reports whether an emergency has to be reviewed; a request that is none has no review.
func unreviewed(review *v1alpha1.RequestReview) bool { return review != nil && review.At == nil }

// watches makes policies, instances, namespaces and grants wake requests.
func watches(b *builder.Builder, env *kind.Env, memory *kind.Memory) {
	b.Watches(&v1alpha1.DagAccessPolicy{}, kind.Wake(func(ctx context.Context, p *v1alpha1.DagAccessPolicy) []types.NamespacedName {
		requests, _ := env.Cache().RequestsOf(ctx, p.Key()) // see kind.Wake
		return kind.Names(requests, waits)
	}), builder.WithPredicates(predicate.GenerationChangedPredicate{}))
	b.Watches(&v1alpha1.AirflowInstance{}, kind.Wake(func(_ context.Context, i *v1alpha1.AirflowInstance) []types.NamespacedName {
		return memory.About(i.Key(), func(_ types.UID, interest kind.Interest) bool { return !interest.Closed })
	}), builder.WithPredicates(kind.InstanceChanged()))
	b.WatchesMetadata(kind.NamespaceMetadata(), kind.Wake(func(ctx context.Context, n *metav1.PartialObjectMetadata) []types.NamespacedName {
		requests, _ := env.Cache().RequestsFrom(ctx, n.Name) // see kind.Wake
		return kind.Names(requests, waits)
	}), builder.WithPredicates(predicate.LabelChangedPredicate{}))
	b.Watches(&v1alpha1.AccessGrant{}, kind.Wake(func(_ context.Context, g *v1alpha1.AccessGrant) []types.NamespacedName {
		key, asked := g.RequestKey()
		if !asked {
			return nil
		}
		return []types.NamespacedName{key}
	}), builder.WithPredicates(grantMoves()))
}

// grantMoves lets pass what a request copies of its grant.
func grantMoves() predicate.Funcs {
	moves := kind.When(func(g *v1alpha1.AccessGrant) any {
		var expires *metav1.Time
		if g.Status.Activation != nil {
			expires = &g.Status.Activation.ExpiresAt
		}
		return []any{g.Status.Phase, expires, g.Status.RevokedAt}
	})
	moves.CreateFunc = func(e event.CreateEvent) bool { return !e.IsInInitialList }
	return moves
}

// wakes gives the requests that wait, where a report says something new about users, DAGs, policies or what may be given.
func wakes(memory *kind.Memory, before, report *kind.Report) (urgent, others []types.NamespacedName) {
	if !kind.DirectoryChanged(before, report) {
		return nil, nil
	}
	return nil, memory.About(report.Instance, func(_ types.UID, i kind.Interest) bool { return !i.Closed })
}
