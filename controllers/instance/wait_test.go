package instance

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/controllers/kind"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

// world is the instance controller on a stepped clock, with objects in memory and a simulated Airflow: what it does
// when, and how long it then waits.
type world struct {
	*testing.T
	clock    *clocktesting.FakeClock
	sim      *airflowtest.Server
	client   client.WithWatch
	r        *Reconciler
	recorder *events.FakeRecorder
	// prod is the instance as it was made.
	prod *v1alpha1.AirflowInstance
	// onStatus is asked before each write of a status, and onRead before each reading of an object past the cache.
	onStatus func() error
	onRead   func(context.Context) error
}

func newWorld(t *testing.T) *world {
	t.Helper()
	clock := clocktesting.NewFakeClock(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC))
	w := &world{T: t, clock: clock, sim: airflowtest.Start(t, airflowtest.Options{Clock: clock}), recorder: events.NewFakeRecorder(100)}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	w.sim.SetDag(airflowtest.Dag{ID: "finance_daily"})
	for _, name := range []string{"alice", "bob"} {
		w.sim.AddUser(airflowtest.User{Username: name, Email: name + "@example.com", Roles: []string{"Public"}})
	}
	instance := &v1alpha1.AirflowInstance{ObjectMeta: w.meta("prod"), Spec: v1alpha1.AirflowInstanceSpec{
		URL: w.sim.URL, Credentials: v1alpha1.Credentials{SecretRef: v1alpha1.SecretReference{Name: "airflow"}},
		Mode: v1alpha1.ModeEnforce, Drift: v1alpha1.DriftRepair, Deletion: v1alpha1.InstanceDeletionRevoke,
		PermissionCacheTTL: &metav1.Duration{}, Interval: metav1.Duration{Duration: 10 * time.Minute}, DagInterval: metav1.Duration{Duration: time.Minute},
	}}
	w.prod = instance.DeepCopy()
	secret := &corev1.Secret{ObjectMeta: w.meta("airflow"), Data: map[string][]byte{
		"username": []byte(airflowtest.AdminUsername), "password": []byte(airflowtest.AdminPassword), "url": []byte(w.sim.URL),
	}}
	policy := &v1alpha1.DagAccessPolicy{ObjectMeta: w.meta("finance"), Spec: v1alpha1.DagAccessPolicySpec{
		InstanceRef: v1alpha1.InstanceReference{Name: "prod"}, State: v1alpha1.PolicyActive,
		Dags: []v1alpha1.DagSelector{{IDs: []string{"finance_*"}}}, Access: []v1alpha1.AccessLevel{v1alpha1.AccessTrigger},
		Role:    &v1alpha1.PolicyRole{Name: "finance", Adoption: v1alpha1.AdoptionNever},
		Members: []v1alpha1.Subject{{Username: "alice"}},
		Grants:  &v1alpha1.GrantTerms{From: v1alpha1.GrantsFromSame, MaxDuration: metav1.Duration{Duration: 8 * time.Hour}},
	}}
	builder := fake.NewClientBuilder().WithScheme(scheme).WithObjects(instance, secret, policy)
	for _, index := range kind.Indexes() {
		builder = builder.WithIndex(index.Object, index.Field, index.Values)
	}
	w.client = builder.WithStatusSubresource(&v1alpha1.AirflowInstance{}, &v1alpha1.AccessGrant{}).
		WithInterceptorFuncs(interceptor.Funcs{SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			if w.onStatus != nil {
				if _, bounded := ctx.Deadline(); !bounded {
					w.Error("a write to Kubernetes has no deadline, and endings wait behind it")
				}
				if err := w.onStatus(); err != nil {
					return err
				}
			}
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		}}).Build()
	w.r = New(w.env(), Settings{AllowHTTPHosts: []string{"127.0.0.1"}, AllowedAddresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	return w
}

func (w *world) env() kind.Env {
	return kind.Env{Client: w.client, APIReader: &apiReader{w.client, w}, Clock: w.clock, Recorder: w.recorder, Reports: kind.NewReports()}
}

// apiReader reads from the API server, which may hang.
type apiReader struct {
	client.Reader
	w *world
}

func (r *apiReader) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	if r.w.onRead != nil {
		if err := r.w.onRead(ctx); err != nil {
			return err
		}
	}
	return r.Reader.Get(ctx, key, object, options...)
}

