package instance

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

// readMaterial reads the Secrets of an instance, uncached: the operator may get those that are named, and list none.
func readMaterial(ctx context.Context, reader client.Reader, afi *v1alpha1.AirflowInstance) (material, *problem) {
	name := afi.Spec.Credentials.SecretRef.Name
	secret, wrong := readSecret(ctx, reader, afi.Namespace, name, "the keys username, password and url")
	if wrong != nil {
		return material{}, wrong
	}
	for _, key := range []string{"username", "password", "url"} {
		if len(secret.Data[key]) == 0 {
			return material{}, stalledBy(v1alpha1.ConditionAuthenticated, v1alpha1.ReasonSecretInvalid,
				fmt.Sprintf("Secret %q has no key %q: it needs username, password and url", name, key))
		}
	}
	m := material{
		credentials: airflow.Credentials{Username: string(secret.Data["username"]), Password: string(secret.Data["password"])},
		url:         string(secret.Data["url"]),
	}
	m.ca, wrong = readCertificates(ctx, reader, afi)
	return m, wrong
}

// readCertificates reads the certificates to trust; none where the spec names none.
func readCertificates(ctx context.Context, reader client.Reader, afi *v1alpha1.AirflowInstance) ([]byte, *problem) {
	if afi.Spec.TLS == nil {
		return nil, nil
	}
	ref := afi.Spec.TLS.CASecretRef
	secret, wrong := readSecret(ctx, reader, afi.Namespace, ref.Name, fmt.Sprintf("the certificates to trust in the key %q", ref.Key))
	if wrong != nil {
		return nil, wrong
	}
	if len(secret.Data[ref.Key]) == 0 {
		return nil, stalledBy(v1alpha1.ConditionReachable, v1alpha1.ReasonSecretInvalid,
			fmt.Sprintf("Secret %q has no key %q with the certificates to trust", ref.Name, ref.Key))
	}
	return secret.Data[ref.Key], nil
}

// readSecret reads one Secret. content says what it is expected to have.
func readSecret(ctx context.Context, reader client.Reader, namespace, name, content string) (*corev1.Secret, *problem) {
	secret := &corev1.Secret{}
	unusable := func(reason, format string, args ...any) (*corev1.Secret, *problem) {
		return nil, passing(v1alpha1.ConditionAuthenticated, reason, fmt.Sprintf(format, args...))
	}
	switch err := reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, secret); {
	case err == nil:
		return secret, nil
	case apierrors.IsNotFound(err):
		return unusable(v1alpha1.ReasonSecretNotFound, "Secret %q does not exist in namespace %s: create it with %s", name, namespace, content)
	case apierrors.IsForbidden(err):
		return unusable(v1alpha1.ReasonSecretForbidden,
			"the operator may not read Secret %q: list namespace %s in the chart's value instanceNamespaces", name, namespace)
	default:
		log.FromContext(ctx).Error(err, "a Secret could not be read; it is retried", "secret", name)
		return unusable(v1alpha1.ReasonKubernetesFailed, "Secret %q cannot be read now; it is retried", name)
	}
}
