package operator_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/internal/airflow"
	"github.com/airflow-oam/airflow-oam/test/controlplane"
)

// shown gives the blocks of a language below a heading of docs/operations.md, for the scene in place of the example.
func (s *scene) shown(heading, language string) []string {
	GinkgoHelper()
	top, err := controlplane.Root()
	Expect(err).NotTo(HaveOccurred())
	content, err := os.ReadFile(filepath.Join(top, "docs", "operations.md"))
	Expect(err).NotTo(HaveOccurred())
	_, below, found := strings.Cut(string(content), "\n"+heading+"\n")
	Expect(found).To(BeTrue(), heading)
	section := below
	for level := strings.Count(heading, "#"); level > 1; level-- { // one # is a comment of a shell
		section, _, _ = strings.Cut(section, "\n"+strings.Repeat("#", level)+" ")
	}
	var blocks []string
	for i, part := range strings.Split(section, "```") {
		text, ours := strings.CutPrefix(part, language+"\n")
		if i%2 == 0 || !ours {
			continue
		}
		text = strings.NewReplacer("data-platform", s.namespace, "https://airflow.example.com/team-a", s.sim.URL,
			"airflow-oam\n", "airflow\n", " -A", " -n "+s.namespace).Replace(text)
		blocks = append(blocks, text)
	}
	Expect(blocks).NotTo(BeEmpty(), heading)
	return blocks
}

// kubectl runs lines of shell as a person who administers the cluster, but for what needs Helm.
func kubectl(script string) string {
	GinkgoHelper()
	assets, err := controlplane.Assets()
	Expect(err).NotTo(HaveOccurred())
	content, err := controlplane.Kubeconfig(plane)
	Expect(err).NotTo(HaveOccurred())
	folder := GinkgoT().TempDir()
	config := filepath.Join(folder, "kubeconfig")
	Expect(os.WriteFile(config, content, 0o600)).To(Succeed())
	Expect(os.WriteFile(filepath.Join(folder, "helm"), []byte("#!/bin/sh\n"), 0o700)).To(Succeed())
	command := exec.CommandContext(ctx(), "bash", "-euo", "pipefail", "-c", script)
	command.Dir = folder
	command.Env = append(os.Environ(), "KUBECONFIG="+config, "PATH="+strings.Join([]string{assets, folder, os.Getenv("PATH")}, string(os.PathListSeparator)))
	output, err := command.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "%s\n%s", script, output)
	return string(output)
}

// apply makes the objects of YAML blocks.
func apply(blocks []string) {
	GinkgoHelper()
	for _, text := range blocks {
		objects, err := controlplane.Decode([]byte(text))
		Expect(err).NotTo(HaveOccurred())
		for _, object := range objects {
			Expect(admin.Create(ctx(), object)).To(Succeed())
		}
	}
}

// office is a scene with the names of the examples: alice stands, and bob holds a grant.
func office() (*scene, *v1alpha1.AirflowInstance, *v1alpha1.DagAccessPolicy, *v1alpha1.AccessGrant) {
	GinkgoHelper()
	s := newScene()
	s.secret()
	instance, policy := s.instance(), s.policy(func(p *v1alpha1.DagAccessPolicy) { p.Name = "finance-operators" })
	grant := s.grant("bob", time.Hour, named("bob-finance-4711"))
	Eventually(phase(grant)).Should(Equal(v1alpha1.GrantActive))
	settled(policy)
	return s, instance, policy, grant
}

func named(name string) func(*v1alpha1.AccessGrant) {
	return func(g *v1alpha1.AccessGrant) { g.Name, g.Spec.PolicyRef.Name = name, "finance-operators" }
}

