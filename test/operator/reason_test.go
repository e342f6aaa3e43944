package operator_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
)

// look asks for a full comparison now.
func look(instance *v1alpha1.AirflowInstance) {
	GinkgoHelper()
	edit(instance, func(i *v1alpha1.AirflowInstance) {
		i.Annotations = map[string]string{v1alpha1.ReconcileAtAnnotation: strconv.Itoa(int(count.Add(1)))}
	})
}

// events are the reasons of the Events about an instance.
func events(instance *v1alpha1.AirflowInstance) func() []string {
	return func() []string {
		list := &corev1.EventList{}
		Expect(admin.List(ctx(), list, client.InNamespace(instance.Namespace))).To(Succeed())
		var reasons []string
		for _, event := range list.Items {
			if event.InvolvedObject.Kind == "AirflowInstance" && event.InvolvedObject.Name == instance.Name {
				reasons = append(reasons, event.Reason)
			}
		}
		return reasons
	}
}

var _ = Describe("what an instance says", Serial, func() {
	It("of a certificate that it does not trust", func() {
		s := newScene()
		url := strings.Replace(s.sim.URL, "http:", "https:", 1)
		s.secret(func(d map[string]string) { d["url"] = url })
		instance := s.instance(func(i *v1alpha1.AirflowInstance) { i.Spec.URL = url })
		Eventually(condition(instance, v1alpha1.ConditionReachable)).Should(Equal("False/" + v1alpha1.ReasonTLSFailed))
		Expect(message(instance, v1alpha1.ConditionReachable)).To(ContainSubstring("caSecretRef"))
		Expect(s.sim.RequestCount()).To(BeZero())
	})

	It("of an address that is never called (F75)", func() {
		s := newScene()
		const metadata = "https://169.254.169.254"
		s.secret(func(d map[string]string) { d["url"] = metadata })
		instance := s.instance(func(i *v1alpha1.AirflowInstance) { i.Spec.URL = metadata })
		Eventually(condition(instance, v1alpha1.ConditionStalled)).Should(Equal("True/" + v1alpha1.ReasonAddressBlocked))
		Expect(message(instance, v1alpha1.ConditionReachable)).To(ContainSubstring("--allow-address"))
	})

	It("of a certificate authority that is not there", func() {
		s := newScene()
		s.secret()
		instance := s.instance(func(i *v1alpha1.AirflowInstance) {
			i.Spec.TLS = &v1alpha1.TLS{CASecretRef: v1alpha1.SecretKeyReference{Name: "airflow-ca"}}
		})
		Eventually(condition(instance, v1alpha1.ConditionReady)).Should(Equal("False/" + v1alpha1.ReasonSecretNotFound))
		Expect(message(instance, v1alpha1.ConditionReady)).To(ContainSubstring(`"airflow-ca"`))
	})

	It("of a cache that it assumes, until it is told", func() {
		s := newScene()
		s.secret()
		instance := s.instance(func(i *v1alpha1.AirflowInstance) { i.Spec.PermissionCacheTTL = nil })
		Eventually(condition(instance, v1alpha1.ConditionCacheTTLAssumed)).Should(Equal("True/" + v1alpha1.ReasonAssumed))
		edit(instance, func(i *v1alpha1.AirflowInstance) { i.Spec.PermissionCacheTTL = &metav1.Duration{} })
		Eventually(condition(instance, v1alpha1.ConditionCacheTTLAssumed)).Should(BeEmpty())
		settled(instance)
	})

	It("of health that is good", func() {
		s := newScene()
		s.secret()
		instance := s.instance()
		settled(instance)
		for name, reason := range map[string]string{
			v1alpha1.ConditionReachable: v1alpha1.ReasonReachable, v1alpha1.ConditionAuthenticated: v1alpha1.ReasonAuthenticated,
			v1alpha1.ConditionCompatible: v1alpha1.ReasonCompatible, v1alpha1.ConditionInSync: v1alpha1.ReasonInSync,
		} {
			Expect(condition(instance, name)()).To(Equal("True/" + reason))
		}
	})

	It("of a list that shifts under it, which it does not believe (F44)", func() {
		s := newScene()
		for i := range 150 {
			name := fmt.Sprintf("person-%03d", i)
			s.sim.AddUser(airflowtest.User{Username: name, Email: name + "@example.com", Roles: []string{"Public"}})
		}
		var more atomic.Int32
		busy := s.sim.Inject(airflowtest.Meanwhile(func() {
			name := fmt.Sprintf("new-%d", more.Add(1))
			s.sim.AddUser(airflowtest.User{Username: name, Email: name + "@example.com", Roles: []string{"Public"}})
		}).On("GET", "/auth/fab/v1/users"))
		s.secret()
		instance := s.instance()
		s.policy()
		Eventually(condition(instance, v1alpha1.ConditionInSync)).Should(Equal("Unknown/" + v1alpha1.ReasonListShifted))
		Expect(s.sim.MutatingRequests()).To(BeEmpty())
		busy.Remove()
		settled(instance)
		Eventually(s.may("alice", "finance_daily")).Should(BeTrue())
	})

	It("of writes that took no effect (F35), and that they did at last", func() {
		s := newScene()
		forgetful := s.sim.Inject(airflowtest.Unstored().On("PATCH", "/auth/fab/v1/users/{username}"))
		s.secret()
		instance, policy := s.instance(), s.policy()
		Eventually(condition(instance, v1alpha1.ConditionInSync)).Should(Equal("False/" + v1alpha1.ReasonStepsFailed))
		Expect(condition(instance, v1alpha1.ConditionReady)()).To(Equal("False/" + v1alpha1.ReasonStepsFailed))
		Expect(message(instance, v1alpha1.ConditionInSync)).To(ContainSubstring("alice"))
		Eventually(condition(policy, v1alpha1.ConditionInSync)).Should(Equal("False/" + v1alpha1.ReasonNotInSync))
		forgetful.Remove()
		settled(instance)
		settled(policy)
		Expect(s.may("alice", "finance_daily")()).To(BeTrue())
	})
})

