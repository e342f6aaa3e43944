package cli_test

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/test/controlplane"
)

const alice, bob, mallory = "alice@example.com", "bob@example.com", "mallory@example.com"

var _ = Describe("the plugin", func() {
	It("brings a request from the ask to the proof that access is gone", func(ctx SpecContext) {
		policy(ctx, "finance")
		waits := start(alice, "request", "finance", "--dag", "finance_daily", "--for", "1h", "--reason", "INC-4711 late file", "--wait", "--timeout", "1m")
		var r *v1alpha1.AccessRequest
		Eventually(func(g Gomega) {
			found := &v1alpha1.AccessRequestList{}
			g.Expect(admin.List(ctx, found, client.InNamespace(namespace), client.MatchingFields{"spec.policyRef.name": "finance"})).To(Succeed())
			g.Expect(found.Items).To(HaveLen(1))
			r = &found.Items[0]
		}).Should(Succeed())
		Expect(r.Spec.Requester).To(Equal(alice))
		Expect(r.Spec.Groups).To(Equal([]string{"data"}))
		Expect(run(bob, 1, "approve", r.Name)).To(ContainSubstring("it is not open for votes"))
		admit(ctx, r)

		Expect(run(bob, 0, "get", "--to-decide")).To(And(ContainSubstring(r.Name), ContainSubstring("finance_daily"), ContainSubstring("INC-4711 late file")))
		Expect(run(mallory, 0, "get", "--to-decide")).To(ContainSubstring("No request waits"))
		Expect(run(mallory, 1, "approve", r.Name)).To(ContainSubstring("you are not among its approvers: group finance-leads can decide"))
		Expect(run(alice, 1, "approve", r.Name)).To(ContainSubstring("it is your own request"))
		Expect(run(bob, 0, "approve", r.Name, "--dry-run=server", "-o", "yaml")).To(ContainSubstring("vote: Approve"))
		Expect(only(ctx, "finance").Spec.Votes).To(BeEmpty())
		Expect(run(bob, 0, "approve", r.Name, "--comment", "saw the ticket")).To(ContainSubstring("approved"))
		Expect(only(ctx, "finance").Spec.Votes).To(Equal([]v1alpha1.Vote{
			{By: bob, Groups: []string{"finance-leads"}, Vote: v1alpha1.VoteApprove, Comment: "saw the ticket"},
		}))

		decide(ctx, r, v1alpha1.RequestApproved, v1alpha1.ReasonAgreed, bob)
		until := metav1.NewTime(time.Now().Add(time.Hour).Truncate(time.Second))
		g := give(ctx, r, until)
		Expect(waits.end()).To(Equal(0), "%s%s", &waits.out, &waits.errs)
		Expect(waits.out.String()).To(And(
			ContainSubstring("0 of 1 approvals; group finance-leads can decide"),
			ContainSubstring(`bob@example.com approved, as a member of finance-leads: "saw the ticket"`),
			ContainSubstring("access is active until "+until.UTC().Format("2006-01-02 15:04 UTC")),
			MatchRegexp(`\(\d\d:\d\d CES?T, in 5\dm\)`),
		))

		Expect(run(alice, 0, "get", "--active", "--dag", "finance_daily")).To(ContainSubstring(g.Name))
		Expect(run(alice, 1, "revoke", g.Name, "--reason", "over")).To(ContainSubstring(`cannot patch resource "accessgrants"`))
		told := run(alice, 0, "describe", r.Name)
		Expect(told).To(MatchRegexp(`(?s)alice@example.com asked for View on finance_daily.*bob@example.com approved.*` +
			`airflow-oam: approved: bob@example.com agreed.*airflow-oam: created grant.*airflow-oam: activated.*Airflow user alice`))
	})

	It("ends a wait with the reason why there is no access", func(ctx SpecContext) {
		policy(ctx, "refused")
		run(alice, 0, "request", "--dag", "refused_x", "--reason", "INC-1")
		r := only(ctx, "refused")
		admit(ctx, r)
		Expect(run(alice, 4, "wait", r.Name, "--timeout", "1s")).To(And(ContainSubstring("timed out after 1s"), ContainSubstring("withdraw "+r.Name)))
		waits := start(alice, "wait", r.Name)
		run(bob, 0, "deny", r.Name, "--comment", "not today")
		decide(ctx, r, v1alpha1.RequestDenied, v1alpha1.ReasonDenied, bob)
		Expect(waits.end()).To(Equal(3), "%s%s", &waits.out, &waits.errs)
		Expect(waits.errs.String()).To(ContainSubstring("denied: bob@example.com refused"))
	})

	It("leaves a request that is interrupted, and withdraws it", func(ctx SpecContext) {
		policy(ctx, "withdrawn")
		waits := start(alice, "request", "withdrawn", "--reason", "INC-1", "--wait")
		Eventually(func(g Gomega) { g.Expect(waits.out.String()).To(ContainSubstring("the operator has not processed")) }).Should(Succeed())
		waits.interrupt()
		Expect(waits.end()).To(Equal(130))
		r := only(ctx, "withdrawn")
		Expect(waits.errs.String()).To(ContainSubstring(fmt.Sprintf("request %s stays; to withdraw it: kubectl airflow-access withdraw %s", r.Name, r.Name)))
		run(alice, 0, "withdraw", r.Name)
		Expect(only(ctx, "withdrawn").Spec.Withdrawn).To(BeTrue())
	})

	It("says in a sentence what the API server refuses", func(ctx SpecContext) {
		policy(ctx, "invalid")
		Expect(run(alice, 1, "request", "invalid", "--for", "1ms", "--reason", "INC-1")).To(Equal(
			"error: spec.duration: duration must be a time from 1s to 8760h, such as 30m\n"))
		Expect(run(alice, 1, "request", "invalid", "--reason", "two\nlines")).To(ContainSubstring("error: spec.reason: reason must be one line"))
		Expect(run(alice, 1, "request", "invalid", "--reason", "INC-1", "--access", "Fly")).To(ContainSubstring("spec.access[0]: Unsupported value"))
		Expect(run(alice, 0, "request", "invalid", "--reason", "INC-1", "--dry-run=server", "-o", "name")).To(ContainSubstring("accessrequest.access.airflow-oam.dev/invalid-"))
	})

	It("is a plugin of kubectl, which completes names", func(ctx SpecContext) {
		policy(ctx, "completed")
		Expect(admin.Create(ctx, &v1alpha1.AirflowInstance{
			ObjectMeta: metav1.ObjectMeta{Name: "prod", Namespace: namespace},
			Spec: v1alpha1.AirflowInstanceSpec{
				URL:         "https://airflow.example.com",
				Credentials: v1alpha1.Credentials{SecretRef: v1alpha1.SecretReference{Name: "airflow"}},
				Identity:    &v1alpha1.Identity{Username: "requester.split('@')[0]"},
			},
		})).To(Succeed())
		assets, err := controlplane.Assets()
		Expect(err).NotTo(HaveOccurred())
		kubectl := filepath.Join(assets, "kubectl")
		Expect(finish(launch(kubectl, alice, "airflow-access", "whoami"), 0)).To(And(
			ContainSubstring("Name:          alice@example.com"), ContainSubstring("Groups:        system:authenticated, data"),
			ContainSubstring("Airflow user:  alice (user name) in data/prod")))
		Expect(finish(launch(kubectl, alice, "__complete", "airflow-access", "request", "com"), 0)).To(ContainSubstring("completed\tView,Trigger\n"))
		Expect(finish(launch(kubectl, alice, "airflow-access", "request"), 2)).To(ContainSubstring("See kubectl airflow-access request --help"))
	})

	It("says by which admission policy nobody can act for others, in its own words", func(ctx SpecContext) {
		policy(ctx, "forged")
		run(alice, 0, "request", "forged", "--reason", "INC-1", "--name", "forged")
		Expect(run(bob, 1, "withdraw", "forged")).To(Equal(
			"error: withdraw forged: only alice@example.com can withdraw this request; an approver votes Deny instead\n"))
		Expect(run(mallory, 1, "request", "forged", "--reason", "INC-1", "--group", "finance-leads")).To(And(
			HavePrefix("error: spec.groups"), ContainSubstring("finance-leads"), Not(ContainSubstring("ValidatingAdmissionPolicy"))))
	})
})

