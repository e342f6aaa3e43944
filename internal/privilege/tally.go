package privilege

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/permission"
	"github.com/airflow-oam/airflow-oam/internal/text"
)

// bounds are how much of everything a message names; width is that of a name, in bytes.
type bounds struct{ groups, dags, roles, levels, width int }

// compose writes a message of at most 1 KiB: it names as much as there is room for.
func compose(write func(bounds) string) string {
	const room = 1024
	message := ""
	for _, b := range []bounds{{4, 8, 6, 8, 128}, {3, 4, 3, 5, 64}, {2, 2, 2, 3, 40}, {1, 1, 1, 2, 24}} {
		if message = write(b); len(message) <= room {
			return message
		}
	}
	return shortened(message, room)
}

// shortened is text without control characters in at most limit bytes; what is left out is shown by "...".
func shortened(message string, limit int) string {
	message = text.Plain(message)
	if len(message) <= limit {
		return message
	}
	at := limit - len("...")
	for at > 0 && !utf8.RuneStart(message[at]) {
		at--
	}
	return message[:at] + "..."
}

// Origin is where a role comes from, as seen from the policy that a message is about.
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
	people int
	dags   map[string]verbs
	roles  map[string]bool
}

// NewTally is empty. The origin of roles is asked for when a message is written.
func NewTally(server permission.Server, origin func(role string) Origin) *Tally {
	return &Tally{server: server, origin: origin, dags: map[string]verbs{}, roles: map[string]bool{}}
}

// Add counts people who have the same excess.
func (t *Tally) Add(e Excess, people int) {
	t.people += people
	for _, o := range e {
		t.dags[o.dag] |= o.verbs
		for _, role := range o.roles {
			t.roles[role] = true
		}
	}
}

const (
	adviseExcess   = "Take people out of one of these roles, narrow one, or use levels that hold no right on all DAGs."
	adviseWithheld = "End or narrow one of the others, or set leastPrivilege: Warn in the AirflowInstance."
)

// ExcessOfMembers says what people of a policy can do besides; more is told behind it.
func (t *Tally) ExcessOfMembers(more string) string {
	who := fmt.Sprintf("%d people with this policy's access also have ", t.people)
	if t.people == 1 {
		who = "1 person with this policy's access also has "
	}
	return compose(func(b bounds) string { return who + t.text(b) + ". " + adviseExcess + more })
}

// ExcessOfGrant says what the subject of a grant can do besides.
func (t *Tally) ExcessOfGrant() string {
	return compose(func(b bounds) string { return "its subject also has " + t.text(b) + ". " + adviseExcess })
}

// WithheldMembers says why members of a policy get nothing; more is told behind it.
func (t *Tally) WithheldMembers(more string) string {
	who := fmt.Sprintf("%d standing members get nothing, because they", t.people)
	if t.people == 1 {
		who = "1 standing member gets nothing, because it"
	}
	return compose(func(b bounds) string {
		return who + " would also have " + t.text(b) + ". " + adviseWithheld + more
	})
}

// WithheldGrant says why a grant gives nothing.
func (t *Tally) WithheldGrant() string {
	return compose(func(b bounds) string {
		return "it gives nothing, because its subject would also have " + t.text(b) + ". " + adviseWithheld
	})
}

// text says what the excess is, where, and which roles combine to it.
func (t *Tally) text(b bounds) string {
	var own, others, foreign []string
	for role := range t.roles {
		name := shortened(role, b.width)
		switch t.origin(role) {
		case Foreign:
			foreign = append(foreign, name)
		case OwnPolicy:
			own = append(own, name)
		case OtherPolicy:
			others = append(others, name)
		}
	}
	with := b.counted("managed role", others)
	if len(foreign) > 0 {
		if with != "" {
			with += " and "
		}
		with += b.counted("foreign role", foreign)
	}
	combine := " combines with "
	if len(own) > 1 {
		combine = " combine with "
	}
	if with == "" {
		combine = " combine"
	}
	return t.where(b) + ", which no role gives by itself: " + b.counted("role", own) + combine + with
}