var _ = Describe("emergency revocation with kubectl alone, as docs/operations.md shows it", Serial, func() {
	It("ends one grant and shows the proof", func() {
		s, _, _, grant := office()
		output := kubectl(strings.Join(s.shown("### One grant", "sh"), ""))
		Expect(s.may("bob", "finance_daily")()).To(BeFalse(), "the command waited for the proof")
		Expect(read(grant).Status.Phase).To(Equal(v1alpha1.GrantRevoked))
		Expect(output).To(ContainSubstring("Revoked " + grant.Status.RemovedAt.UTC().Format(time.RFC3339)))
	})

	It("ends everything of one person, and nothing of others", func() {
		s, _, policy, grant := office()
		other := s.policy(func(p *v1alpha1.DagAccessPolicy) {
			p.Name, p.Spec.Access = "readers", []v1alpha1.AccessLevel{v1alpha1.AccessView}
			p.Spec.Members = []v1alpha1.Subject{{Username: "carol"}, {Username: "Bob"}, {Username: "alice"}, {Email: "Bob@example.com"}}
		})
		last := s.policy(func(p *v1alpha1.DagAccessPolicy) {
			p.Name, p.Spec.Members = "bob-alone", []v1alpha1.Subject{{Username: "bob"}}
		})
		mail := s.grant("carol", time.Hour, named("by-mail"), func(g *v1alpha1.AccessGrant) {
			g.Spec.Subject = v1alpha1.Subject{Email: "bob@example.com"}
			g.Spec.Access = []v1alpha1.AccessLevel{v1alpha1.AccessView}
		})
		theirs := s.grant("carol", time.Hour, named("carol"))
		for _, g := range []*v1alpha1.AccessGrant{mail, theirs} {
			Eventually(phase(g)).Should(Equal(v1alpha1.GrantActive))
		}
		settled(other)
		settled(last)
		s.sim.SetRole("handmade")
		s.policy(func(p *v1alpha1.DagAccessPolicy) { // of other people, and never in sync
			p.Name, p.Spec.Role = "taken", &v1alpha1.PolicyRole{Name: "handmade"}
		})
		s.policy(func(p *v1alpha1.DagAccessPolicy) { p.Name, p.Spec.InstanceRef.Name = "lost", "nowhere" })
		waiting := s.grant("Bob", time.Hour, named("waiting"), func(g *v1alpha1.AccessGrant) { g.Spec.Dags = []string{"marketing_report"} })
		Eventually(condition(waiting, v1alpha1.ConditionActive)).Should(Equal("False/" + v1alpha1.ReasonDagsNotCovered))
		blocks := s.shown("### All access of one user", "sh")
		kubectl(blocks[0] + blocks[1])
		roles, _ := s.sim.UserRoles("bob")
		Expect(roles).To(ConsistOf("Public"), "the commands waited for the proof")
		for _, g := range []*v1alpha1.AccessGrant{grant, mail} {
			Expect(read(g).Status.Phase).To(Equal(v1alpha1.GrantRevoked))
		}
		Expect(read(other).Spec.Members).To(Equal([]v1alpha1.Subject{{Username: "carol"}, {Username: "alice"}}))
		Expect(read(last).Spec.Members).To(BeEmpty())
		Expect(read(policy).Spec.Members).To(Equal([]v1alpha1.Subject{{Username: "alice"}}))
		Expect(read(theirs).Status.Phase).To(Equal(v1alpha1.GrantActive))
		Expect(read(waiting).Status.Phase).To(Equal(v1alpha1.GrantRevoked))
		Expect(s.triggering("alice")).To(HaveLen(1))
	})

	It("ends everything of one person who has no e-mail and no membership, or nothing at all, and nothing of others", func() {
		s, _, policy, grant := office()
		theirs := s.grant("carol", time.Hour, named("carol"))
		Eventually(phase(theirs)).Should(Equal(v1alpha1.GrantActive))
		script := strings.Join(s.shown("### All access of one user", "sh"), "")
		const shown = "PERSON=bob MAIL=bob@example.com"
		Expect(script).To(ContainSubstring(shown))
		kubectl(strings.Replace(script, shown, "PERSON=nobody MAIL=", 1))
		Expect(read(grant).Status.Phase).To(Equal(v1alpha1.GrantActive))
		kubectl(strings.Replace(script, shown, "PERSON=BOB MAIL=", 1))
		Expect(s.may("bob", "finance_daily")()).To(BeFalse(), "the commands waited for the proof")
		Expect(read(grant).Status.Phase).To(Equal(v1alpha1.GrantRevoked))
		Expect(read(theirs).Status.Phase).To(Equal(v1alpha1.GrantActive))
		Expect(read(policy).Spec.Members).To(Equal([]v1alpha1.Subject{{Username: "alice"}}))
	})

	DescribeTable("does so whatever the mode of the instance", func(mode v1alpha1.Mode) {
		s, instance, policy, grant := office()
		last := s.grant("carol", time.Hour, named("carol"))
		both := s.policy(func(p *v1alpha1.DagAccessPolicy) {
			p.Name, p.Spec.Members = "both", []v1alpha1.Subject{{Username: "alice"}, {Username: "bob"}}
		})
		settled(both)
		Eventually(phase(last)).Should(Equal(v1alpha1.GrantActive))
		edit(instance, inMode(mode))
		settled(instance)

		kubectl(strings.Join(s.shown("### One grant", "sh"), ""))
		Expect(s.sim.Holders("oam."+s.namespace+".finance-operators")).To(ConsistOf("alice", "carol"), "the command waited for the proof")
		Expect(read(grant).Status.Phase).To(Equal(v1alpha1.GrantRevoked))

		person := s.shown("### All access of one user", "sh")
		kubectl("set +e\n" + person[0] + "set -e\n" + person[1]) // it says an error for what was revoked before
		Expect(s.may("bob", "finance_daily")()).To(BeFalse(), "the commands waited for the proof")
		Expect(s.sim.Holders("oam." + s.namespace + ".both")).To(ConsistOf("alice"))

		whole := s.shown("### A whole policy", "sh")
		kubectl(whole[0])
		Expect(s.sim.Holders("oam."+s.namespace+".finance-operators")).To(BeEmpty(), "the command waited for the proof")
		Eventually(phase(last)).Should(Equal(v1alpha1.GrantRevoked))
		Expect(last.Status.RemovedAt).NotTo(BeNil())
		kubectl(whole[1])
		gone(policy)
		Expect(s.may("alice", "finance_daily")()).To(BeTrue(), "by the other policy")

		kubectl(strings.Join(s.shown("### A whole Airflow", "sh"), ""))
		Expect(s.may("alice", "finance_daily")()).To(BeFalse(), "the command waited for the proof")
		Expect(claimless(s.sim.Roles())).NotTo(ContainElement(HavePrefix("oam.")))
	},
		Entry("Observe", v1alpha1.ModeObserve),
		Entry("Suspended", v1alpha1.ModeSuspended),
	)

	It("empties a policy, and then deletes it", func() {
		s, _, policy, grant := office()
		blocks := s.shown("### A whole policy", "sh")
		kubectl(blocks[0])
		Expect(s.sim.Holders("oam."+s.namespace+".finance-operators")).To(BeEmpty(), "the command waited for the proof")
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantRevoked))
		Expect(grant.Status.End.Reason).To(Equal(v1alpha1.EndPolicyChanged))
		settled(policy)
		kubectl(blocks[1])
		_, there := s.sim.Role("oam." + s.namespace + ".finance-operators")
		Expect(there).To(BeFalse())
	})

	It("ends everything in an Airflow", func() {
		s, _, _, grant := office()
		kubectl(strings.Join(s.shown("### A whole Airflow", "sh"), ""))
		Expect(s.may("alice", "finance_daily")()).To(BeFalse(), "the command waited for the proof")
		Expect(s.may("bob", "finance_daily")()).To(BeFalse())
		Expect(read(grant).Status.RemovedAt).NotTo(BeNil())
	})
})

