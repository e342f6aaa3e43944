// Package operator_test runs the operator's controllers together, against a real API server with the admission policies
// at work and a simulated Airflow for each spec.
package operator_test

import (
	"context"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/controllers"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
	"github.com/airflow-oam/airflow-oam/internal/status/statustest"
	"github.com/airflow-oam/airflow-oam/test/controlplane"
)

func TestOperator(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(30 * time.Second)
	SetDefaultEventuallyPollingInterval(25 * time.Millisecond)
	SetDefaultConsistentlyPollingInterval(50 * time.Millisecond)
	RunSpecs(t, "operator")
}

var (
	plane  *rest.Config
	scheme = runtime.NewScheme()
	admin  client.Client
	stop   func()
	count  atomic.Int32
	// journal is what the operator logged.
	journal lines
)

var _ = BeforeSuite(func() {
	plane, _ = controlplane.Start(GinkgoT(), controlplane.WithAdmission())
	Expect(clientgoscheme.AddToScheme(scheme)).To(Succeed())
	Expect(v1alpha1.AddToScheme(scheme)).To(Succeed())
	var err error
	admin, err = client.New(plane, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	ctrl.SetLogger(GinkgoLogr)
	startOperator()
	DeferCleanup(func() { stopOperator() })
})

// startOperator starts the controllers as main does, with the rights of the operator's account.
func startOperator() {
	GinkgoHelper()
	skip := true
	operator := rest.CopyConfig(controlplane.AsOperator(plane))
	operator.QPS = -1
	mgr, err := ctrl.NewManager(operator, ctrl.Options{
		Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
		Controller: config.Controller{SkipNameValidation: &skip}, Logger: journal.logger(),
	})
	Expect(err).NotTo(HaveOccurred())
	Expect(controllers.Setup(mgr, controllers.Settings{
		Clock: clock.RealClock{}, KubernetesClock: &controllers.Skew{}, Retention: time.Hour,
		AllowHTTPHosts: []string{"127.0.0.1", "localhost"}, AllowedAddresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
	})).To(Succeed())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	stop = func() {
		cancel()
		Expect(<-done).To(Succeed())
	}
}

// stopOperator stops them and waits until nothing of them runs.
func stopOperator() {
	if stop != nil {
		stop()
		stop = nil
	}
}

// scene is a namespace and the simulated Airflow that its objects are about.
type scene struct {
	namespace string
	sim       *airflowtest.Server
	url       string // by which the objects name it
}

// newScene makes a namespace and an Airflow with a few DAGs and people.
func newScene(options ...airflowtest.Options) *scene {
	GinkgoHelper()
	var o airflowtest.Options
	if len(options) > 0 {
		o = options[0]
	}
	s := &scene{namespace: fmt.Sprintf("scene-%d", count.Add(1)), sim: airflowtest.Start(GinkgoTB(), o)}
	s.url = s.sim.URL
	for _, id := range []string{"finance_daily", "finance_weekly", "marketing_report"} {
		s.sim.SetDag(airflowtest.Dag{ID: id})
	}
	for _, name := range []string{"alice", "bob", "carol"} {
		s.sim.AddUser(airflowtest.User{Username: name, Email: name + "@example.com", Roles: []string{"Public"}})
	}
	Expect(admin.Create(ctx(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}})).To(Succeed())
	DeferCleanup(s.remove)
	return s
}

// remove deletes what is left, so that the operator of later specs has nothing to do with it. Every spec ends with a
// look at all that the operator did in its Airflow.
func (s *scene) remove() {
	defer func() { s.touchedOnlyOurs(Default) }()
	for _, kind := range []client.Object{&v1alpha1.AccessGrant{}, &v1alpha1.DagAccessPolicy{}, &v1alpha1.AirflowInstance{}} {
		Expect(admin.DeleteAllOf(ctx(), kind, client.InNamespace(s.namespace))).To(Succeed())
	}
	instances := &v1alpha1.AirflowInstanceList{}
	Expect(admin.List(ctx(), instances, client.InNamespace(s.namespace))).To(Succeed())
	for i := range instances.Items {
		before := instances.Items[i].DeepCopy()
		instances.Items[i].Spec.Deletion = v1alpha1.InstanceDeletionAbandon
		Expect(client.IgnoreNotFound(admin.Patch(ctx(), &instances.Items[i], client.MergeFrom(before)))).To(Succeed())
	}
	Eventually(func(g Gomega) {
		grants, policies := &v1alpha1.AccessGrantList{}, &v1alpha1.DagAccessPolicyList{}
		g.Expect(admin.List(ctx(), instances, client.InNamespace(s.namespace))).To(Succeed())
		g.Expect(admin.List(ctx(), grants, client.InNamespace(s.namespace))).To(Succeed())
		g.Expect(admin.List(ctx(), policies, client.InNamespace(s.namespace))).To(Succeed())
		g.Expect(instances.Items).To(BeEmpty())
		g.Expect(policies.Items).To(BeEmpty())
		g.Expect(grants.Items).To(BeEmpty())
	}).Should(Succeed())
}

func ctx() context.Context { return context.Background() }

func (s *scene) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: s.namespace}
}

// secret makes the Secret of the instance, with changes.
func (s *scene) secret(changes ...func(map[string]string)) {
	GinkgoHelper()
	data := map[string]string{"username": airflowtest.AdminUsername, "password": airflowtest.AdminPassword, "url": s.url}
	for _, change := range changes {
		change(data)
	}
	Expect(admin.Create(ctx(), &corev1.Secret{ObjectMeta: s.meta("airflow"), StringData: data})).To(Succeed())
}

