package schema

import (
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
)

// asked is a policy of which access can be requested.
const asked = policy + `
  grants:
    maxDuration: 8h
    requests: {approvers: {groups: [finance-leads]}}
`

const (
	somebody = "name at least one of groups and users"
	decider  = "approvers is required"
)

// terms are the bodies of grants.requests below.
func terms(text string) string { return `spec: {grants: {requests: ` + text + `}}` }

var _ = DescribeTable("The terms of requests", judge(asked),
	Entry("take the smallest ones", `{}`, "", ""),
	Entry("take everything", terms(`{
  requesters: {groups: [analysts], users: [alice]},
  approvers: {groups: [finance-leads], users: ["system:serviceaccount:bots:opa"], owners: true},
  approvals: 4, timeout: 168h, defaultDuration: 8h, maxAutomaticPerDay: 48,
  rules: [{name: on-call, groups: [oncall-data], when: "duration <= duration('30m')", approvals: 0}, {name: freeze, deny: no access at weekends}],
  emergency: {groups: [oncall-data], users: [alice], maxDuration: 8h, reviewWithin: 720h}}`), "", ""),

	// approvers
	Entry("need approvers", terms(`{approvers: null}`), "spec.grants.requests", decider),
	Entry("need approvers of a rule", terms(`{approvers: null, approvals: 0, rules: [{name: a, approvals: 1}]}`), "spec.grants.requests", decider),
	Entry("need approvers who review emergencies", terms(`{approvers: null, approvals: 0, emergency: {users: [a], maxDuration: 1h}}`), "spec.grants.requests", decider),
	Entry("need no approvers where nobody has to agree", terms(`{approvers: null, approvals: 0, rules: [{name: a, approvals: 0}, {name: b, deny: x}]}`), "", ""),
	Entry("refuse approvers who are nobody", terms(`{approvers: {groups: null}}`), "spec.grants.requests.approvers", somebody+", or set owners"),
	Entry("refuse approvers with empty lists", terms(`{approvers: {groups: [], users: [], owners: false}}`), "spec.grants.requests.approvers", somebody+", or set owners"),
	Entry("take owners alone", terms(`{approvers: {groups: null, owners: true}}`), "", ""),

	// numbers
	Entry("refuse fewer than 0 approvals", terms(`{approvals: -1}`), "spec.grants.requests.approvals", "greater than or equal to 0"),
	Entry("refuse more than 4 approvals", terms(`{approvals: 5}`), "spec.grants.requests.approvals", "less than or equal to 4"),
	Entry("refuse no automatic request a day", terms(`{maxAutomaticPerDay: 0}`), "spec.grants.requests.maxAutomaticPerDay", "greater than or equal to 1"),
	Entry("refuse more than 48 automatic requests a day", terms(`{maxAutomaticPerDay: 49}`), "spec.grants.requests.maxAutomaticPerDay", "less than or equal to 48"),

	// times
	Entry("refuse a short timeout", terms(`{timeout: 59s}`), "spec.grants.requests.timeout", "timeout must be a time from 1m to 168h"),
	Entry("refuse a longer timeout", terms(`{timeout: 169h}`), "spec.grants.requests.timeout", "timeout must be a time from 1m to 168h"),
	Entry("refuse a timeout as a long text", terms(`{timeout: 1m1m1m1m1m1m1m1m1m}`), "spec.grants.requests.timeout", "Too long"),
	Entry("refuse a short defaultDuration", terms(`{defaultDuration: 59s}`), "spec.grants.requests.defaultDuration", "defaultDuration must be a time from 1m to 8760h"),
	Entry("refuse a defaultDuration as a long text", terms(`{defaultDuration: 1m1m1m1m1m1m1m1m1m}`), "spec.grants.requests.defaultDuration", "Too long"),
	Entry("refuse a defaultDuration that no request may have", terms(`{defaultDuration: 9h}`), "spec.grants", "requests.defaultDuration must not be longer than maxDuration"),
	Entry("refuse a short emergency", terms(`{emergency: {users: [a], maxDuration: 59s}}`), "spec.grants.requests.emergency.maxDuration", "maxDuration must be a time from 1m to 8760h"),
	Entry("refuse an emergency as a long text", terms(`{emergency: {users: [a], maxDuration: 1m1m1m1m1m1m1m1m1m}}`), "spec.grants.requests.emergency.maxDuration", "Too long"),
	Entry("refuse an emergency that is longer than grants", terms(`{emergency: {users: [a], maxDuration: 9h}}`), "spec.grants", "requests.emergency.maxDuration must not be longer than maxDuration"),
	Entry("need the longest time of an emergency", terms(`{emergency: {users: [a]}}`), "spec.grants.requests.emergency.maxDuration", "Required value"),
	Entry("refuse a short time to review", terms(`{emergency: {users: [a], maxDuration: 1h, reviewWithin: 59m}}`), "spec.grants.requests.emergency.reviewWithin", "reviewWithin must be a time from 1h to 720h"),
	Entry("refuse a time to review as a long text", terms(`{emergency: {users: [a], maxDuration: 1h, reviewWithin: 1m1m1m1m1m1m1m1m1m}}`), "spec.grants.requests.emergency.reviewWithin", "Too long"),

	// rules
	Entry("take 16 rules", terms(`{rules: `+list(16, rule)+`}`), "", ""),
	Entry("refuse 17 rules", terms(`{rules: `+list(17, rule)+`}`), "spec.grants.requests.rules", "must have at most 16 items"),
	Entry("refuse a rule twice", terms(`{rules: [{name: a, approvals: 1}, {name: a, approvals: 2}]}`), "spec.grants.requests.rules[1]", "Duplicate value"),
	Entry("refuse a rule that decides nothing", terms(`{rules: [{name: a}]}`), "spec.grants.requests.rules[0]", "say exactly one of approvals and deny"),
	Entry("refuse a rule that decides twice", terms(`{rules: [{name: a, approvals: 0, deny: x}]}`), "spec.grants.requests.rules[0]", "say exactly one of approvals and deny"),
	Entry("need the name of a rule", terms(`{rules: [{approvals: 1}]}`), "spec.grants.requests.rules[0].name", "Required value"),
	Entry("refuse an empty name of a rule", terms(`{rules: [{name: "", approvals: 1}]}`), "spec.grants.requests.rules[0].name", "at least 1 char"),
	Entry("refuse a long name of a rule", terms(`{rules: [{name: `+strings.Repeat("x", 64)+`, approvals: 1}]}`), "spec.grants.requests.rules[0].name", "Too long"),
	Entry("refuse another name of a rule", terms(`{rules: [{name: On call, approvals: 1}]}`), "spec.grants.requests.rules[0].name", "name must be lower-case letters, digits and '-'"),
	Entry("refuse an empty expression", terms(`{rules: [{name: a, when: "", approvals: 1}]}`), "spec.grants.requests.rules[0].when", "at least 1 char"),
	Entry("refuse a long expression", terms(`{rules: [{name: a, when: `+strings.Repeat("x", 1025)+`, approvals: 1}]}`), "spec.grants.requests.rules[0].when", "Too long"),
	Entry("refuse fewer than 0 approvals of a rule", terms(`{rules: [{name: a, approvals: -1}]}`), "spec.grants.requests.rules[0].approvals", "greater than or equal to 0"),
	Entry("refuse more than 4 approvals of a rule", terms(`{rules: [{name: a, approvals: 5}]}`), "spec.grants.requests.rules[0].approvals", "less than or equal to 4"),
	Entry("refuse an empty denial", terms(`{rules: [{name: a, deny: ""}]}`), "spec.grants.requests.rules[0].deny", "at least 1 char"),
	Entry("refuse a long denial", terms(`{rules: [{name: a, deny: `+strings.Repeat("x", 257)+`}]}`), "spec.grants.requests.rules[0].deny", "Too long"),
	Entry("refuse a line break in a denial", terms(`{rules: [{name: a, deny: "a\nb"}]}`), "spec.grants.requests.rules[0].deny", "deny "+oneLine),

	// names
	Entry("refuse requesters who are nobody", terms(`{requesters: {}}`), "spec.grants.requests.requesters", somebody),
	Entry("refuse emergencies of nobody", terms(`{emergency: {maxDuration: 1h}}`), "spec.grants.requests.emergency", somebody),
	names("spec.grants.requests.requesters", "groups", 16, func(list string) string { return terms(`{requesters: {groups: ` + list + `}}`) }),
	names("spec.grants.requests.requesters", "users", 64, func(list string) string { return terms(`{requesters: {users: ` + list + `}}`) }),
	names("spec.grants.requests.approvers", "groups", 16, func(list string) string { return terms(`{approvers: {groups: ` + list + `}}`) }),
	names("spec.grants.requests.approvers", "users", 64, func(list string) string { return terms(`{approvers: {users: ` + list + `}}`) }),
	names("spec.grants.requests.rules[0]", "groups", 16, func(list string) string { return terms(`{rules: [{name: a, approvals: 1, groups: ` + list + `}]}`) }),
	names("spec.grants.requests.emergency", "groups", 16, func(list string) string { return terms(`{emergency: {maxDuration: 1h, groups: ` + list + `}}`) }),
	names("spec.grants.requests.emergency", "users", 64, func(list string) string { return terms(`{emergency: {maxDuration: 1h, users: ` + list + `}}`) }),
)

