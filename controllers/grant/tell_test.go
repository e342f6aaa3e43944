package grant

import (
	"context"
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/controllers/kind"
)

// teller remembers what it was told.
type teller struct {
	phases  [][2]v1alpha1.GrantPhase
	forgets []types.UID
}

func (*teller) Request(_, _ *v1alpha1.AccessRequest) {}

func (t *teller) Grant(_ *v1alpha1.AccessRequest, before, after *v1alpha1.AccessGrant) {
	t.phases = append(t.phases, [2]v1alpha1.GrantPhase{before.Status.Phase, after.Status.Phase})
}

func (t *teller) Forget(uid types.UID) { t.forgets = append(t.forgets, uid) }

// People are told what was stored and nothing that was not; of a pass without a change as well, and when the grant is gone.
func TestPeopleAreToldWhatWasStored(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	grant := &v1alpha1.AccessGrant{ObjectMeta: metav1.ObjectMeta{Namespace: "finance", Name: "bob", UID: "uid-bob"}}
	grant.Spec.PolicyRef.Name, grant.Spec.ExpiresAt = "operators", new(metav1.NewTime(noon.Add(time.Hour)))
	grant.Spec.Revoke = &v1alpha1.Revocation{Reason: "not needed"}
	told, refuse := &teller{}, true
	r := New(kind.Env{Clock: clocktesting.NewFakePassiveClock(noon), Reports: kind.NewReports(), Teller: told})
	builder := fake.NewClientBuilder().WithScheme(scheme).WithObjects(grant).WithStatusSubresource(grant)
	for _, index := range kind.Indexes() {
		builder = builder.WithIndex(index.Object, index.Field, index.Values)
	}
	r.Client = builder.WithInterceptorFuncs(interceptor.Funcs{SubResourcePatch: func(ctx context.Context, c client.Client, subresource string,
		object client.Object, patch client.Patch, options ...client.SubResourcePatchOption,
	) error {
		if refuse {
			return errors.New("the API server is away")
		}
		return c.SubResource(subresource).Patch(ctx, object, patch, options...)
	}}).Build()
	r.APIReader = r.Client
	pass := func() error {
		_, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(grant)})
		return err
	}
	if err := pass(); err == nil || len(told.phases) > 0 {
		t.Fatalf("error %v, and told of %v, which was not stored", err, told.phases)
	}
	refuse = false
	for range 2 {
		if err := pass(); err != nil {
			t.Fatal(err)
		}
	}
	want := [][2]v1alpha1.GrantPhase{{"", v1alpha1.GrantRevoked}, {v1alpha1.GrantRevoked, v1alpha1.GrantRevoked}}
	if len(told.phases) != 2 || told.phases[0] != want[0] || told.phases[1] != want[1] {
		t.Errorf("told of %v, want %v", told.phases, want)
	}
	if err := r.Delete(t.Context(), grant); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first one may release it
		if err := pass(); err != nil {
			t.Fatal(err)
		}
	}
	if len(told.forgets) == 0 || told.forgets[0] != grant.UID {
		t.Errorf("forgot %v", told.forgets)
	}
}
