package instance

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/oauth"
)

// material is what a client is made of.
type material struct {
	credentials airflow.Credentials
	// url is where the credentials may be sent, as secret says, the Secret that they are from; it is the spec's where
	// they are from no Secret.
	url, secret string
	// identity is what the source of a token is made of: the token itself, an audience, a client.
	identity []string
	// provider is the identity provider to ask for tokens; nil where none is.
	provider *oauth.Config
	// ca are the certificates to trust instead of those of the system; certificate and key are the client's.
	ca, certificate, key []byte
}

// digest changes with everything that a client is made of.
func (m *material) digest(url string) string {
	hash := sha256.New()
	parts := []string{
		url, m.credentials.Username, m.credentials.Password, strconv.FormatBool(m.credentials.Exchange), string(m.ca), string(m.certificate), string(m.key),
	}
	for _, part := range slices.Concat(parts, m.identity) {
		fmt.Fprintf(hash, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// mismatch is the problem of credentials that belong to another address than the spec's; nil where they do not.
func (m *material) mismatch(afi *v1alpha1.AirflowInstance) *problem {
	if airflow.SameOrigin(afi.Spec.URL, m.url) {
		return nil
	}
	return stalledBy(v1alpha1.ConditionAuthenticated, v1alpha1.ReasonSecretURLMismatch, fmt.Sprintf(
		"the key url of Secret %q names another address than spec.url: credentials are sent only where their Secret says", m.secret))
}

// tokenLife is how long a token of the operator's ServiceAccount lives: the least that Kubernetes issues.
const tokenLife = 10 * 60

// serviceAccount prepares tokens of the operator's own ServiceAccount. A token of an audience that an Airflow accepts is sent to
// no other address: a user who may create an AirflowInstance decides about its address.
func (x sources) serviceAccount(afi *v1alpha1.AirflowInstance) (material, *problem) {
	audience := afi.Audience()
	switch {
	case x.Tokens == nil, x.ServiceAccount.Name == "":
		return material{}, stalledBy(v1alpha1.ConditionAuthenticated, v1alpha1.ReasonTokenUnavailable,
			"the operator does not know its own ServiceAccount: start it with --service-account, as its chart does")
	case audience != afi.Spec.URL && !x.allows(audience, afi.Spec.URL):
		return material{}, stalledBy(v1alpha1.ConditionAuthenticated, v1alpha1.ReasonAudienceNotAllowed, fmt.Sprintf(
			"tokens of audience %q may not be sent to spec.url: remove the audience, so that it is spec.url, or bind it in the chart's value tokenAudiences (flag --token-audience)",
			audience))
	}
	account, tokens := x.ServiceAccount, x.Tokens
	return material{
		url: afi.Spec.URL, identity: []string{"serviceAccount", account.String(), audience},
		credentials: ofToken(afi, func(ctx context.Context) (string, error) {
			ctx, cancel := context.WithTimeout(ctx, storeTimeout)
			defer cancel()
			request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: []string{audience}, ExpirationSeconds: new(int64(tokenLife))}}
			issued, err := tokens.ServiceAccounts(account.Namespace).CreateToken(ctx, account.Name, request, metav1.CreateOptions{})
			if err != nil {
				return "", noToken(err, account.String())
			}
			return issued.Status.Token, nil
		}),
	}, nil
}

// allows reports whether tokens of an audience may be sent to an address.
func (x sources) allows(audience, url string) bool {
	return slices.ContainsFunc(x.TokenAudiences[audience], func(bound string) bool { return airflow.SameOrigin(bound, url) })
}

// ofToken are the credentials of an account that the spec names, with a source of tokens.
func ofToken(afi *v1alpha1.AirflowInstance, source airflow.TokenSource) airflow.Credentials {
	given := &afi.Spec.Credentials
	return airflow.Credentials{Username: given.Username, Bearer: source, Exchange: given.Way() == v1alpha1.CredentialsExchange}
}

// noToken says why Kubernetes issued no token, in words without its answer.
func noToken(err error, account string) error {
	switch {
	case apierrors.IsForbidden(err):
		return errors.New("the operator may not create tokens of its ServiceAccount " + account + ": allow create on its serviceaccounts/token, as the chart does")
	case apierrors.IsNotFound(err):
		return errors.New("the operator's ServiceAccount " + account + " does not exist: correct --service-account")
	}
	return errors.New("the Kubernetes API issues no token now; it is retried")
}

// identityProvider reads the client's Secret. The Secret says where both the client's secret and the tokens may be sent.
func (x sources) identityProvider(ctx context.Context, afi *v1alpha1.AirflowInstance) (material, *problem) {
	given := afi.Spec.Credentials.OAuth2
	name := given.ClientSecretRef.Name
	keys, wrong := x.keys(ctx, afi, name, "client_id", "client_secret", "token_url", "url")
	switch {
	case wrong != nil:
		return material{}, wrong
	case keys.text["token_url"] != given.TokenURL:
		return material{}, stalledBy(v1alpha1.ConditionAuthenticated, v1alpha1.ReasonSecretURLMismatch, fmt.Sprintf(
			"the key token_url of Secret %q names another address than spec.credentials.oauth2.tokenURL: the client's secret is sent only where its Secret says", name))
	}
	return material{
		secret: name, url: keys.text["url"],
		identity: []string{
			"oauth2", given.TokenURL, keys.text["client_id"], keys.text["client_secret"], given.Audience, strings.Join(given.Scopes, " "),
		},
		provider: &oauth.Config{
			TokenURL: given.TokenURL, ClientID: keys.text["client_id"], ClientSecret: keys.text["client_secret"],
			Scopes: given.Scopes, Audience: given.Audience, AllowHTTPHosts: x.AllowHTTPHosts, AllowedAddresses: x.AllowedAddresses,
		},
	}, nil
}

// useProvider makes the source of tokens of the identity provider, where there is one, with the certificates that are trusted.
func (m *material) useProvider(afi *v1alpha1.AirflowInstance) *problem {
	if m.provider == nil {
		return nil
	}
	m.provider.CABundle = m.ca
	source, err := oauth.Source(*m.provider)
	if err != nil {
		return stalledBy(v1alpha1.ConditionAuthenticated, v1alpha1.ReasonTokenUnavailable, err.Error())
	}
	m.credentials = ofToken(afi, source)
	return nil
}
