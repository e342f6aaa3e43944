package faults_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
	"github.com/airflow-oam/airflow-oam/internal/status/statustest"
)

// quiet is a moment at which nothing was to be done.
type quiet struct {
	seq    int              // the last change of Airflow
	at     time.Time        // when
	claims map[string]int64 // the generation of which objects say that it is in place, by origin of a cause
}

// allows says whether permissions let somebody pass a check of the world's Airflow.
func (w *world) allows(permissions []airflow.Permission, q airflowtest.Check) bool {
	return airflowtest.AllowsBy(w.can.PermissionModel, permissions, q)
}

// calm notes a quiet moment.
func (w *world) calm() {
	q := quiet{seq: w.sim.LastSeq(), at: w.now(), claims: w.record.claims()}
	if n := len(w.quiets); n > 0 && w.quiets[n-1].seq == q.seq && maps.Equal(w.quiets[n-1].claims, q.claims) {
		return
	}
	w.quiets = append(w.quiets, q)
}

// claims gives the objects whose newest version claims that its access is in place.
func (r *record) claims() map[string]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]int64{}
	claim := func(origin string, generation int64, claims bool) {
		delete(out, origin)
		if claims {
			out[origin] = generation
		}
	}
	for _, v := range r.versions {
		switch o := v.object.(type) {
		case *v1alpha1.AccessGrant:
			claim("grant "+o.Name+" "+string(o.UID), o.Generation, !v.deleted && o.Status.Phase == v1alpha1.GrantActive && isTrue(o.Status.Conditions, v1alpha1.ConditionActive))
		case *v1alpha1.DagAccessPolicy:
			claim("policy "+o.Name, o.Generation, !v.deleted && o.Status.ObservedGeneration == o.Generation && isTrue(o.Status.Conditions, v1alpha1.ConditionReady))
		}
	}
	return out
}

func isTrue(conditions []metav1.Condition, name string) bool {
	return slices.ContainsFunc(conditions, func(c metav1.Condition) bool { return c.Type == name && c.Status == metav1.ConditionTrue })
}

