package request

import (
	"cmp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/decision"
	"github.com/airflow-oam/airflow-oam/internal/decision/admission"
	"github.com/airflow-oam/airflow-oam/internal/rule"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// maxOpen is how many pending requests one requester may have in a namespace.
const maxOpen = 10

// admit pins the terms under which the request is decided, and reports whether it did. This comes before anybody can vote:
// the API server accepts votes only of those whom the pinned terms name. A request that a rule denies is decided here.
func admit(f *Facts, v *Verdict) bool {
	terms, why := propose(f)
	if why == nil {
		why = premature(f, terms)
	}
	if why != nil {
		wait(f, v, *why)
		return false
	}
	fits, why := fitting(f, terms)
	if why != nil {
		wait(f, v, *why)
		return false
	}
	if !proved(f, v) {
		return false
	}
	terms.Approvals = f.terms().Needed()
	if fits != nil {
		terms.Rule = fits.Name
	}
	if fits != nil && fits.Approvals != nil {
		terms.Approvals = *fits.Approvals
	}
	if f.Request.Spec.Emergency {
		terms.Approvals = 0
	}
	if who := approvers(f.Policy, f.Instance, f.Observed, terms.Dags); who != nil { // always, of what was observed
		terms.Approvers = *who
	}
	v.Status.Terms = terms
	if fits != nil && fits.Deny != "" {
		finish(f, v, v1alpha1.RequestDecision{Outcome: v1alpha1.RequestDenied, Reason: v1alpha1.ReasonDeniedByRule, Message: fits.Deny})
		return false
	}
	return true
}

// propose makes the terms of a request that may have what it asks for; else it says why not.
func propose(f *Facts) (*v1alpha1.RequestTermsPinned, *access.Problem) {
	if f.policyGone() {
		return nil, decision.Problem(v1alpha1.ReasonPolicyNotFound,
			"the DagAccessPolicy %s does not exist or is being deleted: create it, or create a request for another policy", f.Request.PolicyKey())
	}
	if f.terms() == nil {
		return nil, decision.Problem(v1alpha1.ReasonRequestsNotAllowed, "the policy allows no requests: add spec.grants.requests there, or request another policy")
	}
	if p := hindrance(f); p != nil {
		return nil, p
	}
	subject, p := subjectOf(f)
	if p != nil {
		return nil, p
	}
	terms := &v1alpha1.RequestTermsPinned{
		PolicyUID: string(f.Policy.UID), Subject: subject,
		Access: slices.Clone(f.Request.Spec.Access), Dags: slices.Clone(f.Request.Spec.Dags), Duration: metav1.Duration{Duration: duration(f)},
	}
	if len(terms.Access) == 0 {
		terms.Access = slices.Clone(f.Policy.Spec.Access)
	}
	if p := admission.Refusal(asked(f, terms, terms.Access)); p != nil {
		return nil, p
	}
	return terms, nil
}

// subjectOf is the Airflow user whom the instance's identity makes of the requester.
func subjectOf(f *Facts) (v1alpha1.Subject, *access.Problem) {
	identity, err := rule.IdentityOf(f.Instance.Spec.Identity)
	if err != nil {
		return v1alpha1.Subject{}, because(v1alpha1.ReasonInvalidIdentity, err)
	}
	subject, err := identity.Subject(f.Request.Spec.Requester)
	if err != nil {
		return v1alpha1.Subject{}, because(v1alpha1.ReasonSubjectUnmapped, err)
	}
	return subject, nil
}

// because makes a problem of an error, which is a sentence.
func because(reason string, err error) *access.Problem {
	return &access.Problem{Reason: reason, Message: cause(err)}
}

// cause is an error as a part of a message.
func cause(err error) string { return text.Cut(text.Plain(err.Error()), maxCause) }

// maxCause is how many characters of an error a message has at most.
const maxCause = 512

// duration is the time of access that the request asks for, or the policy's default.
func duration(f *Facts) time.Duration {
	if d := f.Request.Spec.Duration; d != nil {
		return d.Duration
	}
	return f.Policy.Spec.Grants.RequestedTime(f.Request.Spec.Emergency)
}

// asked is what the request asks for, in the words of admission.
func asked(f *Facts, terms *v1alpha1.RequestTermsPinned, levels []v1alpha1.AccessLevel) admission.Asked {
	return admission.Asked{
		Policy: f.Policy, Namespace: f.Request.Namespace, NamespaceAllowed: f.NamespaceAllowed,
		Subject: terms.Subject, Access: levels, Dags: terms.Dags, Reason: f.Request.Spec.Reason,
		Length: terms.Duration.Duration, Ahead: f.Request.Begin().Sub(f.Request.CreationTimestamp.Time),
		CacheTTL: f.CacheTTL, Observed: f.Observed,
	}
}

// hindrance says why the requester may not ask now under the policy's terms for requests, which are there; nil where nothing
// stands against it. It is asked again before a request is approved.
func hindrance(f *Facts) *access.Problem {
	for _, find := range []func(*Facts) *access.Problem{requesterProblem, emergencyProblem, instanceProblem, modeProblem} {
		if p := find(f); p != nil {
			return p
		}
	}
	return nil
}

// requesterProblem asks whether the requester is among those who may ask.
func requesterProblem(f *Facts) *access.Problem {
	may := f.terms().Requesters
	if may == nil || may.Include(f.Request.Spec.Requester, f.Request.Spec.Groups) {
		return nil
	}
	return decision.Problem(v1alpha1.ReasonRequesterNotAllowed,
		"the policy allows no requests of %s: only of %s; a group counts if spec.groups of the request names it", text.Quoted(f.Request.Spec.Requester), listed(may.Groups, may.Users))
}

// listed names groups and users in a message.
func listed(groups, users []string) string {
	var names []string
	for _, group := range groups {
		names = append(names, "group "+group)
	}
	for _, user := range users {
		names = append(names, "user "+user)
	}
	return text.List(names, decision.Shown)
}

// emergencyProblem asks whether the requester may declare an emergency.
func emergencyProblem(f *Facts) *access.Problem {
	if !f.Request.Spec.Emergency {
		return nil
	}
	terms := f.terms().Emergency
	if terms == nil {
		return decision.Problem(v1alpha1.ReasonEmergencyNotAllowed, "the policy has no terms for emergencies: create a request without spec.emergency")
	}
	if !terms.Include(f.Request.Spec.Requester, f.Request.Spec.Groups) {
		return decision.Problem(v1alpha1.ReasonEmergencyNotAllowed,
			"the policy allows no emergencies of %s: only of %s; a group counts if spec.groups of the request names it",
			text.Quoted(f.Request.Spec.Requester), listed(terms.Groups, terms.Users))
	}
	if d := f.Request.Spec.Duration; d != nil && d.Duration > terms.MaxDuration.Duration {
		return decision.Problem(v1alpha1.ReasonTooLong, "the requested time is longer than the policy's emergency.maxDuration of %s: request less time",
			text.Short(terms.MaxDuration.Duration))
	}
	if len(f.Overdue) > 0 {
		return decision.Problem(v1alpha1.ReasonReviewOverdue,
			"the review of an earlier emergency of the same requester is overdue: an approver has to vote Reviewed on %s", text.List(f.Overdue, decision.Shown))
	}
	return nil
}

// instanceProblem asks whether there is an instance that knows who its users are.
func instanceProblem(f *Facts) *access.Problem {
	switch {
	case f.Instance == nil:
		return decision.Problem(v1alpha1.ReasonInstanceNotFound, "the AirflowInstance %q of the policy does not exist: create it", f.Policy.InstanceKey().Name)
	case f.Instance.DeletionTimestamp != nil:
		return decision.Problem(v1alpha1.ReasonInstanceNotReady, "the AirflowInstance of the policy is being deleted: create a request for another policy")
	}
	switch _, err := rule.IdentityOf(f.Instance.Spec.Identity); {
	case err == nil:
		return nil
	case f.Instance.Spec.Identity == nil:
		return because(v1alpha1.ReasonSubjectUnmapped, err)
	default:
		return because(v1alpha1.ReasonInvalidIdentity, err)
	}
}

// modeProblem asks for a mode in which nothing is granted.
func modeProblem(f *Facts) *access.Problem {
	paused := decision.PausedBy(f.Policy, f.Instance)
	if paused == nil {
		return nil
	}
	return decision.Problem(paused.Reason, "the request is not decided while %s: %s", paused.What, paused.Remedy)
}

// premature says why it is too early to admit a request, or too much.
func premature(f *Facts, terms *v1alpha1.RequestTermsPinned) *access.Problem {
	if p := passProblem(f); p != nil {
		return p
	}
	if unlisted := admission.Absent(f.Observed.Dags, terms.Dags); len(unlisted) > 0 {
		return decision.Problem(v1alpha1.ReasonDagPending, "Airflow does not list DAG %s yet: the request is decided when it does", text.List(unlisted, decision.Shown))
	}
	if f.Open >= maxOpen {
		return decision.Problem(v1alpha1.ReasonTooManyOpen, "%d other requests of %s are pending in this namespace, and at most %d may be: withdraw some of them, or wait for their decision",
			f.Open, text.Quoted(f.Request.Spec.Requester), maxOpen)
	}
	return nil
}

// passProblem asks whether a pass has compared the policy of today with Airflow.
func passProblem(f *Facts) *access.Problem {
	switch {
	case !f.Observed.Usable():
		return decision.Problem(v1alpha1.ReasonInstanceNotReady, "Airflow cannot be observed, or was not yet: see the conditions of the AirflowInstance")
	case f.Observed.Current(f.Policy) == nil:
		return decision.Problem(v1alpha1.ReasonInstanceNotReady, "the policy was changed and not compared with Airflow yet: the next pass does it")
	}
	return nil
}

// fitting is the first rule of the policy that fits; nil where none does. Where that is not known, nobody may approve.
func fitting(f *Facts, terms *v1alpha1.RequestTermsPinned) (*v1alpha1.RequestRule, *access.Problem) {
	if len(f.terms().Rules) == 0 {
		return nil, nil
	}
	rules, err := rule.RulesOf(f.terms().Rules)
	if err != nil {
		return nil, because(v1alpha1.ReasonInvalidRule, err)
	}
	spec := f.Request.Spec
	in := rule.Input{
		Requester: spec.Requester, Duration: terms.Duration.Duration, Access: terms.Access,
		Reason: spec.Reason, Emergency: spec.Emergency, Now: f.Now,
	}
	if spec.StartsAt != nil {
		in.StartsAt = &spec.StartsAt.Time
	}
	for _, d := range admission.Listed(f.Observed.Dags, terms.Dags) {
		in.Dags = append(in.Dags, rule.Dag{ID: d.ID, Tags: d.Tags, Owners: d.Owners, Path: d.Path})
	}
	fits, err := rules.First(spec.Groups, in)
	if err != nil {
		return nil, because(v1alpha1.ReasonRuleFailed, err)
	}
	return fits, nil
}

// automatic is how many requests of one person within 24 hours the policy approves without a vote.
func automatic(terms *v1alpha1.RequestTerms) int {
	return int(cmp.Or(terms.MaxAutomaticPerDay, defaultAutomatic))
}
