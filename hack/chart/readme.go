package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// text is the README around the table of values, which takes the place of the mark.
//
//go:embed README.md.in
var text string

const mark = "<!-- values -->"

// readme writes the chart's README. Each value is described by a comment above it that begins with "# -- ".
func readme(values []byte) ([]byte, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(values, &document); err != nil {
		return nil, fmt.Errorf("parse values: %w", err)
	}
	if len(document.Content) != 1 {
		return nil, fmt.Errorf("%w: no values", errSource)
	}
	rows, err := describe("", document.Content[0])
	if err != nil {
		return nil, err
	}
	table := "| value | default | meaning |\n|---|---|---|\n" + strings.Join(rows, "\n")
	if !strings.Contains(text, mark) {
		return nil, fmt.Errorf("%w: README.md.in has no %s", errSource, mark)
	}
	return []byte(strings.Replace(text, mark, table, 1)), nil
}

// describe returns the rows of a mapping: one for each described value, and those inside values that are not described.
func describe(prefix string, mapping *yaml.Node) ([]string, error) {
	var rows []string
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		path := prefix + key.Value
		comment, described := strings.CutPrefix(lastParagraph(key.HeadComment), "# -- ")
		switch {
		case described:
			var plain any
			if err := value.Decode(&plain); err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			shown, err := json.Marshal(plain)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			meaning := strings.ReplaceAll(comment, "\n# ", " ")
			rows = append(rows, "| `"+path+"` | `"+string(shown)+"` | "+strings.ReplaceAll(meaning, "|", `\|`)+" |")
		case value.Kind == yaml.MappingNode && len(value.Content) > 0:
			inner, err := describe(path+".", value)
			if err != nil {
				return nil, err
			}
			rows = append(rows, inner...)
		default:
			return nil, fmt.Errorf("%w: value %s has no comment that begins with # --", errSource, path)
		}
	}
	return rows, nil
}

// lastParagraph is the part of a comment that stands right above its value.
func lastParagraph(comment string) string {
	return comment[strings.LastIndex("\n\n"+comment, "\n\n"):]
}
