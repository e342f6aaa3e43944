// Package admission decides whether something that a user asks for under a policy is within the terms of that policy. It
// knows no kind: grants are admitted by it, and whatever asks for grants later.
//
// Every rule is a named check, a pure function from what is asked for to the problem with it. A check whose facts are not
// known yet, such as the users of an Airflow that was never observed, finds no problem: it is run again when they are.
package admission

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/dag"
	"github.com/airflow-oam/airflow-oam/internal/decision"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// Asked is what a user asks for, and what it is judged by.
type Asked struct {
	// Policy whose access is asked for. It is not nil.
	Policy *v1alpha1.DagAccessPolicy
	// Namespace of the object that asks, and whether the policy's terms allow objects of that namespace.
	Namespace        string
	NamespaceAllowed bool
	// Subject that is to have access.
	Subject v1alpha1.Subject
	// Access and Dags narrow the policy; empty is all of it.
	Access []v1alpha1.AccessLevel
	Dags   []string
	// Reason that the user gave.
	Reason string
	// Length of the access that is asked for, from its start to its end; it may be zero or negative.
	Length time.Duration
	// Ahead is how long after the creation of the object the access is to start; zero where no start is asked for.
	Ahead time.Duration
	// CacheTTL of the policy's instance: how long Airflow may use permissions after their removal.
	CacheTTL time.Duration
	// Observed is what the last pass over the policy's instance reported; nil before the first.
	Observed *decision.Observation
}

// Check is one rule.
type Check struct {
	// Name of the rule, for tests and messages about the rule itself.
	Name string
	// Refuse says why the rule forbids what is asked for; nil where it does not.
	Refuse func(Asked) *access.Problem
}

// Checks are all rules, in the order in which they are applied: what a user can correct alone comes after what only the
// owner of the policy can, and what needs an observation of Airflow comes last.
func Checks() []Check {
	return []Check{
		{"grants are allowed", checkGrants},
		{"the namespace is allowed", checkNamespace},
		{"the time is within the terms", checkTime},
		{"the time is longer than the permission cache", checkCache},
		{"the reason matches", checkReason},
		{"the policy has the levels", checkLevels},
		{"the policy is admitted", checkPolicy},
		{"the policy covers the DAGs", checkDags},
		{"the subject may have access", checkSubject},
	}
}

// Refusal is the problem of the first rule that forbids what is asked for; nil where none does.
func Refusal(a Asked) *access.Problem {
	for _, check := range Checks() {
		if p := check.Refuse(a); p != nil {
			return p
		}
	}
	return nil
}

func checkGrants(a Asked) *access.Problem {
	if a.Policy.Spec.Grants != nil {
		return nil
	}
	return decision.Problem(v1alpha1.ReasonGrantsNotAllowed, "the policy allows no grants: add spec.grants there, or add the user to its spec.members")
}

func checkNamespace(a Asked) *access.Problem {
	if a.NamespaceAllowed {
		return nil
	}
	return decision.Problem(v1alpha1.ReasonNamespaceNotAllowed, "the policy allows no grants in namespace %s: see spec.grants.from there", a.Namespace)
}

// checkTime compares start and length with the policy's terms.
func checkTime(a Asked) *access.Problem {
	terms := a.Policy.Spec.Grants
	longest, furthest := terms.MaxDuration.Duration, time.Duration(0)
	if terms.MaxAhead != nil { // always, as the schema has a default
		furthest = terms.MaxAhead.Duration
	}
	switch {
	case a.Length > longest:
		return decision.Problem(v1alpha1.ReasonTooLong, "the requested time is longer than the policy's maxDuration of %s: request less time", text.Short(longest))
	case a.Ahead > furthest:
		return decision.Problem(v1alpha1.ReasonTooFarAhead, "the requested start is later than the policy's maxAhead of %s allows: request it closer to the start", text.Short(furthest))
	case a.Length <= 0:
		return decision.Problem(v1alpha1.ReasonTooShort, "the requested end is not after the requested start: correct the end")
	}
	return nil
}

// checkCache refuses access that would be revoked as soon as it works. The permission cache is known once the instance was
// observed.
func checkCache(a Asked) *access.Problem {
	shortest := 2 * max(a.CacheTTL, access.Lead(0))
	switch {
	case a.Observed == nil, a.Length >= shortest:
		return nil
	}
	return decision.Problem(v1alpha1.ReasonTooShort, "the requested time is shorter than %s, the minimum with Airflow's permission cache of %s: request more time",
		text.Short(shortest), text.Short(a.CacheTTL))
}

