package grant

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/decision"
	"github.com/airflow-oam/airflow-oam/internal/decision/admission"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// wait decides about a grant that was not activated: it ends unused, is refused, waits, or is activated.
func wait(f *Facts, v *Verdict) {
	v.Phase = v1alpha1.GrantPending
	if f.Grant.DeletionTimestamp != nil {
		v.conclude(decision.Conclusion{
			State: decision.StatePreparing, Reason: v1alpha1.ReasonDeleting, Message: "the grant was not activated and is being deleted",
		}, notAdmitted(access.Problem{Reason: v1alpha1.ReasonDeleting, Message: "the grant is being deleted"}))
		return
	}
	if reason := endUnused(f); reason != "" {
		finish(f, v, reason)
		return
	}
	v.NextAt = lastCall(f)
	if p := refusal(f); p != nil {
		refuse(f, v, *p)
		return
	}
	if begin := start(f); !f.reached(begin) {
		v.Phase = v1alpha1.GrantScheduled
		v.Before(begin)
		pause(f, v, access.Problem{Reason: v1alpha1.ReasonScheduled, Message: "the grant starts at spec.startsAt"})
		return
	}
	user, why := obstacle(f)
	if why == nil {
		activate(f, v, user)
		return
	}
	v.Awaiting = true
	over := deadline(f)
	if f.reached(over) {
		finish(f, v, v1alpha1.EndNeverActivated)
		return
	}
	v.Before(over)
	waits := *why
	waits.Message += "; if that lasts until " + announced(f).UTC().Format(time.RFC3339) + ", the grant ends unused"
	pause(f, v, waits)
}

// announced is the deadline of a wait as users are told: what only delays the end of the wait is left out, so that the text
// stays the same.
func announced(f *Facts) time.Time { return decision.Earliest(planned(f), lastCall(f)) }

// endUnused returns the reason for which a grant ends without having been activated; empty where it does not end.
func endUnused(f *Facts) v1alpha1.EndReason {
	switch {
	case f.Grant.Spec.Revoke != nil:
		return v1alpha1.EndRevoked
	case f.withdrawn():
		return v1alpha1.EndWithdrawn
	case spentBefore(f):
		return v1alpha1.EndAlreadySpent
	}
	over := lastCall(f)
	if !over.IsZero() && f.reached(over) {
		return v1alpha1.EndNeverActivated
	}
	return ""
}

// spentBefore reports whether a twin with the same terms was ended early and deleted, and its time is not over.
func spentBefore(f *Facts) bool {
	if f.Instance == nil || len(f.Instance.Status.Spent) == 0 || isNewDecision(f.Grant) {
		return false
	}
	digest := Digest(f.Grant)
	return slices.ContainsFunc(f.Instance.Status.Spent, func(spent v1alpha1.SpentGrant) bool {
		return spent.Digest == digest && !f.reached(spent.Until.Time)
	})
}

// isNewDecision reports whether a grant that has the terms of another one is a new grant all the same: its time counts from
// activation, and neither a tool that creates objects again nor a backup made it.
func isNewDecision(g *v1alpha1.AccessGrant) bool {
	return g.Spec.ExpiresAt == nil && !isCopy(g) && !decision.Tracked(g)
}

// isCopy reports whether a grant was copied from one that was activated.
func isCopy(g *v1alpha1.AccessGrant) bool {
	as, marked := g.Annotations[v1alpha1.GivenAsAnnotation]
	return marked && as != string(g.UID)
}

// lastCall is when it is too late to activate the grant, whatever happens; zero where its time only counts from activation.
func lastCall(f *Facts) time.Time {
	if f.Grant.Spec.ExpiresAt == nil && f.Grant.Spec.StartsAt == nil {
		return time.Time{}
	}
	return f.removal(f.Grant.AskedEnd(f.Grant.Begin()))
}

// start is when every clock says that the grant may begin; zero where it may at any time.
func start(f *Facts) time.Time {
	switch at := f.Grant.Spec.StartsAt; {
	case at == nil:
		return time.Time{}
	case f.Observed == nil:
		return at.Time
	default:
		return at.Add(f.Observed.Behind)
	}
}

