package kind

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/decision"
	"github.com/airflow-oam/airflow-oam/internal/status"
)

// Reconciler makes passes over the objects of one kind. It writes their status, finalizer and marks, and nothing else.
type Reconciler[T client.Object, F any] struct {
	Env
	// Memory of the objects of the kind.
	Memory *Memory
	kind   Kind[T, F]
	// since is when the controller began to work.
	since time.Time
}

// New makes the reconciler of a kind.
func New[T client.Object, F any](env Env, kind Kind[T, F]) *Reconciler[T, F] {
	return &Reconciler[T, F]{Env: env, kind: kind, Memory: NewMemory(func(uid types.UID) {
		if kind.Forget != nil {
			kind.Forget(uid)
		}
		if env.Teller != nil {
			env.Teller.Forget(uid)
		}
	})}
}

// Reconcile makes one pass over one object.
func (r *Reconciler[T, F]) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	stored := r.kind.New()
	if err := r.Get(ctx, request.NamespacedName, stored); err != nil {
		if client.IgnoreNotFound(err) == nil {
			r.Memory.Forget(request.NamespacedName)
			return ctrl.Result{}, nil
		}
		return Settle(err)
	}
	s := r.begin(stored)
	for _, phase := range []func(context.Context) error{
		s.gather,
		s.decide,
		s.hold,
		s.store,
		s.create,
		s.announce,
		s.release,
		s.collect,
	} {
		if err := phase(ctx); err != nil {
			s.latch(err)
			return Settle(err)
		}
	}
	return s.result(), nil
}

func (r *Reconciler[T, F]) begin(stored T) *scope[T, F] {
	latched, _ := r.Memory.latched(stored.GetUID()).(T)
	return &scope[T, F]{kind: &r.kind, Pass: Pass[T]{
		Env: &r.Env, Object: stored, Now: r.Clock.Now(), Since: r.since, Latched: latched, memory: r.Memory,
	}}
}

// scope is one pass over one object.
type scope[T client.Object, F any] struct {
	Pass[T]
	kind  *Kind[T, F]
	facts F
	// verdict is what was decided from the facts.
	verdict Verdict[T]
	// base is the object as it is stored now, updated is what it becomes.
	base, updated T
	// decided is true once there is a verdict; gone once the object is.
	decided, gone bool
}

// gather reads everything that the decision depends on.
func (s *scope[T, F]) gather(ctx context.Context) (err error) {
	s.facts, err = s.kind.Gather(ctx, &s.Pass)
	return err
}

// decide asks for the verdict.
func (s *scope[T, F]) decide(context.Context) error { //nolint:unparam // it is a phase, as all that can fail
	s.verdict, s.decided = s.kind.Decide(s.facts), true
	s.base, s.updated = s.Object, clone(s.Object)
	return nil
}

// hold adds the finalizer, and the mark of the kind, before something outside of Kubernetes follows from the verdict.
func (s *scope[T, F]) hold(ctx context.Context) error {
	if !s.verdict.Hold || s.Deleting() {
		return nil
	}
	changed := controllerutil.AddFinalizer(s.updated, v1alpha1.Finalizer)
	if s.kind.Mark != nil && s.kind.Mark(s.updated) {
		changed = true
	}
	if !changed {
		return nil
	}
	if err := Patch(ctx, s.Client, s.base, s.updated); err != nil {
		return err
	}
	s.base = clone(s.updated)
	return nil
}

// record writes the verdict into an object.
func (s *scope[T, F]) record(object T) {
	s.verdict.Record(object)
	before, after := s.kind.Status(s.Object), s.kind.Status(object)
	generation := s.Object.GetGeneration()
	*after.ObservedGeneration = generation
	*after.Conditions = status.Conditions(*before.Conditions, generation, s.Now, s.verdict.Conditions...)
	*after.History = status.History(*before.History, s.Now, decision.History(s.verdict.Entries)...)
}

// store writes the status where it changed.
func (s *scope[T, F]) store(ctx context.Context) error {
	if s.verdict.Traceless {
		return nil
	}
	s.record(s.updated)
	_, err := status.Patch(ctx, s.Client, s.base, s.updated)
	return err
}

