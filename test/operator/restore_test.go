package operator_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow/airflowtest"
	"github.com/airflow-oam/airflow-oam/test/controlplane"
)

// copied is what common backup tools make of an object: spec, labels, annotations and finalizers of it, their own
// labels, and no status.
func copied[T client.Object](object T) T {
	GinkgoHelper()
	object = read(object.DeepCopyObject().(T))
	fresh := metav1.ObjectMeta{
		Name: object.GetName(), Namespace: object.GetNamespace(), Annotations: object.GetAnnotations(), Finalizers: object.GetFinalizers(),
		Labels: map[string]string{"velero.io/backup-name": "nightly", "velero.io/restore-name": "nightly-1"},
	}
	switch o := any(object).(type) {
	case *v1alpha1.AccessGrant:
		o.ObjectMeta, o.Status = fresh, v1alpha1.AccessGrantStatus{}
	case *v1alpha1.DagAccessPolicy:
		o.ObjectMeta, o.Status = fresh, v1alpha1.DagAccessPolicyStatus{}
	case *v1alpha1.AirflowInstance:
		o.ObjectMeta, o.Status = fresh, v1alpha1.AirflowInstanceStatus{}
	default:
		Fail("no kind of ours")
	}
	return object
}

// gone waits until an object is deleted.
func gone(object client.Object) {
	GinkgoHelper()
	Eventually(func() bool { return apierrors.IsNotFound(admin.Get(ctx(), keyOf(object), object)) }).Should(BeTrue())
}

// lose takes objects away as the loss of a cluster does: at once, with nobody asked.
func lose(objects ...client.Object) {
	GinkgoHelper()
	for _, object := range objects {
		before := read(object).DeepCopyObject().(client.Object)
		object.SetFinalizers(nil)
		Expect(admin.Patch(ctx(), object, client.MergeFrom(before))).To(Succeed())
		Expect(admin.Delete(ctx(), object)).To(Succeed())
		gone(object)
	}
}

func people(s *scene, names ...string) {
	for _, name := range names {
		s.sim.AddUser(airflowtest.User{Username: name, Email: name + "@example.com", Roles: []string{"Public"}})
	}
}

