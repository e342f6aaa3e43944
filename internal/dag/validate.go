package dag

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// Validate refuses patterns that can match nothing or mean nothing. The text of its error is for the author of the policy.
func Validate(selectors []v1alpha1.DagSelector) error {
	for i := range selectors {
		s := &selectors[i]
		if len(s.IDs)+len(s.Tags)+len(s.Owners)+len(s.Bundles)+len(s.Paths) == 0 {
			return invalid(i, "", "", "selects by nothing: for every DAG write ids: [\"*\"]")
		}
		fields := []struct {
			name   string
			values []string
		}{
			{"ids", s.IDs}, {"tags", s.Tags}, {"owners", s.Owners}, {"bundles", s.Bundles}, {"paths", s.Paths}, {"exclude", s.Exclude},
		}
		for _, field := range fields {
			for _, value := range field.values {
				if why := badPattern(value, field.name == "paths"); why != "" {
					return invalid(i, field.name, value, why)
				}
			}
		}
	}
	return nil
}

// invalid is the error about a value of a field of the i-th selector, or about the selector where field is empty.
func invalid(i int, field, value, why string) error {
	where := fmt.Sprintf("dags[%d]", i)
	if field != "" {
		where += "." + field + " " + text.Quoted(value)
	}
	return errors.New(where + " " + why)
}

// badPattern returns the reason why a pattern can match nothing; empty where it can match.
func badPattern(pattern string, path bool) string {
	switch {
	case pattern == "":
		return "is empty"
	case !utf8.ValidString(pattern), strings.ContainsFunc(pattern, unicode.IsControl):
		return "contains a control character"
	case path:
		return badPath(pattern)
	}
	return ""
}

// badPath is badPattern for what only paths can do wrong.
func badPath(pattern string) string {
	switch {
	case strings.HasPrefix(pattern, "/"):
		return "begins with a slash: paths are relative to their bundle"
	case strings.Contains(pattern, "***"):
		return "contains three stars: ** crosses folders, * does not"
	}
	for part := range strings.SplitSeq(pattern, "/") {
		switch part {
		case "", ".", "..":
			return "contains an empty, . or .. folder, which no path has: for all files of a folder write folder/**"
		}
	}
	return ""
}
