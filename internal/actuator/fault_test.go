package actuator_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/actuator"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

const (
	rolesPath = "/auth/fab/v1/roles"
	rolePath  = "/auth/fab/v1/roles/{name}"
	usersPath = "/auth/fab/v1/users"
	userPath  = "/auth/fab/v1/users/{username}"
)

// second adds a policy of another role over another DAG.
func (b *bed) second() *v1alpha1.DagAccessPolicy {
	p := b.policy()
	p.Name, p.UID = "marketing", "second-uid"
	p.Spec.Role = &v1alpha1.PolicyRole{Name: "marketing", Adoption: v1alpha1.AdoptionNever}
	p.Spec.Dags = []v1alpha1.DagSelector{{IDs: []string{"marketing_*"}}}
	return p
}

func TestForeignRolesMadeMeanwhileAreNotTakenOver(t *testing.T) {
	b := newBed(t)
	b.policy()
	b.second()
	foreign := airflow.Permission{Action: "can_edit", Resource: "DAG:marketing_report"}
	b.sim.Inject(airflowtest.Meanwhile(func() {
		b.sim.SetRole("finance", foreign)
		b.sim.SetRole("marketing", foreign)
		b.sim.SetUserRoles("carol", "finance", "marketing")
	}).On(http.MethodPost, rolesPath).For(1))
	b.pass(actuator.LookFull)
	b.pass(actuator.LookFull)
	for _, name := range []string{"finance", "marketing"} {
		if role, _ := b.sim.Role(name); len(role.Permissions) != 1 || role.Permissions[0] != foreign {
			t.Errorf("the foreign role %s was changed: %v", name, role.Permissions)
		}
		if holders := b.sim.Holders(name); !slices.Equal(holders, []string{"carol"}) {
			t.Errorf("the foreign role %s is held by %v", name, holders)
		}
	}
	if len(b.instance.Status.ManagedRoles) != 0 {
		t.Errorf("the inventory holds foreign roles: %v", b.instance.Status.ManagedRoles)
	}
}

// TestF56ClockStepsBack: nothing can be proved until the clock is where it was, and nobody asks for it in a loop.
func TestF56ClockStepsBack(t *testing.T) {
	for _, ended := range []bool{false, true} {
		b := newBed(t)
		b.policy()
		bob := b.grant("bob")
		b.settled()
		if ended {
			b.change(bob, func(g *v1alpha1.AccessGrant) {
				g.Status.End = &v1alpha1.End{Reason: v1alpha1.EndRevoked, At: metav1.NewTime(start)}
			})
			b.settled()
		}
		b.clock.SetTime(start.Add(-time.Hour))
		b.settled()
		before := b.sim.RequestCount()
		b.pass(actuator.LookTouched)
		if used := b.sim.RequestCount() - before; used > 2 {
			t.Errorf("ended %t: %d requests of a pass that has nothing to do", ended, used)
		}
		b.wantAccess("bob", "finance_daily", !ended)
	}
}

