package chart

import (
	"io"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"

	"github.com/airflow-oam/airflow-oam/internal/config"
	"github.com/airflow-oam/airflow-oam/internal/notify"
	"github.com/airflow-oam/airflow-oam/internal/options"
)

// TestOperatorTakesTheArgumentsOfTheChart gives the arguments that the chart renders to the operator's own command line.
func TestOperatorTakesTheArgumentsOfTheChart(t *testing.T) {
	for name, values := range map[string]string{
		"by default": "", "with everything": everything, "kept for an hour": "retention: 1h", "kept for hours and a bit": "retention: 26h5m30s",
		"kept for as long as can be said": "retention: 999999h59m59s", "without metrics": "metrics: {enabled: false}",
	} {
		arguments := pick[appsv1.Deployment](t, objects(t, values), "Deployment")[0].Spec.Template.Spec.Containers[0].Args
		if _, err := options.Parse(arguments, io.Discard); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSecurityContextsAreValues renders the pod for clusters that choose the user by themselves, as restricted-v2 of OpenShift does.
func TestSecurityContextsAreValues(t *testing.T) {
	pod := func(values string) corev1.PodSpec {
		return pick[appsv1.Deployment](t, objects(t, values), "Deployment")[0].Spec.Template.Spec
	}
	usual := pod("")
	if user := usual.SecurityContext.RunAsUser; user == nil || *user != 65532 {
		t.Errorf("by default the pod runs as %v, want 65532", user)
	}
	chosen := usual.SecurityContext.DeepCopy()
	chosen.RunAsUser = nil
	if diff := cmp.Diff(chosen, pod("podSecurityContext: {runAsUser: null}").SecurityContext); diff != "" {
		t.Errorf("the pod without a user of its own (-want +got):\n%s", diff)
	}
	if left := pod("podSecurityContext: null").SecurityContext; left != nil {
		t.Errorf("a pod without a context has %v", left)
	}
	container := pod("securityContext: {runAsGroup: 7, readOnlyRootFilesystem: true}").Containers[0].SecurityContext
	if container.RunAsGroup == nil || *container.RunAsGroup != 7 || container.Capabilities == nil {
		t.Errorf("the container has %v, want the value beside the defaults", container)
	}
}

// TestOperatorTakesTheConfigurationOfTheChart gives the ConfigMap that the chart renders to the operator's own reader, and looks for
// the files that it names in what is mounted.
func TestOperatorTakesTheConfigurationOfTheChart(t *testing.T) {
	all := objects(t, everything)
	file := pick[corev1.ConfigMap](t, all, "ConfigMap")[0]
	c, err := config.Parse([]byte(file.Data["config.yaml"]))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := notify.New(c, clock.RealClock{}, nil); err != nil {
		t.Fatal(err)
	}
	if len(c.Notifiers) != 2 || c.Notifiers[1].Timeout != 3*time.Second || c.ConsoleURL == "" {
		t.Errorf("the file says %+v", c)
	}
	pod := pick[appsv1.Deployment](t, all, "Deployment")[0].Spec.Template
	secrets := map[string]string{}
	for _, volume := range pod.Spec.Volumes {
		if volume.Secret != nil {
			secrets[volume.Name] = volume.Secret.SecretName
		}
	}
	mounted := map[string]string{}
	for _, mount := range pod.Spec.Containers[0].VolumeMounts {
		mounted[mount.MountPath] = secrets[mount.Name]
		if !mount.ReadOnly {
			t.Errorf("%s can be written to", mount.MountPath)
		}
	}
	for _, n := range c.Notifiers {
		if folder := path.Dir(n.URLFile); mounted[folder] != path.Base(folder) {
			t.Errorf("%s is not mounted: %v", n.URLFile, mounted)
		}
	}
	if !slices.Contains(pod.Spec.Containers[0].Args, "--config=/etc/airflow-oam/config/config.yaml") {
		t.Errorf("the arguments are %v", pod.Spec.Containers[0].Args)
	}
	changed := pick[appsv1.Deployment](t, objects(t, strings.Replace(everything, "timeout: 3s", "timeout: 4s", 1)), "Deployment")[0].Spec.Template
	if a, b := pod.Annotations["checksum/config"], changed.Annotations["checksum/config"]; a == "" || a == b {
		t.Errorf("the pods do not restart when the file changes: %q and %q", a, b)
	}
}

func TestBadValuesAreRefused(t *testing.T) {
	tests := map[string]struct{ values, want string }{
		"an unknown value":                     {"replica: 2", "additional properties 'replica' not allowed"},
		"an unknown value inside":              {"crds: {install: true}", "additional properties 'install' not allowed"},
		"a truth in words":                     {`crds: {keep: "no"}`, "/crds/keep"},
		"a namespace that is none":             {"instanceNamespaces: [Data_Platform]", "/instanceNamespaces/0"},
		"every namespace":                      {`instanceNamespaces: ["*"]`, "/instanceNamespaces/0"},
		"a namespace twice":                    {"instanceNamespaces: [a, a]", "/instanceNamespaces"},
		"a list as text":                       {"instanceNamespaces: a", "/instanceNamespaces"},
		"a host with a path":                   {"allowHTTPHosts: [airflow/x]", "/allowHTTPHosts/0"},
		"an address without a length":          {"allowAddresses: [127.0.0.1]", "/allowAddresses/0"},
		"an Airflow without scheme":            {"tokenAudiences: {airflow: airflow.example.com}", "/tokenAudiences/airflow"},
		"tokens in words":                      {`serviceAccount: {tokens: "no"}`, "/serviceAccount/tokens"},
		"a retention in days":                  {"retention: 30d", "/retention"},
		"a retention under an hour":            {"retention: 10m", "/retention"},
		"no retention":                         {"retention: 0h", "/retention"},
		"a negative retention":                 {"retention: -720h", "/retention"},
		"a retention without end":              {"retention: 9999999h", "/retention"},
		"a version of the configuration file":  {"config: {apiVersion: v1}", "/config"},
		"a Secret that is none":                {"notifierSecrets: [Notify]", "/notifierSecrets/0"},
		"no requests at once":                  {"airflowConcurrency: 0", "/airflowConcurrency"},
		"another log level":                    {"logLevel: trace", "/logLevel"},
		"another log format":                   {"logFormat: xml", "/logFormat"},
		"a digest that is none":                {"image: {digest: latest}", "/image/digest"},
		"another pull policy":                  {"image: {pullPolicy: Sometimes}", "/image/pullPolicy"},
		"no repository":                        {`image: {repository: ""}`, "/image/repository"},
		"a security context in words":          {"podSecurityContext: restricted", "/podSecurityContext"},
		"half a replica":                       {"replicas: 0.5", "/replicas"},
		"a port that is none":                  {"metrics: {port: 0}", "/metrics/port"},
		"no way out":                           {"networkPolicy: {egressPorts: []}", "/networkPolicy/egressPorts"},
		"two operators that do not elect":      {"{replicas: 2, leaderElect: false}", "more than one replica needs leaderElect"},
		"a ServiceMonitor without a Service":   {"metrics: {serviceMonitor: {enabled: true}}", "serviceMonitor needs metrics.enabled and metrics.service.enabled"},
		"somebody's ServiceAccount, not named": {"serviceAccount: {create: false}", "serviceAccount.name is needed"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := rendered(t, test.values)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error = %v, want one that says %q", err, test.want)
			}
		})
	}
}
