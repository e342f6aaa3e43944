package operator_test

import (
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
	"github.com/airflow-oam/airflow-oam/internal/status/statustest"
)

var _ = Describe("the health of an instance", Serial, func() {
	// trouble is one way in which an Airflow cannot be governed.
	type trouble struct {
		options   airflowtest.Options
		prepare   func(*scene)
		secret    func(map[string]string)
		instance  func(*v1alpha1.AirflowInstance)
		condition string
		reason    string
		message   string
	}
	DescribeTable("names what is wrong and what to do",
		func(c trouble) {
			s := newScene(c.options)
			if c.prepare != nil {
				c.prepare(s)
			}
			if c.secret == nil {
				c.secret = func(map[string]string) {}
			}
			s.secret(c.secret)
			if c.instance == nil {
				c.instance = func(*v1alpha1.AirflowInstance) {}
			}
			instance := s.instance(c.instance)
			Eventually(condition(instance, c.condition)).Should(Equal("False/" + c.reason))
			Expect(condition(instance, v1alpha1.ConditionReady)()).To(Equal("False/" + c.reason))
			Expect(instance.Status.Conditions[0].Message).To(ContainSubstring(c.message))
			Expect(instance.Status.Conditions[0].Message).NotTo(ContainSubstring(airflowtest.AdminPassword))
			Expect(statustest.Check(read(instance))).To(Succeed())
		},
		Entry("a wrong password", trouble{
			secret:    func(d map[string]string) { d["password"] = "wrong-password" },
			condition: v1alpha1.ConditionAuthenticated, reason: v1alpha1.ReasonBadCredentials, message: "correct the Secret",
		}),
		Entry("a Secret without a key", trouble{
			secret:    func(d map[string]string) { delete(d, "username") },
			condition: v1alpha1.ConditionAuthenticated, reason: v1alpha1.ReasonSecretInvalid, message: `"username"`,
		}),
		Entry("a Secret for another address (F74)", trouble{
			secret:    func(d map[string]string) { d["url"] = "https://elsewhere.example.com" },
			condition: v1alpha1.ConditionAuthenticated, reason: v1alpha1.ReasonSecretURLMismatch, message: "another address",
		}),
		Entry("no Secret", trouble{
			instance:  func(i *v1alpha1.AirflowInstance) { i.Spec.Credentials.SecretRef.Name = "missing" },
			condition: v1alpha1.ConditionAuthenticated, reason: v1alpha1.ReasonSecretNotFound, message: `"missing"`,
		}),
		Entry("SimpleAuthManager", trouble{
			options:   airflowtest.Options{AuthManager: airflow.AuthManagerSimple},
			condition: v1alpha1.ConditionCompatible, reason: v1alpha1.ReasonUnsupportedAuthManager, message: "auth_manager",
		}),
		Entry("an address that answers with a login page", trouble{
			prepare:   func(s *scene) { s.sim.Inject(airflowtest.LoginPage()) },
			condition: v1alpha1.ConditionCompatible, reason: v1alpha1.ReasonNotAirflow, message: "check spec.url",
		}),
		Entry("a server that does not answer", trouble{
			prepare:   func(s *scene) { s.sim.Stop() },
			condition: v1alpha1.ConditionReachable, reason: v1alpha1.ReasonUnreachable, message: "check spec.url",
		}),
		Entry("http where it is not allowed", trouble{
			secret:    func(d map[string]string) { d["url"] = "http://airflow.example.com" },
			instance:  func(i *v1alpha1.AirflowInstance) { i.Spec.URL = "http://airflow.example.com" },
			condition: v1alpha1.ConditionReachable, reason: v1alpha1.ReasonInvalidURL, message: "http is not allowed",
		}),
		Entry("an account that lacks permissions", trouble{
			prepare: func(s *scene) {
				s.sim.SetRole("half", airflow.Permission{Action: "can_read", Resource: "Roles"}, airflow.Permission{Action: "can_read", Resource: "Users"},
					airflow.Permission{Action: "can_read", Resource: "DAGs"}, airflow.Permission{Action: "can_read", Resource: "Providers"})
				s.sim.AddUser(airflowtest.User{Username: "half", Email: "half@example.com", Password: "half-password", Roles: []string{"half"}})
			},
			secret:    func(d map[string]string) { d["username"], d["password"] = "half", "half-password" },
			condition: v1alpha1.ConditionAuthenticated, reason: v1alpha1.ReasonMissingPermissions, message: "can_edit on Users",
		}),
		Entry("a fab provider whose calls on users fail", trouble{
			options:   airflowtest.Options{Generation: older()},
			condition: v1alpha1.ConditionCompatible, reason: v1alpha1.ReasonUnsupportedVersion, message: "3.8.1",
		}),
	)

	It("comes back by itself when the password in the Secret is corrected (F50)", func() {
		s := newScene()
		s.secret()
		instance, policy := s.instance(), s.policy()
		settled(instance)
		settled(policy)
		s.sim.SetPassword(airflowtest.AdminUsername, "rotated-password")
		s.sim.ExpireTokens()
		edit(instance, func(i *v1alpha1.AirflowInstance) {
			i.Annotations = map[string]string{v1alpha1.ReconcileAtAnnotation: "1"}
		})
		Eventually(condition(instance, v1alpha1.ConditionAuthenticated)).Should(Equal("False/" + v1alpha1.ReasonBadCredentials))
		secret := &corev1.Secret{ObjectMeta: s.meta("airflow")}
		edit(secret, func(o *corev1.Secret) { o.Data["password"] = []byte("rotated-password") })
		settled(instance)
	})

	It("uses the last good credentials for endings while the Secret is missing (F51)", func() {
		s := newScene()
		s.secret()
		instance := s.instance()
		s.policy()
		grant := s.grant("bob", time.Hour)
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantActive))
		Expect(admin.Delete(ctx(), &corev1.Secret{ObjectMeta: s.meta("airflow")})).To(Succeed())
		edit(grant, func(g *v1alpha1.AccessGrant) { g.Spec.Revoke = &v1alpha1.Revocation{} })
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantRevoked))
		Expect(s.may("bob", "finance_daily")()).To(BeFalse())
		Eventually(condition(instance, v1alpha1.ConditionReady)).Should(Equal("False/" + v1alpha1.ReasonSecretNotFound))
	})

	It("stops the younger of two instances for one Airflow", func() {
		s := newScene()
		s.secret()
		settled(s.instance())
		second := s.instance(func(i *v1alpha1.AirflowInstance) { i.Name = "second" })
		Eventually(condition(second, v1alpha1.ConditionStalled)).Should(Equal("True/" + v1alpha1.ReasonEndpointTaken))
		Expect(second.Status.Conditions[0].Message).To(ContainSubstring(s.namespace + "/prod"))
	})

	It("does not use a changed address where its roles are not found (F69), and goes on at the old one", func() {
		s, other := newScene(), newScene()
		s.secret()
		instance := s.instance()
		s.policy()
		grant := s.grant("bob", time.Hour)
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantActive))
		edit(&corev1.Secret{ObjectMeta: s.meta("airflow")}, func(o *corev1.Secret) { o.Data["url"] = []byte(other.sim.URL) })
		edit(instance, func(i *v1alpha1.AirflowInstance) { i.Spec.URL = other.sim.URL })
		Eventually(condition(instance, v1alpha1.ConditionStalled)).Should(Equal("True/" + v1alpha1.ReasonEndpointChanged))
		Expect(instance.Status.Endpoint).To(Equal(s.sim.URL))
		edit(grant, func(g *v1alpha1.AccessGrant) { g.Spec.Revoke = &v1alpha1.Revocation{} })
		Eventually(s.may("bob", "finance_daily")).Should(BeFalse())
		Expect(other.sim.MutatingRequests()).To(BeEmpty())
	})

	It("only takes, where it gave access, while its address is that of another instance", func() {
		s, other := newScene(), newScene()
		s.secret()
		instance := s.instance()
		s.policy()
		grant := s.grant("bob", time.Hour)
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantActive))
		other.secret()
		neighbour, theirs := other.instance(), other.policy()
		settled(theirs)
		edit(&corev1.Secret{ObjectMeta: s.meta("airflow")}, func(o *corev1.Secret) { o.Data["url"] = []byte(other.sim.URL) })
		edit(instance, func(i *v1alpha1.AirflowInstance) { i.Spec.URL = other.sim.URL })
		Eventually(condition(instance, v1alpha1.ConditionStalled)).Should(Equal("True/" + v1alpha1.ReasonEndpointTaken))
		late := s.grant("carol", time.Hour)
		Eventually(condition(late, v1alpha1.ConditionActive)).Should(Equal("False/" + v1alpha1.ReasonInstanceNotReady))
		Expect(late.Status.Activation).To(BeNil())
		edit(grant, func(g *v1alpha1.AccessGrant) { g.Spec.Revoke = &v1alpha1.Revocation{} })
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantRevoked))
		Expect(s.may("bob", "finance_daily")()).To(BeFalse())
		Expect(s.may("carol", "finance_daily")()).To(BeFalse())
		settled(neighbour)
		edit(&corev1.Secret{ObjectMeta: s.meta("airflow")}, func(o *corev1.Secret) { o.Data["url"] = []byte(s.sim.URL) })
		edit(instance, func(i *v1alpha1.AirflowInstance) { i.Spec.URL = s.sim.URL })
		Eventually(phase(late)).Should(Equal(v1alpha1.GrantActive))
	})

	It("claims nothing, and goes on trying to end, where a server that holds our access cannot be governed any more", func() {
		s := newScene()
		s.secret()
		instance, policy := s.instance(), s.policy()
		settled(policy)
		grant := s.grant("bob", time.Hour)
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantActive))
		better := s.worsen()

		// Before the operator looks again what server this is.
		edit(grant, func(g *v1alpha1.AccessGrant) { g.Spec.Revoke = &v1alpha1.Revocation{} })
		Eventually(s.may("bob", "finance_daily")).Should(BeFalse(), "what was written holds, whatever was answered")
		Eventually(condition(instance, v1alpha1.ConditionReady)).Should(Equal("False/"+v1alpha1.ReasonStepsFailed), "users fail, and roles are answered")
		unproved := func(g Gomega) {
			g.Expect(phase(grant)()).To(Equal(v1alpha1.GrantEnding))
			g.Expect(grant.Status.RemovedAt).To(BeNil())
			for _, o := range []client.Object{instance, grant} {
				g.Expect(condition(o, v1alpha1.ConditionReady)()).To(HavePrefix("False/"))
				g.Expect(statustest.Check(o)).To(Succeed())
			}
		}
		Eventually(unproved).Should(Succeed())
		Consistently(unproved, time.Second).Should(Succeed())

		// After it looked.
		s.rotate(instance)
		Eventually(condition(instance, v1alpha1.ConditionCompatible)).Should(Equal("False/" + v1alpha1.ReasonUnsupportedVersion))
		tries := func() int {
			return len(s.sim.Requests(func(r airflowtest.Request) bool { return r.Path == "/auth/fab/v1/users/bob" }))
		}
		before := tries()
		Eventually(tries).Should(BeNumerically(">", before), "it goes on trying")
		Eventually(unproved).Should(Succeed())
		Consistently(unproved, time.Second).Should(Succeed())
		late := s.grant("carol", time.Hour)
		Eventually(condition(late, v1alpha1.ConditionActive)).Should(HavePrefix("False/"))
		Expect(late.Status.Activation).To(BeNil(), "nothing is given")

		// Not even an end of it all is claimed.
		Expect(admin.Delete(ctx(), instance)).To(Succeed())
		Eventually(condition(policy, v1alpha1.ConditionReady)).Should(HavePrefix("False/"))
		Eventually(unproved).Should(Succeed())
		Consistently(unproved, time.Second).Should(Succeed())
		Expect(instance.Finalizers).NotTo(BeEmpty())

		better()
		Eventually(phase(grant)).WithTimeout(90 * time.Second).Should(Equal(v1alpha1.GrantRevoked))
		Expect(grant.Status.RemovedAt).NotTo(BeNil())
		Eventually(func() bool { return admin.Get(ctx(), keyOf(instance), instance) != nil }).WithTimeout(90 * time.Second).Should(BeTrue())
		Expect(s.may("alice", "finance_daily")()).To(BeFalse())
	})

	It("is not slowed by another Airflow that hangs", func() {
		hung, quick := newScene(airflowtest.Options{Latency: airflowtest.Latency(30 * time.Second)}), newScene()
		DeferCleanup(hung.sim.Stop)
		hung.secret()
		hung.instance()
		quick.secret()
		settled(quick.instance())
		quick.policy()
		grant := quick.grant("bob", time.Hour)
		Eventually(phase(grant)).WithTimeout(20 * time.Second).Should(Equal(v1alpha1.GrantActive))
	})
})

