package rule

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// Input is what rules may ask about a request.
type Input struct {
	// Requester as the cluster knows who asks.
	Requester string
	// Duration that is asked for, or the policy's default.
	Duration time.Duration
	// StartsAt is the start that is asked for; nil where it is at once.
	StartsAt *time.Time
	// Access are the levels that are asked for.
	Access []v1alpha1.AccessLevel
	// Dags are those that the request names. It is empty for one that asks for all DAGs of the policy.
	Dags []Dag
	// Reason as the requester wrote it.
	Reason string
	// Emergency is true for a declared emergency.
	Emergency bool
	// Now is when the request is looked at.
	Now time.Time
}

// Dag is one DAG that a request names, as Airflow knows it.
type Dag struct {
	// ID is unique in an Airflow.
	ID string
	// Tags and Owners as the DAG's code names them.
	Tags, Owners []string
	// Path of the file with the DAG's code; empty where Airflow does not say.
	Path string
}

// Rules are those of a policy, compiled. They are safe for concurrent use.
type Rules struct{ rules []compiledRule }

type compiledRule struct {
	v1alpha1.RequestRule

	// when is nil where the rule is for every request.
	when cel.Program
}

// CompileRules compiles the rules of a policy. The error names the first rule that does not compile, the place in its
// expression and what to do, on one line.
func CompileRules(rules []v1alpha1.RequestRule) (*Rules, error) {
	return compileRules(rules, (*kind).compile)
}

// RulesOf is CompileRules with a memory, for callers that decide often.
func RulesOf(rules []v1alpha1.RequestRule) (*Rules, error) {
	return compileRules(rules, remembered)
}

func compileRules(rules []v1alpha1.RequestRule, compile compiler) (*Rules, error) {
	out := &Rules{rules: make([]compiledRule, 0, len(rules))}
	for i := range rules {
		rule := compiledRule{RequestRule: *rules[i].DeepCopy()}
		if rule.When != "" {
			var err error
			if rule.when, err = compile(&conditions, rule.When); err != nil {
				return nil, fmt.Errorf("rule %q: its expression \"when\" does not compile: %w: correct spec.grants.requests.rules of the policy", rule.Name, err)
			}
		}
		out.rules = append(out.rules, rule)
	}
	return out, nil
}

// First is the first rule that fits a request; nil where none does. A rule with groups fits only a requester who asks by one
// of them, and its expression is not evaluated for others. The error is that of a rule before the fitting one that could not
// be evaluated: nothing is decided then.
func (r *Rules) First(groups []string, in Input) (*v1alpha1.RequestRule, error) {
	var variables map[string]any
	for i := range r.rules {
		rule := &r.rules[i]
		if !rule.concerns(groups) {
			continue
		}
		if rule.when != nil && variables == nil {
			variables = in.variables()
		}
		fits, err := rule.fits(variables)
		if err != nil {
			return nil, err
		}
		if fits {
			return rule.DeepCopy(), nil
		}
	}
	return nil, nil
}

// concerns reports whether a requester asks by one of the rule's groups.
func (r *compiledRule) concerns(groups []string) bool {
	if len(r.Groups) == 0 {
		return true
	}
	return slices.ContainsFunc(r.Groups, func(group string) bool { return slices.Contains(groups, group) })
}

func (r *compiledRule) fits(variables map[string]any) (bool, error) {
	if r.when == nil {
		return true, nil
	}
	value, err := evaluate(r.when, variables)
	if err != nil {
		return false, fmt.Errorf("rule %q: its expression \"when\" failed, so that nothing is decided: %w: correct spec.grants.requests.rules of the policy", r.Name, err)
	}
	return value == types.True, nil
}

// variables of an expression.
func (in *Input) variables() map[string]any {
	start := types.OptionalNone
	if in.StartsAt != nil {
		start = types.OptionalOf(types.Timestamp{Time: *in.StartsAt})
	}
	levels := v1alpha1.LevelNames(in.Access)
	named := make([]any, 0, len(in.Dags))
	for _, d := range in.Dags {
		named = append(named, map[string]any{"id": d.ID, "tags": present(d.Tags), "owners": present(d.Owners), "path": d.Path})
	}
	return map[string]any{
		requester: in.Requester,
		duration:  types.Duration{Duration: in.Duration},
		startsAt:  start,
		access:    levels,
		dags:      named,
		reason:    in.Reason,
		emergency: in.Emergency,
		now:       types.Timestamp{Time: in.Now},
	}
}

// present is a list that is never nil.
func present(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