// TestEndingDoesNotWaitForLists: an ending needs only its user, and a grant no newer list where what it gives is known.
func TestEndingDoesNotWaitForLists(t *testing.T) {
	for name, tc := range map[string]struct {
		fault airflowtest.Fault
		// known says that what is known suffices to grant: in one process, and after a start.
		known, knownAtStart bool
	}{
		"F19 the DAG list fails":    {airflowtest.Status(http.StatusInternalServerError, "no").On(http.MethodGet, "/api/v2/dags"), true, true},
		"F20 the user list fails":   {airflowtest.BadGateway(http.StatusServiceUnavailable).On(http.MethodGet, usersPath), true, false},
		"F29 the role list is HTML": {airflowtest.LoginPage().On(http.MethodGet, rolesPath), true, false},
		"F49 DAGs are not allowed":  {airflowtest.Status(http.StatusForbidden, "Forbidden").On(http.MethodGet, "/api/v2/dags"), false, false},
	} {
		fault := tc.fault
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.policy()
			bob := b.grant("bob")
			b.settled()
			b.clock.Step(time.Hour)
			carol := b.grant("carol")
			b.sim.Inject(fault)
			report := b.pass(actuator.LookFull)
			if report.Full || (report.Err == nil) != tc.known || (len(report.Unread) == 1) != tc.known {
				t.Errorf("the pass says that it saw everything: %v, %v", report.Err, report.Unread)
			}
			b.wantAccess("bob", "finance_daily", false)
			b.wantAccess("carol", "finance_daily", tc.known)
			if !report.Grants[bob.UID].Proof.Absent || report.Grants[carol.UID].Proof.Present != tc.known {
				t.Errorf("proofs %+v", report.Grants)
			}
			b.sim.Heal()
			b.settled()
			b.wantAccess("carol", "finance_daily", true)
		})
		t.Run(name+", right after a start", func(t *testing.T) {
			b := newBed(t)
			b.policy()
			bob := b.grant("bob")
			b.settled()
			b.clock.Step(time.Hour)
			b.grant("carol")
			b.restart()
			b.sim.Inject(fault)
			for range 4 {
				report := b.pass(actuator.LookFull)
				if (report.Err == nil) != tc.knownAtStart || report.Grants[bob.UID].Proof.Absent != tc.knownAtStart || report.Full || len(report.Drift) > 0 {
					t.Errorf("a pass that read nothing whole proves %+v, drift %v (%v)", report.Grants[bob.UID], report.Drift, report.Err)
				}
				b.wantAccess("bob", "finance_daily", false)
				b.wantAccess("alice", "finance_daily", true)
				b.wantAccess("carol", "finance_daily", tc.knownAtStart)
			}
			b.sim.Heal()
			if report := b.settled(); !report.Grants[bob.UID].Proof.Absent || len(report.Contested) > 0 {
				t.Errorf("%+v, contested %v", report.Grants[bob.UID], report.Contested)
			}
			b.wantAccess("carol", "finance_daily", true)
		})
	}
}

// conflicted refuses to store the inventory once, as the API server does when somebody else wrote in between.
type conflicted struct {
	*bed
	theirs []v1alpha1.ManagedRole
}

func (c *conflicted) StoreInventory(context.Context, []v1alpha1.ManagedRole, []v1alpha1.HeldRevocation) error {
	c.instance = c.instance.DeepCopy()
	c.instance.Status.ManagedRoles = c.theirs
	return apierrors.NewConflict(schema.GroupResource{Resource: "airflowinstances"}, "prod", nil)
}

// TestF17InventoryOfAnotherLeaderCounts: what a leader that was replaced stored last is ours, although it was not yet
// visible at the start.
func TestF17InventoryOfAnotherLeaderCounts(t *testing.T) {
	b := newBed(t)
	b.policy()
	b.settled()
	theirs := b.instance.Status.ManagedRoles
	b.restart()
	b.instance = b.instance.DeepCopy()
	b.instance.Status.ManagedRoles = nil // as a cache that is behind shows it
	second := b.second()
	if report := b.act.Pass(t.Context(), &conflicted{b, theirs}, actuator.LookFull); !apierrors.IsConflict(report.Err) {
		t.Fatalf("error %v", report.Err)
	}
	report := b.settled()
	key := types.NamespacedName{Namespace: second.Namespace, Name: "finance"}
	if refused := report.Policies[key].Desire.Refused; refused != nil {
		t.Errorf("our own role is taken for a foreign one: %+v", refused)
	}
	if len(b.instance.Status.ManagedRoles) != 2 {
		t.Errorf("inventory %v", b.instance.Status.ManagedRoles)
	}
	b.wantAccess("alice", "marketing_report", true)
}

