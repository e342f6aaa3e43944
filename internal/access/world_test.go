package access_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/access/desire"
	"github.com/airflow-oam/airflow-oam/internal/access/plan"
	"github.com/airflow-oam/airflow-oam/internal/access/proof"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/dag"
	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

var (
	testNow = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	account = "oam-operator"
)

// The parts of the planner, by the names that tests give them.
var (
	Desire   = desire.Of
	NewPlan  = plan.New
	Assess   = proof.Assess
	Remember = plan.Remember
	Render   = access.Render
	Describe = access.Describe
)

// Decide says what should hold and which steps lead there.
func Decide(in access.Input) (access.Desired, access.Plan) {
	d := Desire(in)
	return d, NewPlan(in, d)
}

// ObservePlan is the plan that an instance in mode Observe shows.
func ObservePlan(in access.Input) access.Plan { return NewPlan(desire.Enforced(in)) }

// world builds inputs for tests.
type world struct{ access.Input }

func newWorld() *world {
	w := &world{}
	w.Now = testNow
	w.Account = account
	w.Instance = &v1alpha1.AirflowInstance{
		ObjectMeta: metav1.ObjectMeta{Name: "prod", Namespace: "data", UID: "instance-1"},
		Spec:       v1alpha1.AirflowInstanceSpec{MassRevocationLimit: "25%", DagGracePeriod: &metav1.Duration{}},
	}
	w.Observed.Roles = map[string][]permission.Pair{
		"Admin": {{Action: permission.CanEdit, Resource: "DAGs"}, {Action: permission.CanRead, Resource: "DAGs"}}, "Viewer": {{Action: permission.CanRead, Resource: "DAGs"}}, "Public": nil,
		"handmade": {{Action: permission.CanRead, Resource: "DAG:a"}, {Action: permission.CanRead, Resource: "Website"}},
		// The instance governs this Airflow already.
		rolename.Claim("instance-1"): nil,
	}
	w.user(account, "Admin")
	return w
}

func (w *world) user(name string, roles ...string) {
	slices.Sort(roles)
	w.Observed.Users = append(w.Observed.Users, access.User{
		Username: name, Email: name + "@example.com", CreatedOn: "2026-01-01T00:00:00", Roles: roles,
	})
	slices.SortFunc(w.Observed.Users, func(a, b access.User) int { return strings.Compare(a.Username, b.Username) })
}

func (w *world) dag(id string, tags ...string) {
	w.Observed.Dags = append(w.Observed.Dags, dag.Dag{ID: id, Tags: tags, Bundle: "dags-folder", Path: id + ".py"})
	slices.SortFunc(w.Observed.Dags, func(a, b dag.Dag) int { return strings.Compare(a.ID, b.ID) })
}

func (w *world) dags(ids ...string) {
	for _, id := range ids {
		w.dag(id)
	}
}

func (w *world) dropDags(ids ...string) {
	w.Observed.Dags = slices.DeleteFunc(slices.Clone(w.Observed.Dags), func(d dag.Dag) bool { return slices.Contains(ids, d.ID) })
}

func (w *world) policy(name string, access []v1alpha1.AccessLevel, ids []string, members ...string) *v1alpha1.DagAccessPolicy {
	p := &v1alpha1.DagAccessPolicy{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: "data", UID: types.UID("uid-" + name), Generation: 1,
			CreationTimestamp: metav1.NewTime(testNow.Add(-24 * time.Hour)),
		},
		Spec: v1alpha1.DagAccessPolicySpec{
			InstanceRef: v1alpha1.InstanceReference{Name: "prod"}, Dags: []v1alpha1.DagSelector{{IDs: ids}}, Access: access,
			Grants: &v1alpha1.GrantTerms{MaxDuration: metav1.Duration{Duration: 8 * time.Hour}},
		},
	}
	for _, member := range members {
		p.Spec.Members = append(p.Spec.Members, v1alpha1.Subject{Username: member})
	}
	w.Policies = append(w.Policies, p)
	return p
}