var _ = Describe("what others change", Serial, func() {
	It("is only told of with drift Report, but for members without a cause", func() {
		s := newScene()
		s.secret()
		instance := s.instance(func(i *v1alpha1.AirflowInstance) { i.Spec.Drift = v1alpha1.DriftReport })
		settled(s.policy())
		s.sim.SetUserRoles("alice", "Public")
		s.sim.SetUserRoles("carol", "Public", "oam."+s.namespace+".finance")
		look(instance)
		Eventually(condition(instance, v1alpha1.ConditionInSync)).Should(Equal("False/" + v1alpha1.ReasonDriftReported))
		Eventually(s.may("carol", "finance_daily")).Should(BeFalse())
		Expect(s.may("alice", "finance_daily")()).To(BeFalse())
		Eventually(events(instance)).Should(ContainElement(v1alpha1.ReasonDriftReported))
	})

	It("is undone three times in a row and then left alone, members without a cause excepted", func() {
		s := newScene()
		s.secret()
		instance := s.instance()
		settled(s.policy())
		for i := range 3 {
			s.sim.SetUserRoles("alice", "Public")
			look(instance)
			Eventually(s.may("alice", "finance_daily")).Should(BeTrue())
			Eventually(func() []v1alpha1.Drift { return read(instance).Status.Drift }).Should(HaveLen(i+1), "the pass that wrote is over")
			settled(instance)
		}
		Eventually(events(instance)).Should(ContainElement(v1alpha1.ReasonDriftRepaired))
		s.sim.SetUserRoles("alice", "Public")
		s.sim.SetUserRoles("carol", "Public", "oam."+s.namespace+".finance")
		look(instance)
		Eventually(s.may("carol", "finance_daily")).Should(BeFalse())
		Eventually(condition(instance, v1alpha1.ConditionInSync)).Should(Equal("False/" + v1alpha1.ReasonContested))
		Consistently(s.may("alice", "finance_daily"), time.Second).Should(BeFalse())
	})
})

// message is the message of a condition as it was read last.
func message(object client.Object, name string) string {
	for _, c := range conditionsOf(object) {
		if c.Type == name {
			return c.Message
		}
	}
	return ""
}
