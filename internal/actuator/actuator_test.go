package actuator_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/actuator"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
)

var start = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// bed is an actuator over the simulator, with what is declared held in memory.
type bed struct {
	*testing.T
	clock *clocktesting.FakeClock
	sim   *airflowtest.Server
	act   *actuator.Actuator

	mu       sync.Mutex
	instance *v1alpha1.AirflowInstance
	policies []*v1alpha1.DagAccessPolicy
	grants   []*v1alpha1.AccessGrant
	ttl      time.Duration
	giving   access.Giving
	stores   int
	declared int // how often it was asked
}

func newBed(t *testing.T) *bed {
	t.Helper()
	clock := clocktesting.NewFakeClock(start)
	sim := airflowtest.Start(t, airflowtest.Options{Clock: clock})
	b := &bed{T: t, clock: clock, sim: sim}
	b.instance = &v1alpha1.AirflowInstance{
		ObjectMeta: metav1.ObjectMeta{Name: "prod", Namespace: "data", UID: "instance-uid", Generation: 1},
		Spec: v1alpha1.AirflowInstanceSpec{
			URL: sim.URL, Mode: v1alpha1.ModeEnforce, Drift: v1alpha1.DriftRepair, MassRevocationLimit: "25%",
			Interval: metav1.Duration{Duration: 10 * time.Minute}, DagInterval: metav1.Duration{Duration: time.Minute},
		},
	}
	sim.SetRole(rolename.Claim(string(b.instance.UID))) // it governs this Airflow already
	b.restart()
	for _, id := range []string{"finance_daily", "finance_weekly", "marketing_report"} {
		sim.SetDag(airflowtest.Dag{ID: id, Tags: []string{id[:len(id)-6]}})
	}
	for _, name := range []string{"alice", "bob", "carol"} {
		sim.AddUser(airflowtest.User{Username: name, Email: name + "@example.com", Roles: []string{"Public"}})
	}
	return b
}

// restart is a new process: what was in memory is gone, what was stored is not.
func (b *bed) restart() {
	b.Helper()
	b.act = actuator.New(b.connect(), b.clock, actuator.Options{})
}

// connect makes a client of the simulated server.
func (b *bed) connect() *airflow.Client {
	b.Helper()
	client, err := airflow.New(b.sim.Config())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(client.Close)
	return client
}

func (b *bed) Declared(context.Context) (actuator.Declared, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.declared++
	return actuator.Declared{
		Now: b.clock.Now(), Giving: b.giving, Instance: b.instance, Policies: slices.Clone(b.policies),
		Grants: slices.Clone(b.grants), Endpoint: b.sim.URL, Account: airflowtest.AdminUsername, CacheTTL: b.ttl,
	}, nil
}

func (b *bed) StoreInventory(_ context.Context, inventory []v1alpha1.ManagedRole, held []v1alpha1.HeldRevocation) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stores++
	b.instance = b.instance.DeepCopy()
	b.instance.Status.ManagedRoles, b.instance.Status.Held = inventory, held
	return nil
}

// pass makes a pass and stores what it reports, as the controller does.
func (b *bed) pass(look actuator.Look) *actuator.Report {
	b.Helper()
	report := b.act.Pass(b.Context(), b, look)
	if report.Err == nil {
		b.mu.Lock()
		b.instance = b.instance.DeepCopy()
		b.instance.Status.ManagedRoles, b.instance.Status.Held = report.Inventory, report.Held
		for i, p := range b.policies {
			p = p.DeepCopy()
			p.Status.ObservedGeneration = p.Generation
			b.policies[i] = p
		}
		b.mu.Unlock()
	}
	return report
}

// settled makes a full pass that must succeed.
func (b *bed) settled() *actuator.Report {
	b.Helper()
	report := b.pass(actuator.LookFull)
	if report.Err != nil || len(report.Failures) > 0 {
		b.Fatalf("pass: %v %v", report.Err, report.Failures)
	}
	return report
}

