package chart

import (
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/airflow-oam/airflow-oam/internal/options"
	"github.com/airflow-oam/airflow-oam/test/controlplane"
)

// rules returns the rules of every role, by kind, namespace and name.
func rules(t *testing.T, all []*unstructured.Unstructured) map[string][]rbacv1.PolicyRule {
	t.Helper()
	found := map[string][]rbacv1.PolicyRule{}
	for _, role := range pick[rbacv1.ClusterRole](t, all, "ClusterRole") {
		found["ClusterRole "+role.Name] = role.Rules
	}
	for _, role := range pick[rbacv1.Role](t, all, "Role") {
		found["Role "+role.Namespace+"/"+role.Name] = role.Rules
	}
	return found
}

func TestNoRoleHoldsMoreThanItMust(t *testing.T) {
	for name, values := range map[string]string{"default": "", "everything": everything} {
		t.Run(name, func(t *testing.T) {
			for role, held := range rules(t, objects(t, values)) {
				for _, rule := range held {
					checkRule(t, role, rule)
				}
			}
		})
	}
}

func checkRule(t *testing.T, role string, rule rbacv1.PolicyRule) {
	t.Helper()
	words := slices.Concat(rule.APIGroups, rule.Resources, rule.ResourceNames, rule.Verbs, rule.NonResourceURLs)
	for _, word := range words {
		if strings.Contains(word, "*") {
			t.Errorf("%s has a wildcard: %v", role, rule)
		}
	}
	for _, verb := range []string{"escalate", "bind", "impersonate", "deletecollection", "force-finalize"} {
		if slices.Contains(rule.Verbs, verb) {
			t.Errorf("%s may %s: %v", role, verb, rule)
		}
	}
	if !slices.Contains(rule.Resources, "secrets") {
		return
	}
	if strings.HasPrefix(role, "ClusterRole") || !slices.Equal(rule.Verbs, []string{"get"}) {
		t.Errorf("%s may do more with Secrets than get them in one namespace: %v", role, rule)
	}
}

