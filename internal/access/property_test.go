package access_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/airflow-oam/airflow-oam/internal/access"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

var (
	someDags   = []string{"a", "b", "c", "d", "e"}
	someUsers  = []string{"alice", "bob", "carol", "dave"}
	someTags   = []string{"x", "y"}
	someLevels = []v1alpha1.AccessLevel{
		v1alpha1.AccessView, v1alpha1.AccessViewLogs, v1alpha1.AccessTrigger, v1alpha1.AccessEditRuns, v1alpha1.AccessEditTasks,
		v1alpha1.AccessEditXComs, v1alpha1.AccessPause, v1alpha1.AccessDeleteDag,
	}
	somePairs = []v1alpha1.AirflowPermission{{Action: permission.CanRead, Resource: "Pools"}, {Action: permission.CanRead, Resource: "Variables"}, {Action: permission.CanEdit, Resource: "Pools"}}
	foreign   = map[string][]permission.Pair{
		"handmade": {{Action: permission.CanRead, Resource: "DAG:a"}, {Action: permission.CanEdit, Resource: "DAG:b"}},
		"tasks":    {{Action: permission.CanEdit, Resource: "Task Instances"}, {Action: permission.CanEdit, Resource: "DAG Run:a"}},
		"Viewer":   {{Action: permission.CanRead, Resource: "DAGs"}, {Action: permission.CanRead, Resource: "Task Logs"}},
	}
)

// some draws a subset.
func some[T any](t *rapid.T, from []T, label string) []T {
	var out []T
	for i, x := range from {
		if rapid.Bool().Draw(t, fmt.Sprintf("%s%d", label, i)) {
			out = append(out, x)
		}
	}
	return out
}

func drawDags(t *rapid.T, w *world) {
	w.Observed.Dags = nil
	for _, id := range some(t, someDags, "dag") {
		w.dag(id, some(t, someTags, "tag-"+id)...)
	}
}

func drawTerms(t *rapid.T, p *v1alpha1.DagAccessPolicy) {
	p.Spec.Access = append(some(t, someLevels, "level"), v1alpha1.AccessView)
	slices.Sort(p.Spec.Access)
	p.Spec.Access = slices.Compact(p.Spec.Access)
	p.Spec.Dags = []v1alpha1.DagSelector{{IDs: append(some(t, someDags, "id"), "zz")}}
	if rapid.Bool().Draw(t, "by tag") {
		p.Spec.Dags = append(p.Spec.Dags, v1alpha1.DagSelector{Tags: []string{rapid.SampledFrom(someTags).Draw(t, "tag")}})
	}
	p.Spec.AirflowPermissions = some(t, somePairs, "pair")
	p.Spec.Members = nil
	for _, user := range some(t, append(slices.Clone(someUsers), account), "member") {
		p.Spec.Members = append(p.Spec.Members, v1alpha1.Subject{Username: user})
	}
}

func drawWorld(t *rapid.T) *world {
	w := newWorld()
	w.Capabilities.PermissionModel = rapid.SampledFrom([]v1alpha1.PermissionModel{"", v1alpha1.PermissionModelAirflow3, v1alpha1.PermissionModelAirflow2}).Draw(t, "model")
	w.Capabilities.RoleUpdate = rapid.SampledFrom([]v1alpha1.RoleUpdate{"", v1alpha1.RoleUpdateAdd}).Draw(t, "update")
	w.Capabilities.RoleDelete = rapid.SampledFrom([]v1alpha1.RoleDelete{"", v1alpha1.RoleDeleteFails}).Draw(t, "delete")
	w.AllowPrivileged = true
	w.Instance.Spec.AllowedPermissions = somePairs
	w.Instance.Spec.AdoptableRoles = []string{"handmade"}
	w.Instance.Spec.MassRevocationLimit = "100%"
	maps.Copy(w.Observed.Roles, foreign)
	for _, user := range someUsers {
		w.user(user, some(t, slices.Sorted(maps.Keys(foreign)), "foreign-"+user)...)
	}
	drawDags(t, w)
	for i := range rapid.IntRange(1, 3).Draw(t, "policies") {
		drawTerms(t, w.policy(fmt.Sprintf("p%d", i), nil, nil))
	}
	drawGrants(t, w)
	return w
}

