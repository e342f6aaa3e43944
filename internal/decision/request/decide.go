// Package request decides what becomes of an AccessRequest: from the facts that were read to the status that should be
// stored, and to the grant that should be made.
//
// A request has three parts of its life, each of which has a file: it is admitted, which pins the terms under which it is
// decided (admit.go); it waits for votes until it is decided (pending.go), and it is decided (decided.go). Whose votes
// count is in panel.go. A decision is final: it is stored, with the name of the grant, before the grant is made, and the
// grant is made once.
package request

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/decision"
)

// Verdict is what becomes of a request.
type Verdict struct {
	decision.Verdict

	// Status as it should be stored. Conditions and history are those of the embedded verdict.
	Status v1alpha1.AccessRequestStatus
	// NeedsProof is true when the next step needs a fresh proof that the API server checks names: ask for it, and decide
	// again. The verdict may be stored, but is of no interest.
	NeedsProof bool
	// Make is a grant that should be created once the status is stored; nil where there is none to create. The creation of
	// a grant that exists already is no failure.
	Make *v1alpha1.AccessGrant
}

// Decide decides what becomes of one request.
func Decide(facts Facts) Verdict {
	f, v := &facts, &Verdict{Status: *facts.Request.Status.DeepCopy()}
	v.Status.ObservedGeneration = f.Request.Generation
	v.Status.Conditions, v.Status.History = nil, nil
	switch {
	case f.Request.Decided():
		decided(f, v)
	case f.Request.DeletionTimestamp != nil:
		deleting(f, v)
	default:
		pending(f, v)
	}
	v.Release = f.Request.DeletionTimestamp != nil
	refer(f, v)
	return *v
}

// deleting is the state of an undecided request that is being deleted: nothing is decided about it any more.
func deleting(f *Facts, v *Verdict) {
	v.Status.Phase = v1alpha1.RequestPending
	p := access.Problem{Reason: v1alpha1.ReasonDeleting, Message: "the request was not decided and is being deleted"}
	v.conclude(decision.Conclusion{State: decision.StateWorking, Reason: p.Reason, Message: p.Message}, lastAdmission(f, v, p), undecided(p))
}

// conclude writes the conditions of a conclusion, in the order in which users read them.
func (v *Verdict) conclude(c decision.Conclusion, others ...metav1.Condition) {
	v.Conditions = slices.Concat(c.Conditions(), others)
}

// report records what is new about a conclusion, by its actor.
func (v *Verdict) report(f *Facts, c decision.Conclusion, actor string) {
	news := c.News(f.Request.Status.Conditions)
	for i := range news {
		news[i].Actor = actor
	}
	v.Record(news...)
}

// admitted is the condition of a request that may have what it asks for, as soon as enough agree.
func admitted() metav1.Condition {
	return decision.Condition(v1alpha1.ConditionAdmitted, metav1.ConditionTrue,
		access.Problem{Reason: v1alpha1.ReasonAdmitted, Message: "the policy allows this request: see status.terms"})
}

// notAdmitted is the condition of a request that may not have what it asks for, or not yet.
func notAdmitted(p access.Problem) metav1.Condition {
	return decision.Condition(v1alpha1.ConditionAdmitted, metav1.ConditionFalse, p)
}

// undecided is the condition of a request about which nothing is decided, with what it waits for.
func undecided(p access.Problem) metav1.Condition {
	return decision.Condition(v1alpha1.ConditionApproved, metav1.ConditionUnknown, p)
}

// lastAdmission is what is known of the admission of a request that is not pending any more: its terms were pinned, or it
// waits no longer for what was reported last.
func lastAdmission(f *Facts, v *Verdict, ended access.Problem) metav1.Condition {
	if v.Status.Terms != nil {
		return admitted()
	}
	if stored := f.Request.Condition(v1alpha1.ConditionAdmitted); stored != nil {
		return notAdmitted(access.Problem{Reason: stored.Reason, Message: stored.Message})
	}
	return notAdmitted(ended)
}

// refer adds to every entry the policy, the instance and the grant that the request is about.
func refer(f *Facts, v *Verdict) {
	key := f.Request.PolicyKey()
	about := []decision.Reference{{Kind: decision.KindPolicy, Namespace: key.Namespace, Name: key.Name}}
	if f.Policy != nil {
		about[0] = decision.ToPolicy(f.Policy)
	}
	if f.Instance != nil {
		about = append(about, decision.ToInstance(f.Instance))
	}
	if g := v.Status.Grant; g != nil {
		about = append(about, decision.Reference{Kind: decision.KindGrant, Namespace: f.Request.Namespace, Name: g.Name})
	}
	for i := range v.Entries {
		v.Entries[i].References = about
	}
}
