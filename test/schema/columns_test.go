package schema

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/airflow-oam/airflow-oam/api/v1alpha1"
	"github.com/airflow-oam/airflow-oam/test/controlplane"
)

// row asks for one object as kubectl get does and returns its cells by column; wide columns are in brackets.
func row(ctx context.Context, resource, name string) map[string]string {
	GinkgoHelper()
	clients, err := kubernetes.NewForConfig(config)
	Expect(err).NotTo(HaveOccurred())
	answer := clients.RESTClient().Get().
		AbsPath("apis", v1alpha1.GroupVersion.Group, v1alpha1.GroupVersion.Version, "namespaces", namespace, resource, name).
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").Do(ctx)
	content, err := answer.Raw()
	Expect(err).NotTo(HaveOccurred())
	var table metav1.Table
	Expect(json.Unmarshal(content, &table)).To(Succeed())
	Expect(table.Rows).To(HaveLen(1))
	cells := map[string]string{}
	for i, column := range table.ColumnDefinitions {
		title := column.Name
		if column.Priority > 0 {
			title = "[" + title + "]"
		}
		cells[title] = ""
		if value := table.Rows[0].Cells[i]; value != nil {
			cells[title] = fmt.Sprint(value)
		}
	}
	return cells
}

// observed writes a status as the operator does.
func observed(ctx context.Context, stored *unstructured.Unstructured, status string) {
	GinkgoHelper()
	operator, err := client.New(controlplane.AsOperator(config), client.Options{})
	Expect(err).NotTo(HaveOccurred())
	Expect(operator.Status().Patch(ctx, stored, client.RawPatch("application/merge-patch+json", asJSON(status)))).To(Succeed())
}

const ready = `{type: Ready, status: "True", reason: Applied, message: says what Airflow says, lastTransitionTime: "2026-11-23T18:00:00Z"}`

