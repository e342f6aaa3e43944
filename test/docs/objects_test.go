package docs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	strict "sigs.k8s.io/yaml"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/test/controlplane"
)

// namespace is the one of all examples.
const namespace = "data-platform"

// TestObjectsAndCommands tries everything on these pages that an API server can judge.
func TestObjectsAndCommands(t *testing.T) {
	config, _ := controlplane.Start(t, controlplane.WithAdmission())
	admin, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := admin.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		t.Fatal(err)
	}
	t.Run("objects are taken as they are shown", func(t *testing.T) { tryObjects(t, config, admin) })
	t.Run("commands do what they say", func(t *testing.T) { tryCommands(t, config) })
}

func tryObjects(t *testing.T, config *rest.Config, admin client.Client) {
	t.Helper()
	operator, err := client.New(controlplane.AsOperator(config), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if b.language != "yaml" {
				continue
			}
			for _, document := range documents(t, p, b) {
				where := fmt.Sprintf("%s:%d", p.path, b.line)
				shown, err := controlplane.Decode(document)
				if err != nil || len(shown) != 1 {
					t.Errorf("%s: no object: %v", where, err)
					continue
				}
				if shown[0].GetKind() == "" {
					if shown[0].Object["groups"] == nil {
						t.Errorf("%s: neither an object of Kubernetes nor rules of Prometheus: nothing proves it", where)
					}
					continue
				}
				kinds[shown[0].GetKind()]++
				tryObject(t, where, config, admin, operator, document, shown[0])
			}
		}
	}
	for _, kind := range []string{"AirflowInstance", "DagAccessPolicy", "AccessGrant"} {
		if kinds[kind] < 3 {
			t.Errorf("only %d objects of kind %s were found", kinds[kind], kind)
		}
	}
}

func documents(t *testing.T, p page, b block) [][]byte {
	t.Helper()
	var all [][]byte
	reader := yaml.NewDocumentDecoder(io.NopCloser(strings.NewReader(b.text)))
	buffer := make([]byte, len(b.text)+1)
	for {
		n, err := reader.Read(buffer)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s:%d: %v", p.path, b.line, err)
		}
		all = append(all, slices.Clone(buffer[:n]))
	}
}

// tryObject creates an object in a dry run, with unknown fields refused; a status that is shown is judged, too.
func tryObject(t *testing.T, where string, config *rest.Config, admin, operator client.Client, document []byte, shown *unstructured.Unstructured) {
	t.Helper()
	if err := author(t, config, shown).Create(t.Context(), shown.DeepCopy(), client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict)); err != nil {
		t.Errorf("%s: %v", where, err)
		return
	}
	if shown.GroupVersionKind().GroupVersion() != v1alpha1.GroupVersion {
		return
	}
	typed := map[string]client.Object{
		"AirflowInstance": &v1alpha1.AirflowInstance{}, "DagAccessPolicy": &v1alpha1.DagAccessPolicy{}, "AccessGrant": &v1alpha1.AccessGrant{},
		"AccessRequest": &v1alpha1.AccessRequest{},
	}[shown.GetKind()]
	if err := strict.UnmarshalStrict(document, typed); err != nil {
		t.Errorf("%s: %v", where, err)
	}
	status, said := shown.Object["status"]
	if !said {
		return
	}
	made := shown.DeepCopy()
	made.SetName(made.GetName() + "-with-status")
	if err := admin.Create(t.Context(), made); err != nil {
		t.Errorf("%s: %v", where, err)
		return
	}
	made.Object["status"] = status
	if err := operator.Status().Update(t.Context(), made, &client.SubResourceUpdateOptions{UpdateOptions: client.UpdateOptions{DryRun: []string{metav1.DryRunAll}}}); err != nil {
		t.Errorf("%s: its status: %v", where, err)
	}
	if err := admin.Delete(t.Context(), made); err != nil {
		t.Error(err)
	}
}

// What is done with the kubectl commands of shell blocks, by their verb.
var (
	dryRun  = []string{"annotate", "delete", "patch"}
	asShown = []string{"describe", "get"}
	// These need what is not there: pods, files, an operator.
	// The plugin's commands have tests of their own.
	notTried = []string{"airflow-access", "apply", "create", "logs", "scale", "wait"}
)

var outOfCluster = regexp.MustCompile(`\s#.*$`)

// requester is the author of the requests that are shown: nobody else may create or withdraw them.
const requester = "alice@example.com"

// author gives a client of the user that may create an object: of a request its requester, of all others an administrator.
func author(t *testing.T, config *rest.Config, object *unstructured.Unstructured) client.Client {
	t.Helper()
	as := rest.CopyConfig(config)
	if object.GetKind() == "AccessRequest" {
		as.Impersonate = rest.ImpersonationConfig{UserName: requester, Groups: []string{"system:masters"}}
	}
	c, err := client.New(as, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// createShown creates the objects of a page, the first of each name.
func createShown(t *testing.T, config *rest.Config, p page) {
	t.Helper()
	made := map[string]bool{}
	for _, b := range p.blocks {
		if b.language != "yaml" {
			continue
		}
		shown, err := controlplane.Decode([]byte(b.text))
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range shown {
			key := object.GetKind() + "/" + object.GetName()
			if made[key] {
				continue
			}
			made[key] = true
			if err := author(t, config, object).Create(t.Context(), object); err != nil {
				t.Fatalf("%s:%d: %v", p.path, b.line, err)
			}
		}
	}
}

// tryCommands runs the kubectl commands that are shown, on the objects of the spec pages, with changes as dry runs.
func tryCommands(t *testing.T, config *rest.Config) {
	t.Helper()
	for _, path := range specPages {
		createShown(t, config, read(t, path))
	}
	run := shell(t, config)
	tried := map[string]int{}
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if b.language != "sh" {
				continue
			}
			for command := range strings.Lines(strings.ReplaceAll(b.text, "\\\n", " ")) {
				command = strings.TrimSpace(outOfCluster.ReplaceAllString(command, ""))
				if !strings.HasPrefix(command, "kubectl ") {
					continue
				}
				verb := strings.Fields(command)[1]
				switch {
				case slices.Contains(dryRun, verb):
					command += " --dry-run=server"
				case slices.Contains(notTried, verb):
					continue
				case !slices.Contains(asShown, verb):
					t.Errorf("%s:%d: nothing is known of the command %s", p.path, b.line, command)
					continue
				}
				if strings.Contains(command, " accessrequest ") {
					command += " --as=" + requester + " --as-group=system:masters"
				}
				tried[verb]++
				if output, err := run(t.Context(), command); err != nil {
					t.Errorf("%s:%d: %s: %v: %s", p.path, b.line, command, err, output)
				}
			}
		}
	}
	if tried["patch"] < 8 || tried["get"] < 5 {
		t.Errorf("too few commands were tried: %s", strings.Join(slices.Sorted(maps.Keys(tried)), ", "))
	}
}

// shell gives a function that runs a line of shell with the control plane's kubectl and an administrator's rights.
func shell(t *testing.T, config *rest.Config) func(context.Context, string) (string, error) {
	t.Helper()
	assets, err := controlplane.Assets()
	if err != nil {
		t.Fatal(err)
	}
	content, err := controlplane.Kubeconfig(config)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return func(ctx context.Context, line string) (string, error) {
		command := exec.CommandContext(ctx, "bash", "-c", line)
		command.Env = append(os.Environ(), "KUBECONFIG="+file, "PATH="+assets+string(os.PathListSeparator)+os.Getenv("PATH"))
		output, err := command.CombinedOutput()
		return string(output), err
	}
}