// TestAwaitedUserIsLookedForInEveryDagInterval: also when a pass took longer to begin its looks than the next.
func TestAwaitedUserIsLookedForInEveryDagInterval(t *testing.T) {
	b := newBed(t)
	b.policy()
	b.settled()
	b.grant("dora", func(g *v1alpha1.AccessGrant) { g.Status.Activation = nil })
	slow := b.sim.Inject(airflowtest.Meanwhile(func() { b.clock.Step(500 * time.Millisecond) }).On(http.MethodGet, "/api/v2/dags"))
	first := b.pass(actuator.LookDags)
	slow.Remove()
	b.sim.AddUser(airflowtest.User{Username: "dora", Email: "dora@example.com", Roles: []string{"Public"}})
	b.clock.SetTime(first.StartedAt.Add(time.Minute))
	report := b.pass(actuator.LookDags)
	if !slices.ContainsFunc(report.Users, func(u access.User) bool { return u.Username == "dora" }) {
		t.Error("dora was not found in the interval after she came")
	}
}

// TestFaultsInTheMiddleOfAPass: whatever befalls requests while access is given or taken away, nothing is claimed that
// is not so, and the next pass finishes.
func TestFaultsInTheMiddleOfAPass(t *testing.T) {
	faults := map[string]airflowtest.Fault{
		"F19 500":                airflowtest.Status(http.StatusInternalServerError, "no"),
		"F20 502":                airflowtest.BadGateway(http.StatusBadGateway),
		"F20 503":                airflowtest.BadGateway(http.StatusServiceUnavailable),
		"F24 dropped":            airflowtest.OverWire(airflowtest.Dropped),
		"F25 reset mid-body":     airflowtest.OverWire(airflowtest.Broken),
		"F28 truncated":          airflowtest.OverWire(airflowtest.Truncated),
		"F29 login page":         airflowtest.LoginPage(),
		"F43 409":                airflowtest.Status(http.StatusConflict, "Conflict"),
		"F49 403 for the writer": airflowtest.Status(http.StatusForbidden, "Forbidden"),
	}
	for name, fault := range faults {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch} {
			for _, skip := range []int{0, 1} {
				t.Run(name+" "+method, func(t *testing.T) {
					b := newBed(t)
					b.policy()
					bob := b.grant("bob")
					b.settled()
					b.second()
					carol := b.grant("carol")
					b.change(bob, func(g *v1alpha1.AccessGrant) { g.Spec.Revoke = &v1alpha1.Revocation{} })
					fault.If = func(r airflowtest.Request) bool { return !strings.Contains(r.Endpoint, "token") }
					b.sim.Inject(fault.On(method, "").After(skip))
					report := b.pass(actuator.LookTouched)
					if report.Grants[bob.UID].Proof.Absent && b.sim.AllowedLevel("bob", "Trigger", "finance_daily") {
						t.Error("an end is claimed that is not so")
					}
					if report.Grants[carol.UID].Proof.Present && !b.sim.AllowedLevel("carol", "Trigger", "finance_daily") {
						t.Error("an access is claimed that is not so")
					}
					b.sim.Heal()
					report = b.settled()
					b.wantAccess("bob", "finance_daily", false)
					b.wantAccess("carol", "finance_daily", true)
					b.wantAccess("alice", "marketing_report", true)
					if !report.Grants[bob.UID].Proof.Absent || !report.Grants[carol.UID].Proof.Present {
						t.Error("not proved after the fault was gone")
					}
				})
			}
		}
	}
}

func TestF47F48TokensEndInTheMiddleOfAPass(t *testing.T) {
	type fault struct {
		method string
		reject bool
	}
	for name, fault := range map[string]fault{
		"F47 expired while reading": {http.MethodGet, false}, "F47 expired while giving": {http.MethodPatch, false},
		"F48 403 while reading": {http.MethodGet, true}, "F48 403 while giving": {http.MethodPatch, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.policy()
			b.grant("bob")
			spoil, method := b.sim.ExpireTokens, fault.method
			if fault.reject {
				spoil = b.sim.RejectTokens
			}
			b.sim.Inject(airflowtest.Meanwhile(spoil).On(method, "").For(1))
			b.settled()
			b.wantAccess("bob", "finance_daily", true)
		})
	}
}

