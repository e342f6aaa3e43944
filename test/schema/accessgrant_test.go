package schema

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/test/controlplane"
)

const grant = `
apiVersion: access.airflow-oam.dev/v1alpha1
kind: AccessGrant
metadata: {name: bob-finance}
spec:
  policyRef: {name: finance-operators}
  subject: {username: bob}
  expiresAt: "2026-11-23T20:00:00Z"
`

const (
	oneEnd    = "say exactly one of expiresAt and duration"
	exactDags = "dags holds exact ids"
	ended     = "expiresAt must be a moment from the year 2020 to 2099"
	started   = "startsAt must be a moment from the year 2020 to 2099"
	anHour    = "duration must be a time from 1s to 8760h"
)

var _ = DescribeTable("AccessGrant", judge(grant),
	Entry("takes the smallest spec", `{}`, "", ""),
	Entry("takes everything", `
spec:
  policyRef: {name: finance-operators, namespace: finance}
  subject: {username: null, email: bob@example.com}
  dags: [finance_daily, "a.b-c"]
  access: [View, Trigger]
  startsAt: "2026-11-23T18:00:00+01:00"
  reason: INC-4711 re-run after a late file, für Bob 👩‍💻
  revoke: {reason: laptop lost}
`, "", ""),
	Entry("needs a spec", `spec: null`, "spec", "Required value"),

	// policyRef and subject
	Entry("needs a policy", `spec: {policyRef: null}`, "spec.policyRef", "Required value"),
	Entry("needs the name of the policy", `spec: {policyRef: {name: null}}`, "spec.policyRef.name", "Required value"),
	Entry("refuses an empty policy name", `spec: {policyRef: {name: ""}}`, "spec.policyRef.name", "at least 1 char"),
	Entry("refuses a long policy name", `spec: {policyRef: {name: `+strings.Repeat("x", 254)+`}}`, "spec.policyRef.name", "Too long"),
	Entry("refuses a bad policy name", `spec: {policyRef: {name: finance/operators}}`, "spec.policyRef.name", "must be the name of a DagAccessPolicy"),
	Entry("refuses an empty namespace", `spec: {policyRef: {namespace: ""}}`, "spec.policyRef.namespace", "at least 1 char"),
	Entry("refuses a long namespace", `spec: {policyRef: {namespace: `+strings.Repeat("x", 64)+`}}`, "spec.policyRef.namespace", "Too long"),
	Entry("refuses a bad namespace", `spec: {policyRef: {namespace: a.b}}`, "spec.policyRef.namespace", "must be the name of a namespace"),
	Entry("needs a subject", `spec: {subject: null}`, "spec.subject", "Required value"),
	Entry("refuses an empty subject", `spec: {subject: {username: null}}`, "spec.subject", oneSubject),
	Entry("refuses two subjects", `spec: {subject: {email: bob@example.com}}`, "spec.subject", oneSubject),
	Entry("refuses a user name that Airflow's API cannot reach", `spec: {subject: {username: a/b}}`, "spec.subject.username", "Airflow's API cannot reach such users"),
	Entry("refuses an empty user name", `spec: {subject: {username: ""}}`, "spec.subject.username", "at least 1 char"),
	Entry("refuses a long user name", `spec: {subject: {username: `+strings.Repeat("x", 257)+`}}`, "spec.subject.username", "Too long"),
	Entry("refuses spaces around a user name", `spec: {subject: {username: "bob "}}`, "spec.subject.username", "must not begin or end with a space"),
	Entry("refuses a short e-mail", `spec: {subject: {username: null, email: "@a"}}`, "spec.subject.email", "at least 3 chars"),
	Entry("refuses a long e-mail", `spec: {subject: {username: null, email: `+strings.Repeat("x", 319)+`@a}}`, "spec.subject.email", "Too long"),
	Entry("refuses a bad e-mail", `spec: {subject: {username: null, email: bob}}`, "spec.subject.email", "email must look like"),

	// dags and access
	Entry("takes 64 DAGs", `spec: {dags: `+list(64, word)+`}`, "", ""),
	Entry("refuses 65 DAGs", `spec: {dags: `+list(65, word)+`}`, "spec.dags", "must have at most 64 items"),
	Entry("refuses no DAGs", `spec: {dags: []}`, "spec.dags", "at least 1 items"),
	Entry("refuses an empty DAG", `spec: {dags: [""]}`, "spec.dags[0]", "at least 1 char"),
	Entry("refuses a long DAG", `spec: {dags: [`+strings.Repeat("x", 251)+`]}`, "spec.dags[0]", "Too long"),
	Entry("refuses a DAG twice", `spec: {dags: [a, a]}`, "spec.dags[1]", "Duplicate value"),
	Entry("refuses a star", `spec: {dags: ["finance_*"]}`, "spec.dags[0]", exactDags),
	Entry("refuses a question mark", `spec: {dags: ["finance_?"]}`, "spec.dags[0]", exactDags),
	Entry("refuses a line break in a DAG", `spec: {dags: ["a\nb"]}`, "spec.dags[0]", "no control character"),
	Entry("refuses spaces around a DAG", `spec: {dags: ["a "]}`, "spec.dags[0]", "nor begin or end with a space"),
	Entry("refuses no access", `spec: {access: []}`, "spec.access", "at least 1 items"),
	Entry("refuses another level", `spec: {access: [Admin]}`, "spec.access[0]", "Unsupported value"),
	Entry("refuses a level twice", `spec: {access: [View, View]}`, "spec.access[1]", "Duplicate value"),
	Entry("refuses more entries than there are levels", `spec: {access: `+list(15, word)+`}`, "spec.access", "must have at most 14 items"),

	// time (F59, F60)
	Entry("takes a duration", `spec: {expiresAt: null, duration: 2h}`, "", ""),
	Entry("takes the shortest duration", `spec: {expiresAt: null, duration: 1s}`, "", ""),
	Entry("takes the longest duration", `spec: {expiresAt: null, duration: 8760h}`, "", ""),
	Entry("refuses two ends", `spec: {duration: 2h}`, "spec", oneEnd),
	Entry("refuses no end", `spec: {expiresAt: null}`, "spec", oneEnd),
	Entry("refuses duration 0 (F59)", `spec: {expiresAt: null, duration: 0s}`, "spec.duration", anHour),
	Entry("refuses a bare 0 (F59)", `spec: {expiresAt: null, duration: "0"}`, "spec.duration", anHour),
	Entry("refuses a negative duration (F59)", `spec: {expiresAt: null, duration: -1h}`, "spec.duration", anHour),
	Entry("refuses less than a second (F59)", `spec: {expiresAt: null, duration: 999ms}`, "spec.duration", anHour),
	Entry("refuses more than a year", `spec: {expiresAt: null, duration: 8760h1s}`, "spec.duration", anHour),
	Entry("refuses days, which Go cannot read", `spec: {expiresAt: null, duration: 1d}`, "spec.duration", anHour),
	Entry("refuses an empty duration", `spec: {expiresAt: null, duration: ""}`, "spec.duration", anHour),
	Entry("refuses a long duration", `spec: {expiresAt: null, duration: 1h1m1s1h1m1s1h1m1s}`, "spec.duration", "Too long"),
	Entry("takes a start", `spec: {startsAt: "2026-11-23T19:59:59Z"}`, "", ""),
	Entry("takes a start with a duration", `spec: {startsAt: "2026-11-23T19:59:59Z", expiresAt: null, duration: 2h}`, "", ""),
	Entry("refuses a start at the end", `spec: {startsAt: "2026-11-23T20:00:00Z"}`, "spec", "startsAt must be before expiresAt"),
	Entry("refuses a start after the end in another zone", `spec: {startsAt: "2026-11-23T20:00:01+00:00", expiresAt: "2026-11-23T21:00:00+01:00"}`, "spec", "startsAt must be before expiresAt"),
	Entry("takes the last moment", `spec: {expiresAt: "2099-12-31T23:59:59Z"}`, "", ""),
	Entry("refuses the year 2100", `spec: {expiresAt: "2100-01-01T00:00:00Z"}`, "spec.expiresAt", ended),
	Entry("refuses the year 9999 (F60)", `spec: {expiresAt: "9999-12-31T23:59:59Z"}`, "spec.expiresAt", ended),
	Entry("refuses a start in the year 9999 (F60)", `spec: {startsAt: "9999-12-31T23:59:59Z", expiresAt: null, duration: 1h}`, "spec.startsAt", started),
	Entry("refuses the zero time, which Go reads as none", `spec: {expiresAt: "0001-01-01T00:00:00Z"}`, "spec.expiresAt", ended),
	Entry("refuses a start in words", `spec: {startsAt: now}`, "spec.startsAt", "date-time"),
	Entry("refuses a start before 2020", `spec: {startsAt: "2019-12-31T23:59:59Z"}`, "spec.startsAt", started),
	Entry("refuses the year 10000 (F60)", `spec: {expiresAt: "10000-01-01T00:00:00Z"}`, "spec.expiresAt", "date-time"),
	Entry("refuses a time without zone", `spec: {expiresAt: "2026-11-23T20:00:00"}`, "spec.expiresAt", "date-time"),
	Entry("refuses a day", `spec: {expiresAt: "2026-11-23"}`, "spec.expiresAt", "date-time"),
	Entry("refuses small letters, which Go cannot read", `spec: {expiresAt: "2026-11-23t20:00:00z"}`, "spec.expiresAt", "date-time"),
	Entry("refuses a leap second, which Go cannot read", `spec: {expiresAt: "2026-12-31T23:59:60Z"}`, "spec.expiresAt", "date-time"),
	Entry("refuses words", `spec: {expiresAt: tomorrow}`, "spec.expiresAt", "date-time"),

	// reason and revoke (F76)
	Entry("takes no reason", `spec: {reason: ""}`, "", ""),
	Entry("takes 256 characters", `spec: {reason: `+strings.Repeat("ü", 256)+`}`, "", ""),
	Entry("refuses 257 characters", `spec: {reason: `+strings.Repeat("x", 257)+`}`, "spec.reason", "Too long"),
	Entry("refuses a line feed (F76)", `spec: {reason: "INC-1\nlevel=error"}`, "spec.reason", "reason "+oneLine),
	Entry("refuses a carriage return (F76)", `spec: {reason: "INC-1\rx"}`, "spec.reason", "reason "+oneLine),
	Entry("refuses a next line (F76)", `spec: {reason: "INC-1\u0085x"}`, "spec.reason", "reason "+oneLine),
	Entry("refuses a line separator (F76)", `spec: {reason: "INC-1\u2028x"}`, "spec.reason", "reason "+oneLine),
	Entry("refuses a paragraph separator (F76)", `spec: {reason: "INC-1\u2029x"}`, "spec.reason", "reason "+oneLine),
	Entry("refuses an escape (F76)", `spec: {reason: "INC-1\e[2J"}`, "spec.reason", "reason "+oneLine),
	Entry("refuses a change of direction (F76)", `spec: {reason: "INC-1\u202ex"}`, "spec.reason", "reason "+oneLine),
	Entry("takes a revocation without reason", `spec: {revoke: {}}`, "", ""),
	Entry("refuses a line break in a revocation (F76)", `spec: {revoke: {reason: "a\nb"}}`, "spec.revoke.reason", "reason "+oneLine),
	Entry("refuses a long reason of a revocation", `spec: {revoke: {reason: `+strings.Repeat("x", 257)+`}}`, "spec.revoke.reason", "Too long"),

	Entry("refuses a long revoker", `spec: {revoke: {by: `+strings.Repeat("x", 257)+`}}`, "spec.revoke.by", "Too long"),

	// requestRef, which the operator writes
	Entry("needs the name of the request", `spec: {requestRef: {uid: u}}`, "spec.requestRef.name", "Required value"),
	Entry("needs the uid of the request", `spec: {requestRef: {name: r}}`, "spec.requestRef.uid", "Required value"),
	Entry("refuses an empty name of the request", `spec: {requestRef: {name: "", uid: u}}`, "spec.requestRef.name", "at least 1 char"),
	Entry("refuses a long name of the request", `spec: {requestRef: {uid: u, name: `+strings.Repeat("x", 254)+`}}`, "spec.requestRef.name", "Too long"),
	Entry("refuses an empty uid of the request", `spec: {requestRef: {name: r, uid: ""}}`, "spec.requestRef.uid", "at least 1 char"),
	Entry("refuses a long uid of the request", `spec: {requestRef: {name: r, uid: `+strings.Repeat("x", 65)+`}}`, "spec.requestRef.uid", "Too long"),

	// size (F72)
	Entry("refuses a spec of 1 MB (F72)", `spec: {reason: `+strings.Repeat("x", 1<<20)+`}`, "spec.reason", "Too long"),
)

