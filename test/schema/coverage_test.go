package schema

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// refusals are the causes of every refusal that a spec expected: kind, path without indexes, message.
var (
	refusals     []string
	refusalsLock sync.Mutex
	indexes      = regexp.MustCompile(`\[\d+\]`)
)

// remember notes a refusal that was expected.
func remember(kind string, cause metav1.StatusCause) {
	refusalsLock.Lock()
	defer refusalsLock.Unlock()
	path := strings.TrimPrefix(indexes.ReplaceAllString(cause.Field, "[]"), "<nil>")
	refusals = append(refusals, kind+" "+path+" "+cause.Message)
}

// Each rule of each schema has to have refused something. That something like it was accepted is the tables' part.
var _ = ReportAfterSuite("every rule of the schemas was tried", func(report Report) {
	filtered := len(report.SuiteConfig.FocusStrings)+len(report.SuiteConfig.SkipStrings)+len(report.SuiteConfig.FocusFiles) > 0
	if filtered || report.SuiteHasProgrammaticFocus || report.SuiteConfig.DryRun || root == "" {
		AddReportEntry("not judged: only a part of the specs ran")
		return
	}
	var untried []string
	for kind, definition := range definitions() {
		visit("", *definition.Spec.Versions[0].Schema.OpenAPIV3Schema, func(path string, schema apiextensionsv1.JSONSchemaProps) {
			if embedded(path) || strings.Contains(path, "conditions[]") {
				return
			}
			for _, answer := range refusalsOf(path, schema) {
				tried := slices.ContainsFunc(refusals, func(refusal string) bool {
					return strings.HasPrefix(refusal, kind+" "+answer.path+" ") && strings.Contains(refusal, answer.message)
				})
				if !tried {
					untried = append(untried, kind+" "+answer.path+": "+answer.message)
				}
			}
		})
	}
	slices.Sort(untried)
	Expect(untried).To(BeEmpty())
})

// answer is what a schema can say of a value, and of which.
type answer struct{ path, message string }

// refusalsOf lists what a schema can answer at a path, or at the path below it that a rule names: the messages of its rules
// and, in spec, of its bounds.
func refusalsOf(path string, schema apiextensionsv1.JSONSchemaProps) []answer {
	var answers []answer
	for _, rule := range schema.XValidations {
		answers = append(answers, answer{path + rule.FieldPath, rule.Message})
	}
	if !strings.HasPrefix(path, "spec") {
		return answers
	}
	for message, there := range map[string]bool{
		"Too long":                  schema.MaxLength != nil,
		"should be at least":        schema.MinLength != nil,
		"must have at most":         schema.MaxItems != nil,
		"should have at least":      schema.MinItems != nil,
		"supported values":          len(schema.Enum) > 0,
		"must be of type date-time": schema.Format == "date-time",
		"should be greater than":    schema.Minimum != nil,
		"should be less than":       schema.Maximum != nil,
	} {
		if there {
			answers = append(answers, answer{path, message})
		}
	}
	return answers
}