func (w *world) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: "data", UID: types.UID("uid-" + name), Generation: 1, CreationTimestamp: metav1.NewTime(w.clock.Now())}
}

// reconcile makes one pass and gives how long to wait after it.
func (w *world) reconcile() time.Duration {
	w.Helper()
	result, err := w.r.Reconcile(w.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: "data", Name: "prod"}})
	if err != nil {
		w.Fatalf("an error discards the wait: %v", err)
	}
	return result.RequeueAfter
}

// instance gives the stored object.
func (w *world) instance() *v1alpha1.AirflowInstance {
	w.Helper()
	afi := &v1alpha1.AirflowInstance{}
	if err := w.client.Get(w.Context(), client.ObjectKey{Namespace: "data", Name: "prod"}, afi); err != nil {
		w.Fatal(err)
	}
	return afi
}

// grant makes an activated grant for bob.
func (w *world) grant(length time.Duration) {
	w.Helper()
	now := metav1.NewTime(w.clock.Now())
	end := metav1.NewTime(now.Add(length))
	g := &v1alpha1.AccessGrant{ObjectMeta: w.meta("bob"), Spec: v1alpha1.AccessGrantSpec{
		PolicyRef: v1alpha1.PolicyReference{Name: "finance"}, Subject: v1alpha1.Subject{Username: "bob"}, ExpiresAt: &end,
	}, Status: v1alpha1.AccessGrantStatus{Phase: v1alpha1.GrantPending, Activation: &v1alpha1.Activation{
		At: now, ExpiresAt: end, Access: []v1alpha1.AccessLevel{v1alpha1.AccessTrigger},
		Instances: []v1alpha1.GrantInstance{{Name: "prod", Namespace: "data", UID: string(w.instance().UID), Endpoint: w.sim.URL, Username: "bob", Role: "finance"}},
	}}}
	stored := g.Status
	if err := w.client.Create(w.Context(), g); err != nil {
		w.Fatal(err)
	}
	g.Status = stored
	if err := w.client.Status().Update(w.Context(), g); err != nil {
		w.Fatal(err)
	}
}

func (w *world) bobMay() bool { return w.sim.AllowedLevel("bob", "Trigger", "finance_daily") }

func (w *world) given(length time.Duration) {
	w.Helper()
	w.grant(length)
	w.reconcile()
	if !w.bobMay() {
		w.Fatal("bob was not given access")
	}
}

