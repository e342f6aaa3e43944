package access

import (
	"fmt"
	"strings"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/rolename"
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
		lines[renderLines-1] = "and " + text.Count(total-renderLines+1, "more step")
	}
	return lines
}

// Describe is one step on one line, of at most 256 characters: what is done, and why.
func Describe(s Step) string {
	message := action(s)
	if why := reason(s); why != "" {
		message += ": " + why
	}
	return text.Cut(message, renderWidth)
}

// action says what a step does.
func action(s Step) string {
	user, role := text.Plain(s.Username), text.Plain(s.Role)
	switch s.Kind {
	case StepRemoveMember, StepRemoveReplaced:
		return fmt.Sprintf("revoke %s from %s", names(s.Roles), user)
	case StepAddMember:
		return fmt.Sprintf("grant %s to %s", names(s.Roles), user)
	case StepSwapMember:
		return fmt.Sprintf("grant %s to %s in place of %s", names(s.Roles), user, names(s.Replaced))
	case StepCreateRole:
		return fmt.Sprintf("create role %s with %s", role, text.Count(len(s.Permissions), "permission"))
	case StepWidenRole:
		return fmt.Sprintf("widen role %s to %s%s", role, text.Count(len(s.Permissions), "permission"), edit(s, 2))
	case StepReplaceRole:
		return fmt.Sprintf("replace the permissions of role %s by %d%s", role, len(s.Permissions), edit(s, 1))
	case StepNarrowRole:
		return fmt.Sprintf("narrow role %s to %s%s", role, text.Count(len(s.Permissions), "permission"), edit(s, 2))
	case StepDeleteRole:
		return "delete role " + role
	}
	return string(s.Kind)
}

// reason says why a step is taken.
func reason(s Step) string {
	switch s.Kind {
	case StepRemoveMember:
		return ending(s.Ended)
	case StepAddMember, StepSwapMember:
		return membership(s)
	case StepRemoveReplaced:
		return "another role gives the access of " + causesText(s.For)
	case StepCreateRole:
		return creation(s)
	case StepWidenRole, StepReplaceRole, StepNarrowRole:
		if s.Repair != "" {
			return "another writer changed the role"
		}
		return purpose(s)
	case StepDeleteRole:
		return deletion(s)
	}
	return ""
}

// Content is what a deleted role contained, on one line: its permissions, and the members that left it before. The first of
// each are named.
func Content(s Step, members []string) string {
	const shown = 8
	names := make([]string, 0, len(members))
	for _, member := range text.SortedSet(members) {
		names = append(names, text.Plain(member))
	}
	return fmt.Sprintf("it had %s and %s", counted(len(s.Lost), "permissions", text.Cut(ListPermissions(s.Lost, shown), renderWidth)),
		counted(len(names), "members", text.Cut(text.List(names, shown), renderWidth)))
}

// counted is a number of things, with names where there are any.
func counted(count int, things, names string) string {
	if count == 0 {
		return "no " + things
	}
	return fmt.Sprintf("%d %s (%s)", count, things, names)
}

// deletion says why a role is deleted.
func deletion(s Step) string {
	switch {
	case s.Successor != "":
		return text.Plain(s.Successor) + " has taken its place"
	case rolename.IsClaim(s.Role):
		return "this claim on the Airflow ends"
	}
	return "no policy or grant needs it"
}

// ending says why a role is revoked.
func ending(ended []Cause) string {
	if len(ended) == 0 {
		return "no policy or grant gives it"
	}
	return causesText(ended) + " ended"
}

// membership says why a role is granted.
func membership(s Step) string {
	if s.Repair != "" {
		return "another writer revoked it, and " + causesText(s.For) + " gives it"
	}
	return causesText(s.For)
}

// creation says why a role is created.
func creation(s Step) string {
	switch {
	case s.Follows != "":
		return fmt.Sprintf("takes the place of %s, which has %s too many: this Airflow only adds permissions to roles",
			text.Plain(s.Follows), text.Count(len(s.Lost), "permission"))
	case s.Repair != "":
		return "another writer deleted the role"
	case rolename.IsClaim(s.Role):
		return "it claims the Airflow for the AirflowInstance"
	}
	return purpose(s)
}

// purpose says what a role is for.
func purpose(s Step) string {
	if s.RoleKind == v1alpha1.ManagedRoleGrant {
		return "grants under policy " + s.Policy.String()
	}
	return "policy " + s.Policy.String()
}

// causesText names causes, the oldest first.
func causesText(causes []Cause) string {
	shown := make([]string, 0, len(causes))
	for _, cause := range causes {
		shown = append(shown, cause.String())
	}
	return text.List(shown, 2)
}

// edit is what a role gains and loses, with the first names of each.
func edit(s Step, limit int) string {
	var parts []string
	if n := len(s.Gained); n > 0 {
		parts = append(parts, fmt.Sprintf("adding %d (%s)", n, ListPermissions(s.Gained, limit)))
	}
	if n := len(s.Lost); n > 0 {
		parts = append(parts, fmt.Sprintf("removing %d (%s)", n, ListPermissions(s.Lost, limit)))
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

// ListPermissions names the first of some permissions on one line.
func ListPermissions(ps []permission.Pair, limit int) string {
	names := make([]string, 0, len(ps))
	for _, p := range ps {
		names = append(names, text.Cut(p.String(), 60))
	}
	return text.List(names, limit)
}
