// Package cli_test runs the compiled plugin against a real API server, as people with client certificates do.
package cli_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/test/controlplane"
)

func TestPlugin(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(30 * time.Second)
	SetDefaultEventuallyPollingInterval(25 * time.Millisecond)
	RunSpecs(t, "plugin")
}

const namespace = "data"

// The people of the suite, with their groups.
var people = map[string][]string{
	"alice@example.com":   {"data"},
	"bob@example.com":     {"finance-leads"},
	"mallory@example.com": nil,
}

var (
	plane           *rest.Config
	admin, operator client.Client
	plugin          string
	kubeconfigs     string
)

var _ = BeforeSuite(func(ctx SpecContext) {
	plane, _ = controlplane.Start(GinkgoT(), controlplane.WithAdmission())
	scheme := runtime.NewScheme()
	Expect(clientgoscheme.AddToScheme(scheme)).To(Succeed())
	Expect(v1alpha1.AddToScheme(scheme)).To(Succeed())
	var err error
	admin, err = client.New(plane, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	operator, err = client.New(controlplane.AsOperator(plane), client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	Expect(admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
	compile(ctx)
	permit(ctx)
	for name, groups := range people {
		file, err := controlplane.Kubeconfig(controlplane.As(plane, name, groups...))
		Expect(err).NotTo(HaveOccurred())
		config, err := clientcmd.Load(file)
		Expect(err).NotTo(HaveOccurred())
		config.Contexts[config.CurrentContext].Namespace = namespace
		Expect(clientcmd.WriteToFile(*config, filepath.Join(kubeconfigs, name))).To(Succeed())
	}
})

// compile makes the program of this checkout.
func compile(ctx context.Context) {
	GinkgoHelper()
	root, err := controlplane.Root()
	Expect(err).NotTo(HaveOccurred())
	kubeconfigs = GinkgoT().TempDir()
	plugin = filepath.Join(GinkgoT().TempDir(), "kubectl-airflow_access")
	build := exec.CommandContext(ctx, "go", "build", "-o", plugin, "./cmd/kubectl-airflow_access")
	build.Dir = root
	output, err := build.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "%s", output)
	Expect(os.Symlink(plugin, filepath.Join(filepath.Dir(plugin), "kubectl_complete-airflow_access"))).To(Succeed())
}

// permit gives everybody the rights that docs/plugin.md names for asking and voting, and for following it.
func permit(ctx context.Context) {
	GinkgoHelper()
	const group = "access.airflow-oam.dev"
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "people", Namespace: namespace}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{group}, Resources: []string{"accessrequests"}, Verbs: []string{"create", "get", "list", "watch", "patch"}},
		{APIGroups: []string{group}, Resources: []string{"dagaccesspolicies", "accessgrants", "airflowinstances"}, Verbs: []string{"get", "list"}},
	}}
	Expect(admin.Create(ctx, role)).To(Succeed())
	Expect(admin.Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "people", Namespace: namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "people"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "system:authenticated"}},
	})).To(Succeed())
}

// session is a plugin that runs.
type session struct {
	*exec.Cmd
	out, errs output
	ended     chan error
}

// output collects what a program prints while it runs.
type output struct {
	mutex sync.Mutex
	all   bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.all.Write(p)
}

func (o *output) String() string {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.all.String()
}

// start starts the plugin for a user.
func start(user string, args ...string) *session {
	GinkgoHelper()
	return launch(plugin, user, args...)
}

// launch starts a program for a user, with the plugin in the PATH.
func launch(program, user string, args ...string) *session {
	GinkgoHelper()
	s := &session{ended: make(chan error, 1)}
	s.Cmd = exec.CommandContext(context.Background(), program, args...) // it is interrupted, or ends
	s.Env = append(os.Environ(), "KUBECONFIG="+filepath.Join(kubeconfigs, user), "TZ=Europe/Berlin",
		"PATH="+filepath.Dir(plugin)+string(os.PathListSeparator)+os.Getenv("PATH"))
	s.Stdout, s.Stderr = &s.out, &s.errs
	Expect(s.Start()).To(Succeed())
	go func() { s.ended <- s.Wait() }()
	return s
}

