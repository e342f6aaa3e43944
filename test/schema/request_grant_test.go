package schema

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var _ = Describe("The grant of a request", Ordered, ContinueOnFailure, func() {
	BeforeAll(func(ctx SpecContext) { roles(ctx) })

	const born = `{metadata: {name: born}, spec: {requestRef: {name: asked, uid: u}}}`
	var stored *unstructured.Unstructured
	BeforeEach(func(ctx SpecContext) {
		stored = object(grant, born)
		Expect(operator.client().Create(ctx, stored)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(admin.Delete(ctx, object(grant, born))).To(Succeed()) })
	})

	It("is created by the operator alone", func(ctx SpecContext) {
		for _, by := range []client.Client{admin, gina.client()} {
			expectTurnedAway(by.Create(ctx, object(grant, born, `metadata: {name: forged}`), client.DryRunAll),
				"remove spec.requestRef: only system:serviceaccount:airflow-oam-system:airflow-oam sets it, for an approved request; to request access, create an AccessRequest")
		}
		Expect(gina.client().Create(ctx, object(grant), client.DryRunAll)).To(Succeed(), "a direct grant")
	})

	It("is changed by the operator alone, but for its revocation", func(ctx SpecContext) {
		const sentence = "this grant belongs to the AccessRequest asked: only spec.revoke can be set, not "
		for _, by := range []client.Client{admin, gina.client()} {
			expectTurnedAway(changed(ctx, by, stored, `spec: {expiresAt: "2026-11-23T21:00:00Z"}`), sentence+"expiresAt; for other terms create another AccessRequest")
			expectTurnedAway(changed(ctx, by, stored, `spec: {reason: lunch, expiresAt: "2026-11-23T21:00:00Z"}`), sentence+"expiresAt, reason")
			expectTurnedAway(changed(ctx, by, stored, `spec: {requestRef: null}`), "requestRef is immutable")
			Expect(changed(ctx, by, stored, `spec: {revoke: {reason: laptop lost}}`)).To(Succeed())
			Expect(changed(ctx, by, stored, `metadata: {labels: {team: finance}}`)).To(Succeed())
		}
		Expect(changed(ctx, operator.client(), stored, `spec: {expiresAt: "2026-11-23T21:00:00Z"}`)).To(Succeed())
	})

	It("can lose nothing by a field that its policy forgot", func() {
		spec := definitions()["AccessGrant"].Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"].Properties
		text := string(read("config", "admission", "request-born.yaml"))
		for field := range spec {
			compared := "object.spec.?" + field + " == oldObject.spec.?" + field + " ? '' : '" + field + "'"
			Expect(text).To(Or(ContainSubstring(compared), Satisfy(func(string) bool { return field == "revoke" })), field)
		}
		Expect(spec).To(HaveKey("revoke"))
	})

	DescribeTable("names who revokes it", func(ctx SpecContext, by string, sentence string) {
		err := changed(ctx, gina.client(), stored, `spec: {revoke: {by: "`+by+`"}}`)
		direct := gina.client().Create(ctx, object(grant, `spec: {revoke: {by: "`+by+`"}}`), client.DryRunAll)
		if sentence == "" {
			Expect([]error{err, direct}).To(HaveEach(BeNil()))
			return
		}
		expectTurnedAway(err, sentence)
		expectTurnedAway(direct, sentence)
	},
		Entry("truly", gina.name, ""),
		Entry("or not at all", "", ""),
		Entry("and nobody else", alice.name, `spec.revoke.by must be "gina@example.com", not "alice@example.com"`),
	)

	It("keeps the name of who revoked it, whoever writes then", func(ctx SpecContext) {
		Expect(gina.client().Patch(ctx, stored, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"revoke":{"by":"gina@example.com"}}}`)))).To(Succeed())
		Expect(changed(ctx, admin, stored, `metadata: {labels: {team: finance}}`)).To(Succeed())
		expectTurnedAway(changed(ctx, admin, stored, `spec: {revoke: {by: admin}}`), "a revoked grant stays revoked")
		Expect(changed(ctx, operator.client(), object(grant, born), `metadata: {finalizers: [access.airflow-oam.dev/revoke]}`)).To(Succeed())
	})

	It("may be revoked by the operator in the name of another", func(ctx SpecContext) {
		Expect(changed(ctx, operator.client(), stored, `spec: {revoke: {by: "alice@example.com"}}`)).To(Succeed())
	})
})
