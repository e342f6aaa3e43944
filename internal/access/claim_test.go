package access_test

import (
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
)

var (
	ownClaim     = rolename.Claim("instance-1")
	foreignClaim = rolename.Claim("instance-2")
)

// unclaimed is a world in which no instance has a claim yet.
func unclaimed() *world {
	w := newWorld()
	w.dropRole(ownClaim)
	w.dags("a")
	return w
}

// confirmed notes that an earlier pass read the own claim back.
func (w *world) confirmed() {
	w.Instance = w.Instance.DeepCopy()
	w.Instance.Status.Claim = &v1alpha1.InstanceClaim{Role: ownClaim}
}

// converge makes passes as a controller does until nothing is left to do, and gives all steps.
func (w *world) converge(t *testing.T) []access.Step {
	t.Helper()
	var steps []access.Step
	for range 5 {
		_, plan := w.pass(t)
		if len(plan.Phases) == 0 {
			return steps
		}
		steps = append(steps, slices.Concat(plan.Phases...)...)
	}
	t.Fatalf("no end: %v", steps)
	return nil
}

func described(steps []access.Step) string {
	var lines []string
	for _, step := range steps {
		lines = append(lines, Describe(step))
	}
	return strings.Join(lines, "\n")
}

func TestK3ClaimOf(t *testing.T) {
	for name, test := range map[string]struct {
		roles  []string
		change func(*v1alpha1.AirflowInstance)
		server v1alpha1.Capabilities
		want   access.Claim
	}{
		"no claim": {
			want: access.Claim{Complete: true},
		},
		"the own claim": {
			roles: []string{ownClaim},
			want:  access.Claim{State: access.ClaimMine, Stands: true, Complete: true},
		},
		"the claim of another instance": {
			roles: []string{foreignClaim},
			want:  access.Claim{State: access.ClaimForeign, Foreign: "instance-2", Complete: true},
		},
		"both, made at the same time": {
			roles: []string{ownClaim, foreignClaim},
			want:  access.Claim{State: access.ClaimForeign, Stands: true, Foreign: "instance-2", Complete: true},
		},
		"a claim that was lost to another instance": {
			roles:  []string{foreignClaim},
			change: func(i *v1alpha1.AirflowInstance) { i.Status.Claim = &v1alpha1.InstanceClaim{} },
			want:   access.Claim{State: access.ClaimForeign, Foreign: "instance-2", Complete: true, Confirmed: true, Lost: true},
		},
		"a takeover before the own claim stands": {
			roles:  []string{foreignClaim},
			change: func(i *v1alpha1.AirflowInstance) { i.Spec.TakeOver = "instance-2" },
			want:   access.Claim{Superseded: foreignClaim},
		},
		"a takeover after that": {
			roles:  []string{foreignClaim, ownClaim},
			change: func(i *v1alpha1.AirflowInstance) { i.Spec.TakeOver = "instance-2" },
			want:   access.Claim{State: access.ClaimMine, Stands: true, Superseded: foreignClaim},
		},
		"a takeover from one of two others": {
			roles:  []string{foreignClaim, rolename.Claim("instance-3")},
			change: func(i *v1alpha1.AirflowInstance) { i.Spec.TakeOver = "instance-2" },
			want:   access.Claim{State: access.ClaimForeign, Foreign: "instance-3", Superseded: foreignClaim},
		},
		"a takeover that was applied counts no more": {
			roles: []string{foreignClaim},
			change: func(i *v1alpha1.AirflowInstance) {
				i.Spec.TakeOver, i.Status.Claim = "instance-2", &v1alpha1.InstanceClaim{TookOver: "instance-2"}
			},
			want: access.Claim{State: access.ClaimForeign, Foreign: "instance-2", Complete: true, Confirmed: true, Lost: true},
		},
		"a takeover where roles cannot be deleted": {
			roles: []string{foreignClaim, ownClaim},
			change: func(i *v1alpha1.AirflowInstance) {
				i.Spec.TakeOver, i.Status.Claim = "instance-2", &v1alpha1.InstanceClaim{TookOver: "instance-2"}
			},
			server: v1alpha1.Capabilities{RoleDelete: v1alpha1.RoleDeleteFails},
			want:   access.Claim{State: access.ClaimMine, Stands: true, Superseded: foreignClaim, Complete: true, Confirmed: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := unclaimed()
			for _, role := range test.roles {
				w.setRole(role, nil)
			}
			if test.change != nil {
				test.change(w.Instance)
			}
			w.Capabilities = test.server
			test.want.Role = ownClaim
			if got := w.Claim(); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestK3ClaimIsMadeBeforeAnythingElse(t *testing.T) {
	w := unclaimed()
	w.user("alice")
	w.policy("p", levels("View"), []string{"a"}, "alice")
	d, first := w.pass(t)
	if got := described(slices.Concat(first.Phases...)); got != "create role "+ownClaim+" with 0 permissions: it claims the Airflow for the AirflowInstance" {
		t.Errorf("the first steps are\n%s", got)
	}
	if len(d.Inventory) != 0 || w.Policies[0].Status.Instances != nil {
		t.Errorf("before the claim stands, the inventory has %v, and the policy is said to be in sync: %v", d.Inventory, w.Policies[0].Status.Instances)
	}
	w.converge(t)
	if !slices.Equal(w.rolesOf("alice"), []string{"oam.data.p"}) {
		t.Errorf("alice has %v", w.rolesOf("alice"))
	}
	if len(w.Instance.Status.ManagedRoles) != 1 {
		t.Errorf("the claim counts: %v", w.Instance.Status.ManagedRoles)
	}
}

func TestK3ForeignClaim(t *testing.T) {
	w := unclaimed()
	w.setRole(foreignClaim, nil)
	w.setRole("oam.other.q", nil)
	w.setRole("oam.data.p", nil) // a policy of the other cluster has the same name
	w.user("alice", "oam.data.p", "oam.other.q")
	w.policy("p", levels("View"), []string{"a"})
	d, plan := w.pass(t)
	if len(plan.Phases) != 0 {
		t.Errorf("planned:\n%s", described(slices.Concat(plan.Phases...)))
	}
	if len(d.Inventory) != 0 {
		t.Errorf("inventory: %v", d.Inventory)
	}
	if got := refusedReason(d, "p"); got != v1alpha1.ReasonRoleExists {
		t.Errorf("the policy is refused for %q", got)
	}
	w.dropRole(foreignClaim)
	w.converge(t)
	if !slices.Equal(w.rolesOf("alice"), []string{"oam.other.q"}) {
		t.Errorf("after its claim was deleted, alice has %v", w.rolesOf("alice"))
	}
	if entry := w.Instance.Status.ManagedRoles[1]; entry.Name != "oam.other.q" || !entry.Orphaned {
		t.Errorf("a role that was there before the claim is not spared: %+v", entry)
	}
}

func TestK3TakeOver(t *testing.T) {
	w := unclaimed()
	w.setRole(foreignClaim, nil)
	w.setRole("oam.other.q", nil)
	w.user("alice", "oam.other.q")
	w.policy("p", levels("View"), []string{"a"}, "alice")
	w.Instance.Spec.TakeOver = "instance-2"
	steps := w.converge(t)
	if steps[0].Role != ownClaim || steps[len(steps)-1].Kind != access.StepDeleteRole {
		t.Errorf("the order is\n%s", described(steps))
	}
	if _, stands := w.Observed.Roles[foreignClaim]; stands {
		t.Error("the claim that was taken over still stands")
	}
	if !slices.Equal(w.rolesOf("alice"), []string{"oam.data.p"}) {
		t.Errorf("alice has %v", w.rolesOf("alice"))
	}
	if _, stands := w.Observed.Roles["oam.other.q"]; stands {
		t.Error("a role of the other instance is left, which no policy wants")
	}
}

func TestK3LostClaim(t *testing.T) {
	w := settled(t)
	w.confirmed()
	w.dropRole(ownClaim)
	w.setRole(foreignClaim, nil)
	w.user("erin", "oam.data.finance") // the other instance grants by the same role
	w.Now = w.Now.Add(2 * 3600e9)      // bob's and carol's grants have ended
	d, plan := w.pass(t)
	for _, step := range slices.Concat(plan.Phases...) {
		if !step.Ending() {
			t.Errorf("a step that revokes more than ended grants: %s", Describe(step))
		}
	}
	if slices.Contains(w.rolesOf("bob"), "oam.data.finance") || !slices.Contains(w.rolesOf("erin"), "oam.data.finance") {
		t.Errorf("bob has %v, erin %v", w.rolesOf("bob"), w.rolesOf("erin"))
	}
	if len(w.Instance.Status.ManagedRoles) != 0 {
		t.Errorf("the inventory still has %v", w.Instance.Status.ManagedRoles)
	}
	if grants, _, _ := Assess(w.Input, d); !grants["uid-bob-finance"].Absent {
		t.Error("the end of bob's grant is not proved")
	}
}

func TestK3UpgradeTakesTheClaimWithoutAQuestion(t *testing.T) {
	w := settled(t)
	w.dropRole(ownClaim)
	before := cloneObserved(w.Observed)
	steps := w.converge(t)
	if len(steps) != 1 || steps[0].Role != ownClaim {
		t.Errorf("steps:\n%s", described(steps))
	}
	for _, user := range before.Users {
		if !slices.Equal(user.Roles, w.rolesOf(user.Username)) {
			t.Errorf("%s had %v, and has %v", user.Username, user.Roles, w.rolesOf(user.Username))
		}
	}
}

func TestK3ModesThatOnlyObserveOwnNothingByName(t *testing.T) {
	for name, mode := range map[string]v1alpha1.Mode{"Observe": v1alpha1.ModeObserve, "Suspended": v1alpha1.ModeSuspended} {
		for claim, role := range map[string]string{"without a claim": "", "under its own": ownClaim, "under a foreign one": foreignClaim} {
			t.Run(name+" "+claim, func(t *testing.T) {
				w := unclaimed()
				if role != "" {
					w.setRole(role, nil)
				}
				w.Instance.Spec.Mode = mode
				w.setRole("oam.legacy.team", nil)
				w.setRole("oam.data.p", nil)
				w.user("alice", "oam.legacy.team", "oam.data.p")
				w.policy("p", levels("View"), []string{"a"})
				d, plan := w.pass(t)
				if len(plan.Phases)+len(d.Inventory) != 0 {
					t.Errorf("steps:\n%s\ninventory: %v", described(slices.Concat(plan.Phases...)), d.Inventory)
				}
			})
		}
	}
}

func TestK3ObserveShowsWhatWouldGo(t *testing.T) {
	w := unclaimed()
	w.Instance.Spec.Mode = v1alpha1.ModeObserve
	w.setRole("oam.legacy.team", nil)
	w.user("alice", "oam.legacy.team")
	shown := func() string { return strings.Join(Render(ObservePlan(w.Input)), "\n") }
	if got := shown(); got != "" {
		t.Errorf("without a claim:\n%s", got)
	}
	w.setRole(foreignClaim, nil)
	if got := shown(); got != "" {
		t.Errorf("under a foreign claim:\n%s", got)
	}
	w.Instance.Spec.TakeOver = "instance-2"
	if got := shown(); !strings.Contains(got, "delete role oam.legacy.team") || !strings.Contains(got, "delete role "+foreignClaim) {
		t.Errorf("before a takeover:\n%s", got)
	}
}

func TestK3DeletedRoleShowsItsContent(t *testing.T) {
	w := settled(t)
	w.Policies = nil
	for _, step := range w.converge(t) {
		if step.Kind != access.StepDeleteRole || step.Role != "oam.data.finance" {
			continue
		}
		got := access.Content(step, []string{"bob", "alice"})
		if !strings.HasPrefix(got, "it had 13 permissions (can_read on DAG Dependencies, ") || !strings.HasSuffix(got, " and 2 members (alice, bob)") {
			t.Errorf("got %q", got)
		}
		return
	}
	t.Error("the role is not deleted")
}

func TestK3ClaimIsKeptAsItIs(t *testing.T) {
	w := settled(t)
	w.confirmed()
	w.dropRole(ownClaim)
	if steps := w.converge(t); len(steps) != 1 || steps[0].Role != ownClaim {
		t.Errorf("after another writer deleted it:\n%s", described(steps))
	}
	w.user("mallory", ownClaim)
	w.setRole(ownClaim, w.Observed.Roles["Viewer"])
	_, plan := w.pass(t)
	if len(plan.Drift) != 1 || !plan.Drift[0].Repaired {
		t.Errorf("drift: %+v", plan.Drift)
	}
	if len(w.rolesOf("mallory")) != 0 || len(w.Observed.Roles[ownClaim]) != 0 {
		t.Errorf("mallory has %v, the claim %v", w.rolesOf("mallory"), w.Observed.Roles[ownClaim])
	}
}

func TestK3DeletedInstanceRemovesItsClaimLast(t *testing.T) {
	w := settled(t)
	w.Instance.DeletionTimestamp = &metav1.Time{Time: w.Now}
	steps := w.converge(t)
	if last := steps[len(steps)-1]; last.Kind != access.StepDeleteRole || last.Role != ownClaim {
		t.Errorf("steps:\n%s", described(steps))
	}
	for name := range w.Observed.Roles {
		if strings.HasPrefix(name, "oam.") {
			t.Errorf("%s is left", name)
		}
	}
}

func TestK3TwoClaimsAtOnceAreBothWithdrawn(t *testing.T) {
	w := unclaimed()
	w.setRole(ownClaim, nil)
	w.setRole(foreignClaim, nil)
	if steps := w.converge(t); len(steps) != 1 || steps[0].Kind != access.StepDeleteRole || steps[0].Role != ownClaim {
		t.Errorf("steps:\n%s", described(steps))
	}
	w.setRole(ownClaim, nil)
	w.confirmed()
	if steps := w.converge(t); len(steps) != 0 {
		t.Errorf("one that had the claim before does not keep it:\n%s", described(steps))
	}
}

func TestK3OnlyRevokingMakesNoClaim(t *testing.T) {
	w := unclaimed()
	w.Giving = access.OnlyRevoking(v1alpha1.ReasonClockSkew, "clocks differ")
	if steps := w.converge(t); len(steps) != 0 {
		t.Errorf("steps:\n%s", described(steps))
	}
}
