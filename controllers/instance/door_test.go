package instance

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
	"github.com/airflow-oam/airflow-oam/internal/status"
)

// issuer issues tokens of ServiceAccounts that say whose they are, and for whom.
type issuer struct {
	corev1client.ServiceAccountInterface
	namespace string
	failure   error
	issued    *[]string
}

// ServiceAccounts is the issuer of a namespace.
func (i issuer) ServiceAccounts(namespace string) corev1client.ServiceAccountInterface {
	i.namespace = namespace
	return i
}

// CreateToken issues a token.
func (i issuer) CreateToken(_ context.Context, name string, r *authenticationv1.TokenRequest, _ metav1.CreateOptions) (*authenticationv1.TokenRequest, error) {
	if i.failure != nil {
		return nil, i.failure
	}
	out := r.DeepCopy()
	out.Status.Token = strings.Join([]string{"sa", i.namespace, name, strings.Join(r.Spec.Audiences, "+")}, "|")
	*i.issued = append(*i.issued, out.Status.Token)
	return out, nil
}

// secret changes keys of a Secret, or makes it.
func (w *world) secret(name string, data map[string]string) {
	w.Helper()
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "data"}, Data: map[string][]byte{}}
	key := client.ObjectKeyFromObject(s)
	missing := w.client.Get(w.Context(), key, s) != nil
	for k, v := range data {
		s.Data[k] = []byte(v)
	}
	write := func() error { return w.client.Update(w.Context(), s) }
	if missing {
		write = func() error { return w.client.Create(w.Context(), s) }
	}
	if err := write(); err != nil {
		w.Fatal(err)
	}
}

// known sets how the operator makes itself known.
func (w *world) known(credentials v1alpha1.Credentials) {
	w.Helper()
	w.edit(func(afi *v1alpha1.AirflowInstance) { afi.Spec.Credentials = credentials })
}

// wants checks a condition of the instance that is False, and returns its message.
func (w *world) wants(condition, reason string) string {
	w.Helper()
	found := status.Find(w.instance().Status.Conditions, condition)
	if found == nil || found.Status != metav1.ConditionFalse || found.Reason != reason {
		w.Fatalf("%s is %+v, want False/%s", condition, found, reason)
	}
	return found.Message
}

// lives checks a whole grant: bob gets access and loses it at the end.
func (w *world) lives() {
	w.Helper()
	w.given(time.Hour)
	w.clock.Step(time.Hour)
	if w.reconcile(); w.bobMay() {
		w.Error("bob keeps his access")
	}
}

// accepting exchanges one token, for the operator's account.
func accepting(wanted string) *airflowtest.Door {
	return &airflowtest.Door{SignIn: airflowtest.SignInOAuth, NoPassword: true, Exchange: func(token string) (string, bool) {
		return airflowtest.AdminUsername, token == wanted
	}}
}

func TestK7AGrantLivesByATokenOfTheOperatorsServiceAccount(t *testing.T) {
	w := newWorld(t)
	var issued []string
	w.r.Tokens, w.r.ServiceAccount = issuer{issued: &issued}, types.NamespacedName{Namespace: "oam", Name: "operator"}
	w.sim.Door.Store(accepting("sa|oam|operator|" + w.sim.URL))
	w.known(v1alpha1.Credentials{Type: v1alpha1.CredentialsExchange, Username: airflowtest.AdminUsername, ServiceAccountToken: &v1alpha1.ServiceAccountToken{}})
	w.lives()
	if len(issued) != 1 && len(issued) != 2 {
		t.Errorf("%d tokens were issued within an hour", len(issued))
	}
}

func TestK7AnAudienceIsBoundToItsAirflow(t *testing.T) {
	w := newWorld(t)
	var issued []string
	w.r.Tokens, w.r.ServiceAccount = issuer{issued: &issued}, types.NamespacedName{Namespace: "oam", Name: "operator"}
	w.sim.Door.Store(accepting("sa|oam|operator|airflow"))
	w.known(v1alpha1.Credentials{
		Type: v1alpha1.CredentialsExchange, Username: airflowtest.AdminUsername, ServiceAccountToken: &v1alpha1.ServiceAccountToken{Audience: "airflow"},
	})
	w.reconcile()
	if message := w.wants(v1alpha1.ConditionAuthenticated, v1alpha1.ReasonAudienceNotAllowed); !strings.Contains(message, "--token-audience") || len(issued) > 0 {
		t.Errorf("%s; issued %q", message, issued)
	}
	w.r.TokenAudiences = map[string][]string{"airflow": {"https://elsewhere.example.com", w.sim.URL}}
	w.clock.Step(2 * time.Minute)
	w.lives()
}

