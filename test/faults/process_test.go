package faults_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"reflect"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/airflow-oam/airflow-oam/controllers"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
	"github.com/airflow-oam/airflow-oam/test/controlplane"
)

// operatorClock is the clock of the operator's machine, which may be off the true one.
type operatorClock struct {
	*clocktesting.FakePassiveClock
	mu  sync.Mutex
	off time.Duration
}

func (c *operatorClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.FakePassiveClock.Now().Add(c.off)
}

func (c *operatorClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// setOff sets the clock off the true time.
func (c *operatorClock) setOff(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off = d
}

// process is one run of the operator, from its start to its end.
type process struct {
	world  *world
	gate   *gate
	client client.Client
	queues map[string]*queue
	log    *lockedBuffer
	skew   *controllers.Skew
	cancel context.CancelFunc
	done   chan error
	// elected is closed when the controllers may start.
	elected <-chan struct{}
}

// start starts the operator, as main does, for the one namespace of the world.
func (w *world) start() {
	w.t.Helper()
	p := &process{world: w, queues: map[string]*queue{}, log: w.log, skew: &controllers.Skew{}, done: make(chan error, 1)}
	account := rest.CopyConfig(controlplane.AsOperator(plane))
	account.QPS = -1
	account.Wrap(func(next http.RoundTripper) http.RoundTripper {
		p.gate = newGate(next)
		return p.gate
	})
	mgr, err := ctrl.NewManager(account, ctrl.Options{
		Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0", Logger: p.logger(),
		Controller: config.Controller{SkipNameValidation: new(true)},
		Cache: cache.Options{
			DefaultNamespaces: map[string]cache.Config{w.namespace: {}}, DefaultTransform: cache.TransformStripManagedFields(),
		},
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: controllers.UncachedObjects()}},
	})
	if err != nil {
		w.t.Fatalf("make a manager: %v", err)
	}
	p.client = mgr.GetClient()
	if err := controllers.Setup(simulated{mgr, p}, controllers.Settings{
		Clock: w.operatorClock, KubernetesClock: p.skew, Retention: 24 * time.Hour,
		AllowHTTPHosts: []string{"127.0.0.1", nowhere}, AllowedAddresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	}); err != nil {
		w.t.Fatalf("set up the controllers: %v", err)
	}
	if len(p.queues) != 4 {
		w.t.Fatalf("the queues of %d controllers were taken over, want 4", len(p.queues))
	}
	if w.preparing != nil {
		w.preparing(p)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	go func() { p.done <- mgr.Start(ctx) }()
	p.elected = mgr.Elected()
	w.changed()
	w.processes = append(w.processes, p)
	w.note("a process starts")
}

// simulated is a manager that gives its controllers queues of simulated time.
type simulated struct {
	manager.Manager
	process *process
}

// Add takes over the queue of a controller before it is added.
func (m simulated) Add(r manager.Runnable) error {
	if v := reflect.ValueOf(r); v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct {
		if field := v.Elem().FieldByName("NewQueue"); field.IsValid() {
			name, limits := v.Elem().FieldByName("Name").String(), v.Elem().FieldByName("RateLimiter").Interface().(limiter)
			q := newQueue(name, limits, m.process.world.clock)
			m.process.queues[name] = q
			field.Set(reflect.ValueOf(func(string, limiter) workqueue.TypedRateLimitingInterface[request] { return q }))
		}
	}
	return m.Manager.Add(r)
}

// started says whether the controllers have begun to work on what is there: each of them has looked at something.
func (p *process) started() bool {
	for _, q := range p.queues {
		if q.served() == 0 && p.world.objects(q.name) {
			return false
		}
	}
	return true
}

func (p *process) idle() bool {
	for _, q := range p.queues {
		if !q.idle() {
			return false
		}
	}
	return true
}

func (p *process) next() time.Time {
	var first time.Time
	for _, q := range p.queues {
		if at := q.next(); !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// stop ends a process as a rollout does, and waits for its end.
func (p *process) stop() {
	p.gate.release()
	p.cancel()
	p.gate.cut()
	select {
	case err := <-p.done:
		if err != nil && !p.gate.isDead() {
			p.world.t.Errorf("a process ended with an error: %v", err)
		}
	case <-time.After(time.Minute):
		p.world.t.Fatal("a process does not end")
	}
	w := p.world
	for i, q := range w.processes {
		if q == p {
			w.processes = append(w.processes[:i:i], w.processes[i+1:]...)
			break
		}
	}
	w.noteWrites(p)
}

// die ends all that a process does to the outside, at once: for the middle of a call. bury is to follow.
func (p *process) die() {
	p.gate.kill()
	p.world.sim.Inject(airflowtest.Fault{
		Name: deadFault, Apply: airflowtest.Nothing, Wire: airflowtest.Dropped,
		If: func(airflowtest.Request) bool { return p.gate.isDead() && !p.world.buried(p) },
	})
	p.cancel()
}

const deadFault = "the process is dead"

// bury waits for the end of a process that died.
func (w *world) bury(p *process) {
	p.stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.graves[p] = true
}

func (w *world) buried(p *process) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.graves[p]
}

// crash kills a process between two calls.
func (w *world) crash(p *process) {
	w.note("the process is killed")
	p.die()
	w.bury(p)
}

type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// logger writes all that the operator logs into the world's memory.
func (p *process) logger() logr.Logger {
	return funcr.New(func(prefix, args string) {
		p.log.mu.Lock()
		defer p.log.mu.Unlock()
		fmt.Fprintf(&p.log.text, "%s %s %s\n", p.world.clock.Now().Sub(p.world.began).Round(time.Millisecond), prefix, args)
	}, funcr.Options{Verbosity: 5})
}
