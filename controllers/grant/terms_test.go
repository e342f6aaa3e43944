package grant

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/controllers/kind"
)

// TestADeletedGrantMissesNoEntry: the instance may keep its terms at any moment of the grant's first pass.
func TestADeletedGrantMissesNoEntry(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	instance := &v1alpha1.AirflowInstance{ObjectMeta: metav1.ObjectMeta{Namespace: prod.Namespace, Name: prod.Name, UID: "uid-prod"}}
	policy := &v1alpha1.DagAccessPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "finance", Name: "operators"}}
	policy.Spec.InstanceRef.Name = prod.Name
	grant := &v1alpha1.AccessGrant{ObjectMeta: metav1.ObjectMeta{
		Namespace: "finance", Name: "bob", UID: "uid-bob", Finalizers: []string{v1alpha1.Finalizer}, DeletionTimestamp: new(metav1.NewTime(noon)),
	}}
	grant.Spec.PolicyRef.Name, grant.Spec.ExpiresAt = policy.Name, new(metav1.NewTime(noon.Add(time.Hour)))
	grant.Status.Phase, grant.Status.End = v1alpha1.GrantRevoked, &v1alpha1.End{Reason: v1alpha1.EndRevoked, At: metav1.NewTime(noon)}

	r := New(kind.Env{Clock: clocktesting.NewFakePassiveClock(noon), Reports: kind.NewReports()})
	queue := priorityqueue.New[reconcile.Request]("test")
	defer queue.ShutDown()
	builder := fake.NewClientBuilder().WithScheme(scheme).WithObjects(instance, policy, grant).WithStatusSubresource(grant)
	for _, index := range kind.Indexes() {
		builder = builder.WithIndex(index.Object, index.Field, index.Values)
	}
	r.Client = builder.
		WithInterceptorFuncs(interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			if err := c.List(ctx, list, options...); err != nil {
				return err
			}
			if _, ok := list.(*v1alpha1.AirflowInstanceList); ok {
				after := instance.DeepCopy()
				after.Status.Spent = []v1alpha1.SpentGrant{{UID: "uid-bob"}}
				instances(r.Memory).Update(ctx, event.UpdateEvent{ObjectOld: instance, ObjectNew: after}, queue)
			}
			return nil
		}}).Build()
	if _, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(grant)}); err != nil {
		t.Fatal(err)
	}
	if got := queue.Len(); got != 1 {
		t.Errorf("%d requests are queued: it waits although its terms are kept", got)
	}
}
