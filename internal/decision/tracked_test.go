package decision_test

import (
	"testing"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/decision"
)

func TestGrantsThatAToolWouldMakeAgainAreNotCollected(t *testing.T) {
	cases := map[string]struct {
		labels, annotations map[string]string
		want                bool
	}{
		"by hand":                    {nil, map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "{}"}, false},
		"with labels of one's own":   {map[string]string{"team": "finance", "app.kubernetes.io/managed-by": "us"}, nil, false},
		"Argo CD by annotation":      {nil, map[string]string{"argocd.argoproj.io/tracking-id": "x"}, true},
		"Argo CD by label":           {map[string]string{"argocd.argoproj.io/instance": "x"}, nil, true},
		"Argo CD by its older label": {map[string]string{"app.kubernetes.io/instance": "x"}, nil, true},
		"Flux":                       {map[string]string{"kustomize.toolkit.fluxcd.io/name": "x"}, nil, true},
		"Flux's Helm":                {map[string]string{"helm.toolkit.fluxcd.io/name": "x"}, nil, true},
		"Helm by label":              {map[string]string{"app.kubernetes.io/managed-by": "Helm"}, nil, true},
		"Helm by annotation":         {nil, map[string]string{"meta.helm.sh/release-name": "x"}, true},
		"kubectl with an ApplySet":   {map[string]string{"applyset.kubernetes.io/part-of": "x"}, nil, true},
		"kapp":                       {map[string]string{"kapp.k14s.io/app": "1"}, nil, true},
		"Config Sync":                {nil, map[string]string{"configmanagement.gke.io/managed": "enabled"}, true},
		"kpt":                        {nil, map[string]string{"config.k8s.io/owning-inventory": "x"}, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			grant := &v1alpha1.AccessGrant{}
			grant.Labels, grant.Annotations = c.labels, c.annotations
			if got := decision.Tracked(grant); got != c.want {
				t.Errorf("tracked: %t", got)
			}
		})
	}
}
