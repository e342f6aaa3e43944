package schema

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

var _ = DescribeTable("What a Go client leaves out is stored as what YAML leaves out", func(ctx SpecContext, base, overlay string, typed client.Object) {
	wanted := object(base, `metadata: {name: typed}`, overlay)
	Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(wanted.Object, typed)).To(Succeed())
	Expect(tried(ctx, wanted)).To(Succeed())
	Expect(admin.Create(ctx, typed, client.DryRunAll)).To(Succeed())

	byYAML := typed.DeepCopyObject()
	Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(wanted.Object, byYAML)).To(Succeed())
	Expect(spec(typed)).To(Equal(spec(byYAML)))
},
	Entry("AirflowInstance", instance, `spec: {tls: {caSecretRef: {name: ca}}}`, &v1alpha1.AirflowInstance{}),
	Entry("DagAccessPolicy", policy, `spec: {role: {name: x}, grants: {maxDuration: 8h, reason: {pattern: x}}}`, &v1alpha1.DagAccessPolicy{}),
	// approvals is always written by a Go client: its zero is a value.
	Entry("DagAccessPolicy with requests", policy, `spec: {grants: {maxDuration: 8h, requests: {approvals: 1, approvers: {owners: true}, emergency: {users: [a], maxDuration: 1h}}}}`,
		&v1alpha1.DagAccessPolicy{}),
	Entry("AccessGrant", grant, `metadata: {name: typed}`, &v1alpha1.AccessGrant{}),
	Entry("AccessRequest", request, `metadata: {name: typed}`, &v1alpha1.AccessRequest{}),
)

// spec gives an object's spec in one notation, whoever wrote it.
func spec(of runtime.Object) any {
	GinkgoHelper()
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(of)
	Expect(err).NotTo(HaveOccurred())
	return fields["spec"]
}