var _ = Describe("the end of an instance", Serial, func() {
	It("takes everything away first (Revoke)", func() {
		s := newScene()
		s.secret()
		instance := s.instance()
		s.policy()
		s.sim.SetRole("handmade", airflow.Permission{Action: "can_read", Resource: "DAG:marketing_report"})
		s.sim.SetUserRoles("carol", "handmade")
		grant := s.grant("bob", time.Hour)
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantActive))
		Expect(admin.Delete(ctx(), instance)).To(Succeed())
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantRevoked))
		Expect(grant.Status.End.Reason).To(Equal(v1alpha1.EndInstanceDeleted))
		Expect(grant.Status.RevokedAt).NotTo(BeNil())
		Eventually(func() bool { return admin.Get(ctx(), keyOf(instance), instance) != nil }).Should(BeTrue())
		Expect(s.may("alice", "finance_daily")()).To(BeFalse())
		for _, role := range s.sim.Roles() {
			Expect(strings.HasPrefix(role.Name, "oam.")).To(BeFalse(), role.Name)
		}
		roles, _ := s.sim.UserRoles("carol")
		Expect(roles).To(Equal([]string{"handmade"}))
	})

	It("does not wait where nothing was ever given, whatever is wrong", func() {
		s := newScene(airflowtest.Options{AuthManager: airflow.AuthManagerSimple})
		s.secret()
		instance, policy := s.instance(), s.policy()
		Eventually(condition(instance, v1alpha1.ConditionReady)).Should(Equal("False/" + v1alpha1.ReasonUnsupportedAuthManager))
		Expect(admin.Delete(ctx(), policy)).To(Succeed())
		Eventually(func() bool { return apierrors.IsNotFound(admin.Get(ctx(), keyOf(policy), policy)) }).Should(BeTrue())
		Expect(admin.Delete(ctx(), instance)).To(Succeed())
		Eventually(func() bool { return apierrors.IsNotFound(admin.Get(ctx(), keyOf(instance), instance)) }).Should(BeTrue())
	})

	It("does not wait for what was given in an abandoned one of its name", func() {
		s := newScene()
		s.secret()
		instance := s.instance(func(i *v1alpha1.AirflowInstance) { i.Spec.Deletion = v1alpha1.InstanceDeletionAbandon })
		s.policy()
		grant := s.grant("bob", time.Hour)
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantActive))
		Expect(admin.Delete(ctx(), instance)).To(Succeed())
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantRevoked))
		Expect(grant.Status.RemovedAt).To(BeNil())
		gone(instance) // which removes its claim first
		again := s.instance()
		settled(again)
		Expect(admin.Delete(ctx(), again)).To(Succeed())
		Eventually(func() bool { return apierrors.IsNotFound(admin.Get(ctx(), keyOf(again), again)) }).Should(BeTrue())
		Expect(s.may("bob", "finance_daily")()).To(BeFalse())
		Expect(s.may("alice", "finance_daily")()).To(BeFalse())
	})

	It("lets go at once (Abandon), also when Airflow is gone for good, and claims nothing", func() {
		s := newScene()
		s.secret()
		instance := s.instance()
		s.policy()
		grant := s.grant("bob", time.Hour)
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantActive))
		s.sim.Inject(airflowtest.BadGateway(502))
		Expect(admin.Delete(ctx(), instance)).To(Succeed())
		Eventually(condition(instance, v1alpha1.ConditionReady)).Should(HavePrefix("False/"))
		Consistently(func() error { return admin.Get(ctx(), keyOf(instance), instance) }, time.Second).Should(Succeed())
		edit(instance, func(i *v1alpha1.AirflowInstance) { i.Spec.Deletion = v1alpha1.InstanceDeletionAbandon })
		Eventually(func() bool { return admin.Get(ctx(), keyOf(instance), instance) != nil }).Should(BeTrue())
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantRevoked))
		Expect(grant.Status.End.Reason).To(Equal(v1alpha1.EndInstanceDeleted))
		Expect(grant.Status.RevokedAt).To(BeNil())
	})
})

