package access

import (
	"fmt"
	"strings"

	"github.com/airflow-oam/airflow-oam/internal/text"
)

const (
	renderLines = 64
	renderWidth = 256
)

// Render writes a plan for people: at most 64 lines of at most 256 characters. When there are more steps, the last line
// says how many.
func Render(p Plan) []string {
	var lines []string
	total := 0
	for _, steps := range p.Phases {
		for _, step := range steps {
			total++
			if len(lines) < renderLines {
				lines = append(lines, Describe(step))
			}
		}
	}
	if total > renderLines {
		lines[renderLines-1] = fmt.Sprintf("and %d more steps", total-renderLines+1)
	}
	return lines
}

// Describe is one step on one line, of at most 256 characters.
func Describe(s Step) string {
	var message string
	switch s.Kind {
	case StepRemoveMember, StepRemoveReplaced:
		message = fmt.Sprintf("take %s off user %s", names(s.Roles), text.Plain(s.Username))
	case StepAddMember:
		message = fmt.Sprintf("give %s to user %s", names(s.Roles), text.Plain(s.Username))
	case StepSwapMember:
		message = fmt.Sprintf("give %s to user %s in place of %s", names(s.Roles), text.Plain(s.Username), names(s.Replaced))
	case StepCreateRole:
		message = fmt.Sprintf("create role %s with %d permissions", text.Plain(s.Role), len(s.Permissions))
	case StepWidenRole:
		message = fmt.Sprintf("widen role %s to %d permissions%s", text.Plain(s.Role), len(s.Permissions), edit(s, 2))
	case StepReplaceRole:
		message = fmt.Sprintf("replace the permissions of role %s by %d%s", text.Plain(s.Role), len(s.Permissions), edit(s, 1))
	case StepNarrowRole:
		message = fmt.Sprintf("narrow role %s to %d permissions%s", text.Plain(s.Role), len(s.Permissions), edit(s, 2))
	case StepDeleteRole:
		message = fmt.Sprintf("delete role %s", text.Plain(s.Role))
	default:
		message = string(s.Kind)
	}
	if s.Why != "" {
		message += ": " + s.Why
	}
	return text.Cut(message, renderWidth)
}

// edit is what a role gains and loses, with the first names of each.
func edit(s Step, limit int) string {
	var parts []string
	if n := len(s.Gained); n > 0 {
		parts = append(parts, fmt.Sprintf("adding %d (%s)", n, listPermissions(s.Gained, limit)))
	}
	if n := len(s.Lost); n > 0 {
		parts = append(parts, fmt.Sprintf("taking away %d (%s)", n, listPermissions(s.Lost, limit)))
	}
	if len(parts) == 0 {
		return ""
	}
	return ", " + strings.Join(parts, " and ")
}

func names(roles []string) string {
	word := "role "
	if len(roles) > 1 {
		word = "roles "
	}
	shown := make([]string, 0, len(roles))
	for _, role := range roles {
		shown = append(shown, text.Plain(role))
	}
	return word + text.List(shown, 4)
}
