package schema

import (
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// definitions reads the generated CustomResourceDefinitions, by kind.
func definitions() map[string]apiextensionsv1.CustomResourceDefinition {
	GinkgoHelper()
	files, err := filepath.Glob(filepath.Join(root, "config", "crd", "bases", "*.yaml"))
	Expect(err).NotTo(HaveOccurred())
	found := map[string]apiextensionsv1.CustomResourceDefinition{}
	for _, file := range files {
		var definition apiextensionsv1.CustomResourceDefinition
		Expect(yaml.UnmarshalStrict(read("config", "crd", "bases", filepath.Base(file)), &definition)).To(Succeed())
		found[definition.Spec.Names.Kind] = definition
	}
	Expect(found).To(HaveLen(4))
	return found
}

// visit calls seen for each schema below one, with its path; items of a list are path[].
func visit(path string, schema apiextensionsv1.JSONSchemaProps, seen func(string, apiextensionsv1.JSONSchemaProps)) {
	seen(path, schema)
	for name, property := range schema.Properties {
		visit(strings.TrimPrefix(path+"."+name, "."), property, seen)
	}
	if schema.Items != nil {
		visit(path+"[]", *schema.Items.Schema, seen)
	}
}

// embedded is true inside types of Kubernetes, whose schema is not ours: metadata, conditions, and a label selector,
// which rules of its own bound.
func embedded(path string) bool {
	selector := strings.HasPrefix(path, "spec.grants.namespaceSelector.")
	condition := strings.HasPrefix(path, "status.conditions[].")
	return selector || condition || slices.Contains([]string{"apiVersion", "kind", "metadata"}, path)
}

var _ = Describe("The schema of every kind", func() {
	It("bounds every list and every string", func() {
		for kind, definition := range definitions() {
			visit("", *definition.Spec.Versions[0].Schema.OpenAPIV3Schema, func(path string, schema apiextensionsv1.JSONSchemaProps) {
				if embedded(path) {
					return
				}
				switch schema.Type {
				case "array":
					Expect(schema.MaxItems).NotTo(BeNil(), "%s %s has no maxItems", kind, path)
				case "string":
					bounded := schema.MaxLength != nil || len(schema.Enum) > 0 || schema.Format == "date-time"
					Expect(bounded).To(BeTrue(), "%s %s has no maxLength", kind, path)
				}
			})
		}
	})

	It("says what every field is, in sentences that kubectl explain can show", func() {
		for kind, definition := range definitions() {
			visit("", *definition.Spec.Versions[0].Schema.OpenAPIV3Schema, func(path string, schema apiextensionsv1.JSONSchemaProps) {
				if embedded(path) || strings.HasSuffix(path, "[]") {
					return
				}
				text := strings.TrimSpace(schema.Description)
				Expect(text).NotTo(BeEmpty(), "%s %s has no description", kind, path)
				Expect(text).To(MatchRegexp(`[.)]$`), "%s %s: %q is no sentence", kind, path, text)
				for line := range strings.Lines(text) { // kubectl explain wraps longer lines in their middle
					Expect(utf8.RuneCountInString(strings.TrimSpace(line))).To(BeNumerically("<=", 76), "%s %s: %q is wider than a terminal", kind, path, line)
				}
			})
		}
	})

	It("has a message for every rule, which says more than that it failed", func() {
		for kind, definition := range definitions() {
			visit("", *definition.Spec.Versions[0].Schema.OpenAPIV3Schema, func(path string, schema apiextensionsv1.JSONSchemaProps) {
				for _, rule := range schema.XValidations {
					Expect(len(rule.Message)).To(BeNumerically(">", 20), "%s %s: %s", kind, path, rule.Rule)
				}
				if schema.Pattern != "" && !embedded(path) && !strings.Contains(path, "conditions[]") {
					Fail(kind + " " + path + " has a pattern, whose message would be the pattern: write a rule")
				}
			})
		}
	})
})
