package cli

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/yaml"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

var update = flag.Bool("update", false, "write the golden files")

// now is the time of all tests.
var now = time.Date(2026, time.November, 23, 16, 0, 0, 0, time.UTC)

// groups are the groups of the users in the world.
var groups = map[string][]string{
	"alice@example.com": {"data", "system:authenticated"},
	"bob@example.com":   {"finance-leads", "system:authenticated"},
	"carol@example.com": {"oncall-data", "finance-leads", "system:authenticated"},
	"dora":              {"system:authenticated"},
	"kubernetes-admin":  {"system:masters", "system:authenticated"},
}

// world is a cluster with the objects of testdata/world.yaml.
type world struct {
	client.WithWatch
	user string
	// onWatch is called after a watch began.
	onWatch func()
	// onPatch is called before a patch reaches the server.
	onPatch func()
}

func newWorld(t *testing.T, user string) *world {
	t.Helper()
	known, err := Scheme()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{user: user}
	builder := fake.NewClientBuilder().WithScheme(known).
		WithStatusSubresource(&v1alpha1.AccessRequest{}, &v1alpha1.AccessGrant{}).
		WithIndex(&v1alpha1.AccessRequest{}, "spec.requester", func(o client.Object) []string {
			return []string{o.(*v1alpha1.AccessRequest).Spec.Requester}
		}).
		WithIndex(&v1alpha1.AccessRequest{}, "status.phase", func(o client.Object) []string {
			return []string{string(o.(*v1alpha1.AccessRequest).Status.Phase)}
		}).
		WithInterceptorFuncs(interceptor.Funcs{Create: w.create, Watch: w.watch, Patch: w.patch})
	for _, object := range objects(t) {
		builder.WithObjects(object)
	}
	w.WithWatch = builder.Build()
	return w
}

// objects are those of testdata/world.yaml.
func objects(t *testing.T) []client.Object {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", "world.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var out []client.Object
	for document := range strings.SplitSeq(string(content), "\n---\n") {
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(document), &kind); err != nil {
			t.Fatal(err)
		}
		object := map[string]client.Object{
			"DagAccessPolicy": &v1alpha1.DagAccessPolicy{}, "AccessRequest": &v1alpha1.AccessRequest{},
			"AccessGrant": &v1alpha1.AccessGrant{}, "AirflowInstance": &v1alpha1.AirflowInstance{},
		}[kind.Kind]
		if err := yaml.UnmarshalStrict([]byte(document), object); err != nil {
			t.Fatalf("%s: %v", kind.Kind, err)
		}
		out = append(out, object)
	}
	return out
}

// create does what the API server does with new objects and reviews.
func (w *world) create(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
	if review, ok := object.(*authenticationv1.SelfSubjectReview); ok {
		review.Status.UserInfo = authenticationv1.UserInfo{Username: w.user, Groups: groups[w.user]}
		return nil
	}
	if object.GetName() == "" {
		object.SetName(object.GetGenerateName() + "x7k2p")
	}
	object.SetCreationTimestamp(metav1.NewTime(now))
	object.SetUID(types.UID("made"))
	return c.Create(ctx, object, options...)
}

func (w *world) watch(ctx context.Context, c client.WithWatch, l client.ObjectList, options ...client.ListOption) (watch.Interface, error) {
	began, err := c.Watch(ctx, l, options...)
	if w.onWatch != nil && err == nil {
		go w.onWatch()
	}
	return began, err
}

func (w *world) patch(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
	if w.onPatch != nil {
		w.onPatch()
	}
	return c.Patch(ctx, object, patch, options...)
}

// run runs a command and returns what it printed, as a terminal session.
func (w *world) run(ctx context.Context, args ...string) string {
	var out, errs bytes.Buffer
	code := Run(ctx, Settings{
		IOStreams: genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &errs},
		Clock:     clocktesting.NewFakeClock(now),
		Zone:      time.FixedZone("CET", 3600),
		Version:   "v1.2.3",
		Client:    w,
	}, w.complete(args))
	quoted := make([]string, 0, len(args))
	for _, arg := range args {
		if strings.ContainsAny(arg, " '\"") {
			arg = "'" + arg + "'"
		}
		quoted = append(quoted, arg)
	}
	session := fmt.Sprintf("$ kubectl airflow-access %s    # as %s\n", strings.Join(quoted, " "), w.user) + out.String()
	if errs.Len() > 0 {
		session += "stderr:\n" + errs.String()
	}
	return session + fmt.Sprintf("exit %d\n", code)
}

// complete adds the namespace to a command line; one that is completed has it already.
func (w *world) complete(args []string) []string {
	if args[0] == cobra.ShellCompRequestCmd {
		return args
	}
	return append(args, "-n", "data", "--kubeconfig", os.DevNull)
}

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (- file, + now; go test -update writes it):\n%s", path, diff)
	}
}
