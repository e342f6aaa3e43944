package chart

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

// silence is how long an operator that waits is watched: the leader keeps its Lease for five times that.
const silence = 3 * time.Second

// endedLongAgo makes a grant whose retention is over, with a status that only the operator's account may write.
func endedLongAgo(t *testing.T, admin client.Client, config *rest.Config, scheme *runtime.Scheme) *v1alpha1.AccessGrant {
	t.Helper()
	grant := &v1alpha1.AccessGrant{
		ObjectMeta: metav1.ObjectMeta{Name: "long-over", Namespace: "default"},
		Spec: v1alpha1.AccessGrantSpec{
			PolicyRef: v1alpha1.PolicyReference{Name: "gone"}, Subject: v1alpha1.Subject{Username: "bob"}, Duration: &metav1.Duration{Duration: time.Hour},
		},
	}
	if err := admin.Create(t.Context(), grant); err != nil {
		t.Fatal(err)
	}
	account, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	before := grant.DeepCopy()
	grant.Status.Phase = v1alpha1.GrantExpired
	grant.Status.End = &v1alpha1.End{Reason: v1alpha1.EndNeverActivated, At: metav1.NewTime(time.Now().Add(-31 * 24 * time.Hour).Truncate(time.Second))}
	if err := account.Status().Patch(t.Context(), grant, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	return grant
}

// outside makes an instance for the same Airflow, with a policy and a grant, in a namespace that is not served, before
// there is another.
func outside(t *testing.T, admin client.Client, sim *airflowtest.Server) []client.Object {
	t.Helper()
	stray := metav1.ObjectMeta{Name: "stray", Namespace: "default"}
	objects := []client.Object{
		&v1alpha1.AirflowInstance{ObjectMeta: stray, Spec: v1alpha1.AirflowInstanceSpec{
			URL: sim.URL, Credentials: v1alpha1.Credentials{SecretRef: v1alpha1.SecretReference{Name: "any"}},
		}},
		&v1alpha1.DagAccessPolicy{ObjectMeta: stray, Spec: v1alpha1.DagAccessPolicySpec{
			InstanceRef: v1alpha1.InstanceReference{Name: stray.Name}, Dags: []v1alpha1.DagSelector{{IDs: []string{"finance_*"}}},
			Access: []v1alpha1.AccessLevel{v1alpha1.AccessTrigger}, Grants: &v1alpha1.GrantTerms{MaxDuration: metav1.Duration{Duration: time.Hour}},
		}},
		&v1alpha1.AccessGrant{ObjectMeta: stray, Spec: v1alpha1.AccessGrantSpec{
			PolicyRef: v1alpha1.PolicyReference{Name: stray.Name}, Subject: v1alpha1.Subject{Username: "carol"}, Duration: &metav1.Duration{Duration: time.Hour},
		}},
	}
	for _, object := range objects {
		if err := admin.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	return objects
}

// isNotServed looks at what such objects say, and deletes them.
func isNotServed(t *testing.T, admin client.Client, objects []client.Object) {
	t.Helper()
	for i, reason := range []string{v1alpha1.ReasonNamespaceNotServed, v1alpha1.ReasonInstanceNotReady, v1alpha1.ReasonInstanceNotReady} {
		eventually(t, admin, objects[i], fmt.Sprintf("%T says %s", objects[i], reason), func() bool {
			var conditions []metav1.Condition
			switch o := objects[i].(type) {
			case *v1alpha1.AirflowInstance:
				conditions = o.Status.Conditions
			case *v1alpha1.DagAccessPolicy:
				conditions = o.Status.Conditions
			case *v1alpha1.AccessGrant:
				conditions = o.Status.Conditions
			}
			ready := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady)
			return ready != nil && ready.Status == metav1.ConditionFalse && ready.Reason == reason
		})
	}
	for i := range slices.Backward(objects) {
		remove(t, admin, objects[i])
	}
}

// remove deletes an object and waits until it is gone.
func remove(t *testing.T, admin client.Client, object client.Object) {
	t.Helper()
	if err := admin.Delete(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	eventually(t, admin, object, object.GetName()+" is gone", func() bool { return object.GetUID() == "" })
}

// waitsInSilence holds the leader up, shorter than its lease, while there is something to do: the one that waits asks
// Airflow nothing.
func waitsInSilence(t *testing.T, admin client.Client, sim *airflowtest.Server, leader, next *process) {
	t.Helper()
	const namespace = "data-platform"
	instance := &v1alpha1.AirflowInstance{ObjectMeta: metav1.ObjectMeta{Name: "quiet", Namespace: namespace}, Spec: v1alpha1.AirflowInstanceSpec{
		URL: sim.URL, Credentials: v1alpha1.Credentials{SecretRef: v1alpha1.SecretReference{Name: "airflow-oam"}}, PermissionCacheTTL: &metav1.Duration{},
	}}
	if err := admin.Create(t.Context(), instance); err != nil {
		t.Fatal(err)
	}
	eventually(t, admin, instance, "instance is Ready", func() bool { return meta.IsStatusConditionTrue(instance.Status.Conditions, "Ready") })
	eventually(t, admin, instance, "the next operator waits", func() bool { return strings.Contains(next.said(), "acquire leader lease") })
	leader.signal(t, syscall.SIGSTOP)
	policy := &v1alpha1.DagAccessPolicy{ObjectMeta: metav1.ObjectMeta{Name: "quiet", Namespace: namespace}, Spec: v1alpha1.DagAccessPolicySpec{
		InstanceRef: v1alpha1.InstanceReference{Name: instance.Name}, Dags: []v1alpha1.DagSelector{{IDs: []string{"finance_*"}}},
		Access: []v1alpha1.AccessLevel{v1alpha1.AccessTrigger}, Members: []v1alpha1.Subject{{Username: "alice"}},
	}}
	if err := admin.Create(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	before := sim.RequestCount()
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, silence, true, func(context.Context) (bool, error) { return sim.RequestCount() != before, nil })
	if err == nil {
		t.Errorf("the operator that waits made %d requests to Airflow", sim.RequestCount()-before)
	}
	leader.signal(t, syscall.SIGCONT)
	eventually(t, admin, policy, "policy is Ready", func() bool { return meta.IsStatusConditionTrue(policy.Status.Conditions, "Ready") })
	remove(t, admin, policy)
	remove(t, admin, instance)
}
