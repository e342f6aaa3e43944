package decision

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/dag"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// PolicyFacts is all that a decision about one policy depends on.
type PolicyFacts struct {
	// Now by our clock; Since is when this process began to look.
	Now, Since time.Time
	// Policy to decide about.
	Policy *v1alpha1.DagAccessPolicy
	// Instance that it names; nil where there is none.
	Instance *v1alpha1.AirflowInstance
	// View is what the last pass over that instance saw; nil before the first.
	View *PolicyView
	// Unended is the number of its grants that were activated and are not in a final phase.
	Unended int
	// Active is the number of its grants that were seen in Airflow.
	Active int
}

// PolicyView is what a pass saw and made of a policy.
type PolicyView struct {
	// Reachable is false when the pass could not observe or not finish. Err says why, without secrets.
	Reachable bool
	Err       string
	// ObservedAt is the time of the oldest look that the view rests on.
	ObservedAt time.Time
	// Generation of the policy that the pass read; 0 where it did not know the policy.
	Generation int64
	Desire     access.PolicyDesire
	Proof      access.PolicyProof
	// Failures of steps of its roles.
	Failures []string
	// Inventory is what is managed in that Airflow, of all policies.
	Inventory []v1alpha1.ManagedRole
}

// PolicyVerdict is what becomes of a policy.
type PolicyVerdict struct {
	// Conditions by type, status, reason and message, in the order in which they are stored.
	Conditions []metav1.Condition
	// Instances as they should be stored.
	Instances []v1alpha1.PolicyInstance
	// Entries are new lines of the story.
	Entries []Entry
	// NextAt is when time alone changes the verdict; zero where it never does.
	NextAt time.Time
	// Release is true when a policy that is being deleted may go.
	Release bool
}

// Policy decides what is said of one policy.
func Policy(f PolicyFacts) PolicyVerdict {
	d := &policyDraft{PolicyFacts: f}
	d.Instances = f.Policy.Status.Instances
	if f.Policy.DeletionTimestamp != nil {
		d.deleting()
		return d.PolicyVerdict
	}
	if f.Instance != nil && d.current() {
		d.count()
	}
	d.judge()
	return d.PolicyVerdict
}

type policyDraft struct {
	PolicyFacts
	PolicyVerdict
}

// ValidatePolicy says what in a policy's own text keeps it from being used; nil where nothing does.
func ValidatePolicy(p *v1alpha1.DagAccessPolicy) *access.Problem {
	if err := dag.Validate(p.Spec.Dags); err != nil {
		return &access.Problem{Reason: v1alpha1.ReasonInvalidSelector, Message: err.Error()}
	}
	terms := p.Spec.Grants
	if terms == nil {
		return nil
	}
	if terms.Reason != nil {
		if _, err := regexp.Compile(terms.Reason.Pattern); err != nil {
			return refuse(v1alpha1.ReasonInvalidPattern, "grants.reason.pattern is no regular expression (RE2), so no grant is admitted: correct it")
		}
	}
	if terms.NamespaceSelector != nil {
		if _, err := metav1.LabelSelectorAsSelector(terms.NamespaceSelector); err != nil {
			return refuse(v1alpha1.ReasonInvalidSelector, "grants.namespaceSelector cannot be understood, so no grant is admitted: correct it")
		}
	}
	return nil
}

// deleting decides whether a policy that is being deleted may go: its grants have ended and its roles are proved gone,
// or none was ever made, or nothing can be proved because its instance is gone or was given up.
func (d *policyDraft) deleting() {
	lost := d.Instance == nil || d.Instance.DeletionTimestamp != nil && d.Instance.Spec.Deletion == v1alpha1.InstanceDeletionAbandon
	s := state{ready: metav1.ConditionFalse}
	switch {
	case lost:
		d.Release = true
		s.word, s.message = v1alpha1.ReasonDeleting, "there is no AirflowInstance in which anything could be proved"
	case d.Unended > 0:
		s.word, s.message = v1alpha1.ReasonGrantsRemain, "it waits until its grants are proved gone from Airflow"
	case d.rolesRemain() || !d.current() && (d.View != nil && d.View.Reachable || !d.unreachable()):
		s.word, s.message = v1alpha1.ReasonRoleRemains, "it waits until its roles are proved gone from Airflow, or let go of"
	case !d.current():
		d.Release = true
		s.word, s.message = v1alpha1.ReasonDeleting, "Airflow could not be looked at, and no role of it was ever made there"
	default:
		d.Release = true
		s.word, s.message = v1alpha1.ReasonDeleting, "what it gave is proved gone from Airflow"
	}
	d.conclude(s)
}