var _ = Describe("kubectl get", func() {
	It("shows where an instance is and whether it is governed", func(ctx SpecContext) {
		stored := created(ctx, object(instance, `metadata: {name: shown}`))
		observed(ctx, stored, `status: {airflow: {version: 3.3.2, fabProvider: 3.10.2}, counts: {managedRoles: 12, managedMemberships: 64}, conditions: [`+ready+`]}`)
		cells := row(ctx, "airflowinstances", "shown")
		Expect(cells).To(HaveKey("Age"))
		delete(cells, "Age")
		Expect(cells).To(Equal(map[string]string{
			"Name": "shown", "URL": "https://airflow.example.com/team-a", "Mode": "Enforce", "Ready": "True", "Reason": "Applied",
			"Airflow": "3.3.2", "[FAB]": "3.10.2", "Roles": "12", "Members": "64", "[Message]": "says what Airflow says",
		}))
	})

	It("shows what a policy gives and to how many", func(ctx SpecContext) {
		stored := created(ctx, object(policy, `{metadata: {name: shown}, spec: {access: [View, Trigger]}}`))
		observed(ctx, stored, `status: {instances: [{name: prod, namespace: data-platform, role: finance, dags: 37, members: 4, activeGrants: 2}], conditions: [`+ready+`]}`)
		cells := row(ctx, "dagaccesspolicies", "shown")
		Expect(cells).To(HaveKey("Age"))
		delete(cells, "Age")
		Expect(cells).To(Equal(map[string]string{
			"Name": "shown", "Instance": "prod", "Role": "finance", "Access": `["View","Trigger"]`, "Dags": "37", "Members": "4", "Grants": "2",
			"Ready": "True", "Reason": "Applied", "[Message]": "says what Airflow says",
		}))
	})

	DescribeTable("shows who holds what, until when, and is it so", func(ctx SpecContext, patch, subject string) {
		stored := created(ctx, object(grant, `{metadata: {name: shown}, spec: {reason: INC-4711}}`, patch))
		observed(ctx, stored, `
status:
  phase: Active
  activation:
    at: "2026-11-23T18:00:00Z"
    expiresAt: "2090-11-23T20:00:00Z"
    instances: [{name: prod, namespace: data-platform, uid: u, username: bob, role: finance}]
  conditions:
  - `+ready+`
  - {type: Active, status: "True", reason: Observed, message: "", lastTransitionTime: "2026-11-23T18:00:00Z"}
`)
		cells := row(ctx, "accessgrants", "shown")
		Expect(cells).To(HaveKey("Age"))
		delete(cells, "Age")
		Expect(cells).To(Equal(map[string]string{
			"Name": "shown", "Subject": subject, "Policy": "finance-operators", "Phase": "Active", "Active": "True",
			"Until": "2090-11-23T20:00:00Z", "Ended": "", "Why": "Observed", "[Reason]": "INC-4711", "[Message]": "says what Airflow says",
			"[Starts]": "", "[Expires]": "2026-11-23T20:00:00Z", "[Duration]": "", "[Access]": "", "[Dags]": "",
		}))
	},
		Entry("by user name", `{}`, "bob"),
		Entry("by e-mail", `spec: {subject: {username: null, email: bob@example.com}}`, "bob@example.com"),
	)

	It("shows who asks for what, and what became of it", func(ctx SpecContext) {
		stored := created(ctx, object(request, `{metadata: {name: shown}, spec: {dags: [finance_daily]}}`))
		observed(ctx, stored, `
status:
  phase: Approved
  terms: {policyUID: u, subject: {username: alice}, duration: 2h0m0s, approvals: 1}
  given: 1
  decideBy: "2090-11-23T18:00:00Z"
  decision: {outcome: Approved, reason: Agreed, by: [bob], at: "2026-11-23T18:00:00Z"}
  grant: {name: shown-1, phase: Active, expiresAt: "2090-11-23T20:00:00Z"}
  conditions:
  - `+ready+`
  - {type: Approved, status: "True", reason: Agreed, message: "", lastTransitionTime: "2026-11-23T18:00:00Z"}
`)
		cells := row(ctx, "accessrequests", "shown")
		Expect(cells).To(HaveKey("Age"))
		delete(cells, "Age")
		Expect(cells).To(Equal(map[string]string{
			"Name": "shown", "Requester": "admin", "Policy": "finance-operators", "For": "2h0m0s", "Phase": "Approved", "Given": "1", "Needed": "1",
			"Access": "Active", "Until": "2090-11-23T20:00:00Z", "Reason": "Agreed", "[Dags]": `["finance_daily"]`,
			"[Decide-By]": "2090-11-23T18:00:00Z", "[By]": `["bob"]`, "[Message]": "says what Airflow says",
		}))
	})

	It("shows a grant that nobody has looked at", func(ctx SpecContext) {
		created(ctx, object(grant, `metadata: {name: fresh}`))
		cells := row(ctx, "accessgrants", "fresh")
		Expect(cells).To(And(HaveKeyWithValue("Subject", "bob"), HaveKeyWithValue("Phase", ""), HaveKeyWithValue("Until", "")))
	})

	It("shows on demand what a grant asks for, before it is given", func(ctx SpecContext) {
		created(ctx, object(grant, `
metadata: {name: asked}
spec: {startsAt: "2030-01-31T18:00:00Z", expiresAt: null, duration: 2h, access: [View, ViewLogs], dags: [finance_daily, finance_weekly]}
`))
		cells := row(ctx, "accessgrants", "asked")
		Expect(cells).To(And(HaveKeyWithValue("[Starts]", "2030-01-31T18:00:00Z"), HaveKeyWithValue("[Expires]", ""), HaveKeyWithValue("[Duration]", "2h"),
			HaveKeyWithValue("[Access]", `["View","ViewLogs"]`), HaveKeyWithValue("[Dags]", `["finance_daily","finance_weekly"]`)))
	})
})

