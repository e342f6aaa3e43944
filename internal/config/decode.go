package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// decode reads one document of YAML, and where its fields stand.
func decode(content []byte) (*Configuration, error) {
	c := &Configuration{lines: map[string]int{}}
	var document yaml.Node
	if err := yaml.Unmarshal(content, &document); err != nil {
		return nil, c.readable(err)
	}
	if len(document.Content) == 0 {
		return nil, errors.New("the file is empty")
	}
	c.locate("", document.Content[0])
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	if err := decoder.Decode(c); err != nil {
		return nil, c.readable(err)
	}
	if err := decoder.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return nil, errors.New("want one document: the file has a second one")
	}
	return c, nil
}

// locate remembers the lines of the fields in a node.
func (c *Configuration) locate(path string, node *yaml.Node) {
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			key := node.Content[i]
			field := strings.TrimPrefix(path+"."+key.Value, ".")
			c.lines[field] = key.Line
			c.locate(field, node.Content[i+1])
		}
	case yaml.SequenceNode:
		for i, item := range node.Content {
			field := fmt.Sprintf("%s[%d]", path, i)
			c.lines[field] = item.Line
			c.locate(field, item)
		}
	case yaml.DocumentNode, yaml.ScalarNode, yaml.AliasNode:
	}
}

// line is where a field stands, or the nearest one around it.
func (c *Configuration) line(field string) int {
	for field != "" {
		if line, known := c.lines[field]; known {
			return line
		}
		field = field[:max(0, strings.LastIndexAny(field, ".["))]
	}
	return 1
}

// at is the path of a field on a line whose last part is a name; any name where that is empty.
func (c *Configuration) at(line, name string) string {
	number, _ := strconv.Atoi(line)
	for _, field := range slices.Backward(slices.Sorted(maps.Keys(c.lines))) {
		if c.lines[field] == number && strings.HasSuffix("."+field, name) {
			return field
		}
	}
	return strings.TrimPrefix(name, ".")
}

var (
	unknownField = regexp.MustCompile(`^line (\d+): field (.+) not found in type \S+$`)
	wrongType    = regexp.MustCompile(`(?s)^line (\d+): cannot unmarshal .* into (\S+)$`)
)

// readable turns the library's words into ours.
func (c *Configuration) readable(err error) error {
	typed := &yaml.TypeError{}
	if !errors.As(err, &typed) {
		return errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	problems := make([]error, 0, len(typed.Errors))
	for _, problem := range typed.Errors {
		if match := unknownField.FindStringSubmatch(problem); match != nil {
			problem = fmt.Sprintf("line %s: %s: there is no such field", match[1], c.at(match[1], "."+match[2]))
		}
		if match := wrongType.FindStringSubmatch(problem); match != nil {
			problem = fmt.Sprintf("line %s: %s: want %s", match[1], c.at(match[1], ""), nameOf(match[2]))
		}
		problems = append(problems, errors.New(problem))
	}
	return errors.Join(problems...)
}

// nameOf is what a reader calls a type.
func nameOf(goType string) string {
	switch {
	case goType == "time.Duration":
		return "a time such as 10s"
	case goType == "bool":
		return "true or false"
	case strings.HasPrefix(goType, "[]"):
		return "a list"
	case strings.HasPrefix(goType, "config.") && goType != "config.NotifierType":
		return "fields"
	}
	return "text"
}
