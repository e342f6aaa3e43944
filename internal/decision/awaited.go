package decision

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// awaited decides about a grant that was not activated: it ends, is refused, waits, or is activated.
func (d *draft) awaited() {
	if d.Grant.DeletionTimestamp != nil {
		d.Phase = v1alpha1.GrantPending
		d.conclude(state{
			word: v1alpha1.ReasonDeleting, message: "it was never given",
			ready: metav1.ConditionFalse, active: metav1.ConditionFalse,
		}, admission{metav1.ConditionFalse, v1alpha1.ReasonDeleting, "it is being deleted"})
		return
	}
	if reason := d.endUnused(); reason != "" {
		d.finish(reason)
		return
	}
	d.NextAt = d.lastCall()
	if refusal := d.refusal(); refusal != nil {
		d.refuse(*refusal)
		return
	}
	if start := d.start(); d.Now.Before(start) {
		d.Phase = v1alpha1.GrantScheduled
		d.NextAt = earliest(d.NextAt, start)
		d.pause(v1alpha1.ReasonScheduled, "it starts at the time in spec.startsAt")
		return
	}
	user, wait := d.obstacle()
	if wait == nil {
		d.activate(user)
		return
	}
	d.Awaiting = true
	deadline := d.deadline()
	if !d.Now.Before(deadline) {
		d.finish(v1alpha1.EndNeverActivated)
		return
	}
	d.NextAt = earliest(d.NextAt, deadline)
	d.Phase = v1alpha1.GrantPending
	if quiet[wait.Reason] {
		d.pause(wait.Reason, wait.Message)
		return
	}
	s := state{word: wait.Reason, message: wait.Message, ready: metav1.ConditionFalse, active: metav1.ConditionFalse}
	d.announce(s)
	d.conclude(s, admitted)
}

// start is when every clock says that the grant may begin; zero where it may at any time.
func (d *draft) start() time.Time {
	switch at := d.Grant.Spec.StartsAt; {
	case at == nil:
		return time.Time{}
	case d.Sight != nil:
		return at.Add(d.Sight.Behind)
	default:
		return at.Time
	}
}

// quiet are the reasons of waits in which everything is as it should be: people, or a mode that somebody chose.
var quiet = map[string]bool{
	v1alpha1.ReasonUserNotFound:       true,
	v1alpha1.ReasonDagPending:         true,
	v1alpha1.ReasonPolicySuspended:    true,
	v1alpha1.ReasonInstanceObserving:  true,
	v1alpha1.ReasonInstanceSuspended:  true,
	v1alpha1.ReasonAdoptionReported:   true,
	v1alpha1.ReasonMassRevocationHeld: true,
}

// pause is a wait that is no fault.
func (d *draft) pause(reason, message string) {
	s := state{word: reason, message: message, ready: metav1.ConditionTrue, active: metav1.ConditionFalse}
	d.announce(s)
	d.conclude(s, admitted)
}

// refuse keeps a grant that may not have what it asks for, until something changes.
func (d *draft) refuse(p access.Problem) {
	d.Phase, d.Awaiting = v1alpha1.GrantPending, true
	s := state{
		word: p.Reason, message: p.Message, warning: true,
		ready: metav1.ConditionFalse, stalled: p.Reason != v1alpha1.ReasonPolicyNotFound, active: metav1.ConditionFalse,
	}
	d.announce(s)
	d.conclude(s, admission{metav1.ConditionFalse, p.Reason, p.Message})
}

// endUnused gives the reason for which a grant ends without having been given.
func (d *draft) endUnused() v1alpha1.EndReason {
	if d.Grant.Spec.Revoke != nil {
		return v1alpha1.EndRevoked
	}
	if d.alreadySpent() {
		return v1alpha1.EndAlreadySpent
	}
	if over := d.lastCall(); !over.IsZero() && !d.Now.Before(over) {
		return v1alpha1.EndNeverActivated
	}
	return ""
}

// alreadySpent is true when a twin with the same terms was ended early and deleted, and its time is not over.
func (d *draft) alreadySpent() bool {
	if d.Instance == nil || len(d.Instance.Status.Spent) == 0 {
		return false
	}
	digest := Digest(d.Grant)
	return slices.ContainsFunc(d.Instance.Status.Spent, func(spent v1alpha1.SpentGrant) bool {
		return spent.Digest == digest && d.Now.Before(spent.Until.Time)
	})
}

// lastCall is when it is too late to give the grant, whatever happens; zero where its time only counts from activation.
func (d *draft) lastCall() time.Time {
	spec := &d.Grant.Spec
	if spec.ExpiresAt == nil && spec.StartsAt == nil {
		return time.Time{}
	}
	return d.removal(d.Grant.AskedEnd(d.Grant.Begin()))
}

