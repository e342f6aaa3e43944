package signon_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/hack/airflow/server"
	"github.com/airflow-oam/airflow-oam/test/controlplane"
	"github.com/airflow-oam/airflow-oam/test/signon/provider"
)

// people of the provider who request and approve.
var (
	requester = provider.User{Subject: "7d6c", Username: holder, Nickname: "Kim", Email: "kim@example.com", Groups: []string{"analysts"}}
	approver  = provider.User{Subject: "00u1abcd", Username: "olivia@example.com", Nickname: "Olivia", Email: "olivia@example.com", Groups: []string{"finance-leads"}}
)

// checkRequest has two people who sign in to the cluster and to Airflow by the same provider: one requests access with the
// plugin of kubectl and waits for it, the other approves, and Airflow lets the first in until the time is over.
func checkRequest(t *testing.T, w *world, s *server.Server) {
	plane, _ := controlplane.Start(t, controlplane.WithAdmission(), controlplane.WithFlag("authentication-config", authentication(t, w.provider)))
	g := govern(t, plane, s, w.token(t, s))
	g.use(v1alpha1.Credentials{SecretRef: g.secret("password", map[string]string{"username": account, "password": w.password, "url": s.URL})}, nil)
	g.allowRequests()
	g.says(v1alpha1.ConditionReady, "True/"+v1alpha1.ReasonReady)

	plugin := buildPlugin(t)
	kim, olivia := w.kubeconfig(t, plane, requester), w.kubeconfig(t, plane, approver)
	session := airflowSession(t, s, w.provider, "keycloak", requester.Subject)
	dag := s.URL + "/api/v2/dags/" + dagID
	g.until("Airflow knows kim, who may not read the DAG", answers(t, session, dag, http.StatusForbidden))

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var out bytes.Buffer
	ask := plugin(ctx, kim, "request", "doors", "--dag", dagID, "--for", "25s", "--reason", "INC-4711 late file", "--wait")
	ask.Stdout, ask.Stderr = &out, &out
	if err := ask.Start(); err != nil {
		t.Fatal(err)
	}
	request := &v1alpha1.AccessRequest{}
	g.until("the request waits for a vote", func() (bool, string) {
		list := &v1alpha1.AccessRequestList{}
		if err := g.List(ctx, list, client.InNamespace(namespace)); err != nil || len(list.Items) == 0 {
			return false, fmt.Sprint("no request: ", err)
		}
		*request = list.Items[0]
		return request.Status.Terms != nil, fmt.Sprintf("%+v", request.Status.Conditions)
	})
	if own, err := plugin(ctx, kim, "approve", request.Name).CombinedOutput(); err == nil {
		t.Errorf("kim approved the own request: %s", own)
	}
	if voted, err := plugin(ctx, olivia, "approve", request.Name, "--comment", "saw the ticket").CombinedOutput(); err != nil {
		t.Fatalf("olivia approves: %v: %s", err, voted)
	}
	if err := ask.Wait(); err != nil {
		t.Fatalf("the request with --wait: %v: %s", err, out.String())
	}
	t.Logf("kim saw:\n%s", out.String())
	g.until("Airflow lets kim in", answers(t, session, dag, http.StatusOK))
	g.until("Airflow refuses kim again", answers(t, session, dag, http.StatusForbidden))

	if err := g.Get(ctx, client.ObjectKeyFromObject(request), request); err != nil {
		t.Fatal(err)
	}
	grant := &v1alpha1.AccessGrant{}
	if err := g.Get(ctx, client.ObjectKey{Namespace: namespace, Name: request.Status.Grant.Name}, grant); err != nil {
		t.Fatal(err)
	}
	if late := time.Since(grant.Status.Activation.ExpiresAt.Time); late < -5*time.Second {
		t.Errorf("kim was refused %s before the end", -late)
	}
	if d := request.Status.Decision; d == nil || len(d.By) != 1 || d.By[0] != "oidc:"+approver.Email || request.Spec.Requester != "oidc:"+requester.Email {
		t.Errorf("the request names %q and %+v", request.Spec.Requester, d)
	}
	if grant.Spec.Subject.Email != requester.Email || grant.Spec.RequestRef == nil || grant.Spec.RequestRef.UID != string(request.UID) {
		t.Errorf("the grant is for %+v, of the request %+v", grant.Spec.Subject, grant.Spec.RequestRef)
	}
}