// give makes the grant of a request as the operator does.
func give(ctx context.Context, r *v1alpha1.AccessRequest, until metav1.Time) *v1alpha1.AccessGrant {
	GinkgoHelper()
	g := &v1alpha1.AccessGrant{
		ObjectMeta: metav1.ObjectMeta{Name: r.Name + "-grant", Namespace: namespace},
		Spec: v1alpha1.AccessGrantSpec{
			PolicyRef: r.Spec.PolicyRef, Subject: r.Status.Terms.Subject, Dags: r.Spec.Dags, Duration: &r.Status.Terms.Duration,
			Reason: r.Spec.Reason, RequestRef: &v1alpha1.RequestReference{Name: r.Name, UID: string(r.UID)},
		},
	}
	Expect(operator.Create(ctx, g)).To(Succeed())
	g.Status.Phase = v1alpha1.GrantActive
	g.Status.Activation = &v1alpha1.Activation{
		At: metav1.Now(), ExpiresAt: until, Access: r.Status.Terms.Access, Dags: r.Spec.Dags,
		Instances: []v1alpha1.GrantInstance{{Name: "prod", Namespace: namespace, UID: "uid", Username: "alice", Role: "oam.data.finance"}},
	}
	Expect(operator.Status().Update(ctx, g)).To(Succeed())
	as(ctx, r, func(s *v1alpha1.AccessRequestStatus) {
		s.Grant = &v1alpha1.RequestGrant{Name: g.Name, Phase: v1alpha1.GrantActive, ExpiresAt: &until}
	})
	return g
}
