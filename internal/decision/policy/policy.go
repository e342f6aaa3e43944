// Package policy decides what is reported of a DagAccessPolicy and when a deleted one may go: from the facts that were
// read to the status that should be stored.
package policy

import (
	"math"
	"regexp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/dag"
	"github.com/airflow-oam/airflow-oam/internal/decision"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// Verdict is what becomes of a policy.
type Verdict struct {
	decision.Verdict

	// Instances as they should be stored.
	Instances []v1alpha1.PolicyInstance
}

// Decide decides what is reported of one policy.
func Decide(facts Facts) Verdict {
	f, v := &facts, &Verdict{Instances: facts.Policy.Status.Instances}
	if f.Policy.DeletionTimestamp != nil {
		deleting(f, v)
	} else {
		v.Hold = true
		v.Instances = instances(f)
		judge(f, v)
		requests(f, v)
	}
	refer(f, v)
	return *v
}

// Validate says why a policy's own text cannot be used; nil where it can. It checks what the schema cannot: selectors of
// DAGs, the pattern for reasons, and the selector of namespaces.
func Validate(p *v1alpha1.DagAccessPolicy) *access.Problem {
	if err := dag.Validate(p.Spec.Dags); err != nil {
		return &access.Problem{Reason: v1alpha1.ReasonInvalidSelector, Message: err.Error()}
	}
	terms := p.Spec.Grants
	if terms == nil {
		return nil
	}
	if terms.Reason != nil {
		if _, err := regexp.Compile(terms.Reason.Pattern); err != nil {
			return decision.Problem(v1alpha1.ReasonInvalidPattern, "spec.grants.reason.pattern is not a regular expression (RE2), and no grant is admitted: correct it")
		}
	}
	if terms.NamespaceSelector != nil {
		if _, err := metav1.LabelSelectorAsSelector(terms.NamespaceSelector); err != nil {
			return decision.Problem(v1alpha1.ReasonInvalidSelector, "spec.grants.namespaceSelector is not a valid label selector, and no grant is admitted: correct it")
		}
	}
	return nil
}

// deleting decides whether a policy that is being deleted may go: its grants have ended and its roles are proved gone, or
// none was ever created, or nothing can be proved because its instance is gone or was abandoned.
func deleting(f *Facts, v *Verdict) {
	c := decision.Conclusion{State: decision.StateWorking, Reason: v1alpha1.ReasonDeleting}
	switch {
	case f.lost():
		v.Release = true
		c.Message = "there is no AirflowInstance in which a removal could be confirmed"
	case f.Unended > 0:
		c.Reason, c.Message = v1alpha1.ReasonGrantsRemain, "the policy is deleted once the removal of its grants from Airflow is confirmed"
	case f.rolesRemain():
		c.Reason, c.Message = v1alpha1.ReasonRoleRemains, awaitsRoles
	case f.current() != nil:
		v.Release = true
		c.Message = "the policy's roles are confirmed to be deleted from Airflow, or left there as spec.deletion asks"
	case f.awaited():
		c.Reason, c.Message = v1alpha1.ReasonRoleRemains, awaitsRoles
	default:
		v.Release = true
		c.Message = "Airflow cannot be observed, and no role of the policy was ever created there"
	}
	conclude(f, v, c)
}

// awaitsRoles is the message of a policy that is being deleted and has roles in Airflow.
const awaitsRoles = "the policy is deleted once the removal of its roles from Airflow is confirmed, or they are left there as spec.deletion asks"

// judge reports what is so. What was stored stays until a pass reports on the policy of today, for as long as the last
// observation is recent enough to believe.
func judge(f *Facts, v *Verdict) {
	if problem := Validate(f.Policy); problem != nil {
		refuse(f, v, problem)
		return
	}
	if f.Instance == nil {
		unready(f, v, decision.Problem(v1alpha1.ReasonInstanceNotFound,
			"the AirflowInstance %q does not exist in this namespace: create it, or correct spec.instanceRef in a new policy", f.Policy.InstanceKey().Name))
		return
	}
	view, blind := f.current(), f.blind()
	switch {
	case view == nil && !f.retained():
		unready(f, v, unobserved(f))
		return
	case !f.Now.Before(blind):
		unready(f, v, notReady())
		return
	}
	v.NextAt = blind
	switch {
	case view == nil:
		v.Conditions = f.Policy.Status.Conditions
	case view.Report.Desire.Refused != nil:
		refuse(f, v, view.Report.Desire.Refused)
	default:
		report(f, v, view)
	}
}

// unobserved says why nothing is known about the policy of today.
func unobserved(f *Facts) *access.Problem {
	if f.failed() || f.lastReason() == v1alpha1.ReasonInstanceNotReady {
		return notReady()
	}
	return decision.Problem(v1alpha1.ReasonProgressing, "the policy was created or changed and not compared with Airflow yet: the next pass does it")
}

func notReady() *access.Problem {
	return decision.Problem(v1alpha1.ReasonInstanceNotReady, "Airflow was not observed: see the conditions of the AirflowInstance")
}

// report reports what a pass made of a policy that is not refused: Ready from the conclusion, InSync from the comparison
// with Airflow, and a condition for each part that could not be applied.
func report(f *Facts, v *Verdict, view *View) {
	problem := difference(view)
	inSync := decision.Condition(v1alpha1.ConditionInSync, metav1.ConditionTrue, access.Problem{Reason: v1alpha1.ReasonInSync, Message: asDeclared})
	if problem != nil {
		inSync = decision.Condition(v1alpha1.ConditionInSync, metav1.ConditionFalse, *problem)
	}
	least := decision.LeastPrivilege(view.Report.Proof.LeastPrivilege)
	c := conclusion(f, view, problem)
	v.Record(decision.Excess(f.Policy.Status.Conditions, least, c)...)
	conclude(f, v, c, slices.Concat([]metav1.Condition{
		decision.Condition(v1alpha1.ConditionAdmitted, metav1.ConditionTrue,
			access.Problem{Reason: v1alpha1.ReasonAdmitted, Message: "the AirflowInstance allows this policy"}),
		inSync,
		levels(view),
	}, least, dags(f, v, view), members(view))...)
}

const asDeclared = "Airflow stores exactly what is declared"

// conclusion is the state of a policy that is not refused. A mode that a user chose comes before what it leaves undone.
func conclusion(f *Facts, view *View, problem *access.Problem) decision.Conclusion {
	if paused := decision.PausedBy(f.Policy, f.Instance); paused != nil {
		return decision.Conclusion{State: decision.StateSettled, Reason: paused.Reason,
			Message: paused.What + ": nothing new is granted and nothing is repaired, endings go on: " + paused.Remedy}
	}
	if problem != nil {
		held := problem.Reason == v1alpha1.ReasonMassRevocationHeld // a user has to act, or access goes
		return decision.Conclusion{State: decision.StateWorking, Reason: problem.Reason, Message: problem.Message, Warning: held}
	}
	if least := view.Report.Proof.LeastPrivilege; least.Reason == v1alpha1.ReasonWithheld {
		return decision.Conclusion{State: decision.StateWorking, Reason: least.Reason, Message: least.Message, Warning: true}
	}
	return decision.Conclusion{State: decision.StateSettled, Reason: v1alpha1.ReasonReady, Message: asDeclared}
}

// difference says why Airflow does not store exactly what is declared; nil where it does. A loss of access that is held and
// a role that is only reported come before other differences, because they wait for a user.
func difference(view *View) *access.Problem {
	for _, reason := range []string{v1alpha1.ReasonMassRevocationHeld, v1alpha1.ReasonAdoptionReported, v1alpha1.ReasonDagListUnreadable} {
		if note := noteOf(view, reason); note != nil {
			return note
		}
	}
	if view.Report.Proof.InSync {
		return nil
	}
	if view.Report.Refusal != nil {
		return view.Report.Refusal
	}
	differences := slices.Concat(view.Report.Failures, view.Report.Proof.Differences)
	if len(differences) == 0 {
		differences = []string{"not confirmed in Airflow yet"}
	}
	return &access.Problem{Reason: v1alpha1.ReasonNotInSync, Message: text.List(differences, decision.Shown)}
}

// noteOf is the note of a pass that has a reason; nil where there is none.
func noteOf(view *View, reason string) *access.Problem {
	notes := view.Report.Desire.Notes
	at := slices.IndexFunc(notes, func(note access.Problem) bool { return note.Reason == reason })
	if at < 0 {
		return nil
	}
	return &notes[at]
}

// levels is the condition that reports whether Airflow has everything that the access levels stand for.
func levels(view *View) metav1.Condition {
	if note := noteOf(view, v1alpha1.ReasonLevelNotSupported); note != nil {
		return decision.Condition(v1alpha1.ConditionLevelsSupported, metav1.ConditionFalse, *note)
	}
	return decision.Condition(v1alpha1.ConditionLevelsSupported, metav1.ConditionTrue,
		access.Problem{Reason: v1alpha1.ReasonLevelsSupported, Message: "this Airflow supports every access level of the policy"})
}

// members is the condition of a policy some of whose standing members were not found.
func members(view *View) []metav1.Condition {
	unresolved := view.Report.Desire.Unresolved
	if len(unresolved) == 0 {
		return nil
	}
	first := unresolved[0]
	if len(unresolved) > 1 {
		first.Message += "; and " + text.Count(len(unresolved)-1, "more member")
	}
	return []metav1.Condition{decision.Condition(v1alpha1.ConditionMembersResolved, metav1.ConditionFalse, first)}
}

// refuse reports a policy that grants nothing until a user changes something.
func refuse(f *Facts, v *Verdict, p *access.Problem) {
	conclude(f, v, decision.Conclusion{State: decision.StateStalled, Reason: p.Reason, Message: p.Message, Warning: true},
		decision.Condition(v1alpha1.ConditionAdmitted, metav1.ConditionFalse, *p))
}

// unready reports a policy about which nothing is known from Airflow at present. Only a first pass that is under way is no
// reason for a warning.
func unready(f *Facts, v *Verdict, p *access.Problem) {
	conclude(f, v, decision.Conclusion{
		State: decision.StateWorking, Reason: p.Reason, Message: p.Message, Warning: p.Reason != v1alpha1.ReasonProgressing,
	})
}

// conclude writes the conditions, and the entry of a state that is new.
func conclude(f *Facts, v *Verdict, c decision.Conclusion, others ...metav1.Condition) {
	v.Conditions = append(c.Conditions(), others...)
	v.Record(c.News(f.Policy.Status.Conditions)...)
}

// refer adds to every entry the instance and the role that the policy is about.
func refer(f *Facts, v *Verdict) {
	var about []decision.Reference
	if f.Instance != nil {
		about = append(about, decision.ToInstance(f.Instance))
	}
	for _, in := range v.Instances {
		if in.Role != "" {
			about = append(about, decision.ToRole(in.Role))
		}
	}
	for i := range v.Entries {
		v.Entries[i].References = about
	}
}

// number fits a count into the API's type.
func number(count int) int32 { return int32(max(0, min(count, math.MaxInt32))) }

// instances reports what a pass made of the policy in its instance; without a pass that knew the policy of today it is
// what is stored. The time of the observation stays while the numbers do.
func instances(f *Facts) []v1alpha1.PolicyInstance {
	view := f.current()
	if f.Instance == nil || view == nil {
		return f.Policy.Status.Instances
	}
	desire := view.Report.Desire
	entry := v1alpha1.PolicyInstance{
		Name: f.Instance.Name, Namespace: f.Instance.Namespace, Role: desire.Role,
		Dags: number(len(desire.Dags) + len(desire.Away)), PendingDags: number(len(desire.Pending)), Permissions: number(desire.Permissions),
		Members: number(len(desire.Members)), ActiveGrants: number(f.Active),
	}
	observedAt, synced := metav1.NewTime(decision.Latest(view.ObservedAt, view.FinishedAt).Truncate(time.Second)), ""
	if len(f.Policy.Status.Instances) == 1 {
		last := f.Policy.Status.Instances[0]
		synced = last.SyncedDags
		if last.ObservedAt != nil {
			same := last
			same.ObservedAt, same.SyncedDags = nil, ""
			if same == entry {
				observedAt = *last.ObservedAt
			}
		}
	}
	if view.Report.Proof.InSync {
		synced = dag.Digest(f.Policy.Spec.Dags)
	}
	entry.ObservedAt, entry.SyncedDags = &observedAt, synced
	return []v1alpha1.PolicyInstance{entry}
}
