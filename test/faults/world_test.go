package faults_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

const (
	interval    = time.Minute
	dagInterval = 20 * time.Second
	// patience bounds what the harness waits for, of real time.
	patience = time.Minute
)

// world is one namespace with one simulated Airflow and the operator, on one clock that the harness moves.
type world struct {
	t         *testing.T
	random    *rand.Rand
	namespace string
	sim       *airflowtest.Sim
	can       airflow.Capabilities // of its Airflow
	door      *door
	people    []string
	dags      []string
	ttl       time.Duration
	// clock is the true time; operatorClock is what the operator believes.
	clock         *clocktesting.FakePassiveClock
	operatorClock *operatorClock
	began         time.Time
	processes     []*process
	preparing     func(*process) // called for each new process before it starts
	log           *lockedBuffer

	// habits are what happens again and again, errands what happens once, sudden what happens as soon as it can.
	habits  []habit
	errands []errand
	// over is set when nothing of the scenario can happen any more.
	over bool

	mu      sync.Mutex
	sudden  []func()
	story   []string
	graves  map[*process]bool
	strikes int
	// blindness is when the operator could not do its work, by the plan of the fault.
	blindness []window
	// ahead is how far a clock was ahead of the true time, at most: so much earlier may endings be carried out.
	ahead time.Duration
	// apart is set while the caches of the operator are known to differ from the API server.
	apart atomic.Int32
	// quiets are the moments at which nothing was to be done, with what the objects claimed then.
	quiets []quiet

	// unparsed are the times in which Airflow had a DAG and not its permissions, passwords what must not be told,
	// leaveAlone when Airflow asked to be left alone.
	unparsed  map[string][]stretch
	passwords []string
	// unwell are the objects that people must mend, or that ask for what they must not get, with the reason that is expected.
	unwell     map[string]string
	leaveAlone []window
	failures   []string
	// past is what happened in Airflow; it is there when all is over.
	past *past
	// lied are the causes, with their persons, that were said to be in place and were not.
	lied map[string]bool

	// ends are called when the world is removed.
	ends []func()

	facts  *facts
	record *record
	counts struct{ writes int }
	// dirty is set by what changes objects; clean is how many writes of the operator the caches were known to hold.
	dirty bool
	clean int
	// looked is what was stored at the last quiet moment, lookedWrites how many writes of the operator it holds, and moved
	// is set when others changed objects since.
	looked       *stored
	lookedWrites int
	moved        bool
}

// stretch is a stretch of time.
type stretch struct{ from, to time.Time }

// window is a stretch in which something stood in the operator's way.
type window struct {
	what     blind
	from, to time.Time
}

// blind says what stood in the way, and with it what may be late, and by how much.
type blind string

const (
	// airflowAway: Airflow cannot be used, or does not do what it says. Every ending may be late. It is carried out
	// within the longest back-off of an overdue ending, 5 s, after Airflow is back.
	airflowAway blind = "Airflow"
	// kubernetesAway: the operator does not see the API server. What people ask for meanwhile may be late; what time ends
	// may not.
	kubernetesAway blind = "Kubernetes"
	// processAway: no operator runs. Every ending may be late.
	processAway blind = "process"
	// onlyRevoking: nothing may be granted. Where role updates only add, users who keep a role that is narrowed keep its rights
	// until they may be moved to a successor.
	onlyRevoking blind = "granting"
)

// grace is how much later than the end of a window an ending may be carried out.
var grace = map[blind]time.Duration{airflowAway: 6 * time.Second, kubernetesAway: time.Second, processAway: time.Second, onlyRevoking: 2*dagInterval + lead}