var _ = Describe("the way in and the way out, as docs/operations.md shows them", Serial, func() {
	It("takes over what people made, step by step", func() {
		s := grown()
		s.secret()
		yaml, sh := s.shown("## First rollout on a running Airflow", "yaml"), s.shown("## First rollout on a running Airflow", "sh")
		told := s.shown("## First rollout on a running Airflow", "text")
		apply(yaml[:1])
		kubectl(sh[0])
		apply(yaml[1:])
		policy := &v1alpha1.DagAccessPolicy{ObjectMeta: s.meta("finance-operators")}
		settled(policy)
		Expect(kubectl(sh[1])).To(Equal(told[0]+told[1]), "the page shows what is really said")
		Expect(s.sim.MutatingRequests()).To(BeEmpty())
		instance := &v1alpha1.AirflowInstance{ObjectMeta: s.meta("prod")}
		// The role follows in the next pass; a minute, as by default, is long for a test.
		edit(instance, func(i *v1alpha1.AirflowInstance) { i.Spec.DagInterval = metav1.Duration{Duration: 10 * time.Second} })
		kubectl(sh[2])
		Expect(s.sim.Holders("finance-operators")).To(ConsistOf("alice"))
		Expect(s.triggering("alice")).To(HaveLen(1))

		edit(instance, inMode(v1alpha1.ModeObserve))
		edit(policy, func(p *v1alpha1.DagAccessPolicy) {
			p.Spec.Members = append(p.Spec.Members, v1alpha1.Subject{Username: "carol"})
		})
		Eventually(plan(instance)).Should(ContainElement(ContainSubstring("to carol:")))
		Expect(s.sim.Holders("finance-operators")).To(ConsistOf("alice"), "nobody gets anything back in this mode")
		edit(instance, inMode(v1alpha1.ModeEnforce))
		Eventually(func() []string { return s.sim.Holders("finance-operators") }).Should(ConsistOf("alice", "carol"))
	})

	It("takes everything away when it is uninstalled", func() {
		s, _, _, _ := office()
		s.sim.SetRole("handmade", airflow.Permission{Action: "can_read", Resource: "DAG:marketing_report"})
		s.sim.SetUserRoles("carol", "handmade")
		output := kubectl(strings.Join(s.shown("### Revoke all access", "sh"), ""))
		Expect(output).To(ContainSubstring("No resources found"))
		for _, role := range s.sim.Roles() {
			Expect(role.Name).NotTo(HavePrefix("oam."))
		}
		Expect(s.sim.Holders("handmade")).To(ConsistOf("carol"))
	})

	It("keeps standing access when it is uninstalled so, and knows it when it is back", func() {
		s, _, policy, _ := office()
		again := copied(policy)
		kubectl(strings.Join(s.shown("### Retain the access", "sh"), ""))
		Expect(s.may("alice", "finance_daily")()).To(BeTrue())
		Expect(s.may("bob", "finance_daily")()).To(BeFalse(), "what was given for a while ended first")
		stopOperator()
		s.sim.SetUserRoles("carol", "Public", "oam."+s.namespace+".finance-operators")
		instance := s.instance()
		Expect(admin.Create(ctx(), again)).To(Succeed())
		startOperator()
		settled(instance)
		settled(again)
		Expect(s.sim.Holders("oam."+s.namespace+".finance-operators")).To(ConsistOf("alice"), "nobody declares what was done by hand meanwhile")
		Expect(s.triggering("alice")).To(HaveLen(1))
	})

	It("leaves the role of a policy with its standing members (Orphan)", func() {
		s, _, policy, grant := office()
		edit(policy, func(p *v1alpha1.DagAccessPolicy) { p.Spec.Deletion = v1alpha1.PolicyDeletionOrphan })
		settled(policy)
		Expect(admin.Delete(ctx(), policy)).To(Succeed())
		gone(policy)
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantRevoked))
		Expect(s.sim.Holders("oam." + s.namespace + ".finance-operators")).To(ConsistOf("alice"))
	})
})

var _ = Describe("the operator that was away", Serial, func() {
	It("ends what people took back by hand meanwhile, and gives it to nobody again", func() {
		s, instance, _, grant := office()
		stopOperator()
		s.sim.SetUserRoles("bob", "Public")
		blocks := s.shown("## When the operator is down", "sh")
		output := kubectl(blocks[0] + blocks[2]) // the one between is Airflow's command line
		Expect(output).To(ContainSubstring("bob oam." + s.namespace + ".finance-operators"))
		startOperator()
		Eventually(phase(grant)).Should(Equal(v1alpha1.GrantRevoked))
		settled(instance)
		Expect(s.triggering("bob")).To(HaveLen(1))
	})
})
