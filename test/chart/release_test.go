package chart

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"
	chartv2 "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/cli"
	"helm.sh/helm/v4/pkg/kube"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/test/controlplane"
)

// TestReleaseIsUpgradedAndUninstalled does what docs/operations.md says of Helm, by Helm's own library: objects of the
// kinds outlive an upgrade, and an uninstallation with crds.keep.
func TestReleaseIsUpgradedAndUninstalled(t *testing.T) {
	config, _ := controlplane.Start(t, controlplane.WithoutCRDs())
	admin, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	prepare(t, admin)
	r := newHelm(t, config)
	r.install(t, map[string]any{"instanceNamespaces": []any{"data-platform"}}, false)
	samples := build(t, filepath.Join(filepath.Dir(filepath.Dir(folder(t))), "config", "samples"))
	apply(t, admin, samples)
	before := identities(t, admin, samples)

	r.upgrade(t, map[string]any{"logLevel": "debug"}, func(c *chartv2.Chart) {
		c.Metadata.Version, c.Metadata.AppVersion = "0.2.0", "0.2.0"
		changed(t, c, "templates/crds/access.airflow-oam.dev_accessgrants.yaml", "name: Until", "name: Till")
	})
	if diff := cmp.Diff(before, identities(t, admin, samples)); diff != "" {
		t.Errorf("objects after the upgrade (-before +after):\n%s", diff)
	}
	deployment := &appsv1.Deployment{}
	if err := admin.Get(t.Context(), client.ObjectKey{Namespace: releaseNamespace, Name: release}, deployment); err != nil {
		t.Fatal(err)
	}
	container := deployment.Spec.Template.Spec.Containers[0]
	for _, want := range []string{"--instance-namespaces=data-platform", "--log-level=debug"} {
		if !slices.Contains(container.Args, want) {
			t.Errorf("arguments after the upgrade %q do not hold %s", container.Args, want)
		}
	}
	if want := "ghcr.io/airflow-oam/airflow-oam:0.2.0"; container.Image != want {
		t.Errorf("image after the upgrade: %s, want %s", container.Image, want)
	}
	definition := stored(t, admin, "apiextensions.k8s.io/v1", "CustomResourceDefinition", "accessgrants.access.airflow-oam.dev")
	if text, err := definition.MarshalJSON(); err != nil || !bytes.Contains(text, []byte(`"name":"Till"`)) {
		t.Errorf("the definition was not upgraded with the release (%v)", err)
	}

	r.uninstall(t)
	if diff := cmp.Diff(before, identities(t, admin, samples)); diff != "" {
		t.Errorf("objects after the uninstallation (-before +after):\n%s", diff)
	}
	if stored(t, admin, "rbac.authorization.k8s.io/v1", "ClusterRole", release) != nil {
		t.Error("the operator's rights are still there")
	}

	// The kept definitions still belong to the release of the old name.
	other := &helm{r.configuration, "oam"}
	if err := other.tryInstall(t, nil, false); err == nil || !strings.Contains(err.Error(), "meta.helm.sh/release-name") {
		t.Errorf("an installation under another name: %v", err)
	}
	if err := other.tryInstall(t, nil, true); err != nil {
		t.Errorf("an installation under another name with --take-ownership: %v", err)
	}
	if diff := cmp.Diff(before, identities(t, admin, samples)); diff != "" {
		t.Errorf("objects after an installation under another name (-before +after):\n%s", diff)
	}
	other.uninstall(t)

	// Definitions of their own: the release leaves them alone.
	if err := r.tryInstall(t, map[string]any{"crds": map[string]any{"enabled": false}}, false); err != nil {
		t.Errorf("an installation without the definitions: %v", err)
	}
	r.uninstall(t)

	r.install(t, nil, true)
	if diff := cmp.Diff(before, identities(t, admin, samples)); diff != "" {
		t.Errorf("objects after another installation (-before +after):\n%s", diff)
	}
	r.upgrade(t, map[string]any{"crds": map[string]any{"keep": false}}, func(*chartv2.Chart) {})
	r.uninstall(t)
	eventually(t, admin, samples[0], "its kind is gone with the release", func() bool { return samples[0].GetUID() == "" })
}

