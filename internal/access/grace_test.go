package access_test

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/dag"
	"github.com/airflow-oam/airflow-oam/internal/permission"
)

// grace is a settled world with a period of an hour, and a policy that selects by a tag: alice is a member, bob has a grant of
// the whole policy, and carol one of a single DAG.
func grace(t *testing.T, ids ...string) *world {
	t.Helper()
	w := newWorld()
	w.Instance.Spec.DagGracePeriod = &metav1.Duration{Duration: time.Hour}
	for _, user := range []string{"alice", "bob", "carol"} {
		w.user(user)
	}
	for _, id := range ids {
		w.dag(id, "finance")
	}
	p := w.policy("p", levels("View", "Trigger"), []string{"*"}, "alice")
	p.Spec.Dags = []v1alpha1.DagSelector{{Tags: []string{"finance"}}}
	for _, g := range []*v1alpha1.AccessGrant{w.grant("whole", p, "bob"), w.grant("one", p, "carol", ids[0])} {
		g.Status.Activation.ExpiresAt = metav1.NewTime(testNow.Add(5 * time.Hour))
	}
	w.listed(testNow)
	w.pass(t)
	return w
}

// listed is another complete list at a moment, without a change.
func (w *world) listed(at time.Time) {
	w.Now = at
	if w.Observed.ListedAt = at; w.Observed.ListedFrom.IsZero() {
		w.Observed.ListedFrom = at
	}
}

// leave makes DAGs stale or lets the list lack them, from a moment on.
func (w *world) leave(at time.Time, change func(*dag.Away), ids ...string) {
	w.listed(at)
	for _, d := range w.Observed.Dags {
		if slices.Contains(ids, d.ID) {
			away := dag.Away{Dag: d, Since: at}
			change(&away)
			w.Observed.Away = append(slices.Clone(w.Observed.Away), away)
		}
	}
	w.dropDags(ids...)
}

// comeBack lists DAGs again.
func (w *world) comeBack(at time.Time, ids ...string) {
	w.listed(at)
	back := func(d dag.Away) bool { return slices.Contains(ids, d.ID) }
	w.Observed.Away = slices.DeleteFunc(slices.Clone(w.Observed.Away), back)
	w.Observed.Dags = slices.Clone(w.Observed.Dags)
	for _, id := range ids {
		w.dag(id, "finance")
	}
}

func stale(d *dag.Away)   { d.Stale = true }
func missing(*dag.Away)   {}
func deleted(d *dag.Away) { d.Deleted = true }

// allowed reports whether all users of the world have their access to the DAG daily.
func (w *world) allowed() bool {
	for _, user := range []string{"alice", "bob", "carol"} {
		has := slices.ContainsFunc(w.rolesOf(user), func(role string) bool {
			return slices.Contains(w.Observed.Roles[role], permission.Pair{Action: permission.CanEdit, Resource: "DAG:daily"})
		})
		if !has {
			return false
		}
	}
	return true
}

// awayIn are the ids of the DAGs that a decision says to be away in policy p.
func awayIn(d access.Desired) (ids []string) {
	for _, away := range d.Policies[named("p")].Away {
		ids = append(ids, away.ID)
	}
	return ids
}

// TestK4ADagThatIsStaleOrMissingKeepsItsRightsForThePeriod, without one write; so do grants, whole and narrowed.
func TestK4ADagThatIsStaleOrMissingKeepsItsRightsForThePeriod(t *testing.T) {
	for name, change := range map[string]func(*dag.Away){"stale": stale, "missing": missing} {
		t.Run(name, func(t *testing.T) {
			w := grace(t, "daily", "weekly")
			w.leave(testNow.Add(time.Minute), change, "daily")
			for _, minutes := range []int{1, 2, 30, 60} {
				w.listed(testNow.Add(time.Duration(minutes) * time.Minute))
				d, plan := w.pass(t)
				until := testNow.Add(61 * time.Minute)
				if p := d.Policies[named("p")]; len(plan.Phases) > 0 || len(p.Away) != 1 || !p.Away[0].Until.Time.Equal(until) || len(p.Leaving) > 0 || p.Matching != access.MatchingSome {
					t.Fatalf("after %d minutes: away %v, leaving %v, plan %v", minutes, p.Away, p.Leaving, Render(plan))
				}
				if grant := d.Grants["uid-one"]; !w.allowed() || len(grant.Pending) > 0 || !grant.Gives() {
					t.Fatalf("after %d minutes: %+v", minutes, grant)
				}
			}
			w.listed(testNow.Add(61 * time.Minute))
			d, _ := w.pass(t)
			if w.allowed() || len(awayIn(d)) > 0 {
				t.Errorf("the period is over: allowed, away %v", awayIn(d))
			}
			if _, holds := permission.DagsIn(w.Observed.Roles["oam.data.p"])["weekly"]; !holds {
				t.Error("another DAG went, too")
			}
		})
	}
}