// instance makes the AirflowInstance, with changes.
func (s *scene) instance(changes ...func(*v1alpha1.AirflowInstance)) *v1alpha1.AirflowInstance {
	GinkgoHelper()
	afi := &v1alpha1.AirflowInstance{ObjectMeta: s.meta("prod"), Spec: v1alpha1.AirflowInstanceSpec{
		URL: s.url, Credentials: v1alpha1.Credentials{SecretRef: v1alpha1.SecretReference{Name: "airflow"}},
		PermissionCacheTTL: &metav1.Duration{}, Interval: metav1.Duration{Duration: time.Minute}, DagInterval: metav1.Duration{Duration: 10 * time.Second},
	}}
	for _, change := range changes {
		change(afi)
	}
	Expect(admin.Create(ctx(), afi)).To(Succeed())
	return afi
}

// policy makes a policy over the finance DAGs, with alice standing, with changes.
func (s *scene) policy(changes ...func(*v1alpha1.DagAccessPolicy)) *v1alpha1.DagAccessPolicy {
	GinkgoHelper()
	policy := &v1alpha1.DagAccessPolicy{ObjectMeta: s.meta("finance"), Spec: v1alpha1.DagAccessPolicySpec{
		InstanceRef: v1alpha1.InstanceReference{Name: "prod"}, Dags: []v1alpha1.DagSelector{{IDs: []string{"finance_*"}}},
		Access:  []v1alpha1.AccessLevel{v1alpha1.AccessView, v1alpha1.AccessTrigger},
		Members: []v1alpha1.Subject{{Username: "alice"}},
		Grants:  &v1alpha1.GrantTerms{MaxDuration: metav1.Duration{Duration: time.Hour}},
	}}
	for _, change := range changes {
		change(policy)
	}
	Expect(admin.Create(ctx(), policy)).To(Succeed())
	return policy
}

// grant makes a grant for a person, with changes.
func (s *scene) grant(person string, length time.Duration, changes ...func(*v1alpha1.AccessGrant)) *v1alpha1.AccessGrant {
	GinkgoHelper()
	grant := &v1alpha1.AccessGrant{ObjectMeta: s.meta(person), Spec: v1alpha1.AccessGrantSpec{
		PolicyRef: v1alpha1.PolicyReference{Name: "finance"}, Subject: v1alpha1.Subject{Username: person},
		Duration: &metav1.Duration{Duration: length},
	}}
	for _, change := range changes {
		change(grant)
	}
	Expect(admin.Create(ctx(), grant)).To(Succeed())
	return grant
}

// read gives an object as it is stored now.
func read[T client.Object](object T) T {
	GinkgoHelper()
	Expect(admin.Get(ctx(), client.ObjectKeyFromObject(object), object)).To(Succeed())
	return object
}

// edit changes an object as a person would.
func edit[T client.Object](object T, change func(T)) {
	GinkgoHelper()
	Eventually(func() error {
		if err := admin.Get(ctx(), client.ObjectKeyFromObject(object), object); err != nil {
			return err
		}
		before := object.DeepCopyObject().(client.Object)
		change(object)
		return admin.Patch(ctx(), object, client.MergeFrom(before))
	}).Should(Succeed())
}

func conditionsOf(object client.Object) []metav1.Condition {
	switch o := object.(type) {
	case *v1alpha1.AirflowInstance:
		return o.Status.Conditions
	case *v1alpha1.DagAccessPolicy:
		return o.Status.Conditions
	case *v1alpha1.AccessGrant:
		return o.Status.Conditions
	}
	return nil
}

// condition gives "Status/Reason" of a condition of an object as it is stored now, and "" where there is none.
func condition(object client.Object, name string) func() (string, error) {
	return func() (string, error) {
		if err := admin.Get(ctx(), client.ObjectKeyFromObject(object), object); err != nil {
			return "", err
		}
		for _, c := range conditionsOf(object) {
			if c.Type == name {
				return string(c.Status) + "/" + c.Reason, nil
			}
		}
		return "", nil
	}
}

// phase gives the phase of a grant as it is stored now.
func phase(grant *v1alpha1.AccessGrant) func() (v1alpha1.GrantPhase, error) {
	return func() (v1alpha1.GrantPhase, error) {
		err := admin.Get(ctx(), client.ObjectKeyFromObject(grant), grant)
		return grant.Status.Phase, err
	}
}

// settled waits until an object is Ready of its generation, and checks the rules of kstatus.
func settled(object client.Object) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx(), client.ObjectKeyFromObject(object), object)).To(Succeed())
		g.Expect(conditionsOf(object)).To(ContainElement(And(
			HaveField("Type", "Ready"), HaveField("Status", metav1.ConditionTrue), HaveField("ObservedGeneration", object.GetGeneration()))))
		g.Expect(statustest.Check(object)).To(Succeed())
	}).Should(Succeed())
}

// may says whether a person may trigger a DAG, by what the server stores.
func (s *scene) may(person, dag string) func() bool {
	return func() bool { return s.sim.AllowedLevel(person, "Trigger", dag) }
}

func keyOf(object client.Object) client.ObjectKey { return client.ObjectKeyFromObject(object) }