// grant is an activated grant with the terms of its policy of today, narrowed to dags.
func (w *world) grant(name string, p *v1alpha1.DagAccessPolicy, user string, dags ...string) *v1alpha1.AccessGrant {
	g := &v1alpha1.AccessGrant{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "data", UID: types.UID("uid-" + name)},
		Spec: v1alpha1.AccessGrantSpec{
			PolicyRef: v1alpha1.PolicyReference{Name: p.Name}, Subject: v1alpha1.Subject{Username: user}, Dags: dags,
		},
		Status: v1alpha1.AccessGrantStatus{Activation: &v1alpha1.Activation{
			At: metav1.NewTime(testNow.Add(-time.Hour)), ExpiresAt: metav1.NewTime(testNow.Add(time.Hour)),
			Access: slices.Clone(p.Spec.Access), Dags: dags,
		}},
	}
	if len(dags) == 0 {
		g.Status.Activation.AirflowPermissions = slices.Clone(p.Spec.AirflowPermissions)
	}
	g.Status.Activation.Instances = []v1alpha1.GrantInstance{{
		Name: "prod", Namespace: "data", UID: "instance-1", Username: user, UserCreatedOn: "2026-01-01T00:00:00",
		Role: rolename.OfActivation(w.Instance, p, g.Status.Activation),
	}}
	w.Grants = append(w.Grants, g)
	return g
}

func levels(names ...v1alpha1.AccessLevel) []v1alpha1.AccessLevel { return names }

// allLevels are those of the API.
var allLevels = levels(
	v1alpha1.AccessView, v1alpha1.AccessViewLogs, v1alpha1.AccessViewCode, v1alpha1.AccessViewXComs, v1alpha1.AccessViewAssets, v1alpha1.AccessViewAudit, v1alpha1.AccessPause,
	v1alpha1.AccessTrigger, v1alpha1.AccessEditRuns, v1alpha1.AccessDeleteRuns, v1alpha1.AccessEditTasks, v1alpha1.AccessEditXComs, v1alpha1.AccessRespondHITL, v1alpha1.AccessDeleteDag,
)

// pass runs one whole pass: the inventory is stored, the plan is applied, the proof drops what is gone.
func (w *world) pass(tb testing.TB) (access.Desired, access.Plan) {
	tb.Helper()
	d := Desire(w.Input)
	plan := NewPlan(w.Input, d)
	w.finish(tb, d, plan)
	return d, plan
}

func (w *world) finish(tb testing.TB, d access.Desired, plan access.Plan) {
	tb.Helper()
	w.Observed = applied(tb, w.Capabilities, w.Observed, plan)
	_, proofs, gone := Assess(w.Input, d)
	for _, p := range w.Policies {
		if proofs[types.NamespacedName{Namespace: p.Namespace, Name: p.Name}].InSync {
			p.Status.Instances = []v1alpha1.PolicyInstance{{Name: "prod", Namespace: "data", SyncedDags: dag.Digest(p.Spec.Dags)}}
		}
	}
	instance := w.Instance.DeepCopy()
	instance.Status.ManagedRoles = slices.DeleteFunc(slices.Clone(d.Inventory), func(e v1alpha1.ManagedRole) bool {
		return slices.Contains(gone, e.Name)
	})
	instance.Status.Held = d.Held
	w.Instance = instance
	w.Previous = Remember(w.Input, plan, w.Observed)
}

func (w *world) rolesOf(user string) []string {
	for _, u := range w.Observed.Users {
		if u.Username == user {
			return u.Roles
		}
	}
	return nil
}

func (w *world) setRoles(user string, roles ...string) {
	slices.Sort(roles)
	w.Observed.Users = slices.Clone(w.Observed.Users)
	for i := range w.Observed.Users {
		if w.Observed.Users[i].Username == user {
			w.Observed.Users[i].Roles = roles
		}
	}
}

func (w *world) setRole(role string, ps []permission.Pair) {
	w.Observed.Roles = maps.Clone(w.Observed.Roles)
	w.Observed.Roles[role] = ps
}

func (w *world) dropRole(role string) {
	w.Observed.Roles = maps.Clone(w.Observed.Roles)
	delete(w.Observed.Roles, role)
	for _, u := range w.Observed.Users {
		if slices.Contains(u.Roles, role) {
			w.setRoles(u.Username, text.Without(u.Roles, []string{role})...)
		}
	}
}

func cloneObserved(o access.Observed) access.Observed {
	out := o
	out.Roles, out.Users = maps.Clone(o.Roles), slices.Clone(o.Users)
	for i := range out.Users {
		out.Users[i].Roles = slices.Clone(out.Users[i].Roles)
	}
	return out
}

// applied is what an Airflow stores after a plan.
func applied(tb testing.TB, server v1alpha1.Capabilities, o access.Observed, plan access.Plan) access.Observed {
	tb.Helper()
	o = cloneObserved(o)
	for _, steps := range plan.Phases {
		for _, step := range steps {
			if err := applyStep(server, &o, step); err != nil {
				tb.Fatalf("%s: %v", Describe(step), err)
			}
		}
	}
	return o
}

