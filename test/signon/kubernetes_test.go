package signon_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/airflow-oam/airflow-oam/test/controlplane"
	"github.com/airflow-oam/airflow-oam/test/signon"
)

// testKubernetes has the rule of fab 3.11 and contrib/airflow-auth with a token of a real
// kube-apiserver, such as the kubelet puts into pods.
func testKubernetes(t *testing.T, w *world) {
	config, _ := controlplane.Start(t)
	cluster := newCluster(t, config)
	issuer := cluster.issuer(t)
	folder := t.TempDir()
	authority, reader := filepath.Join(folder, "ca.crt"), filepath.Join(folder, "token")
	if err := os.WriteFile(authority, config.CAData, 0o600); err != nil {
		t.Fatal(err)
	}
	// As the pod of Airflow's API server has it: for the API server of the cluster.
	if err := os.WriteFile(reader, []byte(cluster.token(t, "airflow", "airflow-api-server")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := w.start(t, signon.Options{AuthType: signon.RemoteUser, AuthManager: signon.LaterOperator, Exchange: map[string]string{
		"username": account, "issuer": issuer, "audience": audience,
		// Not the address of the discovery document: that is one of the machine, at which this
		// API server does not listen. Clusters have the same trouble with it.
		"jwks_uri": strings.TrimSuffix(config.Host, "/") + "/openid/v1/jwks",
		"subject":  "system:serviceaccount:airflow-oam-system:airflow-oam",
		"ca_file":  authority, "token_file": reader,
	}})
	t.Run("no token for a password", func(t *testing.T) { checkNoPassword(t, s, w.password) })
	t.Run("the keys are not for everybody", func(t *testing.T) {
		stranger := rest.AnonymousClientConfig(config)
		client, err := kubernetes.NewForConfig(stranger)
		if err != nil {
			t.Fatal(err)
		}
		var code int
		client.Discovery().RESTClient().Get().AbsPath("/openid/v1/jwks").Do(t.Context()).StatusCode(&code)
		if code != http.StatusForbidden {
			t.Errorf("GET /openid/v1/jwks without a token answers %d, want 403", code)
		}
	})
	var own string
	t.Run("the operator's token is exchanged", func(t *testing.T) {
		own = wantToken(t, exchange(t, s, cluster.token(t, "airflow-oam-system", "airflow-oam", audience)))
		checkOwnToken(t, s, own, time.Hour)
	})
	t.Run("the operator lives by it", func(t *testing.T) { checkKubernetesOperator(t, config, s, own) })
	for what, c := range map[string]struct{ token, detail string }{
		"another account":                  {cluster.token(t, "airflow-oam-system", "other", audience), "InvalidSubjectError"},
		"the name in another namespace":    {cluster.token(t, "airflow", "airflow-oam", audience), "InvalidSubjectError"},
		"a token for the cluster's server": {cluster.token(t, "airflow-oam-system", "airflow-oam"), "InvalidAudienceError"},
		"a token for another audience":     {cluster.token(t, "airflow-oam-system", "airflow-oam", "vault"), "InvalidAudienceError"},
	} {
		t.Run(what+" is refused", func(t *testing.T) {
			wantRefused(t, exchange(t, s, c.token), http.StatusUnauthorized, "Token refused: "+c.detail)
		})
	}
}

// cluster is a control plane with service accounts.
type cluster struct{ kubernetes.Interface }

func newCluster(t *testing.T, config *rest.Config) cluster {
	t.Helper()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	for namespace, names := range map[string][]string{
		"airflow-oam-system": {"airflow-oam", "other"},
		"airflow":            {"airflow-oam", "airflow-api-server"},
	} {
		created := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
		if _, err := client.CoreV1().Namespaces().Create(t.Context(), created, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}
			if _, err := client.CoreV1().ServiceAccounts(namespace).Create(t.Context(), account, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return cluster{client}
}

// issuer discovers the issuer of the cluster's tokens.
func (c cluster) issuer(t *testing.T) string {
	t.Helper()
	content, err := c.Discovery().RESTClient().Get().AbsPath("/.well-known/openid-configuration").DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var found struct {
		Issuer string `json:"issuer"`
	}
	if err := json.Unmarshal(content, &found); err != nil {
		t.Fatal(err)
	}
	return found.Issuer
}

// token asks for a token of a service account as the kubelet does; without an audience
// it is for the API server of the cluster.
func (c cluster) token(t *testing.T, namespace, name string, audiences ...string) string {
	t.Helper()
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: audiences}}
	created, err := c.CoreV1().ServiceAccounts(namespace).CreateToken(t.Context(), name, request, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return created.Status.Token
}