// refusal says why the grant may not have what it asks for; nil where it may. The two rules that only grants have come before
// those of admission: the object must be the grant itself, and its policy must be there.
func refusal(f *Facts) *access.Problem {
	if isCopy(f.Grant) {
		return decision.Problem(v1alpha1.ReasonAlreadyGiven,
			"this is a copy, made from a backup or by hand, of a grant that was activated: create a new grant, or remove the annotation %s to activate this one",
			v1alpha1.GivenAsAnnotation)
	}
	if f.policyGone() {
		return decision.Problem(v1alpha1.ReasonPolicyNotFound,
			"the DagAccessPolicy %s does not exist or is being deleted: create it, or create a grant of another policy", f.Grant.PolicyKey())
	}
	return admission.Refusal(asked(f))
}

// asked is what the grant asks for, in the words of admission. A duration counts as it is written, wherever the start is,
// and the start counts from the creation, so that the answer does not change with time.
func asked(f *Facts) admission.Asked {
	spec, begin := f.Grant.Spec, f.Grant.Begin()
	a := admission.Asked{
		Policy: f.Policy, Namespace: f.Grant.Namespace, NamespaceAllowed: f.NamespaceAllowed,
		Subject: spec.Subject, Access: spec.Access, Dags: spec.Dags, Reason: spec.Reason,
		Length: f.Grant.AskedEnd(begin).Sub(begin), Ahead: begin.Sub(f.Grant.CreationTimestamp.Time),
		CacheTTL: f.CacheTTL, Observed: f.Observed,
	}
	if spec.Duration != nil {
		a.Length = spec.Duration.Duration
	}
	return a
}

// refuse retains a grant that may not have what it asks for, until something changes. A policy that is not there may come
// without a change of the grant.
func refuse(f *Facts, v *Verdict, p access.Problem) {
	v.Awaiting = true
	c := decision.Conclusion{State: decision.StateRefused, Reason: p.Reason, Message: p.Message, Warning: true}
	if p.Reason == v1alpha1.ReasonPolicyNotFound {
		c.State = decision.StatePreparing
	}
	v.Record(c.News(f.Grant.Status.Conditions)...)
	v.conclude(c, notAdmitted(p))
}

// intended are the reasons for which a grant is not in Airflow while everything is as it should be: it waits for a user, or
// for the end of a mode that a user chose.
var intended = sets.New(
	v1alpha1.ReasonScheduled, v1alpha1.ReasonUserNotFound, v1alpha1.ReasonSubjectGone, v1alpha1.ReasonDagPending, v1alpha1.ReasonPolicySuspended,
	v1alpha1.ReasonInstanceObserving, v1alpha1.ReasonInstanceSuspended, v1alpha1.ReasonAdoptionReported, v1alpha1.ReasonMassRevocationHeld,
)

// pause is the state of an admitted grant that waits: as intended, or for something that the operator works towards.
func pause(f *Facts, v *Verdict, p access.Problem) {
	c := decision.Conclusion{State: decision.StatePreparing, Reason: p.Reason, Message: p.Message}
	if intended.Has(p.Reason) {
		c.State = decision.StateWaiting
	}
	v.Record(c.News(f.Grant.Status.Conditions)...)
	v.conclude(c, admitted(allowed))
}

// deadline is when a wait is over: spec.grants.activateWithin of the policy after the grant's start, but not before an
// observation has had the chance to find what the grant waits for.
func deadline(f *Facts) time.Time {
	planned := planned(f)
	switch {
	case f.Observed == nil, !f.Observed.Reachable:
		// The operator was away, or Airflow was: the first observation decides, if it comes soon.
		return decision.Latest(planned, f.Since.Add(f.Instance.Interval()))
	case f.Observed.Current(f.Policy) == nil:
		// The policy was changed a moment ago. A pass comes before what it allows now.
		return decision.Latest(planned, f.Now.Add(f.Instance.Interval()))
	}
	return planned
}

// planned is spec.grants.activateWithin of the policy after the grant's start.
func planned(f *Facts) time.Time {
	return f.Grant.Begin().Add(f.Policy.ActivationTime())
}

