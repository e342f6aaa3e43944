// Package operator_test runs the operator as a process, with the token of its service account, against a real control
// plane and a real Airflow, and judges by the answers that people get from Airflow.
package operator_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/airflow-oam/airflow-oam/hack/airflow/server"
	"github.com/airflow-oam/airflow-oam/hack/stage"
)

const (
	namespace = "e2e"
	cacheTTL  = 2 * time.Second
)

const instance = `
apiVersion: access.airflow-oam.dev/v1alpha1
kind: AirflowInstance
metadata: {name: prod, namespace: e2e}
spec:
  url: ${URL}
  credentials: {secretRef: {name: airflow}}
  permissionCacheTTL: 2s
  dagInterval: 10s
---
apiVersion: access.airflow-oam.dev/v1alpha1
kind: DagAccessPolicy
metadata: {name: finance, namespace: e2e}
spec:
  instanceRef: {name: prod}
  dags: [{paths: ["finance/**"], exclude: ["finance_payroll"]}]
  access: [View, Trigger]
  members: [{username: alice}]
  grants: {maxDuration: 1h}
`

const grant = `
apiVersion: access.airflow-oam.dev/v1alpha1
kind: AccessGrant
metadata: {name: ${NAME}, namespace: e2e}
spec:
  policyRef: {name: finance}
  subject: {username: ${NAME}}
  expiresAt: ${END}
  ${MORE}
`

// world is the stage and people's tokens.
type world struct {
	*stage.Stage
	tokens map[string]string
}

func TestOperatorOnRealAirflow(t *testing.T) {
	g := NewWithT(t)
	s, err := stage.Start(t.Context(), stage.Options{Home: t.TempDir(), CacheTTL: cacheTTL, NoScheduler: true, Progress: os.Stderr})
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	w := &world{Stage: s, tokens: map[string]string{}}
	w.prepare(t)
	for _, step := range []struct {
		name string
		run  func(*world, *testing.T)
	}{
		{"a policy gives its members what it says and nobody else", (*world).standing},
		{"a grant works until its end and not a call longer", (*world).life},
		{"a narrowed grant holds less than its policy", (*world).narrowed},
		{"F54 a grant that ended while the operator was dead is taken away when it is back", (*world).crash},
		{"F36 a role that somebody deletes is made again", (*world).repair},
		{"no secret is in the operator's log", (*world).silent},
		{"an instance that is deleted leaves nothing of ours and everything of others", (*world).leave},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.run(w, t) }) {
			log, _ := os.ReadFile(s.OperatorLog)
			t.Logf("the operator's log:\n%s", log)
		}
	}
}

// prepare creates people, a role made by hand, and the declarations.
func (w *world) prepare(t *testing.T) {
	t.Helper()
	g, ctx := NewWithT(t), t.Context()
	handmade := map[string]any{"name": "handmade", "actions": []any{map[string]any{
		"action": map[string]string{"name": "can_read"}, "resource": map[string]string{"name": "DAG:marketing_report"},
	}}}
	g.Expect(w.Airflow.AsAdmin(ctx, http.MethodPost, "/auth/fab/v1/roles", handmade, nil)).To(Succeed())
	for name, roles := range map[string][]string{"alice": {"handmade"}, "bob": nil, "carol": nil, "dora": nil} {
		user, err := w.Airflow.CreateUser(ctx, server.User{Username: name, Roles: roles})
		g.Expect(err).NotTo(HaveOccurred())
		w.tokens[name], err = w.Airflow.Token(ctx, name, user.Password)
		g.Expect(err).NotTo(HaveOccurred())
	}
	g.Expect(w.CreateInstanceNamespace(ctx, namespace)).To(Succeed())
	g.Expect(w.CreateSecret(ctx, namespace, "airflow")).To(Succeed())
	g.Expect(w.Apply(ctx, instance, map[string]string{"URL": w.Airflow.URL})).To(Succeed())
	_, err := w.Kubectl(ctx, nil, "wait", "-n", namespace, "airflowinstance/prod", "dagaccesspolicy/finance", "--for=condition=Ready", "--timeout=90s")
	g.Expect(err).NotTo(HaveOccurred())
}

