package faults_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

// authFaults are those of authentication.
func authFaults() []fault {
	const while = 30 * time.Second
	return []fault{
		{number: "F47", title: "the token expires in the middle of a pass", lasts: while, options: tokens, strike: func(w *world) func(*world) {
			var (
				mu   sync.Mutex
				n    int
				last time.Time // once in a moment: a token that Airflow never took is not asked for anew at once
			)
			return inject(w, airflowtest.Meanwhile(func() {
				mu.Lock()
				defer mu.Unlock()
				if n++; n%5 == 0 && w.now().After(last) {
					last = w.now()
					w.sim.ExpireTokens()
				}
			}))
		}},
		{number: "F48", title: "401 and 403 \"Invalid JWT token\" by turns", lasts: while, what: airflowAway, strike: func(w *world) func(*world) {
			var n atomic.Int32
			return inject(w, airflowtest.Meanwhile(func() {
				switch n.Add(1) % 8 {
				case 0:
					w.sim.ExpireTokens()
				case 4:
					w.sim.RejectTokens()
				}
			}))
		}},
		{number: "F49", title: "403 for an administrator", lasts: while, what: airflowAway, strike: injected(airflowtest.Status(403, "Forbidden"))},
		{number: "F50", title: "the password is rotated in Airflow, and later in the Secret", lasts: while, what: airflowAway, strike: func(w *world) func(*world) {
			w.passwords = append(w.passwords, "rotated-password")
			w.sim.SetPassword(airflowtest.AdminUsername, "rotated-password")
			w.sim.ExpireTokens()
			return func(w *world) {
				w.noticed(v1alpha1.ReasonBadCredentials)
				edit(w, &corev1.Secret{ObjectMeta: w.meta("airflow")}, func(s *corev1.Secret) { s.Data["password"] = []byte("rotated-password") })
			}
		}},
		{number: "F51", title: "the Secret is deleted", lasts: while, strike: func(w *world) func(*world) {
			w.delete(&corev1.Secret{ObjectMeta: w.meta("airflow")})
			return func(w *world) {
				w.noticed(v1alpha1.ReasonSecretNotFound)
				w.secret(airflowtest.AdminPassword)
			}
		}},
		{number: "F52", title: "the auth manager is another one (404)", lasts: while, what: airflowAway, strike: func(w *world) func(*world) {
			missing := airflowtest.Fault{Name: "no such API", Answer: &airflowtest.Answer{Status: 404, ContentType: "text/html", Body: "<html></html>"}}
			missing.Apply = airflowtest.Nothing
			missing.If = func(r airflowtest.Request) bool {
				return strings.HasPrefix(r.Path, "/auth/") || strings.HasPrefix(r.Path, "/api/v1/")
			}
			w.sim.ExpireTokens()
			return inject(w, missing)
		}},
		{number: "F53", title: "500 from the token endpoint", lasts: while, what: airflowAway, options: tokens, strike: func(w *world) func(*world) {
			w.sim.ExpireTokens()
			return inject(w, airflowtest.Status(500, "Internal Server Error").On("POST", "/auth/token/cli"))
		}},
	}
}
