// Package oauth gets tokens of an identity provider by client credentials (RFC 6749, 4.4). It keeps no token and logs
// nothing; its errors hold nothing of an answer.
package oauth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

// timeout bounds a request for a token from connecting to the last byte.
const timeout = 20 * time.Second

// Config says which identity provider to ask, and as which client.
type Config struct {
	// TokenURL issues tokens; https, unless AllowHTTPHosts has its host.
	TokenURL string
	// ClientID and ClientSecret are the client's.
	ClientID, ClientSecret string
	// Scopes and Audience are asked for where they are not empty.
	Scopes   []string
	Audience string
	// CABundle are PEM certificates to trust beside the system's.
	CABundle []byte
	// AllowHTTPHosts and AllowedAddresses are as in [airflow.Config].
	AllowHTTPHosts   []string
	AllowedAddresses []netip.Prefix
}

// Error is a request for a token that failed. Its text names the cause in words of this package alone.
type Error struct {
	// Status is that of the answer; 0 where none came.
	Status int
	text   string
}

// Error returns the message.
func (e *Error) Error() string { return e.text }

func failure(text string) *Error { return &Error{text: text} }

// Source makes a source of tokens. It calls nothing; the source calls the identity provider each time that it is asked.
func Source(config Config) (airflow.TokenSource, error) {
	address, err := url.Parse(config.TokenURL)
	switch {
	case err != nil, address.Host == "":
		return nil, failure("tokenURL is not an address")
	case address.Scheme == "https":
	case address.Scheme != "http", !airflow.AllowsHTTP(config.AllowHTTPHosts, address):
		return nil, failure("http is not allowed for the host of tokenURL; use https, or allow the host where the operator is installed")
	}
	client, err := config.client()
	if err != nil {
		return nil, err
	}
	provider := clientcredentials.Config{ClientID: config.ClientID, ClientSecret: config.ClientSecret, TokenURL: config.TokenURL, Scopes: config.Scopes}
	if config.Audience != "" {
		provider.EndpointParams = url.Values{"audience": {config.Audience}}
	}
	return func(ctx context.Context) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		token, err := provider.Token(context.WithValue(ctx, oauth2.HTTPClient, client))
		if err != nil {
			return "", explain(err)
		}
		return token.AccessToken, nil
	}, nil
}

// client is the HTTP client of a configuration: no proxy and no redirect gets the client's secret.
func (c Config) client() (*http.Client, error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if len(c.CABundle) > 0 && !roots.AppendCertsFromPEM(c.CABundle) {
		return nil, failure("the CA bundle holds no PEM certificate")
	}
	dialer := &net.Dialer{Timeout: timeout, Control: airflow.DialControl(c.AllowedAddresses)}
	return &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
			TLSHandshakeTimeout: timeout, ForceAttemptHTTP2: true, DisableKeepAlives: true, MaxResponseHeaderBytes: 256 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// explain names the cause of an error without anything of the answer, which may repeat the client's secret.
func explain(err error) *Error {
	var (
		answer      *oauth2.RetrieveError
		certificate *tls.CertificateVerificationError
		timeout     interface{ Timeout() bool }
	)
	switch {
	case errors.As(err, &answer) && answer.Response != nil:
		return answered(answer.Response.StatusCode)
	case errors.As(err, &certificate):
		return failure("the certificate of the token URL is not trusted: set spec.tls.caSecretRef, or correct the certificate")
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return failure("the token URL does not answer in time")
	}
	return failure("the token URL cannot be used: no connection, or an answer without a token")
}

// answered explains an answer without a token.
func answered(status int) *Error {
	text := "the token URL answered " + strconv.Itoa(status)
	switch status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
		text += ": check client_id and client_secret, the scopes and the audience"
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		text += ": check spec.credentials.oauth2.tokenURL"
	}
	return &Error{Status: status, text: text}
}