var _ = Describe("modes, drift and guards", Serial, func() {
	It("observes: writes the plan to status and nothing to Airflow", func() {
		s := newScene()
		s.secret()
		instance := s.instance(func(i *v1alpha1.AirflowInstance) { i.Spec.Mode = v1alpha1.ModeObserve })
		s.policy()
		settled(instance)
		Eventually(func() []string { return read(instance).Status.Plan }).Should(ContainElement(ContainSubstring("alice")))
		Expect(s.sim.MutatingRequests()).To(BeEmpty())
	})

	It("repairs drift and says what it thinks was the cause", func() {
		s := newScene()
		s.secret()
		instance, policy := s.instance(), s.policy()
		settled(policy)
		s.sim.SetUserRoles("alice", "Public")
		edit(instance, func(i *v1alpha1.AirflowInstance) {
			i.Annotations = map[string]string{v1alpha1.ReconcileAtAnnotation: "1"}
		})
		Eventually(s.may("alice", "finance_daily")).Should(BeTrue())
		Eventually(func() []v1alpha1.Drift { return read(instance).Status.Drift }).Should(ContainElement(And(
			HaveField("Cause", "Manual"), HaveField("Repaired", true))))
	})

	It("holds a loss of access because DAGs disappeared, until it is released", func() {
		s := newScene()
		for id := range strings.FieldsSeq("a b c d e f g h") {
			s.sim.SetDag(airflowtest.Dag{ID: "finance_" + id})
		}
		s.secret()
		instance, policy := s.instance(), s.policy()
		settled(policy)
		for id := range strings.FieldsSeq("a b c d e f g h") {
			s.sim.RemoveDag("finance_" + id)
		}
		look := func(value string) {
			edit(instance, func(i *v1alpha1.AirflowInstance) {
				i.Annotations = map[string]string{v1alpha1.ReconcileAtAnnotation: value}
			})
		}
		look("1")
		look("2")
		Eventually(func() string {
			look(time.Now().String())
			found, err := condition(instance, v1alpha1.ConditionInSync)()
			Expect(err).NotTo(HaveOccurred())
			return found
		}).WithPolling(200 * time.Millisecond).Should(Equal("False/" + v1alpha1.ReasonMassRevocationHeld))
		Expect(instance.Status.Held).To(HaveLen(1))
		Expect(instance.Status.Held[0].Total).To(Equal(int32(8)))
		Expect(s.may("alice", "finance_daily")()).To(BeTrue())
		edit(instance, func(i *v1alpha1.AirflowInstance) { i.Spec.Release = i.Status.Held[0].Hash })
		Eventually(condition(instance, v1alpha1.ConditionInSync)).Should(Equal("True/" + v1alpha1.ReasonInSync))
		Expect(s.may("alice", "finance_daily")()).To(BeTrue())
		Expect(read(instance).Status.Held).To(BeEmpty())
	})

	It("leaves a second policy without the role name of the first (F70)", func() {
		s := newScene()
		s.secret()
		s.instance()
		named := func(p *v1alpha1.DagAccessPolicy) { p.Spec.Role = &v1alpha1.PolicyRole{Name: "finance-operators"} }
		first := s.policy(named)
		settled(first)
		second := s.policy(named, func(p *v1alpha1.DagAccessPolicy) {
			p.Name = "second"
			p.Spec.Members = []v1alpha1.Subject{{Username: "carol"}}
		})
		Eventually(condition(second, v1alpha1.ConditionStalled)).Should(Equal("True/" + v1alpha1.ReasonRoleNameTaken))
		Expect(s.may("carol", "finance_daily")()).To(BeFalse())
		Expect(admin.Delete(ctx(), first)).To(Succeed())
		settled(second)
		Expect(s.may("carol", "finance_daily")()).To(BeTrue())
		Expect(s.may("alice", "finance_daily")()).To(BeFalse())
	})

	It("serves a grant for a user who logs in for the first time later", func() {
		s := newScene()
		s.secret()
		s.instance()
		s.policy()
		grant := s.grant("dora", time.Hour)
		Eventually(condition(grant, v1alpha1.ConditionActive)).Should(Equal("False/" + v1alpha1.ReasonUserNotFound))
		settled(grant)
		s.sim.AddUser(airflowtest.User{Username: "dora", Email: "dora@example.com", Roles: []string{"Public"}})
		Eventually(phase(grant)).WithTimeout(30 * time.Second).Should(Equal(v1alpha1.GrantActive))
		Expect(s.may("dora", "finance_daily")()).To(BeTrue())
	})
})