// TestK4ADagThatWasDeletedInAirflowGoesAtOnce, by the two lists that the snapshot waits for.
func TestK4ADagThatWasDeletedInAirflowGoesAtOnce(t *testing.T) {
	w := grace(t, "daily", "weekly")
	w.leave(testNow.Add(time.Minute), deleted, "daily")
	if d, _ := w.pass(t); w.allowed() || len(awayIn(d)) > 0 {
		t.Errorf("away %v", awayIn(d))
	}
}

// TestK4WhatAListNewlySaysIsBelievedAtOnce: a DAG that is back, and a live DAG without the tag.
func TestK4WhatAListNewlySaysIsBelievedAtOnce(t *testing.T) {
	w := grace(t, "daily", "weekly")
	w.leave(testNow.Add(time.Minute), stale, "daily")
	w.pass(t)
	w.comeBack(testNow.Add(2*time.Minute), "daily")
	if d, plan := w.pass(t); len(plan.Phases) > 0 || len(awayIn(d)) > 0 || !w.allowed() {
		t.Errorf("back: away %v, plan %v", awayIn(d), Render(plan))
	}
	w.Observed.Dags = slices.Clone(w.Observed.Dags)
	for i := range w.Observed.Dags {
		if w.Observed.Dags[i].ID == "daily" {
			w.Observed.Dags[i].Tags = nil
		}
	}
	if w.pass(t); w.allowed() {
		t.Error("a live DAG without the tag keeps its rights")
	}
}

// TestK4AFlappingDagMakesNoWritesAndNoSuccessors, where roles only grow, too.
func TestK4AFlappingDagMakesNoWritesAndNoSuccessors(t *testing.T) {
	for _, update := range []v1alpha1.RoleUpdate{v1alpha1.RoleUpdateReplace, v1alpha1.RoleUpdateAdd} {
		w := grace(t, "daily", "weekly")
		w.Capabilities.RoleUpdate = update
		at := testNow
		for range 20 {
			at = at.Add(5 * time.Minute)
			w.leave(at, stale, "daily")
			_, plan := w.pass(t)
			w.comeBack(at.Add(time.Minute), "daily")
			_, again := w.pass(t)
			if len(plan.Phases)+len(again.Phases) > 0 {
				t.Fatalf("%s: %v %v", update, Render(plan), Render(again))
			}
		}
		for role := range w.Observed.Roles {
			if role == "oam.data.p~g1" {
				t.Errorf("%s: a successor", update)
			}
		}
	}
}

// TestK4AStaleRowDoesNotCountForSelectors: neither its tags, nor its path; an edit counts, by what the DAG was.
func TestK4AStaleRowDoesNotCountForSelectors(t *testing.T) {
	edited := func(selector v1alpha1.DagSelector) func(*world) {
		return func(w *world) {
			w.Policies[0].Generation++
			w.Policies[0].Spec.Dags = []v1alpha1.DagSelector{selector}
		}
	}
	cases := map[string]struct {
		away  dag.Away
		edit  func(*world)
		stays bool
	}{
		"a stale row without the tag":           {dag.Away{Dag: dag.Dag{ID: "daily", Path: "old.py"}, Stale: true}, func(*world) {}, true},
		"an edit that still means the DAG":      {dag.Away{Dag: dag.Dag{ID: "daily", Tags: []string{"finance"}}, Stale: true}, edited(v1alpha1.DagSelector{Tags: []string{"finance", "hr"}}), true},
		"an edit that means it no more":         {dag.Away{Dag: dag.Dag{ID: "daily", Tags: []string{"finance"}}, Stale: true}, edited(v1alpha1.DagSelector{Tags: []string{"hr"}}), false},
		"an edit by id":                         {dag.Away{Dag: dag.Dag{ID: "daily", Tags: []string{"finance"}}}, edited(v1alpha1.DagSelector{IDs: []string{"weekly"}}), false},
		"an edit, and only the id is known":     {dag.Away{Dag: dag.Dag{ID: "daily"}}, edited(v1alpha1.DagSelector{Tags: []string{"hr"}}), true},
		"an edit that excludes it, by id alone": {dag.Away{Dag: dag.Dag{ID: "daily"}}, edited(v1alpha1.DagSelector{Tags: []string{"hr"}, Exclude: []string{"d*"}}), false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := grace(t, "daily", "weekly")
			w.leave(testNow.Add(time.Minute), stale, "daily")
			c.away.Since = testNow.Add(time.Minute)
			w.Observed.Away = []dag.Away{c.away}
			c.edit(w)
			w.pass(t)
			if _, holds := permission.DagsIn(w.Observed.Roles["oam.data.p"])["daily"]; holds != c.stays {
				t.Errorf("stays %t, want %t", holds, c.stays)
			}
		})
	}
}

