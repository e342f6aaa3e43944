package signon_test

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/controllers"
	"github.com/airflow-oam/airflow-oam/hack/airflow/server"
	"github.com/airflow-oam/airflow-oam/test/controlplane"
)

const (
	namespace = "data"
	dagID     = "doors_daily"
	// holder is a user of the provider who has signed in.
	holder = "kim"
)

// governed is a real Airflow under the real controllers.
type governed struct {
	*testing.T
	client.Client
	airflow *server.Server
	// reader reads Airflow past the operator.
	reader string
	grants int
}

// govern runs the controllers for an Airflow, with a policy over one DAG and without an AirflowInstance that could be used.
func govern(t *testing.T, plane *rest.Config, s *server.Server, reader string) *governed {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	skip := true
	mgr, err := ctrl.NewManager(rest.CopyConfig(controlplane.AsOperator(plane)), ctrl.Options{
		Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
		Controller: config.Controller{SkipNameValidation: &skip},
		Client:     client.Options{Cache: &client.CacheOptions{DisableFor: controllers.UncachedObjects()}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := controllers.Setup(mgr, controllers.Settings{
		Clock: clock.RealClock{}, KubernetesClock: &controllers.Skew{}, Retention: time.Hour,
		AllowHTTPHosts: []string{"127.0.0.1"}, AllowedAddresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		ServiceAccount: types.NamespacedName{Namespace: "airflow-oam-system", Name: "airflow-oam"},
		TokenAudiences: map[string][]string{audience: {s.URL}},
	}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	admin, err := client.New(plane, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	g := &governed{T: t, Client: admin, airflow: s, reader: reader}
	t.Cleanup(g.letGo)
	g.make(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
	g.writeDAG()
	g.make(&v1alpha1.DagAccessPolicy{ObjectMeta: g.meta("doors"), Spec: v1alpha1.DagAccessPolicySpec{
		InstanceRef: v1alpha1.InstanceReference{Name: "prod"}, Dags: []v1alpha1.DagSelector{{IDs: []string{dagID}}},
		Access: []v1alpha1.AccessLevel{v1alpha1.AccessView}, Grants: &v1alpha1.GrantTerms{MaxDuration: metav1.Duration{Duration: time.Hour}},
	}})
	return g
}

// letGo deletes the instance while the operator runs, so that the Airflow is nobody's: another operator governs it next.
func (g *governed) letGo() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	afi := &v1alpha1.AirflowInstance{ObjectMeta: g.meta("prod")}
	err := g.Delete(ctx, afi)
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for err == nil {
		select {
		case <-ctx.Done():
			g.Errorf("the instance is not gone in time: %+v", afi.Status.Conditions)
			return
		case <-tick.C:
			err = g.Get(ctx, client.ObjectKeyFromObject(afi), afi)
		}
	}
	if !apierrors.IsNotFound(err) {
		g.Errorf("delete the instance: %v", err)
	}
}

func (g *governed) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}

func (g *governed) make(object client.Object) {
	g.Helper()
	if err := g.Create(g.Context(), object); err != nil {
		g.Fatal(err)
	}
}

// secret makes a Secret of the instance.
func (g *governed) secret(name string, data map[string]string) v1alpha1.SecretReference {
	g.Helper()
	g.make(&corev1.Secret{ObjectMeta: g.meta(name), StringData: data})
	return v1alpha1.SecretReference{Name: name}
}

// writeDAG makes the DAG of the policy.
func (g *governed) writeDAG() {
	g.Helper()
	file := "from airflow.sdk import DAG\nfrom airflow.providers.standard.operators.empty import EmptyOperator\n\n" +
		"with DAG(\"" + dagID + "\", schedule=None):\n    EmptyOperator(task_id=\"nothing\")\n"
	if err := os.WriteFile(filepath.Join(g.airflow.DAGs, dagID+".py"), []byte(file), 0o600); err != nil {
		g.Fatal(err)
	}
}

// use makes the instance with these credentials, or changes them.
func (g *governed) use(credentials v1alpha1.Credentials, tls *v1alpha1.TLS) {
	g.Helper()
	afi := &v1alpha1.AirflowInstance{ObjectMeta: g.meta("prod")}
	if err := g.Get(g.Context(), client.ObjectKeyFromObject(afi), afi); err == nil {
		afi.Spec.Credentials, afi.Spec.TLS = credentials, tls
		if err := g.Update(g.Context(), afi); err != nil {
			g.Fatal(err)
		}
		return
	}
	afi.Spec = v1alpha1.AirflowInstanceSpec{
		URL: g.airflow.URL, Credentials: credentials, TLS: tls, PermissionCacheTTL: &metav1.Duration{},
		DagInterval: metav1.Duration{Duration: 10 * time.Second},
	}
	g.make(afi)
}

// until waits for something to hold, and fails with what was seen last.
func (g *governed) until(what string, holds func() (bool, string)) {
	g.Helper()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(90 * time.Second)
	for {
		ok, seen := holds()
		if ok {
			return
		}
		select {
		case <-deadline:
			g.Fatalf("%s: not in time; %s", what, seen)
		case <-tick.C:
		}
	}
}

// says waits for a condition of the instance, in its present generation, and returns the message.
func (g *governed) says(condition, want string) string {
	g.Helper()
	var message string
	g.until("instance says "+condition+"="+want, func() (bool, string) {
		afi := &v1alpha1.AirflowInstance{}
		if err := g.Get(g.Context(), types.NamespacedName{Namespace: namespace, Name: "prod"}, afi); err != nil {
			return false, err.Error()
		}
		found := afi.Condition(condition)
		if found == nil {
			return false, "no such condition"
		}
		message = found.Message
		seen := string(found.Status) + "/" + found.Reason
		return seen == want && found.ObservedGeneration == afi.Generation, seen + ": " + message
	})
	return message
}

// holds says whether the holder has a role of the operator in Airflow itself.
func (g *governed) holds() (bool, string) {
	var user struct {
		Roles []struct {
			Name string `json:"name"`
		} `json:"roles"`
	}
	if err := g.airflow.Call(g.Context(), g.reader, http.MethodGet, "/auth/fab/v1/users/"+holder, nil, &user); err != nil {
		return false, err.Error()
	}
	var names []string
	for _, role := range user.Roles {
		names = append(names, role.Name)
	}
	return slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, "oam.") }), fmt.Sprint("roles ", names)
}

// live goes through a whole grant.
func (g *governed) live() {
	g.Helper()
	g.says(v1alpha1.ConditionReady, "True/"+v1alpha1.ReasonReady)
	g.grants++
	end := metav1.NewTime(time.Now().Add(20 * time.Second).Truncate(time.Second))
	grant := &v1alpha1.AccessGrant{ObjectMeta: g.meta(fmt.Sprintf("%s-%d", holder, g.grants)), Spec: v1alpha1.AccessGrantSpec{
		PolicyRef: v1alpha1.PolicyReference{Name: "doors"}, Subject: v1alpha1.Subject{Username: holder}, ExpiresAt: &end,
	}}
	g.make(grant)
	g.until("the grant gives access", g.holds)
	g.until("the grant ends", func() (bool, string) {
		if err := g.Get(g.Context(), client.ObjectKeyFromObject(grant), grant); err != nil {
			return false, err.Error()
		}
		return grant.Status.RemovedAt != nil, fmt.Sprintf("%+v", grant.Status.Conditions)
	})
	if still, seen := g.holds(); still {
		g.Errorf("after the end: %s", seen)
	}
}

// checkOpenIDOperator has the operator under AUTH_OAUTH and the rule of fab 3.11: a password opens nothing, and client
// credentials and a token of a Secret do.
func checkOpenIDOperator(t *testing.T, w *world, s *server.Server, own string) {
	plane, _ := controlplane.Start(t)
	g := govern(t, plane, s, own)
	g.use(v1alpha1.Credentials{SecretRef: g.secret("password", map[string]string{"username": account, "password": w.password, "url": s.URL})}, nil)
	if message := g.says(v1alpha1.ConditionAuthenticated, "False/"+v1alpha1.ReasonPasswordLoginDisabled); !strings.Contains(message, "Exchange") {
		t.Errorf("it does not say the way out: %s", message)
	}
	authority, err := os.ReadFile(w.provider.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	ca := g.secret("authority", map[string]string{"ca.crt": string(authority)})
	tokenURL := w.provider.Issuer + "/oauth/token"
	machine := g.secret("client", map[string]string{
		"client_id": w.provider.MachineID, "client_secret": w.provider.MachineSecret + "\n", "token_url": tokenURL, "url": s.URL,
	})
	g.use(v1alpha1.Credentials{Type: v1alpha1.CredentialsExchange, Username: account, OAuth2: &v1alpha1.OAuth2{
		TokenURL: tokenURL, ClientSecretRef: machine, Scopes: []string{"openid"},
	}}, &v1alpha1.TLS{CASecretRef: v1alpha1.SecretKeyReference{Name: ca.Name}})
	g.live()
	g.use(v1alpha1.Credentials{Type: v1alpha1.CredentialsToken, SecretRef: g.secret("token", map[string]string{
		"username": account, "token": own, "url": s.URL,
	})}, nil)
	g.live()
}

// checkKubernetesOperator has the operator with tokens of its own ServiceAccount.
func checkKubernetesOperator(t *testing.T, plane *rest.Config, s *server.Server, own string) {
	g := govern(t, plane, s, own)
	g.use(v1alpha1.Credentials{
		Type: v1alpha1.CredentialsExchange, Username: account, ServiceAccountToken: &v1alpha1.ServiceAccountToken{Audience: audience},
	}, nil)
	g.live()
}
