package airflowtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

type named struct {
	Name string `json:"name"`
}

type pairBody struct {
	Action   named `json:"action"`
	Resource named `json:"resource"`
}

type roleBody struct {
	Name    string     `json:"name"`
	Actions []pairBody `json:"actions"`
}

func pairsOf(permissions []airflow.Permission) []pairBody {
	out := make([]pairBody, 0, len(permissions))
	for _, p := range permissions {
		out = append(out, pairBody{Action: named{p.Action}, Resource: named{p.Resource}})
	}
	return out
}

func permissionsOf(pairs []pairBody) []airflow.Permission {
	out := make([]airflow.Permission, 0, len(pairs))
	for _, p := range pairs {
		out = append(out, airflow.Permission{Action: p.Action.Name, Resource: p.Resource.Name})
	}
	return out
}

// fields are the fields of a body that was sent.
type fields map[string]json.RawMessage

// readFields takes a body apart; it refuses fields that are not known.
func readFields(body []byte, known ...string) (fields, *response) {
	if len(body) == 0 {
		return nil, unprocessable(missingField(nil, "body"))
	}
	if !json.Valid(body) {
		return nil, unprocessable(problem{Type: "json_invalid", Loc: []any{"body", 0}, Msg: "JSON decode error", Input: map[string]any{}})
	}
	f := objectOf(body)
	if f == nil {
		return nil, unprocessable(wrongType("model_attributes_type", "dictionary or object to extract fields from", json.RawMessage(body), "body"))
	}
	var problems []problem
	for name, value := range f {
		if !slices.Contains(known, name) {
			problems = append(problems, problem{
				Type: "extra_forbidden", Loc: []any{"body", name}, Msg: "Extra inputs are not permitted", Input: value,
			})
		}
	}
	if len(problems) > 0 {
		return nil, unprocessable(problems...)
	}
	return f, nil
}

// objectOf reads a JSON object; nil where it is none.
func objectOf(body []byte) fields {
	var f fields
	if json.Unmarshal(body, &f) != nil {
		return nil
	}
	return f
}

// word is a field's text; empty where there is none.
func (f fields) word(name string) string {
	var text string
	if json.Unmarshal(f[name], &text) != nil {
		return ""
	}
	return text
}

// null says whether the field is absent or null.
func (f fields) null(name string) bool { return f[name] == nil || string(f[name]) == "null" }

// text reads a text of at least one character.
func (f fields) text(name string, required bool, into *string) *response {
	switch {
	case f[name] == nil && required:
		return unprocessable(missingField(f, "body", name))
	case !required && f.null(name):
		return nil
	case json.Unmarshal(f[name], into) != nil || string(f[name]) == "null":
		return unprocessable(wrongType("string_type", "string", f[name], "body", name))
	case *into == "":
		return unprocessable(problem{
			Type: "string_too_short", Loc: []any{"body", name}, Msg: "String should have at least 1 character", Input: "",
		})
	}
	return nil
}

// list reads the field as a list of fields.
func (f fields) list(name string) ([]fields, *response) {
	var items []json.RawMessage
	if json.Unmarshal(f[name], &items) != nil || items == nil {
		return nil, unprocessable(wrongType("list_type", "list", f[name], "body", name))
	}
	out := make([]fields, 0, len(items))
	for i, item := range items {
		g := objectOf(item)
		if g == nil {
			return nil, unprocessable(wrongType("model_attributes_type", "dictionary or object to extract fields from", item, "body", name, i))
		}
		out = append(out, g)
	}
	return out, nil
}

// readRole reads the body of a role. sent says whether it has actions.
func readRole(body []byte) (role roleBody, sent bool, refusal *response) {
	if role, ok := readWholeRole(body); ok {
		return role, true, nil
	}
	f, refusal := readFields(body, "name", "actions")
	if refusal != nil {
		return role, false, refusal
	}
	if refusal := f.text("name", true, &role.Name); refusal != nil {
		return role, false, refusal
	}
	if f["actions"] == nil {
		return role, false, nil
	}
	items, refusal := f.list("actions")
	if refusal != nil {
		return role, false, refusal
	}
	for i, item := range items {
		var pair pairBody
		for part, into := range map[string]*named{"action": &pair.Action, "resource": &pair.Resource} {
			if refusal := item.named(part, into, "body", "actions", i, part); refusal != nil {
				return role, false, refusal
			}
		}
		role.Actions = append(role.Actions, pair)
	}
	return role, true, nil
}

// readWholeRole reads a body that has everything and nothing else, in one go. What it does not take is read piece by
// piece, to say what is wrong.
func readWholeRole(body []byte) (role roleBody, ok bool) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&role) != nil || role.Name == "" || role.Actions == nil {
		return roleBody{}, false
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return roleBody{}, false
	}
	for _, pair := range role.Actions {
		if pair.Action.Name == "" || pair.Resource.Name == "" {
			return roleBody{}, false
		}
	}
	return role, true
}

// named reads a part of the form {"name": ...}.
func (f fields) named(part string, into *named, loc ...any) *response {
	if f[part] == nil {
		return unprocessable(missingField(f, loc...))
	}
	g := objectOf(f[part])
	if g == nil {
		return unprocessable(wrongType("model_attributes_type", "dictionary or object to extract fields from", f[part], loc...))
	}
	return g.readName(into, loc...)
}

func (f fields) readName(into *named, loc ...any) *response {
	loc = append(slices.Clone(loc), "name")
	if f["name"] == nil {
		return unprocessable(missingField(f, loc...))
	}
	if json.Unmarshal(f["name"], &into.Name) != nil || string(f["name"]) == "null" {
		return unprocessable(wrongType("string_type", "string", f["name"], loc...))
	}
	return nil
}
