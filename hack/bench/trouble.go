package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/controllers"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
	"github.com/airflow-oam/airflow-oam/test/controlplane"
)

// outage is how long Airflow is away in P8, and retryAfter what it asks for when it throttles.
const (
	outage     = time.Minute
	retryAfter = 2 * time.Second
	slowAnswer = 2 * time.Second
)

// trouble is a way in which Airflow misbehaves while the operator converges.
type trouble struct {
	name string
	// draws says that chance decides which requests it befalls.
	draws bool
	// begin makes it so, and gives what ends it: at once where it ends by itself, else when the operator has converged.
	begin func(o *operation) (end func())
}

// undisturbed is the trouble that the others are compared with.
const undisturbed = "none"

func troubles() []trouble {
	return []trouble{
		{undisturbed, false, func(*operation) func() { return func() {} }},
		{"a fifth of all answers is 500, 502 or 503", true, func(o *operation) func() { return o.randomly(1, 5, 500, 502, 503) }},
		{"a fiftieth is 429 with Retry-After: 2", true, func(o *operation) func() { return o.throttle(1, 50) }},
		{"every answer takes 2 s", false, func(o *operation) func() {
			o.latency.Store(int64(slowAnswer))
			return func() { o.latency.Store(int64(o.usual)) }
		}},
		{"away for 60 s in the middle", false, (*operation).away},
	}
}

// plane is a real API server with the whole operator in this process.
type plane struct {
	admin client.Client
	stop  func() error
}

func startPlane(ctx context.Context) (*plane, error) {
	config, end, err := controlplane.Launch(controlplane.WithAdmission())
	if err != nil {
		return nil, err
	}
	p := &plane{stop: end}
	if err := p.start(ctx, config); err != nil {
		return nil, errors.Join(err, end())
	}
	return p, nil
}

func (p *plane) start(ctx context.Context, config *rest.Config) error {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return err
	}
	config.QPS = -1
	var err error
	if p.admin, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	ctrl.SetLogger(logr.Discard())
	operator := controlplane.AsOperator(config)
	mgr, err := ctrl.NewManager(operator, ctrl.Options{
		Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
	})
	if err != nil {
		return err
	}
	if err := controllers.Setup(mgr, controllers.Settings{
		Clock: clock.RealClock{}, KubernetesClock: &controllers.Skew{}, Retention: time.Hour, Concurrency: 8,
		AllowHTTPHosts: []string{"127.0.0.1"}, AllowedAddresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	}); err != nil {
		return err
	}
	running, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- mgr.Start(running) }()
	end := p.stop
	p.stop = func() error {
		cancel()
		return errors.Join(<-done, end())
	}
	return nil
}

// operation is one run of the operator in a namespace of its own, against a simulated Airflow of its own.
type operation struct {
	*world
	plane     *plane
	namespace string
	usual     time.Duration

	mu        sync.Mutex
	throttled []time.Time // when a 429 was answered
	random    *rand.Rand
}

