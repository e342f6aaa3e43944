package controllers_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	grantkind "github.com/airflow-oam/airflow-oam/controllers/grant"
	"github.com/airflow-oam/airflow-oam/controllers/kind"
	policykind "github.com/airflow-oam/airflow-oam/controllers/policy"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/dag"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
	"github.com/airflow-oam/airflow-oam/internal/status"
	"github.com/airflow-oam/airflow-oam/internal/status/statustest"
)

const (
	ttl       = 30 * time.Second
	retention = 30 * 24 * time.Hour
)

// The grant and policy controllers run once for the suite, on a clock that stands still and with reports made by hand.
var (
	clock   = clocktesting.NewFakePassiveClock(time.Unix(0, 0))
	reports = kind.NewReports()
	told    = &recorder{}
	written = &writes{}
	grants  *grantkind.Reconciler
)

// startGrantControllers is part of the suite's setup.
func startGrantControllers() {
	mgr, err := ctrl.NewManager(operatorConfig, ctrl.Options{
		Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"}, Controller: config.Controller{SkipNameValidation: new(true)},
		NewClient: func(c *restConfig, options client.Options) (client.Client, error) {
			inner, err := client.New(c, options)
			return countingClient{inner, written}, err
		},
	})
	Expect(err).NotTo(HaveOccurred())
	Expect(kind.SetupIndexes(context.Background(), mgr.GetFieldIndexer())).To(Succeed())
	env := kind.Env{
		Client: mgr.GetClient(), APIReader: mgr.GetAPIReader(), Clock: clock, Recorder: told, Reports: reports, Retention: retention,
	}
	grants = grantkind.New(env)
	Expect(grants.SetupWithManager(mgr)).To(Succeed())
	Expect(policykind.New(env).SetupWithManager(mgr)).To(Succeed())
	startManager(mgr)
}

// world is one instance with one policy in a namespace of its own, and a stand-in for the instance controller.
type world struct {
	namespace string
	instance  *v1alpha1.AirflowInstance
	policy    *v1alpha1.DagAccessPolicy
	users     []access.User
	// down is set while Airflow cannot be reached.
	down error
	// stuck grants stay in Airflow although they ended.
	stuck bool
}

// newWorld makes a namespace, an instance and a policy, and makes a first pass. The clock starts at the API server's.
func newWorld(ctx context.Context, change ...func(*v1alpha1.DagAccessPolicy)) *world {
	GinkgoHelper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "grants-"}}
	Expect(admin.Create(ctx, namespace)).To(Succeed())
	clock.SetTime(namespace.CreationTimestamp.Time)
	w := &world{namespace: namespace.Name, users: []access.User{{Username: "alice"}, {Username: "bob", CreatedOn: "then"}, {Username: "operator"}}}
	w.instance = &v1alpha1.AirflowInstance{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "prod"},
		Spec: v1alpha1.AirflowInstanceSpec{
			URL: "https://airflow.example.com", Credentials: v1alpha1.Credentials{SecretRef: v1alpha1.SecretReference{Name: "none"}},
			PermissionCacheTTL: &metav1.Duration{Duration: ttl},
		},
	}
	Expect(admin.Create(ctx, w.instance)).To(Succeed())
	w.policy = &v1alpha1.DagAccessPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "operators"},
		Spec: v1alpha1.DagAccessPolicySpec{
			InstanceRef: v1alpha1.InstanceReference{Name: "prod"}, Dags: []v1alpha1.DagSelector{{IDs: []string{"finance_*"}}},
			Access: []v1alpha1.AccessLevel{v1alpha1.AccessTrigger},
			Grants: &v1alpha1.GrantTerms{MaxDuration: metav1.Duration{Duration: 8 * time.Hour}, MaxAhead: &metav1.Duration{Duration: retention}},
		},
	}
	for _, c := range change {
		c(w.policy)
	}
	Expect(admin.Create(ctx, w.policy)).To(Succeed())
	w.pass(ctx)
	DeferCleanup(w.tearDown)
	return w
}

