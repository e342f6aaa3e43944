package decision

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

// Tracked reports whether a Git tool or Helm would create an object again.
func Tracked(object metav1.Object) bool {
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