// rolesRemain is true while the inventory holds a role of the policy that was not let go of, and is no empty one that
// Airflow cannot delete. An entry is stored before its role is made.
func (d *policyDraft) rolesRemain() bool {
	held := func(role v1alpha1.ManagedRole) bool {
		return role.PolicyUID == string(d.Policy.UID) && !role.Orphaned && !role.Retired
	}
	return d.View != nil && slices.ContainsFunc(d.View.Inventory, held) || slices.ContainsFunc(d.Instance.Status.ManagedRoles, held)
}

// current is true when a pass knew the policy as it is today.
func (d *policyDraft) current() bool {
	return d.View != nil && d.View.Generation == d.Policy.Generation
}

// judge says what is so.
func (d *policyDraft) judge() {
	if problem := ValidatePolicy(d.Policy); problem != nil {
		d.refused(problem)
		return
	}
	if d.Instance == nil {
		d.unready(v1alpha1.ReasonInstanceNotFound, fmt.Sprintf("there is no AirflowInstance %q in this namespace: create it, or correct instanceRef in a new policy", d.Policy.Spec.InstanceRef.Name))
		return
	}
	lastLook := d.Since
	if d.current() {
		lastLook = latest(lastLook, d.View.ObservedAt)
	}
	blind := lastLook.Add(2 * d.Instance.Interval())
	believed := d.Now.Before(blind) && (d.current() || d.keeps())
	if believed {
		d.NextAt = blind
	}
	switch {
	case !believed && (d.current() || d.keeps() || d.unreachable() || d.lastWord() == v1alpha1.ReasonInstanceNotReady):
		d.unready(v1alpha1.ReasonInstanceNotReady, "Airflow could not be looked at: see the conditions of the AirflowInstance")
	case !believed:
		d.unready(v1alpha1.ReasonProgressing, "the policy of today was not compared with Airflow yet")
	case !d.current():
		d.Conditions = d.Policy.Status.Conditions
	case d.View.Desire.Refused != nil:
		d.refused(d.View.Desire.Refused)
	default:
		d.seen()
	}
}

// unreachable is true when the last pass could not look, or the instance says why there is none.
func (d *policyDraft) unreachable() bool {
	if d.View != nil && !d.View.Reachable {
		return true
	}
	return slices.ContainsFunc(d.Instance.Status.Conditions, func(c metav1.Condition) bool {
		return c.Type == v1alpha1.ConditionReady && c.Status == metav1.ConditionFalse && c.Reason != v1alpha1.ReasonProgressing
	})
}

// keeps is true when the stored status belongs to today's policy and rests on a look at Airflow.
func (d *policyDraft) keeps() bool {
	switch d.lastWord() {
	case "", v1alpha1.ReasonInstanceNotFound, v1alpha1.ReasonInvalidPattern, v1alpha1.ReasonInvalidSelector, v1alpha1.ReasonProgressing, v1alpha1.ReasonInstanceNotReady:
		return false
	}
	return true
}

// lastWord is the reason of the stored Ready where it belongs to today's policy; else empty.
func (d *policyDraft) lastWord() string {
	if d.Policy.Status.ObservedGeneration != d.Policy.Generation {
		return ""
	}
	for _, c := range d.Policy.Status.Conditions {
		if c.Type == v1alpha1.ConditionReady {
			return c.Reason
		}
	}
	return ""
}

