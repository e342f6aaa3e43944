package kind

import (
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// marks are labels and annotations by which tools recognize objects that they would create again.
var marks = []string{
	"argocd.argoproj.io/instance", "argocd.argoproj.io/tracking-id", "app.kubernetes.io/instance", // Argo CD
	"kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name", // Flux
	"meta.helm.sh/release-name",
	"applyset.kubernetes.io/part-of", // kubectl apply --prune --applyset
	"kapp.k14s.io/app",
	"configmanagement.gke.io/managed", "config.k8s.io/owning-inventory", // Config Sync, kpt
}

// tracked reports whether a Git tool or Helm would create an object again.
func tracked(object client.Object) bool {
	labels, annotations := object.GetLabels(), object.GetAnnotations()
	if labels["app.kubernetes.io/managed-by"] == "Helm" {
		return true
	}
	return slices.ContainsFunc(marks, func(mark string) bool { return has(labels, mark) || has(annotations, mark) })
}

func has(values map[string]string, key string) bool {
	_, found := values[key]
	return found
}