// tearDown checks that every status keeps the rules, and that nothing stays when nothing can be proved any more.
func (w *world) tearDown(ctx context.Context) {
	w.checkStatus(ctx)
	w.instance.Spec.Deletion = v1alpha1.InstanceDeletionAbandon
	Expect(client.IgnoreNotFound(admin.Delete(ctx, w.instance))).To(Succeed())
	reports.Forget(client.ObjectKeyFromObject(w.instance))
	Expect(admin.DeleteAllOf(ctx, &v1alpha1.AccessGrant{}, client.InNamespace(w.namespace))).To(Succeed())
	Expect(admin.DeleteAllOf(ctx, &v1alpha1.DagAccessPolicy{}, client.InNamespace(w.namespace))).To(Succeed())
	Eventually(func(g Gomega) {
		w.poke(ctx)
		g.Expect(w.all(ctx)).To(BeEmpty())
	}).WithTimeout(20 * time.Second).Should(Succeed())
}

// all lists the grants and policies of the world.
func (w *world) all(ctx context.Context) []client.Object {
	GinkgoHelper()
	var objects []client.Object
	grantList, policyList := &v1alpha1.AccessGrantList{}, &v1alpha1.DagAccessPolicyList{}
	Expect(admin.List(ctx, grantList, client.InNamespace(w.namespace))).To(Succeed())
	Expect(admin.List(ctx, policyList, client.InNamespace(w.namespace))).To(Succeed())
	for i := range grantList.Items {
		objects = append(objects, &grantList.Items[i])
	}
	for i := range policyList.Items {
		objects = append(objects, &policyList.Items[i])
	}
	return objects
}

// checkStatus is how every spec ends.
func (w *world) checkStatus(ctx context.Context) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		for _, object := range w.all(ctx) {
			g.Expect(statustest.Check(object)).To(Succeed())
		}
	}).WithTimeout(10 * time.Second).Should(Succeed())
}

// poke asks for a pass over every object, as a person would after a step of the clock.
func (w *world) poke(ctx context.Context) {
	GinkgoHelper()
	for _, object := range w.all(ctx) {
		before := object.DeepCopyObject().(client.Object)
		annotations := object.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[v1alpha1.ReconcileAtAnnotation] = fmt.Sprint(clock.Now().UnixNano(), object.GetResourceVersion())
		object.SetAnnotations(annotations)
		Expect(client.IgnoreNotFound(admin.Patch(ctx, object, client.MergeFrom(before)))).To(Succeed())
	}
}

// step moves the clock and asks for a pass.
func (w *world) step(ctx context.Context, d time.Duration) {
	GinkgoHelper()
	clock.SetTime(clock.Now().Add(d))
	w.poke(ctx)
}

