package docs

import (
	"regexp"
	"strings"
	"testing"
)

// TestKubernetesVersionsAreTold compares what the pages say of Kubernetes with what the chart asks for and what the tests
// run on. A page that names the least version also says which one was tried.
func TestKubernetesVersionsAreTold(t *testing.T) {
	one := func(path, pattern string) string {
		match := regexp.MustCompile(pattern).FindStringSubmatch(text(t, path))
		if match == nil {
			t.Fatalf("%s does not hold %s", path, pattern)
		}
		return match[1]
	}
	least := one("charts/airflow-oam/Chart.yaml", `kubeVersion: ">=([0-9.]+)\.0-0"`)
	tried := one("hack/controlplane/go.mod", `k8s\.io/kubernetes v([0-9.]+)`)
	told := 0
	for _, p := range pages(t) {
		prose := strings.Join(p.prose, " ")
		for _, match := range regexp.MustCompile(`Kubernetes (\d+\.\d+) or newer`).FindAllStringSubmatch(prose, -1) {
			told++
			if match[1] != least {
				t.Errorf("%s says Kubernetes %s, the chart asks for %s", p.path, match[1], least)
			}
			if !strings.Contains(prose, tried+" alone") {
				t.Errorf("%s does not say that tests run on %s alone", p.path, tried)
			}
		}
	}
	if told < 4 {
		t.Errorf("only %d pages tell which Kubernetes is needed", told)
	}
}
