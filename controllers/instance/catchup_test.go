package instance

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

// remembered makes the cache hold the grants of now until it is called.
func (w *world) remembered() (catchUp func()) {
	w.Helper()
	old, behind := &v1alpha1.AccessGrantList{}, true
	if err := w.client.List(w.Context(), old); err != nil {
		w.Fatal(err)
	}
	w.r.Client = interceptor.NewClient(w.client, interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
		if grants, ok := list.(*v1alpha1.AccessGrantList); ok && behind {
			old.DeepCopyInto(grants)
			return nil
		}
		return c.List(ctx, list, options...)
	}})
	return func() { behind = false }
}

// server stands between the operator and the API server: it counts lists, gives them by pages of one, and may be away.
type server struct {
	lists int
	away  bool
	// version of lists.
	version string
}

var errAway = errors.New("the API server does not answer")

func (w *world) serve() *server {
	s := &server{version: "1000000"}
	w.r.APIReader = interceptor.NewClient(w.client, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			if s.away {
				return errAway
			}
			return c.Get(ctx, key, object, options...)
		},
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			if s.away {
				return errAway
			}
			if err := c.List(ctx, list, options...); err != nil {
				return err
			}
			list.SetResourceVersion(s.version)
			grants, ok := list.(*v1alpha1.AccessGrantList)
			if !ok {
				return nil
			}
			asked := (&client.ListOptions{}).ApplyOptions(options)
			if asked.Limit == 0 {
				w.Error("a list of all grants is not read by pages")
			}
			at, _ := strconv.Atoi(asked.Continue)
			if at == 0 {
				s.lists++
			}
			if at+1 < len(grants.Items) {
				grants.Continue = strconv.Itoa(at + 1)
			}
			grants.Items = slices.Clone(grants.Items[at:min(at+1, len(grants.Items))])
			return nil
		},
	})
	return s
}

// bob gives bob's grant as it is stored.
func (w *world) bob() *v1alpha1.AccessGrant {
	w.Helper()
	g := &v1alpha1.AccessGrant{}
	if err := w.client.Get(w.Context(), client.ObjectKey{Namespace: "data", Name: "bob"}, g); err != nil {
		w.Fatal(err)
	}
	return g
}

func TestF2TheFirstPassWaitsForACacheThatIsBehind(t *testing.T) {
	cases := map[string]func(*world){
		"and does not give what was revoked": func(w *world) {
			g := w.bob()
			g.Spec.Revoke = &v1alpha1.Revocation{}
			if err := w.client.Update(w.Context(), g); err != nil {
				w.Fatal(err)
			}
		},
		"and does not give what is gone": func(w *world) {
			if err := w.client.Delete(w.Context(), w.bob()); err != nil {
				w.Fatal(err)
			}
		},
		"and does not give what is proved gone": func(w *world) {
			g := w.bob()
			g.Status.RemovedAt = new(metav1.NewTime(w.clock.Now()))
			g.Status.End = &v1alpha1.End{Reason: v1alpha1.EndRevoked, At: *g.Status.RemovedAt}
			if err := w.client.Status().Update(w.Context(), g); err != nil {
				w.Fatal(err)
			}
		},
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.grant(time.Hour)
			w.serve()
			caughtUp := w.remembered()
			change(w)
			if wait := w.reconcile(); wait > time.Second {
				t.Errorf("waits %s for a cache", wait)
			}
			if w.bobMay() || len(w.sim.MutatingRequests()) > 0 {
				t.Fatal("something was given by an old cache")
			}
			if now := w.instance(); len(now.Status.Conditions) > 0 {
				t.Errorf("a moment's wait is told: %v", now.Status.Conditions)
			}
			caughtUp()
			w.reconcile()
			if w.bobMay() || !w.sim.AllowedLevel("alice", "Trigger", "finance_daily") {
				t.Errorf("when the cache is there: bob %t, alice %t", w.bobMay(), w.sim.AllowedLevel("alice", "Trigger", "finance_daily"))
			}
		})
	}
	t.Run("and does not take what it does not know yet", func(t *testing.T) {
		w := newWorld(t)
		caughtUp := w.remembered()
		stale := w.r.Client
		w.r.Client = w.client
		w.given(time.Hour)
		w.restart(func(r *Reconciler) { r.Client = stale })
		w.serve()
		w.reconcile()
		if !w.bobMay() {
			t.Fatal("bob lost his access")
		}
		caughtUp()
		w.reconcile()
		if !w.bobMay() {
			t.Error("bob lost his access when the cache was there")
		}
	})
}

func TestGrantsThatAreNewerThanTheListDoNotHoldUpTheFirstPass(t *testing.T) {
	w := newWorld(t)
	s := w.serve()
	s.version = "1"
	w.grant(time.Hour)
	if err := w.client.Create(t.Context(), &v1alpha1.AccessGrant{ObjectMeta: metav1.ObjectMeta{Namespace: "data", Name: "second", UID: types.UID("uid-second")}, Spec: w.bob().Spec}); err != nil {
		t.Fatal(err)
	}
	w.reconcile()
	if !w.bobMay() || s.lists != 1 {
		t.Errorf("bob may: %t after %d lists", w.bobMay(), s.lists)
	}
}

func TestEndingsDoNotWaitForKubernetes(t *testing.T) {
	t.Run("that went away before the first good pass", func(t *testing.T) {
		w := newWorld(t)
		w.given(time.Hour)
		w.restart(func(*Reconciler) {})
		s := w.serve()
		w.sim.Inject(airflowtest.Status(http.StatusInternalServerError, "no").On(http.MethodGet, "/auth/fab/v1/roles"))
		w.reconcile() // connects, and cannot pass
		s.away = true
		w.sim.Heal()
		w.clock.Step(time.Hour)
		w.reconcile()
		if w.bobMay() {
			t.Error("the ending waits")
		}
	})
	t.Run("whose cache stays behind", func(t *testing.T) {
		w := newWorld(t)
		w.given(time.Hour)
		w.restart(func(*Reconciler) {})
		w.serve()
		w.remembered()
		g := w.bob()
		g.Labels = map[string]string{"newer": "true"}
		if err := w.client.Update(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		w.clock.Step(time.Hour)
		w.reconcile()
		w.clock.Step(behindPatience)
		w.reconcile()
		if w.bobMay() {
			t.Error("the ending waits")
		}
	})
}

func TestAConflictReadsTheInstanceAgainAndNoList(t *testing.T) {
	w := newWorld(t)
	s := w.serve()
	refused := false
	w.onStatus = func() error {
		if refused {
			return nil
		}
		refused = true
		return apierrors.NewConflict(v1alpha1.GroupVersion.WithResource("airflowinstances").GroupResource(), "prod", errors.New("it was changed"))
	}
	w.reconcile()
	w.reconcile()
	if !refused || s.lists != 1 || !w.sim.AllowedLevel("alice", "Trigger", "finance_daily") {
		t.Errorf("conflict %t; grants were listed %d times", refused, s.lists)
	}
}
