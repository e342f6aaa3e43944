// Package statustest checks that a status follows the rules by which tools such as kstatus, Argo CD and Flux read it.
// Every test of a controller ends with it.
package statustest

import (
	"errors"
	"fmt"
	"regexp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/status"
)

var reason = regexp.MustCompile(`^[A-Z][A-Za-z0-9]{0,63}$`)

// Check returns every rule that the status of an AirflowInstance, DagAccessPolicy, AccessGrant or AccessRequest breaks, joined; nil where it
// follows them all. The object must have come to rest: its status belongs to its generation.
func Check(object client.Object) error {
	switch o := object.(type) {
	case *v1alpha1.AirflowInstance:
		return rules(o, o.Status.ObservedGeneration, o.Status.Conditions, nil)
	case *v1alpha1.DagAccessPolicy:
		return rules(o, o.Status.ObservedGeneration, o.Status.Conditions, o.Status.History)
	case *v1alpha1.AccessRequest:
		return errors.Join(rules(o, o.Status.ObservedGeneration, o.Status.Conditions, o.Status.History), request(o))
	case *v1alpha1.AccessGrant:
		return errors.Join(rules(o, o.Status.ObservedGeneration, o.Status.Conditions, o.Status.History), grant(o))
	}
	return fmt.Errorf("statustest knows no %T", object)
}

// checker collects the rules that one object breaks.
type checker struct {
	object types.NamespacedName
	broken []error
}

// rule notes a rule that is broken.
func (c *checker) rule(ok bool, format string, args ...any) {
	if !ok {
		c.broken = append(c.broken, fmt.Errorf("%s: "+format, append([]any{c.object}, args...)...))
	}
}

// rules are those of every kind.
func rules(o client.Object, observed int64, conditions []metav1.Condition, history []v1alpha1.HistoryEntry) error {
	check := &checker{object: client.ObjectKeyFromObject(o)}
	check.rule(observed == o.GetGeneration(), "status.observedGeneration is %d, the object's generation %d", observed, o.GetGeneration())
	check.conditions(observed, conditions)
	check.ready(conditions)
	check.history(history)
	return errors.Join(check.broken...)
}

// conditions checks each condition by itself.
func (c *checker) conditions(observed int64, conditions []metav1.Condition) {
	seen := sets.New[string]()
	for _, is := range conditions {
		c.rule(!seen.Has(is.Type), "condition %s is there twice", is.Type)
		seen.Insert(is.Type)
		c.rule(is.ObservedGeneration == observed, "condition %s is of generation %d, the status of %d", is.Type, is.ObservedGeneration, observed)
		c.rule(reason.MatchString(is.Reason), "condition %s has the reason %q, which is no single word", is.Type, is.Reason)
		c.rule(status.Line(is.Message, status.MaxMessage) == is.Message, "condition %s has a message that is no bounded line", is.Type)
		c.rule(!is.LastTransitionTime.IsZero(), "condition %s has no transition time", is.Type)
	}
}

// ready checks Ready against Reconciling and Stalled.
func (c *checker) ready(conditions []metav1.Condition) {
	markers := sets.New[string]()
	for _, name := range []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled} {
		marker := status.Find(conditions, name)
		if marker == nil {
			continue
		}
		c.rule(marker.Status == metav1.ConditionTrue, "condition %s is there although it is not True", name)
		if marker.Status == metav1.ConditionTrue {
			markers.Insert(name)
		}
	}
	c.rule(markers.Len() < 2, "Reconciling and Stalled are both True")
	ready := status.Find(conditions, v1alpha1.ConditionReady)
	if ready == nil {
		c.rule(false, "condition Ready is missing")
		return
	}
	switch ready.Status {
	case metav1.ConditionUnknown:
		c.rule(false, "Ready is Unknown: the operator always knows what it works on")
	case metav1.ConditionTrue:
		c.rule(markers.Len() == 0, "Ready is True beside Reconciling or Stalled")
	case metav1.ConditionFalse:
		c.rule(markers.Len() > 0, "Ready is False without Reconciling or Stalled")
	}
}

// history checks the number, the length and the sequence of entries.
func (c *checker) history(history []v1alpha1.HistoryEntry) {
	c.rule(len(history) <= status.MaxHistory, "history has %d entries", len(history))
	for i, entry := range history {
		c.rule(len(entry.Message) <= status.MaxEntry, "history entry %d is too long", entry.Sequence)
		if i > 0 {
			before := history[i-1].Sequence
			c.rule(entry.Sequence == before+1, "history goes from %d to %d", before, entry.Sequence)
		}
	}
}

// grant checks what a phase means.
func grant(g *v1alpha1.AccessGrant) error {
	check := &phaseChecker{checker: checker{object: client.ObjectKeyFromObject(g)}, grant: g, ready: status.IsTrue(g.Status.Conditions, v1alpha1.ConditionReady)}
	active := status.Find(g.Status.Conditions, v1alpha1.ConditionActive)
	if active == nil {
		return fmt.Errorf("%s: condition Active is missing", check.object)
	}
	check.active = active.Status
	switch g.Status.Phase {
	case v1alpha1.GrantPending:
		check.pending()
	case v1alpha1.GrantScheduled:
		check.scheduled()
	case v1alpha1.GrantActive:
		check.live()
	case v1alpha1.GrantEnding:
		check.ending()
	case v1alpha1.GrantExpired, v1alpha1.GrantRevoked:
		check.final()
	default:
		check.phase(false, "there is no such phase")
	}
	return errors.Join(check.broken...)
}