// pass does what the instance controller would: it gives what is live, takes away what is not, and reports.
func (w *world) pass(ctx context.Context) {
	GinkgoHelper()
	now := clock.Now()
	report := &kind.Report{
		Instance: client.ObjectKeyFromObject(w.instance), InstanceUID: w.instance.UID, Endpoint: w.instance.Spec.URL, Account: "operator",
		CacheTTL: ttl, StartedAt: now, FinishedAt: now, ObservedAt: now, Err: w.down, Full: true,
		Users: slices.Clone(w.users), Dags: []dag.Dag{{ID: "finance_daily"}},
		Policies: map[types.NamespacedName]access.PolicyReport{}, Grants: map[types.UID]access.GrantReport{},
	}
	if w.down != nil {
		last := *reports.Get(report.Instance)
		last.Err, last.StartedAt, last.FinishedAt = w.down, now, now
		reports.Publish(&last)
		return
	}
	for _, object := range w.all(ctx) {
		switch o := object.(type) {
		case *v1alpha1.DagAccessPolicy:
			role := rolename.ForPolicy(o.Namespace, o.Name, "")
			report.Policies[client.ObjectKeyFromObject(o)] = access.PolicyReport{
				UID: o.UID, Generation: o.Generation, Desire: access.PolicyDesire{Role: role, Dags: []string{"finance_daily"}}, Proof: access.PolicyProof{InSync: true},
			}
			if o.DeletionTimestamp == nil {
				report.Inventory = append(report.Inventory, v1alpha1.ManagedRole{Name: role, PolicyUID: string(o.UID), Policy: o.Namespace + "/" + o.Name, Kind: v1alpha1.ManagedRolePolicy})
			}
		case *v1alpha1.AccessGrant:
			live := access.Live(o, now, ttl)
			entry := access.GrantReport{
				Desire: access.GrantDesire{Live: live, Username: o.Spec.Subject.Username},
				Proof:  access.GrantProof{Present: live || w.stuck, Absent: !live && !w.stuck},
			}
			if o.Status.Activation != nil {
				entry.ObservedAt = now
			}
			report.Grants[o.UID] = entry
		}
	}
	reports.Publish(report)
}

// grant makes bob's grant of an hour, or another one.
func (w *world) grant(ctx context.Context, name string, change ...func(*v1alpha1.AccessGrant)) *v1alpha1.AccessGrant {
	GinkgoHelper()
	grant := &v1alpha1.AccessGrant{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec: v1alpha1.AccessGrantSpec{
			PolicyRef: v1alpha1.PolicyReference{Name: "operators"}, Subject: v1alpha1.Subject{Username: "bob"},
			Duration: &metav1.Duration{Duration: time.Hour},
		},
	}
	for _, c := range change {
		c(grant)
	}
	Expect(admin.Create(ctx, grant)).To(Succeed())
	return grant
}

// activeGrant makes bob's grant and waits until it is active.
func (w *world) activeGrant(ctx context.Context, name string, change ...func(*v1alpha1.AccessGrant)) *v1alpha1.AccessGrant {
	GinkgoHelper()
	grant := w.grant(ctx, name, change...)
	Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Pending: Activating"))
	w.pass(ctx)
	Eventually(phaseOf).WithArguments(ctx, grant).Should(Equal("Active: Active"))
	Eventually(func() error { return seesPhase(ctx, grant, v1alpha1.GrantActive) }).Should(Succeed()) // for reconciles that a spec makes itself
	return grant
}

// phaseOf reads a grant and gives its phase and the reason of Ready.
func phaseOf(ctx context.Context, grant *v1alpha1.AccessGrant) string {
	if err := admin.Get(ctx, client.ObjectKeyFromObject(grant), grant); err != nil {
		return err.Error()
	}
	ready := status.Find(grant.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil {
		return string(grant.Status.Phase)
	}
	return string(grant.Status.Phase) + ": " + ready.Reason
}

// readyOf reads a policy and gives its Ready condition.
func readyOf(ctx context.Context, policy *v1alpha1.DagAccessPolicy) string {
	if err := admin.Get(ctx, client.ObjectKeyFromObject(policy), policy); err != nil {
		return err.Error()
	}
	ready := status.Find(policy.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || policy.Status.ObservedGeneration != policy.Generation {
		return ""
	}
	return string(ready.Status) + ": " + ready.Reason
}

var (
	errDown  = errors.New("connection refused")
	errStale = errors.New("the cache is behind")
)

// recorder keeps the reasons of events by object.
type recorder struct {
	mu     sync.Mutex
	events map[types.UID][]string
}

func (r *recorder) Eventf(regarding, _ runtime.Object, _, reason, _, _ string, _ ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.events == nil {
		r.events = map[types.UID][]string{}
	}
	uid := regarding.(client.Object).GetUID()
	r.events[uid] = append(r.events[uid], reason)
}

func (r *recorder) about(object client.Object) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events[object.GetUID()])
}
