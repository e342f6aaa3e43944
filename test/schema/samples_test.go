package schema

import (
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

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
				Expect(tried(ctx, sample)).To(Succeed(), file)
			}
		}
		Expect(seen).To(Equal(map[string]int{"AirflowInstance": 1, "DagAccessPolicy": 1, "AccessGrant": 2}))
	})
})
