// Package chart renders the Helm chart with Helm's own library, applies it to a real API server, and runs the operator
// with the rights of the chart's ServiceAccount.
package chart

import (
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/airflow-oam/airflow-oam/test/controlplane"
)

const (
	release          = "airflow-oam"
	releaseNamespace = "airflow-oam-system"
)

// everything switches on whatever the chart has.
const everything = `
instanceNamespaces: [data-platform, airflow-oam-system]
allowHTTPHosts: ["airflow.internal:8080", other.internal]
allowAddresses: [127.0.0.0/8, "fe80::/10"]
tokenAudiences: {airflow: "https://airflow.example.com/team-a", "api://airflow": "https://other.example.com"}
allowPrivilegedPermissions: true
retention: 1440h
logLevel: debug
logFormat: text
config:
  consoleURL: https://access.example.com
  notifiers:
  - {name: team, type: Slack, urlFile: /etc/airflow-oam/secrets/airflow-oam-notify/slack, filter: "event.type.startsWith('request.')"}
  - {name: itsm, type: HTTP, urlFile: /etc/airflow-oam/secrets/itsm.events/url, timeout: 3s}
notifierSecrets: [airflow-oam-notify, itsm.events]
crds: {keep: false}
image: {digest: "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}
imagePullSecrets: [{name: registry}]
replicas: 2
serviceAccount: {name: oam, annotations: {a: b}}
rbac: {aggregateToAdmin: true}
metrics:
  service: {enabled: true, annotations: {a: b}}
  serviceMonitor: {enabled: true, labels: {prometheus: main}}
networkPolicy:
  enabled: true
  metricsFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
podDisruptionBudget: {enabled: true}
env: [{name: HTTPS_PROXY, value: "http://proxy:3128"}]
podAnnotations: {a: b}
podLabels: {team: data}
commonLabels: {cost: platform}
nodeSelector: {kubernetes.io/os: linux}
tolerations: [{operator: Exists}]
affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}}}
topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {a: b}}}]
priorityClassName: system-cluster-critical
`

// folder is where the chart is.
func folder(t *testing.T) string {
	t.Helper()
	root, err := controlplane.Root()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, "charts", "airflow-oam")
}

// rendered renders the chart with values in YAML and returns its files by their path in the chart.
func rendered(t *testing.T, values string) (map[string]string, error) {
	t.Helper()
	return renderedFor(t, values)
}

// renderedFor renders for an API server that serves more than Helm takes for granted.
func renderedFor(t *testing.T, values string, served ...string) (map[string]string, error) {
	t.Helper()
	loaded, err := loader.LoadDir(folder(t))
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]any{}
	if err := yaml.Unmarshal([]byte(values), &given); err != nil {
		t.Fatal(err)
	}
	options := common.ReleaseOptions{Name: release, Namespace: releaseNamespace, Revision: 1, IsInstall: true}
	capabilities := *common.DefaultCapabilities
	capabilities.APIVersions = append(slices.Clone(capabilities.APIVersions), served...)
	all, err := util.ToRenderValues(loaded, given, options, &capabilities)
	if err != nil {
		return nil, fmt.Errorf("values: %w", err)
	}
	files, err := engine.Render(loaded, all)
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	short := map[string]string{}
	for name, content := range files {
		short[strings.TrimPrefix(name, "airflow-oam/")] = content
	}
	return short, nil
}

// objects renders the chart and returns its objects, in a stable order.
func objects(t *testing.T, values string) []*unstructured.Unstructured {
	t.Helper()
	files, err := rendered(t, values)
	if err != nil {
		t.Fatal(err)
	}
	var all []*unstructured.Unstructured
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if path.Ext(name) != ".yaml" {
			continue
		}
		decoded, err := controlplane.Decode([]byte(files[name]))
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, files[name])
		}
		all = append(all, decoded...)
	}
	return all
}

// named says which objects there are: kind, namespace where there is one, and name.
func named(all []*unstructured.Unstructured) []string {
	var names []string
	for _, object := range all {
		names = append(names, object.GetKind()+" "+strings.Trim(object.GetNamespace()+"/"+object.GetName(), "/"))
	}
	slices.Sort(names)
	return names
}

// pick returns the objects of a kind as a typed value.
func pick[T any](t *testing.T, all []*unstructured.Unstructured, kind string) []T {
	t.Helper()
	var found []T
	for _, object := range all {
		if object.GetKind() != kind {
			continue
		}
		var typed T
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &typed); err != nil {
			t.Fatal(err)
		}
		found = append(found, typed)
	}
	if len(found) == 0 {
		t.Fatalf("no %s is rendered", kind)
	}
	return found
}

