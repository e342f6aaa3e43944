package schema

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/test/controlplane"
)

// What the operator has stored of a request.
const (
	deciders = `approvers: {groups: [finance-leads], users: [erin@example.com]}`
	pinnedBy = `terms: {policyUID: u, subject: {username: alice}, duration: 1h, approvals: 1, ` + deciders + `}`
	unread   = ``
	waiting  = `status: {phase: Pending, conditions: []}`
	opened   = `status: {phase: Pending, ` + pinnedBy + `}`
	agreed   = `status: {phase: Approved, ` + pinnedBy + `, decision: {outcome: Approved, reason: Agreed, at: "2026-11-23T18:00:00Z"}}`
	denied   = `status: {phase: Denied, ` + pinnedBy + `, decision: {outcome: Denied, reason: Denied, at: "2026-11-23T18:00:00Z"}}`
	timedOut = `status: {phase: NotApproved, ` + pinnedBy + `, decision: {outcome: NotApproved, reason: TimedOut, at: "2026-11-23T18:00:00Z"}}`
)

const approval = `{by: bob@example.com, groups: [finance-leads], vote: Approve}`

// expectTurnedAway asserts that a write was refused with a sentence. The schema calls it invalid, a policy and RBAC forbidden.
func expectTurnedAway(err error, sentence string) {
	GinkgoHelper()
	Expect(err).To(HaveOccurred(), "the API server accepted it")
	Expect(apierrors.IsForbidden(err) || apierrors.IsInvalid(err)).To(BeTrue(), err.Error())
	Expect(err.Error()).To(ContainSubstring(sentence))
}

// merged is a dry run of a merge patch by a person.
func merged(ctx context.Context, by person, stored *unstructured.Unstructured, patch string) error {
	GinkgoHelper()
	return changed(ctx, by.client(), stored, patch)
}

var _ = Describe("A request at the door", Ordered, ContinueOnFailure, func() {
	BeforeAll(func(ctx SpecContext) { roles(ctx) })

	Context("of an API server that adds no names", func() {
		lies()
		It("needs the name of a requester", func(ctx SpecContext) {
			for _, absent := range []string{`spec: {requester: null}`, `spec: {requester: ""}`} {
				expectTurnedAway(alice.client().Create(ctx, requestOf(alice, absent), client.DryRunAll), "requester is missing: write the name")
			}
		})
		It("needs the name of a voter", func(ctx SpecContext) {
			stored := requested(ctx, alice, opened)
			for _, absent := range []string{`{vote: Approve, groups: [finance-leads]}`, `{by: "", vote: Approve, groups: [finance-leads]}`} {
				expectTurnedAway(voted(ctx, bob, stored, absent, client.DryRunAll), "by is missing: write the name")
			}
		})
	})

	Context("of an API server that adds names", func() {
		BeforeAll(func(ctx SpecContext) {
			objects, err := controlplane.Objects(filepath.Join(root, "config", "admission", "names", "map-identity.yaml"))
			Expect(err).NotTo(HaveOccurred())
			for _, policy := range objects {
				temporary(ctx, policy)
			}
			Eventually(func() error {
				return alice.client().Create(ctx, requestOf(alice, `spec: {requester: null}`), client.DryRunAll)
			}).Should(Succeed())
		})
		lies()
		It("gets the name of its requester, and of each voter", func(ctx SpecContext) {
			stored := requested(ctx, alice, opened, `spec: {requester: null}`)
			Expect(voted(ctx, bob, stored, `{vote: Approve, groups: [finance-leads]}`)).To(Succeed())
			Expect(voted(ctx, erin, stored, `{by: "", vote: Approve}`)).To(Succeed())
			Expect(admin.Get(ctx, client.ObjectKeyFromObject(stored), stored)).To(Succeed())
			requester, _, err := unstructured.NestedString(stored.Object, "spec", "requester")
			Expect(err).NotTo(HaveOccurred())
			Expect(requester).To(Equal(alice.name))
			Expect(authors(stored)).To(Equal([]string{bob.name, erin.name}))
		})
		It("keeps one vote of a voter who left the name out twice", func(ctx SpecContext) {
			stored := requested(ctx, alice, opened)
			Expect(voted(ctx, bob, stored, `{vote: Approve, groups: [finance-leads]}`)).To(Succeed())
			expectTurnedAway(voted(ctx, bob, stored, `{vote: Deny, groups: [finance-leads]}`, client.DryRunAll), "Duplicate value")
		})
		It("adds no name for somebody who may not vote", func(ctx SpecContext) {
			stored := requested(ctx, alice, opened)
			expectTurnedAway(voted(ctx, mallory, stored, `{vote: Approve}`, client.DryRunAll), `"mallory@example.com" is not an approver of this request`)
			expectTurnedAway(voted(ctx, alice, stored, `{vote: Approve}`, client.DryRunAll), "a requester cannot vote on their own request")
		})
	})
})

