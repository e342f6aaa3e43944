package schema

import (
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/test/controlplane"
)

// request is one of the suite's administrator, who is admin.
const request = `
apiVersion: access.airflow-oam.dev/v1alpha1
kind: AccessRequest
metadata: {name: admin-finance}
spec:
  policyRef: {name: finance-operators}
  reason: INC-4711
  requester: admin
`

const ownName = `as "kubectl auth whoami" shows it`

var _ = DescribeTable("AccessRequest", judge(request),
	Entry("takes the smallest spec", `{}`, "", ""),
	Entry("takes everything", `
spec:
  policyRef: {name: finance-operators, namespace: finance}
  dags: [finance_daily, "a.b-c"]
  access: [View, Trigger]
  duration: 2h
  startsAt: "2026-11-23T18:00:00+01:00"
  reason: INC-4711 late file, für Bob 👩‍💻
  groups: [system:masters]
  emergency: true
  withdrawn: false
  votes: []
`, "", ""),
	Entry("needs a spec", `spec: null`, "spec", "Required value"),
	Entry("takes a name of 200 characters", `metadata: {name: `+strings.Repeat("x", 200)+`}`, "", ""),
	Entry("refuses a longer name", `metadata: {name: `+strings.Repeat("x", 201)+`}`, "<nil>", "metadata.name must be at most 200 characters"),

	Entry("needs a policy", `spec: {policyRef: null}`, "spec.policyRef", "Required value"),
	Entry("refuses an empty policy name", `spec: {policyRef: {name: ""}}`, "spec.policyRef.name", "at least 1 char"),
	Entry("refuses a long policy name", `spec: {policyRef: {name: `+strings.Repeat("x", 254)+`}}`, "spec.policyRef.name", "Too long"),
	Entry("refuses a bad policy name", `spec: {policyRef: {name: finance/operators}}`, "spec.policyRef.name", "must be the name of a DagAccessPolicy"),
	Entry("refuses an empty namespace", `spec: {policyRef: {namespace: ""}}`, "spec.policyRef.namespace", "at least 1 char"),
	Entry("refuses a long namespace", `spec: {policyRef: {namespace: `+strings.Repeat("x", 64)+`}}`, "spec.policyRef.namespace", "Too long"),
	Entry("refuses a bad namespace", `spec: {policyRef: {namespace: a.b}}`, "spec.policyRef.namespace", "must be the name of a namespace"),

	Entry("takes 64 DAGs", `spec: {dags: `+list(64, word)+`}`, "", ""),
	Entry("refuses 65 DAGs", `spec: {dags: `+list(65, word)+`}`, "spec.dags", "must have at most 64 items"),
	Entry("refuses no DAGs", `spec: {dags: []}`, "spec.dags", "at least 1 items"),
	Entry("refuses an empty DAG", `spec: {dags: [""]}`, "spec.dags[0]", "at least 1 char"),
	Entry("refuses a long DAG", `spec: {dags: [`+strings.Repeat("x", 251)+`]}`, "spec.dags[0]", "Too long"),
	Entry("refuses a DAG twice", `spec: {dags: [a, a]}`, "spec.dags[1]", "Duplicate value"),
	Entry("refuses a star", `spec: {dags: ["finance_*"]}`, "spec.dags[0]", exactDags),
	Entry("refuses a line break in a DAG", `spec: {dags: ["a\nb"]}`, "spec.dags[0]", "no control character"),
	Entry("refuses no access", `spec: {access: []}`, "spec.access", "at least 1 items"),
	Entry("refuses another level", `spec: {access: [Admin]}`, "spec.access[0]", "Unsupported value"),
	Entry("refuses a level twice", `spec: {access: [View, View]}`, "spec.access[1]", "Duplicate value"),
	Entry("refuses more entries than there are levels", `spec: {access: `+list(15, word)+`}`, "spec.access", "must have at most 14 items"),

	Entry("takes the shortest duration", `spec: {duration: 1s}`, "", ""),
	Entry("takes the longest duration", `spec: {duration: 8760h}`, "", ""),
	Entry("refuses duration 0", `spec: {duration: 0s}`, "spec.duration", anHour),
	Entry("refuses a negative duration", `spec: {duration: -1h}`, "spec.duration", anHour),
	Entry("refuses more than a year", `spec: {duration: 8760h1s}`, "spec.duration", anHour),
	Entry("refuses a long duration", `spec: {duration: 1h1m1s1h1m1s1h1m1s}`, "spec.duration", "Too long"),
	Entry("refuses a start in the year 9999", `spec: {startsAt: "9999-12-31T23:59:59Z"}`, "spec.startsAt", started),
	Entry("refuses a start in words", `spec: {startsAt: now}`, "spec.startsAt", "date-time"),

	Entry("needs a reason", `spec: {reason: null}`, "spec.reason", "Required value"),
	Entry("refuses an empty reason", `spec: {reason: ""}`, "spec.reason", "at least 1 char"),
	Entry("refuses 257 characters of reason", `spec: {reason: `+strings.Repeat("x", 257)+`}`, "spec.reason", "Too long"),
	Entry("refuses a line break in the reason", `spec: {reason: "INC-1\nlevel=error"}`, "spec.reason", "reason "+oneLine),
	Entry("refuses a long requester", `spec: {requester: `+strings.Repeat("x", 257)+`}`, "spec.requester", "Too long"),
	Entry("refuses 17 groups", `spec: {groups: `+list(17, word)+`}`, "spec.groups", "must have at most 16 items"),
	Entry("refuses an empty group", `spec: {groups: [""]}`, "spec.groups[0]", "at least 1 char"),
	Entry("refuses a long group", `spec: {groups: [`+strings.Repeat("x", 257)+`]}`, "spec.groups[0]", "Too long"),
	Entry("refuses a group twice", `spec: {groups: [a, a]}`, "spec.groups[1]", "Duplicate value"),

	Entry("refuses a request that is withdrawn already", `spec: {withdrawn: true}`, "spec.withdrawn", "a new request cannot be withdrawn already"),
	Entry("refuses votes at creation", `spec: {votes: [{by: admin, vote: Approve}]}`, "spec.votes", "a new request has no votes"),
	Entry("refuses 17 votes", `spec: {votes: `+list(17, vote)+`}`, "spec.votes", "must have at most 16 items"),
	Entry("refuses a vote without a decision", `spec: {votes: [{by: admin}]}`, "spec.votes[0].vote", "Required value"),
	Entry("refuses another vote", `spec: {votes: [{by: admin, vote: Maybe}]}`, "spec.votes[0].vote", `supported values: "Approve", "Deny", "Reviewed"`),
	Entry("refuses two votes of one author", `spec: {votes: [{by: admin, vote: Deny}, {by: admin, vote: Approve}]}`, "spec.votes[1]", "Duplicate value"),
	Entry("refuses a long author", `spec: {votes: [{by: `+strings.Repeat("x", 257)+`, vote: Approve}]}`, "spec.votes[0].by", "Too long"),
	Entry("refuses 17 groups of a vote", `spec: {votes: [{by: a, vote: Approve, groups: `+list(17, word)+`}]}`, "spec.votes[0].groups", "must have at most 16 items"),
	Entry("refuses an empty group of a vote", `spec: {votes: [{by: a, vote: Approve, groups: [""]}]}`, "spec.votes[0].groups[0]", "at least 1 char"),
	Entry("refuses a long group of a vote", `spec: {votes: [{by: a, vote: Approve, groups: [`+strings.Repeat("x", 257)+`]}]}`, "spec.votes[0].groups[0]", "Too long"),
	Entry("refuses a long comment", `spec: {votes: [{by: a, vote: Approve, comment: `+strings.Repeat("x", 257)+`}]}`, "spec.votes[0].comment", "Too long"),
	Entry("refuses a line break in a comment", `spec: {votes: [{by: a, vote: Approve, comment: "a\nb"}]}`, "spec.votes[0].comment", "comment "+oneLine),
)

