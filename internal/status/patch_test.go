package status_test

import (
	"context"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/status"
)

func start(t *testing.T) (client.Client, *v1alpha1.AirflowInstance) {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	instance := &v1alpha1.AirflowInstance{ObjectMeta: metav1.ObjectMeta{Namespace: "data", Name: "prod"}}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(instance).WithStatusSubresource(instance).Build()
	stored := &v1alpha1.AirflowInstance{}
	if err := c.Get(context.Background(), client.ObjectKeyFromObject(instance), stored); err != nil {
		t.Fatal(err)
	}
	return c, stored
}

// withoutPass makes the last pass count for nothing.
func withoutPass(instance *v1alpha1.AirflowInstance) { instance.Status.LastPass = nil }

func TestPatchWritesWhatChangedInMeaningAndNothingElse(t *testing.T) {
	c, stored := start(t)
	cases := []struct {
		name   string
		change func(*v1alpha1.AirflowInstanceStatus)
		want   bool
	}{
		{"nothing changed", func(*v1alpha1.AirflowInstanceStatus) {}, false},
		{"an empty list for none", func(s *v1alpha1.AirflowInstanceStatus) { s.Plan = []string{} }, false},
		{"only what is neutral", func(s *v1alpha1.AirflowInstanceStatus) {
			s.LastPass = &v1alpha1.Pass{StartedAt: new(metav1.NewTime(now.Add(time.Hour)))}
		}, false},
		{"something", func(s *v1alpha1.AirflowInstanceStatus) {
			s.Account, s.LastPass = "operator", &v1alpha1.Pass{Requests: 9}
		}, true},
	}
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			updated := stored.DeepCopy()
			k.change(&updated.Status)
			wrote, err := status.Patch(context.Background(), c, stored, updated, withoutPass)
			if err != nil || wrote != k.want {
				t.Fatalf("wrote %t, want %t, error %v", wrote, k.want, err)
			}
			now := &v1alpha1.AirflowInstance{}
			if err := c.Get(context.Background(), client.ObjectKeyFromObject(stored), now); err != nil {
				t.Fatal(err)
			}
			if (now.ResourceVersion != stored.ResourceVersion) != k.want {
				t.Errorf("the stored object changed: %t", now.ResourceVersion != stored.ResourceVersion)
			}
			if k.want && (now.Status.LastPass == nil || updated.ResourceVersion != now.ResourceVersion) {
				t.Errorf("stored %+v at %s, in hand %s", now.Status, now.ResourceVersion, updated.ResourceVersion)
			}
		})
	}
}

func TestPatchFailsWhenSomebodyWroteInBetween(t *testing.T) {
	c, stored := start(t)
	other := stored.DeepCopy()
	other.Status.Account = "other"
	if _, err := status.Patch(context.Background(), c, stored.DeepCopy(), other); err != nil {
		t.Fatal(err)
	}
	ours := stored.DeepCopy()
	ours.Status.Endpoint = "https://airflow.example.com"
	if _, err := status.Patch(context.Background(), c, stored, ours); !apierrors.IsConflict(err) {
		t.Errorf("the error is %v", err)
	}
}
