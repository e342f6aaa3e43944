package docs

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// schema is a part of a kind's schema.
type schema apiextensionsv1.JSONSchemaProps

// definition reads the schema of a kind.
func definition(t *testing.T, plural string) schemaOf {
	t.Helper()
	return schemaOf{Properties: properties(version(t, plural).Schema.OpenAPIV3Schema)}
}

// columns reads what kubectl get prints of a kind.
func columns(t *testing.T, plural string) []apiextensionsv1.CustomResourceColumnDefinition {
	t.Helper()
	return version(t, plural).AdditionalPrinterColumns
}

// version reads the one version of a kind from its CustomResourceDefinition.
func version(t *testing.T, plural string) apiextensionsv1.CustomResourceDefinitionVersion {
	t.Helper()
	path := filepath.Join(root(t), "config", "crd", "bases", "access.airflow-oam.dev_"+plural+".yaml")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(content, crd); err != nil {
		t.Fatal(err)
	}
	return crd.Spec.Versions[0]
}

// schemaOf is a schema whose parts are schemas of ours.
type schemaOf struct{ Properties map[string]schema }

func properties(s *apiextensionsv1.JSONSchemaProps) map[string]schema {
	parts := make(map[string]schema, len(s.Properties))
	for name, part := range s.Properties {
		parts[name] = schema(part)
	}
	return parts
}

// words gives the sorted values that a field may have.
func (s schema) words(t *testing.T, field string) []string {
	t.Helper()
	var values []string
	for _, raw := range s.Properties[field].Enum {
		var value string
		if err := json.Unmarshal(raw.Raw, &value); err != nil {
			t.Fatal(err)
		}
		values = append(values, value)
	}
	slices.Sort(values)
	return values
}

// walk gives every field below a path: true where it holds a value, false where it only holds other fields. Lists are
// both. What Kubernetes defines (conditions, label selectors) is one value.
func (s schema) walk(path string, found map[string]schema, leaves map[string]bool) {
	for name, part := range s.Properties {
		at, below := path+"."+name, schema(part)
		found[at] = below
		switch {
		case name == "conditions", name == "namespaceSelector":
			leaves[at] = true
		case part.Type == "array" && part.Items != nil && part.Items.Schema.Type == "object":
			leaves[at] = true
			schema(*part.Items.Schema).walk(at+"[]", found, leaves)
		case part.Type == "object":
			below.walk(at, found, leaves)
		default:
			leaves[at] = true
		}
	}
}

// TestEveryFieldIsTold compares the tables of fields with the schemas: each field that holds a value is there, none is
// there that does not exist, and defaults are those of the schema.
func TestEveryFieldIsTold(t *testing.T) {
	for plural, path := range map[string]string{
		"accessgrants":      "docs/spec/v1alpha1/accessgrant.md",
		"accessrequests":    "docs/spec/v1alpha1/accessrequest.md",
		"airflowinstances":  "docs/spec/v1alpha1/airflowinstance.md",
		"dagaccesspolicies": "docs/spec/v1alpha1/dagaccesspolicy.md",
	} {
		found, leaves := map[string]schema{}, map[string]bool{}
		for _, part := range []string{"spec", "status"} {
			definition(t, plural).Properties[part].walk(part, found, leaves)
		}
		p := read(t, path)
		shown := map[string]bool{}
		for _, table := range p.tables {
			if table.titles[0] == "Field" {
				tellFields(t, path, table, found, shown)
			}
		}
		for field := range shown {
			if !leaves[field] {
				delete(shown, field) // it only holds other fields; it may be told of
			}
		}
		if difference := cmp.Diff(slices.Sorted(maps.Keys(leaves)), slices.Sorted(maps.Keys(shown))); difference != "" {
			t.Errorf("%s: the fields differ (- schema, + page):\n%s", path, difference)
		}
	}
}

func tellFields(t *testing.T, path string, told table, found map[string]schema, shown map[string]bool) {
	t.Helper()
	defaults := told.column("Default")
	for i, cell := range told.column("Field") {
		words := code(cell)
		if len(words) != 1 {
			t.Errorf("%s: want one field in backticks: %s", path, cell)
			continue
		}
		field, exists := found[words[0]]
		if !exists {
			t.Errorf("%s: there is no field %s", path, words[0])
			continue
		}
		shown[words[0]] = true
		if defaults == nil || field.Default == nil {
			continue
		}
		var value any
		if err := json.Unmarshal(field.Default.Raw, &value); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("`%v`", value); !strings.Contains(defaults[i], want) {
			t.Errorf("%s: the default of %s is %s, the page says %q", path, words[0], want, defaults[i])
		}
	}
}

// TestShownColumnsAreThoseOfKubectl compares the titles of outputs that are shown with the columns of the kinds.
func TestShownColumnsAreThoseOfKubectl(t *testing.T) {
	known := map[string]bool{}
	for _, plural := range []string{"accessgrants", "accessrequests", "airflowinstances", "dagaccesspolicies"} {
		titles := []string{"NAME"}
		for _, column := range columns(t, plural) {
			if column.Priority == 0 {
				titles = append(titles, strings.ToUpper(column.Name))
			}
		}
		known[strings.Join(titles, " ")] = true
	}
	shown := 0
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			for line := range strings.Lines(b.text) {
				if b.language != "text" || !strings.HasPrefix(line, "NAME ") {
					continue
				}
				shown++
				if titles := strings.Join(strings.Fields(line), " "); !known[titles] {
					t.Errorf("%s:%d: no kind has these columns: %s", p.path, b.line, titles)
				}
			}
		}
	}
	if shown < 6 {
		t.Errorf("only %d outputs were found", shown)
	}
}
