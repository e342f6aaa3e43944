package notify

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/airflow-oam/airflow-oam/internal/text"
)

// headlines are the first words of a message, by type.
var headlines = map[Type]string{
	RequestWaiting:     ":hourglass_flowing_sand: *Access requested*",
	RequestApproved:    ":white_check_mark: *Request approved*",
	RequestDenied:      ":no_entry: *Request denied*",
	RequestNotApproved: ":no_entry: *Request not approved*",
	RequestWithdrawn:   ":leftwards_arrow_with_hook: *Request withdrawn*",
	RequestEmergency:   ":rotating_light: *EMERGENCY ACCESS*",
	ReviewDue:          ":mag: *Emergency access has to be reviewed*",
	ReviewOverdue:      ":rotating_light: *Review of emergency access is overdue*",
	ReviewDone:         ":mag: *Emergency access reviewed*",
	GrantActive:        ":unlock: *Access begins*",
	GrantEnding:        ":alarm_clock: *Access ends soon*",
	GrantEnded:         ":lock: *Access ended*",
}

// asSlack writes an event as a message for an incoming webhook. There is text alone, which all programs that understand such
// messages show. Names and texts of users stand between backticks, where nothing in them is a link, a format or a mention.
func asSlack(e Event) ([]byte, error) {
	lines := []string{headlines[e.Type] + ": " + what(e.Data)}
	for _, line := range []func(Event) string{reason, outcome, times, deciders, next} {
		if written := line(e); written != "" {
			lines = append(lines, written)
		}
	}
	return json.Marshal(map[string]any{"text": strings.Join(lines, "\n"), "unfurl_links": false, "unfurl_media": false})
}

// what says who has or wants which access.
func what(d Data) string {
	person := d.Requester
	if person == "" {
		person = d.Subject
	}
	words := []string{quoted(person)}
	if d.Subject != "" && d.Requester != "" && !strings.EqualFold(d.Subject, d.Requester) {
		words = append(words, "(Airflow user "+quoted(d.Subject)+")")
	}
	said := []string{strings.Join(words, " "), "policy " + quoted(d.PolicyNamespace+"/"+d.Policy)}
	if len(d.Access) > 0 {
		said = append(said, "access "+list(d.Access))
	}
	if len(d.Dags) > 0 {
		said = append(said, "DAGs "+list(d.Dags))
	}
	if d.Duration != "" {
		said = append(said, "for "+d.Duration)
	}
	return strings.Join(said, ", ")
}

func reason(e Event) string {
	if e.Data.Reason == "" {
		return ""
	}
	return "Reason: " + quoted(e.Data.Reason)
}

// outcome says why it came so, by whom, and what they said.
func outcome(e Event) string {
	d := e.Data
	var words []string
	if d.Why != "" {
		words = append(words, "Why: "+d.Why)
	}
	if len(d.By) > 0 {
		words = append(words, "by "+list(d.By))
	}
	if d.Message != "" {
		words = append(words, "- "+quoted(d.Message))
	}
	return strings.Join(words, " ")
}

// times are the moments that matter.
func times(e Event) string {
	d := e.Data
	var words []string
	for _, moment := range []struct {
		label string
		at    *time.Time
	}{{"Decide by", d.DecideBy}, {"Ends at", d.EndsAt}, {"Gone by", d.EndedAt}, {"Review by", d.ReviewBy}} {
		if moment.at != nil {
			words = append(words, moment.label+" "+moment.at.UTC().Format("2006-01-02 15:04 UTC"))
		}
	}
	if e.Type == GrantEnded && d.EndedAt == nil {
		words = append(words, "It was never given, or its removal is not confirmed.")
	}
	return strings.Join(words, ". ")
}

// deciders names who is asked.
func deciders(e Event) string {
	d := e.Data
	if d.Approvers == nil {
		return ""
	}
	var who []string
	if len(d.Approvers.Groups) > 0 {
		who = append(who, "groups "+list(d.Approvers.Groups))
	}
	if len(d.Approvers.Users) > 0 {
		who = append(who, "users "+list(d.Approvers.Users))
	}
	if len(who) == 0 {
		who = append(who, "nobody: the policy names no approvers")
	}
	return "Approvals needed: " + strconv.Itoa(int(d.Approvals)) + ". Approvers: " + strings.Join(who, "; ")
}

// next is what the reader can do.
func next(e Event) string {
	var words []string
	if e.Data.Command != "" {
		words = append(words, quoted(e.Data.Command))
	}
	if e.Data.Link != "" {
		words = append(words, "<"+escape(e.Data.Link)+"|Open>")
	}
	return strings.Join(words, " ")
}

const (
	// maxQuoted is how many characters of a text by users a message has, and maxListed how many names of a list.
	maxQuoted = 300
	maxListed = 8
)

// quoted writes a text by users so that it is shown as it is.
func quoted(words string) string {
	words = strings.ReplaceAll(text.OneLine(words, maxQuoted), "`", "'")
	words = mention.ReplaceAllString(words, "$1@\u200b")
	return "`" + escape(words) + "`"
}

// mention begins a word by which some programs call people, such as @here. An e-mail address is none.
var mention = regexp.MustCompile(`(^|[^\pL\pN._%+-])@`)

// escape writes the characters that control a message.
var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace

// list names the first of some names, and counts the others.
func list(names []string) string {
	shown := make([]string, 0, len(names))
	for _, name := range names {
		shown = append(shown, quoted(name))
	}
	return text.List(shown, maxListed)
}