// worsen makes the Airflow behave from now on as 3.1.7 with fab 3.2.0 does, to which somebody moved it; better undoes it.
// The contract of the simulator's profile pins the same of the real one.
func (s *scene) worsen() (better func()) {
	const users, user, role = "/auth/fab/v1/users", "/auth/fab/v1/users/{username}", "/auth/fab/v1/roles/{name}"
	failed := &airflowtest.Answer{Status: http.StatusInternalServerError, Body: `{"detail":"Internal Server Error"}`}
	providers := &airflowtest.Answer{Status: http.StatusOK, Body: `{"providers":[{"package_name":"apache-airflow-providers-fab","version":"3.2.0"}],"total_entries":1}`}
	var injected []*airflowtest.Injected
	for _, fault := range []airflowtest.Fault{
		{Name: "written, 500", Endpoint: user, Answer: failed},
		{Name: "written, 500", Endpoint: users, Answer: failed},
		airflowtest.Status(http.StatusForbidden, "Forbidden").On(http.MethodPatch, role),
		airflowtest.Status(http.StatusInternalServerError, "Internal Server Error").On(http.MethodDelete, role),
		{Name: "fab 3.2.0", Endpoint: "/api/v2/providers", Apply: airflowtest.Nothing, Answer: providers},
	} {
		injected = append(injected, s.sim.Inject(fault))
	}
	return func() {
		for _, one := range injected {
			one.Remove()
		}
	}
}

// rotate gives the account another password, so that the operator makes a new connection and looks what server it is.
func (s *scene) rotate(instance *v1alpha1.AirflowInstance) {
	GinkgoHelper()
	s.sim.SetPassword(airflowtest.AdminUsername, "rotated-password")
	edit(&corev1.Secret{ObjectMeta: s.meta("airflow")}, func(o *corev1.Secret) { o.Data["password"] = []byte("rotated-password") })
	edit(instance, func(i *v1alpha1.AirflowInstance) { i.Spec.DagInterval = metav1.Duration{Duration: 11 * time.Second} })
}

// older is an Airflow whose fab provider only adds permissions.
func older() *airflowtest.Generation {
	generation := airflowtest.Airflow33
	generation.FABProvider = "3.2.0"
	return &generation
}
