package schema

import (
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/test/controlplane"
)

var _ = Describe("The samples", func() {
	It("are accepted, every one of them", func(ctx SpecContext) {
		files, err := filepath.Glob(filepath.Join(root, "config", "samples", "*.yaml"))
		Expect(err).NotTo(HaveOccurred())
		seen := map[string]int{}
		for _, file := range files {
			if filepath.Base(file) == "kustomization.yaml" {
				continue
			}
			objects, err := controlplane.Objects(file)
			Expect(err).NotTo(HaveOccurred())
			for _, sample := range objects {
				Expect(sample.GetNamespace()).To(Equal(namespace))
				seen[sample.GetKind()]++
				by := admin
				if requester, _, _ := unstructured.NestedString(sample.Object, "spec", "requester"); requester != "" {
					by = as(requester, "system:masters", "oncall-data")
				}
				Expect(by.Create(ctx, sample, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))).To(Succeed(), file)
			}
		}
		Expect(seen).To(Equal(map[string]int{"AirflowInstance": 1, "DagAccessPolicy": 2, "AccessGrant": 2, "AccessRequest": 1}))
	})
})