var _ = Describe("The kinds", func() {
	It("have short names and a category", func() {
		clients, err := kubernetes.NewForConfig(config)
		Expect(err).NotTo(HaveOccurred())
		served, err := clients.Discovery().ServerResourcesForGroupVersion(v1alpha1.GroupVersion.String())
		Expect(err).NotTo(HaveOccurred())
		found := map[string]string{}
		for _, resource := range served.APIResources {
			if strings.Contains(resource.Name, "/") {
				continue
			}
			Expect(resource.Namespaced).To(BeTrue())
			found[resource.Name] = fmt.Sprint(resource.ShortNames, resource.Categories)
		}
		Expect(found).To(Equal(map[string]string{
			"airflowinstances":  "[afi] [airflow-access]",
			"dagaccesspolicies": "[afpol] [airflow-access]",
			"accessgrants":      "[afgrant] [airflow-access]",
			"accessrequests":    "[afreq] [airflow-access]",
		}))
	})

	DescribeTable("can be filtered by field", func(ctx SpecContext, base, patch, status, selector, other string) {
		stored := created(ctx, object(base, `metadata: {name: filtered}`, patch))
		if status != "" {
			observed(ctx, stored, status)
		}
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(stored.GroupVersionKind())
		for text, want := range map[string]int{selector: 1, other: 0} {
			options := &client.ListOptions{Namespace: namespace, Raw: &metav1.ListOptions{FieldSelector: text}}
			Eventually(func(g Gomega) {
				g.Expect(admin.List(ctx, list, options)).To(Succeed())
				g.Expect(list.Items).To(HaveLen(want), text)
			}).WithTimeout(10 * time.Second).Should(Succeed())
		}
	},
		Entry("instances by mode", instance, `spec: {mode: Observe}`, "", "spec.mode=Observe", "spec.mode=Suspended"),
		Entry("policies by instance", policy, `{}`, "", "spec.instanceRef.name=prod", "spec.instanceRef.name=test"),
		Entry("policies by state", policy, `spec: {state: Suspended}`, "", "spec.state=Suspended", "spec.state=Active"),
		Entry("grants by policy", grant, `{}`, "", "spec.policyRef.name=finance-operators", "spec.policyRef.name=x"),
		Entry("grants by user name", grant, `{}`, "", "spec.subject.username=bob", "spec.subject.username=x"),
		Entry("grants by e-mail", grant, `spec: {subject: {username: null, email: b@x.y}}`, "", "spec.subject.email=b@x.y", "spec.subject.email=x"),
		Entry("requests by requester", request, `{}`, "", "spec.requester=admin", "spec.requester=x"),
		Entry("requests by policy", request, `{}`, "", "spec.policyRef.name=finance-operators", "spec.policyRef.name=x"),
		Entry("requests by phase", request, `{}`, `status: {phase: Pending}`, "status.phase=Pending", "status.phase=Denied"),
		Entry("grants by phase", grant, `{}`, `status: {phase: Ending}`, "status.phase=Ending", "status.phase=Active"),
	)

	DescribeTable("refuse a status that no operator writes", func(ctx SpecContext, base, status, field, message string) {
		stored := created(ctx, object(base, `metadata: {name: status}`))
		operator, err := client.New(controlplane.AsOperator(config), client.Options{})
		Expect(err).NotTo(HaveOccurred())
		err = operator.Status().Patch(ctx, stored, client.RawPatch("application/merge-patch+json", asJSON(status)))
		expectRefused(err, field, message)
	},
		Entry("a phase", grant, `status: {phase: Done}`, "status.phase", "Unsupported value"),
		Entry("an end", grant, `status: {end: {reason: Bored, at: "2026-11-23T18:00:00Z"}}`, "status.end.reason", "Unsupported value"),
		Entry("history of 17 entries", grant, `status: {history: `+list(17, entry)+`}`, "status.history", "must have at most 16 items"),
		Entry("a long message", grant, `status: {history: [{sequence: 1, at: "2026-11-23T18:00:00Z", event: x, message: `+strings.Repeat("x", 257)+`}]}`, "status.history[0].message", "Too long"),
		Entry("security resources in an activation", grant, activated(`{action: can_edit, resource: Roles}`),
			"status.activation.airflowPermissions[0].resource", neverAllowed),
		Entry("spaces around a resource in an activation", grant, activated(`{action: can_edit, resource: "Pools "}`),
			"status.activation.airflowPermissions[0].resource", "must be the exact name of an Airflow resource"),
		Entry("two instances", policy, `status: {instances: [{name: a, namespace: a}, {name: b, namespace: a}]}`, "status.instances", "must have at most 1 item"),
		Entry("a phase of a request", request, `status: {phase: Done}`, "status.phase", "Unsupported value"),
		Entry("a subject of a request with two names", request, pinned(`{username: a, email: a@example.com}`), "status.terms.subject", oneSubject),
		Entry("a user name of a request that Airflow's API cannot reach", request, pinned(`{username: a/b}`), "status.terms.subject.username", "Airflow's API cannot reach such users"),
		Entry("a user name of a request with a space", request, pinned(`{username: "a "}`), "status.terms.subject.username", "must not begin or end with a space"),
		Entry("an e-mail of a request", request, pinned(`{email: alice}`), "status.terms.subject.email", "email must look like"),
		Entry("a kind of role", instance, `status: {managedRoles: [{name: a, policy: a/b, policyUID: u, kind: Other}]}`, "status.managedRoles[0].kind", "Unsupported value"),
	)
})

