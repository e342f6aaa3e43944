package faults_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
	"github.com/airflow-oam/airflow-oam/internal/status/statustest"
)

// allows says whether permissions let somebody pass a check of the world's Airflow.
func (w *world) allows(permissions []airflow.Permission, q airflowtest.Check) bool {
	return airflowtest.AllowsBy(w.can.PermissionModel, permissions, q)
}

func isTrue(conditions []metav1.Condition, name string) bool {
	return slices.ContainsFunc(conditions, func(c metav1.Condition) bool { return c.Type == name && c.Status == metav1.ConditionTrue })
}

// questions are all that is asked of Airflow about a person.
func (w *world) questions() []airflowtest.Check {
	var out []airflowtest.Check
	for _, level := range []string{"View", "ViewLogs", "Pause", "Trigger", "EditRuns", "DeleteRuns", "EditTasks", "DeleteDag"} {
		for _, id := range w.dags {
			for _, c := range w.sim.LevelChecks(level, id) {
				if !slices.Contains(out, c) {
					out = append(out, c)
				}
			}
		}
	}
	return out
}

// history checks what was at any moment since the beginning.
func (w *world) history() {
	w.t.Helper()
	w.past = w.lookBack()
	causes := w.facts.causes()
	for _, person := range w.people {
		mine := slices.DeleteFunc(slices.Clone(causes), func(c cause) bool { return c.person != "" && !sameName(c.person, person) })
		for _, q := range w.questions() {
			giving := slices.DeleteFunc(slices.Clone(mine), func(c cause) bool { return !w.allows(c.permissions, q) })
			spans := w.sim.Spans(person, q)
			for _, span := range spans {
				w.justified(person, q, span, mine)
				w.kept(person, q, span, giving)
			}
			w.truthful(person, q, spans, giving)
		}
	}
	w.proved(causes)
	w.onlyOurs()
	w.final()
	w.readable()
	w.secrets()
}

// justified is I1: each moment of a stretch of access has causes that together allow it.
func (w *world) justified(person string, q airflowtest.Check, span airflowtest.Span, causes []cause) {
	w.t.Helper()
	end := span.To
	if span.ToSeq == 0 {
		end = w.now()
	}
	moments := []time.Time{span.From, end}
	for _, c := range causes {
		for _, at := range []time.Time{c.from, c.bound} {
			if at.After(span.From) && at.Before(end) {
				moments = append(moments, at)
			}
		}
	}
	slices.SortFunc(moments, time.Time.Compare)
	for i := 1; i < len(moments); i++ {
		from, to := moments[i-1], moments[i]
		if from.Equal(to) && !span.From.Equal(end) {
			continue
		}
		var held []airflow.Permission
		for _, c := range causes {
			if !c.from.After(from) && (c.due.IsZero() || !c.bound.Before(to)) {
				held = append(held, c.permissions...)
			}
		}
		if !w.allows(held, q) {
			w.wrong("I1: %s could %s from %s to %s without a cause", person, describe(q), w.offset(from), w.offset(to))
			return
		}
	}
}

// ours says whether a role is the operator's.
func (w *world) ours(role string) bool {
	return strings.HasPrefix(role, "oam.") || strings.HasPrefix(role, "claimed-")
}

// onlyOurs is I3: nothing of others was ever written.
func (w *world) onlyOurs() {
	w.t.Helper()
	foreign := func(roles []string) string {
		return strings.Join(slices.DeleteFunc(slices.Sorted(slices.Values(roles)), w.ours), ", ")
	}
	for _, c := range w.sim.Changes(func(c airflowtest.Change) bool { return c.By == airflowtest.AdminUsername }) {
		switch c.Kind {
		case airflowtest.RoleCreated, airflowtest.RolePermissions, airflowtest.RoleDeleted:
			if !w.ours(c.Role) {
				w.wrong("I3: %s of role %s", c.Kind, c.Role)
			}
		case airflowtest.UserRoles:
			if foreign(c.RolesBefore) != foreign(c.RolesAfter) {
				w.wrong("I3: foreign roles of %s: %v became %v", c.User, c.RolesBefore, c.RolesAfter)
			}
		case airflowtest.RoleRenamed, airflowtest.UserCreated, airflowtest.UserEdited, airflowtest.UserDeleted,
			airflowtest.DagAdded, airflowtest.DagChanged, airflowtest.DagRemoved, airflowtest.RunTriggered:
			w.wrong("I3: the operator did %s of %s%s%s", c.Kind, c.Role, c.User, c.Dag)
		}
	}
}

// final is I4: what a status said to be final stayed as it was.
func (w *world) final() {
	w.t.Helper()
	last := map[types.UID]*v1alpha1.AccessGrant{}
	for _, v := range w.record.all() {
		grant, ok := v.object.(*v1alpha1.AccessGrant)
		if !ok {
			continue
		}
		before := last[grant.UID]
		last[grant.UID] = grant
		if grant.Status.Activation != nil && (before == nil || before.Status.Activation == nil) {
			w.punctual(grant, v.at)
		}
		if before == nil {
			continue
		}
		old, now := before.Status, grant.Status
		switch {
		case terminal(old.Phase) && now.Phase != old.Phase:
			w.wrong("I4: grant %s was %s and became %s", grant.Name, old.Phase, now.Phase)
		case old.End != nil && (now.End == nil || *now.End != *old.End):
			w.wrong("I4: the end of grant %s changed from %v to %v", grant.Name, old.End, now.End)
		case old.RemovedAt != nil && !old.RemovedAt.Equal(now.RemovedAt):
			w.wrong("I4: removedAt of grant %s changed", grant.Name)
		case old.Activation != nil && (now.Activation == nil || !now.Activation.At.Equal(&old.Activation.At)):
			w.wrong("I4: grant %s was activated again", grant.Name)
		}
	}
}