// create makes what follows from the verdict. An object that is there already is read by the next pass.
func (s *scope[T, F]) create(ctx context.Context) error {
	if s.verdict.Create == nil || s.Deleting() {
		return nil
	}
	return client.IgnoreAlreadyExists(s.Client.Create(ctx, s.verdict.Create))
}

// announce makes known what was stored: Events, log, metrics and notifications, and the memory of the wakers.
func (s *scope[T, F]) announce(ctx context.Context) error { //nolint:unparam // it is a phase, as all that can fail
	Announcer{Recorder: s.Recorder, Noun: s.kind.Noun, Action: "Decide"}.Announce(ctx, s.updated, s.verdict.Entries)
	s.memory.Decided(s.updated, s.verdict.Interest)
	if s.kind.Measure != nil {
		s.kind.Measure(s.facts, s.Object, s.updated)
	}
	if s.kind.Tell != nil && s.Teller != nil {
		s.kind.Tell(s.Teller, s.facts, s.Object, s.updated)
	}
	return nil
}

// release removes the finalizer of a deleted object once the verdict allows it.
func (s *scope[T, F]) release(ctx context.Context) (err error) {
	if s.Deleting() && s.verdict.Release {
		s.gone, err = RemoveFinalizer(ctx, s.Client, s.updated)
	}
	return err
}

// retained is how long an object is still retained; false where it is not collected.
func (s *scope[T, F]) retained() (left time.Duration, collected bool) {
	if s.kind.EndedAt == nil || s.Retention <= 0 {
		return 0, false
	}
	ended := s.kind.EndedAt(s.updated)
	if ended == nil || decision.Tracked(s.updated) {
		return 0, false
	}
	return ended.Add(s.Retention).Sub(s.Now), true
}

// collect deletes an object whose retention is over. One that a Git tool tracks stays: the tool would only create it again.
func (s *scope[T, F]) collect(ctx context.Context) error {
	left, collected := s.retained()
	if !collected || left > 0 {
		return nil
	}
	if s.gone || s.Deleting() {
		return nil
	}
	s.gone = true
	log.FromContext(ctx).Info("deleting an object whose retention is over")
	uid, version := s.updated.GetUID(), s.updated.GetResourceVersion()
	return client.IgnoreNotFound(s.Delete(ctx, s.updated, client.Preconditions{UID: &uid, ResourceVersion: &version}))
}

// latch remembers an end that could not be stored, so that a clock that steps back meanwhile does not revoke the decision.
// After a conflict there is something newer to decide from.
func (s *scope[T, F]) latch(err error) {
	if !s.decided || !s.verdict.Final || OutcomeOf(err) == OutcomeWaiting {
		return
	}
	ended := clone(s.Object)
	s.record(ended)
	s.memory.latch(ended)
}

// collectWait is how often an object that ended is reconciled for its retention, which no one waits for.
const collectWait = time.Hour

// result is when the object is reconciled again: exactly when time changes the verdict, and before others where access
// ends by then.
func (s *scope[T, F]) result() ctrl.Result {
	if s.gone {
		return ctrl.Result{}
	}
	result := ctrl.Result{Priority: new(PriorityNormal)}
	if s.verdict.Urgent || s.kind.endsAt(s.updated, s.Now) {
		result.Priority = new(PriorityEnding)
	}
	switch left, collected := s.retained(); {
	case s.outdated():
		result.RequeueAfter = time.Millisecond
	case !s.verdict.NextAt.IsZero():
		result.RequeueAfter = WaitUntil(s.Now, s.verdict.NextAt)
	case collected:
		result.RequeueAfter = max(time.Second, min(left, collectWait))
	}
	return result
}

// endsAt asks Ends, where the kind has it.
func (k *Kind[T, F]) endsAt(object T, at time.Time) bool {
	return k.Ends != nil && k.Ends(object, at)
}

// clone copies an object.
func clone[T client.Object](object T) T {
	copied, _ := object.DeepCopyObject().(T) // no object copies itself into another type
	return copied
}

// keyOf names an object.
func keyOf(object client.Object) types.NamespacedName { return client.ObjectKeyFromObject(object) }
