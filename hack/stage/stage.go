// Package stage puts up everything that the demo and the end-to-end tests need: a real Kubernetes control plane, a real
// Airflow, and the operator as a process that holds nothing but the token of its service account.
package stage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/airflow-oam/airflow-oam/hack/airflow/server"
	"github.com/airflow-oam/airflow-oam/test/controlplane"
)

const (
	operatorNamespace = "airflow-oam-system"
	operatorAccount   = "airflow-oam"
	stopLimit         = 20 * time.Second
)

// Options say what to put up.
type Options struct {
	// Home is a folder for logs and for Airflow's database.
	Home string
	// Version is Airflow's, one of server.Releases; empty means the newest.
	Version string
	// AuthManager is Airflow's; empty means server.FAB.
	AuthManager server.AuthManager
	// CacheTTL is Airflow's [fab] cache_ttl.
	CacheTTL time.Duration
	// NoScheduler leaves Airflow's scheduler out: DAGs are listed, no task runs.
	NoScheduler bool
	// Progress receives lines for people; nil means none.
	Progress io.Writer
	// OperatorFlags are added to the operator's command line.
	OperatorFlags []string
}

// Stage is what was put up.
type Stage struct {
	// Config is the administrator's access to the API server, Kubeconfig a file with it.
	Config     *rest.Config
	Kubeconfig string
	// Airflow is the server.
	Airflow *server.Server
	// Account is the operator's in Airflow; nobody else uses it. It is the administrator's where the auth manager has no
	// roles.
	Account server.User
	// OperatorLog is the file that the operator writes its log to.
	OperatorLog string

	options  Options
	people   controlplane.People
	assets   string
	root     string
	endPlane func() error
	operator *exec.Cmd
	done     chan error
	once     sync.Once
	err      error
}

// Start puts everything up. What was started is stopped again when a part fails. The caller calls Stop.
func Start(ctx context.Context, o Options) (s *Stage, err error) {
	s = &Stage{options: o, OperatorLog: filepath.Join(o.Home, "operator.log"), Kubeconfig: filepath.Join(o.Home, "kubeconfig")}
	if err := os.MkdirAll(o.Home, 0o700); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
		}
	}()
	if s.root, err = controlplane.Root(); err != nil {
		return s, err
	}
	if s.assets, err = controlplane.Assets(); err != nil {
		return s, err
	}
	// Airflow takes longest, and does not need the others.
	airflow := make(chan error, 1)
	go func() { airflow <- s.startAirflow(ctx) }()
	planeErr := s.startPlane(ctx)
	if err := errors.Join(<-airflow, planeErr); err != nil {
		return s, err
	}
	return s, s.StartOperator(ctx)
}

func (s *Stage) say(format string, arguments ...any) {
	if s.options.Progress != nil {
		fmt.Fprintf(s.options.Progress, format+"\n", arguments...)
	}
}

func (s *Stage) startAirflow(ctx context.Context) error {
	o := s.options
	var err error
	s.Airflow, err = server.Start(ctx, server.Options{
		Home: filepath.Join(o.Home, "airflow"), Version: o.Version, AuthManager: o.AuthManager,
		CacheTTL: o.CacheTTL, NoScheduler: o.NoScheduler, Log: o.Progress,
	})
	if err != nil {
		return err
	}
	if o.AuthManager == server.Simple {
		s.Account = server.User{Username: s.Airflow.AdminUsername, Password: s.Airflow.AdminPassword}
		return nil
	}
	s.Account, err = CreateAccount(ctx, s.Airflow)
	return err
}

func (s *Stage) startPlane(ctx context.Context) error {
	var err error
	if s.Config, s.endPlane, err = controlplane.Launch(controlplane.WithAdmission(), controlplane.WithPeople(&s.people)); err != nil {
		return err
	}
	file, err := controlplane.Kubeconfig(s.Config)
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.Kubeconfig, file, 0o600); err != nil {
		return err
	}
	s.say("control plane ready: kube-apiserver and etcd")
	if _, err := s.Kubectl(ctx, nil, "create", "namespace", operatorNamespace); err != nil {
		return err
	}
	_, err = s.Kubectl(ctx, nil, "apply", "-k", filepath.Join(s.root, "config", "rbac"))
	return err
}

