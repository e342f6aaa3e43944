package schema

import (
	"context"
	"fmt"
	"maps"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/test/controlplane"
)

// as returns a client of another user.
func as(user string, groups ...string) client.Client {
	GinkgoHelper()
	other, err := client.New(controlplane.As(config, user, groups...), client.Options{})
	Expect(err).NotTo(HaveOccurred())
	return other
}

// allowed lets a user do some verbs with all of our kinds and their status, for the time of one spec.
func allowed(ctx context.Context, user string, verbs ...string) client.Client {
	GinkgoHelper()
	role := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: "test-" + user},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{"*"}, Verbs: verbs}},
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: role.ObjectMeta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: user}},
	}
	for _, made := range []client.Object{role, binding} {
		Expect(admin.Create(ctx, made)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(admin.Delete(ctx, made)).To(Succeed()) })
	}
	by := as(user)
	Eventually(func() error { // rights become known to the API server some time after they were made
		return by.Create(ctx, object(grant, `metadata: {name: probe}`), client.DryRunAll)
	}).Should(Succeed())
	return by
}

// expectDenied asserts that a policy refused a write, with a reason and a message.
func expectDenied(err error, reason metav1.StatusReason, messages ...string) {
	GinkgoHelper()
	Expect(err).To(HaveOccurred(), "the API server accepted it")
	Expect(apierrors.ReasonForError(err)).To(Equal(reason), err.Error())
	for _, message := range messages {
		Expect(err.Error()).To(And(ContainSubstring("ValidatingAdmissionPolicy"), ContainSubstring(message)))
	}
}

var kinds = map[string]string{
	"airflowinstances": instance, "dagaccesspolicies": policy, "accessgrants": grant, "accessrequests": request,
}

// held creates an object on which the operator has put its finalizer, beside another one.
func held(ctx context.Context, base string) *unstructured.Unstructured {
	GinkgoHelper()
	stored := created(ctx, object(base, `metadata: {name: held}`))
	finalizers := client.RawPatch("application/merge-patch+json", asJSON(`metadata: {finalizers: [access.airflow-oam.dev/revoke, example.com/other]}`))
	Expect(as(controlplane.Operator, "system:masters").Patch(ctx, stored, finalizers)).To(Succeed())
	return stored
}

var _ = Describe("Only the operator", func() {
	const written = `status: {observedGeneration: 1}`

	for _, resource := range slices.Sorted(maps.Keys(kinds)) {
		base := kinds[resource]
		Describe("with "+resource, func() {
			It("writes status", func(ctx SpecContext) {
				stored := created(ctx, object(base, `metadata: {name: status}`))
				patch := client.RawPatch("application/merge-patch+json", asJSON(written))
				for _, other := range []client.Client{admin, allowed(ctx, "mallory", "create", "get", "update", "patch")} {
					expectDenied(other.Status().Patch(ctx, stored.DeepCopy(), patch), metav1.StatusReasonForbidden,
						"only "+controlplane.Operator+" writes the status of "+resource+": change spec instead")
				}
				operator := as(controlplane.Operator, "system:masters")
				Expect(operator.Status().Patch(ctx, stored, patch)).To(Succeed())
			})

			It("is not a service account of the same name elsewhere", func(ctx SpecContext) {
				stored := created(ctx, object(base, `metadata: {name: status}`))
				twin := as("system:serviceaccount:default:airflow-oam", "system:masters")
				expectDenied(twin.Status().Patch(ctx, stored, client.RawPatch("application/merge-patch+json", asJSON(written))),
					metav1.StatusReasonForbidden, "writes the status")
			})

			It("removes its finalizer", func(ctx SpecContext) {
				stored := held(ctx, base)
				mallory := allowed(ctx, "mallory", "create", "get", "update", "patch", "delete")
				without := `metadata: {finalizers: [example.com/other]}`
				expectDenied(changed(ctx, mallory, stored, without), metav1.StatusReasonForbidden,
					"delete the object and wait", "you need the verb force-finalize on "+resource+"/held")
				expectDenied(changed(ctx, mallory, stored, `metadata: {finalizers: null}`), metav1.StatusReasonForbidden, "delete the object and wait")
				Expect(changed(ctx, as(controlplane.Operator, "system:masters"), stored, without)).To(Succeed())
			})

			It("removes its finalizer while the object is being deleted", func(ctx SpecContext) {
				stored := held(ctx, base)
				mallory := allowed(ctx, "mallory", "create", "get", "update", "patch", "delete")
				Expect(mallory.Delete(ctx, stored.DeepCopy())).To(Succeed())
				expectDenied(changed(ctx, mallory, stored, `metadata: {finalizers: []}`), metav1.StatusReasonForbidden, "delete the object and wait")
			})

			It("leaves other metadata and the spec to others", func(ctx SpecContext) {
				stored := held(ctx, base)
				mallory := allowed(ctx, "mallory", "create", "get", "update", "patch")
				Expect(changed(ctx, mallory, stored, `metadata: {labels: {a: b}, finalizers: [access.airflow-oam.dev/revoke]}`)).To(Succeed())
				if resource != "accessrequests" { // nobody else puts a finalizer on those
					Expect(changed(ctx, mallory, stored, `metadata: {finalizers: [access.airflow-oam.dev/revoke, example.com/other, foregroundDeletion]}`)).To(Succeed())
				}
			})

			It("can be passed over in an emergency by holders of force-finalize", func(ctx SpecContext) {
				stored := held(ctx, base)
				rescuer := allowed(ctx, "rescuer", "create", "get", "update", "patch", "force-finalize")
				Expect(changed(ctx, rescuer, stored, `metadata: {finalizers: []}`)).To(Succeed())
				expectDenied(rescuer.Status().Patch(ctx, stored, client.RawPatch("application/merge-patch+json", asJSON(written))),
					metav1.StatusReasonForbidden, "writes the status")
			})
		})
	}
})

