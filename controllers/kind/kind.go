package kind

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/decision"
)

// Env is what every kind works with. All fields but the client are the same for all kinds.
type Env struct {
	// Client reads the cache and writes to the API server.
	client.Client
	// APIReader reads past the cache, before something final is decided because an object is missing.
	APIReader client.Reader
	// Clock is ours.
	Clock clock.PassiveClock
	// Recorder of Events; nil sends none.
	Recorder events.EventRecorder
	// Reports of passes over Airflows.
	Reports *Reports
	// Teller makes transitions known to people; nil tells nobody.
	Teller Teller
	// Retention is how long an object stays after its end, unless a Git tool tracks it; 0 is for ever.
	Retention time.Duration
}

// Teller makes known to people what was stored. It is told of every pass, also of one that changed nothing, so that it knows
// after a restart what comes by time. It never waits for anything, and changes no object.
type Teller interface {
	// Request as it was read and as it is stored now.
	Request(before, after *v1alpha1.AccessRequest)
	// Grant as it was read and as it is stored now, and the request that it was made for; nil where there is none.
	Grant(request *v1alpha1.AccessRequest, before, after *v1alpha1.AccessGrant)
	// Forget an object that is gone.
	Forget(uid types.UID)
}

// Cache gives the lists by index.
func (e *Env) Cache() Cache { return Cache{e.Client} }

// Kind is what one kind brings. Everything else is the life that all kinds share.
type Kind[T client.Object, F any] struct {
	// Name of the controller in the log and in metrics: the kind in lower case. Noun is its short word in the log.
	Name, Noun string
	// Workers is how many objects are decided at once. Each waits for the API server only.
	Workers int
	// New gives an empty object.
	New func() T
	// Status gives the common parts of an object's status.
	Status func(T) Status

	// Gather reads everything that a decision depends on, and writes nothing. Objects from the cache are shared: they are
	// never changed.
	Gather func(context.Context, *Pass[T]) (F, error)
	// Decide is pure: equal facts give equal verdicts, and facts are never changed.
	Decide func(F) Verdict[T]
	// Watches adds the other kinds whose objects wake objects of this one.
	Watches func(*builder.Builder, *Env, *Memory)

	// Wakes gives the objects about which a report says something else than the one before, which is nil for the first;
	// those that are to be revoked are urgent. Nil: reports wake none.
	Wakes func(memory *Memory, before, report *Report) (urgent, others []types.NamespacedName)
	// Ends reports whether access is to be revoked at a moment or soon after: such objects go before others. Nil: never.
	Ends func(object T, at time.Time) bool
	// Mark changes the object when its finalizer is added, and reports whether there was something to change. Nil: nothing.
	Mark func(T) bool
	// EndedAt is when an object ended for good: its retention counts from there. It is nil for one that did not. Nil: objects
	// of the kind are not collected.
	EndedAt func(T) *metav1.Time
	// Measure updates metrics after the verdict was stored. before is the object as it was read. Nil: nothing.
	Measure func(facts F, before, after T)
	// Tell makes known to people what the verdict changed, after it was stored. before is the object as it was read. Nil:
	// nobody is told of objects of the kind.
	Tell func(teller Teller, facts F, before, after T)
	// Forget drops what other packages remember of an object that is gone. Nil: nothing.
	Forget func(types.UID)
}

// Status points at the parts of a status that every kind has.
type Status struct {
	// ObservedGeneration of the spec that was decided.
	ObservedGeneration *int64
	// Conditions of the object.
	Conditions *[]metav1.Condition
	// History of the object.
	History *[]v1alpha1.HistoryEntry
}

// Verdict is what becomes of an object.
type Verdict[T client.Object] struct {
	// Verdict has the parts that every decision has.
	decision.Verdict
	// Record writes the fields that only this kind has into a status.
	Record func(T)
	// Interest is which news wake the object until its next pass.
	Interest Interest
	// Final is true when the verdict ends the object for good: until that is stored, it is latched.
	Final bool
	// Traceless is true when nothing is written about an object that goes.
	Traceless bool
	// Create is an object that follows from the verdict, made once the verdict is stored; nil where there is none. Its name
	// is derived from the object, so that it is made once however often a pass is repeated.
	Create client.Object
}

// Pass is what is known of one object when a pass over it begins.
type Pass[T client.Object] struct {
	*Env
	// Object as it was read. It is never changed.
	Object T
	// Now by our clock. Since is when this process began to observe.
	Now, Since time.Time
	// Latched is the object with the end that was decided for it before and perhaps not stored; nil where there is none.
	Latched T

	memory *Memory
	// instance and report are what Report was asked for and gave.
	instance types.NamespacedName
	report   *Report
}

// Deleting reports whether the object is being deleted.
func (p *Pass[T]) Deleting() bool { return !p.Object.GetDeletionTimestamp().IsZero() }

// Report gives the last report about an instance; nil where there is no instance, or no report about it yet: one about an
// earlier instance of the same name does not count. When another one is published before the pass is over, the object is
// reconciled again at once.
func (p *Pass[T]) Report(instance *v1alpha1.AirflowInstance) *Report {
	if instance == nil {
		return nil
	}
	p.instance, p.report = instance.Key(), p.Reports.Get(instance.Key())
	if p.report == nil || p.report.InstanceUID != instance.UID {
		return nil
	}
	return p.report
}

// Await makes news wake the object from now on. Gather calls it before it reads something that can change while the pass
// goes on; the Interest of the verdict replaces it.
func (p *Pass[T]) Await(interest Interest) { p.memory.Await(p.Object, interest) }

// outdated reports whether a newer report than the one that was read was published meanwhile.
func (p *Pass[T]) outdated() bool {
	return p.instance.Name != "" && p.Reports.Get(p.instance) != p.report
}