// drawGrants adds grants. No two in a world have one name: a name is also the UID.
func drawGrants(t *rapid.T, w *world) {
	for range rapid.IntRange(0, 3).Draw(t, "grants") {
		p := rapid.SampledFrom(w.Policies).Draw(t, "policy")
		g := w.grant(fmt.Sprintf("g%d", len(w.Grants)), p, rapid.SampledFrom(someUsers).Draw(t, "holder"), some(t, someDags, "narrow")...)
		if rapid.Bool().Draw(t, "narrow access") {
			g.Status.Activation.Access = some(t, p.Spec.Access, "narrowed")
			g.Status.Activation.AirflowPermissions = nil
			g.Status.Activation.Instances[0].Role = rolename.OfActivation(w.Instance, p, g.Status.Activation)
		}
	}
}

// disturb changes what is declared, what exists, and what others wrote.
func disturb(t *rapid.T, w *world) {
	if rapid.Bool().Draw(t, "dags change") {
		drawDags(t, w)
	}
	for i, p := range w.Policies {
		switch rapid.IntRange(0, 5).Draw(t, "policy changes") {
		case 0, 1:
			p = p.DeepCopy()
			drawTerms(t, p)
			p.Generation++
			w.Policies[i] = p
		case 2:
			p = p.DeepCopy()
			p.DeletionTimestamp = &metav1.Time{Time: testNow}
			p.Spec.Deletion = rapid.SampledFrom([]v1alpha1.PolicyDeletion{v1alpha1.PolicyDeletionRevoke, v1alpha1.PolicyDeletionOrphan}).Draw(t, "deletion")
			w.Policies[i] = p
		}
	}
	for i, g := range w.Grants {
		if rapid.Bool().Draw(t, "ends") {
			g = g.DeepCopy()
			g.Status.End = &v1alpha1.End{Reason: v1alpha1.EndExpired, At: metav1.NewTime(testNow)}
			w.Grants[i] = g
		}
	}
	drawGrants(t, w)
	w.Observed = cloneObserved(w.Observed)
	var names []string
	for _, entry := range w.Instance.Status.ManagedRoles {
		names = append(names, entry.Name)
	}
	if len(names) == 0 || !rapid.Bool().Draw(t, "others write") {
		return
	}
	role := rapid.SampledFrom(names).Draw(t, "role")
	switch rapid.IntRange(0, 3).Draw(t, "what") {
	case 0:
		w.dropRole(role)
	case 1:
		w.setRole(role, append(slices.Clone(w.Observed.Roles[role]), permission.Pair{Action: permission.CanEdit, Resource: "DAG:e"}, permission.Pair{Action: permission.CanRead, Resource: "Website"}))
	case 2:
		w.setRole(role, w.Observed.Roles[role][:len(w.Observed.Roles[role])/2])
	case 3:
		user := rapid.SampledFrom(someUsers).Draw(t, "user")
		w.setRoles(user, text.SortedSet(append(slices.Clone(w.rolesOf(user)), role))...)
	}
}