// TestOperatorHoldsTheseRightsAndNoOther lists what the operator may do in the whole cluster: of its kinds it creates grants
// alone, and patches objects for their finalizers.
func TestOperatorHoldsTheseRightsAndNoOther(t *testing.T) {
	want := map[string]string{
		"namespaces":       "get list watch",
		"airflowinstances": "get list patch watch", "airflowinstances/status": "patch",
		"dagaccesspolicies": "get list patch watch", "dagaccesspolicies/status": "patch",
		"accessgrants": "create delete get list patch watch", "accessgrants/status": "patch",
		"accessrequests": "get list patch watch", "accessrequests/status": "patch",
		"validatingadmissionpolicies": "get", "validatingadmissionpolicybindings": "get",
		"events": "create patch",
	}
	got := map[string]string{}
	for _, rule := range rules(t, objects(t, "{rbac: {exampleRoles: false}}"))["ClusterRole "+release] {
		for _, resource := range rule.Resources {
			got[resource] = strings.TrimSpace(got[resource] + " " + strings.Join(slices.Sorted(slices.Values(rule.Verbs)), " "))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rights in the cluster (-want +got):\n%s", diff)
	}
}

// TestTokensAreOfTheOperatorsOwnAccountOnly wants the right to create tokens to name one ServiceAccount, in the namespace of the
// release, and the operator to know it by the same name.
func TestTokensAreOfTheOperatorsOwnAccountOnly(t *testing.T) {
	for values, account := range map[string]string{"": release, everything: "oam", "serviceAccount: {tokens: false}": ""} {
		all := objects(t, values)
		var got []string
		for role, held := range rules(t, all) {
			for _, rule := range held {
				if slices.Contains(rule.Resources, "serviceaccounts/token") {
					got = append(got, role+" "+strings.Join(slices.Concat(rule.Verbs, rule.ResourceNames), " "))
				}
			}
		}
		var want []string
		if account != "" {
			want = []string{"Role " + releaseNamespace + "/" + release + "-token create " + account}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("rights to tokens (-want +got):\n%s", diff)
		}
		arguments := pick[appsv1.Deployment](t, all, "Deployment")[0].Spec.Template.Spec.Containers[0].Args
		if named := slices.Contains(arguments, "--service-account="+releaseNamespace+"/"+account); named != (account != "") {
			t.Errorf("the operator is told its account: %t; %q", named, arguments)
		}
	}
}

func TestSecretsAreReadInListedNamespacesOnly(t *testing.T) {
	tests := map[string]struct {
		values string
		want   []string
	}{
		"the release's own by default": {"", []string{releaseNamespace}},
		"those that are listed":        {"instanceNamespaces: [a, b]", []string{"a", "b"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			all := objects(t, test.values)
			var got []string
			for role, held := range rules(t, all) {
				if len(held) > 0 && slices.Contains(held[0].Resources, "secrets") {
					got = append(got, strings.Split(strings.TrimPrefix(role, "Role "), "/")[0])
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("namespaces with a right to Secrets (-want +got):\n%s", diff)
			}
			arguments := pick[appsv1.Deployment](t, all, "Deployment")[0].Spec.Template.Spec.Containers[0].Args
			if want := "--instance-namespaces=" + strings.Join(test.want, ","); !slices.Contains(arguments, want) {
				t.Errorf("arguments %q do not hold %q", arguments, want)
			}
		})
	}
}

func TestKustomizeAndChartInstallTheSame(t *testing.T) {
	built := kustomized(t)
	chart := objects(t, "{rbac: {exampleRoles: false}}")
	want := append(named(chart), "Namespace "+releaseNamespace)
	slices.Sort(want)
	if diff := cmp.Diff(want, named(built)); diff != "" {
		t.Errorf("objects (-chart +kustomize):\n%s", diff)
	}
	if diff := cmp.Diff(rules(t, chart), rules(t, built)); diff != "" {
		t.Errorf("rules (-chart +kustomize):\n%s", diff)
	}
	one := pick[appsv1.Deployment](t, chart, "Deployment")[0].Spec
	other := pick[appsv1.Deployment](t, built, "Deployment")[0].Spec
	if diff := cmp.Diff(commandLine(t, one), commandLine(t, other)); diff != "" {
		t.Errorf("command line (-chart +kustomize):\n%s", diff)
	}
	chartSays(t, &one)
	kustomizeSays(t, &other)
	if diff := cmp.Diff(one, other); diff != "" {
		t.Errorf("Deployment (-chart +kustomize):\n%s", diff)
	}
	for _, kind := range []string{"CustomResourceDefinition", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"} {
		if diff := cmp.Diff(specs(chart, kind), specs(built, kind)); diff != "" {
			t.Errorf("%s (-chart +kustomize):\n%s", kind, diff)
		}
	}
}

// commandLine is what the operator makes of the arguments of its container.
func commandLine(t *testing.T, deployment appsv1.DeploymentSpec) options.Options {
	t.Helper()
	var arguments []string
	for _, argument := range deployment.Template.Spec.Containers[0].Args {
		arguments = append(arguments, strings.ReplaceAll(argument, "$(POD_NAMESPACE)", releaseNamespace))
	}
	parsed, err := options.Parse(arguments, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// chartSays checks what the Deployment of the chart has and that of kustomize has not, and takes it out: what Kubernetes
// would take anyway, and labels that tell the release.
func chartSays(t *testing.T, deployment *appsv1.DeploymentSpec) {
	t.Helper()
	pod := &deployment.Template.Spec
	container := &pod.Containers[0]
	if seconds := pod.TerminationGracePeriodSeconds; seconds == nil || *seconds != corev1.DefaultTerminationGracePeriodSeconds {
		t.Errorf("the chart gives the pod %v to end, want what Kubernetes does", seconds)
	}
	if container.ImagePullPolicy != corev1.PullIfNotPresent {
		t.Errorf("the chart pulls the image %s, want what Kubernetes does with a tag", container.ImagePullPolicy)
	}
	for _, labels := range []map[string]string{deployment.Selector.MatchLabels, deployment.Template.Labels} {
		if labels["app.kubernetes.io/instance"] != release {
			t.Errorf("the labels do not tell the release: %v", labels)
		}
		maps.DeleteFunc(labels, func(key, _ string) bool { return key != "app.kubernetes.io/name" })
	}
	pod.TerminationGracePeriodSeconds, container.ImagePullPolicy, container.Args = nil, "", nil
}

// kustomizeSays checks what the Deployment of kustomize has and that of the chart has not, and takes it out: it learns its
// namespace from the pod, since kustomize does not change arguments.
func kustomizeSays(t *testing.T, deployment *appsv1.DeploymentSpec) {
	t.Helper()
	container := &deployment.Template.Spec.Containers[0]
	want := []corev1.EnvVar{{Name: "POD_NAMESPACE", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.namespace"}}}}
	if diff := cmp.Diff(want, container.Env); diff != "" {
		t.Errorf("environment of kustomize (-want +got):\n%s", diff)
	}
	container.Env, container.Args = nil, nil
}

// specs returns the specs of a kind by name.
func specs(all []*unstructured.Unstructured, kind string) map[string]any {
	found := map[string]any{}
	for _, object := range all {
		if object.GetKind() == kind {
			found[object.GetName()] = object.Object["spec"]
		}
	}
	return found
}

func TestPoliciesFollowTheNamespaceOfKustomize(t *testing.T) {
	built := kustomizedWith(t, "operator/kustomization.yaml", "namespace: airflow-oam-system", "namespace: elsewhere")
	for _, policy := range withOperator {
		text, err := yaml.Marshal(specs(built, "ValidatingAdmissionPolicy")["airflow-oam-"+policy])
		if err != nil {
			t.Fatal(err)
		}
		if want := "system:serviceaccount:elsewhere:airflow-oam"; !strings.Contains(string(text), want) {
			t.Errorf("the policy does not name %s:\n%s", want, text)
		}
	}
}

// TestKustomizeHasTheSameRolesForPeople compares config/people with the example roles of the chart.
func TestKustomizeHasTheSameRolesForPeople(t *testing.T) {
	root, err := controlplane.Root()
	if err != nil {
		t.Fatal(err)
	}
	held := func(all []*unstructured.Unstructured) map[string][]rbacv1.PolicyRule {
		found := map[string][]rbacv1.PolicyRule{}
		for _, role := range pick[rbacv1.ClusterRole](t, all, "ClusterRole") {
			if role.Name != release { // the operator's own
				found[role.Name] = role.Rules
			}
		}
		return found
	}
	if diff := cmp.Diff(held(objects(t, "")), held(build(t, filepath.Join(root, "config", "people")))); diff != "" {
		t.Errorf("roles (-chart +kustomize):\n%s", diff)
	}
}

// TestKustomizeAddsNamesOnDemand includes the component as its comment says.
func TestKustomizeAddsNamesOnDemand(t *testing.T) {
	built := kustomizedWith(t, "default/kustomization.yaml", "replacements:\n", "components: [../admission/names]\nreplacements:\n")
	if !slices.Contains(named(built), "MutatingAdmissionPolicy airflow-oam-identity") {
		t.Errorf("there is no such policy in %q", named(built))
	}
}

func TestKustomizeTakesAnotherImage(t *testing.T) {
	for _, test := range []struct{ before, after, want string }{
		{"newName: ghcr.io/airflow-oam/airflow-oam", "newName: registry.example.com:5000/oam", "registry.example.com:5000/oam:0.1.0"},
		{"newTag: 0.1.0", "newTag: v7", "ghcr.io/airflow-oam/airflow-oam:v7"},
	} {
		built := kustomizedWith(t, "manager/kustomization.yaml", test.before, test.after)
		if got := pick[appsv1.Deployment](t, built, "Deployment")[0].Spec.Template.Spec.Containers[0].Image; got != test.want {
			t.Errorf("%s: the image is %s, want %s", test.after, got, test.want)
		}
	}
}

// kustomizedWith builds config/default with one change of a file, as people make it.
func kustomizedWith(t *testing.T, file, before, after string) []*unstructured.Unstructured {
	t.Helper()
	root, err := controlplane.Root()
	if err != nil {
		t.Fatal(err)
	}
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(filepath.Join(root, "config"))); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(copied, filepath.FromSlash(file))
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(content), before) != 1 {
		t.Fatalf("%s does not hold %q once", file, before)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(content), before, after, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	return build(t, filepath.Join(copied, "default"))
}