var _ = Describe("A duration on an object that is re-applied", func() {
	const lasting = `spec: {expiresAt: null, duration: 2h}`
	marks := map[string]string{
		"Argo CD's annotation":      `annotations: {argocd.argoproj.io/tracking-id: "finance:access.airflow-oam.dev/AccessGrant:finance/bob"}`,
		"Argo CD's label":           `labels: {argocd.argoproj.io/instance: finance}`,
		"Argo CD's older label":     `labels: {app.kubernetes.io/instance: finance}`,
		"Flux's Kustomization":      `labels: {kustomize.toolkit.fluxcd.io/name: finance}`,
		"Flux's HelmRelease":        `labels: {helm.toolkit.fluxcd.io/name: finance}`,
		"Helm's label":              `labels: {app.kubernetes.io/managed-by: Helm}`,
		"Helm's annotation":         `annotations: {meta.helm.sh/release-name: finance}`,
		"a mark with an empty name": `labels: {kustomize.toolkit.fluxcd.io/name: ""}`,
	}
	for _, name := range slices.Sorted(maps.Keys(marks)) {
		marked := fmt.Sprintf(`metadata: {%s}`, marks[name])

		It("is refused with "+name, func(ctx SpecContext) {
			expectDenied(tried(ctx, object(grant, lasting, marked)), metav1.StatusReasonInvalid, "use expiresAt instead", "tracked: ")
		})
		It("is refused when "+name+" comes later", func(ctx SpecContext) {
			stored := created(ctx, object(grant, `metadata: {name: tracked}`, lasting))
			expectDenied(changed(ctx, admin, stored, marked), metav1.StatusReasonInvalid, "use expiresAt instead")
		})
		It("is no question with "+name+" and expiresAt", func(ctx SpecContext) {
			Expect(tried(ctx, object(grant, marked))).To(Succeed())
		})
	}

	DescribeTable("is accepted", func(ctx SpecContext, metadata string) {
		Expect(tried(ctx, object(grant, lasting, metadata))).To(Succeed())
	},
		Entry("without labels and annotations", `{}`),
		Entry("with labels and annotations that say nothing of it", `metadata: {labels: {team: finance}, annotations: {note: x}}`),
		Entry("when somebody else than Helm manages it", `metadata: {labels: {app.kubernetes.io/managed-by: kubectl-airflow_access}}`),
	)

	Describe("that was there before the policy", func() {
		// The policy knows an old object only by what the API server has stored: it is made by switching the policy off.
		var old *unstructured.Unstructured
		BeforeEach(func(ctx SpecContext) {
			const name = "airflow-oam-tracked-duration"
			binding := &unstructured.Unstructured{}
			binding.SetAPIVersion("admissionregistration.k8s.io/v1")
			binding.SetKind("ValidatingAdmissionPolicyBinding")
			Expect(admin.Get(ctx, client.ObjectKey{Name: name}, binding)).To(Succeed())
			Expect(admin.Delete(ctx, binding)).To(Succeed())
			tracked := object(grant, `metadata: {name: old, labels: {app.kubernetes.io/managed-by: Helm}}`, lasting)
			Eventually(func() error { return tried(ctx, tracked.DeepCopy()) }).Should(Succeed())
			old = created(ctx, tracked)
			binding.SetResourceVersion("")
			binding.SetUID("")
			Expect(admin.Create(ctx, binding)).To(Succeed())
			Eventually(func() error {
				return tried(ctx, object(grant, `metadata: {name: x, labels: {app.kubernetes.io/managed-by: Helm}}`, lasting))
			}).
				ShouldNot(Succeed())
		})

		It("can still be revoked, labelled and deleted, but not changed", func(ctx SpecContext) {
			Expect(changed(ctx, admin, old, `spec: {revoke: {reason: laptop lost}}`)).To(Succeed())
			Expect(changed(ctx, admin, old, `metadata: {finalizers: [access.airflow-oam.dev/revoke]}`)).To(Succeed())
			Expect(changed(ctx, admin, old, `metadata: {labels: {app.kubernetes.io/managed-by: null}}`)).To(Succeed())
			expectDenied(changed(ctx, admin, old, `spec: {duration: 3h}`), metav1.StatusReasonInvalid, "use expiresAt instead")
			Expect(admin.Delete(ctx, old, client.DryRunAll)).To(Succeed())
		})
	})
})