// TestOnePassReachesWhatIsDesiredAndLosesNobody is the promise of the planner: between any two steps nobody can do less
// than both before and after, whatever their other roles are, and nobody holds a permission that they have neither before
// nor after, except one that a role which they join is about to lose.
func TestOnePassReachesWhatIsDesiredAndLosesNobody(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWorld(rt)
		if rapid.Bool().Draw(rt, "unclaimed") {
			w.dropRole(ownClaim)
			w.setRole("oam.stranger", foreign["handmade"])
			w.setRoles("alice", append(w.rolesOf("alice"), "oam.stranger")...)
			w.pass(t) // makes the claim
		}
		w.pass(t)
		for range 2 {
			disturb(rt, w)
			d := Desire(w.Input)
			plan := NewPlan(w.Input, d)
			seed := rapid.Uint64().Draw(rt, "seed")
			walk(rt, w.Capabilities, w.Observed, plan, rand.New(rand.NewPCG(seed, 1)))
			start := cloneObserved(w.Observed)
			w.finish(t, d, plan)
			checkReached(rt, w, d)
			checkUntouched(rt, start, w.Observed, d)
			for _, entry := range w.Instance.Status.ManagedRoles {
				if rolename.IsReserved(entry.Name) {
					rt.Fatalf("reserved role %s in the inventory", entry.Name)
				}
			}
			w.Policies = slices.DeleteFunc(w.Policies, func(p *v1alpha1.DagAccessPolicy) bool { return p.DeletionTimestamp != nil })
			if again := NewPlan(w.Input, Desire(w.Input)); len(again.Phases) > 0 && len(w.Policies) > 0 {
				rt.Fatalf("a second pass is not empty:\n%s", transcript(Desire(w.Input), again))
			}
			if len(w.Policies) == 0 {
				return
			}
		}
	})
}

// TestK3UnderAForeignClaimNothingIsGrantedAndNothingForeignChanges is the promise of claims: an instance whose Airflow another
// one claims grants nothing and changes nothing but what it granted itself. If it had the claim before, its roles went with
// it, and only its grants still end.
func TestK3UnderAForeignClaimNothingIsGrantedAndNothingForeignChanges(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWorld(rt)
		w.pass(t)
		disturb(rt, w)
		w.dropRole(ownClaim)
		w.setRole(foreignClaim, nil)
		for _, name := range []string{"oam.stranger", "oam.data.p0", "oam.data.p0~0123456789abcdef"} {
			if _, exists := w.Observed.Roles[name]; !exists {
				w.setRole(name, foreign["handmade"])
			}
		}
		w.setRoles("alice", append(w.rolesOf("alice"), "oam.stranger")...)
		lost := rapid.Bool().Draw(rt, "lost")
		if lost {
			w.confirmed()
		}
		w.Instance.Spec.Mode = rapid.SampledFrom([]v1alpha1.Mode{"", v1alpha1.ModeEnforce, v1alpha1.ModeObserve, v1alpha1.ModeSuspended}).Draw(rt, "mode")
		inventory := map[string]bool{}
		for _, entry := range w.Instance.Status.ManagedRoles {
			inventory[entry.Name] = !lost
		}
		for _, step := range slices.Concat(NewPlan(w.Input, Desire(w.Input)).Phases...) {
			if step.Kind.Gives() {
				rt.Fatalf("granted: %s", Describe(step))
			}
			for _, role := range slices.Concat(step.Roles, []string{step.Role}) {
				if role != "" && !inventory[role] && !step.Ending() {
					rt.Fatalf("changed what it did not grant: %s", Describe(step))
				}
			}
		}
	})
}

// walk applies a plan in a random order inside each phase and looks at everybody between the steps.
func walk(t *rapid.T, server v1alpha1.Capabilities, start access.Observed, plan access.Plan, order *rand.Rand) {
	end := cloneObserved(start)
	for _, steps := range plan.Phases {
		for _, step := range steps {
			if err := applyStep(server, &end, step); err != nil {
				t.Fatalf("%s: %v", Describe(step), err)
			}
		}
	}
	now, model := cloneObserved(start), server.PermissionModel
	after, kept, removing := everybody(model, &end), map[string]map[power]bool(nil), true
	may := mayHold(&start, &end)
	for _, steps := range plan.Phases {
		if removing && steps[0].Kind != access.StepRemoveMember {
			removing, kept = false, everybody(model, &now)
		}
		for _, i := range order.Perm(len(steps)) {
			if err := applyStep(server, &now, steps[i]); err != nil {
				t.Fatalf("%s: %v", Describe(steps[i]), err)
			}
			if problem := over(&now, may); problem != "" {
				t.Fatalf("after %q %s\n%s", Describe(steps[i]), problem, transcript(access.Desired{}, plan))
			}
			for username, have := range everybody(model, &now) {
				for power := range kept[username] {
					if !removing && after[username][power] && !have[power] {
						t.Fatalf("after %q user %s has lost %v for a moment\n%s", Describe(steps[i]), username, power, transcript(access.Desired{}, plan))
					}
				}
			}
		}
	}
}