func entry(i int) string {
	return fmt.Sprintf(`{sequence: %d, at: "2026-11-23T18:00:00Z", event: x}`, i+1)
}

func pinned(subject string) string {
	return `status: {phase: Pending, terms: {policyUID: u, duration: 1h, approvals: 1, subject: ` + subject + `}}`
}

func activated(permission string) string {
	return `
status:
  activation:
    at: "2026-11-23T18:00:00Z"
    expiresAt: "2026-11-23T20:00:00Z"
    airflowPermissions: [` + permission + `]
    instances: [{name: prod, namespace: data-platform, uid: u, username: bob, role: finance}]
`
}

var _ = Describe("kubectl itself", func() {
	var file string
	BeforeEach(func() {
		content, err := controlplane.Kubeconfig(config)
		Expect(err).NotTo(HaveOccurred())
		file = filepath.Join(GinkgoT().TempDir(), "kubeconfig")
		Expect(os.WriteFile(file, content, 0o600)).To(Succeed())
	})
	kubectl := func(ctx context.Context, arguments ...string) string {
		GinkgoHelper()
		assets, err := controlplane.Assets()
		Expect(err).NotTo(HaveOccurred())
		command := exec.CommandContext(ctx, filepath.Join(assets, "kubectl"), append([]string{"--kubeconfig", file}, arguments...)...)
		output, err := command.CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(output))
		return string(output)
	}

	It("explains every kind and its fields", func(ctx SpecContext) {
		Expect(kubectl(ctx, "explain", "afgrant.spec.duration")).To(ContainSubstring("refused on objects that Git tools"))
		Expect(kubectl(ctx, "explain", "afpol.spec.dags")).To(ContainSubstring("Entries are alternatives; inside an entry every field"))
		Expect(kubectl(ctx, "explain", "afi.spec.url")).To(ContainSubstring("--allow-http-host"))
	})

	It("lists all kinds by their category, and waits for a condition", func(ctx SpecContext) {
		for _, base := range []string{instance, policy, grant, request} {
			stored := created(ctx, object(base, `metadata: {name: listed}`))
			observed(ctx, stored, `status: {observedGeneration: 1, conditions: [`+ready+`]}`)
		}
		output := kubectl(ctx, "--namespace", namespace, "get", "airflow-access")
		for _, want := range []string{"airflowinstance.access.airflow-oam.dev/listed", "dagaccesspolicy.access.airflow-oam.dev/listed", "accessgrant.access.airflow-oam.dev/listed", "accessrequest.access.airflow-oam.dev/listed"} {
			Expect(output).To(ContainSubstring(want))
		}
		kubectl(ctx, "--namespace", namespace, "wait", "--for=condition=Ready", "--timeout=10s", "afgrant/listed")
	})
})
