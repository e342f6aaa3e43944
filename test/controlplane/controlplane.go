// Package controlplane starts a real kube-apiserver and etcd for tests, with the kinds of this project installed. It
// has no controllers of its own: no garbage collector, no namespace controller, no scheduler.
package controlplane

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// Operator is the user name of the operator's service account, as config/admission has it.
const Operator = "system:serviceaccount:airflow-oam-system:airflow-oam"

// TB is the part of a test that Start needs: *testing.T, *testing.B and ginkgo.GinkgoT() have it.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
	Cleanup(func())
}

// Option changes what is started.
type Option func(*settings)

// People makes users of a control plane.
type People struct{ environment *envtest.Environment }

// Add returns the configuration of a user who shows a certificate with this name and these groups.
func (p *People) Add(name string, groups ...string) (*rest.Config, error) {
	user, err := p.environment.AddUser(envtest.User{Name: name, Groups: groups}, nil)
	if err != nil {
		return nil, fmt.Errorf("make the user %s: %w", name, err)
	}
	return user.Config(), nil
}

// WithPeople lets people make users of what is started.
func WithPeople(people *People) Option { return func(s *settings) { s.people = people } }

type settings struct {
	people    *People
	crds      bool
	admission bool
	flags     map[string][]string
}

// WithAdmission also installs the policies of config/admission and waits until they are at work. From then on only
// AsOperator may write status.
func WithAdmission() Option { return func(s *settings) { s.admission = true } }

// WithoutCRDs leaves the kinds out, for tests that install them in another way.
func WithoutCRDs() Option { return func(s *settings) { s.crds = false } }

// WithFlag gives kube-apiserver another flag; name is written without dashes.
func WithFlag(name string, values ...string) Option {
	return func(s *settings) { s.flags[name] = append(s.flags[name], values...) }
}

// Start starts a control plane and returns the configuration of its administrator and what stops it. It is stopped at
// the end of the test in any case, stop is for those who want it earlier and may be called twice. A failure ends the test.
func Start(t TB, options ...Option) (config *rest.Config, stop func()) {
	t.Helper()
	config, end, err := Launch(options...)
	if err != nil {
		t.Fatalf("control plane: %v", err)
	}
	stop = func() {
		if err := end(); err != nil {
			t.Errorf("stop the control plane: %v", err)
		}
	}
	t.Cleanup(stop)
	return config, stop
}

// Launch is Start for TestMain and programs, which have no test at hand. The caller stops what it started; end may be
// called more than once.
func Launch(options ...Option) (config *rest.Config, end func() error, err error) {
	wanted := settings{crds: true, flags: map[string][]string{}}
	for _, option := range options {
		option(&wanted)
	}
	root, err := Root()
	if err != nil {
		return nil, nil, err
	}
	assets, err := Assets()
	if err != nil {
		return nil, nil, err
	}
	environment := &envtest.Environment{
		BinaryAssetsDirectory:    assets,
		ControlPlaneStartTimeout: 2 * time.Minute,
		ControlPlaneStopTimeout:  time.Minute,
	}
	if wanted.crds {
		environment.CRDDirectoryPaths = []string{filepath.Join(root, "config", "crd", "bases")}
		environment.ErrorIfCRDPathMissing = true
	}
	for name, values := range wanted.flags {
		environment.ControlPlane.GetAPIServer().Configure().Set(name, values...)
	}
	if wanted.people != nil {
		wanted.people.environment = environment
	}
	end = sync.OnceValue(environment.Stop)
	if err := collectSeldom(); err != nil {
		return nil, nil, err
	}
	config, err = environment.Start()
	if err == nil && wanted.admission {
		err = installAdmission(config, root)
	}
	if err != nil {
		return nil, nil, errors.Join(err, end())
	}
	return config, end, nil
}

// collectSeldom lets the processes that are started collect garbage when there is four times as much of it as of use, not
// as much: otherwise collecting is most of what a kube-apiserver does under tests. Takes up to 3 GiB in long runs.
func collectSeldom() error {
	const name = "GOGC"
	if _, chosen := os.LookupEnv(name); chosen {
		return nil
	}
	return os.Setenv(name, "400") // too late for this process, which read it at its start
}

// As returns the configuration of another user, by impersonation: config must belong to an administrator. Every
// authenticated user is in system:authenticated besides the groups given.
func As(config *rest.Config, user string, groups ...string) *rest.Config {
	other := rest.CopyConfig(config)
	other.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: append([]string{"system:authenticated"}, groups...)}
	return other
}

// AsOperator returns the configuration of the operator's service account with the rights of an administrator, for
// tests that want to write status under WithAdmission and do not look at RBAC.
func AsOperator(config *rest.Config) *rest.Config {
	return As(config, Operator, "system:serviceaccounts", "system:masters")
}

// Kubeconfig returns a kubeconfig file for config: its certificates, its token and its impersonation.
func Kubeconfig(config *rest.Config) ([]byte, error) {
	const name = "test"
	file := clientcmdapi.NewConfig()
	file.Clusters[name] = &clientcmdapi.Cluster{
		Server:                   config.Host,
		CertificateAuthorityData: config.CAData,
	}
	file.AuthInfos[name] = &clientcmdapi.AuthInfo{
		ClientCertificateData: config.CertData,
		ClientKeyData:         config.KeyData,
		Token:                 config.BearerToken,
		Impersonate:           config.Impersonate.UserName,
		ImpersonateGroups:     config.Impersonate.Groups,
	}
	file.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	file.CurrentContext = name
	written, err := clientcmd.Write(*file)
	if err != nil {
		return nil, fmt.Errorf("write a kubeconfig: %w", err)
	}
	return written, nil
}

// Assets is the folder that holds etcd, kube-apiserver and kubectl: KUBEBUILDER_ASSETS where that is set, else the
// one that `make controlplane` fills. The error says what to do when a program is missing.
func Assets() (string, error) {
	folder := os.Getenv("KUBEBUILDER_ASSETS")
	remedy := "add it, or unset KUBEBUILDER_ASSETS and run `make controlplane`"
	if folder == "" {
		cache := os.Getenv("AIRFLOW_OAM_CACHE")
		if cache == "" {
			root, err := Root()
			if err != nil {
				return "", err
			}
			cache = filepath.Join(root, ".cache")
		}
		folder, remedy = filepath.Join(cache, "controlplane"), "run `make controlplane`"
	}
	for _, name := range []string{"etcd", "kube-apiserver", "kubectl"} {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			return "", fmt.Errorf("%s is not in %s: %s: %w", name, folder, remedy, err)
		}
	}
	return folder, nil
}

// moduleLine begins the go.mod at the top of the repository; side modules have others.
const moduleLine = "module github.com/airflow-oam/airflow-oam\n"

// Root is the top folder of the repository, found from the working directory of the test.
func Root() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the working directory: %w", err)
	}
	for folder := start; ; folder = filepath.Dir(folder) {
		if content, err := os.ReadFile(filepath.Join(folder, "go.mod")); err == nil && bytes.HasPrefix(content, []byte(moduleLine)) {
			return folder, nil
		}
		if folder == filepath.Dir(folder) {
			return "", fmt.Errorf("the repository's go.mod is not in %s or above it: %w", start, os.ErrNotExist)
		}
	}
}
