package controlplane_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/test/controlplane"
)

func TestMissingProgramsNameTheirRemedy(t *testing.T) {
	t.Setenv("KUBEBUILDER_ASSETS", "")
	t.Setenv("AIRFLOW_OAM_CACHE", t.TempDir())
	_, err := controlplane.Assets()
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "make controlplane") {
		t.Errorf("Assets() error = %v, want one that is os.ErrNotExist and names make controlplane", err)
	}
}

func TestControlPlaneServesTheKinds(t *testing.T) {
	config, _ := controlplane.Start(t, controlplane.WithAdmission())

	file, err := controlplane.Kubeconfig(config)
	if err != nil {
		t.Fatal(err)
	}
	again, err := clientcmd.RESTConfigFromKubeConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	served, err := discovery.NewDiscoveryClientForConfigOrDie(again).ServerResourcesForGroupVersion(v1alpha1.GroupVersion.String())
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, resource := range served.APIResources {
		names[resource.Name] = true
	}
	for _, want := range []string{"airflowinstances", "dagaccesspolicies", "accessgrants", "accessgrants/status", "accessrequests", "accessrequests/status"} {
		if !names[want] {
			t.Errorf("%s is not served: %v", want, names)
		}
	}

	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	nobody, err := client.New(controlplane.As(config, "nobody"), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	if err := nobody.List(t.Context(), &v1alpha1.AccessGrantList{}); !apierrors.IsForbidden(err) {
		t.Errorf("a user without rights: list error = %v, want Forbidden", err)
	}
	operator, err := client.New(controlplane.AsOperator(config), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	admin, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	kind := schema.GroupKind{Group: v1alpha1.GroupVersion.Group, Kind: "AccessGrant"}
	early := &notServed{Client: admin, errs: []error{
		&meta.NoKindMatchError{GroupKind: kind}, apierrors.NewNotFound(schema.GroupResource{Group: kind.Group, Resource: "accessgrants"}, ""),
	}}
	if err := controlplane.WaitForAdmission(t.Context(), early); err != nil || len(early.errs) > 0 {
		t.Errorf("a kind that is not served at first: error = %v with %d answers left, want a wait until it is", err, len(early.errs))
	}
	policy := &v1alpha1.DagAccessPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "finance", Namespace: "default"},
		Spec: v1alpha1.DagAccessPolicySpec{
			InstanceRef: v1alpha1.InstanceReference{Name: "prod"},
			Dags:        []v1alpha1.DagSelector{{IDs: []string{"finance_*"}}},
			Access:      []v1alpha1.AccessLevel{v1alpha1.AccessView},
			Members:     []v1alpha1.Subject{{Username: "alice"}},
		},
	}
	if err := operator.Create(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	policy.Status.ObservedGeneration = 1
	if err := operator.Status().Update(t.Context(), policy); err != nil {
		t.Errorf("the operator writes status: %v", err)
	}
}

// notServed plays a control plane that does not serve a kind at first.
type notServed struct {
	client.Client
	errs []error
}

func (c *notServed) Create(ctx context.Context, object client.Object, options ...client.CreateOption) error {
	if len(c.errs) > 0 {
		err := c.errs[0]
		c.errs = c.errs[1:]
		return err
	}
	return c.Client.Create(ctx, object, options...)
}
