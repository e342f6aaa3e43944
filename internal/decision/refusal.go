package decision

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/dag"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// refusal says why the grant may not have what it asks for; nil where it may.
func (d *draft) refusal() *access.Problem {
	if as, marked := d.Grant.Annotations[v1alpha1.GivenAsAnnotation]; marked && as != string(d.Grant.UID) {
		return refuse(v1alpha1.ReasonAlreadyGiven, "this is a copy of a grant that was given before, from a backup or made by hand: make a new grant, or remove the annotation %s to let this one begin",
			v1alpha1.GivenAsAnnotation)
	}
	if d.Policy == nil || d.Policy.DeletionTimestamp != nil {
		ref := d.Grant.Spec.PolicyRef
		if ref.Namespace == "" {
			ref.Namespace = d.Grant.Namespace
		}
		return refuse(v1alpha1.ReasonPolicyNotFound, "the DagAccessPolicy %s/%s does not exist or is being deleted: make it, or make another grant", ref.Namespace, ref.Name)
	}
	for _, check := range []func() *access.Problem{d.checkSource, d.checkTime, d.checkReason, d.checkAccess, d.checkPolicy, d.checkDags, d.checkSubject} {
		if p := check(); p != nil {
			return p
		}
	}
	return nil
}

func refuse(reason, format string, args ...any) *access.Problem {
	return &access.Problem{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// checkSource asks whether there may be grants, and from here.
func (d *draft) checkSource() *access.Problem {
	switch {
	case d.Policy.Spec.Grants == nil:
		return refuse(v1alpha1.ReasonGrantsNotAllowed, "the policy has no terms for grants: add spec.grants there, or make the person a member")
	case !d.NamespaceAllowed:
		return refuse(v1alpha1.ReasonNamespaceNotAllowed, "the policy takes no grants from the namespace %s: see spec.grants.from there", d.Grant.Namespace)
	}
	return nil
}

// checkTime asks whether start and length are within the policy's terms.
func (d *draft) checkTime() *access.Problem {
	terms, start := d.Policy.Spec.Grants, d.Grant.Begin()
	length := d.Grant.AskedEnd(start).Sub(start)
	if d.Grant.Spec.Duration != nil {
		length = d.Grant.Spec.Duration.Duration
	}
	ahead, most := start.Sub(d.Grant.CreationTimestamp.Time), time.Duration(0)
	if terms.MaxAhead != nil { // always, as the schema has a default
		most = terms.MaxAhead.Duration
	}
	shortest := 2 * max(d.CacheTTL, access.Lead(0)) // less would be taken away as soon as it works
	switch {
	case length > terms.MaxDuration.Duration:
		return refuse(v1alpha1.ReasonTooLong, "it asks for more than the policy's maxDuration of %s: ask for less", short(terms.MaxDuration.Duration))
	case d.Grant.Spec.StartsAt != nil && ahead > most:
		return refuse(v1alpha1.ReasonTooFarAhead, "it starts later than the policy's maxAhead of %s allows: make it nearer to its start", short(most))
	case length <= 0:
		return refuse(v1alpha1.ReasonTooShort, "it asks for no time at all: its end must come after its start")
	case d.Sight != nil && length < shortest:
		return refuse(v1alpha1.ReasonTooShort, "Airflow's permission cache of %s allows no grant shorter than %s: ask for more", short(d.CacheTTL), short(shortest))
	}
	return nil
}

// checkReason asks whether the reason looks as the policy wants it.
func (d *draft) checkReason() *access.Problem {
	want := d.Policy.Spec.Grants.Reason
	if want == nil {
		return nil
	}
	pattern, err := regexp.Compile(want.Pattern)
	if err != nil {
		return refuse(v1alpha1.ReasonPolicyRefused, "the pattern for reasons in the policy is no regular expression: correct spec.grants.reason.pattern there")
	}
	if pattern.MatchString(d.Grant.Spec.Reason) {
		return nil
	}
	hint := want.Hint
	if hint == "" {
		hint = "text that matches " + want.Pattern
	}
	return refuse(v1alpha1.ReasonReasonMismatch, "the policy asks for another reason: %s", hint)
}

// checkAccess asks whether the policy gives the levels.
func (d *draft) checkAccess() *access.Problem {
	var excess []string
	for _, level := range d.Grant.Spec.Access {
		if level != v1alpha1.AccessView && !slices.Contains(d.Policy.Spec.Access, level) {
			excess = append(excess, string(level))
		}
	}
	if len(excess) == 0 {
		return nil
	}
	return refuse(v1alpha1.ReasonAccessNotCovered, "the policy does not give %s: make another grant without, or add it to spec.access there", text.List(excess, shown))
}

// checkPolicy asks whether the policy itself was refused.
func (d *draft) checkPolicy() *access.Problem {
	if d.Sight == nil || d.Sight.Policy == nil || d.Sight.Policy.Generation != d.Policy.Generation || d.Sight.Policy.Refused == nil {
		return nil
	}
	return refuse(v1alpha1.ReasonPolicyRefused, "the policy is refused (%s): see its conditions", d.Sight.Policy.Refused.Reason)
}

// checkDags asks whether the policy selects the DAGs that are named. DAGs that Airflow does not list are refused only
// when their ids can never be selected.
func (d *draft) checkDags() *access.Problem {
	if len(d.Grant.Spec.Dags) == 0 {
		return nil
	}
	var candidates []dag.Dag
	if d.Sight != nil && d.Sight.Users != nil {
		candidates = listed(d.Sight.Dags, d.Grant.Spec.Dags)
	}
	covered, _ := dag.Match(d.Policy.Spec.Dags, candidates)
	var excess []string
	for _, id := range d.Grant.Spec.Dags {
		known := slices.ContainsFunc(candidates, func(dag dag.Dag) bool { return dag.ID == id })
		if known && !slices.Contains(covered, id) || !known && !selectable(d.Policy.Spec.Dags, id) {
			excess = append(excess, id)
		}
	}
	if len(excess) == 0 {
		return nil
	}
	return refuse(v1alpha1.ReasonDagsNotCovered, "the policy does not select %s: make another grant without, or widen spec.dags there", text.List(excess, shown))
}

// absentDags are named DAGs that Airflow does not list.
func (d *draft) absentDags() []string {
	found := listed(d.Sight.Dags, d.Grant.Spec.Dags)
	var absent []string
	for _, id := range d.Grant.Spec.Dags {
		if !slices.ContainsFunc(found, func(dag dag.Dag) bool { return dag.ID == id }) {
			absent = append(absent, id)
		}
	}
	return absent
}

// listed gives those of the DAGs that have one of the ids.
func listed(dags []dag.Dag, ids []string) []dag.Dag {
	var found []dag.Dag
	for _, id := range ids {
		at, ok := slices.BinarySearchFunc(dags, id, func(dag dag.Dag, id string) int { return strings.Compare(dag.ID, id) })
		if ok {
			found = append(found, dags[at])
		}
	}
	return found
}

// selectable is true when a DAG of that id could be selected, whatever else is known of it.
func selectable(selectors []v1alpha1.DagSelector, id string) bool {
	byID := make([]v1alpha1.DagSelector, 0, len(selectors))
	for _, s := range selectors {
		ids := s.IDs
		if len(ids) == 0 {
			ids = []string{"*"}
		}
		byID = append(byID, v1alpha1.DagSelector{IDs: ids, Exclude: s.Exclude})
	}
	covered, _ := dag.Match(byID, []dag.Dag{{ID: id}})
	return len(covered) > 0
}

// checkSubject asks whether the subject is one person who may have access at all.
func (d *draft) checkSubject() *access.Problem {
	if d.Sight == nil || d.Sight.Users == nil {
		return nil
	}
	_, p := d.Sight.Users.Resolve(d.Grant.Spec.Subject)
	if p == nil || p.Reason == v1alpha1.ReasonUserNotFound {
		return nil
	}
	return p
}

// short prints a duration without empty units: 8h, 1m30s.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