var _ = Describe("what is restored from a backup without its status (I4)", Serial, func() {
	It("begins nothing again, where the instance was kept", func() {
		s := newScene()
		people(s, "dora", "emil", "fred", "gina")
		s.secret()
		s.instance()
		s.policy(func(p *v1alpha1.DagAccessPolicy) { p.Spec.Grants.MaxAhead = &metav1.Duration{Duration: time.Hour} })
		end := metav1.NewTime(time.Now().Add(time.Hour).Truncate(time.Second))
		fixed := func(g *v1alpha1.AccessGrant) { g.Spec.Duration, g.Spec.ExpiresAt = nil, &end }
		short, revoked, dated, deleted := s.grant("dora", 10*time.Second), s.grant("emil", time.Hour), s.grant("fred", 0, fixed), s.grant("gina", time.Hour)
		start := metav1.NewTime(time.Now().Add(10 * time.Minute).Truncate(time.Second))
		ahead := s.grant("bob", 10*time.Minute, func(g *v1alpha1.AccessGrant) { g.Spec.StartsAt = &start })
		var backup []*v1alpha1.AccessGrant
		for _, grant := range []*v1alpha1.AccessGrant{short, revoked, dated, deleted} {
			Eventually(phase(grant)).Should(Equal(v1alpha1.GrantActive))
			backup = append(backup, copied(grant))
		}
		Eventually(phase(ahead)).Should(Equal(v1alpha1.GrantScheduled))
		backup = append(backup, copied(ahead))
		for _, grant := range []*v1alpha1.AccessGrant{revoked, dated} {
			edit(grant, func(g *v1alpha1.AccessGrant) { g.Spec.Revoke = &v1alpha1.Revocation{} })
			Eventually(phase(grant)).Should(Equal(v1alpha1.GrantRevoked))
		}
		Eventually(phase(short)).Should(Equal(v1alpha1.GrantExpired))
		for _, grant := range []*v1alpha1.AccessGrant{short, revoked, dated, deleted, ahead} {
			Expect(admin.Delete(ctx(), grant)).To(Succeed())
			gone(grant)
		}

		for _, grant := range backup {
			Expect(admin.Create(ctx(), grant)).To(Succeed())
		}
		Eventually(condition(backup[0], v1alpha1.ConditionAdmitted)).Should(Equal("False/"+v1alpha1.ReasonAlreadyGiven), "its time counts from activation: nothing else knows that it is over")
		for _, grant := range backup[1:4] {
			Eventually(phase(grant)).Should(Equal(v1alpha1.GrantRevoked))
			Expect(grant.Status.End.Reason).To(Equal(v1alpha1.EndAlreadySpent))
		}
		Eventually(phase(backup[4])).Should(Equal(v1alpha1.GrantScheduled), "it has not begun")
		Consistently(condition(backup[0], v1alpha1.ConditionStalled), time.Second).Should(Equal("True/" + v1alpha1.ReasonAlreadyGiven))
		for _, person := range []string{"dora", "emil", "fred", "gina"} {
			Expect(s.triggering(person)).To(HaveLen(1), person)
		}
	})

	It("begins nothing again, where everything was lost, and lets a person say what goes on", func() {
		s := newScene()
		people(s, "dora", "emil")
		s.secret()
		instance, policy := s.instance(), s.policy()
		short, revoked, live := s.grant("dora", 10*time.Second), s.grant("emil", time.Hour), s.grant("bob", time.Hour)
		var backup []*v1alpha1.AccessGrant
		for _, grant := range []*v1alpha1.AccessGrant{short, revoked, live} {
			Eventually(phase(grant)).Should(Equal(v1alpha1.GrantActive))
			backup = append(backup, copied(grant))
		}
		settled(policy)
		instanceBackup, policyBackup := copied(instance), copied(policy)
		edit(revoked, func(g *v1alpha1.AccessGrant) { g.Spec.Revoke = &v1alpha1.Revocation{} })
		Eventually(phase(revoked)).Should(Equal(v1alpha1.GrantRevoked))
		Eventually(phase(short)).Should(Equal(v1alpha1.GrantExpired))
		stopOperator()
		lose(short, revoked, live, policy, instance)

		for _, grant := range backup {
			Expect(admin.Create(ctx(), grant)).To(Succeed())
		}
		Expect(admin.Create(ctx(), instanceBackup)).To(Succeed())
		Expect(admin.Create(ctx(), policyBackup)).To(Succeed())
		startOperator()
		Eventually(condition(instanceBackup, v1alpha1.ConditionStalled)).Should(Equal("True/"+v1alpha1.ReasonEndpointTaken), "it has another UID")
		edit(instanceBackup, func(i *v1alpha1.AirflowInstance) { i.Spec.TakeOver = string(instance.UID) })
		settled(instanceBackup)
		settled(policyBackup)
		for _, grant := range backup {
			Eventually(condition(grant, v1alpha1.ConditionAdmitted)).Should(Equal("False/" + v1alpha1.ReasonAlreadyGiven))
		}
		Eventually(s.may("bob", "finance_daily")).Should(BeFalse(), "nothing proves that it had not ended")
		for _, person := range []string{"bob", "dora", "emil"} {
			Expect(s.triggering(person)).To(HaveLen(1), person)
		}
		Expect(s.triggering("alice")).To(HaveLen(1), "standing access goes on without a gap (I9)")

		edit(backup[2], func(g *v1alpha1.AccessGrant) { delete(g.Annotations, v1alpha1.GivenAsAnnotation) })
		Eventually(phase(backup[2])).Should(Equal(v1alpha1.GrantActive))
		Expect(backup[2].Annotations).To(HaveKeyWithValue(v1alpha1.GivenAsAnnotation, string(backup[2].UID)))
	})

	It("leaves a role of a chosen name alone until it is taken over, where everything was lost", func() {
		s := newScene()
		s.secret()
		instance, policy := s.instance(), s.policy(func(p *v1alpha1.DagAccessPolicy) { p.Spec.Role = &v1alpha1.PolicyRole{Name: "finance-operators"} })
		grant := s.grant("bob", time.Hour)
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantActive))
		instanceBackup, policyBackup := copied(instance), copied(policy)
		stopOperator()
		lose(grant, policy, instance)
		instanceBackup.Spec.TakeOver = string(instance.UID)
		Expect(admin.Create(ctx(), instanceBackup)).To(Succeed())
		Expect(admin.Create(ctx(), policyBackup)).To(Succeed())
		startOperator()
		Eventually(condition(policyBackup, v1alpha1.ConditionStalled)).Should(Equal("True/" + v1alpha1.ReasonRoleExists))
		Expect(s.may("bob", "finance_daily")()).To(BeTrue(), "nobody can tell whose the role is")

		edit(instanceBackup, adoptable)
		edit(policyBackup, adopts)
		Eventually(condition(policyBackup, v1alpha1.ConditionInSync)).Should(Equal("False/" + v1alpha1.ReasonAdoptionReported))
		look(instanceBackup)
		settled(policyBackup)
		Expect(s.sim.Holders("finance-operators")).To(ConsistOf("alice"))
		Expect(s.triggering("bob")).To(HaveLen(1))
	})
})