// status gives the status of an answer to a person; 0 where there was none.
func (w *world) status(ctx context.Context, person, method, path string, body any) int {
	err := w.Airflow.Call(ctx, w.tokens[person], method, path, body, nil)
	var answer *server.StatusError
	switch {
	case err == nil:
		return http.StatusOK
	case errors.As(err, &answer):
		return answer.Code
	}
	return 0
}

func (w *world) trigger(ctx context.Context, person, dag string) int {
	return w.status(ctx, person, http.MethodPost, "/api/v2/dags/"+dag+"/dagRuns", map[string]any{"logical_date": nil})
}

func (w *world) read(ctx context.Context, person, dag string) int {
	return w.status(ctx, person, http.MethodGet, "/api/v2/dags/"+dag, nil)
}

// give applies a grant that ends after some time, and says when.
func (w *world) give(t *testing.T, name string, length time.Duration, more string) time.Time {
	t.Helper()
	end := time.Now().Add(length).Truncate(time.Second).UTC()
	values := map[string]string{"NAME": name, "END": end.Format(time.RFC3339), "MORE": more}
	NewWithT(t).Expect(w.Apply(t.Context(), grant, values)).To(Succeed())
	return end
}

func (w *world) field(t *testing.T, name, path string) func() string {
	t.Helper()
	return func() string {
		out, err := w.Kubectl(t.Context(), nil, "get", "accessgrant/"+name, "-n", namespace, "-o", "jsonpath={"+path+"}")
		if err != nil {
			return err.Error()
		}
		return out
	}
}

const patience = 60 * time.Second

func (w *world) standing(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	g.Eventually(func() int { return w.read(ctx, "alice", "finance_daily") }, patience, "200ms").Should(Equal(http.StatusOK))
	g.Expect(w.trigger(ctx, "alice", "finance_daily")).To(Equal(http.StatusOK))
	g.Expect(w.trigger(ctx, "alice", "finance_payroll")).To(Equal(http.StatusForbidden))
	g.Expect(w.trigger(ctx, "alice", "marketing_report")).To(Equal(http.StatusForbidden))
	g.Expect(w.read(ctx, "alice", "marketing_report")).To(Equal(http.StatusOK), "by the role made by hand")
	g.Expect(w.read(ctx, "bob", "finance_daily")).To(Equal(http.StatusForbidden))
	g.Expect(w.status(ctx, "alice", http.MethodGet, "/ui/dags?limit=5", nil)).To(Equal(http.StatusOK), "the list of the UI")
}

func (w *world) life(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	end := w.give(t, "bob", 30*time.Second, "")
	g.Eventually(func() int { return w.trigger(ctx, "bob", "finance_daily") }, 20*time.Second, "300ms").Should(Equal(http.StatusOK))
	var last time.Time
	g.Eventually(func() int {
		sent := time.Now()
		status := w.read(ctx, "bob", "finance_daily")
		if status == http.StatusOK {
			last = sent
		}
		return status
	}, patience, "200ms").Should(Equal(http.StatusForbidden))
	g.Expect(last).To(BeTemporally("<=", end.Add(time.Second)))
	g.Expect(last).To(BeTemporally(">", end.Add(-15*time.Second)), "not taken away much too early")
	g.Consistently(func() int { return w.read(ctx, "bob", "finance_daily") }, "3s", "200ms").Should(Equal(http.StatusForbidden))
	g.Eventually(w.field(t, "bob", ".status.phase"), patience).Should(Equal("Expired"))
	g.Expect(w.read(ctx, "alice", "finance_daily")).To(Equal(http.StatusOK))
}

func (w *world) narrowed(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	w.give(t, "carol", 30*time.Minute, `dags: [finance_daily]
  access: [View]`)
	g.Eventually(func() int { return w.read(ctx, "carol", "finance_daily") }, patience, "300ms").Should(Equal(http.StatusOK))
	g.Expect(w.trigger(ctx, "carol", "finance_daily")).To(Equal(http.StatusForbidden))
	g.Expect(w.read(ctx, "carol", "finance_weekly")).To(Equal(http.StatusForbidden))
	g.Expect(w.field(t, "carol", ".status.activation.instances[0].role")()).To(MatchRegexp(`~[0-9a-f]{16,}$`))
}