// CreateInstanceNamespace creates a namespace in which the operator may read Secrets by name.
func (s *Stage) CreateInstanceNamespace(ctx context.Context, namespace string) error {
	if _, err := s.Kubectl(ctx, nil, "create", "namespace", namespace); err != nil {
		return err
	}
	role, err := os.ReadFile(filepath.Join(s.root, "config", "rbac", "secrets.yaml"))
	if err != nil {
		return err
	}
	// The Role and its binding move to the namespace; the account that is bound stays where it is.
	moved := strings.ReplaceAll(string(role), "\n  namespace: "+operatorNamespace+"\n", "\n  namespace: "+namespace+"\n")
	moved = strings.Replace(moved, "  name: airflow-oam\n  namespace: "+namespace+"\n", "  name: airflow-oam\n  namespace: "+operatorNamespace+"\n", 1)
	_, err = s.Kubectl(ctx, strings.NewReader(moved), "apply", "-f", "-")
	return err
}

// LetRequest lets groups request access and vote in a namespace, with the role of config/people.
func (s *Stage) LetRequest(ctx context.Context, namespace string, groups ...string) error {
	if _, err := s.Kubectl(ctx, nil, "apply", "-k", filepath.Join(s.root, "config", "people")); err != nil {
		return err
	}
	arguments := []string{"create", "rolebinding", "access-requests", "-n", namespace, "--clusterrole=airflow-oam-requester"}
	for _, group := range groups {
		arguments = append(arguments, "--group="+group)
	}
	_, err := s.Kubectl(ctx, nil, arguments...)
	return err
}

// CreateSecret creates the Secret with the operator's account in Airflow. It is made from files: no password stands in
// an argument of a process.
func (s *Stage) CreateSecret(ctx context.Context, namespace, name string) error {
	folder, err := os.MkdirTemp(s.options.Home, "secret-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	for key, value := range map[string]string{"username": s.Account.Username, "password": s.Account.Password, "url": s.Airflow.URL} {
		if err := os.WriteFile(filepath.Join(folder, key), []byte(value), 0o600); err != nil {
			return err
		}
	}
	_, err = s.Kubectl(ctx, nil, "create", "secret", "generic", name, "-n", namespace, "--from-file="+folder)
	return err
}

// Person makes a user of the cluster and returns a kubeconfig file with the user's certificate.
func (s *Stage) Person(name string, groups ...string) (kubeconfig string, err error) {
	config, err := s.people.Add(name, groups...)
	if err != nil {
		return "", err
	}
	file, err := controlplane.Kubeconfig(config)
	if err != nil {
		return "", err
	}
	path := filepath.Join(s.options.Home, name+".kubeconfig")
	return path, os.WriteFile(path, file, 0o600)
}

// BuildPlugin builds the plugin of kubectl, so that As finds it.
func (s *Stage) BuildPlugin(ctx context.Context) error {
	build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(s.options.Home, "kubectl-airflow_access"), "./cmd/kubectl-airflow_access")
	build.Dir = s.root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the plugin: %w: %s", err, out)
	}
	return nil
}

// Kubectl runs kubectl as the administrator and returns what it printed.
func (s *Stage) Kubectl(ctx context.Context, input io.Reader, arguments ...string) (string, error) {
	return s.As(ctx, s.Kubeconfig, input, arguments...)
}

// As runs kubectl as the user of a kubeconfig file and returns what it printed.
func (s *Stage) As(ctx context.Context, kubeconfig string, input io.Reader, arguments ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(s.assets, "kubectl"), arguments...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "PATH="+s.options.Home+string(os.PathListSeparator)+os.Getenv("PATH"))
	var out, problems bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = input, &out, &problems
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(arguments, " "), err, strings.TrimSpace(problems.String()))
	}
	return out.String(), nil
}