func newOperation(ctx context.Context, p *plane, s settings, server string, number int) (*operation, error) {
	const usual = 5 * time.Millisecond
	w, err := newWorld(s, usual)
	if err != nil {
		return nil, err
	}
	o := &operation{world: w, plane: p, namespace: strings.ReplaceAll(fmt.Sprintf("bench-%s-%d", server, number), ".", "-"), usual: usual, random: rand.New(rand.NewPCG(uint64(number), 8))} //nolint:gosec // repeatable
	o.standing()
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name, Namespace: o.namespace} }
	objects := []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: o.namespace}},
		&corev1.Secret{ObjectMeta: meta("airflow"), StringData: map[string]string{
			"username": airflowtest.AdminUsername, "password": airflowtest.AdminPassword, "url": o.server.URL,
		}},
	}
	for _, policy := range o.policies {
		policy = policy.DeepCopy()
		policy.ObjectMeta, policy.Status = meta(policy.Name), v1alpha1.DagAccessPolicyStatus{}
		objects = append(objects, policy)
	}
	for _, object := range objects {
		if err := p.admin.Create(ctx, object); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// run lets the operator converge in trouble, and counts its requests.
func (o *operation) run(ctx context.Context, t trouble) (sample, error) {
	end := t.begin(o)
	instance := &v1alpha1.AirflowInstance{ObjectMeta: metav1.ObjectMeta{Name: "bench", Namespace: o.namespace}, Spec: v1alpha1.AirflowInstanceSpec{
		URL: o.server.URL, Credentials: v1alpha1.Credentials{SecretRef: v1alpha1.SecretReference{Name: "airflow"}},
		PermissionCacheTTL: &metav1.Duration{}, Interval: metav1.Duration{Duration: time.Hour}, DagInterval: metav1.Duration{Duration: time.Hour},
	}}
	before, begin := o.sim.RequestCount(), time.Now()
	if err := o.plane.admin.Create(ctx, instance); err != nil {
		return sample{}, err
	}
	for o.effective() != nil || !o.ready(ctx, instance) {
		if time.Since(begin) > 10*time.Minute {
			return sample{}, fmt.Errorf("not converged after %s: %w", time.Since(begin).Round(time.Second), o.effective())
		}
		select {
		case <-ctx.Done():
			return sample{}, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	out := sample{seconds: time.Since(begin).Seconds(), requests: o.sim.RequestCount() - before}
	end()
	return out, o.remove(ctx, instance)
}

func (o *operation) ready(ctx context.Context, instance *v1alpha1.AirflowInstance) bool {
	if err := o.plane.admin.Get(ctx, client.ObjectKeyFromObject(instance), instance); err != nil {
		return false
	}
	return slices.ContainsFunc(instance.Status.Conditions, func(c metav1.Condition) bool {
		return c.Type == v1alpha1.ConditionReady && c.Status == metav1.ConditionTrue
	})
}

// remove gives the instance up, so that the operator of later runs has nothing to do with it.
func (o *operation) remove(ctx context.Context, instance *v1alpha1.AirflowInstance) error {
	before := instance.DeepCopy()
	instance.Spec.Deletion = v1alpha1.InstanceDeletionAbandon
	return errors.Join(o.plane.admin.Patch(ctx, instance, client.MergeFrom(before)), o.plane.admin.Delete(ctx, instance))
}

// chance says yes for so many of so many requests, at random, the same in every run.
func (o *operation) chance(of, all int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.random.IntN(all) < of
}

func (o *operation) randomly(of, all int, statuses ...int) func() {
	var faults []*airflowtest.Injected
	for i, status := range statuses {
		fault := airflowtest.BadGateway(status)
		if status == http.StatusInternalServerError {
			fault = airflowtest.Status(status, "Internal Server Error")
		}
		others := all*len(statuses) - of*i // the first that matches befalls a request: each must be as likely
		fault.If = func(airflowtest.Request) bool { return o.chance(of, others) }
		faults = append(faults, o.sim.Inject(fault))
	}
	return func() {
		for _, fault := range faults {
			fault.Remove()
		}
	}
}

func (o *operation) throttle(of, all int) func() {
	fault := airflowtest.Throttled(strconv.Itoa(int(retryAfter.Seconds())))
	fault.If = func(airflowtest.Request) bool { return o.chance(of, all) }
	fault.Before = func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.throttled = append(o.throttled, time.Now())
	}
	return o.sim.Inject(fault).Remove
}

// violations are requests that came after an answer of 429 had been read, and before its Retry-After was over. What was
// under way at that moment does not count.
func (o *operation) violations() int {
	const underWay = 100 * time.Millisecond
	o.mu.Lock()
	defer o.mu.Unlock()
	count := 0
	for _, at := range o.throttled {
		early := o.sim.Requests(func(r airflowtest.Request) bool {
			return r.At.After(at.Add(underWay)) && r.At.Before(at.Add(retryAfter))
		})
		count += max(0, len(early)-o.settings.late)
	}
	return count
}

// away cuts every connection for a minute, from the moment at which a third of the people were written.
func (o *operation) away() func() {
	fault := airflowtest.OverWire(airflowtest.Dropped)
	fault.Name, fault.Apply = "away", airflowtest.Nothing
	var until atomic.Int64
	writes := 0
	fault.If = func(r airflowtest.Request) bool {
		if r.Mutating {
			writes++ // matched one after another
		}
		if writes > o.settings.users/3 && until.Load() == 0 {
			until.Store(time.Now().Add(outage).UnixNano())
		}
		return until.Load() > time.Now().UnixNano()
	}
	return o.sim.Inject(fault).Remove
}

// ofTrouble gives P8 one size: with fewer people, what trouble costs however many there are outweighs the rest.
func (s settings) ofTrouble() settings {
	s.roles, s.users = 50, 500
	return s
}

func misbehaving(ctx context.Context, s settings) ([]string, error) {
	s = s.ofTrouble()
	fmt.Printf("\n### P8 the whole operator while Airflow misbehaves: %d roles, %d users, on a real API server\n\n", s.roles, s.users)
	fmt.Println("| server | trouble | requests | amplification | seconds until converged and Ready | Retry-After violations |")
	fmt.Println("|---|---|---|---|---|---|")
	p, err := startPlane(ctx)
	if err != nil {
		return nil, err
	}
	var missed []string
	for _, generation := range generations() {
		s.generation = generation
		more, err := p.all(ctx, s)
		missed = append(missed, more...)
		if err != nil {
			return missed, errors.Join(err, p.stop())
		}
	}
	return missed, p.stop()
}

func (p *plane) all(ctx context.Context, s settings) (missed []string, err error) {
	var usual float64
	server := s.generation.Version
	for i, t := range troubles() {
		var samples []sample
		var requests []float64
		broken := 0
		for trial := range min(s.trials, 3) {
			fmt.Fprintf(os.Stderr, "P8 %s, %s, trial %d\n", server, t.name, trial+1)
			one, violations, err := p.operate(ctx, s, t, 10*i+trial)
			if err != nil {
				return nil, err
			}
			broken += violations
			samples, requests = append(samples, one), append(requests, float64(one.requests))
		}
		if t.name == undisturbed {
			usual = median(requests)
		}
		mid, least, most := seconds(samples)
		ratio := median(requests) / usual
		fmt.Printf("| %s | %s | %.0f | %.2f | %.1f (%.1f to %.1f) | %d |\n", server, t.name, median(requests), ratio, mid, least, most, broken)
		missed = append(missed, missedInTrouble(server, t, ratio, broken)...)
	}
	return missed, nil
}

// operate runs the operator once in a trouble, on a fresh server.
func (p *plane) operate(ctx context.Context, s settings, t trouble, number int) (out sample, violations int, err error) {
	o, err := newOperation(ctx, p, s, s.generation.Version, number)
	if err != nil {
		return sample{}, 0, err
	}
	defer o.close()
	if out, err = o.run(ctx, t); err != nil {
		return sample{}, 0, fmt.Errorf("%s, %s: %w", s.generation.Version, t.name, err)
	}
	return out, o.violations(), nil
}

// missedInTrouble tells the bounds of P8 that were not kept.
func missedInTrouble(server string, t trouble, amplification float64, violations int) (missed []string) {
	const bound = 1.5
	if amplification > bound {
		missed = append(missed, fmt.Sprintf("P8 %s, %s: amplification %.2f, bound %.1f", server, t.name, amplification, bound))
	}
	if violations > 0 {
		missed = append(missed, fmt.Sprintf("P8 %s, %s: %d requests before Retry-After was over", server, t.name, violations))
	}
	return missed
}
