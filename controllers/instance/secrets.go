package instance

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

// sources are where credentials and certificates come from: Secrets, read uncached since the operator may get those that are
// named and list none, the operator's own ServiceAccount, and identity providers.
type sources struct {
	reader client.Reader
	Settings
}

// read reads what the client of an instance is made of. No token is asked for.
func (x sources) read(ctx context.Context, afi *v1alpha1.AirflowInstance) (material, *problem) {
	m, wrong := x.credentials(ctx, afi)
	if wrong != nil {
		return material{}, wrong
	}
	if afi.Spec.TLS == nil {
		return m, m.useProvider(afi)
	}
	if wrong := x.authorities(ctx, afi, &m); wrong != nil {
		return material{}, wrong
	}
	if wrong := x.certificate(ctx, afi, &m); wrong != nil {
		return material{}, wrong
	}
	return m, m.useProvider(afi)
}

// credentials reads the account, and the password, the token, or what asks for one.
func (x sources) credentials(ctx context.Context, afi *v1alpha1.AirflowInstance) (material, *problem) {
	given := &afi.Spec.Credentials
	switch {
	case given.Way() == v1alpha1.CredentialsPassword:
		return x.password(ctx, afi)
	case given.ServiceAccountToken != nil:
		return x.serviceAccount(afi)
	case given.OAuth2 != nil:
		return x.identityProvider(ctx, afi)
	}
	return x.token(ctx, afi)
}

// password reads the Secret of an account with a password.
func (x sources) password(ctx context.Context, afi *v1alpha1.AirflowInstance) (material, *problem) {
	keys, wrong := x.keys(ctx, afi, afi.Spec.Credentials.SecretRef.Name, "username", "password", "url")
	if wrong != nil {
		return material{}, wrong
	}
	return material{
		secret: keys.secret, url: keys.text["url"],
		credentials: airflow.Credentials{Username: keys.text["username"], Password: keys.text["password"]},
	}, nil
}

// token reads the Secret of an account with a token.
func (x sources) token(ctx context.Context, afi *v1alpha1.AirflowInstance) (material, *problem) {
	given, needed := &afi.Spec.Credentials, []string{"token", "url"}
	if given.Username == "" {
		needed = append(needed, "username")
	}
	keys, wrong := x.keys(ctx, afi, given.SecretRef.Name, needed...)
	if wrong != nil {
		return material{}, wrong
	}
	token := keys.text["token"]
	return material{
		secret: keys.secret, url: keys.text["url"], identity: []string{"token", token},
		credentials: airflow.Credentials{
			Username: cmp.Or(given.Username, keys.text["username"]), Exchange: given.Way() == v1alpha1.CredentialsExchange,
			Bearer: func(context.Context) (string, error) { return token, nil },
		},
	}, nil
}

// authorities reads the certificates to trust, where the spec names some.
func (x sources) authorities(ctx context.Context, afi *v1alpha1.AirflowInstance, m *material) *problem {
	ref := afi.Spec.TLS.CASecretRef
	if ref.Name == "" {
		return nil
	}
	secret, wrong := readSecret(ctx, x.reader, afi.Namespace, ref.Name, fmt.Sprintf("the certificates to trust in the key %q", ref.Key))
	if wrong != nil {
		return wrong.about(v1alpha1.ConditionReachable)
	}
	m.ca = secret.Data[ref.Key]
	switch {
	case len(m.ca) == 0:
		return stalledBy(v1alpha1.ConditionReachable, v1alpha1.ReasonSecretInvalid,
			fmt.Sprintf("Secret %q has no key %q with the certificates to trust", ref.Name, ref.Key))
	case !x509.NewCertPool().AppendCertsFromPEM(m.ca):
		return stalledBy(v1alpha1.ConditionReachable, v1alpha1.ReasonSecretInvalid,
			fmt.Sprintf("the key %q of Secret %q holds no PEM certificate: put the certificates to trust there", ref.Key, ref.Name))
	}
	return nil
}

// certificate reads the certificate that is shown to servers which ask for one, where the spec names one.
func (x sources) certificate(ctx context.Context, afi *v1alpha1.AirflowInstance, m *material) *problem {
	name := afi.Spec.TLS.ClientSecretRef.Name
	if name == "" {
		return nil
	}
	secret, wrong := readSecret(ctx, x.reader, afi.Namespace, name, "type kubernetes.io/tls, with the client certificate")
	if wrong != nil {
		return wrong.about(v1alpha1.ConditionReachable)
	}
	m.certificate, m.key = secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey]
	if _, err := tls.X509KeyPair(m.certificate, m.key); err != nil { // its text may hold parts of the key
		return stalledBy(v1alpha1.ConditionReachable, v1alpha1.ReasonSecretInvalid,
			fmt.Sprintf("the keys %q and %q of Secret %q are no certificate and its key in PEM", corev1.TLSCertKey, corev1.TLSPrivateKeyKey, name))
	}
	return nil
}

// secretKeys are texts of a Secret by key.
type secretKeys struct {
	secret string
	text   map[string]string
}

// keys reads keys of a Secret that must all be there.
func (x sources) keys(ctx context.Context, afi *v1alpha1.AirflowInstance, name string, needed ...string) (secretKeys, *problem) {
	list := strings.Join(needed[:len(needed)-1], ", ") + " and " + needed[len(needed)-1]
	secret, wrong := readSecret(ctx, x.reader, afi.Namespace, name, "the keys "+list)
	if wrong != nil {
		return secretKeys{}, wrong
	}
	invalid := func(format string, args ...any) (secretKeys, *problem) {
		return secretKeys{}, stalledBy(v1alpha1.ConditionAuthenticated, v1alpha1.ReasonSecretInvalid, fmt.Sprintf(format, args...))
	}
	found := secretKeys{secret: name, text: map[string]string{}}
	for _, key := range needed {
		text := withoutBreak(string(secret.Data[key]))
		switch {
		case text == "":
			return invalid("Secret %q has no key %q: it needs %s", name, key, list)
		case strings.TrimSpace(text) != text:
			return invalid("the key %q of Secret %q begins or ends with white space: remove it", key, name)
		}
		found.text[key] = text
	}
	return found, nil
}

// withoutBreak leaves out one line break at the end, which echo and editors add.
func withoutBreak(text string) string {
	return strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
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
