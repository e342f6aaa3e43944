// Package provider runs a real OpenID provider for tests, on the certified library
// github.com/zitadel/oidc: discovery, keys, authorization code and client
// credentials. It approves every sign-in at once, as the user of its choice, so that
// no browser is needed.
package provider

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/op"
	"golang.org/x/text/language"
	"k8s.io/client-go/util/cert"
)

// User is an account of the provider.
type User struct {
	// Subject is the claim sub: what the provider itself calls the user.
	Subject string
	// Username is the claim preferred_username, Nickname the claim nickname.
	Username, Nickname string
	// Email may be empty.
	Email string
	// Groups are the claim groups of ID tokens; none where there are none.
	Groups []string
}

// Provider is a running OpenID provider.
type Provider struct {
	// Issuer is its address, without a slash at the end.
	Issuer string
	// CAFile is the certificate to trust it with, as PEM.
	CAFile string
	// ClientID and ClientSecret are those of the web application, Airflow.
	ClientID, ClientSecret string
	// MachineID and MachineSecret are those of a client that gets tokens by client
	// credentials: JWTs for the audience Audience, with MachineID as their subject.
	MachineID, MachineSecret, Audience string
	// ClusterID is the client of a Kubernetes cluster, with ClusterSecret: the audience of ID tokens of people.
	ClusterID, ClusterSecret string

	store  *store
	server *httptest.Server
	mutex  sync.Mutex
	user   string
}

// Start starts a provider on 127.0.0.1 with certificates in the given folder. Machine
// tokens are for the given audience. The redirect addresses of the web application
// are set by Allow.
func Start(folder, audience string, users ...User) (*Provider, error) {
	p := &Provider{
		CAFile:   filepath.Join(folder, "provider.pem"),
		ClientID: "airflow", ClientSecret: rand.Text(),
		MachineID: "airflow-oam-machine", MachineSecret: rand.Text(), Audience: audience,
		ClusterID: "kubernetes", ClusterSecret: rand.Text(),
	}
	// The file holds the certificate and the one that signed it.
	chain, key, err := cert.GenerateSelfSignedCertKey("localhost", []net.IP{net.IPv4(127, 0, 0, 1)}, nil)
	if err != nil {
		return nil, fmt.Errorf("make certificates: %w", err)
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	if err := os.WriteFile(p.CAFile, chain, 0o600); err != nil {
		return nil, err
	}
	p.server = httptest.NewUnstartedServer(nil)
	p.server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	p.Issuer = "https://" + p.server.Listener.Addr().String()
	p.store = newStore(p, users)
	if p.server.Config.Handler, err = p.handler(); err != nil {
		return nil, err
	}
	p.server.StartTLS()
	return p, nil
}

// Stop ends the provider.
func (p *Provider) Stop() { p.server.Close() }

// Allow sets the addresses to which a sign-in may return.
func (p *Provider) Allow(redirects ...string) { p.store.allow(redirects) }

// SignInAs chooses the user as whom the next sign-ins are approved, by the subject.
func (p *Provider) SignInAs(subject string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.user = subject
}

func (p *Provider) signedIn() string {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.user
}

// handler serves the endpoints of the library, the sign-in, and what the sources of
// user data of some vendors look like.
func (p *Provider) handler() (http.Handler, error) {
	config := &op.Config{CodeMethodS256: true, AuthMethodPost: true, SupportedUILocales: []language.Tag{language.English}}
	_, _ = rand.Read(config.CryptoKey[:])
	provider, err := op.NewProvider(config, p.store, op.StaticIssuer(p.Issuer))
	if err != nil {
		return nil, fmt.Errorf("make the provider: %w", err)
	}
	callback := op.AuthCallbackURL(provider)
	approve := func(w http.ResponseWriter, r *http.Request) {
		id := r.FormValue("authRequestID")
		if err := p.store.CheckUsernamePassword(p.store.username(p.signedIn()), "", id); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		http.Redirect(w, r, callback(r.Context(), id), http.StatusFound)
	}
	mux := http.NewServeMux()
	mux.Handle("/", provider)
	mux.Handle("/login/username", op.NewIssuerInterceptor(provider.IssuerFromRequest).HandlerFunc(approve))
	// Keycloak has it below its realm.
	mux.HandleFunc("/openid-connect/userinfo", func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = "/userinfo"
		provider.ServeHTTP(w, r)
	})
	vendor(mux, provider, "/user", func(subject string) any { return map[string]any{"login": subject, "id": 1} })
	vendor(mux, provider, "/apis/user.openshift.io/v1/users/~", func(subject string) any {
		return map[string]any{"kind": "User", "metadata": map[string]any{"name": subject}}
	})
	return mux, nil
}