// questions are all that is asked of Airflow about a person.
func (w *world) questions() []airflowtest.Check {
	var out []airflowtest.Check
	for _, level := range []string{"View", "ViewLogs", "Pause", "Trigger", "EditRuns", "DeleteRuns", "EditTasks", "DeleteDag"} {
		for _, id := range dags {
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
	causes := w.facts.causes()
	for _, person := range w.people {
		mine := slices.DeleteFunc(slices.Clone(causes), func(c cause) bool { return c.person != "" && !sameName(c.person, person) })
		for _, q := range w.questions() {
			spans := w.sim.Spans(person, q)
			for _, span := range spans {
				w.justified(person, q, span, mine)
				w.kept(person, q, span, mine)
			}
		}
	}
	w.onlyOurs()
	w.final()
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

// kept is I9: no change of ours ends access that its cause keeps.
func (w *world) kept(person string, q airflowtest.Check, span airflowtest.Span, causes []cause) {
	w.t.Helper()
	if span.ToSeq == 0 {
		return
	}
	change := w.sim.Changes(func(c airflowtest.Change) bool { return c.Seq == span.ToSeq })[0]
	if change.By != airflowtest.AdminUsername || !w.existed(q.Dag, span.ToSeq) {
		return // a DAG that is gone from two lists is nobody's to keep
	}
	at := slices.IndexFunc(w.quiets, func(q quiet) bool { return q.seq >= span.ToSeq })
	if at < 0 {
		at = len(w.quiets)
	}
	if at == 0 {
		return
	}
	before := w.quiets[at-1]
	for _, other := range w.sim.Changes(func(c airflowtest.Change) bool { return c.Seq > before.seq && c.Seq <= span.ToSeq }) {
		if other.By != airflowtest.AdminUsername {
			return // others wrote between; what is lost then is not by our work alone
		}
	}
	if w.robbed(person, span.ToSeq, change.At) {
		return
	}
	for _, c := range causes {
		generation, claimed := before.claims[c.origin]
		established := claimed && generation >= c.generation && !c.from.After(before.at) && (c.due.IsZero() || !c.due.Before(before.at))
		if !established || !w.allows(c.permissions, q) {
			continue
		}
		for _, after := range causes {
			lives := after.origin == c.origin && !after.from.After(change.At) && (after.due.IsZero() || after.due.After(change.At.Add(w.ahead)))
			if lives && w.allows(after.permissions, q) {
				w.wrong("I9: %s lost %s at %s by %s of %s%s, although %s keeps it", person, describe(q), w.offset(change.At), change.Kind, change.Role, change.User, c.origin)
				return
			}
		}
	}
}

// robbed says whether others took something off roles of ours, or took the person off one, so shortly before a change that
// no full comparison need have found it: what a cause should give may rest on another one alone.
func (w *world) robbed(person string, before int, at time.Time) bool {
	since := at.Add(-interval - longestWait)
	return len(w.sim.Changes(func(c airflowtest.Change) bool {
		if c.By == airflowtest.AdminUsername || c.Seq >= before || c.At.Before(since) {
			return false
		}
		if c.Kind == airflowtest.UserRoles {
			return c.User == person && slices.ContainsFunc(c.RolesBefore, func(role string) bool { return w.ours(role) && !slices.Contains(c.RolesAfter, role) })
		}
		return w.ours(c.Role) && (c.Kind == airflowtest.RoleDeleted || c.Kind == airflowtest.RoleRenamed ||
			slices.ContainsFunc(c.PermissionsBefore, func(p airflow.Permission) bool { return !slices.Contains(c.PermissionsAfter, p) }))
	})) > 0
}

// existed says whether a DAG was there at a moment of the history.
func (w *world) existed(dag string, seq int) bool {
	there := dag == ""
	for _, c := range w.sim.Changes(func(c airflowtest.Change) bool { return c.Dag == dag && c.Seq <= seq }) {
		there = there && c.Kind != airflowtest.DagRemoved || c.Kind == airflowtest.DagAdded
	}
	return there
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

// final is I4: what a status said to be final stayed as it was. Every status kept the rules of kstatus.
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
		if before == nil || w.forged(before, grant) {
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
	for _, object := range w.stored() {
		if err := statustest.Check(object); err != nil {
			w.wrong("kstatus: %T %s: %v", object, object.GetName(), err)
		}
	}
}

func terminal(p v1alpha1.GrantPhase) bool {
	return p == v1alpha1.GrantExpired || p == v1alpha1.GrantRevoked
}

// effective is I2: everybody has what they should, or a condition says why not. Only a fault that lasts may make people
// wait.
func (w *world) effective(mayWait bool) {
	w.t.Helper()
	objects := w.stored()
	for _, c := range w.facts.causes() {
		if !c.due.IsZero() || c.origin == "foreign" || c.origin == "by hand" {
			if c.due.IsZero() || c.due.Before(w.now().Add(5*time.Second)) {
				continue
			}
		}
		if _, exists := w.sim.UserRoles(c.person); !exists {
			continue
		}
		for _, q := range w.questions() {
			if !w.allows(c.permissions, q) || !w.parsed(q.Dag) || w.sim.Allowed(c.person, q.Method, q.Entity, q.Dag) {
				continue
			}
			why := reasonOf(objects, c.origin)
			if !mayWait || why == "" {
				w.wrong("I2: %s cannot %s, although %s gives it (%s)", c.person, describe(q), c.origin, why)
			}
			break
		}
	}
	for _, g := range w.facts.grants {
		for _, o := range objects {
			grant, ok := o.(*v1alpha1.AccessGrant)
			if !ok || grant.UID != g.uid || mayWait {
				continue
			}
			switch why := reasonOf(objects, "grant "+g.name); grant.Status.Phase {
			case v1alpha1.GrantPending, v1alpha1.GrantScheduled:
				if !w.facts.deleted(g.policy) {
					w.wrong("I2: grant %s still waits: %s", g.name, why)
				}
			case v1alpha1.GrantEnding:
				w.wrong("I2: grant %s is still ending: %s", g.name, why)
			case v1alpha1.GrantActive, v1alpha1.GrantExpired, v1alpha1.GrantRevoked:
			default:
				w.wrong("I2: nobody looked at grant %s", g.name)
			}
		}
	}
}

// parsed says whether a DAG exists and its permissions are known.
func (w *world) parsed(id string) bool {
	return id == "" || !slices.Contains(w.absent, id)
}

// reasonOf is why the object of a cause is not Ready.
func reasonOf(objects []client.Object, origin string) string {
	kind, rest, _ := strings.Cut(origin, " ")
	name, _, _ := strings.Cut(rest, " ")
	for _, o := range objects {
		var conditions []metav1.Condition
		switch x := o.(type) {
		case *v1alpha1.AccessGrant:
			if kind == "grant" && x.Name == name {
				conditions = x.Status.Conditions
			}
		case *v1alpha1.DagAccessPolicy:
			if kind == "policy" && x.Name == name {
				conditions = x.Status.Conditions
			}
		}
		for _, c := range conditions {
			if c.Type == v1alpha1.ConditionReady {
				return string(c.Status) + "/" + c.Reason
			}
		}
	}
	return ""
}

// stable is I5: three more full comparisons write nothing, neither to Airflow nor to Kubernetes.
func (w *world) stable() {
	w.t.Helper()
	for _, at := range w.expiries() {
		if at.Before(w.now().Add(3 * interval)) {
			w.run(max(0, at.Sub(w.now())) + 2*interval) // what the status keeps for a time goes at the next comparison
		}
	}
	changes, writes, reads := len(w.sim.MutatingRequests()), w.kubernetesWrites(), w.sim.RequestCount()
	w.run(3 * interval)
	if n := len(w.sim.MutatingRequests()) - changes; n > 0 {
		w.wrong("I5: %d writing calls to Airflow in a steady state: %s", n, last(w.sim.MutatingRequests()))
	}
	if n := w.kubernetesWrites() - writes; n > 0 {
		var lines []string
		for _, p := range w.processes {
			all := p.gate.writes(0)
			lines = append(lines, all[max(0, len(all)-n):]...)
		}
		w.wrong("I5: %d writes to Kubernetes in a steady state: %v; the last one of an instance: %s", n, lines, w.record.lastChange())
	}
	if w.sim.RequestCount() == reads && !w.over {
		w.wrong("I5: nothing was looked at in three intervals")
	}
}

// expiries are the times, in order, until which the instance keeps the terms of grants that ended early.
func (w *world) expiries() (out []time.Time) {
	for _, o := range w.stored() {
		if instance, ok := o.(*v1alpha1.AirflowInstance); ok {
			for _, entry := range instance.Status.Spent {
				out = append(out, entry.Until.Time)
			}
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	return out
}

// lastChange is what the newest version of an instance changed.
func (r *record) lastChange() string {
	var before, after *v1alpha1.AirflowInstance
	for _, v := range r.all() {
		if o, ok := v.object.(*v1alpha1.AirflowInstance); ok {
			before, after = after, o
		}
	}
	if before == nil {
		return ""
	}
	return cmp.Diff(before.Status, after.Status)
}

func last(requests []airflowtest.Request) string {
	r := requests[len(requests)-1]
	return r.Method + " " + r.Path + " " + r.Body
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
func (w *world) bounded() {
	w.t.Helper()
	requests := w.sim.Requests(nil)
	first := 0
	for i, r := range requests {
		for requests[first].At.Before(r.At.Add(-time.Minute)) {
			first++
		}
		if n := i - first + 1; n > maxRequests {
			w.wrong("I8: %d requests in the minute before %s", n, w.offset(r.At))
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

// maxRequests bounds the requests of a minute in these small worlds. A pass has at most some thirty: a token, what
// server it is, pages, and three for each of a few changes. While an ending is overdue there is one each five seconds.
const maxRequests = 600

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