func (w *world) crash(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	end := w.give(t, "dora", 20*time.Second, "")
	g.Eventually(func() int { return w.read(ctx, "dora", "finance_daily") }, 15*time.Second, "300ms").Should(Equal(http.StatusOK))
	g.Expect(w.StopOperator(true)).To(Succeed())
	g.Eventually(time.Now, patience).Should(BeTemporally(">", end.Add(cacheTTL)))
	g.Expect(w.read(ctx, "dora", "finance_daily")).To(Equal(http.StatusOK), "nobody is there to take it away")
	g.Expect(w.StartOperator(ctx)).To(Succeed())
	g.Eventually(func() int { return w.read(ctx, "dora", "finance_daily") }, patience, "300ms").Should(Equal(http.StatusForbidden))
	g.Eventually(w.field(t, "dora", ".status.phase"), patience).Should(Equal("Expired"))
	g.Expect(w.read(ctx, "carol", "finance_daily")).To(Equal(http.StatusOK), "who keeps access keeps it")
}

func (w *world) repair(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	g.Expect(w.Airflow.AsAdmin(ctx, http.MethodDelete, "/auth/fab/v1/roles/oam.e2e.finance", nil, nil)).To(Succeed())
	g.Eventually(func() int { return w.read(ctx, "alice", "finance_daily") }, patience, "300ms").Should(Equal(http.StatusForbidden))
	_, err := w.Kubectl(ctx, nil, "annotate", "airflowinstance/prod", "-n", namespace, "access.airflow-oam.dev/reconcile-at=now")
	g.Expect(err).NotTo(HaveOccurred())
	g.Eventually(func() int { return w.read(ctx, "alice", "finance_daily") }, patience, "300ms").Should(Equal(http.StatusOK))
	g.Eventually(func() (string, error) {
		return w.Kubectl(ctx, nil, "get", "airflowinstance/prod", "-n", namespace, "-o", "jsonpath={.status.drift[*].cause}")
	}, patience).Should(ContainSubstring("RoleDeleted"))
}

func (w *world) silent(t *testing.T) {
	log, err := os.ReadFile(w.OperatorLog)
	g := NewWithT(t)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(log)).NotTo(ContainSubstring(w.Airflow.AdminPassword))
	g.Expect(string(log)).NotTo(MatchRegexp(`eyJ[A-Za-z0-9_-]{20,}`), "a token")
	objects, err := w.Kubectl(t.Context(), nil, "get", "airflow-access,events", "-A", "-o", "yaml")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(objects).NotTo(ContainSubstring(w.Airflow.AdminPassword))
}

func (w *world) leave(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	_, err := w.Kubectl(ctx, nil, "delete", "airflowinstance/prod", "-n", namespace, "--timeout=60s")
	g.Expect(err).NotTo(HaveOccurred())
	var roles struct {
		Roles []struct {
			Name string `json:"name"`
		} `json:"roles"`
	}
	g.Expect(w.Airflow.AsAdmin(ctx, http.MethodGet, "/auth/fab/v1/roles?limit=100", nil, &roles)).To(Succeed())
	var names []string
	for _, role := range roles.Roles {
		g.Expect(strings.HasPrefix(role.Name, "oam.")).To(BeFalse(), role.Name)
		names = append(names, role.Name)
	}
	g.Expect(names).To(ContainElement("handmade"))
	g.Eventually(func() int { return w.read(ctx, "alice", "finance_daily") }, patience, "300ms").Should(Equal(http.StatusForbidden))
	g.Expect(w.read(ctx, "alice", "marketing_report")).To(Equal(http.StatusOK))
	g.Eventually(w.field(t, "carol", ".status.end.reason"), patience).Should(Equal("InstanceDeleted"))
}