// mayHold is what every user may hold between two steps: what the user holds before or after, and what a role held before
// that the user joins.
func mayHold(start, end *access.Observed) map[string]map[permission.Pair]bool {
	out, after := flat(start), flat(end)
	for _, u := range end.Users {
		maps.Copy(out[u.Username], after[u.Username])
		for _, role := range u.Roles {
			for _, pair := range start.Roles[role] {
				out[u.Username][pair] = true
			}
		}
	}
	return out
}

// over says who holds what they may not.
func over(now *access.Observed, may map[string]map[permission.Pair]bool) string {
	for username, pairs := range flat(now) {
		for pair := range pairs {
			if !may[username][pair] && pair != permission.Website {
				return fmt.Sprintf("user %s holds %s, which they have neither before nor after", username, pair)
			}
		}
	}
	return ""
}

func everybody(model v1alpha1.PermissionModel, o *access.Observed) map[string]map[power]bool {
	out := map[string]map[power]bool{}
	for _, u := range o.Users {
		out[u.Username] = powers(model, o, u.Username, append(slices.Clone(someDags), "other"))
	}
	return out
}

func checkReached(t *rapid.T, w *world, d access.Desired) {
	for name, role := range d.Roles {
		stored, exists := w.Observed.Roles[name]
		if !role.Giving.All() {
			continue
		}
		if !exists || !slices.Equal(w.Canonical(stored), role.Permissions) {
			t.Fatalf("role %s: stored %v, desired %v", name, stored, role.Permissions)
		}
	}
	for _, user := range w.Observed.Users {
		for _, role := range user.Roles {
			if _, managed := d.Roles[role]; managed && user.Username != account && !d.Members.Has(user.Username, role) {
				t.Fatalf("user %s has %s without a cause", user.Username, role)
			}
		}
		for _, role := range d.Members.Roles(user.Username) {
			if d.Roles[role].Giving.All() && !slices.Contains(user.Roles, role) {
				t.Fatalf("user %s lacks %s", user.Username, role)
			}
		}
	}
	deletes := w.Capabilities.RoleDelete != v1alpha1.RoleDeleteFails
	for _, name := range d.Doomed {
		if _, exists := w.Observed.Roles[name]; exists && deletes {
			t.Fatalf("doomed role %s is still there", name)
		}
		for _, user := range w.Observed.Users {
			if user.Username != account && slices.Contains(user.Roles, name) {
				t.Fatalf("user %s is still in the doomed role %s", user.Username, name)
			}
		}
	}
	for name := range w.Observed.Roles {
		if _, desired := d.Roles[name]; !desired && rolename.IsOwn(name, nil) && !slices.ContainsFunc(d.Inventory, func(e v1alpha1.ManagedRole) bool {
			return e.Name == name && (e.Orphaned || !deletes)
		}) {
			t.Fatalf("role %s is left", name)
		}
	}
	grants, _, _ := Assess(w.Input, d)
	for _, g := range w.Grants {
		desire, proof := d.Grants[g.UID], grants[g.UID]
		if proof.Empty {
			for _, role := range w.rolesOf(desire.Username) {
				if rolename.SameLine(role, desire.Role) && !givesNothing(w.Observed.Roles[role]) {
					t.Fatalf("grant %s is said to give nothing, and role %s gives %v", g.Name, role, w.Observed.Roles[role])
				}
			}
		} else if desire.Live && desire.Problem == nil && givesNothing(d.Roles[desire.Role].Permissions) && givesNothing(w.Observed.Roles[desire.Role]) {
			t.Fatalf("grant %s gives nothing, and is not said to", g.Name)
		}
		if desire.Live && desire.Problem == nil && !proof.Present {
			t.Fatalf("grant %s is live and not present", g.Name)
		}
		if !desire.Live && (proof.Present || !proof.Absent) {
			t.Fatalf("grant %s ended and is %+v", g.Name, proof)
		}
	}
}