// seen says what a pass made of a policy that is not refused.
func (d *policyDraft) seen() {
	s := state{word: v1alpha1.ReasonReady, message: "Airflow stores exactly what is declared", ready: metav1.ConditionTrue}
	inSync := metav1.Condition{Type: v1alpha1.ConditionInSync, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonInSync, Message: s.message}
	if problem := d.difference(); problem != nil {
		inSync.Status, inSync.Reason, inSync.Message = metav1.ConditionFalse, problem.Reason, problem.Message
		s = state{word: problem.Reason, message: problem.Message, ready: metav1.ConditionFalse}
	}
	if least := d.View.Proof.LeastPrivilege; least.Reason == v1alpha1.ReasonWithheld && s.ready == metav1.ConditionTrue {
		s = state{word: least.Reason, message: least.Message, ready: metav1.ConditionFalse, warning: true}
	}
	if quietMode := d.quiet(); quietMode != nil {
		s = state{word: quietMode.Reason, message: quietMode.Message, ready: metav1.ConditionTrue}
	}
	conditions := []metav1.Condition{
		{Type: v1alpha1.ConditionAdmitted, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAdmitted, Message: "the instance allows this policy"},
		inSync,
		{Type: v1alpha1.ConditionLevelsSupported, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonLevelsSupported, Message: "this Airflow has everything that the levels stand for"},
	}
	if note := d.note(v1alpha1.ReasonLevelNotSupported); note != nil {
		conditions[2].Status, conditions[2].Reason, conditions[2].Message = metav1.ConditionFalse, note.Reason, note.Message
	}
	if least, told := leastPrivilege(d.View.Proof.LeastPrivilege); told {
		conditions = append(conditions, least)
		d.tellExcess(s, least)
	}
	if pending := d.View.Desire.Pending; len(pending) > 0 {
		conditions = append(conditions, metav1.Condition{
			Type: v1alpha1.ConditionDagsPending, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonDagsUnknown,
			Message: "Airflow does not know these DAGs yet, everything else is applied: " + text.List(pending, shown),
		})
	}
	if unresolved := d.View.Desire.Unresolved; len(unresolved) > 0 {
		message := unresolved[0].Message
		if len(unresolved) > 1 {
			message += fmt.Sprintf("; and %d more members", len(unresolved)-1)
		}
		conditions = append(conditions, metav1.Condition{
			Type: v1alpha1.ConditionMembersResolved, Status: metav1.ConditionFalse, Reason: unresolved[0].Reason, Message: message,
		})
	}
	d.conclude(s, conditions...)
}

// tellExcess tells of people who can do more than was given to them, when that is new.
func (d *policyDraft) tellExcess(s state, least metav1.Condition) {
	if least.Status == metav1.ConditionTrue || least.Reason == s.word {
		return
	}
	for _, c := range d.Policy.Status.Conditions {
		if c.Type == v1alpha1.ConditionLeastPrivilege && c.Reason == least.Reason {
			return
		}
	}
	d.Entries = append(d.Entries, Entry{Event: least.Reason, Message: least.Message, Warning: true})
}

// leastPrivilege is the condition of a finding, and whether there is one.
func leastPrivilege(finding access.Problem) (metav1.Condition, bool) {
	c := metav1.Condition{
		Type: v1alpha1.ConditionLeastPrivilege, Status: metav1.ConditionFalse, Reason: finding.Reason, Message: finding.Message,
	}
	if finding.Reason == v1alpha1.ReasonAsGranted {
		c.Status = metav1.ConditionTrue
	}
	return c, finding.Reason != ""
}

// difference says why Airflow does not store exactly what is declared; nil where it does.
func (d *policyDraft) difference() *access.Problem {
	for _, reason := range []string{v1alpha1.ReasonMassRevocationHeld, v1alpha1.ReasonAdoptionReported} {
		if note := d.note(reason); note != nil {
			return note
		}
	}
	if d.View.Proof.InSync {
		return nil
	}
	differences := append(slices.Clone(d.View.Failures), d.View.Proof.Differences...)
	if len(differences) == 0 {
		differences = []string{"it was not proved yet"}
	}
	return &access.Problem{Reason: v1alpha1.ReasonNotInSync, Message: text.List(differences, shown)}
}