func TestK7AGrantLivesByATokenOfASecret(t *testing.T) {
	for name, c := range map[string]v1alpha1.Credentials{
		"as it is":  {Type: v1alpha1.CredentialsToken, SecretRef: v1alpha1.SecretReference{Name: "token"}},
		"exchanged": {Type: v1alpha1.CredentialsExchange, SecretRef: v1alpha1.SecretReference{Name: "token"}, Username: airflowtest.AdminUsername},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			token := airflowtest.Token(w.sim.Sim, airflowtest.AdminUsername)
			w.sim.Door.Store(accepting(token))
			w.secret("token", map[string]string{"token": token + "\n", "url": w.sim.URL + "\r\n", "username": airflowtest.AdminUsername})
			w.known(c)
			w.given(30 * time.Minute)
			w.sim.ExpireTokens()
			renewed := airflowtest.Token(w.sim.Sim, airflowtest.AdminUsername)
			w.sim.Door.Store(accepting(renewed))
			w.secret("token", map[string]string{"token": renewed})
			w.clock.Step(30 * time.Minute)
			for range 3 { // the Secret is read again after a 401
				w.reconcile()
				w.clock.Step(time.Second)
			}
			if w.bobMay() {
				t.Error("bob keeps his access")
			}
		})
	}
}

func TestK7AGrantLivesByClientCredentials(t *testing.T) {
	w := newWorld(t)
	provider := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != "client-secret" {
			out.WriteHeader(http.StatusUnauthorized)
			return
		}
		out.Header().Set("Content-Type", "application/json")
		_, _ = out.Write([]byte(`{"access_token":"of-the-provider","token_type":"Bearer"}`))
	}))
	defer provider.Close()
	w.sim.Door.Store(accepting("of-the-provider"))
	w.secret("client", map[string]string{"client_id": "operator", "client_secret": "wrong", "token_url": provider.URL, "url": w.sim.URL})
	w.known(v1alpha1.Credentials{Type: v1alpha1.CredentialsExchange, Username: airflowtest.AdminUsername, OAuth2: &v1alpha1.OAuth2{
		TokenURL: provider.URL, ClientSecretRef: v1alpha1.SecretReference{Name: "client"},
	}})
	w.reconcile()
	if message := w.wants(v1alpha1.ConditionAuthenticated, v1alpha1.ReasonTokenUnavailable); !strings.Contains(message, "answered 401: check client_id") {
		t.Error(message)
	}
	w.secret("client", map[string]string{"client_secret": "client-secret"})
	w.clock.Step(time.Minute)
	w.lives()
	w.secret("client", map[string]string{"token_url": "https://elsewhere.example.com"})
	w.clock.Step(2 * time.Minute)
	w.reconcile()
	if message := w.wants(v1alpha1.ConditionAuthenticated, v1alpha1.ReasonSecretURLMismatch); !strings.Contains(message, "tokenURL") {
		t.Error(message)
	}
}

func TestK7WhyThereIsNoTokenIsSaid(t *testing.T) {
	resource := schema.GroupResource{Resource: "serviceaccounts"}
	for name, c := range map[string]struct {
		failure error
		want    string
	}{
		"no right":           {apierrors.NewForbidden(resource, "operator", nil), "allow create on its serviceaccounts/token"},
		"no ServiceAccount":  {apierrors.NewNotFound(resource, "operator"), "correct --service-account"},
		"Kubernetes is away": {errors.New("dial 10.0.0.1"), "issues no token now"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.r.Tokens, w.r.ServiceAccount = issuer{failure: c.failure}, types.NamespacedName{Namespace: "oam", Name: "operator"}
			w.known(v1alpha1.Credentials{Type: v1alpha1.CredentialsToken, Username: airflowtest.AdminUsername, ServiceAccountToken: &v1alpha1.ServiceAccountToken{}})
			w.reconcile()
			message := w.wants(v1alpha1.ConditionAuthenticated, v1alpha1.ReasonTokenUnavailable)
			if !strings.Contains(message, c.want) || strings.Contains(message, "10.0.0.1") {
				t.Error(message)
			}
		})
	}
	w := newWorld(t)
	w.known(v1alpha1.Credentials{Type: v1alpha1.CredentialsToken, Username: airflowtest.AdminUsername, ServiceAccountToken: &v1alpha1.ServiceAccountToken{}})
	w.reconcile()
	if message := w.wants(v1alpha1.ConditionAuthenticated, v1alpha1.ReasonTokenUnavailable); !strings.Contains(message, "--service-account") {
		t.Error(message)
	}
}

