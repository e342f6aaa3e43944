package rule

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
	"k8s.io/utils/lru"

	"github.com/airflow-oam/airflow-oam/internal/text"
)

// kind is what expressions of one field have in common.
type kind struct {
	// name of the environment, for the cache.
	name string
	// in is the environment.
	in environmentOf
	// result is the type that an expression must have, and want names it.
	result *cel.Type
	want   string
}

var (
	conditions = kind{name: "rule", in: ofRules, result: cel.BoolType, want: "true or false (bool)"}
	names      = kind{name: "identity", in: ofIdentity, result: cel.StringType, want: "a text (string)"}
)

// maxLength of an expression in characters, as the schema has it.
const maxLength = 1024

// compile compiles an expression. The error is one line, and says where.
func (k *kind) compile(expression string) (cel.Program, error) {
	env, err := k.in()
	if err != nil {
		return nil, oneLine(err)
	}
	if utf8.RuneCountInString(expression) > maxLength || len(expression) > 4*maxLength {
		return nil, fmt.Errorf("it is longer than %d characters", maxLength)
	}
	ast, issues := env.Compile(expression)
	if issues.Err() != nil {
		return nil, first(issues)
	}
	if !ast.OutputType().IsExactType(k.result) {
		return nil, fmt.Errorf("it gives %s, and must give %s", line(ast.OutputType().String()), k.want)
	}
	found, err := patternsOf(ast)
	if err != nil {
		return nil, err
	}
	estimated, err := env.EstimateCost(ast, newCosts(found))
	if err != nil {
		return nil, oneLine(err)
	}
	if estimated.Max > mostEstimated {
		return nil, fmt.Errorf("it may cost too much to evaluate: more than %d for the largest request that there can be; take out loops in loops, "+
			"and texts made of other texts again and again", uint64(mostEstimated))
	}
	program, err := env.Program(ast, cel.CostTracking(newCosts(found)), cel.CostLimit(mostActual))
	if err != nil {
		return nil, oneLine(err)
	}
	return program, nil
}

// first is the first error of a compilation, with its place: line:column.
func first(issues *cel.Issues) error {
	all := issues.Errors()
	if len(all) == 0 {
		return oneLine(issues.Err())
	}
	message := line(strings.ReplaceAll(all[0].Message, " (in container '')", ""))
	if strings.Contains(message, "undeclared reference to 'groups'") {
		message += "; groups is no variable: the field groups beside when says by which groups a rule fits"
	}
	if more := len(all) - 1; more > 0 {
		message += fmt.Sprintf(" (and %d more)", more)
	}
	return fmt.Errorf("%d:%d: %s", all[0].Location.Line(), all[0].Location.Column()+1, message)
}

// evaluate evaluates a program with the values of its variables.
func evaluate(program cel.Program, variables map[string]any) (ref.Val, error) {
	value, _, err := program.Eval(variables)
	switch stopped := (interpreter.EvalCancelledError{}); {
	case errors.As(err, &stopped) && stopped.Cause == interpreter.CostLimitExceeded:
		return nil, errors.New("it costs too much to evaluate, and was stopped")
	case err != nil:
		return nil, oneLine(err)
	}
	return value, nil
}

// maxMessage is how many characters of an error of CEL are shown. It may quote what people wrote.
const maxMessage = 200

func oneLine(err error) error { return errors.New(line(err.Error())) }

// line is a text on one line, without characters that change how others are shown.
func line(s string) string {
	shown := strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) || unicode.IsSpace(r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, text.Cut(s, 4*maxMessage))
	return text.Cut(strings.Join(strings.Fields(shown), " "), maxMessage)
}

// compiler compiles the expression of a kind: kind.compile, or one that remembers.
type compiler func(k *kind, expression string) (cel.Program, error)

// remembered compiles what it has not compiled lately. It remembers errors as well, since a policy that does not compile is
// looked at as often as any other.
func remembered(k *kind, expression string) (cel.Program, error) {
	key := cacheKey{kind: k.name, expression: expression}
	if found, ok := programs.Get(key); ok {
		if known, ok := found.(compiled); ok {
			return known.program, known.err
		}
	}
	program, err := k.compile(expression)
	programs.Add(key, compiled{program: program, err: err})
	return program, err
}

// programs holds what was compiled lately, by the text. It is bounded and safe for concurrent use.
var programs = lru.New(512)

type cacheKey struct{ kind, expression string }

type compiled struct {
	program cel.Program
	err     error
}
