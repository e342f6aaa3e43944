package privilege

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

const (
	// room is the size of a message in bytes.
	room = 1024
	// shownNames is how many DAGs, and how many roles of each origin, a message names; the others are counted.
	shownNames = 3
	// shownLevels is the same for the levels on a DAG.
	shownLevels = 6

	adviseExcess   = ". Remove members from one of these roles, narrow one, or use levels that need no right on all DAGs."
	adviseWithheld = ". End or narrow one of the others, or set leastPrivilege: Warn in the AirflowInstance."
)

// Origin is the owner of a role, as seen from the policy that a message is about.
type Origin int

const (
	// Foreign roles are not managed.
	Foreign Origin = iota
	// OwnPolicy is the origin of the policy's own roles and of those of its grants.
	OwnPolicy
	// OtherPolicy is the origin of the other managed roles.
	OtherPolicy
)

// Tally adds up the excess of several users, for a message of at most 1 KiB.
type Tally struct {
	server permission.Server
	origin func(role string) Origin
	users  int
	dags   map[string]verbs
	roles  map[string]bool
}

// NewTally returns a tally of no users. It calls origin for each role when a message is written.
func NewTally(server permission.Server, origin func(role string) Origin) *Tally {
	return &Tally{server: server, origin: origin, dags: map[string]verbs{}, roles: map[string]bool{}}
}

// Add counts users who have the same excess.
func (t *Tally) Add(e Excess, users int) {
	t.users += users
	for _, o := range e {
		t.dags[o.dag] |= o.verbs
		for _, role := range o.roles {
			t.roles[role] = true
		}
	}
}

// ExcessOfMembers is the message of a policy whose members and subjects have excess, followed by another text.
func (t *Tally) ExcessOfMembers(more string) string {
	if t.users == 1 {
		return t.compose("1 user with this policy's access also has ", adviseExcess+more)
	}
	return t.compose(fmt.Sprintf("%d users with this policy's access also have ", t.users), adviseExcess+more)
}

// ExcessOfGrant is the message of a grant whose subject has excess.
func (t *Tally) ExcessOfGrant() string { return t.compose("its subject also has ", adviseExcess) }

// WithheldMembers is the message of a policy that is withheld from standing members, followed by another text.
func (t *Tally) WithheldMembers(more string) string {
	if t.users == 1 {
		return t.compose("1 standing member gets nothing, because it would also have ", adviseWithheld+more)
	}
	return t.compose(fmt.Sprintf("%d standing members get nothing, because they would also have ", t.users), adviseWithheld+more)
}

// WithheldGrant is the message of a grant that is withheld from its subject.
func (t *Tally) WithheldGrant() string {
	return t.compose("it grants nothing, because its subject would also have ", adviseWithheld)
}

// compose writes a message. Names are cut so that the whole of it fits; where even that does not suffice, its end is cut.
func (t *Tally) compose(before, after string) string {
	message := ""
	for _, width := range []int{64, 32, 16} {
		message = before + t.where(width) + ", which no role grants by itself: " + t.which(width) + " combine" + after
		if len(message) <= room {
			break
		}
	}
	return shortened(message, room)
}

// where lists the levels and the first DAGs, those with the same levels together. Excess on DAGs that no role names comes
// from a right on all DAGs: it is on all DAGs, and not repeated for those that are named.
func (t *Tally) where(width int) string {
	everywhere, over := t.dags[""], map[string]verbs{}
	for dag, had := range t.dags {
		if had &^= everywhere; had != 0 {
			over[dag] = had
		}
	}
	if everywhere != 0 {
		over[""] = everywhere
	}
	dags := slices.Sorted(maps.Keys(over))
	more := len(dags) - shownNames
	groups := map[string][]string{}
	for _, dag := range dags[:min(len(dags), shownNames)] {
		name := shortened(dag, width)
		if dag == "" {
			name = "all DAGs"
		}
		levels := text.List(levelsOf(t.server, over[dag]), shownLevels)
		groups[levels] = append(groups[levels], name)
	}
	var parts []string
	for _, levels := range slices.Sorted(maps.Keys(groups)) {
		parts = append(parts, levels+" on "+strings.Join(groups[levels], ", "))
	}
	if more > 0 {
		parts = append(parts, "and more on "+text.Count(more, "other DAG"))
	}
	return strings.Join(parts, "; ")
}

// which lists the first roles of each origin.
func (t *Tally) which(width int) string {
	names := map[Origin][]string{}
	for _, role := range slices.Sorted(maps.Keys(t.roles)) {
		origin := t.origin(role)
		names[origin] = append(names[origin], shortened(role, width))
	}
	var parts []string
	for _, kind := range []struct {
		origin Origin
		noun   string
	}{{OwnPolicy, "role"}, {OtherPolicy, "managed role"}, {Foreign, "foreign role"}} {
		switch roles := names[kind.origin]; len(roles) {
		case 0:
		case 1:
			parts = append(parts, "the "+kind.noun+" "+roles[0])
		default:
			parts = append(parts, "the "+kind.noun+"s "+text.List(roles, shownNames))
		}
	}
	return strings.Join(parts, " and ")
}

// shortened returns a text without control characters in at most limit bytes; "..." replaces the part that is cut.
func shortened(message string, limit int) string {
	message = text.Plain(message)
	if len(message) <= limit {
		return message
	}
	const dots = "..."
	return strings.ToValidUTF8(message[:limit-len(dots)], "") + dots
}