var _ = Describe("AccessGrant", func() {
	It("is stored as it was written, and nobody has looked yet", func(ctx SpecContext) {
		stored := created(ctx, object(grant, `metadata: {name: defaults}`))
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(stored), stored)).To(Succeed())
		Expect(stored.Object["spec"]).To(Equal(map[string]any{
			"policyRef": map[string]any{"name": "finance-operators"},
			"subject":   map[string]any{"username": "bob"},
			"expiresAt": "2026-11-23T20:00:00Z",
		}))
		Expect(stored.Object["status"]).To(Equal(map[string]any{"observedGeneration": int64(-1)}))
	})

	It("drops a status that is sent at creation", func(ctx SpecContext) {
		stored := created(ctx, object(grant, `{metadata: {name: forged}, status: {phase: Active, observedGeneration: 7}}`))
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(stored), stored)).To(Succeed())
		Expect(stored.Object["status"]).To(Equal(map[string]any{"observedGeneration": int64(-1)}))
	})

	It("keeps its reason from activation on (K5)", func(ctx SpecContext) {
		stored := created(ctx, object(grant, `{metadata: {name: reasoned}, spec: {reason: INC-1}}`))
		operator := as(controlplane.Operator, "system:masters")
		Expect(changed(ctx, admin, stored, `spec: {reason: INC-2}`)).To(Succeed(), "before the activation")
		activated := `{status: {phase: Active, activation: {at: "2026-11-23T18:00:00Z", expiresAt: "2026-11-23T20:00:00Z",
  instances: [{name: prod, namespace: default, uid: u, username: bob, role: r}]}}}`
		Expect(operator.Status().Patch(ctx, stored, client.RawPatch("application/merge-patch+json", asJSON(activated)))).To(Succeed())
		const evidence = "reason is immutable from activation on"
		expectRefused(changed(ctx, admin, stored, `spec: {reason: lunch}`), "<nil>", evidence)
		expectRefused(changed(ctx, admin, stored, `spec: {reason: null}`), "<nil>", evidence)
		Expect(changed(ctx, admin, stored, `spec: {expiresAt: "2026-11-23T21:00:00Z", revoke: {reason: laptop lost}}`)).To(Succeed())
		Expect(operator.Status().Patch(ctx, stored, client.RawPatch("application/merge-patch+json", asJSON(`{status: {phase: Ending}}`)))).To(Succeed())
	})

	const narrowed = `spec: {dags: [a], access: [View], startsAt: "2026-11-23T18:00:00Z"}`
	const lasting = `spec: {expiresAt: null, duration: 2h}`
	const revoked = `spec: {revoke: {reason: laptop lost}}`
	DescribeTable("changed", func(ctx SpecContext, before, patch, field, message string) {
		stored := created(ctx, object(grant, `metadata: {name: changed}`, before))
		err := changed(ctx, admin, stored, patch)
		if field == "" {
			Expect(err).NotTo(HaveOccurred())
			return
		}
		expectRefused(err, field, message)
	},
		Entry("keeps its policy", `{}`, `spec: {policyRef: {name: other}}`, "spec.policyRef", "policyRef is immutable: create another grant"),
		Entry("keeps the namespace of its policy", `{}`, `spec: {policyRef: {namespace: other}}`, "spec.policyRef", "policyRef is immutable"),
		Entry("cannot lose its policy", `{}`, `spec: {policyRef: null}`, "spec.policyRef", "Required value"),
		Entry("keeps its subject", `{}`, `spec: {subject: {username: mallory}}`, "spec.subject", "subject is immutable: create another grant"),
		Entry("keeps its kind of subject", `{}`, `spec: {subject: {username: null, email: bob@example.com}}`, "spec.subject", "subject is immutable"),
		Entry("cannot lose its subject", `{}`, `spec: {subject: null}`, "spec.subject", "Required value"),
		Entry("keeps its DAGs", narrowed, `spec: {dags: [b]}`, "spec", "dags is immutable: create another grant"),
		Entry("keeps its DAGs against removal", narrowed, `spec: {dags: null}`, "spec", "dags is immutable: create another grant"),
		Entry("cannot be narrowed to DAGs later", `{}`, `spec: {dags: [a]}`, "spec", "dags is immutable: create another grant"),
		Entry("keeps its access", narrowed, `spec: {access: [View, Trigger]}`, "spec", "access is immutable: create another grant"),
		Entry("keeps its access against removal", narrowed, `spec: {access: null}`, "spec", "access is immutable: create another grant"),
		Entry("cannot be narrowed to access later", `{}`, `spec: {access: [View]}`, "spec", "access is immutable: create another grant"),
		Entry("keeps its start", narrowed, `spec: {startsAt: "2026-11-23T19:00:00Z"}`, "spec", "startsAt is immutable: create another grant"),
		Entry("keeps its start against removal", narrowed, `spec: {startsAt: null}`, "spec", "startsAt is immutable: create another grant"),
		Entry("cannot get a start later", `{}`, `spec: {startsAt: "2026-11-23T19:00:00Z"}`, "spec", "startsAt is immutable: create another grant"),
		Entry("may end later", `{}`, `spec: {expiresAt: "2026-11-23T21:00:00Z"}`, "", ""),
		Entry("may end earlier", `{}`, `spec: {expiresAt: "2026-11-23T19:00:00Z"}`, "", ""),
		Entry("may last longer", lasting, `spec: {duration: 3h}`, "", ""),
		Entry("cannot lose its end", `{}`, `spec: {expiresAt: null}`, "spec", oneEnd),
		Entry("cannot lose its duration", lasting, `spec: {duration: null}`, "spec", oneEnd),
		Entry("cannot exchange its end for a duration", `{}`, `spec: {expiresAt: null, duration: 1h}`, "spec", "cannot be exchanged"),
		Entry("cannot exchange its duration for an end", lasting, `spec: {duration: null, expiresAt: "2026-11-23T19:00:00Z"}`, "spec", "cannot be exchanged"),
		Entry("may change its reason", `{}`, `spec: {reason: CHG-1}`, "", ""),
		Entry("cannot get a request later", `{}`, `spec: {requestRef: {name: r, uid: u}}`, "spec", "requestRef is immutable"),
		Entry("may be revoked", `{}`, revoked, "", ""),
		Entry("stays revoked", revoked, `spec: {revoke: null}`, "spec", "a revoked grant stays revoked: create another grant"),
		Entry("keeps the reason of its revocation", revoked, `spec: {revoke: {reason: found again}}`, "spec", "a revoked grant stays revoked"),
		Entry("may change its end after revocation, which changes nothing", revoked, `spec: {expiresAt: "2026-11-23T19:00:00Z"}`, "", ""),
	)

	DescribeTable("with an explicit null", func(ctx SpecContext, before, path, field, message string) {
		stored := created(ctx, object(grant, `metadata: {name: nulled}`, before))
		err := admin.Patch(ctx, stored.DeepCopy(), client.RawPatch(types.JSONPatchType,
			[]byte(`[{"op": "replace", "path": "`+path+`", "value": null}]`)), client.DryRunAll)
		expectRefused(err, field, message)
	},
		Entry("keeps its start", narrowed, "/spec/startsAt", "spec", "startsAt is immutable: create another grant"),
		Entry("keeps its DAGs", narrowed, "/spec/dags", "spec", "dags is immutable: create another grant"),
		Entry("keeps its end", `{}`, "/spec/expiresAt", "spec", oneEnd),
		Entry("stays revoked", revoked, "/spec/revoke", "spec", "a revoked grant stays revoked: create another grant"),
	)
})
