package schema

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/types"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/config/admission"
	"github.com/airflow-oam/airflow-oam/internal/identity"
)

// The proof is tried with the operator's own rights, on the policies that the suite installed.
var _ = Describe("The proof that names are checked", Ordered, ContinueOnFailure, func() {
	BeforeAll(func(ctx SpecContext) { roles(ctx) })

	// fresh returns a request that is as much younger than the policies as it has to be.
	fresh := func(ctx context.Context) *v1alpha1.AccessRequest {
		GinkgoHelper()
		var policy admissionv1.ValidatingAdmissionPolicy
		var binding admissionv1.ValidatingAdmissionPolicyBinding
		Expect(admin.Get(ctx, client.ObjectKey{Name: admission.Name}, &policy)).To(Succeed())
		Expect(admin.Get(ctx, client.ObjectKey{Name: admission.Name}, &binding)).To(Succeed())
		since := policy.CreationTimestamp.Time
		if binding.CreationTimestamp.After(since) {
			since = binding.CreationTimestamp.Time
		}
		Eventually(time.Now).WithTimeout(20 * time.Second).Should(BeTemporally(">", since.Add(identity.Lead+time.Second)))
		return typed(ctx, requested(ctx, alice, opened))
	}
	proved := func(ctx context.Context, request *v1alpha1.AccessRequest) error {
		GinkgoHelper()
		prover := identity.New(operator.client(), testclock.NewFakePassiveClock(time.Now()), admission.Name)
		return prover.Prove(ctx, request)
	}

	It("is given by the API server of this suite", func(ctx SpecContext) {
		request := fresh(ctx)
		Expect(proved(ctx, request)).To(Succeed())
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(request), request)).To(Succeed())
		Expect(request.Spec.Withdrawn).To(BeFalse(), "a proof changes nothing")
	})

	It("is given with 16 votes on a request", func(ctx SpecContext) {
		stored := requested(ctx, alice, opened)
		request := typed(ctx, stored)
		var many []string
		for i := range 16 {
			many = append(many, fmt.Sprintf(`{"by":"approver-%d","groups":["finance-leads"],"vote":"Approve"}`, i))
		}
		for i := range many {
			by := person{fmt.Sprintf("approver-%d", i), []string{"analysts", "finance-leads"}}
			Expect(voted(ctx, by, stored, many[i])).To(Succeed())
		}
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(request), request)).To(Succeed())
		Expect(request.Spec.Votes).To(HaveLen(16))
		Expect(proved(ctx, request)).To(Succeed())
	})

	It("is not needed for a withdrawn request", func(ctx SpecContext) {
		stored := requested(ctx, alice, opened)
		Expect(alice.client().Patch(ctx, stored, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"withdrawn":true}}`)))).To(Succeed())
		Expect(proved(ctx, typed(ctx, stored))).To(Succeed())
	})

	It("is not given for another operator", func(ctx SpecContext) {
		request := typed(ctx, requested(ctx, alice, opened))
		prover := identity.New(as("system:serviceaccount:default:airflow-oam", "system:masters"), testclock.NewFakePassiveClock(time.Now()), admission.Name)
		expectUnproved(prover.Prove(ctx, request), "names another ServiceAccount than system:serviceaccount:default:airflow-oam")
	})

	It("is not given by a policy of another name", func(ctx SpecContext) {
		request := typed(ctx, requested(ctx, alice, opened))
		prover := identity.New(admin, testclock.NewFakePassiveClock(time.Now()), "oam-identity")
		expectUnproved(prover.Prove(ctx, request), "there is no ValidatingAdmissionPolicy oam-identity: install the admission policies")
	})

	It("is not given by a policy that the operator may not get", func(ctx SpecContext) {
		request := typed(ctx, requested(ctx, alice, opened))
		prover := identity.New(alice.client(), testclock.NewFakePassiveClock(time.Now()), admission.Name)
		expectUnproved(prover.Prove(ctx, request), "the operator may not get the ValidatingAdmissionPolicy airflow-oam-identity: add this right")
	})

	// Each of these changes the policies for all, and makes them as they were.
	DescribeTable("is not given", func(ctx SpecContext, change func(*admissionv1.ValidatingAdmissionPolicy, *admissionv1.ValidatingAdmissionPolicyBinding), sentence string) {
		request := fresh(ctx)
		// An API server applies what the spec before changed and put back up to a second later.
		Eventually(proved).WithArguments(ctx, request).Should(Succeed())
		policy, binding := &admissionv1.ValidatingAdmissionPolicy{}, &admissionv1.ValidatingAdmissionPolicyBinding{}
		for _, object := range []client.Object{policy, binding} {
			Expect(admin.Get(ctx, client.ObjectKey{Name: admission.Name}, object)).To(Succeed())
		}
		changedPolicy, changedBinding := policy.DeepCopy(), binding.DeepCopy()
		change(changedPolicy, changedBinding)
		Expect(admin.Update(ctx, changedPolicy)).To(Succeed())
		Expect(admin.Update(ctx, changedBinding)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) {
			policy.ResourceVersion, binding.ResourceVersion = changedPolicy.ResourceVersion, changedBinding.ResourceVersion
			Expect(admin.Update(ctx, policy)).To(Succeed())
			Expect(admin.Update(ctx, binding)).To(Succeed())
			closed(ctx)
		})
		expectUnproved(proved(ctx, request), sentence)
	},
		Entry("by a binding that only warns", func(_ *admissionv1.ValidatingAdmissionPolicy, b *admissionv1.ValidatingAdmissionPolicyBinding) {
			b.Spec.ValidationActions = []admissionv1.ValidationAction{admissionv1.Warn}
		}, "is not bound with validationActions [Deny] to every request"),
		Entry("by a binding for some namespaces", func(_ *admissionv1.ValidatingAdmissionPolicy, b *admissionv1.ValidatingAdmissionPolicyBinding) {
			b.Spec.MatchResources = &admissionv1.MatchResources{ExcludeResourceRules: []admissionv1.NamedRuleWithOperations{{
				ResourceNames: []string{"asked"}, RuleWithOperations: admissionv1.RuleWithOperations{
					Operations: []admissionv1.OperationType{admissionv1.Update},
					Rule:       admissionv1.Rule{APIGroups: []string{"*"}, APIVersions: []string{"*"}, Resources: []string{"*"}},
				},
			}}}
		}, "is not bound with validationActions [Deny] to every request"),
		Entry("by a binding of another policy", func(_ *admissionv1.ValidatingAdmissionPolicy, b *admissionv1.ValidatingAdmissionPolicyBinding) {
			b.Spec.PolicyName = "airflow-oam-operator-only"
		}, "is not bound with validationActions [Deny] to every request"),
		Entry("by a policy without a rule", func(p *admissionv1.ValidatingAdmissionPolicy, _ *admissionv1.ValidatingAdmissionPolicyBinding) {
			p.Spec.Validations = p.Spec.Validations[1:]
		}, "differs from the one of this release"),
		Entry("by a policy that excepts some", func(p *admissionv1.ValidatingAdmissionPolicy, _ *admissionv1.ValidatingAdmissionPolicyBinding) {
			p.Spec.MatchConditions = []admissionv1.MatchCondition{{Name: "not-mallory", Expression: "request.userInfo.username != 'mallory'"}}
		}, "differs from the one of this release"),
		Entry("by a policy that fails open", func(p *admissionv1.ValidatingAdmissionPolicy, _ *admissionv1.ValidatingAdmissionPolicyBinding) {
			ignore := admissionv1.Ignore
			p.Spec.FailurePolicy = &ignore
		}, "differs from the one of this release"),
	)

	DescribeTable("is not given without", func(ctx SpecContext, missing client.Object, sentence string) {
		request := fresh(ctx)
		clock := testclock.NewFakePassiveClock(time.Now())
		prover := identity.New(operator.client(), clock, admission.Name)
		Expect(prover.Prove(ctx, request)).To(Succeed())
		removed := missing.DeepCopyObject().(client.Object)
		Expect(admin.Get(ctx, client.ObjectKey{Name: admission.Name}, removed)).To(Succeed())
		Expect(admin.Delete(ctx, removed)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) {
			removed.SetResourceVersion("")
			removed.SetUID("")
			Expect(admin.Create(ctx, removed)).To(Succeed())
			closed(ctx)
			expectUnproved(proved(ctx, request), "is not older than this request, so that nothing checked its names: create the request again")
		})
		expectUnproved(proved(ctx, request), sentence)

		// A lie gets in, and the next proof of that request, which knows the policies, sees that.
		forged := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"votes":[{"by":"bob@example.com","groups":["finance-leads"],"vote":"Approve"}]}}`))
		Eventually(func() error { return mallory.client().Patch(ctx, request.DeepCopy(), forged) }).Should(Succeed())
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(request), request)).To(Succeed())
		expectUnproved(prover.Prove(ctx, request), "is not applied to this request, the API server accepts a false name")
		clock.SetTime(clock.Now().Add(identity.Validity))
		expectUnproved(prover.Prove(ctx, request), sentence)
	},
		Entry("the policy", &admissionv1.ValidatingAdmissionPolicy{}, "there is no ValidatingAdmissionPolicy airflow-oam-identity"),
		Entry("the binding", &admissionv1.ValidatingAdmissionPolicyBinding{}, "there is no ValidatingAdmissionPolicyBinding airflow-oam-identity"),
	)
})