func TestObjectsOfTheChart(t *testing.T) {
	definitions := []string{
		"CustomResourceDefinition accessgrants.access.airflow-oam.dev",
		"CustomResourceDefinition accessrequests.access.airflow-oam.dev",
		"CustomResourceDefinition airflowinstances.access.airflow-oam.dev",
		"CustomResourceDefinition dagaccesspolicies.access.airflow-oam.dev",
	}
	standard := []string{
		"ClusterRole airflow-oam",
		"ClusterRole airflow-oam-grantor",
		"ClusterRole airflow-oam-policy-author",
		"ClusterRole airflow-oam-requester",
		"ClusterRole airflow-oam-viewer",
		"ClusterRoleBinding airflow-oam",
		"Deployment airflow-oam-system/airflow-oam",
		"Role airflow-oam-system/airflow-oam-leader-election",
		"Role airflow-oam-system/airflow-oam-secrets",
		"Role airflow-oam-system/airflow-oam-token",
		"RoleBinding airflow-oam-system/airflow-oam-leader-election",
		"RoleBinding airflow-oam-system/airflow-oam-secrets",
		"RoleBinding airflow-oam-system/airflow-oam-token",
		"ServiceAccount airflow-oam-system/airflow-oam",
		"ValidatingAdmissionPolicy airflow-oam-identity",
		"ValidatingAdmissionPolicy airflow-oam-operator-only",
		"ValidatingAdmissionPolicy airflow-oam-request-born",
		"ValidatingAdmissionPolicy airflow-oam-revoker",
		"ValidatingAdmissionPolicy airflow-oam-tracked-duration",
		"ValidatingAdmissionPolicyBinding airflow-oam-identity",
		"ValidatingAdmissionPolicyBinding airflow-oam-operator-only",
		"ValidatingAdmissionPolicyBinding airflow-oam-request-born",
		"ValidatingAdmissionPolicyBinding airflow-oam-revoker",
		"ValidatingAdmissionPolicyBinding airflow-oam-tracked-duration",
	}
	tests := map[string]struct {
		values string
		want   []string
	}{
		"by default":          {"", slices.Concat(definitions, standard)},
		"without definitions": {"crds: {enabled: false}", standard},
		"with as little as there can be": {
			"{crds: {enabled: false}, admission: {enabled: false}, rbac: {create: false, exampleRoles: false}, serviceAccount: {create: false, name: oam}, leaderElect: false}",
			[]string{"Deployment airflow-oam-system/airflow-oam"},
		},
		"with everything": {everything, slices.Concat(definitions, slices.DeleteFunc(slices.Clone(standard), func(name string) bool {
			return strings.HasPrefix(name, "ServiceAccount")
		}), []string{
			"ConfigMap airflow-oam-system/airflow-oam-config",
			"NetworkPolicy airflow-oam-system/airflow-oam",
			"PodDisruptionBudget airflow-oam-system/airflow-oam",
			"Role data-platform/airflow-oam-secrets",
			"RoleBinding data-platform/airflow-oam-secrets",
			"Service airflow-oam-system/airflow-oam-metrics",
			"ServiceAccount airflow-oam-system/oam",
			"ServiceMonitor airflow-oam-system/airflow-oam",
		})},
		"with another name": {"{fullnameOverride: oam, crds: {enabled: false}, rbac: {create: false, exampleRoles: false}}", []string{
			"Deployment airflow-oam-system/oam",
			"ServiceAccount airflow-oam-system/oam",
			"ValidatingAdmissionPolicy oam-identity",
			"ValidatingAdmissionPolicy oam-operator-only",
			"ValidatingAdmissionPolicy oam-request-born",
			"ValidatingAdmissionPolicy oam-revoker",
			"ValidatingAdmissionPolicy oam-tracked-duration",
			"ValidatingAdmissionPolicyBinding oam-identity",
			"ValidatingAdmissionPolicyBinding oam-operator-only",
			"ValidatingAdmissionPolicyBinding oam-request-born",
			"ValidatingAdmissionPolicyBinding oam-revoker",
			"ValidatingAdmissionPolicyBinding oam-tracked-duration",
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			slices.Sort(test.want)
			if diff := cmp.Diff(test.want, named(objects(t, test.values))); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDefinitionsAreKeptUnlessToldOtherwise(t *testing.T) {
	for values, want := range map[string]string{"": "keep", "crds: {keep: false}": ""} {
		for _, object := range objects(t, values) {
			if object.GetKind() == "CustomResourceDefinition" && object.GetAnnotations()["helm.sh/resource-policy"] != want {
				t.Errorf("values %q: %s has resource policy %q, want %q", values, object.GetName(), object.GetAnnotations()["helm.sh/resource-policy"], want)
			}
		}
	}
}

func TestEveryObjectTellsItsRelease(t *testing.T) {
	for _, object := range objects(t, everything) {
		labels := object.GetLabels()
		for key, want := range map[string]string{
			"app.kubernetes.io/name": "airflow-oam", "app.kubernetes.io/instance": release, "app.kubernetes.io/managed-by": "Helm", "cost": "platform",
		} {
			if labels[key] != want {
				t.Errorf("%s %s: label %s = %q, want %q", object.GetKind(), object.GetName(), key, labels[key], want)
			}
		}
	}
}

func TestPoliciesKnowTheServiceAccountOfTheRelease(t *testing.T) {
	files, err := rendered(t, "serviceAccount: {name: oam}")
	if err != nil {
		t.Fatal(err)
	}
	for _, policy := range withOperator {
		if file := files["templates/admission/"+policy+".yaml"]; !strings.Contains(file, "'system:serviceaccount:airflow-oam-system:oam'") {
			t.Errorf("the policy does not name the account of the release:\n%s", file)
		}
	}
}

// withOperator are the policies that except the operator's own account.
var withOperator = []string{"identity", "operator-only", "request-born", "revoker"}

func TestNamesAreAddedWhereTheAPIServerCan(t *testing.T) {
	const served, file = "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy", "templates/admission/map-identity.yaml"
	for name, test := range map[string]struct {
		values string
		served []string
		want   []string
	}{
		"an older API server":                    {"", nil, nil},
		"one that serves such policies":          {"", []string{served}, []string{"MutatingAdmissionPolicy airflow-oam-identity", "MutatingAdmissionPolicyBinding airflow-oam-identity"}},
		"one, without the policies of the chart": {"admission: {enabled: false}", []string{served}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			files, err := renderedFor(t, test.values, test.served...)
			if err != nil {
				t.Fatal(err)
			}
			all, err := controlplane.Decode([]byte(files[file]))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, named(all)); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
		})
	}
}

// TestOperatorKnowsThePolicyThatChecksNames compares the name of the policy with the operator's flag and with its right to
// get it.
func TestOperatorKnowsThePolicyThatChecksNames(t *testing.T) {
	for values, want := range map[string]string{"": "airflow-oam-identity", "fullnameOverride: oam": "oam-identity"} {
		all := objects(t, values)
		arguments := pick[appsv1.Deployment](t, all, "Deployment")[0].Spec.Template.Spec.Containers[0].Args
		if !slices.Contains(arguments, "--identity-policy="+want) {
			t.Errorf("arguments %q do not name %s", arguments, want)
		}
		for _, kind := range []string{"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"} {
			if !slices.Contains(named(all), kind+" "+want) {
				t.Errorf("there is no %s %s", kind, want)
			}
		}
		var got [][]string
		for _, held := range rules(t, all) {
			for _, rule := range held {
				if slices.Contains(rule.APIGroups, "admissionregistration.k8s.io") {
					got = append(got, slices.Concat(rule.Verbs, rule.ResourceNames))
				}
			}
		}
		if diff := cmp.Diff([][]string{{"get", want}}, got); diff != "" {
			t.Errorf("rights to admission policies (-want +got):\n%s", diff)
		}
	}
}

func TestNotesSayWhatComesNext(t *testing.T) {
	files, err := rendered(t, "{instanceNamespaces: [data-platform], crds: {keep: false}, admission: {enabled: false}}")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"kubectl create secret generic airflow-oam -n data-platform", "crds.keep is false", "admission.enabled is false"} {
		if !strings.Contains(files["templates/NOTES.txt"], want) {
			t.Errorf("the notes do not say %q:\n%s", want, files["templates/NOTES.txt"])
		}
	}
}

func TestHelmFindsNothingToComplainAbout(t *testing.T) {
	for name, values := range map[string]string{"default": "", "everything": everything} {
		given := map[string]any{}
		if err := yaml.Unmarshal([]byte(values), &given); err != nil {
			t.Fatal(err)
		}
		for _, message := range lint.RunAll(folder(t), given, releaseNamespace).Messages {
			if !strings.Contains(message.Error(), "icon is recommended") {
				t.Errorf("%s: %s", name, message.Error())
			}
		}
	}
}