// authentication writes a file that makes an API server believe a provider (structured authentication).
func authentication(t *testing.T, p *provider.Provider) string {
	t.Helper()
	authority, err := os.ReadFile(p.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	content, err := json.Marshal(map[string]any{
		"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration",
		"jwt": []any{map[string]any{
			"issuer": map[string]any{"url": p.Issuer, "audiences": []string{p.ClusterID}, "certificateAuthority": string(authority)},
			"claimMappings": map[string]any{
				"username": map[string]any{"claim": "email", "prefix": "oidc:"},
				"groups":   map[string]any{"claim": "groups", "prefix": "oidc:"},
			},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "authentication.json")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// allowRequests maps people to their e-mail address, names who approves, and lets everybody of the provider request.
func (g *governed) allowRequests() {
	g.Helper()
	afi, policy := &v1alpha1.AirflowInstance{}, &v1alpha1.DagAccessPolicy{}
	if err := g.Get(g.Context(), client.ObjectKey{Namespace: namespace, Name: "prod"}, afi); err != nil {
		g.Fatal(err)
	}
	afi.Spec.Identity = &v1alpha1.Identity{Email: "requester.startsWith('oidc:') ? requester.substring(5) : ''"}
	if err := g.Update(g.Context(), afi); err != nil {
		g.Fatal(err)
	}
	if err := g.Get(g.Context(), client.ObjectKey{Namespace: namespace, Name: "doors"}, policy); err != nil {
		g.Fatal(err)
	}
	policy.Spec.Grants.Requests = &v1alpha1.RequestTerms{Approvers: &v1alpha1.Approvers{Groups: []string{"oidc:finance-leads"}}}
	if err := g.Update(g.Context(), policy); err != nil {
		g.Fatal(err)
	}
	root, err := controlplane.Root()
	if err != nil {
		g.Fatal(err)
	}
	roles, err := controlplane.Objects(filepath.Join(root, "config", "people", "roles.yaml"))
	if err != nil {
		g.Fatal(err)
	}
	for _, role := range roles {
		g.make(role)
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: g.meta("access-requests"), RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "airflow-oam-requester"},
	}
	for _, group := range []string{"oidc:analysts", "oidc:finance-leads"} {
		binding.Subjects = append(binding.Subjects, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: group})
	}
	g.make(binding)
}

// kubeconfig signs a user in for the cluster and writes a file with the ID token.
func (w *world) kubeconfig(t *testing.T, plane *rest.Config, user provider.User) string {
	t.Helper()
	token, err := w.provider.IDToken(t.Context(), user.Subject)
	if err != nil {
		t.Fatal(err)
	}
	config := rest.AnonymousClientConfig(plane)
	config.BearerToken = token
	content, err := controlplane.Kubeconfig(config)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// buildPlugin builds the plugin of kubectl, and returns what makes a command of it for the user of a kubeconfig file.
func buildPlugin(t *testing.T) func(ctx context.Context, kubeconfig string, arguments ...string) *exec.Cmd {
	t.Helper()
	root, err := controlplane.Root()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "kubectl-airflow_access")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./cmd/kubectl-airflow_access")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the plugin: %v: %s", err, out)
	}
	return func(ctx context.Context, kubeconfig string, arguments ...string) *exec.Cmd {
		return exec.CommandContext(ctx, program, append(arguments, "-n", namespace, "--kubeconfig", kubeconfig)...)
	}
}

// airflowSession signs a user in to Airflow as a browser does, and returns the token that Airflow gave.
func airflowSession(t *testing.T, s *server.Server, p *provider.Provider, name, subject string) string {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	signInWith(t.Context(), t, jar, s, p, name, subject)
	address, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, cookie := range jar.Cookies(address.URL) {
		if cookie.Name == "_token" {
			return cookie.Value
		}
		names = append(names, cookie.Name)
	}
	t.Fatalf("the sign-in leaves no token, but the cookies %s", strings.Join(names, ", "))
	return ""
}

// answers reports whether a call with a token is answered with a status.
func answers(t *testing.T, token, address string, want int) func() (bool, string) {
	return func() (bool, string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
		if err != nil {
			return false, err.Error()
		}
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := (&http.Client{Timeout: 30 * time.Second}).Do(request)
		if err != nil {
			return false, err.Error()
		}
		_ = response.Body.Close()
		return response.StatusCode == want, response.Status
	}
}