func checkReason(a Asked) *access.Problem {
	want := a.Policy.Spec.Grants.Reason
	if want == nil {
		return nil
	}
	pattern, err := regexp.Compile(want.Pattern)
	if err != nil {
		return decision.Problem(v1alpha1.ReasonPolicyRefused, "the policy's pattern for reasons is not a regular expression: correct spec.grants.reason.pattern there")
	}
	if pattern.MatchString(a.Reason) {
		return nil
	}
	hint := want.Hint
	if hint == "" {
		hint = "text that matches " + want.Pattern
	}
	return decision.Problem(v1alpha1.ReasonReasonMismatch, "the policy does not accept spec.reason: enter %s", hint)
}

// checkLevels finds levels that the policy does not have. View comes with every level.
func checkLevels(a Asked) *access.Problem {
	allowed := sets.New(a.Policy.Spec.Access...).Insert(v1alpha1.AccessView)
	var excess []string
	for _, level := range a.Access {
		if !allowed.Has(level) {
			excess = append(excess, string(level))
		}
	}
	if len(excess) == 0 {
		return nil
	}
	return decision.Problem(v1alpha1.ReasonAccessNotCovered, "the policy does not grant %s: request access without it, or add it to spec.access there",
		text.List(excess, decision.Shown))
}

// checkPolicy asks whether a pass refused the policy of today.
func checkPolicy(a Asked) *access.Problem {
	report := a.Observed.Current(a.Policy)
	switch {
	case report == nil, report.Desire.Refused == nil:
		return nil
	}
	return decision.Problem(v1alpha1.ReasonPolicyRefused, "the policy is refused (%s): see its conditions", report.Desire.Refused.Reason)
}

// checkDags asks whether the policy selects the named DAGs. A DAG that Airflow does not list is refused only when its id
// can never be selected.
func checkDags(a Asked) *access.Problem {
	if len(a.Dags) == 0 {
		return nil
	}
	var listed []dag.Dag
	if a.Observed.Listed() {
		listed = Listed(a.Observed.Dags, a.Dags)
	}
	ids, _ := dag.Match(a.Policy.Spec.Dags, listed)
	covered, known := sets.New(ids...), idsOf(listed)
	var excess []string
	for _, id := range a.Dags {
		selected := covered.Has(id)
		if !known.Has(id) {
			selected = selectable(a.Policy.Spec.Dags, id)
		}
		if !selected {
			excess = append(excess, id)
		}
	}
	if len(excess) == 0 {
		return nil
	}
	return decision.Problem(v1alpha1.ReasonDagsNotCovered, "the policy does not cover DAG %s: request access without it, or extend spec.dags there",
		text.List(excess, decision.Shown))
}

// checkSubject asks whether the subject is one user who may have access at all. A user who does not exist may come.
func checkSubject(a Asked) *access.Problem {
	if p := access.Addressable(a.Subject); p != nil {
		return p
	}
	if !a.Observed.Listed() {
		return nil
	}
	_, p := a.Observed.Users.Resolve(a.Subject)
	switch {
	case p == nil, p.Reason == v1alpha1.ReasonUserNotFound:
		return nil
	}
	return p
}

// Listed returns those of some DAGs, sorted by id, that have one of the ids.
func Listed(dags []dag.Dag, ids []string) []dag.Dag {
	var found []dag.Dag
	for _, id := range ids {
		at, ok := slices.BinarySearchFunc(dags, id, func(d dag.Dag, id string) int { return strings.Compare(d.ID, id) })
		if ok {
			found = append(found, dags[at])
		}
	}
	return found
}

// Absent returns those of some ids that no DAG has; the DAGs are sorted by id.
func Absent(dags []dag.Dag, ids []string) []string {
	known := idsOf(Listed(dags, ids))
	var absent []string
	for _, id := range ids {
		if !known.Has(id) {
			absent = append(absent, id)
		}
	}
	return absent
}

func idsOf(dags []dag.Dag) sets.Set[string] {
	ids := sets.New[string]()
	for _, d := range dags {
		ids.Insert(d.ID)
	}
	return ids
}

// selectable reports whether selectors could cover a DAG of that id, whatever its other properties are.
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