// helm is Helm with one release.
type helm struct {
	configuration *action.Configuration
	release       string
}

func newHelm(t *testing.T, config *rest.Config) *helm {
	t.Helper()
	content, err := controlplane.Kubeconfig(config)
	if err != nil {
		t.Fatal(err)
	}
	settings := cli.New()
	settings.KubeConfig = written(t, "kubeconfig", string(content))
	settings.SetNamespace(releaseNamespace)
	h := &helm{action.NewConfiguration(action.ConfigurationSetLogger(slog.DiscardHandler)), release}
	if err := h.configuration.Init(settings.RESTClientGetter(), releaseNamespace, "secret"); err != nil {
		t.Fatal(err)
	}
	return h
}

// load reads the chart anew, since an action changes what it is given.
func load(t *testing.T) *chartv2.Chart {
	t.Helper()
	loaded, err := loader.LoadDir(folder(t))
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// install is helm install --create-namespace, with --take-ownership where that is asked for.
func (h *helm) install(t *testing.T, values map[string]any, takeOwnership bool) {
	t.Helper()
	if err := h.tryInstall(t, values, takeOwnership); err != nil {
		t.Fatalf("helm install: %v", err)
	}
}

func (h *helm) tryInstall(t *testing.T, values map[string]any, takeOwnership bool) error {
	t.Helper()
	install := action.NewInstall(h.configuration)
	install.ReleaseName, install.Namespace, install.CreateNamespace, install.WaitStrategy = h.release, releaseNamespace, true, kube.HookOnlyStrategy
	install.TakeOwnership = takeOwnership
	_, err := install.RunWithContext(t.Context(), load(t), values)
	return err
}

// upgrade is helm upgrade --reset-then-reuse-values, to a chart with changes.
func (h *helm) upgrade(t *testing.T, values map[string]any, change func(*chartv2.Chart)) {
	t.Helper()
	next := load(t)
	change(next)
	upgrade := action.NewUpgrade(h.configuration)
	upgrade.Namespace, upgrade.ResetThenReuseValues, upgrade.WaitStrategy = releaseNamespace, true, kube.HookOnlyStrategy
	if _, err := upgrade.RunWithContext(t.Context(), release, next, values); err != nil {
		t.Fatalf("helm upgrade: %v", err)
	}
}

// uninstall is helm uninstall.
func (h *helm) uninstall(t *testing.T) {
	t.Helper()
	uninstall := action.NewUninstall(h.configuration)
	uninstall.WaitStrategy = kube.HookOnlyStrategy
	if _, err := uninstall.Run(h.release); err != nil {
		t.Fatalf("helm uninstall: %v", err)
	}
}

// changed changes a template of a chart in memory, as its next version may.
func changed(t *testing.T, c *chartv2.Chart, name, from, to string) {
	t.Helper()
	i := slices.IndexFunc(c.Templates, func(file *common.File) bool { return file.Name == name })
	if i < 0 || !bytes.Contains(c.Templates[i].Data, []byte(from)) {
		t.Fatalf("the chart has no template %s with %q", name, from)
	}
	c.Templates[i].Data = bytes.ReplaceAll(c.Templates[i].Data, []byte(from), []byte(to))
}

// identities gives the uids of objects by kind and name: an object that was made again has another one.
func identities(t *testing.T, admin client.Client, objects []*unstructured.Unstructured) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, object := range objects {
		now := object.DeepCopy()
		if err := admin.Get(t.Context(), client.ObjectKeyFromObject(object), now); err != nil {
			t.Fatal(err)
		}
		if now.GetDeletionTimestamp() != nil {
			t.Errorf("%s %s is being deleted", now.GetKind(), now.GetName())
		}
		found[now.GetKind()+" "+now.GetName()] = string(now.GetUID())
	}
	return found
}

// stored reads an object of the whole cluster; nil where there is none.
func stored(t *testing.T, admin client.Client, version, kind, name string) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(schema.FromAPIVersionAndKind(version, kind))
	err := admin.Get(t.Context(), client.ObjectKey{Name: name}, object)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return object
}