// counted names some of several things of a kind.
func (b bounds) counted(kind string, names []string) string {
	slices.Sort(names)
	switch len(names) {
	case 0:
		return ""
	case 1:
		return "the " + kind + " " + names[0]
	}
	return "the " + kind + "s " + text.List(names, b.roles)
}

// where names the levels and the DAGs, those with the same levels together.
func (t *Tally) where(b bounds) string {
	groups := map[string][]string{}
	for _, dag := range slices.Sorted(maps.Keys(t.dags)) {
		label := b.levelsOf(t.server, t.dags[dag])
		groups[label] = append(groups[label], dag)
	}
	var parts []string
	for _, label := range slices.Sorted(maps.Keys(groups)) {
		if len(parts) == b.groups {
			parts = append(parts, fmt.Sprintf("and more on %d other sets of DAGs", len(groups)-b.groups))
			break
		}
		parts = append(parts, label+" on "+b.dagsText(groups[label]))
	}
	return strings.Join(parts, "; ")
}

// dagsText names DAGs; the first may be "", which is all DAGs that no role names.
func (b bounds) dagsText(dags []string) string {
	everywhere := len(dags) > 0 && dags[0] == ""
	if everywhere {
		dags = dags[1:]
	}
	var shown []string
	for _, dag := range dags {
		shown = append(shown, shortened(dag, b.width))
	}
	message := text.List(shown, b.dags)
	if len(shown) > b.dags {
		message += " DAGs"
	}
	switch {
	case everywhere && message == "":
		return "all DAGs that no role names"
	case everywhere:
		return message + " and all DAGs that no role names"
	}
	return message
}

// levelVerbs are the verbs by which a level is known.
var levelVerbs = []struct {
	level v1alpha1.AccessLevel
	verbs verbs
}{
	{v1alpha1.AccessView, verb(0, EntityDag) | verb(0, EntityRun) | verb(0, EntityTask) | verb(0, EntityTaskInstance) |
		verb(0, EntityVersion) | verb(0, EntityDependencies) | verb(0, EntityWarning) | verb(0, EntityHITLDetail)},
	{v1alpha1.AccessViewLogs, verb(0, EntityTaskLogs)},
	{v1alpha1.AccessViewCode, verb(0, EntityCode)},
	{v1alpha1.AccessViewXComs, verb(0, EntityXCom)},
	{v1alpha1.AccessViewAudit, verb(0, EntityAuditLog)},
	{v1alpha1.AccessPause, verb(2, EntityDag)},
	{v1alpha1.AccessTrigger, verb(1, EntityRun)},
	{v1alpha1.AccessEditRuns, verb(2, EntityRun)},
	{v1alpha1.AccessDeleteRuns, verb(3, EntityRun)},
	{v1alpha1.AccessEditTasks, verb(2, EntityTaskInstance)},
	{v1alpha1.AccessEditXComs, verb(1, EntityXCom) | verb(2, EntityXCom) | verb(3, EntityXCom)},
	{v1alpha1.AccessRespondHITL, verb(2, EntityHITLDetail)},
	{v1alpha1.AccessDeleteDag, verb(3, EntityDag)},
}

// levelsOf names verbs by levels, and what no level of the release is, by action and resource.
func (b bounds) levelsOf(server permission.Server, v verbs) string {
	var names []string
	for _, known := range levelVerbs {
		if server.HasLevel(known.level) && v&known.verbs != 0 {
			names = append(names, string(known.level))
			v &^= known.verbs
		}
	}
	for method, action := range methods {
		for entity := range entityCount {
			if v&verb(method, entity) == 0 {
				continue
			}
			resource := guardian[0]
			if need := guarding[entity]; len(need) > 0 {
				resource = guardian[need[len(need)-1]]
			}
			names = append(names, permission.Pair{Action: action, Resource: resource}.String())
		}
	}
	return text.List(names, b.levels)
}