// newWorld makes a namespace, an Airflow with people and DAGs, behind TLS or not, and starts to record. To be removed by
// a defer: what t.Cleanup is given stays in memory until the last test of all has ended.
func newWorld(t *testing.T, seed uint64, options airflowtest.Options, secure bool) *world {
	t.Helper()
	w := &world{
		t: t, random: rand.New(rand.NewPCG(seed, 1)), log: &lockedBuffer{}, graves: map[*process]bool{}, unparsed: map[string][]stretch{}, lied: map[string]bool{}, unwell: map[string]string{},
	}
	w.ttl = []time.Duration{0, 5 * time.Second, 30 * time.Second}[w.random.IntN(3)]
	w.can = airflow.CapabilitiesOf(airflow.Server{Version: options.Generation.Version, FABProvider: options.Generation.FABProvider})
	if w.can.PermissionModel == airflow.PermissionModelAirflow2 {
		w.ttl = 0 // it has no cache
	}
	w.began = time.Now().Add(10 * time.Minute).Truncate(time.Second) // objects are older than what happens to them
	w.clock = clocktesting.NewFakePassiveClock(w.began)
	w.operatorClock = &operatorClock{FakePassiveClock: w.clock}
	options.Clock, options.CacheTTL = w.clock, w.ttl
	w.sim, w.door = airflowtest.New(options), &door{address: "127.0.0.1:0"}
	if secure {
		w.door.paper = issue(t)
	}
	w.door.open(w)
	w.people, w.dags = slices.Clone(people), slices.Clone(dags)
	for _, id := range dags {
		w.sim.SetDag(airflowtest.Dag{ID: id})
	}
	w.sim.SetRole("analysts")
	for _, name := range people {
		w.sim.AddUser(airflowtest.User{Username: name, Email: name + "@example.com", Roles: []string{"Public"}})
	}
	w.sim.SetUserRoles("carol", "Public", "analysts")
	w.facts = newFacts(w)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "faults-"}}
	if err := admin.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	w.namespace = namespace.Name
	w.record = w.observe()
	return w
}

// remove ends what runs and deletes what is there, without anybody who would look at it.
func (w *world) remove() {
	for _, p := range slices.Clone(w.processes) {
		p.stop()
	}
	w.record.stop()
	ctx := context.Background()
	for _, object := range w.stored() {
		object.SetFinalizers(nil)
		if err := client.IgnoreNotFound(admin.Update(ctx, object)); err != nil {
			w.t.Errorf("remove a finalizer: %v", err)
		}
		if err := client.IgnoreNotFound(admin.Delete(ctx, object)); err != nil {
			w.t.Errorf("delete what is left: %v", err)
		}
	}
	w.door.close()
	for _, end := range w.ends {
		end()
	}
}

func (w *world) now() time.Time { return w.clock.Now() }

// at is how much time has passed.
func (w *world) at() time.Duration { return w.now().Sub(w.began) }

// note adds a line to the story that is told when something is wrong.
func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.story = append(w.story, fmt.Sprintf("%9s  %s", w.at().Round(time.Millisecond), fmt.Sprintf(format, args...)))
}

// struck counts that the fault took effect.
func (w *world) struck() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.strikes++
}

// blindFor notes that something stands in the operator's way from now on, for a time.
func (w *world) blindFor(what blind, d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.blindness = append(w.blindness, window{what, w.now(), w.now().Add(d)})
}

func (w *world) noteWrites(p *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts.writes += len(p.gate.writes(0))
}

// kubernetesWrites is how many writes the operator has made to the API server.
func (w *world) kubernetesWrites() int {
	w.mu.Lock()
	n := w.counts.writes
	w.mu.Unlock()
	for _, p := range w.processes {
		n += len(p.gate.writes(0))
	}
	return n
}

// run lets time pass. The clock goes from one thing that is due to the next, and stands still while anything is done.
func (w *world) run(d time.Duration) {
	w.t.Helper()
	until := w.now().Add(d)
	for range 20000 {
		w.settle()
		next := until
		if at := w.appointment(); !at.IsZero() && at.Before(next) {
			next = at
		}
		for _, p := range w.processes {
			if at := p.next(); !at.IsZero() && at.Before(next) {
				next = at
			}
		}
		if next.After(w.now()) {
			w.clock.SetTime(next)
		}
		w.keepAppointments()
		for _, p := range w.processes {
			for _, q := range p.queues {
				q.fire(w.now())
			}
		}
		if !w.now().Before(until) {
			w.settle()
			if !w.due() {
				return
			}
		}
	}
	w.fatal("the operator is busy without an end")
}

// habit is something that happens again and again, errand something that happens once.
type habit struct {
	next   time.Time
	period time.Duration
	do     func()
}

type errand struct {
	at time.Time
	do func()
}

