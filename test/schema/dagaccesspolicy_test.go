package schema

import (
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const policy = `
apiVersion: access.airflow-oam.dev/v1alpha1
kind: DagAccessPolicy
metadata: {name: finance-operators}
spec:
  instanceRef: {name: prod}
  dags: [{ids: ["finance_*"]}]
  access: [View]
`

const (
	plainEntry = "an entry must hold no control character"
	noDagID    = "no DAG has such an id"
	relative   = "paths are relative to the bundle"
	oneSubject = "say exactly one of username and email"
	oneLine    = "must be one line of plain text"
	selectorOf = "namespaceSelector belongs to from: Selector"
)

var _ = DescribeTable("DagAccessPolicy", judge(policy),
	Entry("takes the smallest spec", `{}`, "", ""),
	Entry("takes everything", `
spec:
  state: Suspended
  dags:
  - {ids: ["finance_*", "a.b-c?"], tags: [finance], owners: [team-finance], bundles: [dags-folder], paths: ["finance/**", "*.py", "a/.hidden"], exclude: [finance_payroll*]}
  - {paths: ["x/**"]}
  access: [View, ViewLogs, ViewCode, ViewXComs, ViewAssets, ViewAudit, Pause, Trigger, EditRuns, DeleteRuns, EditTasks, EditXComs, RespondHITL, DeleteDag]
  airflowPermissions: [{action: can_read, resource: Pools}]
  role: {name: finance operators, adoption: IfExists}
  members: [{username: alice}, {email: carol@example.com}]
  grants: {from: Selector, namespaceSelector: {matchLabels: {team: finance}}, maxDuration: 8h, maxAhead: 0s, activateWithin: 1h, reason: {pattern: "^(INC|CHG)-[0-9]+", hint: an incident or change number}}
  deletion: Orphan
`, "", ""),

	// name
	Entry("takes a name of 128 characters", `metadata: {name: `+strings.Repeat("x", 128)+`}`, "", ""),
	Entry("refuses a longer name", `metadata: {name: `+strings.Repeat("x", 129)+`}`, "<nil>", "metadata.name must be at most 128 characters"),
	Entry("needs a spec", `spec: null`, "spec", "Required value"),

	// instanceRef and state
	Entry("needs an instance", `spec: {instanceRef: null}`, "spec.instanceRef", "Required value"),
	Entry("needs the name of the instance", `spec: {instanceRef: {name: null}}`, "spec.instanceRef.name", "Required value"),
	Entry("refuses an empty instance name", `spec: {instanceRef: {name: ""}}`, "spec.instanceRef.name", "at least 1 char"),
	Entry("refuses a long instance name", `spec: {instanceRef: {name: `+strings.Repeat("x", 254)+`}}`, "spec.instanceRef.name", "Too long"),
	Entry("refuses an instance of another namespace", `spec: {instanceRef: {name: other/prod}}`, "spec.instanceRef.name", "must be the name of an AirflowInstance in this namespace"),
	Entry("refuses another state", `spec: {state: Paused}`, "spec.state", `supported values: "Active", "Suspended"`),
	Entry("refuses another deletion", `spec: {deletion: Abandon}`, "spec.deletion", `supported values: "Revoke", "Orphan"`),

	// dags
	Entry("needs dags", `spec: {dags: null}`, "spec.dags", "Required value"),
	Entry("needs one entry", `spec: {dags: []}`, "spec.dags", "at least 1 items"),
	Entry("refuses an entry that selects nothing", `spec: {dags: [{exclude: [x]}]}`, "spec.dags[0]", `for every DAG write ids: ["*"]`),
	Entry("takes every DAG", `spec: {dags: [{ids: ["*"]}]}`, "", ""),
	Entry("takes 64 entries", `spec: {dags: `+list(64, selector)+`}`, "", ""),
	Entry("refuses 65 entries", `spec: {dags: `+list(65, selector)+`}`, "spec.dags", "must have at most 64 items"),
	Entry("takes 512 values together", `spec: {dags: `+list(8, selectorOf64)+`}`, "", ""),
	Entry("refuses more values together", `spec: {dags: `+list(9, selectorOf64)+`}`, "spec.dags", "at most 512 values"),
	Entry("refuses an empty list of ids", `spec: {dags: [{ids: []}]}`, "spec.dags[0].ids", "at least 1 items"),
	Entry("refuses an empty list of tags", `spec: {dags: [{tags: []}]}`, "spec.dags[0].tags", "at least 1 items"),
	Entry("refuses an empty list of owners", `spec: {dags: [{owners: []}]}`, "spec.dags[0].owners", "at least 1 items"),
	Entry("refuses an empty list of bundles", `spec: {dags: [{bundles: []}]}`, "spec.dags[0].bundles", "at least 1 items"),
	Entry("refuses an empty list of paths", `spec: {dags: [{paths: []}]}`, "spec.dags[0].paths", "at least 1 items"),
	Entry("refuses an empty id", `spec: {dags: [{ids: [""]}]}`, "spec.dags[0].ids[0]", "at least 1 char"),
	Entry("refuses an empty tag", `spec: {dags: [{tags: [""]}]}`, "spec.dags[0].tags[0]", "at least 1 char"),
	Entry("refuses an empty owner", `spec: {dags: [{owners: [""]}]}`, "spec.dags[0].owners[0]", "at least 1 char"),
	Entry("refuses an empty bundle", `spec: {dags: [{bundles: [""]}]}`, "spec.dags[0].bundles[0]", "at least 1 char"),
	Entry("refuses an empty path", `spec: {dags: [{paths: [""]}]}`, "spec.dags[0].paths[0]", "at least 1 char"),
	Entry("refuses an empty exclusion", `spec: {dags: [{ids: [x], exclude: [""]}]}`, "spec.dags[0].exclude[0]", "at least 1 char"),
	Entry("refuses 65 ids", `spec: {dags: [{ids: `+list(65, word)+`}]}`, "spec.dags[0].ids", "must have at most 64 items"),
	Entry("refuses 65 tags", `spec: {dags: [{tags: `+list(65, word)+`}]}`, "spec.dags[0].tags", "must have at most 64 items"),
	Entry("refuses 65 owners", `spec: {dags: [{owners: `+list(65, word)+`}]}`, "spec.dags[0].owners", "must have at most 64 items"),
	Entry("refuses 65 bundles", `spec: {dags: [{bundles: `+list(65, word)+`}]}`, "spec.dags[0].bundles", "must have at most 64 items"),
	Entry("refuses 33 paths", `spec: {dags: [{paths: `+list(33, word)+`}]}`, "spec.dags[0].paths", "must have at most 32 items"),
	Entry("refuses 65 exclusions", `spec: {dags: [{ids: [x], exclude: `+list(65, word)+`}]}`, "spec.dags[0].exclude", "must have at most 64 items"),
	Entry("refuses an id twice", `spec: {dags: [{ids: [a, a]}]}`, "spec.dags[0].ids[1]", "Duplicate value"),
	Entry("refuses a long id", `spec: {dags: [{ids: [`+strings.Repeat("x", 251)+`]}]}`, "spec.dags[0].ids[0]", "Too long"),
	Entry("refuses a long tag", `spec: {dags: [{tags: [`+strings.Repeat("x", 101)+`]}]}`, "spec.dags[0].tags[0]", "Too long"),
	Entry("refuses a long owner", `spec: {dags: [{owners: [`+strings.Repeat("x", 251)+`]}]}`, "spec.dags[0].owners[0]", "Too long"),
	Entry("refuses a long bundle", `spec: {dags: [{bundles: [`+strings.Repeat("x", 251)+`]}]}`, "spec.dags[0].bundles[0]", "Too long"),
	Entry("refuses a long path", `spec: {dags: [{paths: [`+strings.Repeat("x", 513)+`]}]}`, "spec.dags[0].paths[0]", "Too long"),
	Entry("refuses a long exclusion", `spec: {dags: [{ids: [x], exclude: [`+strings.Repeat("x", 251)+`]}]}`, "spec.dags[0].exclude[0]", "Too long"),
	Entry("refuses a line break in an id", `spec: {dags: [{ids: ["a\nb"]}]}`, "spec.dags[0].ids[0]", noDagID),
	Entry("refuses a space in an id (K4)", `spec: {dags: [{ids: ["sp ace"]}]}`, "spec.dags[0].ids[0]", noDagID),
	Entry("refuses a per cent sign in an id (K4)", `spec: {dags: [{ids: ["per%cent"]}]}`, "spec.dags[0].ids[0]", noDagID),
	Entry("refuses a slash in a pattern for ids (K4)", `spec: {dags: [{ids: ["finance/*"]}]}`, "spec.dags[0].ids[0]", noDagID),
	Entry("refuses a space at the end of an id (K4)", `spec: {dags: [{ids: ["finance "]}]}`, "spec.dags[0].ids[0]", noDagID),
	Entry("refuses a line break at the end of an id (K4)", `spec: {dags: [{ids: ["finance\n"]}]}`, "spec.dags[0].ids[0]", noDagID),
	Entry("refuses an accent that is a character of its own (K4)", `spec: {dags: [{ids: ["e\u0301"]}]}`, "spec.dags[0].ids[0]", noDagID),
	Entry("refuses a space in an exclusion (K4)", `spec: {dags: [{ids: [x], exclude: ["sp ace"]}]}`, "spec.dags[0].exclude[0]", noDagID),
	Entry("takes letters and digits of any script in ids (K4)", `spec: {dags: [{ids: ["überweisung_*", "支払い", "½", "a.b-c_D?"], exclude: ["Ελλάδα"]}]}`, "", ""),
	Entry("refuses a space around a tag", `spec: {dags: [{tags: [" a"]}]}`, "spec.dags[0].tags[0]", plainEntry),
	Entry("refuses a tab in an owner", `spec: {dags: [{owners: ["a\tb"]}]}`, "spec.dags[0].owners[0]", plainEntry),
	Entry("refuses a space after a bundle", `spec: {dags: [{bundles: ["a "]}]}`, "spec.dags[0].bundles[0]", plainEntry),
	Entry("refuses a line break in a path", `spec: {dags: [{paths: ["a\nb"]}]}`, "spec.dags[0].paths[0]", plainEntry),
	Entry("refuses a zero byte in an exclusion", `spec: {dags: [{ids: [x], exclude: ["a\0"]}]}`, "spec.dags[0].exclude[0]", noDagID),
	Entry("refuses an absolute path", `spec: {dags: [{paths: [/finance/**]}]}`, "spec.dags[0].paths[0]", relative),
	Entry("refuses a path that climbs", `spec: {dags: [{paths: [a/../b]}]}`, "spec.dags[0].paths[0]", relative),
	Entry("refuses a path that begins with a dot folder", `spec: {dags: [{paths: [./a]}]}`, "spec.dags[0].paths[0]", relative),
	Entry("refuses backslashes", `spec: {dags: [{paths: ['a\b']}]}`, "spec.dags[0].paths[0]", relative),

	// access and airflowPermissions
	Entry("needs access", `spec: {access: null}`, "spec.access", "Required value"),
	Entry("needs one level", `spec: {access: []}`, "spec.access", "at least 1 items"),
	Entry("refuses another level", `spec: {access: [Admin]}`, "spec.access[0]", "Unsupported value"),
	Entry("refuses a level twice", `spec: {access: [View, View]}`, "spec.access[1]", "Duplicate value"),
	Entry("refuses more entries than there are levels", `spec: {access: `+list(15, word)+`}`, "spec.access", "must have at most 14 items"),
	Entry("refuses security resources", `spec: {airflowPermissions: [{action: can_edit, resource: Roles}]}`, "spec.airflowPermissions[0].resource", neverAllowed),
	Entry("refuses a pair twice", `spec: {airflowPermissions: [{action: can_read, resource: Pools}, {action: can_read, resource: Pools}]}`, "spec.airflowPermissions[1]", "Duplicate value"),
	Entry("refuses another action", `spec: {airflowPermissions: [{action: can_fly, resource: Pools}]}`, "spec.airflowPermissions[0].action", "Unsupported value"),
	Entry("refuses an empty resource", `spec: {airflowPermissions: [{action: can_read, resource: ""}]}`, "spec.airflowPermissions[0].resource", "at least 1 char"),
	Entry("refuses a long resource", `spec: {airflowPermissions: [{action: can_read, resource: `+strings.Repeat("x", 129)+`}]}`, "spec.airflowPermissions[0].resource", "Too long"),
	Entry("refuses spaces around a resource", `spec: {airflowPermissions: [{action: can_read, resource: " Pools"}]}`, "spec.airflowPermissions[0].resource", "must be the exact name of an Airflow resource"),
	Entry("refuses 33 pairs", `spec: {airflowPermissions: `+list(33, pair)+`}`, "spec.airflowPermissions", "must have at most 32 items"),

	// role
	Entry("takes a role of 48 characters", `spec: {role: {name: `+strings.Repeat("x", 48)+`}}`, "", ""),
	Entry("takes an exotic role", `spec: {role: {name: "für:alle.a+b %?#"}}`, "", ""),
	Entry("refuses a role of 49 characters", `spec: {role: {name: `+strings.Repeat("x", 49)+`}}`, "spec.role.name", "Too long"),
	Entry("refuses an empty role", `spec: {role: {name: ""}}`, "spec.role.name", "at least 1 char"),
	Entry("refuses Admin", `spec: {role: {name: Admin}}`, "spec.role.name", ownRoles),
	Entry("refuses op", `spec: {role: {name: op}}`, "spec.role.name", ownRoles),
	Entry("refuses USER", `spec: {role: {name: USER}}`, "spec.role.name", ownRoles),
	Entry("refuses Viewer", `spec: {role: {name: Viewer}}`, "spec.role.name", ownRoles),
	Entry("refuses public", `spec: {role: {name: public}}`, "spec.role.name", ownRoles),
	Entry("refuses a slash", `spec: {role: {name: a/b}}`, "spec.role.name", roleName),
	Entry("refuses a tilde", `spec: {role: {name: a~b}}`, "spec.role.name", roleName),
	Entry("refuses a line break", `spec: {role: {name: "a\nb"}}`, "spec.role.name", roleName),
	Entry("refuses a delete character", `spec: {role: {name: "a\x7fb"}}`, "spec.role.name", roleName),
	Entry("refuses a direction character", `spec: {role: {name: "a\u202eb"}}`, "spec.role.name", roleName),
	Entry("refuses the operator's own prefix", `spec: {role: {name: OAM.x}}`, "spec.role.name", "begin with oam."),
	Entry("refuses spaces around a role", `spec: {role: {name: "a "}}`, "spec.role.name", "must not begin or end with a space"),
	Entry("refuses another adoption", `spec: {role: {name: a, adoption: Always}}`, "spec.role.adoption", `supported values: "Never", "IfExists"`),

	// members
	Entry("takes a policy that is emptied", `spec: {members: []}`, "", ""),
	Entry("takes exotic user names (F73)", `spec: {members: [{username: "Ünï.cødé+x@y"}, {username: "аlice"}, {username: ".."}]}`, "", ""),
	Entry("refuses an empty member", `spec: {members: [{}]}`, "spec.members[0]", oneSubject),
	Entry("refuses a member with both", `spec: {members: [{username: a, email: a@b}]}`, "spec.members[0]", oneSubject),
	Entry("refuses an empty user name", `spec: {members: [{username: ""}]}`, "spec.members[0].username", "at least 1 char"),
	Entry("refuses a slash in a user name", `spec: {members: [{username: a/b}]}`, "spec.members[0].username", "no slash and no control character"),
	Entry("refuses a line break in a user name", `spec: {members: [{username: "a\nb"}]}`, "spec.members[0].username", "no slash and no control character"),
	Entry("refuses spaces around a user name", `spec: {members: [{username: " a"}]}`, "spec.members[0].username", "must not begin or end with a space"),
	Entry("refuses a long user name", `spec: {members: [{username: `+strings.Repeat("x", 257)+`}]}`, "spec.members[0].username", "Too long"),
	Entry("refuses an e-mail without @", `spec: {members: [{email: carol}]}`, "spec.members[0].email", "email must look like carol@example.com"),
	Entry("refuses an e-mail with a space", `spec: {members: [{email: "ca rol@example.com"}]}`, "spec.members[0].email", "email must look like carol@example.com"),
	Entry("refuses an e-mail with a line break", `spec: {members: [{email: "carol@example.com\n"}]}`, "spec.members[0].email", "email must look like carol@example.com"),
	Entry("refuses a short e-mail", `spec: {members: [{email: "@a"}]}`, "spec.members[0].email", "at least 3 chars"),
	Entry("refuses a long e-mail", `spec: {members: [{email: `+strings.Repeat("x", 319)+`@a}]}`, "spec.members[0].email", "Too long"),
	Entry("takes 512 members", `spec: {members: `+list(512, member)+`}`, "", ""),
	Entry("refuses 513 members", `spec: {members: `+list(513, member)+`}`, "spec.members", "must have at most 512 items"),

	// grants
	Entry("takes grants from everywhere", `spec: {grants: {maxDuration: 8h, from: All}}`, "", ""),
	Entry("needs maxDuration", `spec: {grants: {}}`, "spec.grants.maxDuration", "Required value"),
	Entry("takes the shortest maxDuration", `spec: {grants: {maxDuration: 1m}}`, "", ""),
	Entry("takes the longest maxDuration", `spec: {grants: {maxDuration: 8760h}}`, "", ""),
	Entry("refuses a shorter maxDuration", `spec: {grants: {maxDuration: 59s}}`, "spec.grants.maxDuration", "maxDuration must be a time from 1m to 8760h"),
	Entry("refuses a longer maxDuration", `spec: {grants: {maxDuration: 8761h}}`, "spec.grants.maxDuration", "maxDuration must be a time from 1m to 8760h"),
	Entry("refuses maxDuration 0 (F59)", `spec: {grants: {maxDuration: 0s}}`, "spec.grants.maxDuration", "maxDuration must be a time from 1m to 8760h"),
	Entry("refuses a negative maxDuration (F59)", `spec: {grants: {maxDuration: -1h}}`, "spec.grants.maxDuration", "maxDuration must be a time from 1m to 8760h"),
	Entry("takes maxAhead 0", `spec: {grants: {maxDuration: 8h, maxAhead: 0s}}`, "", ""),
	Entry("refuses a longer maxAhead", `spec: {grants: {maxDuration: 8h, maxAhead: 8761h}}`, "spec.grants.maxAhead", "maxAhead must be a time from 0s to 8760h"),
	Entry("refuses a negative maxAhead (F59)", `spec: {grants: {maxDuration: 8h, maxAhead: -1h}}`, "spec.grants.maxAhead", "maxAhead must be a time from 0s to 8760h"),
	Entry("refuses a short activateWithin", `spec: {grants: {maxDuration: 8h, activateWithin: 59s}}`, "spec.grants.activateWithin", "activateWithin must be a time from 1m to 8760h"),
	Entry("refuses a long activateWithin", `spec: {grants: {maxDuration: 8h, activateWithin: 8761h}}`, "spec.grants.activateWithin", "activateWithin must be a time from 1m to 8760h"),
	Entry("refuses maxDuration as a long text", `spec: {grants: {maxDuration: 1m1m1m1m1m1m1m1m1m}}`, "spec.grants.maxDuration", "Too long"),
	Entry("refuses maxAhead as a long text", `spec: {grants: {maxDuration: 8h, maxAhead: 1m1m1m1m1m1m1m1m1m}}`, "spec.grants.maxAhead", "Too long"),
	Entry("refuses activateWithin as a long text", `spec: {grants: {maxDuration: 8h, activateWithin: 1m1m1m1m1m1m1m1m1m}}`, "spec.grants.activateWithin", "Too long"),
	Entry("refuses another source", `spec: {grants: {maxDuration: 8h, from: Any}}`, "spec.grants.from", `supported values: "Same", "All", "Selector"`),
	Entry("refuses Selector without selector", `spec: {grants: {maxDuration: 8h, from: Selector}}`, "spec.grants", selectorOf),
	Entry("refuses a selector without Selector", `spec: {grants: {maxDuration: 8h, namespaceSelector: {matchLabels: {a: b}}}}`, "spec.grants", selectorOf),
	Entry("takes matchExpressions", `spec: {grants: {maxDuration: 8h, from: Selector, namespaceSelector: {matchExpressions: [{key: a, operator: In, values: [b]}]}}}`, "", ""),
	Entry("refuses an empty selector", `spec: {grants: {maxDuration: 8h, from: Selector, namespaceSelector: {}}}`, "spec.grants.namespaceSelector", "say from: All"),
	Entry("refuses 17 labels", `spec: {grants: {maxDuration: 8h, from: Selector, namespaceSelector: {matchLabels: {`+strings.Trim(list(17, labelled), "[]")+`}}}}`, "spec.grants.namespaceSelector", "at most 16 matchLabels"),
	Entry("refuses 17 expressions", `spec: {grants: {maxDuration: 8h, from: Selector, namespaceSelector: {matchExpressions: `+list(17, expression)+`}}}`, "spec.grants.namespaceSelector", "at most 16 matchLabels"),
	Entry("refuses a pattern that is none", `spec: {grants: {maxDuration: 8h, reason: {pattern: "(INC"}}}`, "spec.grants.reason.pattern", "missing closing )"),
	Entry("refuses a pattern that RE2 lacks", `spec: {grants: {maxDuration: 8h, reason: {pattern: "(?=INC)"}}}`, "spec.grants.reason.pattern", "invalid or unsupported Perl syntax"),
	Entry("needs a pattern", `spec: {grants: {maxDuration: 8h, reason: {hint: x}}}`, "spec.grants.reason.pattern", "Required value"),
	Entry("refuses an empty pattern", `spec: {grants: {maxDuration: 8h, reason: {pattern: ""}}}`, "spec.grants.reason.pattern", "at least 1 char"),
	Entry("refuses a long pattern", `spec: {grants: {maxDuration: 8h, reason: {pattern: `+strings.Repeat("x", 257)+`}}}`, "spec.grants.reason.pattern", "Too long"),
	Entry("refuses a long hint", `spec: {grants: {maxDuration: 8h, reason: {pattern: x, hint: `+strings.Repeat("x", 257)+`}}}`, "spec.grants.reason.hint", "Too long"),
	Entry("refuses a line break in a hint (F76)", `spec: {grants: {maxDuration: 8h, reason: {pattern: x, hint: "a\nb"}}}`, "spec.grants.reason.hint", oneLine),

	// size (F72)
	Entry("refuses a spec of 1 MB (F72)", `spec: {dags: `+list(64, heavy)+`}`, "spec.dags", "at most 512 values"),
)

func selector(i int) string   { return fmt.Sprintf("{ids: [w%d]}", i) }
func member(i int) string     { return fmt.Sprintf("{username: w%d}", i) }
func labelled(i int) string   { return fmt.Sprintf("w%d: x", i) }
func expression(i int) string { return fmt.Sprintf("{key: w%d, operator: Exists}", i) }

func selectorOf64(int) string { return fmt.Sprintf("{ids: %s}", list(64, word)) }

func heavy(int) string {
	return fmt.Sprintf("{ids: %s}", list(64, func(i int) string { return fmt.Sprintf("w%0249d", i) }))
}

var _ = Describe("DagAccessPolicy", func() {
	It("is stored with its defaults", func(ctx SpecContext) {
		stored := created(ctx, object(policy, `{metadata: {name: defaults}, spec: {role: {name: x}, grants: {maxDuration: 8h}}}`))
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(stored), stored)).To(Succeed())
		Expect(stored.Object["spec"]).To(Equal(map[string]any{
			"instanceRef": map[string]any{"name": "prod"},
			"state":       "Active",
			"dags":        []any{map[string]any{"ids": []any{"finance_*"}}},
			"access":      []any{"View"},
			"role":        map[string]any{"name": "x", "adoption": "Never"},
			"grants":      map[string]any{"from": "Same", "maxDuration": "8h", "maxAhead": "168h", "activateWithin": "24h"},
			"deletion":    "Revoke",
		}))
		Expect(stored.Object["status"]).To(Equal(map[string]any{"observedGeneration": int64(-1)}))
	})

	DescribeTable("changed", func(ctx SpecContext, before, patch, field, message string) {
		stored := created(ctx, object(policy, `metadata: {name: changed}`, before))
		err := changed(ctx, admin, stored, patch)
		if field == "" {
			Expect(err).NotTo(HaveOccurred())
			return
		}
		expectRefused(err, field, message)
	},
		Entry("keeps its instance", `{}`, `spec: {instanceRef: {name: other}}`, "spec.instanceRef", "create another policy for another instance"),
		Entry("cannot lose its instance", `{}`, `spec: {instanceRef: null}`, "spec.instanceRef", "Required value"),
		Entry("keeps its role", `spec: {role: {name: a}}`, `spec: {role: {name: b}}`, "spec", "role.name is immutable"),
		Entry("keeps its role against removal of the name", `spec: {role: {name: a}}`, `spec: {role: {name: null}}`, "spec", "role.name is immutable"),
		Entry("keeps its role against removal of role", `spec: {role: {name: a}}`, `spec: {role: null}`, "spec", "role.name is immutable"),
		Entry("cannot get a role later", `{}`, `spec: {role: {name: a}}`, "spec", "role.name is immutable"),
		Entry("may get a role without name", `{}`, `spec: {role: {adoption: IfExists}}`, "", ""),
		Entry("may change adoption", `spec: {role: {name: a}}`, `spec: {role: {adoption: IfExists}}`, "", ""),
		Entry("may lose its last member", `spec: {members: [{username: alice}]}`, `spec: {members: null}`, "", ""),
		Entry("may lose its grants", `spec: {grants: {maxDuration: 8h}}`, `spec: {grants: null}`, "", ""),
		Entry("may change what it gives", `{}`, `spec: {dags: [{ids: [x]}], access: [Trigger], state: Suspended}`, "", ""),
	)
})
