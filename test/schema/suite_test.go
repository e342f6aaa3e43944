// Package schema tries every rule of the kinds' schemas and of the admission policies on a real API server: what is to
// be accepted, and what is to be refused with a message that says what to do.
package schema

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/test/controlplane"
)

// namespace holds everything that the suite creates.
const namespace = "data-platform"

var (
	config *rest.Config
	admin  client.Client
	root   string
)

func TestSchema(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Schema")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	var err error
	config, _ = controlplane.Start(GinkgoT(), controlplane.WithAdmission())
	Expect(v1alpha1.AddToScheme(clientgoscheme.Scheme)).To(Succeed())
	admin, err = client.New(config, client.Options{})
	Expect(err).NotTo(HaveOccurred())
	root, err = controlplane.Root()
	Expect(err).NotTo(HaveOccurred())
	Expect(admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
	SetDefaultEventuallyTimeout(20 * time.Second)
})

// object returns the object that a YAML text describes, changed by merge patches in YAML.
func object(text string, patches ...string) *unstructured.Unstructured {
	GinkgoHelper()
	document := asJSON(text)
	for _, patch := range patches {
		var err error
		document, err = jsonpatch.MergePatch(document, asJSON(patch))
		Expect(err).NotTo(HaveOccurred())
	}
	made := &unstructured.Unstructured{}
	Expect(made.UnmarshalJSON(document)).To(Succeed())
	if made.GetNamespace() == "" {
		made.SetNamespace(namespace)
	}
	return made
}

func asJSON(text string) []byte {
	GinkgoHelper()
	document, err := yaml.YAMLToJSON([]byte(text))
	Expect(err).NotTo(HaveOccurred())
	return document
}

// tried creates an object in a dry run: nothing is left behind.
func tried(ctx context.Context, wanted *unstructured.Unstructured) error {
	return admin.Create(ctx, wanted, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
}

// created creates an object for the time of one spec.
func created(ctx context.Context, wanted *unstructured.Unstructured) *unstructured.Unstructured {
	GinkgoHelper()
	Expect(admin.Create(ctx, wanted)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) {
		current := wanted.DeepCopy()
		current.SetResourceVersion("")
		Expect(client.IgnoreNotFound(admin.Patch(ctx, current, client.RawPatch(
			"application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))))).To(Succeed())
		Expect(client.IgnoreNotFound(admin.Delete(ctx, current))).To(Succeed())
	})
	return wanted
}

// changed changes a stored object by a merge patch in YAML, in a dry run.
func changed(ctx context.Context, by client.Client, stored *unstructured.Unstructured, patch string) error {
	GinkgoHelper()
	return by.Patch(ctx, stored.DeepCopy(), client.RawPatch("application/merge-patch+json", asJSON(patch)), client.DryRunAll)
}

// expectRefused asserts that the schema refused a write at a field, with a message.
func expectRefused(err error, field, message string) {
	GinkgoHelper()
	Expect(err).To(HaveOccurred(), "the API server accepted it")
	Expect(apierrors.IsInvalid(err)).To(BeTrue(), "not refused as invalid: %v", err)
	var status apierrors.APIStatus
	Expect(errors.As(err, &status)).To(BeTrue())
	for _, cause := range status.Status().Details.Causes {
		if cause.Field == field && strings.Contains(cause.Message, message) {
			remember(status.Status().Details.Kind, cause)
			return
		}
	}
	causes, err := json.MarshalIndent(status.Status().Details.Causes, "", "  ")
	Expect(err).NotTo(HaveOccurred())
	Fail("no cause at " + field + " says " + message + ":\n" + string(causes))
}

// judge is the body of the tables: field "" means that the object is accepted.
func judge(base string) func(ctx SpecContext, patch, field, message string) {
	return func(ctx SpecContext, patch, field, message string) {
		err := tried(ctx, object(base, patch))
		if field == "" {
			Expect(err).NotTo(HaveOccurred())
			return
		}
		expectRefused(err, field, message)
	}
}

// read returns a file of the repository.
func read(parts ...string) []byte {
	GinkgoHelper()
	content, err := os.ReadFile(filepath.Join(append([]string{root}, parts...)...))
	Expect(err).NotTo(HaveOccurred())
	return content
}

// list writes a YAML list of n equal-looking but different values.
func list(n int, value func(int) string) string {
	var text strings.Builder
	for i := range n {
		text.WriteString(map[bool]string{true: "[", false: ", "}[i == 0])
		text.WriteString(value(i))
	}
	return text.String() + "]"
}
