package controlplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// Objects reads the Kubernetes objects of one YAML file, in the file's order. Empty documents are left out.
func Objects(path string) ([]*unstructured.Unstructured, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read objects: %w", err)
	}
	objects, err := Decode(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return objects, nil
}

// Decode reads Kubernetes objects from YAML with any number of documents.
func Decode(content []byte) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096)
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		switch {
		case errors.Is(err, io.EOF):
			return objects, nil
		case err != nil:
			return nil, fmt.Errorf("decode YAML: %w", err)
		case len(object.Object) > 0:
			objects = append(objects, object)
		}
	}
}

// installAdmission creates the policies of config/admission and waits until they refuse what they should.
func installAdmission(config *rest.Config, root string) error {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return fmt.Errorf("register the kinds: %w", err)
	}
	admin, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	files, err := filepath.Glob(filepath.Join(root, "config", "admission", "*.yaml"))
	if err != nil {
		return fmt.Errorf("list policies: %w", err)
	}
	for _, file := range files {
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}
		objects, err := Objects(file)
		if err != nil {
			return err
		}
		for _, object := range objects {
			if err := admin.Create(ctx, object); err != nil {
				return fmt.Errorf("create %s %s: %w", object.GetKind(), object.GetName(), err)
			}
		}
	}
	return WaitForAdmission(ctx, admin)
}

// WaitForAdmission returns when the admission policies of this project are at work, as seen by dry runs. Policies become
// active some time after they were created. It leaves one AccessGrant less than a moment, and nothing afterwards.
func WaitForAdmission(ctx context.Context, admin client.Client) error {
	probe := &v1alpha1.AccessGrant{
		ObjectMeta: metav1.ObjectMeta{
			GenerateName: "admission-probe-", Namespace: metav1.NamespaceDefault,
			Labels: map[string]string{"app.kubernetes.io/managed-by": "Helm"},
		},
		Spec: v1alpha1.AccessGrantSpec{
			PolicyRef: v1alpha1.PolicyReference{Name: "admission-probe"},
			Subject:   v1alpha1.Subject{Username: "admission-probe"},
			Duration:  &metav1.Duration{Duration: time.Hour},
		},
	}
	plain := probe.DeepCopy()
	plain.Labels = nil
	born, revoked := plain.DeepCopy(), plain.DeepCopy()
	born.Spec.RequestRef = &v1alpha1.RequestReference{Name: "admission-probe", UID: "admission-probe"}
	revoked.Spec.Revoke = &v1alpha1.Revocation{By: "admission-probe"}
	lie := &v1alpha1.AccessRequest{ObjectMeta: plain.ObjectMeta, Spec: v1alpha1.AccessRequestSpec{
		PolicyRef: plain.Spec.PolicyRef, Reason: "admission-probe", Requester: "admission-probe",
	}}
	for what, forged := range map[string]client.Object{"tracked durations": probe, "grants of requests": born, "revokers": revoked, "names on requests": lie} {
		tried := func(ctx context.Context) (bool, error) {
			return refused(admin.Create(ctx, forged.DeepCopyObject().(client.Object), client.DryRunAll))
		}
		if err := wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, tried); err != nil {
			return fmt.Errorf("wait for the policy about %s: %w", what, err)
		}
	}
	if err := admin.Create(ctx, plain); err != nil {
		return fmt.Errorf("create a probe: %w", err)
	}
	written := func(ctx context.Context) (bool, error) {
		forged := plain.DeepCopy()
		forged.Status.Phase = v1alpha1.GrantActive
		return refused(admin.Status().Update(ctx, forged, client.DryRunAll))
	}
	err := wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, written)
	if err := errors.Join(err, admin.Delete(ctx, plain)); err != nil {
		return fmt.Errorf("wait for the policy about status: %w", err)
	}
	return nil
}

// refused is true when a policy refused a request, and an error when something else went wrong. A kind that is not served
// yet is no error.
func refused(err error) (bool, error) {
	if err == nil || meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
		return false, nil
	}
	rejected := apierrors.IsForbidden(err) || apierrors.IsInvalid(err)
	if rejected && strings.Contains(err.Error(), "ValidatingAdmissionPolicy") {
		return true, nil
	}
	return false, err
}
