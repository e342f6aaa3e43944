package kind

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
)

var (
	noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	prod = types.NamespacedName{Namespace: "finance", Name: "prod"}
)

// seen is a report that saw bob at a moment.
func seen(at time.Time) *Report {
	return &Report{Instance: prod, ObservedAt: at, Users: []access.User{{Username: "bob"}}}
}

// newsOnly wakes an object for each report but the first.
func newsOnly(before, report *Report) (urgent, others []types.NamespacedName) {
	if before == nil {
		others = append(others, report.Instance)
	}
	return nil, others
}

func TestAReportBeforeTheControllerWorksIsRememberedAndWakesNobody(t *testing.T) {
	report := seen(noon)
	w, reports := &waker{names: newsOnly}, NewReports()
	reports.OnPublish(w.publish)
	reports.Publish(report)
	queue := priorityqueue.New[reconcile.Request]("test")
	defer queue.ShutDown()
	w.start(queue)
	reports.Publish(seen(noon.Add(time.Minute)))
	if got := queue.Len(); got != 0 {
		t.Errorf("%d requests are queued", got)
	}
}

func TestNothingIsKeptOfAnInstanceThatIsGone(t *testing.T) {
	w, reports := &waker{names: newsOnly}, NewReports()
	reports.OnPublish(w.publish)
	collected := make(chan struct{})
	func() {
		gone := seen(noon.Add(time.Minute))
		runtime.AddCleanup(gone, func(done chan struct{}) { close(done) }, collected)
		reports.Publish(gone)
		reports.Directory(gone)
	}()
	reports.Forget(prod)
	for range 100 {
		runtime.GC()
		select {
		case <-collected:
			return
		default:
			runtime.Gosched()
		}
	}
	t.Error("its last report is still in memory")
	runtime.KeepAlive(reports)
	runtime.KeepAlive(w)
}

func TestTheIndexOfUsersIsMadeOnceForAReport(t *testing.T) {
	report := seen(noon)
	reports := NewReports()
	reports.Publish(report)
	first := reports.Directory(report)
	if reports.Directory(report) != first {
		t.Error("it is made for every grant anew")
	}
	next := seen(noon.Add(time.Minute))
	next.Users = nil
	reports.Publish(next)
	if _, missing := reports.Directory(next).Resolve(v1alpha1.Subject{Username: "bob"}); missing == nil {
		t.Error("a new report has the users of the old one")
	}
}

func TestEndingsGoBeforeThousandsThatAreOnlyLookedAtAgain(t *testing.T) {
	r := New(Env{Clock: clocktesting.NewFakePassiveClock(noon)}, Kind[*v1alpha1.AccessGrant, int]{
		Ends: func(g *v1alpha1.AccessGrant, at time.Time) bool { return at.Equal(noon) && g.Spec.Revoke != nil },
	})
	queue := priorityqueue.New[reconcile.Request]("test")
	defer queue.ShutDown()
	events := r.events()
	create := func(name string, change func(*v1alpha1.AccessGrant)) {
		grant := &v1alpha1.AccessGrant{}
		grant.Namespace, grant.Name = "finance", name
		grant.Spec.Duration = &metav1.Duration{Duration: time.Hour}
		grant.Status.Phase = v1alpha1.GrantActive
		grant.Status.Activation = &v1alpha1.Activation{At: metav1.NewTime(noon), ExpiresAt: metav1.NewTime(noon.Add(time.Hour))}
		change(grant)
		events.Create(t.Context(), event.CreateEvent{Object: grant, IsInInitialList: true}, queue)
	}
	for i := range 2000 {
		create(fmt.Sprint("calm-", i), func(*v1alpha1.AccessGrant) {})
	}
	const ends = 5
	for i := range ends {
		create(fmt.Sprint("end-", i), func(g *v1alpha1.AccessGrant) { g.Spec.Revoke = &v1alpha1.Revocation{} })
	}
	for range ends {
		request, priority, _ := queue.GetWithPriority()
		if !strings.HasPrefix(request.Name, "end-") || priority != PriorityEnding {
			t.Errorf("%s comes first, with priority %d", request.Name, priority)
		}
		queue.Done(request)
	}
	if request, priority, _ := queue.GetWithPriority(); strings.HasPrefix(request.Name, "end-") || priority != handler.LowPriority {
		t.Errorf("%s comes after the endings, with priority %d", request.Name, priority)
	}
}

func TestOurOwnStatusWritesWakeNobody(t *testing.T) {
	before := &v1alpha1.AccessGrant{}
	before.Generation, before.ResourceVersion = 1, "1"
	cases := map[string]struct {
		change func(*v1alpha1.AccessGrant)
		want   bool
	}{
		"a status":            {func(g *v1alpha1.AccessGrant) { g.Status.Phase = v1alpha1.GrantActive }, false},
		"a resync":            {func(g *v1alpha1.AccessGrant) { g.ResourceVersion = "1" }, false},
		"a spec":              {func(g *v1alpha1.AccessGrant) { g.Generation = 2 }, true},
		"a deletion":          {func(g *v1alpha1.AccessGrant) { g.DeletionTimestamp = new(metav1.NewTime(noon)) }, true},
		"F9: a finalizer":     {func(g *v1alpha1.AccessGrant) { g.Finalizers = []string{"x"} }, true},
		"a request to look":   {func(g *v1alpha1.AccessGrant) { g.Annotations = map[string]string{"a": "b"} }, true},
		"another of its name": {func(g *v1alpha1.AccessGrant) { g.UID = "other" }, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			after := before.DeepCopy()
			after.ResourceVersion = "2"
			c.change(after)
			if got := ChangedByOthers().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after}); got != c.want {
				t.Errorf("it wakes: %t", got)
			}
		})
	}
}