// quiet says which mode that somebody chose keeps things as they are.
func (d *policyDraft) quiet() *access.Problem {
	switch {
	case d.Policy.Spec.State == v1alpha1.PolicySuspended:
		return refuse(v1alpha1.ReasonPolicySuspended, "the policy gives nothing new and repairs nothing; endings go on")
	case d.Instance.Spec.Mode == v1alpha1.ModeObserve:
		return refuse(v1alpha1.ReasonInstanceObserving, "the AirflowInstance only observes: see its status.plan; endings go on")
	case d.Instance.Spec.Mode == v1alpha1.ModeSuspended:
		return refuse(v1alpha1.ReasonInstanceSuspended, "the AirflowInstance is suspended; endings go on")
	}
	return nil
}

func (d *policyDraft) note(reason string) *access.Problem {
	for i := range d.View.Desire.Notes {
		if d.View.Desire.Notes[i].Reason == reason {
			return &d.View.Desire.Notes[i]
		}
	}
	return nil
}

func (d *policyDraft) refused(p *access.Problem) {
	d.conclude(state{word: p.Reason, message: p.Message, ready: metav1.ConditionFalse, stalled: true, warning: true},
		metav1.Condition{Type: v1alpha1.ConditionAdmitted, Status: metav1.ConditionFalse, Reason: p.Reason, Message: p.Message})
}

func (d *policyDraft) unready(reason, message string) {
	d.conclude(state{word: reason, message: message, ready: metav1.ConditionFalse, warning: reason != v1alpha1.ReasonProgressing})
}

// conclude writes Ready, its marker and the given conditions, and tells of the state when it is new.
func (d *policyDraft) conclude(s state, others ...metav1.Condition) {
	ready := metav1.Condition{Type: v1alpha1.ConditionReady, Status: s.ready, Reason: s.word, Message: s.message}
	d.Conditions = append(d.Conditions, ready)
	if s.ready != metav1.ConditionTrue {
		marker := ready
		marker.Type, marker.Status = v1alpha1.ConditionReconciling, metav1.ConditionTrue
		if s.stalled {
			marker.Type = v1alpha1.ConditionStalled
		}
		d.Conditions = append(d.Conditions, marker)
	}
	d.Conditions = append(d.Conditions, others...)
	for _, c := range d.Policy.Status.Conditions {
		if c.Type == v1alpha1.ConditionReady && c.Reason == s.word {
			return
		}
	}
	d.Entries = append(d.Entries, Entry{Event: s.word, Message: s.message, Warning: s.warning})
}

// number fits a count into the API's type.
func number(count int) int32 { return int32(max(0, min(count, math.MaxInt32))) }

// count says what was made of the policy. The time of the look stays while the numbers do.
func (d *policyDraft) count() {
	desire := d.View.Desire
	observedAt := metav1.NewTime(d.View.ObservedAt.Truncate(time.Second))
	entry := v1alpha1.PolicyInstance{
		Name: d.Instance.Name, Namespace: d.Instance.Namespace, Role: desire.Role,
		Dags: number(len(desire.Dags)), PendingDags: number(len(desire.Pending)), Permissions: number(desire.Permissions),
		Members: number(len(desire.Members)), ActiveGrants: number(d.Active),
	}
	synced := ""
	if len(d.Policy.Status.Instances) == 1 {
		last := d.Policy.Status.Instances[0]
		synced = last.SyncedDags
		same := last
		same.ObservedAt, same.SyncedDags = nil, ""
		if same == entry && last.ObservedAt != nil {
			observedAt = *last.ObservedAt
		}
	}
	if d.View.Proof.InSync {
		synced = dag.Digest(d.Policy.Spec.Dags)
	}
	entry.ObservedAt, entry.SyncedDags = &observedAt, synced
	d.Instances = []v1alpha1.PolicyInstance{entry}
}