func TestF37AnEditedRoleIsRestored(t *testing.T) {
	b := newBed(t)
	b.policy()
	b.settled()
	more := airflow.Permission{Action: "can_edit", Resource: "DAG:marketing_report"}
	b.sim.SetRole("finance", more)
	report := b.settled()
	b.wantAccess("alice", "finance_daily", true)
	if role, _ := b.sim.Role("finance"); slices.Contains(role.Permissions, more) {
		t.Error("what was added stays")
	}
	if len(report.Drift) != 1 || report.Drift[0].Cause != v1alpha1.DriftCauseRoleEdited || !report.Drift[0].Repaired {
		t.Errorf("drift %+v", report.Drift)
	}
}

// TestDriftThatCouldNotBeUndone is not said to be, and is told again when it was.
func TestDriftThatCouldNotBeUndone(t *testing.T) {
	broken := airflowtest.Status(http.StatusInternalServerError, "no")
	for name, tc := range map[string]struct {
		change func(*bed)
		fault  airflowtest.Fault
	}{
		"taken off a user":    {func(b *bed) { b.sim.SetUserRoles("alice", "Public") }, broken.On(http.MethodPatch, userPath)},
		"a role without much": {func(b *bed) { b.sim.SetRole("finance") }, broken.On(http.MethodPatch, rolePath)},
		"a role is gone":      {func(b *bed) { b.sim.DeleteRole("finance") }, broken.On(http.MethodPost, rolesPath)},
		"asked to wait":       {func(b *bed) { b.sim.DeleteRole("finance") }, airflowtest.Throttled("3").On(http.MethodPost, rolesPath)},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.policy()
			b.settled()
			tc.change(b)
			b.sim.Inject(tc.fault)
			for range 4 { // a failure of ours is no contest
				report := b.pass(actuator.LookFull)
				if len(report.Drift) != 1 || report.Drift[0].Repaired || len(report.Contested) > 0 {
					t.Errorf("drift %+v, contested %v", report.Drift, report.Contested)
				}
			}
			b.sim.Heal()
			if report := b.settled(); len(report.Drift) != 1 || !report.Drift[0].Repaired {
				t.Errorf("drift %+v", report.Drift)
			}
			b.wantAccess("alice", "finance_daily", true)
		})
	}
}

// TestDriftIsRememberedWhenNothingCouldBeRead: an ending alone does not make what others changed the new state.
func TestDriftIsRememberedWhenNothingCouldBeRead(t *testing.T) {
	b := newBed(t)
	b.instance.Spec.Drift = v1alpha1.DriftReport
	b.policy()
	b.grant("bob")
	b.settled()
	b.sim.SetUserRoles("alice", "Public")
	if report := b.settled(); len(report.Drift) != 1 || report.Drift[0].Repaired {
		t.Errorf("drift %+v", report.Drift)
	}
	b.clock.Step(time.Hour)
	b.sim.Inject(airflowtest.LoginPage().On(http.MethodGet, rolesPath))
	b.pass(actuator.LookFull)
	b.wantAccess("bob", "finance_daily", false)
	b.sim.Heal()
	if report := b.settled(); len(report.Drift) != 1 || report.Drift[0].Repaired {
		t.Errorf("drift %+v", report.Drift)
	}
	b.wantAccess("alice", "finance_daily", false)
}

