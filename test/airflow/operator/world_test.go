package operator_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/hack/airflow/server"
	"github.com/airflow-oam/airflow-oam/hack/stage"
)

const (
	namespace = "e2e"
	// patience is for what takes a pass, or Airflow's parsing of a file.
	patience = 2 * time.Minute
	rolesAPI = "/auth/fab/v1/roles"
)

// generation is an Airflow that behaves in its own way.
type generation struct {
	version string
	// cacheTTL is [fab] cache_ttl; without it answers show every instant.
	cacheTTL time.Duration
	// everyParse: access_control in DAG code is applied at each parsing of its file, and not only when it changes.
	everyParse bool
	// adds: an update of a role takes nothing away.
	adds bool
	// can is what status.capabilities says.
	can v1alpha1.Capabilities
}

var generations = []generation{
	{version: "3.3.2", cacheTTL: 2 * time.Second, everyParse: true, can: v1alpha1.Capabilities{
		Authentication: "JWT", RoleUpdate: "Replace", RoleDelete: "Works",
		PermissionList: "Pairs", PermissionModel: "Airflow3", PermissionCache: "PerWorker",
	}},
	{version: "3.2.2", everyParse: true, adds: true, can: v1alpha1.Capabilities{
		Authentication: "JWT", RoleUpdate: "Add", RoleDelete: "Works",
		PermissionList: "Pairs", PermissionModel: "Airflow3", PermissionCache: "PerWorker",
	}},
	{version: "2.11.2", adds: true, can: v1alpha1.Capabilities{
		Authentication: "Session", RoleUpdate: "Add", RoleDelete: "Works",
		PermissionList: "Actions", PermissionModel: "Airflow2", PermissionCache: "None",
	}},
}

const instance = `
apiVersion: access.airflow-oam.dev/v1alpha1
kind: AirflowInstance
metadata: {name: prod, namespace: e2e}
spec:
  url: ${URL}
  credentials: {secretRef: {name: airflow}}
  permissionCacheTTL: ${TTL}
  dagInterval: 10s
`