var _ = Describe("a restored snapshot of etcd", Serial, func() {
	It("shows in mode Observe what it would give again, and a person revokes that first", func() {
		s := newScene()
		s.secret()
		instance, policy := s.instance(), s.policy()
		settled(policy)
		grant := s.grant("bob", time.Hour)
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantActive))
		snapshot := grant.DeepCopy()
		edit(grant, func(g *v1alpha1.AccessGrant) { g.Spec.Duration = &metav1.Duration{Duration: time.Second} })
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantExpired))
		stopOperator()
		edit(grant, func(g *v1alpha1.AccessGrant) { g.Spec = snapshot.Spec })
		operator, err := client.New(controlplane.AsOperator(plane), client.Options{Scheme: scheme})
		Expect(err).NotTo(HaveOccurred())
		grant.Status = snapshot.Status
		Expect(operator.Status().Update(ctx(), grant)).To(Succeed())
		edit(instance, inMode(v1alpha1.ModeObserve))

		startOperator()
		Eventually(plan(instance)).Should(ConsistOf(ContainSubstring("grant role oam." + s.namespace + ".finance to bob")))
		edit(grant, func(g *v1alpha1.AccessGrant) {
			g.Spec.Revoke = &v1alpha1.Revocation{Reason: "ended before the snapshot was restored"}
		})
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantRevoked))
		Eventually(plan(instance)).Should(BeEmpty())
		edit(instance, inMode(v1alpha1.ModeEnforce))
		settled(instance)
		Expect(s.triggering("bob")).To(HaveLen(1), "not for a moment a second time")
	})
})

var _ = Describe("a namespace that is deleted", Serial, func() {
	It("F66: goes when everything is taken away, though its Secret went first", func() {
		s := newScene()
		s.secret()
		instance, policy := s.instance(), s.policy()
		grant := s.grant("bob", time.Hour)
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantActive))
		settled(instance)
		Expect(admin.Delete(ctx(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}})).To(Succeed())
		// There is no namespace controller here: this is what it does, in an order of its own.
		for _, object := range []client.Object{&corev1.Secret{ObjectMeta: s.meta("airflow")}, instance, policy, grant} {
			Expect(admin.Delete(ctx(), object)).To(Succeed())
		}
		for _, object := range []client.Object{grant, policy, instance} {
			gone(object)
		}
		Expect(s.may("alice", "finance_daily")()).To(BeFalse())
		Expect(s.may("bob", "finance_daily")()).To(BeFalse())
	})

	It("waits for a person when the Secret went and the operator was started anew", func() {
		s := newScene()
		s.secret()
		instance, policy := s.instance(), s.policy()
		settled(policy)
		stopOperator()
		Expect(admin.Delete(ctx(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}})).To(Succeed())
		for _, object := range []client.Object{&corev1.Secret{ObjectMeta: s.meta("airflow")}, policy, instance} {
			Expect(admin.Delete(ctx(), object)).To(Succeed())
		}
		startOperator()
		Eventually(condition(instance, v1alpha1.ConditionReady)).Should(Equal("False/" + v1alpha1.ReasonSecretNotFound))
		Expect(s.may("alice", "finance_daily")()).To(BeTrue())
		edit(instance, func(i *v1alpha1.AirflowInstance) { i.Spec.Deletion = v1alpha1.InstanceDeletionAbandon })
		gone(instance)
		gone(policy)
		Expect(s.may("alice", "finance_daily")()).To(BeTrue(), "nothing is claimed, and nothing was done")
	})
})