func vote(i int) string { return fmt.Sprintf(`{by: v%d, vote: Approve}`, i) }

var _ = Describe("AccessRequest", func() {
	It("is stored with its defaults, and nobody has looked yet", func(ctx SpecContext) {
		stored := created(ctx, object(request, `{metadata: {name: defaults}, status: {phase: Approved, observedGeneration: 7}}`))
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(stored), stored)).To(Succeed())
		Expect(stored.Object["spec"]).To(Equal(map[string]any{
			"policyRef": map[string]any{"name": "finance-operators"}, "reason": "INC-4711", "requester": "admin",
			"emergency": false, "withdrawn": false, "votes": []any{},
		}))
		Expect(stored.Object["status"]).To(Equal(map[string]any{"observedGeneration": int64(-1)}))
	})

	const everything = `spec: {dags: [a], access: [View], duration: 1h, startsAt: "2026-11-23T18:00:00Z", groups: [system:masters]}`
	const another = "cannot be changed: withdraw this one (withdrawn: true) and make another"
	DescribeTable("never changes", func(ctx SpecContext, before, patch, field, message string) {
		stored := created(ctx, object(request, `metadata: {name: changed}`, before))
		expectRefused(changed(ctx, admin, stored, patch), field, message)
	},
		Entry("its policy", `{}`, `spec: {policyRef: {name: other}}`, "spec.policyRef", "policyRef of a request "+another),
		Entry("the namespace of its policy", `{}`, `spec: {policyRef: {namespace: other}}`, "spec.policyRef", "policyRef of a request "+another),
		Entry("its DAGs", everything, `spec: {dags: [a, b]}`, "spec.dags", "dags of a request "+another),
		Entry("its DAGs to all", everything, `spec: {dags: null}`, "spec.dags", "dags of a request "+another),
		Entry("all DAGs to some", `{}`, `spec: {dags: [a]}`, "spec.dags", "dags of a request "+another),
		Entry("its access", everything, `spec: {access: [Trigger]}`, "spec.access", "access of a request "+another),
		Entry("its access to all", everything, `spec: {access: null}`, "spec.access", "access of a request "+another),
		Entry("its duration", everything, `spec: {duration: 8h}`, "spec.duration", "duration of a request "+another),
		Entry("its duration to the policy's", everything, `spec: {duration: null}`, "spec.duration", "duration of a request "+another),
		Entry("its start", everything, `spec: {startsAt: "2026-11-23T19:00:00Z"}`, "spec.startsAt", "startsAt of a request "+another),
		Entry("its start to now", everything, `spec: {startsAt: null}`, "spec.startsAt", "startsAt of a request "+another),
		Entry("its reason", `{}`, `spec: {reason: lunch}`, "spec.reason", "reason of a request "+another),
		Entry("its requester", `{}`, `spec: {requester: mallory}`, "spec.requester", "requester of a request "+another),
		Entry("its groups", everything, `spec: {groups: [oncall-data]}`, "spec.groups", "groups of a request "+another),
		Entry("its groups to none", everything, `spec: {groups: null}`, "spec.groups", "groups of a request "+another),
		Entry("to an emergency", `{}`, `spec: {emergency: true}`, "spec.emergency", "emergency of a request "+another),
	)

	It("needs its requester", func(ctx SpecContext) {
		for _, absent := range []string{`spec: {requester: null}`, `spec: {requester: ""}`} {
			expectRefused(tried(ctx, object(request, absent)), "spec.requester", "requester is missing: write the name by which this cluster knows you, "+ownName)
		}
	})

	It("stays withdrawn", func(ctx SpecContext) {
		stored := created(ctx, object(request, `metadata: {name: withdrawn}`))
		Expect(admin.Patch(ctx, stored, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"withdrawn":true}}`)))).To(Succeed())
		const final = "a request that was withdrawn stays withdrawn: make another"
		expectRefused(changed(ctx, admin, stored, `spec: {withdrawn: false}`), "spec.withdrawn", final)
		expectRefused(changed(ctx, admin, stored, `spec: {withdrawn: null}`), "spec.withdrawn", final)
	})

	It("needs the author of a vote, and keeps every vote", func(ctx SpecContext) {
		stored := created(ctx, object(request, `metadata: {name: voted}`))
		observed(ctx, stored, `status: {phase: Pending, terms: {policyUID: u, subject: {username: admin}, duration: 1h, approvals: 1, approvers: {users: [bob]}}}`)
		expectRefused(changed(ctx, admin, stored, `spec: {votes: [{vote: Approve}]}`), "spec.votes[0].by", "by is missing: write the name by which this cluster knows you, "+ownName)
		bob := as("bob", "system:masters")
		Expect(bob.Patch(ctx, stored, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"votes":[{"by":"bob","vote":"Deny"}]}}`)))).To(Succeed())
		for _, patch := range []string{
			`spec: {votes: []}`, `spec: {votes: null}`, `spec: {votes: [{by: bob, vote: Approve}]}`, `spec: {votes: [{by: bob, vote: Deny, comment: x}]}`,
		} {
			for _, by := range []client.Client{admin, bob, as(controlplane.Operator, "system:masters")} {
				expectRefused(changed(ctx, by, stored, patch), "spec.votes", "a vote cannot be changed or removed: it is on record")
			}
		}
	})
})