// every has something done again and again from now on.
func (w *world) every(period time.Duration, do func()) {
	w.habits = append(w.habits, habit{w.now().Add(period), period, do})
}

// once has something done at a moment. It may be called from any goroutine.
func (w *world) once(at time.Time, do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.errands = append(w.errands, errand{at, do})
}

// soon has something done before time passes. It may be called from any goroutine.
func (w *world) soon(do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sudden = append(w.sudden, do)
}

// appointment is when something is to be done by the harness; zero where nothing is.
func (w *world) appointment() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	var first time.Time
	take := func(at time.Time) {
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	for _, e := range w.errands {
		take(e.at)
	}
	for _, h := range w.habits {
		take(h.next)
	}
	return first
}

func (w *world) keepAppointments() {
	w.mu.Lock()
	var due []func()
	w.errands = slices.DeleteFunc(w.errands, func(e errand) bool {
		if e.at.After(w.now()) {
			return false
		}
		due = append(due, e.do)
		return true
	})
	for i := range w.habits {
		if h := &w.habits[i]; !h.next.After(w.now()) {
			h.next = w.now().Add(h.period)
			due = append(due, h.do)
		}
	}
	w.mu.Unlock()
	for _, do := range due {
		do()
	}
}

func (w *world) takeSudden() []func() {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.sudden
	w.sudden = nil
	return out
}

// due says whether something is to be done at this moment.
func (w *world) due() bool {
	return slices.ContainsFunc(w.processes, func(p *process) bool { at := p.next(); return !at.IsZero() && !at.After(w.now()) })
}

// settle waits until nothing is worked on, nothing is under way to the operator's caches, and a process that died is
// buried.
func (w *world) settle() {
	w.t.Helper()
	const (
		pause  = 4 * time.Millisecond
		enough = 5
	)
	deadline := time.Now().Add(patience)
	for calm, busy := 0, 0; calm < enough; {
		for _, do := range w.takeSudden() {
			do()
		}
		for _, p := range slices.Clone(w.processes) {
			if p.gate.isDead() {
				w.bury(p)
			}
		}
		if time.Now().After(deadline) {
			w.fatal("the operator does not come to rest: %s", w.restless())
		}
		began := time.Now()
		<-time.After(pause)
		woken := time.Since(began)
		idle := !slices.ContainsFunc(w.processes, func(p *process) bool { return !p.idle() }) && w.synced()
		switch {
		case !idle:
			calm = 0
		case woken < 4*pause || busy > enough: // else the machine may be too busy to tell
			calm++
		default:
			busy++
		}
	}
	w.calm()
}

// await waits, of real time, until something is so.
func (w *world) await(what string, so func() bool) {
	w.t.Helper()
	for deadline, calm := time.Now().Add(patience), 0; calm < 5; calm++ {
		if time.Now().After(deadline) {
			w.fatal("%s does not come: %s", what, w.restless())
		}
		<-time.After(4 * time.Millisecond)
		if !so() {
			calm = -1
		}
	}
}

// restless says what keeps the operator from rest.
func (w *world) restless() string {
	var out []string
	for i, p := range w.processes {
		for _, name := range sortedKeys(p.queues) {
			q := p.queues[name]
			q.mu.Lock()
			out = append(out, fmt.Sprintf("process %d %s: working on %v, ready %v, handed %d", i, name, q.working, q.ready, q.handed))
			q.mu.Unlock()
		}
	}
	return strings.Join(append(out, fmt.Sprintf("caches hold what is stored: %t", w.synced())), "; ")
}

// synced says whether the caches of the operator hold what the API server does.
func (w *world) synced() bool {
	if w.apart.Load() > 0 || len(w.processes) == 0 {
		return true
	}
	if slices.ContainsFunc(w.processes, func(p *process) bool { return !p.started() }) {
		return false
	}
	written := w.kubernetesWrites()
	if !w.dirty && written == w.clean {
		return true
	}
	live := versions(w.stored())
	for _, p := range w.processes {
		if p.gate.isDead() {
			return false
		}
		cached, err := listAll(context.Background(), p.client, w.namespace)
		if err != nil || versions(cached) != live {
			return false
		}
	}
	w.dirty, w.clean = false, written
	return true
}