// deadline is when a wait is over.
func (d *draft) deadline() time.Time {
	wait := d.Policy.Spec.Grants.ActivateWithin.Duration
	if wait <= 0 {
		wait = 24 * time.Hour
	}
	deadline := d.Grant.Begin().Add(wait)
	switch {
	case d.Sight == nil || !d.Sight.Reachable:
		// We were away, or Airflow was: the first good look decides, if it comes soon.
		deadline = latest(deadline, d.Since.Add(d.Instance.Interval()))
	case d.uncompared():
		// The policy was changed a moment ago. What it allows now has a pass before it.
		deadline = latest(deadline, d.Now.Add(d.Instance.Interval()))
	}
	return deadline
}

// uncompared is true until a pass over the instance knew the policy of today.
func (d *draft) uncompared() bool {
	return d.Sight.Policy == nil || d.Sight.Policy.Generation != d.Policy.Generation
}

// obstacle gives the user to whom the grant is given, or what it waits for.
func (d *draft) obstacle() (access.User, *access.Problem) {
	none := access.User{}
	problem := func(reason, message string) (access.User, *access.Problem) {
		return none, &access.Problem{Reason: reason, Message: message}
	}
	switch {
	case d.Instance == nil:
		return problem(v1alpha1.ReasonInstanceNotFound, fmt.Sprintf("the AirflowInstance %q of its policy does not exist", d.Policy.Spec.InstanceRef.Name))
	case d.Instance.DeletionTimestamp != nil:
		return problem(v1alpha1.ReasonInstanceNotReady, "the AirflowInstance of its policy is being deleted")
	case d.Instance.Spec.Mode == v1alpha1.ModeObserve:
		return problem(v1alpha1.ReasonInstanceObserving, "the AirflowInstance is in mode Observe, which gives nothing: set mode: Enforce there")
	case d.Instance.Spec.Mode == v1alpha1.ModeSuspended:
		return problem(v1alpha1.ReasonInstanceSuspended, "the AirflowInstance is in mode Suspended, which gives nothing: set mode: Enforce there")
	case d.Policy.Spec.State == v1alpha1.PolicySuspended:
		return problem(v1alpha1.ReasonPolicySuspended, "the policy is suspended, which gives nothing new: set state: Active there")
	case d.Sight == nil || d.Sight.Users == nil || !d.Sight.Reachable:
		return problem(v1alpha1.ReasonInstanceNotReady, "Airflow could not be looked at yet: see the conditions of the AirflowInstance")
	case !d.Sight.StartsAllowed:
		return problem(v1alpha1.ReasonInstanceNotReady, "nothing is given in this Airflow at present: the conditions of the AirflowInstance say why")
	case d.uncompared():
		return problem(v1alpha1.ReasonInstanceNotReady, "the policy of today was not compared with Airflow yet")
	}
	user, unresolved := d.Sight.Users.Resolve(d.Grant.Spec.Subject)
	if unresolved != nil {
		return none, unresolved
	}
	if missing := d.absentDags(); len(missing) > 0 {
		return problem(v1alpha1.ReasonDagPending, "Airflow does not list "+text.List(missing, shown)+" yet")
	}
	return user, nil
}

// activate pins all that is needed to end the grant.
func (d *draft) activate(user access.User) {
	at := d.Now.Truncate(time.Second)
	expires := d.Grant.AskedEnd(at)
	if bound := at.Add(d.Policy.Spec.Grants.MaxDuration.Duration); bound.Before(expires) {
		expires = bound
	}
	a := &v1alpha1.Activation{At: metav1.NewTime(at), ExpiresAt: metav1.NewTime(expires.Truncate(time.Second))}
	a.Access = append(a.Access, d.Policy.Spec.Access...)
	if len(d.Grant.Spec.Access) > 0 {
		a.Access = append([]v1alpha1.AccessLevel(nil), d.Grant.Spec.Access...)
	}
	a.Dags = append(a.Dags, d.Grant.Spec.Dags...)
	if len(d.Grant.Spec.Access) == 0 && len(d.Grant.Spec.Dags) == 0 {
		a.AirflowPermissions = append(a.AirflowPermissions, d.Policy.Spec.AirflowPermissions...)
	}
	a.Instances = []v1alpha1.GrantInstance{{
		Name: d.Instance.Name, Namespace: d.Instance.Namespace, UID: string(d.Instance.UID),
		Endpoint: d.Sight.Endpoint, Username: user.Username, UserCreatedOn: user.CreatedOn,
	}}
	a.Instances[0].Role = rolename.OfActivation(d.Instance, d.Policy, a)
	d.Activation, d.Hold, d.Phase = a, true, v1alpha1.GrantPending
	s := activating
	d.tell(s.word, s.message, false)
	d.conclude(s, admitted)
	d.NextAt = d.removal(a.ExpiresAt.Time)
}

var activating = state{
	word: v1alpha1.ReasonActivating, message: "it is being written to Airflow",
	ready: metav1.ConditionFalse, active: metav1.ConditionFalse, inSync: metav1.ConditionFalse,
}