func TestF39ADeletedUserIsProvedGone(t *testing.T) {
	b := newBed(t)
	b.policy()
	bob := b.grant("bob")
	b.settled()
	b.sim.RemoveUser("bob")
	b.change(bob, func(g *v1alpha1.AccessGrant) { g.Spec.Revoke = &v1alpha1.Revocation{} })
	b.clock.Step(time.Second)
	report := b.pass(actuator.LookTouched)
	if proof := report.Grants[bob.UID]; report.Err != nil || !proof.Proof.Absent || proof.ObservedAt.Before(b.clock.Now()) {
		t.Errorf("error %v, proof %+v", report.Err, proof)
	}
}

// TestF39ARenamedUserDoesNotKeepWhatEnded: neither where nobody has the old name, nor where somebody else has it now.
func TestF39ARenamedUserDoesNotKeepWhatEnded(t *testing.T) {
	for _, another := range []bool{false, true} {
		b := newBed(t)
		b.policy()
		bob := b.grant("bob")
		b.settled()
		b.wantAccess("bob", "finance_daily", true)
		b.sim.SetUsername("bob", "robert")
		b.clock.Step(time.Second)
		if another {
			b.sim.AddUser(airflowtest.User{Username: "bob", Email: "another@example.com", Roles: []string{"Public"}})
		}
		b.change(bob, func(g *v1alpha1.AccessGrant) { g.Spec.Revoke = &v1alpha1.Revocation{} })
		b.clock.Step(time.Second)
		report := b.pass(actuator.LookTouched)
		if proof := report.Grants[bob.UID]; report.Err != nil || !proof.Proof.Absent {
			t.Errorf("another %v: error %v, proof %+v", another, report.Err, proof)
		}
		b.wantAccess("robert", "finance_daily", false)
	}
}

