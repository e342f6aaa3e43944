package airflow_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

// K2: what answers before anybody logged in is not Airflow, and the account is not to blame.
func TestK2ASignInProxyIsBlamedAndNotTheAccount(t *testing.T) {
	for name, refusal := range map[string]airflowtest.Fault{
		"401 in JSON": answer(http.StatusUnauthorized, "application/json", `{"detail":"sign in"}`),
		"401 in HTML": answer(http.StatusUnauthorized, "text/html", "<html>"),
		"403 in text": answer(http.StatusForbidden, "text/plain", "forbidden"),
		"403 in JSON": answer(http.StatusForbidden, "application/json", `{"message":"Forbidden"}`),
	} {
		t.Run(name, func(t *testing.T) {
			s, c := setup(t, airflowtest.Options{}, nil)
			s.Inject(refusal)
			if _, err := c.Discover(ctx); !airflow.IsProxy(err) || !strings.Contains(err.Error(), "an answer of type ") {
				t.Errorf("the version: %v", err)
			}
			if _, err := c.Roles(ctx); !airflow.IsProxy(err) {
				t.Errorf("a list: %v", err)
			}
		})
	}
}

// K1: a refusal of one request says nothing about the account, and how large the request was.
func TestK1ARefusalInFrontOfAirflowIsOfTheRequest(t *testing.T) {
	for name, refusal := range map[string]airflowtest.Fault{
		"a web application firewall": answer(http.StatusForbidden, "text/html", "<html>"),
		"a limit of a proxy":         answer(http.StatusRequestEntityTooLarge, "text/html", "<html>"),
	} {
		t.Run(name, func(t *testing.T) {
			s, c := setup(t, airflowtest.Options{}, nil)
			if _, err := c.Discover(ctx); err != nil {
				t.Fatal(err)
			}
			s.Inject(refusal.On(http.MethodPost, ""))
			_, err := c.CreateRole(ctx, airflow.Role{Name: "big", Permissions: []airflow.Permission{{Action: "can_read", Resource: "DAGs"}}})
			if !airflow.IsProxy(err) || airflow.IsForbidden(err) || airflow.MaybeApplied(err) {
				t.Errorf("the error is %v", err)
			}
			if !strings.Contains(err.Error(), " bytes") {
				t.Errorf("it does not say how large the request was: %v", err)
			}
			s.Heal()
			s.Inject(airflowtest.Status(http.StatusForbidden, "Forbidden").On(http.MethodPost, ""))
			if _, err := c.CreateRole(ctx, airflow.Role{Name: "big"}); !airflow.IsForbidden(err) {
				t.Errorf("Airflow's own refusal is %v", err)
			}
		})
	}
}

// K2: a TLS proxy that asks for a certificate of the client.
func TestK2AProxyAsksForAClientCertificate(t *testing.T) {
	proxy := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"version":"3.3.2"}`))
	}))
	certificate, key, pool := clientCertificate(t)
	proxy.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	proxy.StartTLS()
	t.Cleanup(proxy.Close)
	config := airflow.Config{
		URL: proxy.URL, Clock: clocktesting.NewFakePassiveClock(noon), AllowedAddresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: proxy.Certificate().Raw}),
	}
	without, err := airflow.New(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := without.Discover(ctx); !airflow.IsTLS(err) || !airflow.NeedsClientCertificate(err) {
		t.Errorf("without a certificate: %v", err)
	}
	config.ClientCertificate, config.ClientKey = certificate, key
	with, err := airflow.New(config)
	if err != nil {
		t.Fatal(err)
	}
	if server, err := with.Discover(ctx); server.Version != "3.3.2" {
		t.Errorf("with a certificate: %+v, %v", server, err)
	}
	config.ClientKey = nil
	if _, err := airflow.New(config); !airflow.IsInvalid(err) {
		t.Errorf("a certificate without its key: %v", err)
	}
}

// clientCertificate makes a certificate of a client that signs itself.
func clientCertificate(t *testing.T) (certificate, key []byte, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "airflow-oam"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		IsCA: true, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	rawKey, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(certificate)
	return certificate, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: rawKey}), pool
}
