package faults_test

import (
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
)

// effective is I2: everybody who is there has what they should, when all is over.
func (w *world) effective() {
	w.t.Helper()
	objects := w.stored()
	soon := w.now().Add(max(5*time.Second, w.ahead))
	for _, c := range w.facts.causes() {
		lasts := c.due.IsZero() && c.origin != "foreign" && c.origin != "by hand" || c.due.After(soon)
		if _, exists := w.sim.UserRoles(c.person); !exists || !lasts {
			continue
		}
		for _, q := range w.questions() {
			if w.allows(c.permissions, q) && w.parsed(q.Dag, w.now()) && !w.sim.Allowed(c.person, q.Method, q.Entity, q.Dag) {
				w.wrong("I2: %s cannot %s, although %s gives it (%s)", c.person, describe(q), c.origin, reasonOf(objects, c.origin))
				break
			}
		}
	}
}

// atRest checks what the objects say when all is over: everything is Ready, no grant waits or is ending, and nothing that
// was deleted is still there. Only what people must mend may say so instead, by the reason that is expected of it.
func (w *world) atRest() {
	w.t.Helper()
	for _, o := range w.stored() {
		if o.GetDeletionTimestamp() != nil {
			w.wrong("rest: %T %s was deleted and is still there", o, o.GetName())
		}
		ready := metav1.Condition{}
		for _, c := range conditionsOf(o) {
			if c.Type == v1alpha1.ConditionReady {
				ready = c
			}
		}
		if want, expected := w.unwell[o.GetName()]; expected {
			if ready.Reason != want {
				w.wrong("rest: %T %s is %s/%s (%s), want the reason %s", o, o.GetName(), ready.Status, ready.Reason, ready.Message, want)
			}
			continue
		}
		grant, ok := o.(*v1alpha1.AccessGrant)
		if ok && w.facts.deleted(grant.Spec.PolicyRef.Name) && ready.Reason == v1alpha1.ReasonPolicyNotFound {
			continue
		}
		if ready.Status != metav1.ConditionTrue {
			w.wrong("rest: %T %s is not Ready: %s: %s", o, o.GetName(), ready.Reason, ready.Message)
		}
		if ok {
			w.comeToRest(grant, ready.Reason)
		}
	}
}

// comeToRest checks that a grant is active or over, but for people who are not there: theirs waits, and says so.
func (w *world) comeToRest(grant *v1alpha1.AccessGrant, why string) {
	w.t.Helper()
	if _, exists := w.sim.UserRoles(grant.Spec.Subject.Username); !exists && (why == v1alpha1.ReasonUserNotFound || why == v1alpha1.ReasonSubjectGone) {
		return
	}
	switch phase := grant.Status.Phase; phase {
	case v1alpha1.GrantExpired, v1alpha1.GrantRevoked:
	case v1alpha1.GrantActive:
		if !isTrue(grant.Status.Conditions, v1alpha1.ConditionActive) {
			w.wrong("rest: grant %s is in the phase Active and is not Active: %s", grant.Name, why)
		}
	case v1alpha1.GrantPending, v1alpha1.GrantScheduled, v1alpha1.GrantEnding:
		w.wrong("rest: grant %s is still %s: %s", grant.Name, phase, why)
	default:
		w.wrong("rest: nobody looked at grant %s", grant.Name)
	}
}

// leftovers checks that the roles in Airflow are those that live policies and grants need, and that the inventory names
// exactly them.
func (w *world) leftovers() {
	w.t.Helper()
	policies, inventory, claims := map[string]bool{}, map[string]v1alpha1.ManagedRole{}, map[string]bool{}
	for _, o := range w.stored() {
		switch x := o.(type) {
		case *v1alpha1.DagAccessPolicy:
			policies[string(x.UID)] = true
		case *v1alpha1.AirflowInstance:
			claims[rolename.Claim(string(x.UID))] = true
			for _, role := range x.Status.ManagedRoles {
				inventory[role.Name] = role
			}
		}
	}
	carriers := map[string]string{}
	for _, role := range w.sim.Roles() {
		entry, known := inventory[role.Name]
		delete(inventory, role.Name)
		switch {
		case !w.ours(role.Name):
		case claims[role.Name]:
			// The claim of an instance opens nothing, for nobody. A right that a server adds to every role opens nothing either.
			if holders := w.sim.Holders(role.Name); len(holders) > 0 {
				w.wrong("rest: the claim %s is held by %v", role.Name, holders)
			}
		case !known:
			w.wrong("rest: role %s is in Airflow and not in the inventory; its holders are %v", role.Name, w.sim.Holders(role.Name))
		case !policies[entry.PolicyUID]:
			w.wrong("rest: role %s stays without its policy; its holders are %v", role.Name, w.sim.Holders(role.Name))
		case entry.Retired:
			w.wrong("rest: role %s is retired, although it can be deleted; its holders are %v", role.Name, w.sim.Holders(role.Name))
		case entry.Kind == v1alpha1.ManagedRoleGrant && len(w.sim.Holders(role.Name)) == 0:
			w.wrong("rest: role %s of narrowed grants stays without holders", role.Name)
		case entry.Kind == v1alpha1.ManagedRolePolicy && carriers[entry.PolicyUID] != "":
			w.wrong("rest: roles %s and %s carry one policy", carriers[entry.PolicyUID], role.Name)
		case entry.Kind == v1alpha1.ManagedRolePolicy:
			carriers[entry.PolicyUID] = role.Name
		}
	}
	for _, name := range sortedKeys(inventory) {
		w.wrong("rest: role %s is in the inventory and not in Airflow", name)
	}
}

// conditionsOf gives the conditions of an object.
func conditionsOf(o client.Object) []metav1.Condition {
	switch x := o.(type) {
	case *v1alpha1.AirflowInstance:
		return x.Status.Conditions
	case *v1alpha1.DagAccessPolicy:
		return x.Status.Conditions
	case *v1alpha1.AccessGrant:
		return x.Status.Conditions
	}
	return nil
}

// parsed says whether Airflow knew the permissions of a DAG at a moment, where it has the DAG.
func (w *world) parsed(id string, at time.Time) bool {
	return !slices.ContainsFunc(w.unparsed[id], func(s stretch) bool { return !at.Before(s.from) && at.Before(s.to) })
}

// reasonOf is what the object of a cause says about being Ready.
func reasonOf(objects []client.Object, origin string) string {
	kind, rest, _ := strings.Cut(origin, " ")
	name, _, _ := strings.Cut(rest, " ")
	for _, o := range objects {
		_, isGrant := o.(*v1alpha1.AccessGrant)
		_, isPolicy := o.(*v1alpha1.DagAccessPolicy)
		if o.GetName() == name && (isGrant && kind == "grant" || isPolicy && kind == "policy") {
			for _, c := range conditionsOf(o) {
				if c.Type == v1alpha1.ConditionReady {
					return string(c.Status) + "/" + c.Reason
				}
			}
		}
	}
	return ""
}

// stable is I5: three more full comparisons write nothing, neither to Airflow nor to Kubernetes. I8 allows them pages.
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
	switch n := w.sim.RequestCount() - reads; {
	case n == 0 && !w.over:
		w.wrong("I5: nothing was looked at in three intervals")
	case n > 3*restRequests:
		w.wrong("I8: %d requests in three intervals in which nothing happens, want at most %d", n, 3*restRequests)
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
