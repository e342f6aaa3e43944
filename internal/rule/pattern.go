package rule

import (
	"errors"
	"fmt"
	"regexp/syntax"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"k8s.io/apimachinery/pkg/util/sets"
)

// patternFunctions are the functions that take a regular expression, always as the argument after the text.
var patternFunctions = sets.New("matches", "find", "findAll")

// patterns are the regular expressions of an expression, with their sizes: the instructions that each is compiled to. The
// time that a match takes depends on it, and it may be a thousand times the length of the text: (a{30}){30}.
type patterns map[string]uint64

// largestPattern is how many instructions a regular expression may have.
const largestPattern = 1000

// patternsOf finds the regular expressions of an expression. Each must be a literal, so that its size is known before
// anything is evaluated.
func patternsOf(checked *cel.Ast) (patterns, error) {
	found := patterns{}
	calls := ast.MatchDescendants(ast.NavigateAST(checked.NativeRep()), func(e ast.NavigableExpr) bool {
		return e.Kind() == ast.CallKind && patternFunctions.Has(e.AsCall().FunctionName())
	})
	for _, e := range calls {
		call := e.AsCall()
		at := 1
		if call.IsMemberFunction() {
			at = 0
		}
		if len(call.Args()) <= at {
			return nil, fmt.Errorf("%s has no regular expression", call.FunctionName())
		}
		literal := call.Args()[at]
		var pattern string
		isText := false
		if literal.Kind() == ast.LiteralKind {
			pattern, isText = literal.AsLiteral().Value().(string)
		}
		if !isText {
			return nil, fmt.Errorf("the regular expression of %s is not a text between quotes", call.FunctionName())
		}
		size, err := sizeOfPattern(pattern)
		if err != nil {
			return nil, err
		}
		found[pattern] = size
	}
	return found, nil
}

func sizeOfPattern(pattern string) (uint64, error) {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return 0, fmt.Errorf("%s is no regular expression (RE2)", shown(pattern))
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return 0, fmt.Errorf("%s is no regular expression (RE2)", shown(pattern))
	}
	if len(program.Inst) > largestPattern {
		return 0, errors.New("a regular expression is too large: repeat less, such as [a-z]+ in place of [a-z]{1,1000}")
	}
	return uint64(len(program.Inst)), nil
}

// largest is the size of the largest one.
func (p patterns) largest() uint64 {
	size := uint64(0)
	for _, other := range p {
		size = max(size, other)
	}
	return size
}