// applyStep does what an Airflow with these capabilities does, and refuses what it refuses and what no plan should ask
// for.
func applyStep(server v1alpha1.Capabilities, o *access.Observed, step access.Step) error {
	stored, exists := o.Roles[step.Role]
	switch step.Kind {
	case access.StepCreateRole:
		if exists {
			return fmt.Errorf("role exists")
		}
		o.Roles[step.Role] = step.Permissions
	case access.StepWidenRole, access.StepReplaceRole, access.StepNarrowRole:
		if !exists {
			return fmt.Errorf("role is missing")
		}
		switch server.RoleUpdate {
		case v1alpha1.RoleUpdateReplace, "":
			o.Roles[step.Role] = step.Permissions
		case v1alpha1.RoleUpdateAdd:
			if step.Kind != access.StepWidenRole || !permission.Contains(permission.Server{}.Canonical(step.Permissions), permission.Server{}.Canonical(stored)) {
				return fmt.Errorf("roles lose nothing here")
			}
			o.Roles[step.Role] = permission.SetOf(slices.Concat(stored, step.Permissions))
		case v1alpha1.RoleUpdateRefused:
			return fmt.Errorf("such a server is not supported")
		}
	case access.StepDeleteRole:
		if !exists {
			return fmt.Errorf("role is missing")
		}
		if server.RoleDelete == v1alpha1.RoleDeleteFails {
			return fmt.Errorf("roles cannot be deleted")
		}
		delete(o.Roles, step.Role)
		for i := range o.Users {
			if slices.Contains(o.Users[i].Roles, step.Role) {
				return fmt.Errorf("user %s still has the role", o.Users[i].Username)
			}
		}
	case access.StepAddMember, access.StepSwapMember:
		return changeUser(o, step.Username, step.Roles, step.Replaced)
	case access.StepRemoveMember, access.StepRemoveReplaced:
		return changeUser(o, step.Username, nil, step.Roles)
	default:
		return fmt.Errorf("unknown kind %q", step.Kind)
	}
	return nil
}

func changeUser(o *access.Observed, username string, given, taken []string) error {
	for _, role := range given {
		if _, exists := o.Roles[role]; !exists {
			return fmt.Errorf("role %s is missing", role)
		}
	}
	for i := range o.Users {
		if o.Users[i].Username == username {
			o.Users[i].Roles = text.SortedSet(append(text.Without(o.Users[i].Roles, taken), given...))
			return nil
		}
	}
	return fmt.Errorf("user is missing")
}

// transcript is a page that a person can review.
func transcript(d access.Desired, plan access.Plan) string {
	var b strings.Builder
	for i, steps := range plan.Phases {
		fmt.Fprintf(&b, "phase %d\n", i+1)
		for _, step := range steps {
			fmt.Fprintf(&b, "  %s%s%s\n", Describe(step), mark(step.Ending(), " [ending]"), mark(step.Repair != "", " [repair "+step.Repair+"]"))
			for _, p := range step.Permissions {
				fmt.Fprintf(&b, "    %s\n", p)
			}
		}
	}
	for _, drift := range plan.Drift {
		fmt.Fprintf(&b, "drift %s: %s: %s%s\n", drift.Key, drift.Cause, drift.What, mark(drift.Repaired, " [repaired]"))
	}
	for _, entry := range d.Inventory {
		fmt.Fprintf(&b, "inventory %s %s of %q%s%s%s\n", entry.Kind, entry.Name, entry.Policy,
			mark(entry.Adopted, " adopted"), mark(entry.Orphaned, " orphaned"), mark(entry.Retired, " retired"))
	}
	for _, name := range slices.SortedFunc(maps.Keys(d.Policies), func(a, b types.NamespacedName) int { return strings.Compare(a.String(), b.String()) }) {
		p := d.Policies[name]
		fmt.Fprintf(&b, "policy %s role %q dags %v pending %v members %v\n", name, p.Role, p.Dags, p.Pending, p.Members)
		if p.Refused != nil {
			fmt.Fprintf(&b, "  refused %s: %s\n", p.Refused.Reason, p.Refused.Message)
		}
		for _, note := range slices.Concat(p.Notes, p.Unresolved) {
			fmt.Fprintf(&b, "  %s: %s\n", note.Reason, note.Message)
		}
	}
	for _, uid := range slices.Sorted(maps.Keys(d.Grants)) {
		g := d.Grants[uid]
		fmt.Fprintf(&b, "grant %s live %v user %q role %q\n", uid, g.Live, g.Username, g.Role)
		if g.Problem != nil {
			fmt.Fprintf(&b, "  %s: %s\n", g.Problem.Reason, g.Problem.Message)
		}
	}
	return b.String()
}

func mark(on bool, text string) string {
	if on {
		return text
	}
	return ""
}
