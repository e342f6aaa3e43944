package chart

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/test/controlplane"
)

// monitors is the kind of the Prometheus operator that the chart may use, as far as an API server needs it.
const monitors = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: servicemonitors.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  scope: Namespaced
  names: {kind: ServiceMonitor, plural: servicemonitors, singular: servicemonitor, listKind: ServiceMonitorList}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`

func TestChartIsAppliedToARealAPIServer(t *testing.T) {
	config, _ := controlplane.Start(t, controlplane.WithoutCRDs())
	admin, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	prepare(t, admin)
	other, err := controlplane.Decode([]byte(monitors))
	if err != nil {
		t.Fatal(err)
	}
	apply(t, admin, other)

	for _, step := range []struct {
		name string
		all  []*unstructured.Unstructured
	}{
		{"kustomize", kustomized(t)}, {"chart with its defaults", objects(t, "")}, {"chart with everything", objects(t, everything)},
	} {
		t.Run(step.name, func(t *testing.T) {
			deployment := pick[appsv1.Deployment](t, step.all, "Deployment")[0]
			before := apply(t, admin, step.all)
			if diff := cmp.Diff(before, apply(t, admin, step.all)); diff != "" {
				t.Errorf("resource versions, changed by being applied again (-first +second):\n%s", diff)
			}
			podIsRestricted(t, admin, deployment)
			if err := admin.Delete(t.Context(), &deployment); err != nil { // its selector is immutable and differs
				t.Error(err)
			}
		})
	}
	t.Run("notes of the chart", func(t *testing.T) { notesWork(t, config, admin) })
	t.Run("roles for people", func(t *testing.T) { peopleMay(t, config, admin) })
}

// notesWork runs what the notes show as a person does who copies it into a shell. kubectl refuses fields that the kind
// does not have.
func notesWork(t *testing.T, config *rest.Config, admin client.Client) {
	t.Helper()
	files, err := rendered(t, "instanceNamespaces: [data-platform]")
	if err != nil {
		t.Fatal(err)
	}
	_, script, found := strings.Cut(files["templates/NOTES.txt"], "in no argument:\n")
	if !found {
		t.Fatalf("no commands were found in the notes:\n%s", files["templates/NOTES.txt"])
	}
	assets, err := controlplane.Assets()
	if err != nil {
		t.Fatal(err)
	}
	content, err := controlplane.Kubeconfig(config)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
	command.Dir, command.Stdin = t.TempDir(), strings.NewReader("pass word\n")
	command.Env = append(os.Environ(), "KUBECONFIG="+written(t, "kubeconfig", string(content)), "PATH="+assets+string(os.PathListSeparator)+os.Getenv("PATH"))
	if output, err := command.CombinedOutput(); err != nil || !strings.Contains(string(output), "airflowinstance.access.airflow-oam.dev/prod") {
		t.Fatalf("the commands of the notes: %v\n%s\n%s", err, script, output)
	}
	if left, err := os.ReadDir(command.Dir); err != nil || len(left) > 0 {
		t.Errorf("the commands leave %v behind (%v)", left, err)
	}
	secret := &corev1.Secret{}
	if err := admin.Get(t.Context(), client.ObjectKey{Namespace: "data-platform", Name: "airflow-oam"}, secret); err != nil {
		t.Fatal(err)
	}
	want := map[string][]byte{"username": []byte("airflow-oam"), "password": []byte("pass word"), "url": []byte("https://airflow.example.com")}
	if diff := cmp.Diff(want, secret.Data); diff != "" {
		t.Errorf("the Secret (-want +got):\n%s", diff)
	}
}

// prepare makes the namespaces that an administrator makes before an installation.
func prepare(t *testing.T, admin client.Client) {
	t.Helper()
	for _, name := range []string{releaseNamespace, "data-platform"} {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: name, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
		}}
		if err := admin.Create(t.Context(), namespace); err != nil {
			t.Fatal(err)
		}
	}
}

// apply applies objects as Helm does, on the server's side, and returns their resource versions.
func apply(t *testing.T, admin client.Client, all []*unstructured.Unstructured) map[string]string {
	t.Helper()
	versions := map[string]string{}
	for _, object := range all {
		sent := client.ApplyConfigurationFromUnstructured(object.DeepCopy())
		if err := admin.Apply(t.Context(), sent, client.FieldOwner("helm"), client.ForceOwnership); err != nil {
			t.Fatalf("apply %s %s: %v", object.GetKind(), object.GetName(), err)
		}
		stored := object.DeepCopy()
		if err := admin.Get(t.Context(), client.ObjectKeyFromObject(object), stored); err != nil {
			t.Fatal(err)
		}
		if object.GetKind() != "CustomResourceDefinition" { // the server goes on writing their status
			versions[object.GetKind()+" "+object.GetNamespace()+"/"+object.GetName()] = stored.GetResourceVersion()
		}
	}
	return versions
}

// podIsRestricted lets the API server's own Pod Security judge the pod.
func podIsRestricted(t *testing.T, admin client.Client, deployment appsv1.Deployment) {
	t.Helper()
	pod := &corev1.Pod{ObjectMeta: deployment.Spec.Template.ObjectMeta, Spec: deployment.Spec.Template.Spec}
	pod.Name, pod.Namespace = "judged", deployment.Namespace
	if err := admin.Create(t.Context(), pod.DeepCopy(), client.DryRunAll); err != nil {
		t.Errorf("the pod is not accepted in a restricted namespace: %v", err)
	}
	container := pod.Spec.Containers[0]
	if read := container.SecurityContext.ReadOnlyRootFilesystem; read == nil || !*read {
		t.Error("the root file system can be written")
	}
	if container.Resources.Limits.Memory().IsZero() || container.Resources.Requests.Memory().IsZero() {
		t.Errorf("memory is not bounded: %v", container.Resources)
	}
	loose := pod.DeepCopy()
	loose.Spec.Containers[0].SecurityContext = nil
	if err := admin.Create(t.Context(), loose, client.DryRunAll); err == nil {
		t.Error("the namespace is not restricted: a pod that says nothing was accepted")
	}
}

// kustomized builds config/default.
func kustomized(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	root, err := controlplane.Root()
	if err != nil {
		t.Fatal(err)
	}
	return build(t, filepath.Join(root, "config", "default"))
}

// build builds a folder with kustomize, which kubectl has inside.
func build(t *testing.T, path string) []*unstructured.Unstructured {
	t.Helper()
	assets, err := controlplane.Assets()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), filepath.Join(assets, "kubectl"), "kustomize", path)
	text, err := command.Output()
	if err != nil {
		t.Fatalf("kubectl kustomize %s: %v", path, err)
	}
	all, err := controlplane.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	return all
}