// phaseChecker collects the rules of its phase that one grant breaks.
type phaseChecker struct {
	checker
	grant  *v1alpha1.AccessGrant
	ready  bool
	active metav1.ConditionStatus
}

// phase notes a rule of the phase that is broken.
func (c *phaseChecker) phase(ok bool, what string) {
	c.rule(ok, "phase %s: %s", c.grant.Status.Phase, what)
}

func (c *phaseChecker) pending() {
	st := c.grant.Status
	fits := c.active == metav1.ConditionFalse
	if c.active == metav1.ConditionUnknown {
		fits = st.Activation != nil
	}
	c.phase(fits, "Active does not fit")
	c.phase(st.End == nil, "an end is written")
	admitted := status.Find(st.Conditions, v1alpha1.ConditionAdmitted)
	if admitted != nil && admitted.Status == metav1.ConditionFalse {
		c.phase(!c.ready, "it is Ready although it was not admitted")
		return
	}
	c.phase(!status.IsTrue(st.Conditions, v1alpha1.ConditionStalled), "it is Stalled although it was admitted")
}

func (c *phaseChecker) scheduled() {
	c.phase(c.ready, "it is not Ready")
	c.phase(c.active == metav1.ConditionFalse, "Active is not False")
	c.phase(c.grant.Status.Activation == nil, "it is activated")
	c.phase(c.grant.Spec.StartsAt != nil, "it has no start")
}

func (c *phaseChecker) live() {
	c.phase(c.grant.Status.Activation != nil, "activation or end do not fit")
	c.phase(c.grant.Status.End == nil, "activation or end do not fit")
	switch c.active {
	case metav1.ConditionTrue:
		c.phase(c.ready, "it is Active without being Ready")
	case metav1.ConditionUnknown:
		c.phase(!c.ready, "it is Ready although Active is Unknown")
	case metav1.ConditionFalse:
	}
}

func (c *phaseChecker) ending() {
	st := c.grant.Status
	c.phase(status.IsTrue(st.Conditions, v1alpha1.ConditionReconciling), "it is Ready or Stalled while ending")
	c.phase(st.End != nil, "end, activation or removal do not fit")
	c.phase(st.Activation != nil, "end, activation or removal do not fit")
	c.phase(st.RemovedAt == nil, "end, activation or removal do not fit")
	c.phase(c.active == metav1.ConditionUnknown, "Active is not Unknown before the removal is proved")
}

// inTime are the ends that time brings.
var inTime = sets.New(v1alpha1.EndExpired, v1alpha1.EndNeverActivated)

func (c *phaseChecker) final() {
	st := c.grant.Status
	c.phase(c.ready, "it is not Ready")
	c.phase(c.active == metav1.ConditionFalse, "Active is not False")
	c.phase((st.RemovedAt == nil) == (st.RevokedAt == nil), "removedAt and revokedAt belong together")
	if st.End == nil {
		c.phase(false, "no end is written")
		return
	}
	c.phase(inTime.Has(st.End.Reason) == (st.Phase == v1alpha1.GrantExpired), "the end reason does not fit")
}

// request checks what the phase of a request means.
func request(r *v1alpha1.AccessRequest) error {
	check, st := &checker{object: client.ObjectKeyFromObject(r)}, r.Status
	admitted, approved := status.Find(st.Conditions, v1alpha1.ConditionAdmitted), status.Find(st.Conditions, v1alpha1.ConditionApproved)
	if admitted == nil || approved == nil {
		return fmt.Errorf("%s: condition Admitted or Approved is missing", check.object)
	}
	check.rule(admitted.Status != metav1.ConditionTrue || st.Terms != nil, "it is Admitted without terms")
	want := metav1.ConditionFalse
	switch st.Phase {
	case v1alpha1.RequestPending:
		want = metav1.ConditionUnknown
		check.rule(st.Grant == nil, "phase Pending: a grant is named")
	case v1alpha1.RequestApproved:
		want = metav1.ConditionTrue
		check.rule(st.Grant != nil, "phase Approved: no grant is named")
	case v1alpha1.RequestDenied, v1alpha1.RequestNotApproved, v1alpha1.RequestWithdrawn:
		check.rule(status.IsTrue(st.Conditions, v1alpha1.ConditionReady), "phase %s: it is not Ready", st.Phase)
		check.rule(st.Grant == nil, "phase %s: a grant is named", st.Phase)
	default:
		check.rule(false, "phase %s: there is no such phase", st.Phase)
	}
	check.rule(approved.Status == want, "phase %s: Approved is %s", st.Phase, approved.Status)
	check.rule((st.Decision == nil) == (st.Phase == v1alpha1.RequestPending), "phase %s: the decision does not fit", st.Phase)
	if st.Decision != nil {
		check.rule(st.Decision.Outcome == st.Phase, "phase %s: the decision is %s", st.Phase, st.Decision.Outcome)
	}
	check.rule((status.Find(st.Conditions, v1alpha1.ConditionReviewed) != nil) == (st.Review != nil), "review and condition Reviewed do not fit")
	return errors.Join(check.broken...)
}