func TestWaitIsNeverLongerThanUntilTheNextEnding(t *testing.T) {
	t.Run("while Airflow is away", func(t *testing.T) {
		w := newWorld(t)
		w.given(10 * time.Minute)
		w.sim.Inject(airflowtest.BadGateway(http.StatusBadGateway))
		w.clock.Step(10*time.Minute - 10*time.Second)
		var wait time.Duration
		for range 8 {
			wait = w.reconcile() // it is tried again ever more seldom
		}
		if wait > 10*time.Second {
			t.Errorf("waits %s, and an ending is due in 10s", wait)
		}
	})
	t.Run("while statuses cannot be stored", func(t *testing.T) {
		w := newWorld(t)
		w.given(30 * time.Second)
		w.onStatus = func() error { return errors.New("the API server is away") }
		w.sim.SetUserRoles("alice", "Public", "Viewer")
		w.clock.Step(28 * time.Second)
		w.sim.SetDag(airflowtest.Dag{ID: "finance_weekly"})
		w.clock.Step(500 * time.Millisecond)
		w.r.known.of(w.instance()).fullAt = time.Time{}
		if wait := w.reconcile(); wait > 1500*time.Millisecond {
			t.Errorf("waits %s, and an ending is due in 1.5s", wait)
		}
		w.clock.Step(1500 * time.Millisecond)
		w.reconcile()
		if w.bobMay() {
			t.Error("the ending waits for Kubernetes")
		}
	})
	t.Run("when it came due behind the last look of a pass", func(t *testing.T) {
		w := newWorld(t)
		w.given(30 * time.Second)
		w.clock.Step(27 * time.Second)
		w.sim.SetDag(airflowtest.Dag{ID: "finance_weekly"})
		w.r.known.of(w.instance()).fullAt = time.Time{}
		stepped := false
		w.onStatus = func() error { // the write of the status takes four seconds
			stepped = true
			w.clock.Step(4 * time.Second)
			return nil
		}
		if wait := w.reconcile(); !stepped || wait > 10*time.Millisecond {
			t.Errorf("status written %t; waits %s, and an ending is overdue", stepped, wait)
		}
	})
	t.Run("of what the spec shortened", func(t *testing.T) {
		w := newWorld(t)
		w.given(time.Hour)
		g := &v1alpha1.AccessGrant{}
		if err := w.client.Get(t.Context(), client.ObjectKey{Namespace: "data", Name: "bob"}, g); err != nil {
			t.Fatal(err)
		}
		g.Spec.ExpiresAt = &metav1.Time{Time: w.clock.Now().Add(5 * time.Second)}
		if err := w.client.Update(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		if wait := w.reconcile(); wait > 5*time.Second {
			t.Errorf("waits %s, and an ending is due in 5s", wait)
		}
	})
}

func TestEndingDoesNotWaitForTheCheckOfTheServer(t *testing.T) {
	for name, fault := range map[string]airflowtest.Fault{
		"the version cannot be read":   airflowtest.Status(http.StatusInternalServerError, "no").On(http.MethodGet, "/api/v2/version"),
		"a right that no ending needs": airflowtest.Status(http.StatusForbidden, "Forbidden").On(http.MethodGet, "/api/v2/dags"),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.given(20 * time.Minute)
			w.sim.Inject(fault)
			w.clock.Step(20 * time.Minute)
			w.reconcile()
			if w.bobMay() {
				t.Error("the ending waits")
			}
			if ready := w.instance().Status.Conditions[0]; ready.Status != metav1.ConditionFalse {
				t.Errorf("Ready is %s/%s", ready.Status, ready.Reason)
			}
		})
	}
}

func TestF22RetryAfterOfTheCheckIsHonoured(t *testing.T) {
	w := newWorld(t)
	w.reconcile()
	w.sim.Inject(airflowtest.Throttled("30"))
	w.clock.Step(11 * time.Minute)
	w.reconcile()
	before := w.sim.RequestCount()
	w.clock.Step(29 * time.Second)
	w.reconcile()
	if used := w.sim.RequestCount() - before; used != 0 {
		t.Errorf("%d requests while the server asks for none", used)
	}
}

// rarer checks that tries that fail grow rarer, and gives the first wait.
func (w *world) rarer() time.Duration {
	w.Helper()
	first := w.reconcile()
	var last time.Duration
	for range 5 {
		last = w.reconcile()
	}
	if last < 4*first {
		w.Errorf("waits %s, and %s after five more failures", first, last)
	}
	return first
}

func TestTriesGrowRarer(t *testing.T) {
	t.Run("when a step takes no effect", func(t *testing.T) {
		w := newWorld(t)
		w.sim.Inject(airflowtest.Unstored().On(http.MethodPost, "/auth/fab/v1/roles"))
		w.rarer()
	})
	t.Run("anew after a pass that changed something", func(t *testing.T) {
		w := newWorld(t)
		w.sim.Inject(airflowtest.Status(http.StatusInternalServerError, "no").On(http.MethodPatch, "/auth/fab/v1/users/{username}"))
		first := w.rarer()
		w.sim.SetRole("finance") // somebody emptied it
		w.clock.Step(11 * time.Minute)
		again := w.reconcile()
		if role, _ := w.sim.Role("finance"); again > first || len(role.Permissions) == 0 {
			t.Errorf("waits %s after a pass that repaired a role and could not give it: %v", again, role)
		}
	})
	t.Run("when there is no Secret", func(t *testing.T) {
		w := newWorld(t)
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "airflow", Namespace: "data"}}
		if err := w.client.Delete(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
		w.rarer()
	})
	t.Run("F51 the Secret went and the connection is good", func(t *testing.T) {
		w := newWorld(t)
		w.reconcile()
		if err := w.client.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "airflow", Namespace: "data"}}); err != nil {
			t.Fatal(err)
		}
		w.clock.Step(time.Minute)
		if wait := w.reconcile(); wait < 30*time.Second {
			t.Errorf("waits %s although nothing is to be done", wait)
		}
	})
}