// givesNothing says whether permissions let nobody do anything.
func givesNothing(ps []permission.Pair) bool {
	return !slices.ContainsFunc(ps, func(p permission.Pair) bool { return p != permission.Website })
}

// checkUntouched compares everything that is not ours.
func checkUntouched(t *rapid.T, before, after access.Observed, d access.Desired) {
	ours := func(role string) bool {
		_, desired := d.Roles[role]
		return desired || slices.Contains(d.Doomed, role) || rolename.IsOwn(role, nil) && role != "oam.stranger"
	}
	for name, ps := range before.Roles {
		if !ours(name) && !slices.Equal(ps, after.Roles[name]) {
			t.Fatalf("foreign role %s changed", name)
		}
	}
	for i, user := range before.Users {
		was := slices.DeleteFunc(slices.Clone(user.Roles), ours)
		is := slices.DeleteFunc(slices.Clone(after.Users[i].Roles), ours)
		if !slices.Equal(was, is) {
			t.Fatalf("foreign roles of %s changed from %v to %v", user.Username, was, is)
		}
		if user.Username == account && !slices.Equal(user.Roles, after.Users[i].Roles) {
			t.Fatalf("the operator's account changed")
		}
	}
}

func TestHostileInputNeverReachesReservedRolesOrTheAccount(t *testing.T) {
	names := []string{"Admin", "admin", "PUBLIC", " Op ", "Viewer", "uSeR", "handmade", "oam.x", "oam.operator", "a/b", "", "oam.data.p0~0123456789abcdef"}
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWorld(rt)
		w.setRole(" Op ", nil)
		for _, name := range some(rt, names, "inventory") {
			w.Instance.Status.ManagedRoles = append(w.Instance.Status.ManagedRoles, v1alpha1.ManagedRole{
				Name: name, Policy: "data/p0", PolicyUID: rapid.SampledFrom([]string{"uid-p0", "uid-p1", ""}).Draw(rt, "uid"),
				Kind:    rapid.SampledFrom([]v1alpha1.ManagedRoleKind{v1alpha1.ManagedRolePolicy, v1alpha1.ManagedRoleGrant}).Draw(rt, "kind"),
				Adopted: rapid.Bool().Draw(rt, "adopted"),
			})
		}
		for _, p := range w.Policies {
			if rapid.Bool().Draw(rt, "named") {
				p.Spec.Role = &v1alpha1.PolicyRole{Name: rapid.SampledFrom(names).Draw(rt, "name"), Adoption: v1alpha1.AdoptionIfExists}
			}
		}
		for _, g := range w.Grants {
			if rapid.Bool().Draw(rt, "pinned") {
				g.Status.Activation.Instances[0].Role = rapid.SampledFrom(names).Draw(rt, "pinned role")
				g.Status.Activation.Instances[0].Username = rapid.SampledFrom(append(slices.Clone(someUsers), account, "OAM-Operator")).Draw(rt, "pinned user")
			}
		}
		w.Instance.Spec.AdoptableRoles = names
		if rapid.Bool().Draw(rt, "deleted") {
			w.Instance.DeletionTimestamp = &metav1.Time{Time: testNow}
		}
		held := some(rt, []string{"oam.operator", "oam.data.p0~0123456789abcdef", "handmade"}, "held by the account")
		for _, role := range held {
			if _, exists := w.Observed.Roles[role]; !exists {
				w.setRole(role, []permission.Pair{{Action: permission.CanEdit, Resource: "Roles"}})
			}
		}
		w.setRoles(account, held...)
		inventoried := func(role string) bool {
			return slices.ContainsFunc(w.Instance.Status.ManagedRoles, func(e v1alpha1.ManagedRole) bool { return e.Name == role })
		}
		plan := NewPlan(w.Input, Desire(w.Input))
		for _, steps := range plan.Phases {
			for _, step := range steps {
				if step.Role != "" && slices.Contains(held, step.Role) && !inventoried(step.Role) {
					rt.Fatalf("a role of the operator's account in a step: %s", Describe(step))
				}
				for _, role := range slices.Concat([]string{step.Role}, step.Roles, step.Replaced) {
					if rolename.IsReserved(role) {
						rt.Fatalf("reserved role in a step: %s", Describe(step))
					}
				}
				if text.Fold(step.Username) == text.Fold(account) {
					rt.Fatalf("the operator's account in a step: %s", Describe(step))
				}
			}
		}
	})
}

