package access_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/permission"
)

// manyDags is a settled world with one policy over n DAGs.
func manyDags(t *testing.T, n int) *world {
	t.Helper()
	w := newWorld()
	w.user("alice")
	for i := range n {
		w.dag(fmt.Sprintf("d%03d", i), "x")
	}
	p := w.policy("p", levels("View", "Trigger"), []string{"*"}, "alice")
	p.Spec.Dags = []v1alpha1.DagSelector{{Tags: []string{"x"}}}
	w.pass(t)
	return w
}

func heldDags(w *world) int { return len(permission.DagsIn(w.Observed.Roles["oam.data.p"])) }

// lose drops some of these DAGs from the list.
func lose(w *world, count int) {
	var ids []string
	for i := range count {
		ids = append(ids, fmt.Sprintf("d%03d", i))
	}
	w.dropDags(ids...)
}

func TestMassRevocation(t *testing.T) {
	t.Run("a loss above the limit is held, with a hash that releases it", func(t *testing.T) {
		w := manyDags(t, 40)
		lose(w, 11)
		d, plan := w.pass(t)
		if len(plan.Phases) != 0 || len(d.Held) != 1 || d.Held[0].Total != 11 || !slices.Contains(notes(d), v1alpha1.ReasonMassRevocationHeld) {
			t.Fatalf("held %v, plan %v", d.Held, Render(plan))
		}
		w.Instance.Spec.Release = d.Held[0].Hash
		w.pass(t)
		if d, _ := w.pass(t); heldDags(w) != 29 || len(d.Held) != 0 {
			t.Errorf("%d DAGs after the release, held %v", heldDags(w), d.Held)
		}
	})
	t.Run("the wait counts from the first time and ends after a day", func(t *testing.T) {
		w := manyDags(t, 40)
		lose(w, 11)
		w.pass(t)
		w.Now = w.Now.Add(23 * time.Hour)
		if d, _ := w.pass(t); heldDags(w) != 40 || !d.Held[0].Since.Time.Equal(testNow) {
			t.Fatalf("%d DAGs, held %v", heldDags(w), d.Held)
		}
		w.Now = w.Now.Add(time.Hour)
		if d, _ := w.pass(t); heldDags(w) != 29 || len(notes(d)) != 0 {
			t.Errorf("%d DAGs after a day", heldDags(w))
		}
	})
	t.Run("another loss is another wait", func(t *testing.T) {
		w := manyDags(t, 40)
		lose(w, 11)
		w.pass(t)
		lose(w, 17)
		w.Now = w.Now.Add(24 * time.Hour)
		if d, _ := w.pass(t); heldDags(w) != 40 || !d.Held[0].Since.Time.Equal(w.Now) {
			t.Errorf("%d DAGs, held %v", heldDags(w), d.Held)
		}
	})
	t.Run("a few DAGs more or less a day do not begin the wait again", func(t *testing.T) {
		for lost, all := range map[int]int{11: 40, 36: 60} { // all of their names are stored, and not all
			w := manyDags(t, all)
			lose(w, lost)
			w.pass(t)
			lose(w, lost+3)
			w.dag("d000", "x")
			w.Now = w.Now.Add(12 * time.Hour)
			if d, _ := w.pass(t); heldDags(w) != all || !d.Held[0].Since.Time.Equal(testNow) {
				t.Fatalf("%d DAGs, held %v", heldDags(w), d.Held)
			}
			w.Now = w.Now.Add(12 * time.Hour)
			if w.pass(t); heldDags(w) != all-lost-2 {
				t.Errorf("%d DAGs after a day", heldDags(w))
			}
		}
	})
	t.Run("a quarter is not above the limit", func(t *testing.T) {
		w := manyDags(t, 40)
		lose(w, 10)
		if w.pass(t); heldDags(w) != 30 {
			t.Errorf("%d DAGs", heldDags(w))
		}
	})
	t.Run("five DAGs are never held, six are", func(t *testing.T) {
		for lost, left := range map[int]int{5: 1, 6: 6} {
			w := manyDags(t, 6)
			lose(w, lost)
			if w.pass(t); heldDags(w) != left {
				t.Errorf("%d DAGs after a loss of %d", heldDags(w), lost)
			}
		}
	})
	t.Run("tags that vanish count as well", func(t *testing.T) {
		w := manyDags(t, 40)
		w.Observed.Dags = slices.Clone(w.Observed.Dags)
		for i := range 20 {
			w.Observed.Dags[i].Tags = nil
		}
		if w.pass(t); heldDags(w) != 40 {
			t.Errorf("%d DAGs", heldDags(w))
		}
	})
	t.Run("an edited policy is meant", func(t *testing.T) {
		w := manyDags(t, 40)
		w.Policies[0].Generation++
		w.Policies[0].Spec.Dags = []v1alpha1.DagSelector{{IDs: []string{"d00*"}}}
		if w.pass(t); heldDags(w) != 10 {
			t.Errorf("%d DAGs", heldDags(w))
		}
	})
	t.Run("an edited policy is meant, also when its status says already that it was read", func(t *testing.T) {
		w := manyDags(t, 40)
		for i := range 20 {
			w.Observed.Dags[i].Tags = []string{"x", "y"}
		}
		w.Policies[0].Generation++
		w.Policies[0].Status.ObservedGeneration = w.Policies[0].Generation
		w.Policies[0].Spec.Dags = []v1alpha1.DagSelector{{Tags: []string{"y"}}}
		if d, _ := w.pass(t); heldDags(w) != 20 || len(d.Held) != 0 {
			t.Errorf("%d DAGs, held %v", heldDags(w), d.Held)
		}
	})
	t.Run("an edit of something else does not let go what is held", func(t *testing.T) {
		w := manyDags(t, 40)
		w.Observed.Dags = slices.Clone(w.Observed.Dags)
		for i := range 20 {
			w.Observed.Dags[i].Tags = nil
		}
		w.pass(t)
		w.Policies[0].Generation++
		w.Policies[0].Spec.Members = nil
		if d, _ := w.pass(t); heldDags(w) != 40 || len(d.Held) != 1 {
			t.Errorf("%d DAGs, held %v", heldDags(w), d.Held)
		}
	})
	t.Run("a role that was taken over is guarded once it was in sync, whatever its conditions say", func(t *testing.T) {
		w := newWorld()
		w.user("alice")
		role := []permission.Pair{{Action: permission.CanRead, Resource: "DAG:theirs"}}
		for i := range 40 {
			w.dag(fmt.Sprintf("d%03d", i), "x")
		}
		w.setRole("handmade", role)
		p := w.policy("p", levels("View"), []string{"d*"}, "alice")
		p.Spec.Role = &v1alpha1.PolicyRole{Name: "handmade", Adoption: v1alpha1.AdoptionIfExists}
		w.Instance.Spec.AdoptableRoles = []string{"handmade"}
		w.pass(t)
		w.pass(t)
		have := func() int { return len(permission.DagsIn(w.Observed.Roles["handmade"])) }
		if have() != 40 {
			t.Fatalf("%d DAGs after the take-over", have())
		}
		p.Status.Conditions = nil
		lose(w, 30)
		if d, _ := w.pass(t); have() != 40 || len(d.Held) != 1 {
			t.Errorf("%d DAGs, held %v", have(), d.Held)
		}
	})
	t.Run("an edited policy does not hide a broken list", func(t *testing.T) {
		w := manyDags(t, 40)
		w.Policies[0].Generation++
		w.Policies[0].Spec.Access = levels("View")
		w.Observed.Dags = nil
		if w.pass(t); heldDags(w) != 40 {
			t.Errorf("%d DAGs", heldDags(w))
		}
		if slices.ContainsFunc(w.Observed.Roles["oam.data.p"], func(p permission.Pair) bool { return p.Action == permission.CanEdit }) {
			t.Error("the level that was taken away is kept")
		}
	})
	t.Run("what others added is not held", func(t *testing.T) {
		w := manyDags(t, 10)
		role := slices.Clone(w.Observed.Roles["oam.data.p"])
		for i := range 20 {
			w.dag(fmt.Sprintf("foreign%02d", i))
			role = append(role, permission.Pair{Action: permission.CanRead, Resource: fmt.Sprintf("DAG:foreign%02d", i)})
		}
		w.setRole("oam.data.p", permission.SetOf(role))
		if d, _ := w.pass(t); heldDags(w) != 10 || len(d.Held) != 0 {
			t.Errorf("%d DAGs, held %v", heldDags(w), d.Held)
		}
	})
	t.Run("a single list is not believed when a DAG is missing", func(t *testing.T) {
		w := manyDags(t, 40)
		lose(w, 1)
		w.DagList = access.DagListFirst
		if d, _ := w.pass(t); heldDags(w) != 40 || len(d.Held) != 0 {
			t.Fatalf("%d DAGs", heldDags(w))
		}
		w.DagList = access.DagListKnown
		if w.pass(t); heldDags(w) != 39 {
			t.Errorf("%d DAGs after two lists", heldDags(w))
		}
	})
	t.Run("ends do not wait for the guard", func(t *testing.T) {
		w := manyDags(t, 40)
		g := w.grant("g", w.Policies[0], "alice")
		w.Policies[0].Spec.Members = nil
		w.pass(t)
		w.Observed.Dags = nil
		g.Spec.Revoke = &v1alpha1.Revocation{}
		if w.pass(t); len(w.rolesOf("alice")) != 0 || heldDags(w) != 40 {
			t.Errorf("alice has %v of %d DAGs", w.rolesOf("alice"), heldDags(w))
		}
	})
}