// readable checks that every status that was ever stored keeps the rules of kstatus: those of a generation that the
// operator had not looked at yet are of the one before, and at the end there are none.
func (w *world) readable() {
	w.t.Helper()
	check := func(o client.Object, at time.Time) {
		if err := statustest.Check(o); err != nil {
			w.wrong("kstatus: %T %s at %s: %v", o, o.GetName(), w.offset(at), err)
		}
	}
	for _, v := range w.record.all() {
		switch seen := observed(v.object); {
		case seen == v.object.GetGeneration():
			check(v.object, v.at)
		case seen > v.object.GetGeneration():
			w.wrong("kstatus: %T %s of generation %d says that it is of %d", v.object, v.object.GetName(), v.object.GetGeneration(), seen)
		}
	}
	for _, o := range w.stored() {
		check(o, w.now())
	}
}

// observed is the generation that a status belongs to.
func observed(o client.Object) int64 {
	switch x := o.(type) {
	case *v1alpha1.AirflowInstance:
		return x.Status.ObservedGeneration
	case *v1alpha1.DagAccessPolicy:
		return x.Status.ObservedGeneration
	case *v1alpha1.AccessGrant:
		return x.Status.ObservedGeneration
	}
	return 0
}

// punctual checks the time that an activation has when it is stored first, from which a duration counts: it is neither
// later than that nor before the grant was made. Where clocks differ by more than a minute nothing is given.
func (w *world) punctual(grant *v1alpha1.AccessGrant, stored time.Time) {
	w.t.Helper()
	for _, fact := range w.facts.grants {
		at := grant.Status.Activation.At.Time
		if fact.uid == grant.UID && (at.After(stored.Add(min(w.ahead, time.Minute))) || at.Before(fact.created.Truncate(time.Second).Add(-time.Minute))) {
			w.wrong("I4: grant %s, made at %s, was stored as active at %s, since %s", grant.Name, w.offset(fact.created), w.offset(stored), w.offset(at))
		}
	}
}

func terminal(p v1alpha1.GrantPhase) bool {
	return p == v1alpha1.GrantExpired || p == v1alpha1.GrantRevoked
}

// secrets is I6: no password and no token in what the operator tells anybody.
func (w *world) secrets() {
	w.t.Helper()
	basic := base64.StdEncoding.EncodeToString([]byte(airflowtest.AdminUsername + ":")) // nine bytes: how all of them begin
	secret := append([]string{airflowtest.AdminPassword, "Bearer ", tokenStart, "Basic ", basic, "session="}, w.passwords...)
	look := func(where, text string) {
		for _, word := range secret {
			if strings.Contains(text, word) {
				w.wrong("I6: %q is in %s", word, where)
				return
			}
		}
	}
	look("the log", w.log.String())
	for _, v := range w.record.all() {
		text, err := json.Marshal(v.object)
		if err != nil {
			w.t.Fatal(err)
		}
		look(fmt.Sprintf("%T %s", v.object, v.object.GetName()), string(text))
	}
	for _, e := range w.events() {
		look("an event", e)
	}
}

// events are what the operator told everybody.
func (w *world) events() (out []string) {
	var list eventsv1.EventList
	if err := admin.List(w.t.Context(), &list, client.InNamespace(w.namespace)); err != nil {
		w.t.Fatal(err)
	}
	for _, e := range list.Items {
		times := int32(1)
		if e.Series != nil {
			times = e.Series.Count
		}
		out = append(out, fmt.Sprintf("%s %s %s (%d)", e.Name, e.Reason, e.Note, times))
	}
	return out
}

// tokenStart is how every token of the simulator begins: the encoded header of a JSON Web Token.
const tokenStart = "eyJhbGciOiJ"

// bounded is I8: never more requests in a minute than the back-off allows, and no request while the server asked to be
// left alone.
func (w *world) bounded(most int) {
	w.t.Helper()
	requests := w.sim.Requests(nil)
	first := 0
	for i, r := range requests {
		for requests[first].At.Before(r.At.Add(-time.Minute)) {
			first++
		}
		if n := i - first + 1; n > most {
			w.wrong("I8: %d requests in the minute before %s, want at most %d", n, w.offset(r.At), most)
			return
		}
	}
	for _, asked := range w.leaveAlone {
		for _, r := range requests {
			if r.At.After(asked.from) && r.At.Before(asked.to) {
				w.wrong("I8: a request at %s, although Airflow asked at %s to be left alone until %s", w.offset(r.At), w.offset(asked.from), w.offset(asked.to))
				return
			}
		}
	}
}

// What requests are allowed in these small worlds. At rest there are pages alone, in one full comparison and two looks at
// the DAGs an interval. A pass has at most some thirty: a token, what server it is, pages, and three for each of a few
// changes. Where nothing goes wrong there are a few passes a minute; while an ending is overdue, one each five seconds. A
// retry each second, of ten requests, is too much in every state.
const (
	restRequests  = 20
	soundRequests = 120
	maxRequests   = 600
)

func (w *world) offset(at time.Time) string { return at.Sub(w.began).Round(time.Millisecond).String() }

func describe(q airflowtest.Check) string {
	return strings.TrimSpace(fmt.Sprintf("%s %s of %s", q.Method, q.Entity, q.Dag))
}

// wrong reports that an invariant does not hold; the story follows at the end.
func (w *world) wrong(format string, args ...any) {
	w.t.Helper()
	text := fmt.Sprintf(format, args...)
	if slices.Contains(w.failures, text) || len(w.failures) > 12 {
		return
	}
	w.failures = append(w.failures, text)
	w.t.Error(text)
}