// TestK4ARestartNeverMakesRightsGoEarly: the roles say which DAGs a policy had, and the period begins with the first list.
func TestK4ARestartNeverMakesRightsGoEarly(t *testing.T) {
	for name, known := range map[string]bool{"stale": true, "missing": false} {
		t.Run(name, func(t *testing.T) {
			w := grace(t, "daily", "weekly")
			w.Grants = nil
			w.pass(t)
			w.leave(testNow.Add(time.Minute), stale, "daily")
			w.pass(t)
			start := testNow.Add(50 * time.Minute)
			w.Previous, w.Observed.ListedFrom = nil, time.Time{}
			w.listed(start)
			w.Observed.Away = nil
			if known {
				w.Observed.Away = []dag.Away{{Dag: dag.Dag{ID: "daily"}, Since: start, Stale: true}}
			}
			w.DagList = access.DagListFirst
			holds := func(after time.Duration) bool {
				w.listed(start.Add(after))
				w.pass(t)
				w.DagList = access.DagListKnown
				_, has := permission.DagsIn(w.Observed.Roles["oam.data.p"])["daily"]
				return has
			}
			if !holds(0) || !holds(time.Minute) || !holds(59*time.Minute) {
				t.Error("the right went before the period that began with the restart was over")
			}
			if holds(time.Hour) {
				t.Error("the right stays after the period")
			}
		})
	}
}

// TestK4NothingNewOnADagThatIsAway: no level that it had not, and no right for a policy that had none on it.
func TestK4NothingNewOnADagThatIsAway(t *testing.T) {
	w := grace(t, "daily", "weekly")
	w.leave(testNow.Add(time.Minute), stale, "daily")
	w.pass(t)
	w.Policies[0].Spec.Access = levels("View", "Trigger", "DeleteDag")
	other := w.policy("other", levels("View"), []string{"daily"}, "bob")
	d, _ := w.pass(t)
	if slices.Contains(w.Observed.Roles["oam.data.p"], permission.Pair{Action: permission.CanDelete, Resource: "DAG:daily"}) {
		t.Error("the DAG got a level while it was away")
	}
	if !slices.Contains(w.Observed.Roles["oam.data.p"], permission.Pair{Action: permission.CanDelete, Resource: "DAG:weekly"}) {
		t.Error("the level is not applied to the other DAG")
	}
	if desired := d.Policies[named(other.Name)]; len(desired.Dags)+len(desired.Away) > 0 || desired.Matching != access.MatchingNone || !slices.Equal(desired.Pending, []string{"daily"}) {
		t.Errorf("%+v", desired)
	}
}

// TestK4TheCodeOfAFileWithOtherDagsStaysClosed: before Airflow 3.3, ViewCode is not given because of a DAG that shares its file, and
// not given either when both of them are stale.
func TestK4TheCodeOfAFileWithOtherDagsStaysClosed(t *testing.T) {
	w := newWorld()
	w.Version = "3.2.2"
	w.Instance.Spec.DagGracePeriod = &metav1.Duration{Duration: time.Hour}
	w.user("alice")
	w.Observed.Dags = []dag.Dag{{ID: "a", Bundle: "main", Path: "both.py"}, {ID: "b", Bundle: "main", Path: "both.py"}}
	w.policy("p", levels("View", "ViewCode"), []string{"a"}, "alice")
	w.listed(testNow)
	w.pass(t)
	w.leave(testNow.Add(time.Minute), stale, "a", "b")
	_, plan := w.pass(t)
	if len(plan.Phases) > 0 || slices.Contains(w.Observed.Roles["oam.data.p"], permission.Pair{Action: permission.CanRead, Resource: permission.DagCode}) {
		t.Errorf("%v", Render(plan))
	}
}

// TestK4ManyDagsThatAreAwayAreHeldAfterThePeriod: also where their periods end one after the other.
func TestK4ManyDagsThatAreAwayAreHeldAfterThePeriod(t *testing.T) {
	w := manyDags(t, 40)
	w.Instance.Spec.DagGracePeriod = &metav1.Duration{Duration: time.Hour}
	w.listed(testNow)
	for i := range 5 {
		ids := []string{}
		for j := range 4 {
			ids = append(ids, w.Observed.Dags[j].ID)
		}
		w.leave(testNow.Add(time.Duration(i)*time.Minute), stale, ids...)
		if d, _ := w.pass(t); len(d.Held) > 0 || heldDags(w) != 40 {
			t.Fatalf("held %v, %d DAGs", d.Held, heldDags(w))
		}
	}
	for i := range 5 {
		w.listed(testNow.Add(time.Hour + time.Duration(i)*time.Minute))
		if d, _ := w.pass(t); len(d.Held) != 1 || int(d.Held[0].Total) != 4*(i+1) || heldDags(w) != 40 {
			t.Fatalf("held %v, %d DAGs", d.Held, heldDags(w))
		}
	}
}