// TestDriftThatStaysIsToldOnce: what is not repaired is found in every pass, and is no reason to write each time.
func TestDriftThatStaysIsToldOnce(t *testing.T) {
	w := newWorld(t)
	w.reconcile()
	afi := w.instance()
	afi.Spec.Drift = v1alpha1.DriftReport
	afi.Generation++
	if err := w.client.Update(t.Context(), afi); err != nil {
		t.Fatal(err)
	}
	w.reconcile()
	w.sim.SetUserRoles("alice", "Public")
	w.clock.Step(11 * time.Minute)
	w.reconcile()
	before, told := w.instance(), len(w.recorder.Events)
	if len(before.Status.Drift) != 1 {
		t.Fatalf("drift %v", before.Status.Drift)
	}
	for range 3 {
		w.clock.Step(11 * time.Minute)
		w.reconcile()
	}
	if after := w.instance(); after.ResourceVersion != before.ResourceVersion || len(w.recorder.Events) != told {
		t.Errorf("written again: drift %v, %d events", after.Status.Drift, len(w.recorder.Events)-told)
	}
}

// TestInventoryThatWasNotStoredIsNotClaimed: what the API server refused does not come with the conditions.
func TestInventoryThatWasNotStoredIsNotClaimed(t *testing.T) {
	w := newWorld(t)
	refused := false
	w.onStatus = func() error {
		if refused {
			return nil
		}
		refused = true
		return errors.New("the API server is away")
	}
	w.reconcile()
	if roles := w.instance().Status.ManagedRoles; !refused || len(roles) != 0 {
		t.Errorf("refused %t, inventory %v", refused, roles)
	}
	if ready := w.instance().Status.Conditions[0]; ready.Reason != v1alpha1.ReasonKubernetesFailed {
		t.Errorf("Ready says %s: %s", ready.Reason, ready.Message)
	}
}

// TestDriftIsStoredLaterWhereItCouldNotBe: it is found once only.
func TestDriftIsStoredLaterWhereItCouldNotBe(t *testing.T) {
	w := newWorld(t)
	w.reconcile()
	w.sim.SetUserRoles("alice", "Public")
	w.clock.Step(11 * time.Minute)
	w.onStatus = func() error { return errors.New("the API server is away") }
	w.reconcile()
	w.onStatus = nil
	w.clock.Step(time.Minute)
	w.reconcile()
	w.reconcile()
	if found := w.instance().Status.Drift; len(found) != 1 || !found[0].Repaired {
		t.Errorf("drift %v", found)
	}
}

// TestAnotherVersionIsNoticedWhenAirflowIsBack: an upgrade starts it anew, and what the old one could counts no more.
func TestAnotherVersionIsNoticedWhenAirflowIsBack(t *testing.T) {
	for name, away := range map[string]airflowtest.Fault{
		"no answer":   airflowtest.OverWire(airflowtest.Dropped),
		"another API": airflowtest.Status(http.StatusNotFound, "Not Found"),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.reconcile()
			before := w.instance().Status
			if before.Airflow == nil || before.Airflow.FABProvider != airflowtest.Airflow33.FABProvider {
				t.Fatalf("it governs %+v", before.Airflow)
			}
			w.clock.Step(time.Minute)
			w.sim.Inject(away)
			for range 4 {
				w.clock.Step(w.reconcile())
			}
			w.sim.Heal()
			w.sim.Inject(airflowtest.Fault{Apply: airflowtest.Nothing, Answer: &airflowtest.Answer{
				Status: http.StatusOK, Body: `{"providers":[{"package_name":"apache-airflow-providers-fab","version":"3.6.4"}],"total_entries":1}`,
			}}.On(http.MethodGet, "/api/v2/providers"))
			w.clock.Step(2 * time.Second)
			w.reconcile()
			if after := w.instance().Status; after.Airflow.FABProvider != "3.6.4" || after.Capabilities.RoleUpdate != v1alpha1.RoleUpdateAdd {
				t.Errorf("it governs %+v, with %+v", after.Airflow, after.Capabilities)
			}
		})
	}
}
