package controllers

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/access"
	"github.com/airflow-oam/airflow-oam/internal/actuator"
	"github.com/airflow-oam/airflow-oam/internal/decision"
	decide "github.com/airflow-oam/airflow-oam/internal/decision/grant"
)

var (
	noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	prod = types.NamespacedName{Namespace: "finance", Name: "prod"}
)

// thousands gives a reconciler that remembers n active grants, and a report that saw them.
func thousands(n int) (*GrantReconciler, *actuator.Report) {
	r := &GrantReconciler{Clock: clocktesting.NewFakePassiveClock(noon)}
	report := &actuator.Report{Instance: prod, ObservedAt: noon, Users: []access.User{{Username: "bob"}}, Grants: map[types.UID]access.GrantReport{}}
	for i := range n {
		grant := &v1alpha1.AccessGrant{}
		grant.Namespace, grant.Name, grant.UID = "finance", fmt.Sprint("grant-", i), types.UID(fmt.Sprint("uid-", i))
		r.memory.stored(grant, prod, decide.Verdict{
			Phase: v1alpha1.GrantActive, Activation: &v1alpha1.Activation{},
			Verdict: decision.Verdict{Conditions: []metav1.Condition{{Type: v1alpha1.ConditionActive, Status: metav1.ConditionTrue}}},
		})
		report.Grants[grant.UID] = access.GrantReport{
			Desire: access.GrantDesire{Live: true, Username: "bob"}, Proof: access.GrantProof{Present: true}, ObservedAt: noon,
		}
	}
	return r, report
}

// later is the next report: a look a minute later.
func later(report *actuator.Report) *actuator.Report {
	next := *report
	next.ObservedAt = report.ObservedAt.Add(time.Minute)
	next.Users = slices.Clone(report.Users)
	next.Grants = map[types.UID]access.GrantReport{}
	for uid, entry := range report.Grants {
		entry.ObservedAt = next.ObservedAt
		next.Grants[uid] = entry
	}
	return &next
}

func woken(r *GrantReconciler, before, report *actuator.Report) (urgent, others []string) {
	first, second := r.concerned(before, report)
	names := func(in []types.NamespacedName) []string {
		var out []string
		for _, name := range in {
			out = append(out, name.Name)
		}
		slices.Sort(out)
		return out
	}
	return names(first), names(second)
}

func TestAPassThatSawNothingNewWakesNoneOfThousands(t *testing.T) {
	r, report := thousands(5000)
	if urgent, others := woken(r, report, later(report)); len(urgent)+len(others) > 0 {
		t.Errorf("%d and %d are woken", len(urgent), len(others))
	}
	if urgent, others := woken(r, nil, report); len(urgent) != 0 || len(others) != 5000 {
		t.Errorf("the first report wakes %d and %d", len(urgent), len(others))
	}
}