// TestF39ARenamedUserIsLookedForAfterTheRevocation, in the next pass: what revokes what is due reads no list, and the pass
// that follows it does not have to look at everything.
func TestF39ARenamedUserIsLookedForAfterTheRevocation(t *testing.T) {
	for _, unread := range []bool{false, true} {
		b := newBed(t)
		b.policy()
		bob := b.grant("bob")
		b.settled()
		b.sim.SetUsername("bob", "robert")
		b.clock.Step(time.Second)
		b.change(bob, func(g *v1alpha1.AccessGrant) { g.Spec.Revoke = &v1alpha1.Revocation{} })
		if err := b.act.RevokeDue(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		b.clock.Step(time.Second)
		if unread {
			b.sim.Inject(airflowtest.Throttled("1").On(http.MethodGet, usersPath).For(1))
			if report := b.pass(actuator.LookTouched); report.Err == nil {
				t.Error("the list of users was not asked for")
			}
		}
		report := b.pass(actuator.LookTouched)
		if proof := report.Grants[bob.UID]; report.Err != nil || !proof.Proof.Absent {
			t.Errorf("throttled %t: error %v, proof %+v", unread, report.Err, proof)
		}
		b.wantAccess("robert", "finance_daily", false)
		before := b.sim.RequestCount()
		if b.pass(actuator.LookTouched); b.sim.RequestCount() != before {
			t.Errorf("throttled %t: the list is asked for again", unread)
		}
	}
}

// TestF40AccessDoesNotPassToANewPersonOfTheSameName: neither with a full look nor with one at what is touched.
func TestF40AccessDoesNotPassToANewPersonOfTheSameName(t *testing.T) {
	for _, look := range []actuator.Look{actuator.LookTouched, actuator.LookFull} {
		b := newBed(t)
		b.policy()
		report := b.settled()
		var createdOn string
		for _, u := range report.Users {
			if u.Username == "bob" {
				createdOn = u.CreatedOn
			}
		}
		b.clock.Step(time.Minute)
		b.sim.RemoveUser("bob")
		b.sim.AddUser(airflowtest.User{Username: "bob", Email: "another@example.com", Roles: []string{"Public"}})
		bob := b.grant("bob", func(g *v1alpha1.AccessGrant) { g.Status.Activation.Instances[0].UserCreatedOn = createdOn })
		report = b.pass(look)
		if report.Err != nil || report.Grants[bob.UID].Proof.Present {
			t.Errorf("look %v: error %v, proof %+v", look, report.Err, report.Grants[bob.UID])
		}
		b.wantAccess("bob", "finance_daily", false)
		if writes := b.sim.Requests(func(r airflowtest.Request) bool { return r.Method == http.MethodPatch && r.Path == usersPath+"/bob" }); len(writes) > 0 {
			t.Errorf("look %v: the new person was written %d times", look, len(writes))
		}
	}
}

// TestF45RoleThatCannotBeDeletedIsEmptied: nobody keeps it, it stays in the inventory, and it is said.
func TestF45RoleThatCannotBeDeletedIsEmptied(t *testing.T) {
	b := newBed(t)
	b.policy()
	b.grant("bob")
	b.settled()
	b.sim.Inject(airflowtest.Status(http.StatusInternalServerError, "no").On(http.MethodDelete, rolePath))
	b.policies = nil
	report := b.pass(actuator.LookFull)
	if report.Err != nil || len(report.Failures) != 1 || len(report.Inventory) != 1 {
		t.Errorf("error %v, failures %v, inventory %v", report.Err, report.Failures, report.Inventory)
	}
	if holders := b.sim.Holders("finance"); len(holders) > 0 {
		t.Errorf("%v still have access", holders)
	}
	b.sim.Heal()
	if report = b.settled(); len(report.Inventory) != 0 {
		t.Errorf("inventory %v", report.Inventory)
	}
}

// TestF18KilledDuringAFullComparison: a look that is cut short changes nothing, and the next process finishes. The ending
// came before it.
func TestF18KilledDuringAFullComparison(t *testing.T) {
	for _, endpoint := range []string{rolesPath, usersPath, "/api/v2/dags"} {
		b := newBed(t)
		b.policy()
		bob := b.grant("bob")
		b.settled()
		b.clock.Step(time.Hour)
		writes := len(b.sim.MutatingRequests())
		ctx, kill := context.WithCancel(t.Context())
		b.sim.Inject(airflowtest.Meanwhile(kill).On(http.MethodGet, endpoint).For(1))
		report := b.act.Pass(ctx, b, actuator.LookFull)
		if report.Err == nil || len(b.sim.MutatingRequests()) != writes+1 {
			t.Errorf("%s: error %v, %d writes", endpoint, report.Err, len(b.sim.MutatingRequests())-writes)
		}
		b.restart()
		if report = b.settled(); !report.Grants[bob.UID].Proof.Absent {
			t.Errorf("%s: the ending is not proved", endpoint)
		}
		b.wantAccess("bob", "finance_daily", false)
		b.wantAccess("alice", "finance_daily", true)
	}
}

// TestARoleWaitsForThoseWhoShouldLeaveIt: while the role of a pinned grant cannot be made, its user must not see the
// policy's role widened.
func TestARoleWaitsForThoseWhoShouldLeaveIt(t *testing.T) {
	b := newBed(t)
	b.policy()
	b.grant("bob")
	b.settled()
	policy := b.policies[0].DeepCopy()
	policy.Generation, policy.Spec.Access = 2, []v1alpha1.AccessLevel{v1alpha1.AccessView, v1alpha1.AccessTrigger, v1alpha1.AccessEditRuns}
	b.policies[0] = policy
	b.sim.Inject(airflowtest.Status(http.StatusInternalServerError, "no").On(http.MethodPost, rolesPath))
	if report := b.pass(actuator.LookFull); len(report.Failures) == 0 {
		t.Error("nothing failed")
	}
	if b.can("bob", "EditRuns", "finance_daily") {
		t.Error("bob got what his grant does not give")
	}
	b.wantAccess("bob", "finance_daily", true)
	b.sim.Heal()
	b.settled()
	if b.can("bob", "EditRuns", "finance_daily") || !b.can("alice", "EditRuns", "finance_daily") {
		t.Error("alice gets more, bob does not")
	}
}