// TestK1NothingIsRevokedOrAddedBecauseOfAListThatCannotBeRead: neither because of an old list, nor without one after a start.
func TestK1NothingIsRevokedOrAddedBecauseOfAListThatCannotBeRead(t *testing.T) {
	for name, list := range map[string]access.DagList{"an old list": access.DagListOld, "no list": access.DagListUnread} {
		t.Run(name, func(t *testing.T) {
			w := manyDags(t, 40)
			lose(w, 20)
			if list == access.DagListUnread {
				w.Observed.Dags = nil
			}
			w.DagList = list
			d, _ := w.pass(t)
			if desired := d.Policies[named("p")]; heldDags(w) != 40 || len(d.Held) != 0 || len(desired.Leaving) != 0 {
				t.Errorf("%d DAGs, held %v, leaving %v", heldDags(w), d.Held, desired.Leaving)
			}
			w.Policies[0].Spec.Access = levels("View")
			w.Policies[0].Spec.Members = nil
			if w.pass(t); len(w.rolesOf("alice")) != 0 || len(w.Observed.Roles["oam.data.p"]) >= 80 {
				t.Errorf("alice has %v, the role %d permissions", w.rolesOf("alice"), len(w.Observed.Roles["oam.data.p"]))
			}
			w.Policies[0].Spec.Access = levels("View", "Trigger")
			before := len(w.Observed.Roles["oam.data.p"])
			w.pass(t)
			if after := len(w.Observed.Roles["oam.data.p"]); list == access.DagListUnread && after != before {
				t.Errorf("the role gained %d permissions", after-before)
			}
		})
	}
}

