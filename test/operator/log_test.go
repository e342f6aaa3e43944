package operator_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// lines are what was logged.
type lines struct {
	mu   sync.Mutex
	text []string
}

// logger logs as the operator does by default.
func (l *lines) logger() logr.Logger {
	return funcr.New(func(prefix, args string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.text = append(l.text, prefix+" "+args)
	}, funcr.Options{})
}

// about gives the lines of a namespace that hold all of some words.
func (l *lines) about(namespace string, words ...string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.text), func(line string) bool {
		missing := func(word string) bool { return !strings.Contains(line, word) }
		return slices.ContainsFunc(append(words, fmt.Sprintf("%q=%q", "namespace", namespace)), missing)
	})
}

var _ = Describe("the operator's log", func() {
	It("tells every change in Airflow, what was decided, and what others did", func() {
		s := newScene()
		s.secret()
		afi := s.instance()
		settled(afi)
		settled(s.policy())
		grant := s.grant("bob", time.Minute)
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantActive))
		s.sim.SetUserRoles("carol", "Public", "oam."+s.namespace+".finance")
		edit(afi, func(a *v1alpha1.AirflowInstance) {
			a.Annotations = map[string]string{v1alpha1.ReconcileAtAnnotation: "now"}
		})
		edit(grant, func(g *v1alpha1.AccessGrant) { g.Spec.Revoke = &v1alpha1.Revocation{Reason: "by hand"} })
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantRevoked))

		for _, parts := range [][]string{
			{"changed in Airflow", "create role oam." + s.namespace + ".finance"},
			{"changed in Airflow", "to bob"},
			{"changed in Airflow", "from bob"},
			{"changed in Airflow", "from carol"},
			{"grant decided", `"event"="Active"`},
			{"grant decided", `"event"="Revoked"`},
			{"policy decided", `"event"="Ready"`},
			{"instance decided", `"event"="Ready"`},
			{"another writer changed", `"user"="carol"`, `"cause"="Manual"`},
		} {
			Eventually(func() []string { return journal.about(s.namespace, parts...) }).ShouldNot(BeEmpty(), "%q", parts)
		}
	})
})