var _ = DescribeTable("Who is who on an AirflowInstance", judge(instance),
	Entry("takes an e-mail", `spec: {identity: {email: requester.lowerAscii()}}`, "", ""),
	Entry("takes a user name", `spec: {identity: {username: requester}}`, "", ""),
	Entry("refuses neither", `spec: {identity: {}}`, "spec.identity", "say exactly one of email and username"),
	Entry("refuses both", `spec: {identity: {email: requester, username: requester}}`, "spec.identity", "say exactly one of email and username"),
	Entry("refuses an empty e-mail", `spec: {identity: {email: ""}}`, "spec.identity.email", "at least 1 char"),
	Entry("refuses a long e-mail", `spec: {identity: {email: `+strings.Repeat("x", 1025)+`}}`, "spec.identity.email", "Too long"),
	Entry("refuses an empty user name", `spec: {identity: {username: ""}}`, "spec.identity.username", "at least 1 char"),
	Entry("refuses a long user name", `spec: {identity: {username: `+strings.Repeat("x", 1025)+`}}`, "spec.identity.username", "Too long"),

	Entry("takes owners", `spec: {owners: [{owner: team-finance, groups: [finance-leads]}, {owner: alice, users: [alice]}]}`, "", ""),
	Entry("refuses 65 owners", `spec: {owners: `+list(65, owner)+`}`, "spec.owners", "must have at most 64 items"),
	Entry("refuses an owner twice", `spec: {owners: [{owner: a, users: [a]}, {owner: a, users: [b]}]}`, "spec.owners[1]", "Duplicate value"),
	Entry("refuses an owner who is nobody", `spec: {owners: [{owner: a}]}`, "spec.owners[0]", somebody),
	Entry("refuses an empty owner", `spec: {owners: [{owner: "", users: [a]}]}`, "spec.owners[0].owner", "at least 1 char"),
	Entry("refuses a long owner", `spec: {owners: [{owner: `+strings.Repeat("x", 251)+`, users: [a]}]}`, "spec.owners[0].owner", "Too long"),
	names("spec.owners[0]", "groups", 16, func(list string) string { return `spec: {owners: [{owner: a, groups: ` + list + `}]}` }),
	names("spec.owners[0]", "users", 64, func(list string) string { return `spec: {owners: [{owner: a, users: ` + list + `}]}` }),
)

func rule(i int) string { return fmt.Sprintf(`{name: r%d, approvals: 1}`, i) }

func owner(i int) string { return fmt.Sprintf(`{owner: o%d, users: [a]}`, i) }

// names are the entries about one list of names of the cluster: of how many, and of which.
func names(path, field string, limit int, patch func(list string) string) []TableEntry {
	whole := path + "." + field
	refused := func(what, list, at, message string) TableEntry {
		return Entry("refuse "+what+" in "+whole, patch(list), at, message)
	}
	return []TableEntry{
		Entry(fmt.Sprintf("take %d names in %s", limit, whole), patch(list(limit, word)), "", ""),
		refused("too many names", list(limit+1, word), whole, fmt.Sprintf("must have at most %d items", limit)),
		refused("a name twice", `[a, a]`, whole+"[1]", "Duplicate value"),
		refused("an empty name", `[""]`, whole+"[0]", "at least 1 char"),
		refused("a long name", `[`+strings.Repeat("x", 257)+`]`, whole+"[0]", "Too long"),
	}
}