func TestAPassWakesThoseOfWhomItSaysSomethingElse(t *testing.T) {
	r, report := thousands(10)
	waiting := &v1alpha1.AccessGrant{}
	waiting.Namespace, waiting.Name, waiting.UID = "finance", "waiting", "uid-waiting"
	r.memory.stored(waiting, prod, decide.Verdict{Phase: v1alpha1.GrantPending, Awaiting: true})
	ending := &v1alpha1.AccessGrant{}
	ending.Namespace, ending.Name, ending.UID = "finance", "ending", "uid-ending"
	r.memory.stored(ending, prod, decide.Verdict{Phase: v1alpha1.GrantEnding, Activation: &v1alpha1.Activation{}})
	over := &v1alpha1.AccessGrant{}
	over.Namespace, over.Name, over.UID = "finance", "over", "uid-over"
	r.memory.stored(over, prod, decide.Verdict{Phase: v1alpha1.GrantExpired})
	report.Grants["uid-ending"], report.Grants["uid-over"] = access.GrantReport{ObservedAt: noon}, access.GrantReport{ObservedAt: noon}

	cases := map[string]struct {
		change         func(*actuator.Report)
		urgent, others []string
	}{
		"a new look alone: only who waits for a proof": {func(*actuator.Report) {}, []string{"ending"}, nil},
		"a proof is lost": {func(n *actuator.Report) {
			n.Grants["uid-3"] = access.GrantReport{Desire: access.GrantDesire{Live: true}, ObservedAt: n.ObservedAt}
		}, []string{"ending"}, []string{"grant-3"}},
		"a user came: who waits": {func(n *actuator.Report) { n.Users = append(n.Users, access.User{Username: "zoe"}) }, []string{"ending"}, []string{"waiting"}},
		"Airflow went":           {func(n *actuator.Report) { n.Err = fmt.Errorf("down") }, []string{"ending"}, []string{"waiting"}},
		"a policy was compared": {func(n *actuator.Report) {
			n.Policies = map[types.NamespacedName]access.PolicyReport{prod: {Generation: 1}}
		}, []string{"ending"}, []string{"waiting"}},
		"the permission cache is shorter: who is too short may fit": {func(n *actuator.Report) { n.CacheTTL = time.Second }, []string{"ending"}, []string{"waiting"}},
		"the operator has another account: who was reserved is not": {func(n *actuator.Report) { n.Account = "robot" }, []string{"ending"}, []string{"waiting"}},
		"another instance": {func(n *actuator.Report) { n.Instance.Name = "other" }, nil, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			next := later(report)
			c.change(next)
			urgent, others := woken(r, report, next)
			if diff := cmp.Diff([][]string{c.urgent, c.others}, [][]string{urgent, others}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAReportBeforeTheControllerWorksIsRememberedAndWakesNobody(t *testing.T) {
	r, report := thousands(1)
	w, reports := &waker{names: r.concerned}, NewReports()
	reports.OnPublish(w.publish)
	reports.Publish(report)
	queue := priorityqueue.New[reconcile.Request]("test")
	defer queue.ShutDown()
	w.start(queue)
	reports.Publish(later(report))
	if got := queue.Len(); got != 0 {
		t.Errorf("%d requests are queued", got)
	}
}

func TestNothingIsKeptOfAnInstanceThatIsGone(t *testing.T) {
	r, report := thousands(1)
	w, reports := &waker{names: r.concerned}, NewReports()
	reports.OnPublish(w.publish)
	collected := make(chan struct{})
	func() {
		gone := later(report)
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
	_, report := thousands(1)
	reports := NewReports()
	reports.Publish(report)
	first := reports.Directory(report)
	if reports.Directory(report) != first {
		t.Error("it is made for every grant anew")
	}
	next := later(report)
	next.Users = nil
	reports.Publish(next)
	if _, missing := reports.Directory(next).Resolve(v1alpha1.Subject{Username: "bob"}); missing == nil {
		t.Error("a new report has the users of the old one")
	}
}

func TestEndingsGoBeforeThousandsThatAreOnlyLookedAtAgain(t *testing.T) {
	r := &GrantReconciler{Clock: clocktesting.NewFakePassiveClock(noon)}
	queue := priorityqueue.New[reconcile.Request]("test")
	defer queue.ShutDown()
	events := r.grantHandler()
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
	ends := map[string]func(*v1alpha1.AccessGrant){
		"end-time":    func(g *v1alpha1.AccessGrant) { g.Status.Activation.ExpiresAt = metav1.NewTime(noon.Add(endingSoon)) },
		"end-spec":    func(g *v1alpha1.AccessGrant) { g.Spec.Duration.Duration = time.Minute },
		"end-revoked": func(g *v1alpha1.AccessGrant) { g.Spec.Revoke = &v1alpha1.Revocation{} },
		"end-deleted": func(g *v1alpha1.AccessGrant) { g.DeletionTimestamp = new(metav1.NewTime(noon)) },
		"end-written": func(g *v1alpha1.AccessGrant) { g.Status.End = &v1alpha1.End{} },
	}
	for name, change := range ends {
		create(name, change)
	}
	create("over", func(g *v1alpha1.AccessGrant) { g.Status.Phase, g.Status.End = v1alpha1.GrantRevoked, &v1alpha1.End{} })
	for range ends {
		request, priority, _ := queue.GetWithPriority()
		if !strings.HasPrefix(request.Name, "end-") || priority != priorityEnding {
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
			if got := grantChanged().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after}); got != c.want {
				t.Errorf("it wakes: %t", got)
			}
		})
	}
}