// KubectlPath is the kubectl of this stage, for people.
func (s *Stage) KubectlPath() string { return filepath.Join(s.assets, "kubectl") }

// Apply applies YAML, with ${NAME} replaced by values.
func (s *Stage) Apply(ctx context.Context, yaml string, values map[string]string) error {
	filled := os.Expand(yaml, func(name string) string { return values[name] })
	_, err := s.Kubectl(ctx, strings.NewReader(filled), "apply", "--server-side", "-f", "-")
	return err
}

// StartOperator builds the operator and runs it with the token of its service account.
func (s *Stage) StartOperator(ctx context.Context) error {
	program := filepath.Join(s.options.Home, "airflow-oam")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, ".")
	build.Dir = s.root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the operator: %w: %s", err, out)
	}
	kubeconfig, err := s.operatorKubeconfig(ctx)
	if err != nil {
		return err
	}
	address, err := url.Parse(s.Airflow.URL)
	if err != nil {
		return err
	}
	probe, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(s.OperatorLog, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(program, append([]string{
		"--kubeconfig=" + kubeconfig, "--log-format=text", "--metrics-bind-address=0", "--health-probe-bind-address=" + probe,
		"--allow-http-host=" + address.Host, "--allow-address=127.0.0.0/8",
	}, s.options.OperatorFlags...)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.operator, s.done = cmd, make(chan error, 1)
	go func() { s.done <- cmd.Wait() }()
	if err := s.waitReady(ctx, "http://"+probe+"/readyz"); err != nil {
		return fmt.Errorf("%w; its log is %s", err, s.OperatorLog)
	}
	s.say("operator ready")
	return nil
}

// StopOperator ends the operator; kill does so without warning, as a crash would.
func (s *Stage) StopOperator(kill bool) error {
	if s.operator == nil {
		return nil
	}
	signal := os.Signal(syscall.SIGTERM)
	if kill {
		signal = syscall.SIGKILL
	}
	if err := s.operator.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case err := <-s.done:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			return err
		}
	case <-time.After(stopLimit):
		return errors.Join(errors.New("the operator did not end in time"), s.operator.Process.Kill(), <-s.done)
	}
	s.operator = nil
	return nil
}

// operatorKubeconfig writes a kubeconfig file that holds the token of the operator's service account and no more.
func (s *Stage) operatorKubeconfig(ctx context.Context) (string, error) {
	clients, err := kubernetes.NewForConfig(s.Config)
	if err != nil {
		return "", err
	}
	seconds := int64((12 * time.Hour).Seconds())
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	token, err := clients.CoreV1().ServiceAccounts(operatorNamespace).CreateToken(ctx, operatorAccount, request, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("token of the operator's service account: %w", err)
	}
	config := rest.AnonymousClientConfig(s.Config)
	config.BearerToken = token.Status.Token
	file, err := controlplane.Kubeconfig(config)
	if err != nil {
		return "", err
	}
	path := filepath.Join(s.options.Home, "operator.kubeconfig")
	return path, os.WriteFile(path, file, 0o600)
}

func (s *Stage) waitReady(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
		if err != nil {
			return err
		}
		client := http.Client{Timeout: time.Second}
		if answer, err := client.Do(request); err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case err := <-s.done:
			s.operator = nil
			return fmt.Errorf("the operator ended: %w", err)
		case <-ctx.Done():
			return errors.New("the operator did not become ready")
		case <-tick.C:
		}
	}
}

// Stop ends everything that was started. It may be called twice.
func (s *Stage) Stop() error {
	s.once.Do(func() {
		s.err = s.StopOperator(false)
		if s.Airflow != nil {
			s.err = errors.Join(s.err, s.Airflow.Stop())
		}
		if s.endPlane != nil {
			s.err = errors.Join(s.err, s.endPlane())
		}
	})
	return s.err
}

func freeAddress(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String(), nil
}