func TestEqualInputsGiveEqualResultsInAnyOrderAndStayAsTheyAre(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWorld(rt)
		if rapid.Bool().Draw(rt, "after a pass") {
			w.pass(t)
			disturb(rt, w)
		}
		copied := copyInput(w.Input)
		d := Desire(w.Input)
		plan := NewPlan(w.Input, d)
		grants, policies, gone := Assess(w.Input, d)
		both, way := Decide(w.Input)
		if diff := cmp.Diff([]any{d, plan}, []any{both, way}); diff != "" {
			rt.Fatalf("both at once are something else:\n%s", diff)
		}
		if diff := cmp.Diff(copied, w.Input); diff != "" {
			rt.Fatalf("the input changed:\n%s", diff)
		}
		mixed := shuffled(w.Input, rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 2)))
		d2 := Desire(mixed)
		if diff := cmp.Diff(d, d2); diff != "" {
			rt.Fatalf("another order desires something else:\n%s", diff)
		}
		if diff := cmp.Diff(plan, NewPlan(mixed, d2)); diff != "" {
			rt.Fatalf("another order gives another plan:\n%s", diff)
		}
		grants2, policies2, gone2 := Assess(mixed, d2)
		if diff := cmp.Diff([]any{grants, policies, gone}, []any{grants2, policies2, gone2}); diff != "" {
			rt.Fatalf("another order proves something else:\n%s", diff)
		}
	})
}

func copyInput(in access.Input) access.Input {
	in.Instance = in.Instance.DeepCopy()
	in.Policies = slices.Clone(in.Policies)
	for i := range in.Policies {
		in.Policies[i] = in.Policies[i].DeepCopy()
	}
	in.Grants = slices.Clone(in.Grants)
	for i := range in.Grants {
		in.Grants[i] = in.Grants[i].DeepCopy()
	}
	in.Observed = cloneObserved(in.Observed)
	in.Observed.Dags = slices.Clone(in.Observed.Dags)
	for name, ps := range in.Observed.Roles {
		in.Observed.Roles[name] = slices.Clone(ps)
	}
	if in.Previous != nil {
		previous := cloneObserved(*in.Previous)
		in.Previous = &previous
	}
	return in
}

// shuffled is the same input in another order. What Airflow stores is sorted by contract and stays so.
func shuffled(in access.Input, order *rand.Rand) access.Input {
	in = copyInput(in)
	order.Shuffle(len(in.Policies), func(i, j int) { in.Policies[i], in.Policies[j] = in.Policies[j], in.Policies[i] })
	order.Shuffle(len(in.Grants), func(i, j int) { in.Grants[i], in.Grants[j] = in.Grants[j], in.Grants[i] })
	entries := in.Instance.Status.ManagedRoles
	order.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
	for _, p := range in.Policies {
		order.Shuffle(len(p.Spec.Members), func(i, j int) { p.Spec.Members[i], p.Spec.Members[j] = p.Spec.Members[j], p.Spec.Members[i] })
		order.Shuffle(len(p.Spec.Access), func(i, j int) { p.Spec.Access[i], p.Spec.Access[j] = p.Spec.Access[j], p.Spec.Access[i] })
		order.Shuffle(len(p.Spec.Dags), func(i, j int) { p.Spec.Dags[i], p.Spec.Dags[j] = p.Spec.Dags[j], p.Spec.Dags[i] })
	}
	return in
}
