package instance

import (
	"context"
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
)

// others makes policies and grants that are about another instance.
func (w *world) others(n int) {
	w.Helper()
	foreign := w.policy()
	foreign.ObjectMeta = w.meta("foreign")
	foreign.Spec.InstanceRef.Name = "another"
	if err := w.client.Create(w.Context(), foreign); err != nil {
		w.Fatal(err)
	}
	for i := range n {
		g := &v1alpha1.AccessGrant{ObjectMeta: w.meta(fmt.Sprint("foreign-", i))}
		g.Spec.PolicyRef.Name, g.Spec.Subject.Username = foreign.Name, "bob"
		if err := w.client.Create(w.Context(), g); err != nil {
			w.Fatal(err)
		}
	}
}

// TestWhatIsDeclaredIsFoundByIndex: a pass asks every half second, and the cluster may have tens of thousands of grants.
func TestWhatIsDeclaredIsFoundByIndex(t *testing.T) {
	w := newWorld(t)
	w.given(time.Hour)
	w.others(100)
	gone := w.bob()
	gone.ObjectMeta = w.meta("pinned")
	gone.Spec.PolicyRef.Name = "deleted"
	stored := gone.Status
	if err := w.client.Create(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	gone.Status = stored
	if err := w.client.Status().Update(t.Context(), gone); err != nil {
		t.Fatal(err)
	}

	touched := map[string]int{}
	w.r.Client = interceptor.NewClient(w.client, interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
		asked := (&client.ListOptions{}).ApplyOptions(options)
		if asked.FieldSelector == nil || asked.FieldSelector.Empty() {
			t.Errorf("a list of all %T", list)
		}
		err := c.List(ctx, list, options...)
		touched[fmt.Sprintf("%T", list)] += meta.LenList(list)
		return err
	}})
	s := newScope(w.r, w.instance())
	declared, err := source{s}.Declared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, g := range declared.Grants {
		names[g.Name] = true
	}
	if len(declared.Policies) != 1 || len(declared.Grants) != 2 || !names["bob"] || !names["pinned"] {
		t.Errorf("declared are %d policies and the grants %v", len(declared.Policies), names)
	}
	// bob's grant is found by its policy and by its instance.
	if grants := touched["*v1alpha1.AccessGrantList"]; grants != 3 {
		t.Errorf("%d grants were touched for 2", grants)
	}
	for kind, most := range map[string]int{"*v1alpha1.DagAccessPolicyList": 1, "*v1alpha1.AirflowInstanceList": 1} {
		if touched[kind] > most {
			t.Errorf("%d of %s were touched", touched[kind], kind)
		}
	}
}

// TestAGrantThatIsProvedGoneIsNotFoundByItsInstance: such grants are retained for a year.
func TestAGrantThatIsProvedGoneIsNotFoundByItsInstance(t *testing.T) {
	w := newWorld(t)
	w.given(time.Hour)
	find := func() int {
		found, err := w.r.Cache().GrantsIn(t.Context(), w.instance().UID)
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	if found := find(); found != 1 {
		t.Errorf("%d are found of a live one", found)
	}
	g := w.bob()
	g.Status.RemovedAt = new(metav1.NewTime(w.clock.Now()))
	if err := w.client.Status().Update(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if found := find(); found != 0 {
		t.Errorf("%d are found of one that is gone", found)
	}
	g.Finalizers = []string{v1alpha1.Finalizer}
	if err := w.client.Update(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if err := w.client.Delete(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if found := find(); found != 1 {
		t.Errorf("%d are found of one that is being deleted: its terms are to be retained", found)
	}
}

// TestTheCacheIsComparedOnce: not before every pass.
func TestTheCacheIsComparedOnce(t *testing.T) {
	w := newWorld(t)
	w.grant(time.Hour)
	s := w.serve()
	for range 3 {
		w.reconcile()
	}
	if s.lists != 1 {
		t.Errorf("grants were listed %d times", s.lists)
	}
}
