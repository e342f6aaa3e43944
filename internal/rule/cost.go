package rule

import (
	"math"
	"strings"

	"github.com/google/cel-go/checker"
	"github.com/google/cel-go/common"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/library"
)

const (
	// mostEstimated is the highest cost that an expression may have, as it is estimated for the largest request: the limit
	// that Kubernetes has for an expression of a CustomResourceDefinition.
	mostEstimated = celconfig.RuntimeCELCostBudget
	// mostActual is the highest cost of one evaluation, in which it ends: Kubernetes' limit for one call, some 0.1 s.
	mostActual = celconfig.PerCallLimit
	// longest is how many characters a text, and how many entries a list, may have that an expression makes. The cost that
	// is counted comes after a call; with this bound, what one call can make of its arguments is known before.
	longest = 16 << 10
)

// costs are those of Kubernetes for one expression, with the sizes of its variables, bounds for what it makes, and the size
// of its regular expressions.
type costs struct {
	library.CostEstimator

	patterns patterns
}

func newCosts(p patterns) *costs {
	return &costs{CostEstimator: library.CostEstimator{SizeEstimator: sizeEstimator{}}, patterns: p}
}

// EstimateCallCost estimates the cost of a call, and the size of its result, before anything is evaluated. Kubernetes counts
// format and replace as if their results were short, and a regular expression by its length alone.
func (c *costs) EstimateCallCost(function, overload string, target *checker.AstNode, args []checker.AstNode) *checker.CallEstimate { //nolint:gocritic // the signature of checker.CostEstimator
	known := c.CostEstimator.EstimateCallCost(function, overload, target, args)
	switch {
	case function == "format" && target != nil && len(args) == 1:
		size := sizeOfNode(*target).Add(sizeOfNode(args[0]).Multiply(checker.SizeEstimate{Max: longest}))
		return &checker.CallEstimate{CostEstimate: size.MultiplyByCostFactor(common.StringTraversalCostFactor), ResultSize: &size}
	case function == "replace" && known != nil && known.ResultSize != nil:
		made := known.ResultSize.MultiplyByCostFactor(common.StringTraversalCostFactor)
		return &checker.CallEstimate{CostEstimate: known.CostEstimate.Add(made), ResultSize: known.ResultSize}
	case patternFunctions.Has(function):
		if target != nil {
			args = append([]checker.AstNode{*target}, args...)
		}
		cost := checker.CostEstimate{Max: matchCost(sizeOfNode(args[0]).Max, c.patterns.largest())}
		estimate := &checker.CallEstimate{CostEstimate: cost}
		if known != nil {
			estimate.ResultSize = known.ResultSize
		}
		return estimate
	}
	return known
}

// CallCost is the actual cost of a call. A result that is too long costs more than there is.
func (c *costs) CallCost(function, overload string, args []ref.Val, result ref.Val) *uint64 {
	if tooLong(result) {
		all := uint64(math.MaxInt64)
		return &all
	}
	if patternFunctions.Has(function) && len(args) > 1 {
		searched, isText := args[0].(types.String)
		pattern, isPattern := args[1].(types.String)
		if isText && isPattern {
			cost := matchCost(uint64(len(searched)), c.patterns[string(pattern)])
			return &cost
		}
	}
	return c.CostEstimator.CallCost(function, overload, args, result)
}

// matchCost is the cost of looking for a regular expression in a text: both their sizes matter, as Kubernetes has it.
func matchCost(length, size uint64) uint64 {
	searched := math.Ceil((1 + float64(length)) * common.StringTraversalCostFactor)
	return uint64(searched * math.Ceil(float64(size)*common.RegexStringLengthCostFactor))
}

func tooLong(v ref.Val) bool {
	switch v := v.(type) {
	case types.String:
		return len(v) > utf8Max*longest
	case types.Bytes:
		return len(v) > utf8Max*longest
	case traits.Sizer:
		size, ok := v.Size().(types.Int)
		return ok && size > longest
	}
	return false
}

// utf8Max is how many bytes a character has at most.
const utf8Max = 4

// sizeEstimator knows the sizes of variables.
type sizeEstimator struct{}

// EstimateSize is the largest size of what stands at a path; of anything else it is what evaluation lets an expression make.
func (sizeEstimator) EstimateSize(node checker.AstNode) *checker.SizeEstimate {
	return sizeOf(strings.Join(node.Path(), "."))
}

// EstimateCallCost knows no calls.
func (sizeEstimator) EstimateCallCost(string, string, *checker.AstNode, []checker.AstNode) *checker.CallEstimate { //nolint:gocritic // as above
	return nil
}

func sizeOfNode(node checker.AstNode) checker.SizeEstimate {
	if known := node.ComputedSize(); known != nil {
		return *known
	}
	return *sizeEstimator{}.EstimateSize(node)
}