// typed reads a request as the operator does.
func typed(ctx context.Context, stored client.Object) *v1alpha1.AccessRequest {
	GinkgoHelper()
	request := &v1alpha1.AccessRequest{}
	Expect(operator.client().Get(ctx, client.ObjectKeyFromObject(stored), request)).To(Succeed())
	return request
}

// closed waits until false names are refused again.
func closed(ctx context.Context) {
	GinkgoHelper()
	Eventually(func() error {
		return mallory.client().Create(ctx, requestOf(alice, `metadata: {name: lie}`), client.DryRunAll)
	}).Should(MatchError(ContainSubstring("spec.requester must be")))
	// Several policies and bindings become known one after the other: a rule of the end of the policy is tried, too.
	stored := requestOf(alice, `metadata: {name: closed}`)
	Expect(alice.client().Create(ctx, stored)).To(Succeed())
	Eventually(func() error { return merged(ctx, mallory, stored, `spec: {withdrawn: true}`) }).Should(MatchError(ContainSubstring("can withdraw this request")))
	Expect(admin.Delete(ctx, stored)).To(Succeed())
}

// expectUnproved asserts that names are not proved to be true, for a cause, in one line.
func expectUnproved(err error, sentence string) {
	GinkgoHelper()
	Expect(err).To(MatchError(identity.ErrNotProved))
	Expect(err.Error()).To(ContainSubstring(sentence))
	Expect(strings.Count(err.Error(), "\n")).To(BeZero())
}