// TestK4ARestartDoesNotBeginTheWaitOfALossAnew: neither its 24 hours, nor the hash that releases it.
func TestK4ARestartDoesNotBeginTheWaitOfALossAnew(t *testing.T) {
	for name, count := range map[string]int{"all names are stored": 11, "not all names are stored": 38} {
		t.Run(name, func(t *testing.T) {
			w := manyDags(t, 40)
			w.Instance.Spec.DagGracePeriod = &metav1.Duration{Duration: time.Hour}
			w.listed(testNow)
			var ids []string
			for i := range count {
				ids = append(ids, w.Observed.Dags[i].ID)
			}
			w.leave(testNow.Add(time.Minute), stale, ids...)
			w.pass(t)
			w.listed(testNow.Add(2 * time.Hour))
			d, _ := w.pass(t)
			if len(d.Held) != 1 {
				t.Fatalf("held %v", d.Held)
			}
			hash, start := d.Held[0].Hash, testNow.Add(3*time.Hour)
			w.Previous, w.Observed.ListedFrom = nil, time.Time{}
			w.listed(start)
			w.Observed.Away = slices.Clone(w.Observed.Away)
			for i := range w.Observed.Away {
				w.Observed.Away[i].Since = start
			}
			for _, list := range []access.DagList{access.DagListFirst, access.DagListKnown} {
				w.DagList = list
				if d, _ := w.pass(t); len(d.Held) != 1 || d.Held[0].Hash != hash || !d.Held[0].Since.Time.Equal(testNow.Add(2*time.Hour)) {
					t.Fatalf("list %d: held %v", list, d.Held)
				}
			}
			w.Instance.Spec.Release = hash
			if w.pass(t); heldDags(w) != 40-count {
				t.Errorf("%d DAGs after the release", heldDags(w))
			}
		})
	}
}

// TestK4AReleaseCountsOnce: the same loss again, later, needs another one.
func TestK4AReleaseCountsOnce(t *testing.T) {
	w := manyDags(t, 40)
	before := slices.Clone(w.Observed.Dags)
	lose(w, 12)
	d, _ := w.pass(t)
	w.Instance.Spec.Release = d.Held[0].Hash
	w.pass(t)
	w.Observed.Dags, w.Now = before, w.Now.Add(time.Hour)
	w.pass(t)
	if heldDags(w) != 40 {
		t.Fatalf("%d DAGs after they were back", heldDags(w))
	}
	lose(w, 12)
	d, _ = w.pass(t)
	if heldDags(w) != 40 || len(d.Held) != 1 || d.Held[0].Hash == w.Instance.Spec.Release {
		t.Fatalf("%d DAGs, held %v: the old release counts again", heldDags(w), d.Held)
	}
	w.Instance.Spec.Release = d.Held[0].Hash
	if w.pass(t); heldDags(w) != 28 {
		t.Errorf("%d DAGs after the second release", heldDags(w))
	}
}

// TestK4AReleaseStaysUntilTheRightsAreGone: a write that fails does not need another one.
func TestK4AReleaseStaysUntilTheRightsAreGone(t *testing.T) {
	w := manyDags(t, 40)
	lose(w, 12)
	d, _ := w.pass(t)
	w.Instance.Spec.Release = d.Held[0].Hash
	w.Now = w.Now.Add(time.Minute)
	d = Desire(w.Input) // nothing of it is written
	w.Instance = w.Instance.DeepCopy()
	w.Instance.Status.Held = d.Held
	w.Now = w.Now.Add(time.Minute)
	if w.pass(t); heldDags(w) != 28 {
		t.Errorf("%d DAGs", heldDags(w))
	}
}

// TestK4ASmallPolicyThatLosesAllIsSaid: the guard holds no loss of five DAGs.
func TestK4ASmallPolicyThatLosesAllIsSaid(t *testing.T) {
	w := manyDags(t, 4)
	lose(w, 4)
	if d, _ := w.pass(t); d.Policies[named("p")].Matching != access.MatchingNone || heldDags(w) != 0 {
		t.Errorf("matching %v, %d DAGs", d.Policies[named("p")].Matching, heldDags(w))
	}
	for _, list := range []access.DagList{access.DagListKnown, access.DagListUnread} {
		w.DagList = list
		want := map[access.DagList]access.Matching{access.DagListKnown: access.MatchingNone, access.DagListUnread: access.MatchingUnknown}[list]
		if d, _ := w.pass(t); d.Policies[named("p")].Matching != want {
			t.Errorf("list %d: matching %v", list, d.Policies[named("p")].Matching)
		}
	}
}