// vendor serves user data of a vendor without OpenID Connect, in the vendor's form, for
// access tokens of the provider.
func vendor(mux *http.ServeMux, provider http.Handler, path string, form func(subject string) any) {
	mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = "/userinfo"
		answer := httptest.NewRecorder()
		provider.ServeHTTP(answer, r)
		var info struct {
			Subject string `json:"sub"`
		}
		if err := json.Unmarshal(answer.Body.Bytes(), &info); err != nil || info.Subject == "" {
			http.Error(w, answer.Body.String(), http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(form(info.Subject))
	})
}

// MachineToken asks for a token by client credentials, over HTTP.
func (p *Provider) MachineToken(ctx context.Context) (string, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"openid"}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.Issuer+"/oauth/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(url.QueryEscape(p.MachineID), url.QueryEscape(p.MachineSecret))
	response, err := p.server.Client().Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	var body bytes.Buffer
	if _, err := body.ReadFrom(response.Body); err != nil {
		return "", err
	}
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(body.Bytes(), &answer); err != nil || answer.Token == "" {
		return "", fmt.Errorf("POST /oauth/token answered %d: %s", response.StatusCode, body.String())
	}
	return answer.Token, nil
}

// clusterRedirect is where the plugins of kubectl that sign people in listen. Nobody does here: the code is taken from the
// redirect.
const clusterRedirect = "http://localhost:8000/"

// IDToken signs a user in for the cluster by authorization code, as a plugin of kubectl does, and returns the ID token.
func (p *Provider) IDToken(ctx context.Context, subject string) (string, error) {
	p.SignInAs(subject)
	browser := *p.server.Client()
	browser.CheckRedirect = func(next *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(next.URL.String(), clusterRedirect) {
			return http.ErrUseLastResponse
		}
		return nil
	}
	query := url.Values{
		"client_id": {p.ClusterID}, "redirect_uri": {clusterRedirect}, "response_type": {"code"}, "scope": {"openid email profile"}, "state": {rand.Text()},
	}
	_, back, err := call(ctx, &browser, http.MethodGet, p.Issuer+"/authorize?"+query.Encode(), nil)
	if err != nil {
		return "", err
	}
	if back == nil {
		return "", errors.New("the sign-in does not return to the cluster's client")
	}
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {clusterRedirect},
		"client_id": {p.ClusterID}, "client_secret": {p.ClusterSecret},
	}
	body, _, err := call(ctx, &browser, http.MethodPost, p.Issuer+"/oauth/token", form)
	if err != nil {
		return "", err
	}
	var answer struct {
		Token string `json:"id_token"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Token == "" {
		return "", fmt.Errorf("POST /oauth/token answered %s", body)
	}
	return answer.Token, nil
}

// call makes a request, with a form where there is one, and reads the answer and where it leads, which is nil for nowhere.
func call(ctx context.Context, browser *http.Client, method, address string, form url.Values) ([]byte, *url.URL, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := browser.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	leads, _ := response.Location() // an answer that leads nowhere has none
	return body, leads, err
}

// Claims of an ID token for the machine that the provider could issue now.
func (p *Provider) Claims() map[string]any {
	now := time.Now()
	return map[string]any{
		"iss": p.Issuer, "aud": p.Audience, "sub": p.MachineID,
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}
}

// Sign signs claims with the provider's key.
func (p *Provider) Sign(claims map[string]any) (string, error) {
	key := p.store.signing
	return sign(jose.SigningKey{Algorithm: key.SignatureAlgorithm(), Key: key.Key()}, key.ID(), claims)
}

// SignWith signs claims with a key that is not the provider's, under the name of the
// provider's key.
func (p *Provider) SignWith(key jose.SigningKey, claims map[string]any) (string, error) {
	return sign(key, p.store.signing.ID(), claims)
}

// PublicKey returns the key that the provider publishes.
func (p *Provider) PublicKey() any { return p.store.public }

func sign(key jose.SigningKey, id string, claims map[string]any) (string, error) {
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", id)
	signer, err := jose.NewSigner(key, options)
	if err != nil {
		return "", fmt.Errorf("make a signer: %w", err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return signed.CompactSerialize()
}
