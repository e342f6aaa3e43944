package notify

import (
	"errors"
	"fmt"
	"reflect"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/ext"
)

// fields are what a filter can ask for, as event.type and so on. Each is always there: a text that says nothing is empty.
type fields struct {
	Type            string   `cel:"type"`
	Kind            string   `cel:"kind"`
	Namespace       string   `cel:"namespace"`
	Name            string   `cel:"name"`
	Policy          string   `cel:"policy"`
	PolicyNamespace string   `cel:"policyNamespace"`
	Request         string   `cel:"request"`
	Grant           string   `cel:"grant"`
	Requester       string   `cel:"requester"`
	Subject         string   `cel:"subject"`
	Access          []string `cel:"access"`
	Dags            []string `cel:"dags"`
	Reason          string   `cel:"reason"`
	Emergency       bool     `cel:"emergency"`
	Why             string   `cel:"why"`
	By              []string `cel:"by"`
	Groups          []string `cel:"approverGroups"`
	Users           []string `cel:"approverUsers"`
}

// maxCost bounds an evaluation, which is done where an event is told: it takes some milliseconds at most.
const maxCost = 100_000

// filter says which events a notifier gets. The zero value lets all pass.
type filter struct{ program cel.Program }

var environment = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(
		ext.NativeTypes(ext.ParseStructTags(true), reflect.TypeFor[fields]()),
		cel.Variable("event", cel.ObjectType("notify.fields")),
		ext.Strings(), ext.Sets(),
	)
})

// compile checks an expression: its fields, its types, and that its result is true or false. Regular expressions that are
// constants are checked as well.
func compile(expression string) (filter, error) {
	if expression == "" {
		return filter{}, nil
	}
	env, err := environment()
	if err != nil {
		return filter{}, err
	}
	ast, issues := env.Compile(expression)
	if found := issues.Errors(); len(found) > 0 {
		first := found[0]
		return filter{}, fmt.Errorf("does not compile: %s (line %d, column %d of the expression)", first.Message, first.Location.Line(), first.Location.Column()+1)
	}
	if !ast.OutputType().IsExactType(cel.BoolType) {
		return filter{}, fmt.Errorf("gives %s, want true or false", ast.OutputType())
	}
	program, err := env.Program(ast, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxCost))
	if err != nil {
		return filter{}, fmt.Errorf("does not compile: %w", err)
	}
	return filter{program}, nil
}

var errFilter = errors.New("the filter could not be evaluated for an event, which is not sent")

// matches reports whether an event passes.
func (f filter) matches(e Event) (bool, error) {
	if f.program == nil {
		return true, nil
	}
	d := e.Data
	approvers := Approvers{}
	if d.Approvers != nil {
		approvers = *d.Approvers
	}
	result, _, err := f.program.Eval(map[string]any{"event": &fields{
		Type: string(e.Type), Kind: d.Kind, Namespace: d.Namespace, Name: d.Name, Policy: d.Policy, PolicyNamespace: d.PolicyNamespace,
		Request: d.Request, Grant: d.Grant, Requester: d.Requester, Subject: d.Subject, Access: d.Access, Dags: d.Dags,
		Reason: d.Reason, Emergency: d.Emergency, Why: d.Why, By: d.By, Groups: approvers.Groups, Users: approvers.Users,
	}})
	if err != nil {
		return false, fmt.Errorf("%w: %w", errFilter, err)
	}
	passes, _ := result.Value().(bool) // compile accepts no other type
	return passes, nil
}