func TestK7AnInstanceSaysWhyItsWayOpensNothing(t *testing.T) {
	t.Run("a password where nobody signs in by one", func(t *testing.T) {
		w := newWorld(t)
		w.sim.Door.Store(&airflowtest.Door{SignIn: airflowtest.SignInOAuth, NoPassword: true})
		w.reconcile()
		if message := w.wants(v1alpha1.ConditionAuthenticated, v1alpha1.ReasonPasswordLoginDisabled); !strings.Contains(message, "docs/airflow.md#signing-in") {
			t.Error(message)
		}
	})
	t.Run("an Airflow that exchanges nothing", func(t *testing.T) {
		w := newWorld(t)
		w.secret("token", map[string]string{"token": "foreign", "url": w.sim.URL})
		w.known(v1alpha1.Credentials{Type: v1alpha1.CredentialsExchange, SecretRef: v1alpha1.SecretReference{Name: "token"}, Username: airflowtest.AdminUsername})
		w.reconcile()
		if message := w.wants(v1alpha1.ConditionAuthenticated, v1alpha1.ReasonExchangeDisabled); !strings.Contains(message, "contrib/airflow-auth") {
			t.Error(message)
		}
	})
	t.Run("a token that is refused", func(t *testing.T) {
		w := newWorld(t)
		w.sim.Door.Store(accepting("another"))
		w.secret("token", map[string]string{"token": "foreign", "url": w.sim.URL})
		w.known(v1alpha1.Credentials{Type: v1alpha1.CredentialsExchange, SecretRef: v1alpha1.SecretReference{Name: "token"}, Username: airflowtest.AdminUsername})
		w.reconcile()
		if message := w.wants(v1alpha1.ConditionAuthenticated, v1alpha1.ReasonBadCredentials); !strings.Contains(message, "InvalidAudienceError") {
			t.Error(message)
		}
	})
}

func TestK2TheMessageBlamesTheRightParty(t *testing.T) {
	t.Run("a sign-in proxy", func(t *testing.T) {
		w := newWorld(t)
		w.sim.Inject(airflowtest.Status(http.StatusUnauthorized, "sign in"))
		w.reconcile()
		if message := w.wants(v1alpha1.ConditionReachable, v1alpha1.ReasonProxyInFront); !strings.Contains(message, "in front of Airflow") {
			t.Error(message)
		}
	})
	t.Run("a list that Airflow answers with 500", func(t *testing.T) {
		w := newWorld(t)
		w.sim.Inject(airflowtest.Status(http.StatusInternalServerError, "Internal Server Error").On(http.MethodGet, "/auth/fab/v1/roles"))
		w.reconcile()
		if message := w.wants(v1alpha1.ConditionReady, v1alpha1.ReasonRoleListUnreadable); !strings.Contains(message, "/auth/fab/v1/roles") || !strings.Contains(message, "(500)") {
			t.Error(message)
		}
	})
	t.Run("a call that is refused as invalid", func(t *testing.T) {
		w := newWorld(t)
		w.sim.Inject(airflowtest.Status(http.StatusBadRequest, "bad").On(http.MethodGet, "/auth/fab/v1/roles"))
		w.reconcile()
		w.wants(v1alpha1.ConditionCompatible, v1alpha1.ReasonNotAirflow)
	})
	t.Run("a line break at the end of a key", func(t *testing.T) {
		w := newWorld(t)
		w.secret("airflow", map[string]string{
			"username": airflowtest.AdminUsername + "\n", "password": airflowtest.AdminPassword + "\n", "url": w.sim.URL + "\r\n",
		})
		w.lives()
	})
	for _, text := range []string{" x", "x\t", "x\n\n", "x \n"} {
		w := newWorld(t)
		w.secret("airflow", map[string]string{"password": text})
		w.reconcile()
		if message := w.wants(v1alpha1.ConditionAuthenticated, v1alpha1.ReasonSecretInvalid); !strings.Contains(message, `"password"`) {
			t.Errorf("%q: %s", text, message)
		}
	}
}

