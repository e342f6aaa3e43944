package faults_test

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// many is how many grants one namespace has.
const many = 100

// exotic are names of people that look like others, or need care in an address.
var exotic = []string{
	"Bob2", "b\u043eb", "bob ross", "bob@example.com", "o'neil", "100%", "semi;colon", "plus+minus", "\u540d\u524d", "a.b..c", "#hash?query&x=y",
	strings.Repeat("long", 60),
}

func abuseFaults() []fault {
	const while = 40 * time.Second
	return []fault{
		{number: "F71", title: fmt.Sprintf("%d grants in one namespace", many), strike: done(func(w *world) {
			for i := range many {
				w.grant(fmt.Sprintf("many-%03d", i), people[i%len(people)], "finance", time.Hour, dags[i%3])
			}
		})},
		{number: "F72", title: "a spec of 1 MB", strike: done(func(w *world) {
			long := strings.Repeat("x", 250)
			var ids []string
			for range 4200 {
				ids = append(ids, long)
			}
			err := w.rawPolicy("huge", ids)
			if status := (&apiStatus{}); !status.of(err) || status.code != http.StatusUnprocessableEntity && status.code != http.StatusRequestEntityTooLarge {
				w.wrong("a spec of 1 MB was not refused: %v", err)
			}
		})},
		{number: "F73", title: "look-alike and exotic names of people", strike: done(func(w *world) {
			for i, name := range exotic {
				w.person(name)
				w.grant(fmt.Sprintf("exotic-%d", i), name, "marketing", time.Hour)
			}
			w.once(w.now().Add(30*time.Second), func() {
				for i := range len(exotic) / 2 {
					w.revoke(fmt.Sprintf("exotic-%d", i))
				}
			})
		})},
		{number: "F74", title: "the Secret names another address", lasts: while, strike: func(w *world) func(*world) {
			set := func(url string) {
				edit(w, &corev1.Secret{ObjectMeta: w.meta("airflow")}, func(s *corev1.Secret) { s.Data["url"] = []byte(url) })
			}
			set("https://elsewhere.example.com")
			return func(*world) {
				w.noticed(v1alpha1.ReasonSecretURLMismatch)
				set(w.url())
			}
		}},
		{number: "F75", title: "addresses of loopback, link-local and metadata services", lasts: while, strike: func(w *world) func(*world) {
			var made []client.Object
			for i, url := range []string{"https://169.254.169.254", "https://[::1]:1", "https://[fe80::1]", "https://0.0.0.0"} {
				w.struck()
				name := fmt.Sprintf("odd-%d", i)
				secret := &corev1.Secret{ObjectMeta: w.meta(name), StringData: map[string]string{"username": "u", "password": "other-password", "url": url}}
				w.create(secret)
				instance := &v1alpha1.AirflowInstance{ObjectMeta: w.meta(name), Spec: v1alpha1.AirflowInstanceSpec{
					URL: url, Credentials: v1alpha1.Credentials{SecretRef: v1alpha1.SecretReference{Name: name}},
				}}
				if err := admin.Create(w.t.Context(), instance); err != nil {
					continue // the schema refuses it already
				}
				w.changed()
				made = append(made, instance)
			}
			w.passwords = append(w.passwords, "other-password")
			return func(w *world) {
				for _, o := range made {
					w.says(o, v1alpha1.ReasonAddressBlocked)
					w.delete(o)
				}
			}
		}},
		{number: "F76", title: "line breaks in a reason", strike: done(func(w *world) {
			for _, reason := range []string{"INC-1\nREVOKED", "INC-1\r", "INC-1\u2028x", "INC-1\u202ex"} {
				w.refused("a reason with a line break", w.rawGrant("broken", map[string]any{"duration": "1h", "reason": reason}))
			}
		})},
	}
}
