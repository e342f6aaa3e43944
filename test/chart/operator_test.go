package chart

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
	"github.com/airflow-oam/airflow-oam/test/controlplane"
)

// patience is how long the operator may take for one step; it takes a second or two on an idle machine.
const patience = time.Minute

// auditPolicy makes the API server write down what service accounts ask and what they are answered.
const auditPolicy = `
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- {level: Metadata, userGroups: ["system:serviceaccounts"]}
- {level: None}
`

func TestOperatorWorksWithTheRightsOfTheChart(t *testing.T) {
	audit := filepath.Join(t.TempDir(), "audit.log")
	config, _ := controlplane.Start(t, controlplane.WithoutCRDs(),
		controlplane.WithFlag("audit-policy-file", written(t, "policy.yaml", auditPolicy)), controlplane.WithFlag("audit-log-path", audit))
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	admin, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	sim := airflowtest.Start(t, airflowtest.Options{})
	for _, name := range []string{"alice", "bob", "carol"} {
		sim.AddUser(airflowtest.User{Username: name, Roles: []string{"Public"}})
	}
	for _, id := range []string{"finance_daily", "finance_weekly", "finance_payroll"} {
		sim.SetDag(airflowtest.Dag{ID: id})
	}

	prepare(t, admin)
	all := objects(t, fmt.Sprintf(`{instanceNamespaces: [data-platform], allowHTTPHosts: [%q], allowAddresses: [127.0.0.0/8]}`,
		strings.TrimPrefix(sim.URL, "http://")))
	apply(t, admin, all)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := controlplane.WaitForAdmission(ctx, admin); err != nil {
		t.Fatal(err)
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "airflow-oam", Namespace: releaseNamespace}}
	token := &authenticationv1.TokenRequest{}
	if err := admin.SubResource("token").Create(ctx, account, token); err != nil {
		t.Fatal(err)
	}
	limited := rest.AnonymousClientConfig(config)
	limited.BearerToken = token.Status.Token

	arguments := pick[appsv1.Deployment](t, all, "Deployment")[0].Spec.Template.Spec.Containers[0].Args
	old := endedLongAgo(t, admin, limited, scheme)
	stray := outside(t, admin, sim)
	operator := start(t, limited, arguments)
	useAirflow(t, admin, sim)
	eventually(t, admin, old, "grant that ended long ago is gone", func() bool { return old.UID == "" })
	isNotServed(t, admin, stray)
	leader := holder(t, admin)
	next := start(t, limited, arguments)
	waitsInSilence(t, admin, sim, operator, next)
	operator.stop(t)
	samplesWork(t, admin, sim)
	if now := holder(t, admin); leader == "" || now == "" || now == leader {
		t.Errorf("the Lease went from %q to %q, want to the operator that waited", leader, now)
	}
	next.stop(t)

	secretsAreOutOfReach(t, limited, scheme)
	nothingWasForbidden(t, audit)
	if strings.Contains(operator.said()+next.said(), airflowtest.AdminPassword) {
		t.Error("the operator's log holds the password")
	}
}

// holder says which process holds the operator's Lease.
func holder(t *testing.T, admin client.Client) string {
	t.Helper()
	lease := &coordinationv1.Lease{}
	if err := admin.Get(t.Context(), client.ObjectKey{Namespace: releaseNamespace, Name: "airflow-oam.access.airflow-oam.dev"}, lease); err != nil {
		t.Fatal(err)
	}
	return ptr.Deref(lease.Spec.HolderIdentity, "")
}