// obstacle returns the Airflow user for whom the grant is activated, or what the grant waits for.
func obstacle(f *Facts) (access.User, *access.Problem) {
	for _, find := range []func(*Facts) *access.Problem{instanceObstacle, modeObstacle, passObstacle} {
		if p := find(f); p != nil {
			return access.User{}, p
		}
	}
	user, unresolved := f.Observed.Users.Resolve(f.Grant.Spec.Subject)
	if unresolved != nil {
		return access.User{}, unresolved
	}
	if unlisted := admission.Absent(f.Observed.Dags, f.Grant.Spec.Dags); len(unlisted) > 0 {
		return access.User{}, decision.Problem(v1alpha1.ReasonDagPending, "Airflow does not list DAG %s yet: the grant is activated when it does",
			text.List(unlisted, decision.Shown))
	}
	return user, nil
}

// instanceObstacle asks whether there is an instance in which the grant can be activated.
func instanceObstacle(f *Facts) *access.Problem {
	switch {
	case f.Instance == nil:
		return decision.Problem(v1alpha1.ReasonInstanceNotFound, "the AirflowInstance %q of the policy does not exist: create it", f.Policy.InstanceKey().Name)
	case f.Instance.DeletionTimestamp != nil:
		return decision.Problem(v1alpha1.ReasonInstanceNotReady, "the AirflowInstance of the policy is being deleted: create a grant of another policy")
	}
	return nil
}

// modeObstacle asks for a mode in which nothing is granted.
func modeObstacle(f *Facts) *access.Problem {
	paused := decision.PausedBy(f.Policy, f.Instance)
	if paused == nil {
		return nil
	}
	return decision.Problem(paused.Reason, "the grant is not activated while %s: %s", paused.What, paused.Remedy)
}

// passObstacle asks whether a pass has compared the policy of today with Airflow and may grant something.
func passObstacle(f *Facts) *access.Problem {
	switch {
	case !f.Observed.Usable():
		return decision.Problem(v1alpha1.ReasonInstanceNotReady, "Airflow was not observed yet: see the conditions of the AirflowInstance")
	case !f.Observed.Giving.All():
		return decision.Problem(v1alpha1.ReasonInstanceNotReady, "no access is granted in this Airflow at present: see the conditions of the AirflowInstance")
	case f.Observed.Current(f.Policy) == nil:
		return decision.Problem(v1alpha1.ReasonInstanceNotReady, "the policy was changed and not compared with Airflow yet: the next pass does it")
	}
	return nil
}

// activate pins everything that is needed to end the grant, whatever becomes of its policy, its user and its instance
// afterwards. The verdict is stored, with the finalizer, before the first write to Airflow.
func activate(f *Facts, v *Verdict, user access.User) {
	at := f.now()
	expires := decision.Earliest(f.Grant.AskedEnd(at), at.Add(f.Policy.Spec.Grants.MaxDuration.Duration))
	a := &v1alpha1.Activation{
		At: metav1.NewTime(at), ExpiresAt: metav1.NewTime(expires.Truncate(time.Second)),
		Access: slices.Clone(f.Policy.Spec.Access), Dags: slices.Clone(f.Grant.Spec.Dags),
	}
	switch {
	case len(f.Grant.Spec.Access) > 0:
		a.Access = slices.Clone(f.Grant.Spec.Access)
	case len(f.Grant.Spec.Dags) == 0: // what is narrowed has no global permissions
		a.AirflowPermissions = slices.Clone(f.Policy.Spec.AirflowPermissions)
	}
	a.Instances = []v1alpha1.GrantInstance{{
		Name: f.Instance.Name, Namespace: f.Instance.Namespace, UID: string(f.Instance.UID), Endpoint: f.Observed.Endpoint,
		Username: user.Username, UserCreatedOn: user.CreatedOn, Role: rolename.OfActivation(f.Instance, f.Policy, a),
	}}
	v.Activation, v.Hold = a, true
	v.NextAt = f.removal(a.ExpiresAt.Time)
	c := activating()
	v.Record(acted(c.Reason, c.Message))
	v.conclude(c, admitted(allowed))
}

// activating is the state of an activated grant until a pass reports.
func activating() decision.Conclusion {
	return decision.Conclusion{State: decision.StateApplying, Reason: v1alpha1.ReasonActivating, Message: "the access is being written to Airflow"}
}
