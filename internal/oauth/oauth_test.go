package oauth_test

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/airflow-oam/airflow-oam/internal/oauth"
)

const secret = "client-secret-of-the-operator"

// provider starts an identity provider that answers as told, and returns how to ask it.
func provider(t *testing.T, answer http.HandlerFunc) oauth.Config {
	t.Helper()
	s := httptest.NewTLSServer(answer)
	t.Cleanup(s.Close)
	return oauth.Config{
		TokenURL: s.URL + "/token", ClientID: "operator", ClientSecret: secret, Scopes: []string{"a", "b"}, Audience: "airflow",
		CABundle:         pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}),
		AllowedAddresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	}
}

func TestK7ATokenByClientCredentials(t *testing.T) {
	var seen []string
	config := provider(t, func(w http.ResponseWriter, r *http.Request) {
		id, password, _ := r.BasicAuth()
		seen = append(seen, strings.Join([]string{id, password, r.FormValue("grant_type"), r.FormValue("scope"), r.FormValue("audience")}, "|"))
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"access_token":"t1","token_type":"Bearer","expires_in":300}`))
	})
	source, err := oauth.Source(config)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if token, err := source(t.Context()); err != nil || token != "t1" {
			t.Errorf("%q, %v", token, err)
		}
	}
	want := "operator|" + secret + "|client_credentials|a b|airflow"
	if len(seen) != 2 || seen[0] != want {
		t.Errorf("asked for %q, want %q each time: no token is kept", seen, want)
	}
}

func TestK7AnAnswerWithoutATokenIsExplainedAndNotRepeated(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		change func(*oauth.Config)
		want   string
	}{
		"a wrong secret, repeated": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"error":"invalid_client","error_description":"not ` + secret + `"}`))
		}, nil, "answered 401: check client_id"},
		"another address":                   {http.NotFound, nil, "answered 404: check spec.credentials.oauth2.tokenURL"},
		"a server error":                    {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, nil, "answered 502"},
		"a redirect":                        {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/other", http.StatusFound) }, nil, "answered 302"},
		"no token":                          {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"token":"` + secret + `"}`)) }, nil, "cannot be used"},
		"a certificate that is not trusted": {http.NotFound, func(c *oauth.Config) { c.CABundle = nil }, "set spec.tls.caSecretRef"},
		"an address that is not called":     {http.NotFound, func(c *oauth.Config) { c.AllowedAddresses = nil }, "cannot be used"},
	} {
		t.Run(name, func(t *testing.T) {
			config := provider(t, c.answer)
			if c.change != nil {
				c.change(&config)
			}
			source, err := oauth.Source(config)
			if err != nil {
				t.Fatal(err)
			}
			token, err := source(t.Context())
			if token != "" || err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), secret) {
				t.Errorf("%q, %v; want %q", token, err, c.want)
			}
		})
	}
}

func TestK7TheTokenURLIsHTTPS(t *testing.T) {
	for url, allowed := range map[string]bool{
		"https://login.example.com/token": true, "http://login.example.com/token": false, "http://allowed.example.com/token": true,
		"ftp://allowed.example.com/token": false, "token": false,
	} {
		if _, err := oauth.Source(oauth.Config{TokenURL: url, AllowHTTPHosts: []string{"allowed.example.com"}}); (err == nil) != allowed {
			t.Errorf("%s: %v", url, err)
		}
	}
}