const policy = `
apiVersion: access.airflow-oam.dev/v1alpha1
kind: DagAccessPolicy
metadata: {name: finance, namespace: e2e}
spec:
  instanceRef: {name: prod}
  dags: [{${DAGS}}]
  access: [${ACCESS}]
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

// world is the stage, and what people log in with.
type world struct {
	*stage.Stage
	generation
	tokens, passwords map[string]string // by the account's name
	metrics           string            // the address of the operator's metrics
}

// put puts up a world of a generation; it is taken down at the end of the test.
func put(t *testing.T, of generation, o stage.Options) *world {
	t.Helper()
	o.Home, o.Version, o.CacheTTL, o.NoScheduler, o.Progress = t.TempDir(), of.version, of.cacheTTL, true, os.Stderr
	metrics := metricsAddress(t)
	o.OperatorFlags = append(o.OperatorFlags, "--metrics-bind-address="+metrics)
	s, err := stage.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return &world{Stage: s, generation: of, tokens: map[string]string{}, passwords: map[string]string{}, metrics: metrics}
}

// declare creates the namespace, the Secret, the instance and the policy.
func (w *world) declare(t *testing.T) {
	t.Helper()
	g, ctx := NewWithT(t), t.Context()
	g.Expect(w.CreateInstanceNamespace(ctx, namespace)).To(Succeed())
	g.Expect(w.CreateSecret(ctx, namespace, "airflow")).To(Succeed())
	g.Expect(w.Apply(ctx, instance, map[string]string{"URL": w.Airflow.URL, "TTL": w.cacheTTL.String()})).To(Succeed())
	w.declarePolicy(t, "View, Trigger", "finance_payroll")
}

// declarePolicy gives the DAGs of finance but the excluded ones. Airflow 2 does not tell the path of a file.
func (w *world) declarePolicy(t *testing.T, access string, exclude ...string) {
	t.Helper()
	dags := `paths: ["finance/**"]`
	if w.Airflow.Airflow2() {
		dags = `ids: ["finance_*"]`
	}
	values := map[string]string{"DAGS": dags + ", exclude: [" + strings.Join(exclude, ", ") + "]", "ACCESS": access}
	NewWithT(t).Expect(w.Apply(t.Context(), policy, values)).To(Succeed())
}

// person creates an account and logs it in.
func (w *world) person(t *testing.T, name string, roles ...string) {
	t.Helper()
	g, ctx := NewWithT(t), t.Context()
	user, err := w.Airflow.CreateUser(ctx, server.User{Username: name, Roles: roles})
	g.Expect(err).NotTo(HaveOccurred())
	w.passwords[name] = user.Password
	w.tokens[name], err = w.Airflow.Token(ctx, name, user.Password)
	g.Expect(err).NotTo(HaveOccurred())
}

// login logs an account in again, which moves its last_login.
func (w *world) login(t *testing.T, name string) {
	t.Helper()
	_, err := w.Airflow.Token(t.Context(), name, w.passwords[name])
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
}

// status gives the status of an answer; 0 where there was none.
func status(err error) int {
	var answer *server.StatusError
	switch {
	case err == nil:
		return http.StatusOK
	case errors.As(err, &answer):
		return answer.Code
	}
	return 0
}

// answered gives the status of an answer. A busy Airflow may need more than one try for one that is about rights; a
// refusal is told at once.
func answered(ctx context.Context, ask func() error) int {
	const tries = 3
	code := 0
	for range tries {
		code = status(ask())
		if code != 0 && code < http.StatusInternalServerError || ctx.Err() != nil {
			break
		}
	}
	return code
}

func (w *world) read(ctx context.Context, person, dag string) int {
	return answered(ctx, func() error { return w.Airflow.ReadDAG(ctx, w.tokens[person], dag) })
}

func (w *world) trigger(ctx context.Context, person, dag string) int {
	return answered(ctx, func() error { return w.Airflow.TriggerDAG(ctx, w.tokens[person], dag) })
}

// unpause needs the same as pausing, and changes nothing.
func (w *world) unpause(ctx context.Context, person, dag string) int {
	return answered(ctx, func() error { return w.Airflow.PauseDAG(ctx, w.tokens[person], dag, false) })
}

// page asks for the UI's list of DAGs.
func (w *world) page(ctx context.Context, person string) int {
	path := "/ui/dags?limit=5"
	if w.Airflow.Airflow2() {
		path = "/home"
	}
	return status(w.Airflow.Call(ctx, w.tokens[person], http.MethodGet, path, nil, nil))
}

// give applies a grant that ends after some time, and says when.
func (w *world) give(t *testing.T, name string, length time.Duration, more string) time.Time {
	t.Helper()
	end := time.Now().Add(length).Truncate(time.Second).UTC()
	values := map[string]string{"NAME": name, "END": end.Format(time.RFC3339), "MORE": more}
	NewWithT(t).Expect(w.Apply(t.Context(), grant, values)).To(Succeed())
	return end
}

// revoke ends a grant at once.
func (w *world) revoke(t *testing.T, name string) {
	t.Helper()
	_, err := w.Kubectl(t.Context(), nil, "patch", "accessgrant/"+name, "-n", namespace, "--type=merge", "-p", `{"spec":{"revoke":{"reason":"enough"}}}`)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
}

// field reads a field of an object, such as "accessgrant/bob", as text.
func (w *world) field(t *testing.T, object, path string) func() string {
	t.Helper()
	return func() string {
		out, err := w.Kubectl(t.Context(), nil, "get", object, "-n", namespace, "-o", "jsonpath={"+path+"}")
		if err != nil {
			return err.Error()
		}
		return out
	}
}

func condition(name, field string) string {
	return `.status.conditions[?(@.type=="` + name + `")].` + field
}

// waitReady waits until the objects are as declared.
func (w *world) waitReady(t *testing.T) {
	t.Helper()
	_, err := w.Kubectl(t.Context(), nil, "wait", "-n", namespace, "airflowinstance/prod", "dagaccesspolicy/finance", "--for=condition=Ready", "--timeout=90s")
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, w.field(t, "airflowinstance/prod", ".status.conditions")(), w.field(t, "dagaccesspolicy/finance", ".status.conditions")())
	}
}

// compare asks for a full comparison.
func (w *world) compare(t *testing.T) {
	t.Helper()
	_, err := w.Kubectl(t.Context(), nil, "annotate", "airflowinstance/prod", "-n", namespace, "--overwrite",
		"access.airflow-oam.dev/reconcile-at="+strconv.FormatInt(time.Now().UnixNano(), 10))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
}

// drift expects that the instance tells a change by others with this cause that it did not tell before, and that it was
// undone; before is what drifts gave, and like says more of it.
func (w *world) drift(t *testing.T, before []v1alpha1.Drift, cause string, like ...types.GomegaMatcher) {
	t.Helper()
	like = append(like, HaveField("Cause", cause), HaveField("Repaired", cause != "UserDeleted")) // there is nothing to undo
	NewWithT(t).Eventually(func() []v1alpha1.Drift {
		return slices.DeleteFunc(w.drifts(t), func(d v1alpha1.Drift) bool { return slices.Contains(before, d) })
	}, patience).Should(ContainElement(And(like...)), "what was told before does not count")
}

// drifts are the changes by others that the instance tells, newest first.
func (w *world) drifts(t *testing.T) []v1alpha1.Drift {
	t.Helper()
	var list []v1alpha1.Drift
	w.decode(t, "airflowinstance/prod", ".status.drift", &list)
	return list
}

// decode reads a part of an object.
func (w *world) decode(t *testing.T, object, path string, into any) {
	t.Helper()
	text := w.field(t, object, path)()
	if text != "" {
		NewWithT(t).Expect(json.Unmarshal([]byte(text), into)).To(Succeed(), text)
	}
}

// set changes the instance's spec, and waits until the operator has seen it.
func (w *world) set(t *testing.T, spec string) {
	t.Helper()
	g := NewWithT(t)
	_, err := w.Kubectl(t.Context(), nil, "patch", "airflowinstance/prod", "-n", namespace, "--type=merge", "-p", `{"spec":`+spec+`}`)
	g.Expect(err).NotTo(HaveOccurred())
	generation := w.field(t, "airflowinstance/prod", ".metadata.generation")()
	g.Eventually(w.field(t, "airflowinstance/prod", ".status.observedGeneration"), patience).Should(Equal(generation))
}

// role is the policy's role of this moment.
func (w *world) role(t *testing.T) string {
	t.Helper()
	return w.field(t, "dagaccesspolicy/finance", ".status.instances[0].role")()
}

// ours are the names of the managed roles in Airflow, others all other names.
func (w *world) roles(t *testing.T) (ours, others []string) {
	t.Helper()
	var list struct {
		Roles []struct {
			Name string `json:"name"`
		} `json:"roles"`
	}
	NewWithT(t).Expect(w.Airflow.AsAdmin(t.Context(), http.MethodGet, rolesAPI+"?limit=100", nil, &list)).To(Succeed())
	for _, role := range list.Roles {
		switch {
		case strings.HasPrefix(role.Name, "oam.claim~"): // stays as long as the instance
		case strings.HasPrefix(role.Name, "oam."):
			ours = append(ours, role.Name)
		default:
			others = append(others, role.Name)
		}
	}
	return ours, others
}

// callTime is how long a call on users takes at this moment, the slowest of some: 20 ms on an idle Airflow 3.3, 200 ms on
// 3.2, seconds where the machine is busy.
func (w *world) callTime(t *testing.T) time.Duration {
	t.Helper()
	g, slowest := NewWithT(t), time.Duration(0)
	token, err := w.Airflow.Token(t.Context(), w.Airflow.AdminUsername, w.Airflow.AdminPassword)
	g.Expect(err).NotTo(HaveOccurred())
	for range 3 {
		began := time.Now()
		g.Expect(w.Airflow.Call(t.Context(), token, http.MethodGet, "/auth/fab/v1/users/bob", nil, nil)).To(Succeed())
		slowest = max(slowest, time.Since(began))
	}
	return slowest
}

type pair struct {
	Action   map[string]string `json:"action"`
	Resource map[string]string `json:"resource"`
}

func pairOf(action, resource string) pair {
	return pair{Action: map[string]string{"name": action}, Resource: map[string]string{"name": resource}}
}

// edit adds a pair to a role, as a person would.
func (w *world) edit(t *testing.T, role string, added pair) {
	t.Helper()
	w.change(t, role, func(stored *storedRole) { stored.Actions = append(stored.Actions, added) })
}

// storedRole is a role as Airflow tells it.
type storedRole struct {
	Name    string `json:"name"`
	Actions []pair `json:"actions"`
}

// holds says whether a role holds a right on a DAG.
func (w *world) holds(t *testing.T, role, dag string) bool {
	t.Helper()
	var stored storedRole
	NewWithT(t).Expect(w.Airflow.AsAdmin(t.Context(), http.MethodGet, rolesAPI+"/"+url.PathEscape(role), nil, &stored)).To(Succeed())
	return slices.ContainsFunc(stored.Actions, func(p pair) bool { return p.Resource["name"] == "DAG:"+dag })
}

// importErrors are the ends of the errors that Airflow shows for files of DAGs.
func (w *world) importErrors(t *testing.T) string {
	t.Helper()
	var list struct {
		Errors []struct {
			Trace string `json:"stack_trace"`
		} `json:"import_errors"`
	}
	path := strings.TrimSuffix(w.Airflow.DAGPath("x"), "/dags/x") + "/importErrors"
	NewWithT(t).Expect(w.Airflow.AsAdmin(t.Context(), http.MethodGet, path, nil, &list)).To(Succeed())
	var ends []string
	for _, one := range list.Errors {
		trace := strings.TrimSpace(one.Trace)
		ends = append(ends, trace[strings.LastIndex(trace, "\n")+1:])
	}
	return strings.Join(ends, "; ")
}

// change edits a role by hand.
func (w *world) change(t *testing.T, role string, edit func(*storedRole)) {
	t.Helper()
	g, path := NewWithT(t), rolesAPI+"/"+url.PathEscape(role)
	var stored storedRole
	g.Expect(w.Airflow.AsAdmin(t.Context(), http.MethodGet, path, nil, &stored)).To(Succeed())
	edit(&stored)
	g.Expect(w.Airflow.AsAdmin(t.Context(), http.MethodPatch, path, stored, nil)).To(Succeed())
}

// rolesOf are the names of a person's roles, sorted.
func (w *world) rolesOf(t *testing.T, person string) []string {
	t.Helper()
	var user struct {
		Roles []struct {
			Name string `json:"name"`
		} `json:"roles"`
	}
	NewWithT(t).Expect(w.Airflow.AsAdmin(t.Context(), http.MethodGet, "/auth/fab/v1/users/"+person, nil, &user)).To(Succeed())
	var names []string
	for _, role := range user.Roles {
		names = append(names, role.Name)
	}
	slices.Sort(names)
	return names
}