// authors lists who voted, in order.
func authors(stored *unstructured.Unstructured) []string {
	GinkgoHelper()
	votes, _, err := unstructured.NestedSlice(stored.Object, "spec", "votes")
	Expect(err).NotTo(HaveOccurred())
	var by []string
	for _, vote := range votes {
		by = append(by, fmt.Sprint(vote.(map[string]any)["by"]))
	}
	return by
}

// lies are the specs that hold with and without a policy that adds names.
func lies() {
	DescribeTable("is refused at creation", func(ctx SpecContext, patch, sentence string) {
		expectTurnedAway(alice.client().Create(ctx, requestOf(alice, patch), client.DryRunAll), sentence)
	},
		Entry("under another name", `spec: {requester: bob@example.com}`,
			`spec.requester must be "alice@example.com", not "bob@example.com": a user can request access only under their own name`),
		Entry("under the own name in another case", `spec: {requester: Alice@example.com}`, `not "Alice@example.com"`),
		Entry("with a group of others", `spec: {groups: [oncall-data, finance-leads]}`,
			`spec.groups contains groups of which "alice@example.com" is no member: finance-leads; your groups: analysts, oncall-data`),
		Entry("with a vote of another", `spec: {votes: [`+approval+`]}`, "a new request has no votes"),
		Entry("with an own vote", `spec: {votes: [{by: alice@example.com, vote: Approve}]}`, "a new request has no votes"),
		Entry("withdrawn", `spec: {withdrawn: true}`, "a new request cannot be withdrawn already"),
		Entry("with an owner", `metadata: {ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: x, uid: x}]}`, "remove metadata.ownerReferences"),
		Entry("with a finalizer", `metadata: {finalizers: [example.com/forever]}`, "remove the new entries of metadata.finalizers"),
		Entry("with the operator's finalizer", `metadata: {finalizers: [access.airflow-oam.dev/revoke]}`, "remove the new entries of metadata.finalizers"),
	)

	It("is not for people without the role, for whom RBAC answers", func(ctx SpecContext) {
		expectTurnedAway(gina.client().Create(ctx, requestOf(gina, `{}`), client.DryRunAll), `cannot create resource "accessrequests"`)
		expectTurnedAway(alice.client().Create(ctx, object(grant), client.DryRunAll), `cannot create resource "accessgrants"`)
	})

	DescribeTable("refuses a vote", func(ctx SpecContext, by *person, status, patch, vote, sentence string) {
		stored := requested(ctx, alice, status, patch)
		expectTurnedAway(voted(ctx, *by, stored, vote, client.DryRunAll), sentence)
	},
		Entry("under another name", &mallory, opened, `{}`, approval, `by must be "mallory@example.com", not "bob@example.com"`),
		Entry("under the name of another approver", &carol, opened, `{}`, approval, `by must be "carol@example.com", not "bob@example.com"`),
		Entry("with a group of others", &mallory, opened, `{}`, `{by: mallory@example.com, groups: [finance-leads], vote: Approve}`,
			`the vote contains groups of which "mallory@example.com" is no member: finance-leads; your groups: analysts, other`),
		Entry("on the own request", &alice, opened, `{}`, `{by: alice@example.com, vote: Approve}`,
			"a requester cannot vote on their own request; to withdraw it, set spec.withdrawn to true"),
		Entry("of nobody who may decide", &mallory, opened, `{}`, `{by: mallory@example.com, groups: [other], vote: Deny}`,
			`"mallory@example.com" is not an approver of this request; its approvers: erin@example.com, finance-leads`),
		Entry("that does not name the group", &bob, opened, `{}`, `{by: bob@example.com, vote: Approve}`,
			`the vote must name the group by which you are an approver: groups: ["finance-leads"]`),
		Entry("that names another group", &bob, opened, `{}`, `{by: bob@example.com, groups: [analysts], vote: Approve}`, `groups: ["finance-leads"]`),
		Entry("before the operator read it", &bob, unread, `{}`, approval, "the operator has not read this request; retry in a few seconds"),
		Entry("before it is admitted", &bob, waiting, `{}`, approval, "this request is not admitted, and its condition Admitted has the cause"),
		Entry("after it was approved", &bob, agreed, `{}`, approval, "no vote is accepted: this request is Approved, which is final"),
		Entry("after it was denied", &bob, denied, `{}`, approval, "no vote is accepted: this request is Denied, which is final"),
		Entry("after it timed out", &bob, timedOut, `{}`, approval, "no vote is accepted: this request is NotApproved, which is final"),
		Entry("that reviews what was never approved", &bob, opened, `spec: {emergency: true}`, `{by: bob@example.com, groups: [finance-leads], vote: Reviewed}`,
			"Reviewed is for an emergency that was approved"),
		Entry("that reviews what is no emergency", &bob, agreed, `{}`, `{by: bob@example.com, groups: [finance-leads], vote: Reviewed}`,
			"Reviewed is for an emergency that was approved"),
		Entry("that reviews the own emergency", &alice, agreed, `spec: {emergency: true}`, `{by: alice@example.com, vote: Reviewed}`,
			"a requester cannot vote on their own request"),
		Entry("of the operator", &operator, opened, `{}`, `{by: "`+controlplane.Operator+`", vote: Approve}`, "is not an approver of this request"),
	)

	DescribeTable("takes a vote", func(ctx SpecContext, by *person, status, patch, vote string) {
		Expect(voted(ctx, *by, requested(ctx, alice, status, patch), vote)).To(Succeed())
	},
		Entry("of an approver by group", &bob, opened, `{}`, approval),
		Entry("of an approver by group, who names others too", &bob, opened, `{}`, `{by: bob@example.com, groups: [analysts, finance-leads], vote: Deny, comment: no ticket}`),
		Entry("of an approver by name", &erin, opened, `{}`, `{by: erin@example.com, vote: Deny}`),
		Entry("that reviews an emergency", &bob, agreed, `spec: {emergency: true}`, `{by: bob@example.com, groups: [finance-leads], vote: Reviewed}`),
	)

	It("is withdrawn by its requester alone, whatever became of it", func(ctx SpecContext) {
		const withdrawn = `spec: {withdrawn: true}`
		stored := requested(ctx, alice, "")
		for _, status := range []string{`{}`, waiting, opened, agreed} {
			Expect(operator.client().Status().Patch(ctx, stored, client.RawPatch(types.MergePatchType, asJSON(status)))).To(Succeed())
			Expect(merged(ctx, alice, stored, withdrawn)).To(Succeed())
			for _, other := range []person{bob, mallory, operator} {
				expectTurnedAway(merged(ctx, other, stored, withdrawn), "only alice@example.com can withdraw this request; an approver votes Deny instead")
			}
			expectTurnedAway(changed(ctx, admin, stored, withdrawn), "only alice@example.com can withdraw this request")
		}
	})

	It("stays withdrawn, and takes no more votes but a review", func(ctx SpecContext) {
		stored := requested(ctx, alice, opened, `spec: {emergency: true}`)
		Expect(alice.client().Patch(ctx, stored, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"withdrawn":true}}`)))).To(Succeed())
		for _, by := range []person{alice, bob} {
			expectTurnedAway(merged(ctx, by, stored, `spec: {withdrawn: false}`), "a request that was withdrawn stays withdrawn")
		}
		expectTurnedAway(voted(ctx, bob, stored, approval, client.DryRunAll), "no vote is accepted: alice@example.com has withdrawn this request")
		Expect(operator.client().Status().Patch(ctx, stored, client.RawPatch(types.MergePatchType, asJSON(agreed)))).To(Succeed())
		Expect(voted(ctx, bob, stored, `{by: bob@example.com, groups: [finance-leads], vote: Reviewed}`, client.DryRunAll)).To(Succeed())
	})

	It("keeps its terms and its votes", func(ctx SpecContext) {
		stored := requested(ctx, alice, opened)
		Expect(voted(ctx, bob, stored, approval)).To(Succeed())
		for _, by := range []person{alice, bob, carol, mallory, operator} {
			expectTurnedAway(merged(ctx, by, stored, `spec: {duration: 8h}`), "duration of a request cannot be changed")
			expectTurnedAway(merged(ctx, by, stored, `spec: {votes: []}`), "a vote cannot be changed or removed: it is on record")
			expectTurnedAway(merged(ctx, by, stored, `spec: {votes: [{by: bob@example.com, groups: [finance-leads], vote: Deny}]}`), "a vote cannot be changed or removed")
		}
		expectTurnedAway(voted(ctx, bob, stored, `{by: bob@example.com, groups: [finance-leads], vote: Deny}`, client.DryRunAll), "Duplicate value")

		current := stored.DeepCopy()
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(stored), current)).To(Succeed())
		original := requestOf(alice, `{}`)
		original.SetResourceVersion(current.GetResourceVersion())
		expectTurnedAway(admin.Update(ctx, original.DeepCopy(), client.DryRunAll), "a vote cannot be changed or removed")
		expectTurnedAway(alice.client().Update(ctx, original, client.DryRunAll), `cannot update resource "accessrequests"`)
	})

	It("can be applied again after votes, which stay", func(ctx SpecContext) {
		stored := requested(ctx, alice, opened)
		Expect(voted(ctx, bob, stored, approval)).To(Succeed())
		again := client.ApplyConfigurationFromUnstructured(requestOf(alice, `{}`))
		Expect(alice.client().Apply(ctx, again, client.FieldOwner("kubectl"), client.ForceOwnership)).To(Succeed())
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(stored), stored)).To(Succeed())
		Expect(authors(stored)).To(Equal([]string{bob.name}))
	})

	It("has a status of the operator alone", func(ctx SpecContext) {
		stored := requested(ctx, alice, opened)
		status := client.RawPatch(types.MergePatchType, asJSON(agreed))
		expectTurnedAway(admin.Status().Patch(ctx, stored.DeepCopy(), status), "only "+controlplane.Operator+" writes the status of accessrequests: change spec instead")
		for _, by := range []person{alice, bob} {
			expectTurnedAway(by.client().Status().Patch(ctx, stored.DeepCopy(), status), `cannot patch resource "accessrequests/status"`)
		}
	})

	It("gets no owner and no finalizer from a voter, and may lose them", func(ctx SpecContext) {
		stored := requested(ctx, alice, opened)
		for _, by := range []person{alice, bob} {
			expectTurnedAway(merged(ctx, by, stored, `metadata: {ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: x, uid: x}]}`), "remove metadata.ownerReferences")
			expectTurnedAway(merged(ctx, by, stored, `metadata: {finalizers: [example.com/forever]}`), "remove the new entries of metadata.finalizers")
			Expect(merged(ctx, by, stored, `metadata: {labels: {team: finance}}`)).To(Succeed())
		}
		finalizers := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":["access.airflow-oam.dev/revoke"]}}`))
		Expect(operator.client().Patch(ctx, stored, finalizers)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) {
			Expect(operator.client().Patch(ctx, stored, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))).To(Succeed())
		})
		expectTurnedAway(merged(ctx, bob, stored, `metadata: {finalizers: null}`), "delete the object and wait")
	})

	DescribeTable("loses no vote of two approvers at the same moment", func(ctx SpecContext, cast func(context.Context, person, *unstructured.Unstructured) error) {
		for range 20 {
			stored := requestOf(alice, `metadata: {name: null, generateName: raced-}`)
			Expect(alice.client().Create(ctx, stored)).To(Succeed())
			Expect(operator.client().Status().Patch(ctx, stored, client.RawPatch(types.MergePatchType, asJSON(opened)))).To(Succeed())
			ready, errs := make(chan struct{}), make([]error, 2)
			var both sync.WaitGroup
			for i, by := range []person{bob, carol} {
				both.Go(func() {
					defer GinkgoRecover()
					<-ready
					errs[i] = cast(ctx, by, stored)
				})
			}
			close(ready)
			both.Wait()
			Expect(errs).To(HaveEach(BeNil()))
			Expect(admin.Get(ctx, client.ObjectKeyFromObject(stored), stored)).To(Succeed())
			Expect(authors(stored)).To(ConsistOf(bob.name, carol.name))
			Expect(admin.Delete(ctx, stored)).To(Succeed())
		}
	},
		Entry("by JSON patch", func(ctx context.Context, by person, stored *unstructured.Unstructured) error {
			return voted(ctx, by, stored, strings.ReplaceAll(approval, bob.name, by.name))
		}),
		Entry("by server-side apply", func(ctx context.Context, by person, stored *unstructured.Unstructured) error {
			own := object(`{apiVersion: access.airflow-oam.dev/v1alpha1, kind: AccessRequest}`,
				`{metadata: {name: `+stored.GetName()+`}, spec: {votes: [`+strings.ReplaceAll(approval, bob.name, by.name)+`]}}`)
			return by.client().Apply(ctx, client.ApplyConfigurationFromUnstructured(own), client.FieldOwner(by.name))
		}),
	)
}
