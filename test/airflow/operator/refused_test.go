package operator_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/airflow-oam/airflow-oam/hack/airflow/server"
	"github.com/airflow-oam/airflow-oam/hack/stage"
)

// An Airflow that cannot be governed is told by its exact reason and left as it is.
func TestAirflowThatCannotBeGoverned(t *testing.T) {
	for _, c := range []struct {
		name    string
		of      generation
		manager server.AuthManager
		reason  string
		says    string
	}{
		{
			name: "3.1.7 with a fab provider whose calls on users fail", of: generation{version: "3.1.7"},
			reason: "UnsupportedVersion", says: "3.2.0",
		},
		{
			name: "3.3.2 with the simple auth manager", of: generation{version: "3.3.2"}, manager: server.Simple,
			reason: "UnsupportedAuthManager", says: "FAB auth manager",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			w := put(t, c.of, stage.Options{AuthManager: c.manager})
			w.declare(t)
			of := func(name, field string) func() string {
				return w.field(t, "airflowinstance/prod", condition(name, field))
			}
			g.Eventually(of("Compatible", "status"), patience).Should(Equal("False"))
			g.Expect(of("Compatible", "reason")()).To(Equal(c.reason))
			g.Expect(of("Compatible", "message")()).To(ContainSubstring(c.says))
			g.Expect(of("Ready", "reason")()).To(Equal(c.reason))
			g.Expect(of("Stalled", "status")()).To(Equal("True"))
			w.compare(t)
			g.Consistently(func() string {
				return of("Ready", "status")() + w.field(t, "dagaccesspolicy/finance", condition("Ready", "status"))()
			}, "12s", "1s").Should(Equal("FalseFalse"), "neither the instance nor its policy is ever Ready")
			if c.manager != server.Simple { // it has no roles
				ours, _ := w.roles(t)
				g.Expect(ours).To(BeEmpty())
			}
		})
	}
}