// stored gives all objects of the world as they are stored.
func (w *world) stored() []client.Object {
	objects, err := listAll(context.Background(), admin, w.namespace)
	if err != nil {
		w.t.Fatalf("read what is stored: %v", err)
	}
	return objects
}

func listAll(ctx context.Context, c client.Reader, namespace string) ([]client.Object, error) {
	var (
		instances v1alpha1.AirflowInstanceList
		policies  v1alpha1.DagAccessPolicyList
		grants    v1alpha1.AccessGrantList
		out       []client.Object
	)
	for _, list := range []client.ObjectList{&instances, &policies, &grants} {
		if err := c.List(ctx, list, client.InNamespace(namespace)); err != nil {
			return nil, err
		}
	}
	for i := range instances.Items {
		out = append(out, &instances.Items[i])
	}
	for i := range policies.Items {
		out = append(out, &policies.Items[i])
	}
	for i := range grants.Items {
		out = append(out, &grants.Items[i])
	}
	return out, nil
}

func versions(objects []client.Object) string {
	var out []string
	for _, o := range objects {
		out = append(out, string(o.GetUID())+o.GetResourceVersion())
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// record is every version of every object that the API server stored.
type record struct {
	mu       sync.Mutex
	versions []version
	watches  []watch.Interface
	done     sync.WaitGroup
}

type version struct {
	at      time.Time
	deleted bool
	object  client.Object
}

// observe records from now on.
func (w *world) observe() *record {
	r := &record{}
	for _, list := range []client.ObjectList{&v1alpha1.AirflowInstanceList{}, &v1alpha1.DagAccessPolicyList{}, &v1alpha1.AccessGrantList{}} {
		stream, err := admin.Watch(context.Background(), list, client.InNamespace(w.namespace))
		if err != nil {
			w.t.Fatalf("watch: %v", err)
		}
		r.watches = append(r.watches, stream)
		r.done.Go(func() {
			for event := range stream.ResultChan() {
				if object, ok := event.Object.(client.Object); ok {
					r.mu.Lock()
					r.versions = append(r.versions, version{w.now(), event.Type == watch.Deleted, object})
					r.mu.Unlock()
				}
			}
		})
	}
	return r
}

func (r *record) stop() {
	for _, stream := range r.watches {
		stream.Stop()
	}
	r.done.Wait()
}

func (r *record) all() []version {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.versions)
}

// tell writes what happened into the test's log.
func (w *world) tell() {
	w.t.Helper()
	w.mu.Lock()
	story := slices.Clone(w.story)
	w.mu.Unlock()
	for _, c := range w.sim.Changes(nil) {
		if c.At.After(w.began) || c.By == airflowtest.AdminUsername {
			story = append(story, fmt.Sprintf("%9s  Airflow #%d: %s by %s %s%s%s %v", c.At.Sub(w.began).Round(time.Millisecond), c.Seq, c.Kind, c.By, c.Role, c.User, c.Dag, c.RolesAfter))
		}
	}
	for _, v := range w.record.all() {
		if g, ok := v.object.(*v1alpha1.AccessGrant); ok {
			story = append(story, fmt.Sprintf("%9s  grant %s: %s %s", v.at.Sub(w.began).Round(time.Millisecond), g.Name, g.Status.Phase, reasonOf([]client.Object{g}, "grant "+g.Name)))
		}
	}
	slices.SortStableFunc(story, func(a, b string) int { return cmp.Compare(moment(a), moment(b)) })
	w.t.Logf("cache of permissions %s\n%s", w.ttl, strings.Join(story, "\n"))
	if os.Getenv("FAULTS_LOG") != "" {
		for _, r := range w.sim.Requests(nil) {
			w.t.Logf("%s  %s %s?%s %d %s %s", w.offset(r.At), r.Method, r.Path, r.Query, r.Status, r.Fault, r.Body)
		}
		w.t.Log(w.log.String())
	}
}

func moment(line string) time.Duration {
	text, _, _ := strings.Cut(strings.TrimSpace(line), " ")
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0
	}
	return d
}

// fatal ends the run with its story.
func (w *world) fatal(format string, args ...any) {
	w.t.Helper()
	w.tell()
	w.t.Fatalf(format, args...)
}