func (b *bed) policy() *v1alpha1.DagAccessPolicy {
	p := &v1alpha1.DagAccessPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "finance", Namespace: "data", UID: "policy-uid", Generation: 1, CreationTimestamp: metav1.NewTime(start)},
		Spec: v1alpha1.DagAccessPolicySpec{
			InstanceRef: v1alpha1.InstanceReference{Name: "prod"}, State: v1alpha1.PolicyActive,
			Dags:    []v1alpha1.DagSelector{{IDs: []string{"finance_*"}}},
			Access:  []v1alpha1.AccessLevel{v1alpha1.AccessView, v1alpha1.AccessTrigger},
			Role:    &v1alpha1.PolicyRole{Name: "finance", Adoption: v1alpha1.AdoptionNever},
			Members: []v1alpha1.Subject{{Username: "alice"}},
			Grants:  &v1alpha1.GrantTerms{From: v1alpha1.GrantsFromSame, MaxDuration: metav1.Duration{Duration: 8 * time.Hour}},
		},
		Status: v1alpha1.DagAccessPolicyStatus{ObservedGeneration: -1},
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.policies = append(b.policies, p)
	return p
}

// grant adds an activated grant of an hour, as the grant controller leaves it.
func (b *bed) grant(username string, change ...func(*v1alpha1.AccessGrant)) *v1alpha1.AccessGrant {
	const length = time.Hour
	now := b.clock.Now()
	g := &v1alpha1.AccessGrant{
		ObjectMeta: metav1.ObjectMeta{Name: username, Namespace: "data", UID: types.UID("grant-" + username), Generation: 1, CreationTimestamp: metav1.NewTime(now)},
		Spec: v1alpha1.AccessGrantSpec{
			PolicyRef: v1alpha1.PolicyReference{Name: "finance"}, Subject: v1alpha1.Subject{Username: username},
			ExpiresAt: &metav1.Time{Time: now.Add(length)},
		},
		Status: v1alpha1.AccessGrantStatus{Phase: v1alpha1.GrantPending, Activation: &v1alpha1.Activation{
			At: metav1.NewTime(now), ExpiresAt: metav1.NewTime(now.Add(length)),
			Access:    []v1alpha1.AccessLevel{v1alpha1.AccessView, v1alpha1.AccessTrigger},
			Instances: []v1alpha1.GrantInstance{{Name: "prod", Namespace: "data", UID: "instance-uid", Endpoint: b.sim.URL, Username: username, Role: "finance"}},
		}},
	}
	for _, f := range change {
		f(g)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.grants = append(b.grants, g)
	return g
}

// change replaces a grant by a changed copy, as a watch would.
func (b *bed) change(g *v1alpha1.AccessGrant, f func(*v1alpha1.AccessGrant)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	changed := g.DeepCopy()
	f(changed)
	for i := range b.grants {
		if b.grants[i].UID == g.UID {
			b.grants[i] = changed
		}
	}
}

func (b *bed) can(username, level, dag string) bool { return b.sim.AllowedLevel(username, level, dag) }

func (b *bed) wantAccess(username, dag string, want bool) {
	b.Helper()
	if got := b.can(username, "Trigger", dag); got != want {
		b.Errorf("%s may trigger %s: %t, want %t", username, dag, got, want)
	}
}

func TestPassGivesStandingAndTimeBoundAccess(t *testing.T) {
	b := newBed(t)
	b.policy()
	bob := b.grant("bob")
	report := b.settled()
	b.wantAccess("alice", "finance_daily", true)
	b.wantAccess("bob", "finance_weekly", true)
	b.wantAccess("carol", "finance_daily", false)
	b.wantAccess("alice", "marketing_report", false)
	if proof := report.Grants[bob.UID]; !proof.Proof.Present || proof.ObservedAt.Before(bob.Status.Activation.At.Time) {
		t.Errorf("bob's grant is not proved: %+v", proof)
	}
	if roles, _ := b.sim.UserRoles("alice"); !slices.Contains(roles, "Public") {
		t.Error("alice lost her foreign role")
	}
	if report.Counts.ManagedMemberships != 2 || report.Counts.ManagedRoles != 1 {
		t.Errorf("counts: %+v", report.Counts)
	}
}

func TestInventoryIsStoredBeforeTheFirstWrite(t *testing.T) {
	b := newBed(t)
	b.policy()
	b.sim.Inject(airflowtest.Status(500, "broken").On("POST", "/auth/fab/v1/roles"))
	report := b.pass(actuator.LookFull)
	if b.stores != 1 || len(b.instance.Status.ManagedRoles) != 1 || b.instance.Status.ManagedRoles[0].Name != "finance" {
		t.Errorf("stored %d times: %+v", b.stores, b.instance.Status.ManagedRoles)
	}
	if len(report.Failures) == 0 {
		t.Error("no failure is reported")
	}
	b.sim.Heal()
	b.settled()
	b.wantAccess("alice", "finance_daily", true)
}

func TestStableStateWritesNothing(t *testing.T) {
	b := newBed(t)
	b.policy()
	b.grant("bob")
	b.settled()
	before, stores := len(b.sim.MutatingRequests()), b.stores
	for range 3 {
		b.settled()
		b.clock.Step(time.Minute)
	}
	if after := len(b.sim.MutatingRequests()); after != before {
		t.Errorf("%d writes in a stable state", after-before)
	}
	if b.stores != stores {
		t.Errorf("the inventory was stored %d times in a stable state", b.stores-stores)
	}
	requests := b.sim.RequestCount()
	b.pass(actuator.LookTouched)
	if after := b.sim.RequestCount(); after != requests {
		t.Errorf("a pass with nothing to do made %d requests", after-requests)
	}
}

func TestGrantEndsOnTimeAndIsProvedGone(t *testing.T) {
	b := newBed(t)
	b.ttl = 30 * time.Second
	b.policy()
	bob := b.grant("bob")
	b.settled()
	b.clock.Step(time.Hour - access.Lead(b.ttl) - time.Second)
	b.pass(actuator.LookTouched)
	b.wantAccess("bob", "finance_daily", true)
	b.clock.Step(time.Second)
	report := b.pass(actuator.LookTouched)
	b.wantAccess("bob", "finance_daily", false)
	b.wantAccess("alice", "finance_daily", true)
	if proof := report.Grants[bob.UID]; !proof.Proof.Absent || proof.ObservedAt.Before(b.clock.Now()) {
		t.Errorf("the end is not proved: %+v", proof)
	}
}

func TestF54EndingsAfterARestart(t *testing.T) {
	b := newBed(t)
	b.policy()
	b.grant("bob")
	b.settled()
	b.clock.Step(3 * time.Hour)
	b.restart()
	b.settled()
	b.wantAccess("bob", "finance_daily", false)
}

func TestEndingsInEveryMode(t *testing.T) {
	for _, mode := range []v1alpha1.Mode{v1alpha1.ModeObserve, v1alpha1.ModeSuspended} {
		t.Run(string(mode), func(t *testing.T) {
			b := newBed(t)
			b.policy()
			bob := b.grant("bob")
			b.settled()
			b.instance = b.instance.DeepCopy()
			b.instance.Spec.Mode = mode
			b.grant("carol")
			b.change(bob, func(g *v1alpha1.AccessGrant) { g.Spec.Revoke = &v1alpha1.Revocation{Reason: "laptop lost"} })
			b.pass(actuator.LookFull)
			b.wantAccess("bob", "finance_daily", false)
			b.wantAccess("carol", "finance_daily", false)
			b.wantAccess("alice", "finance_daily", true)
		})
	}
}

func TestObserveWritesThePlan(t *testing.T) {
	b := newBed(t)
	b.instance.Spec.Mode = v1alpha1.ModeObserve
	b.policy()
	report := b.settled()
	if len(report.Plan) == 0 {
		t.Error("no plan")
	}
	if writes := b.sim.MutatingRequests(); len(writes) != 0 {
		t.Errorf("%d writes", len(writes))
	}
}

func TestF42UnknownDagIsPendingAndTheRestApplies(t *testing.T) {
	b := newBed(t)
	b.sim.SetDag(airflowtest.Dag{ID: "finance_new", Unparsed: true})
	b.sim.SetDag(airflowtest.Dag{ID: "finance_newer", Unparsed: true})
	policy := b.policy()
	report := b.settled()
	b.wantAccess("alice", "finance_daily", true)
	key := types.NamespacedName{Namespace: policy.Namespace, Name: policy.Name}
	if pending := report.Policies[key].Desire.Pending; !slices.Equal(pending, []string{"finance_new", "finance_newer"}) {
		t.Errorf("pending: %v", pending)
	}
	b.sim.SetDag(airflowtest.Dag{ID: "finance_new"})
	b.sim.SetDag(airflowtest.Dag{ID: "finance_newer"})
	b.pass(actuator.LookDags)
	b.wantAccess("alice", "finance_new", true)
}

func TestF21WriteThatTookEffectBehindAnError(t *testing.T) {
	b := newBed(t)
	b.policy()
	b.sim.Inject(airflowtest.AppliedThen(504).On("POST", "/auth/fab/v1/roles").For(1))
	b.sim.Inject(airflowtest.AppliedThen(504).On("PATCH", "/auth/fab/v1/users/{username}").For(1))
	b.settled()
	b.wantAccess("alice", "finance_daily", true)
	created := 0
	for _, r := range b.sim.MutatingRequests() {
		if r.Method == http.MethodPost && r.Endpoint == "/auth/fab/v1/roles" {
			created++
		}
	}
	if created != 1 {
		t.Errorf("the role was created %d times", created)
	}
}

func TestF35AcceptedAndNotStoredIsNotReported(t *testing.T) {
	b := newBed(t)
	b.policy()
	bob := b.grant("bob")
	b.sim.Inject(airflowtest.Unstored().On("PATCH", "/auth/fab/v1/users/{username}"))
	report := b.pass(actuator.LookFull)
	if report.Grants[bob.UID].Proof.Present || len(report.Failures) == 0 {
		t.Errorf("a write that was not stored counts: %+v, failures %v", report.Grants[bob.UID], report.Failures)
	}
	b.sim.Heal()
	report = b.settled()
	if !report.Grants[bob.UID].Proof.Present {
		t.Error("not given after the fault was gone")
	}
}

func TestF34HalfAppliedIsFinished(t *testing.T) {
	b := newBed(t)
	b.policy()
	b.sim.Inject(airflowtest.HalfThen(500).On("POST", "/auth/fab/v1/roles").For(1))
	b.settled()
	b.wantAccess("alice", "finance_daily", true)
	b.wantAccess("alice", "finance_weekly", true)
}

func TestForeignRoleMadeMeanwhileIsNotTakenOver(t *testing.T) {
	b := newBed(t)
	policy := b.policy()
	foreign := airflow.Permission{Action: "can_read", Resource: "DAG:marketing_report"}
	b.sim.Inject(airflowtest.Meanwhile(func() { b.sim.SetRole("finance", foreign) }).On("POST", "/auth/fab/v1/roles").For(1))
	report := b.pass(actuator.LookFull)
	role, _ := b.sim.Role("finance")
	if len(role.Permissions) != 1 || role.Permissions[0] != foreign {
		t.Errorf("the foreign role was changed: %v", role.Permissions)
	}
	key := types.NamespacedName{Namespace: policy.Namespace, Name: policy.Name}
	if refused := report.Policies[key].Desire.Refused; refused == nil || refused.Reason != v1alpha1.ReasonRoleExists {
		t.Errorf("refused: %+v", refused)
	}
	if len(b.instance.Status.ManagedRoles) != 0 {
		t.Errorf("the inventory holds a foreign role: %v", b.instance.Status.ManagedRoles)
	}
}

func TestOtherWriters(t *testing.T) {
	t.Run("a member without a cause is removed", func(t *testing.T) {
		b := newBed(t)
		b.policy()
		b.settled()
		b.sim.SetUserRoles("carol", "Public", "finance")
		report := b.settled()
		b.wantAccess("carol", "finance_daily", false)
		if len(report.Drift) == 0 {
			t.Error("no drift is reported")
		}
	})
	t.Run("F36 a deleted role is made again", func(t *testing.T) {
		b := newBed(t)
		b.policy()
		b.settled()
		b.sim.DeleteRole("finance")
		b.settled()
		b.wantAccess("alice", "finance_daily", true)
	})
	t.Run("F78 a pair that servers add is left alone", func(t *testing.T) {
		b := newBed(t)
		b.policy()
		b.settled()
		b.sim.AddToEveryRole(airflow.Permission{Action: "can_read", Resource: "Website"})
		before := len(b.sim.MutatingRequests())
		if report := b.settled(); len(report.Drift) != 0 || len(b.sim.MutatingRequests()) != before {
			t.Errorf("drift %v", report.Drift)
		}
	})
	t.Run("whom others put into a role again and again is not kept out of it", func(t *testing.T) {
		b := newBed(t)
		b.policy()
		b.settled()
		for range 4 {
			b.sim.SetUserRoles("bob", "Public", "finance")
			if report := b.settled(); len(report.Drift) != 1 || len(report.Contested) > 0 {
				t.Errorf("drift %+v, contested %v", report.Drift, report.Contested)
			}
			b.wantAccess("bob", "finance_daily", false)
		}
		bob := b.grant("bob")
		if report := b.settled(); !report.Grants[bob.UID].Proof.Present {
			t.Error("bob's grant gives nothing")
		}
	})
	t.Run("what others take away three times in a row is left in peace until the interval is over", func(t *testing.T) {
		b := newBed(t)
		b.policy()
		b.settled()
		for range 3 {
			b.sim.SetUserRoles("alice", "Public")
			b.settled()
			b.wantAccess("alice", "finance_daily", true)
		}
		b.sim.SetUserRoles("alice", "Public")
		b.pass(actuator.LookFull)
		b.wantAccess("alice", "finance_daily", false)
		b.clock.Step(11 * time.Minute)
		b.pass(actuator.LookFull)
		b.wantAccess("alice", "finance_daily", true)
	})
}

func TestK11AUserOfALiveGrantWhoIsMadeAgainIsSeenWithinDagInterval(t *testing.T) {
	b := newBed(t)
	b.policy()
	b.settled()
	born := ""
	for _, u := range b.settled().Users {
		if u.Username == "bob" {
			born = u.CreatedOn
		}
	}
	bob := b.grant("bob", func(g *v1alpha1.AccessGrant) { g.Status.Activation.Instances[0].UserCreatedOn = born })
	b.settled()
	b.sim.RemoveUser("bob")
	reason := func(report *actuator.Report) string {
		if p := report.Grants[bob.UID].Desire.Problem; p != nil {
			return p.Reason
		}
		return ""
	}
	if got := reason(b.settled()); got != v1alpha1.ReasonSubjectGone {
		t.Errorf("the user is gone, and it says %q", got)
	}
	b.clock.Step(time.Second)
	b.sim.AddUser(airflowtest.User{Username: "bob", Email: "bob@example.com", Roles: []string{"Public"}})
	b.clock.Step(time.Minute)
	if got := reason(b.pass(actuator.LookDags)); got != v1alpha1.ReasonSubjectChanged {
		t.Errorf("another user has the name, and it says %q", got)
	}
	b.wantAccess("bob", "finance_daily", false)
}

func TestK11ADagWhoseFileKeepsTakingItsRightsIsContestedAlone(t *testing.T) {
	b := newBed(t)
	b.policy()
	bob := b.grant("bob")
	b.settled()
	b.sim.SetDag(airflowtest.Dag{ID: "finance_daily", Tags: []string{"finance"}, AccessControl: map[string][]string{}})
	for range 4 {
		b.settled() // a comparison between two parses does not begin the count anew
		b.clock.Step(time.Minute)
		b.settled()
		b.sim.Parse()
	}
	report := b.settled()
	if want := []string{access.DagKey("finance", "finance_daily")}; !slices.Equal(report.Contested, want) {
		t.Fatalf("contested %v, want %v", report.Contested, want)
	}
	b.wantAccess("bob", "finance_weekly", true)
	b.wantAccess("bob", "finance_daily", false)
	carol := b.grant("carol")
	report = b.settled()
	for _, grant := range []*v1alpha1.AccessGrant{bob, carol} {
		if proof := report.Grants[grant.UID].Proof; !proof.Present || !slices.Equal(proof.Contested, []string{"finance_daily"}) {
			t.Errorf("%s: %+v", grant.Name, proof)
		}
	}
	b.sim.SetDag(airflowtest.Dag{ID: "finance_daily", Tags: []string{"finance"}})
	b.clock.Step(11 * time.Minute)
	b.settled()
	b.wantAccess("bob", "finance_daily", true)
}

func TestAwaitedUserIsLookedForAtOnceThenEveryDagInterval(t *testing.T) {
	b := newBed(t)
	b.policy()
	b.settled()
	b.grant("dora", func(g *v1alpha1.AccessGrant) { g.Status.Activation = nil })
	looks := func() int {
		return len(b.sim.Requests(func(r airflowtest.Request) bool { return r.Endpoint == "/auth/fab/v1/users/{username}" }))
	}
	before := looks()
	b.pass(actuator.LookTouched)
	b.pass(actuator.LookTouched)
	if got := looks() - before; got != 1 {
		t.Errorf("looked %d times", got)
	}
	b.sim.AddUser(airflowtest.User{Username: "dora", Email: "dora@example.com", Roles: []string{"Public"}})
	b.clock.Step(time.Minute)
	report := b.pass(actuator.LookTouched)
	if !slices.ContainsFunc(report.Users, func(u access.User) bool { return u.Username == "dora" }) {
		t.Error("dora was not found")
	}
}

func TestF61ManyEndingsInOneSecond(t *testing.T) {
	const many = 1000
	b := newBed(t)
	b.policy()
	for i := range many {
		name := fmt.Sprintf("user%04d", i)
		b.sim.AddUser(airflowtest.User{Username: name, Email: name + "@example.com", Roles: []string{"Public"}})
		b.grant(name)
	}
	b.settled()
	b.clock.Step(time.Hour)
	before := b.sim.RequestCount()
	report := b.pass(actuator.LookTouched)
	used := b.sim.RequestCount() - before
	pages := many/airflow.PageSize + 1
	if limit := many + 4*pages; used > limit {
		t.Errorf("%d requests for %d endings, limit %d", used, many, limit)
	}
	for i := range many {
		if name := fmt.Sprintf("user%04d", i); b.can(name, "Trigger", "finance_daily") {
			t.Fatalf("%s still has access", name)
		}
	}
	for uid, grant := range report.Grants {
		if !grant.Proof.Absent {
			t.Fatalf("%s is not proved gone", uid)
		}
	}
}

func TestF22ThrottledEndsThePass(t *testing.T) {
	busy := airflowtest.BadGateway(http.StatusServiceUnavailable)
	busy.Answer.Header = http.Header{"Retry-After": {"7"}}
	for name, fault := range map[string]airflowtest.Fault{"429": airflowtest.Throttled("7"), "503": busy} {
		for _, method := range []string{http.MethodPatch, http.MethodPost, http.MethodGet} {
			b := newBed(t)
			b.policy()
			b.settled()
			b.second().Spec.Members = []v1alpha1.Subject{{Username: "carol"}}
			b.clock.Step(time.Minute)
			fault.If = func(r airflowtest.Request) bool { return strings.HasPrefix(r.Path, "/auth/fab") }
			injected := b.sim.Inject(fault.On(method, ""))
			report := b.pass(actuator.LookTouched)
			if wait, ok := airflow.RetryAfter(report.Err); !ok || wait != 7*time.Second {
				t.Errorf("%s %s: error %v", name, method, report.Err)
			}
			if hits := injected.Hits(); hits != 1 {
				t.Errorf("%s %s: %d requests were asked to wait", name, method, hits)
			}
			all := b.sim.Requests(nil)
			if last := all[len(all)-1]; last.Fault == "" {
				t.Errorf("%s %s: %s %s after the server asked to wait", name, method, last.Method, last.Path)
			}
		}
	}
}

func TestNothingIsGivenWhileClocksDiffer(t *testing.T) {
	b := newBed(t)
	b.policy()
	bob := b.grant("bob")
	b.settled()
	b.giving = access.OnlyRevoking(v1alpha1.ReasonClockSkew, "clocks differ")
	b.grant("carol")
	b.change(bob, func(g *v1alpha1.AccessGrant) { g.Spec.Revoke = &v1alpha1.Revocation{} })
	b.pass(actuator.LookFull)
	b.wantAccess("carol", "finance_daily", false)
	b.wantAccess("bob", "finance_daily", false)
}

func TestLargeRoleIsWrittenInPortions(t *testing.T) {
	b := newBed(t)
	for i := range 150 {
		b.sim.SetDag(airflowtest.Dag{ID: fmt.Sprintf("finance_%03d", i)})
	}
	b.policy()
	b.settled()
	for i := range 150 {
		b.wantAccess("alice", fmt.Sprintf("finance_%03d", i), true)
	}
	role, _ := b.sim.Role("finance")
	if len(role.Permissions) < 450 {
		t.Errorf("%d permissions", len(role.Permissions))
	}
}