// TestK1APolicyWithoutARoleWaitsForTheFirstList: what it covers is not known.
func TestK1APolicyWithoutARoleWaitsForTheFirstList(t *testing.T) {
	w := newWorld()
	w.user("alice")
	w.policy("p", levels("View"), []string{"a"}, "alice")
	w.DagList = access.DagListUnread
	d, _ := w.pass(t)
	if _, made := w.Observed.Roles["oam.data.p"]; made || len(w.rolesOf("alice")) != 0 {
		t.Errorf("the role was made: %t; alice has %v", made, w.rolesOf("alice"))
	}
	if notes := d.Policies[named("p")].Notes; len(notes) != 1 || notes[0].Reason != v1alpha1.ReasonDagListUnreadable {
		t.Errorf("notes %v", notes)
	}
}

// TestK1UsersThatCannotBeAddressedAreNobodysSubject: neither by name nor by e-mail.
func TestK1UsersThatCannotBeAddressedAreNobodysSubject(t *testing.T) {
	users := []access.User{{Username: "assumed-role/dana", Email: "dana@example.com"}}
	for _, subject := range []v1alpha1.Subject{{Username: "assumed-role/dana"}, {Username: "assumed-role/nobody"}, {Email: "dana@example.com"}} {
		if _, problem := access.ResolveSubject(subject, users, ""); problem == nil || problem.Reason != v1alpha1.ReasonSubjectNotAddressable {
			t.Errorf("%+v: %+v", subject, problem)
		}
	}
}