// K11: what is wrong with certificates names the Secret and the key, and not the address.
func TestK11CertificatesAreBlamedByTheirSecret(t *testing.T) {
	for name, c := range map[string]struct {
		tls  v1alpha1.TLS
		data map[string]string
		want string
	}{
		"no PEM":         {v1alpha1.TLS{CASecretRef: v1alpha1.SecretKeyReference{Name: "tls", Key: "ca.crt"}}, map[string]string{"ca.crt": "x"}, `the key "ca.crt" of Secret "tls"`},
		"no such key":    {v1alpha1.TLS{CASecretRef: v1alpha1.SecretKeyReference{Name: "tls", Key: "ca.crt"}}, map[string]string{"x": "x"}, `no key "ca.crt"`},
		"no certificate": {v1alpha1.TLS{ClientSecretRef: v1alpha1.SecretReference{Name: "tls"}}, map[string]string{"tls.crt": "x", "tls.key": "y"}, `"tls.crt" and "tls.key" of Secret "tls"`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.secret("tls", c.data)
			w.edit(func(afi *v1alpha1.AirflowInstance) { afi.Spec.TLS = &c.tls })
			w.reconcile()
			if message := w.wants(v1alpha1.ConditionReachable, v1alpha1.ReasonSecretInvalid); !strings.Contains(message, c.want) {
				t.Error(message)
			}
		})
	}
}

// K9: a rotation that writes the Secret first ends no ending.
func TestK9AWrongPasswordInTheSecretDoesNotKeepAccess(t *testing.T) {
	w := newWorld(t)
	w.given(time.Minute)
	w.secret("airflow", map[string]string{"password": "not-yet-set"})
	w.clock.Step(time.Minute)
	w.r.known.of(w.instance()).secretsAt = time.Time{} // the Secret is read now
	w.reconcile()
	if w.bobMay() {
		t.Error("bob keeps his access although the old password works")
	}
	message := w.wants(v1alpha1.ConditionAuthenticated, v1alpha1.ReasonBadCredentials)
	if !strings.Contains(message, "the credentials that worked last") {
		t.Error(message)
	}
	w.sim.SetPassword(airflowtest.AdminUsername, "not-yet-set")
	w.sim.ExpireTokens()
	w.clock.Step(time.Minute)
	w.reconcile()
	if ready := w.instance().Status.Conditions[0]; ready.Status != metav1.ConditionTrue {
		t.Errorf("Ready is %s/%s: %s", ready.Status, ready.Reason, ready.Message)
	}
}

// K9: credentials that worked are given up when they fail themselves.
func TestK9OldCredentialsAreGivenUpWhenTheyFail(t *testing.T) {
	w := newWorld(t)
	w.given(2 * time.Minute)
	w.secret("airflow", map[string]string{"password": "wrong"})
	w.clock.Step(time.Minute)
	w.reconcile()
	w.wants(v1alpha1.ConditionAuthenticated, v1alpha1.ReasonBadCredentials)
	w.sim.SetPassword(airflowtest.AdminUsername, "third")
	w.sim.ExpireTokens()
	w.clock.Step(time.Minute)
	w.reconcile()
	if message := w.wants(v1alpha1.ConditionAuthenticated, v1alpha1.ReasonBadCredentials); strings.Contains(message, "worked last") {
		t.Errorf("it says that they are in use: %s", message)
	}
	w.secret("airflow", map[string]string{"password": "third"})
	w.clock.Step(5 * time.Second)
	w.reconcile()
	w.reconcile()
	if w.bobMay() {
		t.Error("bob keeps his access")
	}
}

// K9: the newest cause wins.
func TestK9ASecretThatIsNotThereIsTheNewestCause(t *testing.T) {
	w := newWorld(t)
	w.edit(func(afi *v1alpha1.AirflowInstance) { afi.Spec.URL = strings.Replace(w.sim.URL, "http:", "https:", 1) })
	w.secret("airflow", map[string]string{"url": strings.Replace(w.sim.URL, "http:", "https:", 1)})
	w.reconcile()
	w.wants(v1alpha1.ConditionReachable, v1alpha1.ReasonTLSFailed)
	w.edit(func(afi *v1alpha1.AirflowInstance) {
		afi.Spec.TLS = &v1alpha1.TLS{CASecretRef: v1alpha1.SecretKeyReference{Name: "missing", Key: "ca.crt"}}
	})
	w.clock.Step(time.Minute)
	w.reconcile()
	w.wants(v1alpha1.ConditionReachable, v1alpha1.ReasonSecretNotFound)
	w.wants(v1alpha1.ConditionReady, v1alpha1.ReasonSecretNotFound)
}