// useAirflow has alice hold access and bob get it for a while, and takes everything away again.
func useAirflow(t *testing.T, admin client.Client, sim *airflowtest.Server) {
	t.Helper()
	const namespace = "data-platform"
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "airflow-oam", Namespace: namespace},
		StringData: map[string]string{"username": airflowtest.AdminUsername, "password": airflowtest.AdminPassword, "url": sim.URL},
	}
	instance := &v1alpha1.AirflowInstance{
		ObjectMeta: metav1.ObjectMeta{Name: "prod", Namespace: namespace},
		Spec: v1alpha1.AirflowInstanceSpec{
			URL: sim.URL, Credentials: v1alpha1.Credentials{SecretRef: v1alpha1.SecretReference{Name: secret.Name}},
			PermissionCacheTTL: &metav1.Duration{},
		},
	}
	policy := &v1alpha1.DagAccessPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "finance-operators", Namespace: namespace},
		Spec: v1alpha1.DagAccessPolicySpec{
			InstanceRef: v1alpha1.InstanceReference{Name: instance.Name},
			Dags:        []v1alpha1.DagSelector{{IDs: []string{"finance_*"}}},
			Access:      []v1alpha1.AccessLevel{v1alpha1.AccessTrigger},
			Members:     []v1alpha1.Subject{{Username: "alice"}},
			Grants: &v1alpha1.GrantTerms{
				From: v1alpha1.GrantsFromSelector, NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": "default"}},
				MaxDuration: metav1.Duration{Duration: time.Hour},
			},
		},
	}
	grant := &v1alpha1.AccessGrant{
		ObjectMeta: metav1.ObjectMeta{Name: "bob", Namespace: "default"}, // from another namespace: the operator reads its labels
		Spec: v1alpha1.AccessGrantSpec{
			PolicyRef: v1alpha1.PolicyReference{Name: policy.Name, Namespace: namespace},
			Subject:   v1alpha1.Subject{Username: "bob"}, Duration: &metav1.Duration{Duration: time.Hour},
		},
	}
	for _, object := range []client.Object{secret, instance, policy, grant} {
		if err := admin.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, admin, instance, "instance is Ready", func() bool { return meta.IsStatusConditionTrue(instance.Status.Conditions, "Ready") })
	eventually(t, admin, policy, "policy is Ready", func() bool { return meta.IsStatusConditionTrue(policy.Status.Conditions, "Ready") })
	eventually(t, admin, grant, "grant is Active", func() bool { return grant.Status.Phase == v1alpha1.GrantActive })
	for _, name := range []string{"alice", "bob"} {
		if !sim.AllowedLevel(name, string(v1alpha1.AccessTrigger), "finance_daily") {
			t.Errorf("%s may not trigger finance_daily", name)
		}
	}
	if err := admin.Get(t.Context(), client.ObjectKeyFromObject(grant), grant); err != nil {
		t.Fatal(err)
	}
	revoke := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"revoke":{"reason":"laptop lost"}}}`))
	if err := admin.Patch(t.Context(), grant, revoke); err != nil {
		t.Fatal(err)
	}
	eventually(t, admin, grant, "grant is Revoked", func() bool { return grant.Status.Phase == v1alpha1.GrantRevoked })
	for _, object := range []client.Object{grant, policy, instance} {
		remove(t, admin, object)
	}
	for _, name := range []string{"alice", "bob"} {
		if sim.AllowedLevel(name, string(v1alpha1.AccessTrigger), "finance_daily") {
			t.Errorf("%s may still trigger finance_daily", name)
		}
	}
}

// samplesWork applies config/samples, with the simulator's address and Secret, and looks at who may do what then.
func samplesWork(t *testing.T, admin client.Client, sim *airflowtest.Server) {
	t.Helper()
	root, err := controlplane.Root()
	if err != nil {
		t.Fatal(err)
	}
	samples := build(t, filepath.Join(root, "config", "samples"))
	for _, sample := range samples {
		if sample.GetKind() == "AirflowInstance" {
			spec := map[string]any{"url": sim.URL, "permissionCacheTTL": "0s", "credentials": sample.Object["spec"].(map[string]any)["credentials"]}
			sample.Object["spec"] = spec
		}
	}
	apply(t, admin, samples)
	var held []client.Object
	for _, grant := range pick[v1alpha1.AccessGrant](t, samples, "AccessGrant") {
		eventually(t, admin, &grant, grant.Name+" is Active", func() bool { return grant.Status.Phase == v1alpha1.GrantActive })
		held = append(held, &grant)
	}
	for _, want := range []struct {
		user, dag string
		level     v1alpha1.AccessLevel
		allowed   bool
	}{
		{"alice", "finance_weekly", v1alpha1.AccessTrigger, true},
		{"alice", "finance_payroll", v1alpha1.AccessView, false},
		{"bob", "finance_weekly", v1alpha1.AccessTrigger, true},
		{"bob", "finance_payroll", v1alpha1.AccessView, false},
		{"carol", "finance_daily", v1alpha1.AccessViewLogs, true},
		{"carol", "finance_daily", v1alpha1.AccessTrigger, false},
		{"carol", "finance_weekly", v1alpha1.AccessView, false},
	} {
		if got := sim.AllowedLevel(want.user, string(want.level), want.dag); got != want.allowed {
			t.Errorf("%s may %s %s: %t, want %t", want.user, want.level, want.dag, got, want.allowed)
		}
	}
	for _, grant := range held {
		remove(t, admin, grant)
	}
	for _, user := range []string{"bob", "carol"} {
		if sim.AllowedLevel(user, string(v1alpha1.AccessView), "finance_daily") {
			t.Errorf("%s may still see finance_daily", user)
		}
	}
}

// eventually reads an object again and again until it is as wanted. An object that is gone has no uid.
func eventually(t *testing.T, admin client.Client, object client.Object, wanted string, is func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		err := admin.Get(ctx, client.ObjectKeyFromObject(object), object)
		if apierrors.IsNotFound(err) {
			object.SetUID("")
			err = nil
		}
		return err == nil && is(), err
	})
	if err != nil {
		text, _ := json.MarshalIndent(object, "", "  ")
		t.Fatalf("waiting that %s: %v\n%s", wanted, err, text)
	}
}

// process is a running operator.
type process struct {
	command *exec.Cmd
	ended   chan error
	mu      sync.Mutex
	output  bytes.Buffer
}

// Write takes what the operator logs.
func (p *process) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.Write(text)
}

func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// start builds the operator and runs it with the arguments of the chart, but for its ports.
func start(t *testing.T, config *rest.Config, arguments []string) *process {
	t.Helper()
	root, err := controlplane.Root()
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "airflow-oam")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".")
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the operator: %v\n%s", err, output)
	}
	kubeconfig, err := controlplane.Kubeconfig(config)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{ended: make(chan error, 1)}
	// It is told to end by a signal, not by the end of the test's context, which would kill it.
	p.command = exec.CommandContext(context.WithoutCancel(t.Context()), binary, append(slices.Clone(arguments), "--metrics-bind-address=127.0.0.1:0", "--health-probe-bind-address=127.0.0.1:0")...)
	p.command.Env = append(os.Environ(), "KUBECONFIG="+written(t, "kubeconfig", string(kubeconfig)))
	p.command.Stdout, p.command.Stderr = p, p
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.ended <- p.command.Wait() }()
	t.Cleanup(func() {
		if p.command.ProcessState == nil {
			_ = p.command.Process.Kill()
			t.Logf("the operator was killed: %v", <-p.ended)
		}
		if t.Failed() {
			t.Logf("the operator said:\n%s", p.said())
		}
	})
	return p
}

// stop asks the operator to end, as a kubelet does.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGTERM)
	select {
	case err := <-p.ended:
		if err != nil {
			t.Errorf("the operator ended with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("the operator does not end")
	}
}

func (p *process) signal(t *testing.T, signal os.Signal) {
	t.Helper()
	if err := p.command.Process.Signal(signal); err != nil {
		t.Fatalf("the operator is not there any more: %v", err)
	}
}

func written(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// secretsAreOutOfReach proves what the operator may not: Secrets elsewhere, and lists of Secrets anywhere.
func secretsAreOutOfReach(t *testing.T, config *rest.Config, scheme *runtime.Scheme) {
	t.Helper()
	limited, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{}
	if err := limited.Get(t.Context(), client.ObjectKey{Namespace: "data-platform", Name: "airflow-oam"}, secret); err != nil {
		t.Errorf("get the Secret of an instance: %v", err)
	}
	for _, namespace := range []string{"default", releaseNamespace} {
		if err := limited.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "any"}, secret); !apierrors.IsForbidden(err) {
			t.Errorf("get a Secret in %s: %v, want Forbidden", namespace, err)
		}
	}
	for _, namespace := range []string{"", "data-platform"} {
		if err := limited.List(t.Context(), &corev1.SecretList{}, client.InNamespace(namespace)); !apierrors.IsForbidden(err) {
			t.Errorf("list Secrets in %q: %v, want Forbidden", namespace, err)
		}
	}
}

// auditedRequest is the part of a line of the audit log that is looked at.
type auditedRequest struct {
	Verb      string `json:"verb"`
	UserAgent string `json:"userAgent"`
	Object    struct {
		Resource string `json:"resource"`
	} `json:"objectRef"`
	ResponseStatus struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
}

// nothingWasForbidden reads the API server's audit log: whatever the operator asked it was allowed to. The requests of
// this test with the operator's token concern Secrets, which the operator asks for by name.
func nothingWasForbidden(t *testing.T, path string) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	asked := map[string]int{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var line auditedRequest
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(line.UserAgent, "airflow-oam") {
			continue
		}
		asked[line.Verb+" "+line.Object.Resource]++
		if slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden}, line.ResponseStatus.Code) {
			t.Errorf("the operator was refused: %s", lines.Text())
		}
	}
	for _, want := range []string{"get secrets", "watch airflowinstances", "watch dagaccesspolicies", "watch accessgrants", "delete accessgrants", "update leases"} {
		if asked[want] == 0 {
			t.Errorf("the audit log has no %s: %v", want, asked)
		}
	}
}