// end waits for the end and returns the exit code.
func (s *session) end() int {
	GinkgoHelper()
	var err error
	Eventually(s.ended).Should(Receive(&err))
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		Fail(err.Error())
	}
	return s.ProcessState.ExitCode()
}

func (s *session) interrupt() { Expect(s.Process.Signal(syscall.SIGINT)).To(Succeed()) }

// run runs the plugin for a user and expects an exit code. It returns output and error output.
func run(user string, code int, args ...string) string {
	GinkgoHelper()
	return finish(start(user, args...), code)
}

// finish waits for the end of a program and expects an exit code. It returns output and error output.
func finish(s *session, code int) string {
	GinkgoHelper()
	Expect(s.end()).To(Equal(code), "%s: %s%s", strings.Join(s.Args, " "), &s.out, &s.errs)
	fmt.Fprintf(GinkgoWriter, "$ %s\n%s%s", strings.Join(s.Args, " "), &s.out, &s.errs)
	return s.out.String() + s.errs.String()
}

// policy is a policy that takes requests.
func policy(ctx context.Context, name string) {
	GinkgoHelper()
	Expect(admin.Create(ctx, &v1alpha1.DagAccessPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec: v1alpha1.DagAccessPolicySpec{
			InstanceRef: v1alpha1.InstanceReference{Name: "prod"},
			Dags:        []v1alpha1.DagSelector{{IDs: []string{name + "_*"}}},
			Access:      []v1alpha1.AccessLevel{v1alpha1.AccessView, v1alpha1.AccessTrigger},
			Grants: &v1alpha1.GrantTerms{
				MaxDuration: metav1.Duration{Duration: 8 * time.Hour},
				Requests: &v1alpha1.RequestTerms{
					Requesters: &v1alpha1.People{Groups: []string{"data"}},
					Approvers:  &v1alpha1.Approvers{Groups: []string{"finance-leads"}}, Approvals: new(int32(1)),
				},
			},
		},
	})).To(Succeed())
}

// only is the one request under a policy.
func only(ctx context.Context, policy string) *v1alpha1.AccessRequest {
	GinkgoHelper()
	found := &v1alpha1.AccessRequestList{}
	Expect(admin.List(ctx, found, client.InNamespace(namespace), client.MatchingFields{"spec.policyRef.name": policy})).To(Succeed())
	Expect(found.Items).To(HaveLen(1))
	return &found.Items[0]
}

// as changes the status of a request as the operator does.
func as(ctx context.Context, r *v1alpha1.AccessRequest, change func(*v1alpha1.AccessRequestStatus)) {
	GinkgoHelper()
	Expect(operator.Get(ctx, client.ObjectKeyFromObject(r), r)).To(Succeed())
	change(&r.Status)
	Expect(operator.Status().Update(ctx, r)).To(Succeed())
}

// admit stores terms as the operator does with a request that it admits.
func admit(ctx context.Context, r *v1alpha1.AccessRequest) {
	GinkgoHelper()
	as(ctx, r, func(s *v1alpha1.AccessRequestStatus) {
		s.Phase = v1alpha1.RequestPending
		s.Terms = &v1alpha1.RequestTermsPinned{
			PolicyUID: "uid", Subject: v1alpha1.Subject{Email: r.Spec.Requester}, Access: []v1alpha1.AccessLevel{v1alpha1.AccessView},
			Duration: metav1.Duration{Duration: time.Hour}, Approvals: 1, Approvers: v1alpha1.PinnedApprovers{Groups: []string{"finance-leads"}},
		}
		s.DecideBy = &metav1.Time{Time: time.Now().Add(4 * time.Hour)}
	})
}

// decide stores a decision as the operator does.
func decide(ctx context.Context, r *v1alpha1.AccessRequest, outcome v1alpha1.RequestPhase, reason, by string) {
	GinkgoHelper()
	as(ctx, r, func(s *v1alpha1.AccessRequestStatus) {
		s.Phase = outcome
		s.Decision = &v1alpha1.RequestDecision{Outcome: outcome, Reason: reason, By: []string{by}, At: metav1.Now()}
		if outcome == v1alpha1.RequestApproved {
			s.Given = 1
		}
	})
}
